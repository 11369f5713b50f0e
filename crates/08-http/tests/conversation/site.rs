//! The documents that the checks ask for, and how a response is read.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use harness::{Check, Client, Failure, Server};
use tempfile::TempDir;

/// When every document was changed, in seconds and as a field.
const CHANGED: u64 = 1_714_564_800;
pub const MODIFIED: &str = "Last-Modified: Wed, 01 May 2024 12:00:00 GMT";
pub const PLAIN: &str = "Content-Type: text/plain; charset=utf-8";
pub const HTML: &str = "Content-Type: text/html; charset=utf-8";
pub const RANGES: &str = "Accept-Ranges: bytes";
pub const STAYS: &str = "Connection: keep-alive";

/// What `/notes.txt` says, and how long that is.
pub const NOTES: &str = "Servers listen.\n";
pub const NOTES_LENGTH: &str = "Content-Length: 16";
/// How long `/huge.bin` is, in bytes: more than what the two sockets between server and client can hold.
pub const HUGE: usize = 64 << 20;
/// What stands beside the documents, outside.
const SECRET: &str = "nobody may read this";

/// What is served: a directory beside which there is something that must not be. It is gone when this is dropped.
pub struct Site {
    folder: TempDir,
}

impl Site {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let site = Self { folder };
        for directory in ["site", "types", "empty", "names/deeper"] {
            fs::create_dir_all(site.path(directory)).expect("a directory");
        }
        let documents = [
            ("../secret.txt", SECRET),
            ("index.html", "<p>Welcome</p>\n"),
            ("notes.txt", NOTES),
            ("empty.txt", ""),
            ("%2e%2e", "a strange name"),
            ("large.txt", &large()),
            ("site/index.html", "<p>Hello</p>\n"),
            ("names/a & b.txt", "and"),
            ("names/100%.txt", "percent"),
            ("names/文.txt", "text"),
        ];
        for (name, text) in documents {
            site.write(name, text);
        }
        if cfg!(unix) {
            // Names that Windows does not have.
            site.write("names/<b>.txt", "no HTML");
            site.write("names/a:b#c?d.txt", "no URL");
        }
        for name in ["a.html", "a.css", "a.js", "a.json", "a.PNG", "a.svg", "a"] {
            site.write(&format!("types/{name}"), name);
        }
        let huge = File::create(site.path("huge.bin")).expect("a document");
        huge.set_len(HUGE as u64).expect("room"); // a hole, which takes none on the disk
        site
    }

    /// Where a document is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("www").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).expect("a document");
        let file = File::options().write(true).open(&path);
        let changed = UNIX_EPOCH + Duration::from_secs(CHANGED);
        let dated = file.and_then(|file| file.set_modified(changed));
        dated.expect("a date");
    }

    /// A check of a server of these documents.
    pub fn check(&self, title: &str, body: impl Fn(&Server) + Send + Sync + 'static) -> Check {
        self.check_with(&[], title, body)
    }

    /// The same, and the server is told more.
    pub fn check_with(
        &self,
        more: &[&str],
        title: &str,
        body: impl Fn(&Server) + Send + Sync + 'static,
    ) -> Check {
        let root = self.path("");
        let root = root.to_str().expect("a path that is text");
        let root = root.trim_end_matches(std::path::MAIN_SEPARATOR);
        Check::new(title, body).arguments([&["--root", root], more].concat())
    }
}

/// 1 MiB of numbered lines: one that is lost, doubled or out of order shows.
pub fn large() -> String {
    (0..1 << 16).map(|line| format!("{line:015}\n")).collect()
}

/// A request with these header fields, each with its line end.
pub fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

pub fn get(path: &str) -> String {
    request("GET", path, "")
}

/// How a client reads a response, byte for byte but for its date.
pub trait Http: Sized {
    /// Its head: the status, the date, and these fields.
    #[track_caller]
    fn expect_head(self, status: &str, fields: &[&str]) -> Self;

    /// All of it; the connection stays open.
    #[track_caller]
    fn expect_answer(self, status: &str, fields: &[&str], body: &str) -> Self;

    /// A document of plain text.
    #[track_caller]
    fn expect_text(self, text: &str) -> Self;

    /// A status and what it means, such as `404 Not Found: there is no such document`.
    #[track_caller]
    fn expect_words(self, words: &str) -> Self;

    /// The same, and the end of the connection.
    #[track_caller]
    fn expect_last_words(self, words: &str);
}

impl Http for Client {
    #[track_caller]
    fn expect_head(self, status: &str, fields: &[&str]) -> Self {
        let client = self.expect(format!("HTTP/1.1 {status}\r\n"));
        let (mut client, line) = client.read_line();
        let date = line.strip_prefix("Date: ").unwrap_or_default();
        let known = httpdate::parse_http_date(date).map(httpdate::fmt_http_date);
        if known.ok().as_deref() != Some(date) {
            Failure::new("Date: and a date (RFC 9110, section 6.6.1)", line).raise();
        }
        for field in fields {
            client = client.expect(format!("{field}\r\n"));
        }
        client.expect("\r\n")
    }

    #[track_caller]
    fn expect_answer(self, status: &str, fields: &[&str], body: &str) -> Self {
        let length = format!("Content-Length: {}", body.len());
        let client = self.expect_head(status, &[fields, &[&length, STAYS]].concat());
        client.expect(body)
    }

    #[track_caller]
    fn expect_text(self, text: &str) -> Self {
        self.expect_answer("200 OK", &[PLAIN, RANGES, MODIFIED], text)
    }

    #[track_caller]
    fn expect_words(self, words: &str) -> Self {
        self.expect_answer(status(words), &[PLAIN], &format!("{words}\n"))
    }

    #[track_caller]
    fn expect_last_words(self, words: &str) {
        let length = format!("Content-Length: {}", words.len() + 1);
        let client = self.expect_head(status(words), &[PLAIN, &length, "Connection: close"]);
        client.expect(format!("{words}\n")).expect_end();
    }
}

fn status(words: &str) -> &str {
    words.split_once(':').map_or(words, |(status, _)| status)
}
