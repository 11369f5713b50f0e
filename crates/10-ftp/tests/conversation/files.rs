//! What is read: files, listings, and nothing outside the root.

use std::fs;

use harness::{Check, Failure, Server};

use super::place::{
    COMPLETE, FROM_THERE, Ftp, HELLO, HELLO_ON_THE_WIRE, NO_FILE, OPENS, Place, expect_lines,
    logged_in, reads, writes,
};

// ---- Fetching.

pub fn fetching() -> Vec<Check> {
    vec![
        reads("what is not there cannot be fetched", not_there),
        reads("a transfer goes on where it broke off", goes_on),
        reads("REST is about the next transfer only", next_transfer),
        reads("REST that makes no sense is refused", senseless_rest),
        reads("SIZE and MDTM tell of files", size_and_time),
        reads(
            "a path leads from where the client is, or from the top",
            paths,
        ),
        writes("names are UTF-8", names),
        #[cfg(unix)] // Windows has no such names
        writes("a quotation mark in a name is doubled", quotation),
    ]
}

fn not_there(server: &Server, _: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control
        .say("RETR nothing.txt", NO_FILE)
        .say("RETR pub", "550 not a file");
    let control = control.say("RETR hello.txt", OPENS);
    data.expect(HELLO_ON_THE_WIRE).expect_end();
    control.reply(COMPLETE).quit();
}

fn goes_on(server: &Server, _: &Place) {
    let control = logged_in(server).binary().say("REST 6", FROM_THERE);
    let control = control.expect_fetched(server, "RETR hello.txt", "world\n");
    let control = control
        .say("REST 12", FROM_THERE)
        .expect_fetched(server, "RETR hello.txt", "");
    control
        .say("REST 0", FROM_THERE)
        .expect_fetched(server, "RETR hello.txt", HELLO)
        .quit();
}

fn next_transfer(server: &Server, _: &Place) {
    let control = logged_in(server).binary().say("REST 6", FROM_THERE);
    let control = control.say("PWD", "257 \"/\" is the directory");
    let control = control
        .expect_fetched(server, "RETR hello.txt", HELLO)
        .say("REST 6", FROM_THERE);
    let control =
        control
            .say("NOOP", "200 nothing done")
            .expect_fetched(server, "RETR hello.txt", "world\n");
    control
        .expect_fetched(server, "RETR hello.txt", HELLO)
        .quit();
}

fn senseless_rest(server: &Server, _: &Place) {
    let control = logged_in(server)
        .say("REST x", "501 how many bytes?")
        .say("REST -1", "501 how many bytes?");
    let control = control.say("REST 6", FROM_THERE);
    let control = control.say(
        "RETR hello.txt",
        "554 REST counts the bytes of files: only in TYPE I",
    );
    let control = control.binary().say("REST 13", FROM_THERE);
    let control = control.say("RETR hello.txt", "554 REST beyond the end of the file");
    let control = control.say("REST 18446744073709551616", "501 how many bytes?");
    control
        .say("REST 18446744073709551615", FROM_THERE)
        .say("RETR nothing", NO_FILE)
        .quit();
}

fn size_and_time(server: &Server, _: &Place) {
    let control = logged_in(server).say(
        "SIZE hello.txt",
        "550 only in TYPE I: as text it would have to be counted",
    );
    let control = control
        .binary()
        .say("SIZE hello.txt", "213 12")
        .say("MDTM /hello.txt", "213 19941106084937");
    let control = control
        .say("SIZE pub", "550 not a file")
        .say("MDTM pub", "550 not a file");
    control
        .say("SIZE nothing", NO_FILE)
        .say("MDTM nothing", NO_FILE)
        .quit();
}

fn names(server: &Server, place: &Place) {
    let control = logged_in(server).say("MKD \u{6587}", "257 \"/\u{6587}\" is new");
    let control = control.put(server, "STOR \u{6587}/\u{e9}.txt", "accent");
    place.expect("\u{6587}/\u{e9}.txt", "accent");
    let control = control.say("CWD \u{6587}", "250 \"/\u{6587}\" is the directory");
    control
        .expect_fetched(server, "NLST", "\u{e9}.txt\r\n")
        .quit();
}

#[cfg(unix)]
fn quotation(server: &Server, _: &Place) {
    let control = logged_in(server).say("MKD a \"b\"", "257 \"/a \"\"b\"\"\" is new");
    let is_there = "\"/a \"\"b\"\"\" is the directory";
    let control = control.say("CWD a \"b\"", &format!("250 {is_there}"));
    control.say("PWD", &format!("257 {is_there}")).quit();
}

fn paths(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for (command, directory) in [
        ("CWD pub", "/pub"),
        ("CWD deep", "/pub/deep"),
        ("CDUP", "/pub"),
        ("CWD /", "/"),
        ("CWD ./pub//deep/../deep/", "/pub/deep"),
        ("CWD /../../pub", "/pub"),
        ("XCUP", "/"),
        ("XCWD pub", "/pub"),
        ("CWD ..", "/"),
        ("CDUP", "/"),
    ] {
        let now = format!("{directory:?} is the directory");
        control = control
            .say(command, &format!("250 {now}"))
            .say("PWD", &format!("257 {now}"));
    }
    let control = control
        .say("CWD nowhere", NO_FILE)
        .say("CWD pub", "250 \"/pub\" is the directory");
    let (control, _) = control
        .send("CWD note.txt\r\n")
        .expect_line_that_begins("550 ");
    let control = control.say("XPWD", "257 \"/pub\" is the directory");
    let control = control.expect_fetched(server, "RETR note.txt", "a note\r\n");
    control
        .expect_fetched(server, "RETR ../hello.txt", HELLO_ON_THE_WIRE)
        .quit();
}

// ---- Listings.

const HELLO_LINE: &str = "-rw-r--r-- 1 ftp ftp           12 Nov  6  1994 hello.txt\r\n";
const HELLO_FACTS: &str = "type=file;size=12;modify=19941106084937;";

pub fn listings() -> Vec<Check> {
    vec![
        reads("LIST shows what ls shows", like_ls).notice(
            "A listing is data, and so it takes a data connection. \
             The second form is made for programs.",
        ),
        reads(
            "a directory is a line in all three listings",
            directory_lines,
        ),
        reads("NLST names what can be asked for", usable_names),
        reads("options of ls are passed over", options_of_ls),
        reads("what is not there cannot be listed", not_listed),
        reads("MLST and STAT need no data connection", in_a_reply),
        reads(
            "a name that would be two lines breaks no listing",
            two_lines,
        ),
        reads("10,000 files are listed, each once", ten_thousand),
    ]
}

fn like_ls(server: &Server, place: &Place) {
    fs::remove_dir_all(place.path("pub")).expect("it is there");
    let control = logged_in(server).expect_fetched(server, "LIST", HELLO_LINE);
    control
        .expect_fetched(server, "MLSD", format!("{HELLO_FACTS} hello.txt\r\n"))
        .quit();
}

fn directory_lines(server: &Server, place: &Place) {
    fs::remove_file(place.path("pub/note.txt")).expect("it is there");
    let (control, long) = logged_in(server).fetch(server, "LIST pub");
    let long = String::from_utf8_lossy(&long).into_owned();
    if !(long.starts_with("drwxr-xr-x 1 ftp ftp ") && long.ends_with(" deep\r\n")) {
        Failure::new("drwxr-xr-x ... deep", long).raise();
    }
    let control = control.expect_fetched(server, "NLST pub", "pub/deep\r\n");
    let control = control.say("OPTS MLST type;size;", "200 MLST OPTS type;size;");
    control
        .expect_fetched(server, "MLSD pub", "type=dir; deep\r\n")
        .quit();
}

fn usable_names(server: &Server, _: &Place) {
    let mut control = logged_in(server).say("CWD pub/deep", "250 \"/pub/deep\" is the directory");
    for (argument, names) in [
        ("", ""),
        (" ../note.txt", "../note.txt\r\n"),
        (" /pub/note.txt", "/pub/note.txt\r\n"),
        (" /hello.txt", "/hello.txt\r\n"),
        (" -1", ""),
    ] {
        control = control.expect_fetched(server, &format!("NLST{argument}"), names);
    }
    let (control, names) = control.fetch(server, "NLST /pub/");
    expect_lines(&names, &["/pub/deep", "/pub/note.txt"]);
    control.quit();
}

fn options_of_ls(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for argument in [
        "hello.txt",
        "-a hello.txt",
        "-la -F /hello.txt",
        "-al ./hello.txt",
    ] {
        control = control.expect_fetched(server, &format!("LIST {argument}"), HELLO_LINE);
    }
    control.quit();
}

fn not_listed(server: &Server, _: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control
        .say("LIST nothing", NO_FILE)
        .say("NLST nothing", NO_FILE)
        .say("MLSD nothing", NO_FILE);
    let control = control
        .say("MLSD hello.txt", "501 not a directory")
        .say("MLST nothing", NO_FILE);
    control.say("STAT nothing", NO_FILE).quit();
    data.expect_reset();
}

fn in_a_reply(server: &Server, _: &Place) {
    let control = logged_in(server).say(
        "MLST hello.txt",
        &format!("250-facts\n {HELLO_FACTS} /hello.txt\n250 end"),
    );
    let (control, _) = control
        .send("MLST\r\n")
        .expect_line_that_begins("250-facts");
    let (control, _) = control.expect_line_that_begins(" type=dir;modify=");
    let control = control.reply("250 end");
    let line = format!("213-status\n {}\n213 end", HELLO_LINE.trim_end());
    let control = control.say("STAT hello.txt", &line);
    control
        .say("STAT -l pub/deep", "212-status\n212 end")
        .quit();
}

fn two_lines(server: &Server, place: &Place) {
    fs::remove_dir_all(place.path("pub")).expect("it is there");
    if fs::write(place.path("two\nlines"), "").is_err() {
        harness::skip("this system has no such names");
    }
    place.write("tab\tbed", "");
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"no \xff UTF-8").to_owned();
        fs::write(place.path("").join(name), "").expect("a file");
    }
    let mut control = logged_in(server);
    for (command, lines) in [("LIST", HELLO_LINE), ("NLST", "hello.txt\r\n")] {
        control = control.expect_fetched(server, command, lines);
    }
    control.quit();
}

fn ten_thousand(server: &Server, place: &Place) {
    fs::create_dir(place.path("many")).expect("a directory");
    let names: Vec<String> = (0..10_000)
        .map(|number| format!("file {number:05}"))
        .collect();
    for name in &names {
        place.write(&format!("many/{name}"), "");
    }
    let control = logged_in(server).say("CWD many", "250 \"/many\" is the directory");
    let (control, listing) = control.fetch(server, "NLST");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    expect_lines(&listing, &names);
    control.quit();
}

// ---- Nothing outside the root.

pub fn jail() -> Vec<Check> {
    vec![
        writes("no path leads out of the root", paths_out),
        #[cfg(unix)]
        writes("a link that leads out is as good as none", links),
        #[cfg(unix)]
        writes("a link that stays inside leads on", link_inside),
        #[cfg(unix)]
        writes("a FIFO keeps nobody waiting", fifo),
        reads("a backslash is a character, or leads nowhere", backslash),
    ]
}

fn paths_out(server: &Server, place: &Place) {
    let mut control = logged_in(server).binary();
    for path in [
        "../secret.txt",
        "/../secret.txt",
        "pub/../../secret.txt",
        "pub/deep/../../../secret.txt",
    ] {
        control = control
            .say(&format!("RETR {path}"), NO_FILE)
            .say(&format!("SIZE {path}"), NO_FILE);
        control = control.say(&format!("DELE {path}"), NO_FILE);
    }
    let control = control.put(server, "STOR ../../out.txt", "in");
    control.quit();
    place.expect("out.txt", "in");
    place.expect("../secret.txt", "nobody may read this");
}

#[cfg(unix)]
fn link_inside(server: &Server, place: &Place) {
    std::os::unix::fs::symlink("pub/note.txt", place.path("link.txt")).expect("a link");
    let control = logged_in(server)
        .binary()
        .expect_fetched(server, "RETR link.txt", "a note\n");
    let control = control
        .say("SIZE link.txt", "213 7")
        .say("DELE link.txt", "250 done");
    control.quit();
    place.expect("pub/note.txt", "a note\n");
}

#[cfg(unix)]
fn fifo(server: &Server, place: &Place) {
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("fifo"))
        .status();
    if !made.is_ok_and(|status| status.success()) {
        harness::skip("there is no mkfifo on this machine");
    }
    let control = logged_in(server)
        .say("RETR fifo", "550 not a file")
        .say("STOR fifo", "553 not a file");
    let (control, names) = control.fetch(server, "NLST");
    expect_lines(&names, &["hello.txt", "pub"]);
    control.say("APPE fifo", "553 not a file").quit();
}

fn backslash(server: &Server, _: &Place) {
    let control = logged_in(server);
    let (control, _) = control
        .send("RETR ..\\secret.txt\r\n")
        .expect_line_that_begins("550 ");
    let (control, _) = control
        .send("RETR pub\\..\\..\\secret.txt\r\n")
        .expect_line_that_begins("550 ");
    control.quit();
}

#[cfg(unix)]
fn links(server: &Server, place: &Place) {
    use std::os::unix::fs::symlink;
    symlink("../secret.txt", place.path("file")).expect("a link");
    symlink("..", place.path("directory")).expect("a link");
    symlink(place.path("../secret.txt"), place.path("absolute")).expect("a link");
    let mut control = logged_in(server).binary();
    for path in ["file", "absolute", "directory/secret.txt", "directory"] {
        for verb in [
            "RETR", "SIZE", "MDTM", "LIST", "NLST", "MLSD", "MLST", "STAT", "CWD",
        ] {
            control = control.say(&format!("{verb} {path}"), "550 permission denied");
        }
        control = control.say(&format!("STOR {path}"), "553 permission denied");
        control = control.say(&format!("APPE {path}"), "553 permission denied");
    }
    for command in [
        "DELE directory/secret.txt",
        "MKD directory/new",
        "RMD directory/files",
        "RNFR directory/secret.txt",
    ] {
        control = control.say(command, "550 permission denied");
    }
    let control = control.say("RNFR hello.txt", "350 to which name? say RNTO");
    let control = control.say("RNTO directory/hello.txt", "550 permission denied");
    let (control, listed) = control.fetch(server, "NLST");
    expect_lines(&listed, &["hello.txt", "pub"]);
    control.quit();
    place.expect("../secret.txt", "nobody may read this");
    place.expect_names("..", &["files", "secret.txt"]);
}
