//! The control connection: who may speak, where a command ends, what can be asked and set.

use harness::{Check, Server, splits};

use super::place::{Ftp, Place, greeted, logged_in, reads};

// ---- Who may speak.

pub fn login() -> Vec<Check> {
    vec![
        reads("a client is greeted, logs in and leaves", comes_and_goes).notice(
            "The server speaks first. Each reply is a number \
             for programs and a text for people.",
        ),
        reads(
            "the user ftp may come in too, however it is written",
            user_ftp,
        ),
        reads(
            "another user is refused before a password is said",
            another_user,
        ),
        reads(
            "before the login nothing is told of files",
            before_the_login,
        ),
        reads("USER begins the login anew", begins_anew),
        reads("a password is not in the log", secret_password),
    ]
}

fn comes_and_goes(server: &Server, _: &Place) {
    let control = logged_in(server).say("PWD", "257 \"/\" is the directory");
    control.quit();
}

fn user_ftp(server: &Server, _: &Place) {
    let control = greeted(server).say("user FTP", "331 any password will do");
    control.say("pass", "230 welcome").quit();
}

fn another_user(server: &Server, _: &Place) {
    let control = greeted(server).say("USER root", "530 only for the user anonymous");
    control
        .say("PASS secret", "503 say USER first")
        .say("PWD", NOT_LOGGED_IN)
        .quit();
}

fn begins_anew(server: &Server, _: &Place) {
    let control = logged_in(server).say("USER root", "530 only for the user anonymous");
    control.say("PWD", NOT_LOGGED_IN).quit();
}

fn secret_password(server: &Server, _: &Place) {
    let control = greeted(server).say("USER ftp", "331 any password will do");
    let control = control.say("PASS secret", "230 welcome");
    let address = control.address();
    server.expect_line(&format!("received 13 bytes from {address}: \"PASS ...\""));
    // Nor is one behind Telnet's marks, or spaces.
    let control = control
        .send(b"\xff\xf4 PASS secret\r\n")
        .reply("500 no such command");
    server.expect_line(&format!("received 16 bytes from {address}: \"PASS ...\""));
    control.quit();
}

const NOT_LOGGED_IN: &str = "530 say USER and PASS first";

fn before_the_login(server: &Server, _: &Place) {
    let mut control = greeted(server);
    for command in [
        "CWD pub",
        "PASV",
        "EPSV",
        "LIST",
        "RETR hello.txt",
        "STOR a",
        "SIZE hello.txt",
        "STAT",
        "MLST",
    ] {
        control = control.say(command, NOT_LOGGED_IN);
    }
    let control = control
        .say("NOOP", "200 nothing done")
        .say("SYST", "215 UNIX Type: L8");
    control
        .say("OPTS UTF8 ON", "200 names are always UTF-8")
        .quit();
}

// ---- The control connection: where a command ends.

pub fn lines() -> Vec<Check> {
    vec![
        reads(
            "a command that comes byte by byte is answered once",
            byte_by_byte,
        ),
        reads("a command may be cut anywhere", cut_anywhere),
        reads(
            "commands that come together are answered in order",
            together,
        ),
        reads("spaces before an argument are not a part of it", spaces),
        reads(
            "bytes that are no UTF-8 and control characters are refused",
            no_text,
        ),
        reads("a command that nobody knows is refused", unknown),
        reads(
            "commands that are known and not implemented say so",
            not_implemented,
        ),
        reads("a line without an end is cut off", endless_line),
        reads("what is Telnet's between the bytes is taken out", telnet),
        reads("what a client says cannot reach the terminal", escaped),
    ]
}

fn byte_by_byte(server: &Server, _: &Place) {
    let control = greeted(server)
        .send_byte_by_byte("NOOP\r\n")
        .reply("200 nothing done");
    control.expect_silence().quit();
}

fn cut_anywhere(server: &Server, _: &Place) {
    let mut control = greeted(server);
    for (start, rest) in splits(b"NOOP\r\n") {
        control = control
            .send(start)
            .pause()
            .send(rest)
            .reply("200 nothing done");
    }
    control.quit();
}

fn together(server: &Server, _: &Place) {
    let control = greeted(server).send("NOOP\r\nSYST\r\nnoop\nQUIT\r\nNOOP\r\n");
    let control = control.reply("200 nothing done").reply("215 UNIX Type: L8");
    control
        .reply("200 nothing done")
        .reply("221 goodbye")
        .hang_up();
}

fn spaces(server: &Server, _: &Place) {
    logged_in(server)
        .say("CWD   pub", "250 \"/pub\" is the directory")
        .quit();
}

fn no_text(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for line in [
        &b"RETR \xff\xfe"[..],
        b"\xc3(",
        b"RETR a\0b",
        b"RETR a\rb",
        b"CWD \x1b[2J",
        b"\r",
    ] {
        control = control.send(line).send("\r\n");
        let (after, _) = control.expect_line_that_begins("501 ");
        control = after;
    }
    control.say("NOOP", "200 nothing done").quit();
}

fn unknown(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for command in [
        "MAKE me a sandwich",
        "",
        "   ",
        "RET",
        "PASV\u{fc}",
        "GET / HTTP/1.1",
    ] {
        control = control.say(command, "500 no such command");
    }
    control.quit();
}

fn not_implemented(server: &Server, _: &Place) {
    let control = logged_in(server).say("ACCT me", "502 not implemented");
    control
        .say("SITE CHMOD 777 hello.txt", "502 not implemented")
        .quit();
}

fn endless_line(server: &Server, _: &Place) {
    let control = logged_in(server)
        .send([b'x'; 4097])
        .reply("500 line too long");
    control.expect_end();
}

fn telnet(server: &Server, _: &Place) {
    let control = greeted(server)
        .send(b"\xff\xf4\xff\xf2NOOP\r\n")
        .reply("200 nothing done");
    let control = control
        .send(b"\xff\xfd\x01NO\xff\xfb\x03OP\xff\xf1\r\n")
        .reply("200 nothing done");
    let control = control.send(b"NOOP\xff\r\n").reply("200 nothing done");
    // The mark doubled is that byte itself, and that is no UTF-8.
    control
        .send(b"NOOP \xff\xff\r\n")
        .reply("501 not UTF-8")
        .quit();
}

fn escaped(server: &Server, _: &Place) {
    let control = greeted(server).send("\x1b[2J\n");
    let (control, _) = control.expect_line_that_begins("501 ");
    let address = control.address();
    server.expect_line(&format!(
        "received 5 bytes from {address}: \"\\u{{1b}}[2J\\n\""
    ));
    control.quit();
}

// ---- What a client may set, and ask about the server.

const TEXT: &str = "200 text: lines end with CR LF";
const IMAGE: &str = "200 image: each byte as it is";
const NOT_FOR_THAT: &str = "504 not implemented for that";

pub fn settings() -> Vec<Check> {
    vec![
        reads("of the types, A and I are there", types),
        reads(
            "replies of several lines end with the number and a space",
            several_lines,
        ),
        reads("facts can be chosen", chosen_facts),
        reads("room need not be asked for", room),
        reads("an argument that is missing is missed", missing_argument),
    ]
}

fn types(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for (command, reply) in [
        ("A", TEXT),
        ("a n", TEXT),
        ("I", IMAGE),
        ("i", IMAGE),
        ("L 8", IMAGE),
    ] {
        control = control.say(&format!("TYPE {command}"), reply);
    }
    for command in [
        "TYPE E",
        "TYPE A T",
        "TYPE L 36",
        "TYPE",
        "MODE B",
        "MODE",
        "STRU R",
        "STRU P",
    ] {
        control = control.say(command, NOT_FOR_THAT);
    }
    control
        .say("MODE S", "200 as always")
        .say("stru f", "200 as always")
        .quit();
}

fn several_lines(server: &Server, _: &Place) {
    let control = logged_in(server).say("FEAT", &features("type*;size*;modify*;"));
    let help = "214-commands\n \
        ABOR ACCT ALLO APPE CDUP CWD DELE EPRT EPSV FEAT HELP LIST MDTM MKD MLSD MLST MODE NLST NOOP\n \
        OPTS PASS PASV PORT PWD QUIT REST RETR RMD RNFR RNTO SITE SIZE STAT STOR STRU SYST TYPE USER\n\
        214 end";
    let control = control.say("HELP", help);
    control
        .say(
            "STAT",
            "211-status\n TYPE A, MODE S, STRU F\n no transfer is under way\n211 end",
        )
        .quit();
}

fn chosen_facts(server: &Server, _: &Place) {
    let control = logged_in(server).say(
        "OPTS MLST modify;Type;unknown;",
        "200 MLST OPTS type;modify;",
    );
    let control = control.say("FEAT", &features("type*;size;modify*;"));
    let control = control.say(
        "MLST hello.txt",
        "250-facts\n type=file;modify=19941106084937; /hello.txt\n250 end",
    );
    let control = control
        .say("OPTS MLST", "200 MLST OPTS")
        .say("MLST pub", "250-facts\n  /pub\n250 end");
    control
        .say("OPTS COLOUR ON", "501 no such option")
        .say("OPTS", "501 no such option")
        .quit();
}

fn room(server: &Server, _: &Place) {
    logged_in(server).say("ALLO 100", "202 no need to").quit();
}

fn missing_argument(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for command in [
        "CWD", "SIZE", "MDTM ", "RETR", "STOR", "DELE", "RNFR", "REST",
    ] {
        control = control.say(command, "501 which one?");
    }
    control.quit();
}

fn features(facts: &str) -> String {
    format!(
        "211-features\n EPRT\n EPSV\n MDTM\n MLST {facts}\n REST STREAM\n SIZE\n TVFS\n UTF8\n211 end"
    )
}
