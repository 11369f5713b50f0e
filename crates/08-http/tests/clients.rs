//! Clients that others have written: curl, wget, and those of Python. Where one is missing, its checks are left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use harness::{Check, Failure, Finished, Server, Suite};
use tempfile::TempDir;

const DOCUMENT: &str = "0123456789";
const SECRET: &str = "not for you";
/// No settings of whoever runs this, no proxy, no progress, but errors.
const CURL: [&str; 5] = ["-q", "--noproxy", "*", "-s", "-S"];
const WGET: [&str; 5] = ["--no-config", "--no-proxy", "-nv", "-e", "robots=off"];
/// Ways out of the directory, as they are tried on every server.
const WAYS_OUT: [&str; 8] = [
    "/../secret.txt",
    "/folder/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/%252e%252e/secret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/way-out",
];

fn main() -> ExitCode {
    let place = place().expect("a folder with documents");
    let root = place.path().join("root").display().to_string();
    let checks = [
        Check::new("curl: two documents on one connection", one_connection),
        Check::new("curl: a hundred documents at once", a_hundred),
        Check::new("curl: 16 MiB come whole", large_document),
        Check::new("curl: a head is that of the document", head),
        Check::new("curl: ranges of a document", ranges),
        Check::new("curl: a download goes on where it broke off", resumes),
        Check::new("curl: what has not changed is not sent again", not_modified),
        Check::new("curl: HTTP/1.0, too", http_1_0),
        Check::new("curl: a directory without its slash", directory),
        Check::new("curl: an upload that nobody asked for is refused", upload),
        Check::new("curl: nothing outside of the directory", stays_inside),
        Check::new("wget: a document", wget_document),
        Check::new("wget: a mirror, and again only what has changed", mirror),
        Check::new("Python: http.client stays on one connection", |server| {
            python(server, "http_client");
        }),
        Check::new(
            "Python: urllib follows, and reads what is wrong",
            |server| {
                python(server, "urllib");
            },
        ),
    ];
    Suite::new("http", env!("CARGO_BIN_EXE_http"))
        .page("docs/src/steps/http.md", "Run it")
        .checks(checks.map(|check| check.arguments(["--root", root.as_str()])))
        .run()
}

/// `root` is served, and `secret.txt` beside it must not be.
fn place() -> std::io::Result<TempDir> {
    let place = tempfile::tempdir()?;
    fs::write(place.path().join("secret.txt"), SECRET)?;
    let root = place.path().join("root");
    fs::create_dir_all(root.join("folder/deep"))?;
    fs::write(root.join("document.txt"), DOCUMENT)?;
    fs::write(root.join("large.bin"), large())?;
    fs::write(
        root.join("folder/page.html"),
        "<a href=\"other.html\">on</a>",
    )?;
    fs::write(root.join("folder/other.html"), "<p>there</p>")?;
    fs::write(root.join("folder/deep/100% of it.txt"), "all")?;
    #[cfg(unix)] // elsewhere no file may have such a name
    {
        fs::write(root.join("folder/deep/what? \"ü\" <b>#1&amp;.txt"), "odd")?;
        std::os::unix::fs::symlink("../secret.txt", root.join("way-out"))?;
    }
    Ok(place)
}

/// More than fits into any buffer on the way, and no block is like another.
fn large() -> Vec<u8> {
    let mut bytes = vec![0; 16 << 20];
    fastrand::Rng::with_seed(8).fill(&mut bytes);
    bytes
}

fn one_connection(server: &Server) {
    let url = url(server, "/document.txt");
    let told = ["-w", " %{http_code} %{num_connects}\n", &url, &url];
    expect_curl(server, &told, "0123456789 200 1\n0123456789 200 0\n");
}

fn a_hundred(server: &Server) {
    in_folder(|folder| {
        let (copies, all) = (path(folder, "#1"), url(server, "/document.txt?[1-100]"));
        let told = ["--parallel", "-w", "%{http_code}\n", "-o", &copies, &all];
        expect_curl(server, &told, &"200\n".repeat(100));
    });
}

fn large_document(server: &Server) {
    in_folder(|folder| {
        let copy = path(folder, "copy");
        expect_curl(server, &["-o", &copy, &url(server, "/large.bin")], "");
        expect_large(&copy);
    });
}

fn head(server: &Server) {
    let said = curl(server, &["--head", &url(server, "/document.txt")]);
    expect_line(&said, "HTTP/1.1 200 OK");
    expect_line(&said, "Content-Length: 10");
}

fn ranges(server: &Server) {
    let url = url(server, "/document.txt");
    for (range, expected) in [("2-5", "2345 206"), ("7-", "789 206"), ("-3", "789 206")] {
        expect_curl(
            server,
            &["-r", range, "-w", " %{http_code}", &url],
            expected,
        );
    }
    let behind_it = ["-r", "10-", "-o", "-", "-w", "%{http_code}", "--fail", &url];
    let finished = run(server, "curl", &CURL, &behind_it);
    let _ = finished.expect_status(22).expect_stdout("416"); // 22: "HTTP page not retrieved"
}

fn resumes(server: &Server) {
    in_folder(|folder| {
        let (copy, url) = (path(folder, "copy"), url(server, "/large.bin"));
        fs::write(&copy, &large()[..1 << 20]).expect("the first piece");
        let rest = [
            "-C",
            "-",
            "-o",
            &copy,
            "-w",
            "%{http_code} %{size_download}",
            &url,
        ];
        expect_curl(server, &rest, "206 15728640");
        expect_large(&copy);
    });
}

fn not_modified(server: &Server) {
    in_folder(|folder| {
        let (copy, url) = (path(folder, "copy"), url(server, "/document.txt"));
        expect_curl(server, &["--remote-time", "-o", &copy, &url], "");
        let again = [
            "-z",
            &copy,
            "-o",
            &copy,
            "-w",
            "%{http_code} %{size_download}",
            &url,
        ];
        expect_curl(server, &again, "304 0");
    });
}

fn http_1_0(server: &Server) {
    let told = [
        "--http1.0",
        "-w",
        " %{http_code}",
        &url(server, "/document.txt"),
    ];
    expect_curl(server, &told, "0123456789 200");
}

fn directory(server: &Server) {
    let told = [
        "-L",
        "-w",
        "\n%{num_redirects} %{url_effective}",
        &url(server, "/folder"),
    ];
    expect_line(
        &curl(server, &told),
        &format!("1 {}", url(server, "/folder/")),
    );
}

fn upload(server: &Server) {
    in_folder(|folder| {
        let (small, large) = (path(folder, "small"), path(folder, "large"));
        fs::write(&small, DOCUMENT).expect("a file");
        fs::write(&large, self::large()).expect("a file");
        // Before so much, curl asks (RFC 9110, section 10.1.1), and the answer is that it is too much.
        for (file, status) in [(small, "405"), (large, "413")] {
            let (data, answer) = (format!("@{file}"), path(folder, "answer"));
            let told = ["--data-binary", &data, "-o", &answer, "-w", "%{http_code}"];
            expect_curl(
                server,
                &[&told[..], &[&url(server, "/document.txt")]].concat(),
                status,
            );
        }
    });
}

fn stays_inside(server: &Server) {
    for way in WAYS_OUT {
        let said = curl(
            server,
            &["--path-as-is", "-w", "\n%{http_code}", &url(server, way)],
        );
        let (body, status) = said.stdout().rsplit_once('\n').unwrap_or_default();
        if !["400", "403", "404"].contains(&status) || body.contains(SECRET) {
            Failure::new(format!("{way} to be refused"), format!("{status}: {body}")).raise();
        }
    }
}

fn wget_document(server: &Server) {
    let finished = wget(server, &["-O", "-", &url(server, "/document.txt")]);
    let _ = finished.expect_stdout(DOCUMENT);
}

fn mirror(server: &Server) {
    in_folder(|folder| {
        let (copy, url) = (path(folder, "copy"), url(server, "/folder/"));
        let told = [
            "-m",
            "-np",
            "-nH",
            "--restrict-file-names=nocontrol",
            "-P",
            &copy,
            &url,
        ];
        let _ = wget(server, &told);
        let mut files = files_below(&Path::new(&copy).join("folder"));
        files.retain(|file| !file.ends_with("index.html")); // the pages of directories
        let expected = if cfg!(unix) { 4 } else { 3 };
        if files.len() != expected {
            Failure::new(format!("{expected} documents"), format!("{files:?}")).raise();
        }
        let again = wget(server, &told);
        if let Some(line) = again.stderr().lines().find(|line| line.contains(".txt")) {
            Failure::new("nothing twice, for none has changed", line).raise();
        }
    });
}

fn python(server: &Server, part: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients.py");
    let _ = run(
        server,
        "python3",
        &[script, part],
        &[&server.address().to_string()],
    )
    .expect_status(0);
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

#[track_caller]
fn run(server: &Server, program: &str, always: &[&str], told: &[&str]) -> Finished {
    server.run_client(program, &[always, told].concat())
}

#[track_caller]
fn curl(server: &Server, told: &[&str]) -> Finished {
    run(server, "curl", &CURL, told).expect_status(0)
}

#[track_caller]
fn expect_curl(server: &Server, told: &[&str], stdout: &str) {
    let _ = curl(server, told).expect_stdout(stdout);
}

#[track_caller]
fn wget(server: &Server, told: &[&str]) -> Finished {
    run(server, "wget", &WGET, told).expect_status(0)
}

/// What a client stores is gone afterwards.
fn in_folder(body: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    body(folder.path());
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => files_below(&path),
        path => vec![path],
    });
    files.collect()
}

/// Field names may be written in any case (RFC 9110, section 5.1).
#[track_caller]
fn expect_line(said: &Finished, line: &str) {
    let mut lines = said.stdout().lines();
    if !lines.any(|said| said.eq_ignore_ascii_case(line)) {
        Failure::new(format!("the line {line:?}"), format!("{:?}", said.stdout())).raise();
    }
}

#[track_caller]
fn expect_large(copy: &str) {
    let copied = fs::read(copy).unwrap_or_default();
    if copied != large() {
        let got = format!("{} bytes, and not all are right", copied.len());
        Failure::new("every byte as it was", got).raise();
    }
}
