//! The files that the checks are about, and how a client speaks with a server of them.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use harness::{Check, Client, Failure, Server};
use tempfile::TempDir;

/// When `hello.txt` was changed: Sun, 06 Nov 1994 08:49:37 GMT.
const CHANGED: u64 = 784_111_777;
/// What `hello.txt` says, and what it says on the wire in TYPE A.
pub const HELLO: &str = "hello\nworld\n";
pub const HELLO_ON_THE_WIRE: &str = "hello\r\nworld\r\n";

/// Another address of this machine, where there is one.
pub const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// More than the two sockets between server and client can hold.
pub const HUGE: u64 = 64 << 20;

pub const WELCOME: &str = "220 anonymous FTP; nothing that is said or sent here is secret";
pub const OPENS: &str = "150 about to open the data connection";
pub const COMPLETE: &str = "226 transfer complete";
pub const FROM_THERE: &str = "350 RETR, STOR or APPE goes on from there";
pub const BROKEN_OFF: &str = "426 broken off";
pub const NOTHING_UNDER_WAY: &str = "226 nothing is under way";
pub const NO_FILE: &str = "550 no such file or directory";
pub const READ_ONLY: &str = "550 nothing can be changed here";

/// A directory that is served, beside which there is something that must not be. It is gone when this is dropped.
pub struct Place(TempDir);

/// A check of a server of a fresh directory, started with these arguments.
pub fn check(title: &str, arguments: &[&str], body: fn(&Server, &Place)) -> Check {
    let place = Place::new();
    let root = place.0.path().join("files").display().to_string();
    let arguments = [&["--root", &root], arguments].concat();
    Check::new(title, move |server| body(server, &place)).arguments(arguments)
}

/// A check of a server that lets files be read.
pub fn reads(title: &str, body: fn(&Server, &Place)) -> Check {
    check(title, &[], body)
}

/// A check of a server that lets files be changed as well.
pub fn writes(title: &str, body: fn(&Server, &Place)) -> Check {
    check(title, &["--writable"], body)
}

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir_all(place.path("pub/deep")).expect("a directory");
        place.write("../secret.txt", "nobody may read this");
        place.write("hello.txt", HELLO);
        place.write("pub/note.txt", "a note\n");
        let file = File::options().write(true).open(place.path("hello.txt"));
        let changed = UNIX_EPOCH + Duration::from_secs(CHANGED);
        let dated = file.and_then(|file| file.set_modified(changed));
        dated.expect("a date");
        place
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("files").join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file");
    }

    /// Fails unless the file holds exactly this.
    #[track_caller]
    pub fn expect(&self, name: &str, expected: impl AsRef<[u8]>) {
        let (expected, got) = (expected.as_ref(), fs::read(self.path(name)));
        let got = got.unwrap_or_else(|error| format!("({error})").into_bytes());
        if got != expected {
            let shown = |bytes: &[u8]| format!("{} bytes: {}", bytes.len(), bytes.escape_ascii());
            let expected = format!("{name} to hold {}", shown(expected));
            Failure::new(expected, shown(&got)).raise();
        }
    }

    /// Fails unless the files are as they were at the beginning, and nothing is beside them.
    #[track_caller]
    pub fn expect_untouched(&self) {
        self.expect("hello.txt", HELLO);
        self.expect_names("", &["hello.txt", "pub"]);
    }

    /// Fails unless these are all names in the directory.
    #[track_caller]
    pub fn expect_names(&self, directory: &str, expected: &[&str]) {
        let names = names(&self.path(directory));
        if names != expected {
            Failure::new(format!("{expected:?}"), format!("{names:?}")).raise();
        }
    }
}

/// The lines of a listing, in order: that of the system is any.
#[track_caller]
pub fn expect_lines(listing: &[u8], expected: &[&str]) {
    let listing = String::from_utf8_lossy(listing);
    let mut lines: Vec<&str> = listing.split_terminator("\r\n").collect();
    lines.sort_unstable();
    if lines != expected {
        Failure::new(format!("{expected:?}"), format!("{lines:?}")).raise();
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).display().to_string())
        .collect();
    names.sort();
    names
}

/// What the client of an FTP server does.
pub trait Ftp: Sized {
    /// Sends a command and expects this reply.
    fn say(self, command: &str, reply: &str) -> Self;
    /// Expects this reply.
    fn reply(self, reply: &str) -> Self;
    /// Asks for TYPE I.
    fn binary(self) -> Self;
    /// Asks for a port, and connects to it.
    fn passive(self, server: &Server) -> (Self, Client);
    /// Asks for a port, which is returned.
    fn ask_for_port(self) -> (Self, u16);
    /// Fetches what `command` is about.
    fn fetch(self, server: &Server, command: &str) -> (Self, Vec<u8>);
    /// Expects to fetch exactly that.
    fn expect_fetched(self, server: &Server, command: &str, expected: impl AsRef<[u8]>) -> Self;
    /// Sends this as the file that `command` is about.
    fn put(self, server: &Server, command: &str, bytes: impl AsRef<[u8]>) -> Self;
    fn quit(self);
}

impl Ftp for Client {
    #[track_caller]
    fn say(self, command: &str, reply: &str) -> Self {
        self.send(format!("{command}\r\n")).reply(reply)
    }

    #[track_caller]
    fn reply(self, reply: &str) -> Self {
        self.expect(format!("{}\r\n", reply.replace('\n', "\r\n")))
    }

    #[track_caller]
    fn binary(self) -> Self {
        self.say("TYPE I", "200 image: each byte as it is")
    }

    #[track_caller]
    fn passive(self, server: &Server) -> (Self, Client) {
        let (control, port) = self.ask_for_port();
        (control, server.connect_to("data", port))
    }

    #[track_caller]
    fn ask_for_port(self) -> (Self, u16) {
        let control = self.send("EPSV\r\n");
        let (control, reply) =
            control.expect_line_that_begins("229 Entering Extended Passive Mode (|||");
        let port = reply.rsplit('|').nth(1).and_then(|port| port.parse().ok());
        match port {
            Some(port) => (control, port),
            None => Failure::new("229 ... (|||PORT|)", reply).raise(),
        }
    }

    #[track_caller]
    fn fetch(self, server: &Server, command: &str) -> (Self, Vec<u8>) {
        let (control, data) = self.passive(server);
        let control = control.say(command, OPENS);
        let bytes = data.read_to_end();
        (control.reply(COMPLETE), bytes)
    }

    #[track_caller]
    fn expect_fetched(self, server: &Server, command: &str, expected: impl AsRef<[u8]>) -> Self {
        let (control, data) = self.passive(server);
        let control = control.say(command, OPENS);
        data.expect(expected).expect_end();
        control.reply(COMPLETE)
    }

    #[track_caller]
    fn put(self, server: &Server, command: &str, bytes: impl AsRef<[u8]>) -> Self {
        let (control, data) = self.passive(server);
        let control = control.say(command, OPENS);
        data.send(bytes).finish_sending().expect_end();
        control.reply(COMPLETE)
    }

    #[track_caller]
    fn quit(self) {
        self.say("QUIT", "221 goodbye").expect_end();
    }
}

/// A client that is greeted.
#[track_caller]
pub fn greeted(server: &Server) -> Client {
    server.connect_as("control").reply(WELCOME)
}

/// A client that has logged in.
#[track_caller]
pub fn logged_in(server: &Server) -> Client {
    let control = greeted(server).say("USER anonymous", "331 any password will do");
    control.say("PASS guest", "230 welcome")
}

/// `127,0,0,1,200,13`: an address as PORT has it.
pub fn host_port(ip: IpAddr, port: u16) -> String {
    let [high, low] = port.to_be_bytes();
    format!("{},{high},{low}", ip.to_string().replace('.', ","))
}
