//! Clients that others have written, and that people use: the server is to be one like any other to them.
//!
//! Each is left out, visibly, where it is not installed.

#![allow(dead_code, reason = "of the place, the conversations use more")]

#[path = "conversation/place.rs"]
mod place;

use std::fs;
use std::process::ExitCode;

use harness::{Check, Finished, Server, Suite};

use place::{HELLO, Place, reads, writes};

fn main() -> ExitCode {
    Suite::new("ftp", env!("CARGO_BIN_EXE_ftp"))
        .page("docs/src/steps/ftp.md", "Run it")
        .check(reads("says where it listens", |server, _| {
            server.expect_listens_as_told();
        }))
        .checks(curl())
        .checks(wget())
        .checks(lftp())
        .checks(python())
        .run()
}

/// Bytes of every kind, line ends among them, and more than one piece of whatever reads them.
fn noise(server: &Server) -> Vec<u8> {
    let mut random = server.random();
    let byte = |_| random.choice(*b"\r\n\0\xffabc").unwrap_or_default();
    (0..300_000).map(byte).collect()
}

/// Runs a client with these arguments and the URL of a file. It must come to its end with this status.
#[track_caller]
fn run(server: &Server, words: &[&str], path: &str, status: i32) -> Finished {
    let url = format!("ftp://{}/{path}", server.address());
    let arguments = [&words[1..], &[&url]].concat();
    server
        .run_client(words[0], &arguments)
        .expect_status(status)
}

#[track_caller]
fn run_curl(server: &Server, arguments: &[&str], path: &str) -> Finished {
    let words = ["curl", "-q", "-sS", "--max-time", "30"];
    run(server, &[&words[..], arguments].concat(), path, 0)
}

fn curl() -> Vec<Check> {
    vec![
        reads("curl lists", curl_lists),
        reads("curl fetches, in every way", curl_fetches),
        writes("curl sends, in every way", curl_sends),
        reads("curl goes on where it was", curl_goes_on),
        writes("curl goes on sending where it was", curl_goes_on_sending),
        writes("curl moves text as text", curl_moves_text),
        reads("curl finds its way in every manner", curl_finds),
        reads("curl asks about a file", curl_asks),
        writes("curl makes, renames and removes", curl_changes),
    ]
}

fn curl_lists(server: &Server, place: &Place) {
    fs::remove_dir_all(place.path("pub")).expect("it is there");
    let line = "-rw-r--r-- 1 ftp ftp           12 Nov  6  1994 hello.txt\n";
    drop(run_curl(server, &[], "").expect_stdout(line));
    drop(run_curl(server, &["-l"], "").expect_stdout("hello.txt\n"));
}

/// The ways in which a data connection can come about.
const WAYS: [&[&str]; 4] = [
    &["--epsv"],
    &["--disable-epsv"],
    &["-P", "-"],
    &["-P", "-", "--disable-eprt"],
];

fn curl_fetches(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("noise.bin", &bytes);
    let got = place.path("../got.bin").display().to_string();
    for way in WAYS {
        drop(run_curl(
            server,
            &[way, &["-o", &got]].concat(),
            "noise.bin",
        ));
        place.expect("../got.bin", &bytes);
    }
}

fn curl_sends(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("../noise.bin", &bytes);
    let noise = place.path("../noise.bin").display().to_string();
    for (number, way) in WAYS.iter().enumerate() {
        let name = format!("{number}.bin");
        drop(run_curl(
            server,
            &[way, &["-T", &noise][..]].concat(),
            &name,
        ));
        place.expect(&name, &bytes);
    }
}

fn curl_goes_on(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("noise.bin", &bytes);
    place.write("../part.bin", &bytes[..100_000]);
    let part = place.path("../part.bin").display().to_string();
    drop(run_curl(server, &["-C", "-", "-o", &part], "noise.bin"));
    place.expect("../part.bin", &bytes);
}

fn curl_goes_on_sending(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("part.bin", &bytes[..100_000]);
    place.write("../whole.bin", &bytes);
    let whole = place.path("../whole.bin").display().to_string();
    drop(run_curl(server, &["-C", "-", "-T", &whole], "part.bin"));
    place.expect("part.bin", &bytes);
}

fn curl_moves_text(server: &Server, place: &Place) {
    drop(run_curl(server, &["--use-ascii"], "hello.txt").expect_stdout(HELLO));
    let text = place.path("hello.txt").display().to_string();
    drop(run_curl(server, &["--use-ascii", "-T", &text], "copy.txt"));
    place.expect("copy.txt", HELLO);
}

fn curl_finds(server: &Server, place: &Place) {
    fs::create_dir_all(place.path("a b/c")).expect("a directory");
    place.write("a b/c/d e.txt", "here\n");
    for method in ["multicwd", "nocwd", "singlecwd"] {
        let there = run_curl(server, &["--ftp-method", method], "a%20b/c/d%20e.txt");
        drop(there.expect_stdout("here\n"));
    }
}

fn curl_asks(server: &Server, _: &Place) {
    let head = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                Content-Length: 12\r\nAccept-ranges: bytes\r\n";
    drop(run_curl(server, &["-I"], "hello.txt").expect_stdout(head));
    let no_such_file = 78;
    drop(run(
        server,
        &["curl", "-q", "-sS"],
        "nothing.txt",
        no_such_file,
    ));
    let login_denied = 67;
    let as_root = ["curl", "-q", "-sS", "-u", "root:secret"];
    drop(run(server, &as_root, "hello.txt", login_denied));
}

fn curl_changes(server: &Server, place: &Place) {
    let note = place.path("pub/note.txt").display().to_string();
    let before = [
        "-Q",
        "MKD new",
        "-Q",
        "RNFR hello.txt",
        "-Q",
        "RNTO new/a.txt",
    ];
    let after = ["-Q", "-DELE /new/a.txt", "--ftp-create-dirs", "-T", &note];
    drop(run_curl(
        server,
        &[&before[..], &after].concat(),
        "new/er/note.txt",
    ));
    place.expect("new/er/note.txt", "a note\n");
    place.expect_names("", &["new", "pub"]);
    place.expect_names("new", &["er"]);
}

#[track_caller]
fn run_wget(server: &Server, arguments: &[&str], path: &str) {
    let words = ["wget", "--no-config", "-q", "-t", "1", "-T", "30"];
    drop(run(server, &[&words[..], arguments].concat(), path, 0));
}

fn wget() -> Vec<Check> {
    vec![
        reads("wget fetches, passive and active", wget_fetches),
        reads("wget goes on where it was", wget_goes_on),
        reads("wget fetches a whole tree", wget_fetches_a_tree),
    ]
}

fn wget_fetches(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("noise.bin", &bytes);
    let got = place.path("../got.bin").display().to_string();
    for way in ["--passive-ftp", "--no-passive-ftp"] {
        run_wget(server, &[way, "-O", &got], "noise.bin");
        place.expect("../got.bin", &bytes);
    }
}

fn wget_goes_on(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("noise.bin", &bytes);
    fs::create_dir(place.path("../copy")).expect("a directory");
    place.write("../copy/noise.bin", &bytes[..100_000]);
    let copy = place.path("../copy").display().to_string();
    run_wget(server, &["-c", "-P", &copy], "noise.bin");
    place.expect("../copy/noise.bin", &bytes);
}

fn wget_fetches_a_tree(server: &Server, place: &Place) {
    let copy = place.path("../copy").display().to_string();
    run_wget(server, &["-r", "-nH", "-P", &copy], "");
    place.expect("../copy/hello.txt", HELLO);
    place.expect("../copy/pub/note.txt", "a note\n");
}

#[track_caller]
fn run_lftp(server: &Server, passive: &str, commands: &str) {
    let setup =
        "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 30; set file:charset utf-8";
    let there = format!("ftp://{}", server.address());
    let script = format!("{setup}; set ftp:passive-mode {passive}; open {there}; {commands}");
    let finished = server.run_client("lftp", &["--norc", "-c", &script]);
    drop(finished.expect_status(0));
}

fn lftp() -> Vec<Check> {
    vec![
        reads("lftp mirrors a tree, passive and active", lftp_mirrors),
        writes(
            "lftp mirrors a tree back, passive and active",
            lftp_mirrors_back,
        ),
        writes(
            "lftp goes on where it was, renames and removes",
            lftp_goes_on,
        ),
    ]
}

fn lftp_mirrors(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("pub/deep/noise.bin", &bytes);
    place.write("pub/a \u{6587}.txt", "text");
    for (passive, copy) in [("yes", "passive"), ("no", "active")] {
        let to = place.path("..").join(copy).display().to_string();
        run_lftp(server, passive, &format!("mirror . {to}"));
        place.expect(&format!("../{copy}/pub/deep/noise.bin"), &bytes);
        place.expect(&format!("../{copy}/hello.txt"), HELLO);
        let names = ["a \u{6587}.txt", "deep", "note.txt"];
        place.expect_names(&format!("../{copy}/pub"), &names);
    }
}

fn lftp_mirrors_back(server: &Server, place: &Place) {
    let bytes = noise(server);
    fs::create_dir_all(place.path("../tree/pub")).expect("a directory");
    place.write("../tree/pub/noise.bin", &bytes);
    place.write("../tree/a \u{6587}.txt", "text");
    let from = place.path("../tree").display().to_string();
    for (passive, copy) in [("yes", "passive"), ("no", "active")] {
        run_lftp(server, passive, &format!("mirror -R {from} {copy}"));
        place.expect(&format!("{copy}/pub/noise.bin"), &bytes);
        place.expect_names(copy, &["a \u{6587}.txt", "pub"]);
    }
}

fn lftp_goes_on(server: &Server, place: &Place) {
    let bytes = noise(server);
    place.write("noise.bin", &bytes);
    place.write("../part.bin", &bytes[..100_000]);
    let part = place.path("../part.bin").display().to_string();
    let get = format!("get -c noise.bin -o {part}");
    let change = "mv noise.bin b.bin; mkdir d; rmdir d; rm b.bin; rm -r pub";
    run_lftp(server, "yes", &format!("{get}; {change}"));
    place.expect("../part.bin", &bytes);
    place.expect_names("", &["hello.txt"]);
}

/// What a program in Python does with `ftplib`, which is a part of it.
const FTPLIB: &str = r#"
import ftplib, io, sys
ftp = ftplib.FTP()
ftp.connect('127.0.0.1', int(sys.argv[1]), timeout=30)
ftp.login()
noise = bytes(range(256)) * 4000 + b'\r\n\r\n'
for passive in (True, False):
    ftp.set_pasv(passive)
    ftp.storbinary('STOR noise.bin', io.BytesIO(noise))
    got = io.BytesIO()
    ftp.retrbinary('RETR noise.bin', got.write)
    assert got.getvalue() == noise
    got = io.BytesIO()
    ftp.retrbinary('RETR noise.bin', got.write, rest=1_000_000)
    assert got.getvalue() == noise[1_000_000:]
    ftp.storlines('STOR lines.txt', io.BytesIO(b'one\ntwo\n'))
    lines = []
    ftp.retrlines('RETR lines.txt', lines.append)
    assert lines == ['one', 'two'], lines
ftp.voidcmd('TYPE I')
assert ftp.size('noise.bin') == len(noise)
assert sorted(ftp.nlst()) == ['hello.txt', 'lines.txt', 'noise.bin', 'pub']
facts = dict(ftp.mlsd(facts=['type', 'size']))
assert facts['hello.txt'] == {'type': 'file', 'size': '12'} and facts['pub'] == {'type': 'dir'}, facts
assert ftp.mkd('a "b"') == '/a "b"'
ftp.cwd('a "b"')
assert ftp.pwd() == '/a "b"'
ftp.cwd('..')
ftp.rmd('a "b"')
ftp.rename('lines.txt', 'other.txt')
ftp.delete('other.txt')
data = ftp.transfercmd('STOR noise.bin')
data.sendall(b'half of')
assert ftp.abort().startswith('426')
assert ftp.getmultiline().startswith('226')
data.close()
ftp.voidcmd('TYPE I')
assert ftp.size('noise.bin') == len(noise)
ftp.quit()
print('done')
"#;

fn python() -> Vec<Check> {
    vec![writes(
        "Python's ftplib does all that it can",
        |server, _| {
            let port = server.address().port().to_string();
            let finished = server.run_client("python3", &["-c", FTPLIB, &port]);
            drop(finished.expect_status(0).expect_stdout("done\n"));
        },
    )]
}
