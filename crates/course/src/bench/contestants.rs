//! The servers that are measured: the steps, built for release, and others that people use. Each runs as whoever runs
//! this, from a configuration of its own, and is gone when it is dropped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use harness::{Program, Server};
use tour::catalog;

use super::{caught, release};

/// Servers that are packaged for administrators are often not where a user's PATH leads.
const ALSO_IN: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
/// How many ports are tried for a server that cannot ask the system for one.
const PORTS: usize = 5;

/// Writes what a program prints to the file that comes first. What a terminal or a pipe takes to read it is not its own.
const TO_FILE: &str = r#"file=$1; shift; exec "$@" > "$file" 2>&1"#;

/// A server that takes part.
pub struct Contestant {
    pub name: &'static str,
    pub server: Server,
}

/// Where everything is: what is served, in a folder of its own, and beside it what servers need.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    /// In memory, if there is a file system for that: a disk would be measured as well.
    pub fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = match memory.is_dir() {
            true => memory.to_owned(),
            false => std::env::temp_dir(),
        };
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("bench-protocols-");
        // nginx's workers are nobody if it was started by root.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
        let folder = builder
            .tempdir_in(&parent)
            .with_context(|| format!("no folder in {}", parent.display()))?;
        fs::create_dir(folder.path().join("files"))?;
        Ok(Self { folder })
    }

    /// What is served.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    fn text(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// The document server, nginx with its log and without, and Python's.
pub fn of_documents(place: &Place) -> Result<Vec<Contestant>> {
    let mut contestants = of_http(place)?;
    contestants.push(python(place, "http.server of Python", &[])?);
    contestants.push(python(place, "http.server, TCP_NODELAY", &["nodelay"])?);
    Ok(contestants)
}

/// The document server, and nginx with its log and without.
pub fn of_http(place: &Place) -> Result<Vec<Contestant>> {
    let mut contestants = vec![ours("http", place, &[])?];
    if let Some(nginx) = find("nginx", "nginx-light") {
        let log = format!("access_log {};", place.text("nginx.log"));
        contestants.push(start_nginx("nginx", &nginx, place, &log)?);
        contestants.push(start_nginx(
            "nginx without a log",
            &nginx,
            place,
            "access_log off;",
        )?);
    }
    Ok(contestants)
}

/// The file server, and vsftpd.
pub fn of_ftp(place: &Place) -> Result<Vec<Contestant>> {
    let mut contestants = vec![ours("ftp", place, &["--writable"])?];
    if let Some(vsftpd) = find("vsftpd", "vsftpd") {
        contestants.push(start_vsftpd(&vsftpd, place)?);
    }
    Ok(contestants)
}

/// A program, or a word on how to get it.
fn find(program: &str, package: &str) -> Option<PathBuf> {
    let elsewhere = ALSO_IN.map(|folder| Path::new(folder).join(program));
    let found = harness::find_program(program)
        .or_else(|| elsewhere.into_iter().find(|path| path.is_file()));
    if found.is_none() {
        anstream::eprintln!(
            "left out: there is no {program}; on Debian and Ubuntu, apt install {package}"
        );
    }
    found
}

/// A step. Its events go to a file, as the log of nginx does.
fn ours(step: &'static str, place: &Place, more: &[&str]) -> Result<Contestant> {
    let binary = release(&catalog::step(step)?)?.display().to_string();
    let files = place.files().display().to_string();
    let words = [&[&binary, "--bind", "{addr}", "--root", &files], more].concat();
    start(step, place, step, &words, 0)
}

fn python(place: &Place, name: &'static str, more: &[&str]) -> Result<Contestant> {
    let script = place.text("http_server.py");
    fs::write(&script, include_str!("http_server.py"))?;
    let files = place.files().display().to_string();
    let words = [&["python3", &script, &files], more].concat();
    start(name, place, "python", &words, 0)
}

fn start_nginx(name: &'static str, nginx: &Path, place: &Place, log: &str) -> Result<Contestant> {
    let folder = place.folder.path().display();
    let nginx = nginx.display().to_string();
    on_a_free_port(|port| {
        // What it needs for requests with a body, where it may write.
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {folder}/nginx-{kind}; "))
            .collect();
        let text = format!(
            "daemon off; worker_processes auto; pid {folder}/nginx-{port}.pid;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ sendfile on; {log}\n{temporary}\n\
             server {{ listen 127.0.0.1:{port}; root {folder}/files; }} }}\n"
        );
        let configuration = place.text(&format!("nginx-{port}.conf"));
        fs::write(&configuration, text)?;
        let words = [&nginx, "-e", "stderr", "-c", &configuration];
        start(name, place, "nginx", &words, port)
    })
}

fn start_vsftpd(vsftpd: &Path, place: &Place) -> Result<Contestant> {
    let files = place.files().display().to_string();
    let vsftpd = vsftpd.display().to_string();
    on_a_free_port(|port| {
        let text = format!(
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nrun_as_launching_user=YES\n\
             anonymous_enable=YES\nno_anon_password=YES\nanon_root={files}\nwrite_enable=YES\n\
             anon_upload_enable=YES\nxferlog_enable=NO\n"
        );
        let configuration = place.text("vsftpd.conf");
        fs::write(&configuration, text)?;
        start("vsftpd", place, "vsftpd", &[&vsftpd, &configuration], port)
    })
}

/// Starts a server whose port stands in its configuration: the system is asked for a free one, which is given back.
/// Somebody may take it before the server does; then another is tried.
fn on_a_free_port(start: impl Fn(u16) -> Result<Contestant>) -> Result<Contestant> {
    let mut last = None;
    for _ in 0..PORTS {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        match start(port) {
            Ok(contestant) => return Ok(contestant),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error),
        None => bail!("no port was tried"),
    }
}

fn start(
    name: &'static str,
    place: &Place,
    log: &str,
    words: &[&str],
    port: u16,
) -> Result<Contestant> {
    let log = place.text(&format!("{log}.out"));
    let words = [&["sh", "-c", TO_FILE, "sh", &log], words].concat();
    let line = shlex::try_join(words)?;
    let program = Program::from_command_line(&line).map_err(anyhow::Error::msg)?;
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = caught(|| program.start::<&str>(bind, &[]));
    let server = server.with_context(|| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        format!("{name} does not start\n{said}")
    })?;
    Ok(Contestant { name, server })
}
