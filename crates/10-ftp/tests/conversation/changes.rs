//! What is written: all of a file or nothing, and other changes.

#[cfg(target_os = "linux")]
use std::process::Command;

#[cfg(target_os = "linux")]
use harness::Program;
use harness::{Check, Server};

use super::place::{
    BROKEN_OFF, COMPLETE, FROM_THERE, Ftp, HELLO, NO_FILE, OPENS, Place, READ_ONLY, logged_in,
    reads, writes,
};

// ---- Sending: all of a file, or nothing.

pub fn sending() -> Vec<Check> {
    vec![
        writes("a file is sent over a second connection", is_sent),
        writes(
            "a file that is sent takes the place of the old one",
            replaces,
        ),
        writes("nothing is seen of a file before it is complete", unseen),
        writes("APPE adds to what is there, or begins", appends),
        writes("an upload goes on where it broke off", upload_goes_on),
        writes(
            "of two who send the same file, the last to finish has it",
            two_writers,
        ),
        writes(
            "what stands in the way is found before a byte is sent",
            in_the_way,
        ),
    ]
}

/// What is left of a file that did not come to its end.
pub fn breaking_off() -> Vec<Check> {
    vec![
        writes(
            "an upload that is reset leaves the old file as it was",
            upload_reset,
        )
        .notice(
            "What has come so far is thrown away. Whoever looks finds the old \
             file, or the new one, and never half of each.",
        ),
        writes(
            "a client that dies in an upload leaves the old file as it was",
            client_dies,
        )
        .teaches(
            "The end of the data looks like that of the file. But with it the \
             control connection has ended: that is no upload.",
        ),
        writes(
            "an upload with REST that breaks off leaves the old file as it was",
            upload_with_rest,
        ),
        #[cfg(target_os = "linux")]
        Check::of_program(
            "a full disk is told, and keeps no half of a file",
            full_disk,
        ),
    ]
}

fn is_sent(server: &Server, place: &Place) {
    logged_in(server)
        .binary()
        .put(server, "STOR new.txt", "sent\n")
        .quit();
    place.expect("new.txt", "sent\n");
}

fn replaces(server: &Server, place: &Place) {
    let control = logged_in(server).put(server, "STOR hello.txt", "short");
    place.expect("hello.txt", "short");
    control.put(server, "STOR hello.txt", "").quit();
    place.expect("hello.txt", "");
    place.expect_names("", &["hello.txt", "pub"]);
}

fn unseen(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    let data = data.send("new ").pause();
    place.expect("hello.txt", HELLO);
    if cfg!(target_os = "linux") {
        place.expect_names("", &["hello.txt", "pub"]); // elsewhere it has a name of its own
    }
    data.send("words").finish_sending().expect_end();
    control.reply(COMPLETE).quit();
    place.expect("hello.txt", "new words");
}

fn appends(server: &Server, place: &Place) {
    let control = logged_in(server).put(server, "APPE hello.txt", "more\r\n");
    place.expect("hello.txt", "hello\nworld\nmore\n");
    control.put(server, "APPE new.txt", "begun").quit();
    place.expect("new.txt", "begun");
}

fn upload_goes_on(server: &Server, place: &Place) {
    let control = logged_in(server).binary().say("REST 6", FROM_THERE).put(
        server,
        "STOR hello.txt",
        "moon\n",
    );
    place.expect("hello.txt", "hello\nmoon\n");
    let control = control
        .say("REST 5", FROM_THERE)
        .put(server, "APPE hello.txt", "!");
    place.expect("hello.txt", "hello!");
    let control = control.say("REST 7", FROM_THERE);
    let control = control.say("STOR hello.txt", "554 REST beyond the end of the file");
    control
        .say("REST 1", FROM_THERE)
        .say("STOR new.txt", NO_FILE)
        .quit();
}

fn upload_reset(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    data.send("half of").pause().reset();
    control.reply(BROKEN_OFF).quit();
    place.expect_untouched();
}

fn client_dies(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    let data = data.send("half of").pause();
    let address = control.address();
    // As its kernel does it for a program that has ended.
    control.hang_up();
    data.hang_up();
    server.expect_line(&format!("client {address} disconnected"));
    place.expect_untouched();
}

fn upload_with_rest(server: &Server, place: &Place) {
    let control = logged_in(server).binary().say("REST 6", FROM_THERE);
    let (control, data) = control.passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    data.send("half of").pause().reset();
    control.reply(BROKEN_OFF).quit();
    place.expect_untouched();
}

fn in_the_way(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for (path, why) in [
        ("nowhere/a", "no such file or directory"),
        ("pub", "not a file"),
        ("/", "not a file"),
        ("pub/deep/..", "not a file"),
    ] {
        control = control.say(&format!("STOR {path}"), &format!("553 {why}"));
    }
    control.say("NOOP", "200 nothing done").quit();
}

fn two_writers(server: &Server, place: &Place) {
    let mut writers = Vec::new();
    for name in ["first", "second"] {
        let (control, data) = logged_in(server).passive(server);
        let control = control.say("STOR hello.txt", OPENS);
        writers.push((control, data.send(format!("{name}, ")).pause()));
    }
    for (control, data) in writers.into_iter().rev() {
        data.send("and to its end").finish_sending().expect_end();
        control.reply(COMPLETE).quit();
    }
    place.expect("hello.txt", "first, and to its end");
    place.expect_names("", &["hello.txt", "pub"]);
}

/// A server whose directory is a disk of 256 KiB: Linux lets anybody have one in a namespace of his own, unless it was
/// told not to (user_namespaces(7)).
#[cfg(target_os = "linux")]
fn full_disk(_: &Program) {
    let namespace = ["unshare", "--user", "--map-root-user", "--mount"];
    let tried = Command::new(namespace[0])
        .args(&namespace[1..])
        .arg("true")
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        harness::skip("this system lets nobody mount a disk of his own");
    }
    let disk = tempfile::tempdir().expect("a directory");
    let disk = disk.path().display();
    let mount = format!("mount -t tmpfs -o size=256k none '{disk}'");
    let serve = format!("'{}' --bind {{addr}}", env!("CARGO_BIN_EXE_ftp"));
    let script = format!("{mount} && exec {serve} --root '{disk}' --writable");
    let words = [&namespace[..], &["sh", "-c", &script]].concat();
    let command = shlex::try_join(words).expect("words");
    let program = Program::from_command_line(&command).expect("a command");
    let server = program.start(([127, 0, 0, 1], 0).into(), &[""; 0]);
    let control = logged_in(&server).binary().put(&server, "STOR a.bin", "a");
    let (control, data) = control.passive(&server);
    let control = control.say("STOR a.bin", OPENS);
    data.send(vec![b'x'; 1 << 20]).finish_sending().hang_up();
    let control = control.reply("452 no storage space");
    let control = control.expect_fetched(&server, "RETR a.bin", "a");
    control.expect_fetched(&server, "NLST", "a.bin\r\n").quit();
}

// ---- Other changes.

pub fn changes() -> Vec<Check> {
    vec![
        reads("without --writable nothing can be changed", read_only),
        writes("files and directories come and go", come_and_go),
        writes("what is not as it must be is left alone", left_alone),
        writes("a new name takes two commands", new_name),
        writes("RNFR is about the next command only", next_command),
    ]
}

fn read_only(server: &Server, place: &Place) {
    let (mut control, data) = logged_in(server).passive(server);
    for command in [
        "STOR a",
        "STOR hello.txt",
        "APPE hello.txt",
        "DELE hello.txt",
        "MKD a",
        "RMD pub/deep",
        "RNFR hello.txt",
        "RNTO a",
        "XMKD a",
        "XRMD pub/deep",
    ] {
        control = control.say(command, READ_ONLY);
    }
    place.expect_untouched();
    control.quit();
    data.expect_reset();
}

fn come_and_go(server: &Server, place: &Place) {
    let control = logged_in(server)
        .say("MKD new", "257 \"/new\" is new")
        .say("XMKD new/er", "257 \"/new/er\" is new");
    let control = control.put(server, "STOR new/er/a.txt", "a");
    let control = control
        .say("DELE new/er/a.txt", "250 done")
        .say("XRMD new/er", "250 done");
    let control = control
        .say("DELE hello.txt", "250 done")
        .say("DELE hello.txt", NO_FILE);
    control
        .say("RMD /new", "250 done")
        .say("RMD new", NO_FILE)
        .quit();
    place.expect_names("", &["pub"]);
}

fn left_alone(server: &Server, place: &Place) {
    let mut control = logged_in(server);
    for command in [
        "MKD pub",
        "MKD hello.txt",
        "MKD /",
        "RMD pub",
        "RMD hello.txt",
        "RMD /",
        "DELE pub",
        "DELE /",
    ] {
        let (after, _) = control
            .send(format!("{command}\r\n"))
            .expect_line_that_begins("550 ");
        control = after;
    }
    control.quit();
    place.expect_untouched();
    place.expect_names("pub", &["deep", "note.txt"]);
}

fn new_name(server: &Server, place: &Place) {
    let to = "350 to which name? say RNTO";
    let control = logged_in(server)
        .say("RNFR hello.txt", to)
        .say("RNTO pub/b.txt", "250 done");
    place.expect("pub/b.txt", HELLO);
    let control = control.say("RNFR pub", to).say("RNTO public", "250 done");
    place.expect("public/b.txt", HELLO);
    control.say("RNFR nothing", NO_FILE).quit();
}

fn next_command(server: &Server, place: &Place) {
    let to = "350 to which name? say RNTO";
    let control = logged_in(server)
        .say("RNTO a", "503 say RNFR first")
        .say("RNFR hello.txt", to);
    let control = control
        .say("PWD", "257 \"/\" is the directory")
        .say("RNTO a", "503 say RNFR first");
    let control = control
        .say("RNFR hello.txt", to)
        .say("NOOP", "200 nothing done")
        .say("RNTO a", "250 done");
    control.say("RNTO b", "503 say RNFR first").quit();
    place.expect("a", HELLO);
}
