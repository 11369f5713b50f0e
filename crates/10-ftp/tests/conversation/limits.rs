//! How long the server waits, what it puts up with, and how it ends.

use std::fs;
use std::time::Duration;

use harness::{Check, Client, Failure, Server};

use super::place::{
    BROKEN_OFF, COMPLETE, Ftp, HELLO, HELLO_ON_THE_WIRE, HUGE, NOTHING_UNDER_WAY, OPENS, Place,
    WELCOME, check, greeted, logged_in, reads, writes,
};

// ---- While a transfer is under way.

/// A transfer that goes on for as long as nobody reads: a client, and its data connection.
#[track_caller]
fn stuck(server: &Server, place: &Place) -> (Client, Client) {
    let huge = fs::File::create(place.path("huge.bin")).expect("a file");
    huge.set_len(HUGE).expect("room"); // a hole, which takes none on the disk
    let (control, data) = logged_in(server).binary().passive(server);
    (control.say("RETR huge.bin", OPENS), data)
}

pub fn aborting() -> Vec<Check> {
    vec![
        reads("ABOR breaks off a transfer and says so twice", abort).notice(
            "The control connection is heard while the data flows. Two \
             replies: one for the transfer, one for ABOR.",
        ),
        writes("ABOR breaks off an upload", abort_upload),
        reads(
            "ABOR comes through as urgent data, and behind Telnet's marks",
            urgent_abort,
        ),
        reads("ABOR with nothing to break off is fine", idle_abort),
        reads(
            "whoever says something else than to connect is heard",
            something_else,
        ),
        reads("STAT tells of a transfer under way", status),
        writes("other commands wait for the end of a transfer", others_wait),
        reads(
            "a client that leaves in a transfer takes it along",
            leaves_midway,
        ),
        reads(
            "a reader that leaves does not end the session",
            reader_leaves,
        ),
    ]
}

fn abort(server: &Server, place: &Place) {
    let (control, data) = stuck(server, place);
    control
        .say("ABOR", BROKEN_OFF)
        .reply(NOTHING_UNDER_WAY)
        .quit();
    data.hang_up();
}

fn abort_upload(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    let data = data.send("half of").pause();
    control
        .say("ABOR", BROKEN_OFF)
        .reply(NOTHING_UNDER_WAY)
        .quit();
    data.expect_end();
    place.expect_untouched();
}

fn urgent_abort(server: &Server, place: &Place) {
    let (control, data) = stuck(server, place);
    // As Python's ftplib does it, and as the clients of old did.
    let control = control
        .send_urgent("ABOR\r\n")
        .reply(BROKEN_OFF)
        .reply(NOTHING_UNDER_WAY);
    let control = control
        .send(b"\xff\xf4")
        .send_urgent(b"\xff")
        .send(b"\xf2ABOR\r\n")
        .reply(NOTHING_UNDER_WAY);
    control.quit();
    data.hang_up();
}

fn idle_abort(server: &Server, _: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("ABOR", NOTHING_UNDER_WAY);
    data.expect_reset();
    control
        .say("RETR hello.txt", "425 say PASV, EPSV, PORT or EPRT first")
        .quit();
}

fn something_else(server: &Server, _: &Place) {
    let (control, port) = logged_in(server).ask_for_port();
    let control = control.say("RETR hello.txt", OPENS).send("ABOR\r\n");
    let control = control
        .reply("425 something else came than the data connection")
        .reply(NOTHING_UNDER_WAY);
    control.quit();
    // Nobody waits for the data connection any more.
    if let Some(listeners) = server.listeners()
        && listeners.iter().any(|listener| listener.port() == port)
    {
        Failure::new("no listener any more", format!("one at port {port}")).raise();
    }
}

fn status(server: &Server, place: &Place) {
    let (control, data) = stuck(server, place);
    let control = control.say(
        "STAT",
        "211-status\n TYPE I, MODE S, STRU F\n a transfer is under way\n211 end",
    );
    data.reset();
    control.reply(BROKEN_OFF).quit();
}

fn others_wait(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control
        .say("STOR new.txt", OPENS)
        .send("SYST\r\nRNFR new.txt\r\nQUIT\r\n")
        .expect_silence();
    data.send("new").finish_sending().expect_end();
    let control = control
        .reply(COMPLETE)
        .reply("215 UNIX Type: L8")
        .reply("350 to which name? say RNTO");
    control.reply("221 goodbye").expect_end();
    place.expect("new.txt", "new");
}

fn leaves_midway(server: &Server, place: &Place) {
    let before = server.descriptors();
    let (control, data) = stuck(server, place);
    control.hang_up();
    server.expect_descriptors(before);
    data.hang_up();
}

fn reader_leaves(server: &Server, place: &Place) {
    let (control, data) = stuck(server, place);
    data.reset();
    control
        .reply(BROKEN_OFF)
        .expect_fetched(server, "RETR hello.txt", HELLO)
        .quit();
}

// ---- How long it waits.

pub fn patience() -> Vec<Check> {
    let (second, seconds) = (
        &["--timeout", "1", "--writable"],
        &["--timeout", "3", "--writable"],
    );
    vec![
        check("a client that never comes is told so", second, never_comes),
        check("a reader that never reads is given up", second, never_reads),
        check(
            "a sender that says nothing is given up",
            second,
            silent_sender,
        ),
        check(
            "a byte now and then is not enough",
            seconds,
            dripping_sender,
        ),
        check(
            "a client that says nothing is shown out",
            &["--idle", "1"],
            silent_client,
        ),
        check(
            "half a command is nothing",
            &["--idle", "3"],
            dripping_client,
        ),
        check(
            "a long transfer is no silence",
            &["--idle", "2"],
            long_transfer,
        ),
        check(
            "the time of a transfer is not that of its client",
            &["--idle", "3", "--writable"],
            time_of_a_transfer,
        ),
    ]
}

fn never_comes(server: &Server, _: &Place) {
    let before = server.descriptors();
    let (control, _) = logged_in(server).ask_for_port();
    let control = control.say("RETR hello.txt", OPENS).reply("425 timed out");
    control.say("NOOP", "200 nothing done").quit();
    server.expect_descriptors(before);
}

fn never_reads(server: &Server, place: &Place) {
    let patient = Duration::from_secs(10);
    let (control, image) = stuck(server, place);
    let control = control.wait_up_to(patient).reply("426 too slow");
    let control = control.say("TYPE A", "200 text: lines end with CR LF");
    let (control, text) = control.passive(server);
    let control = control.say("RETR huge.bin", OPENS).wait_up_to(patient);
    let control = control.reply("426 too slow");
    control.say("NOOP", "200 nothing done").quit();
    image.hang_up();
    text.hang_up();
}

fn silent_sender(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    let data = data.send("half of").pause();
    control
        .reply("426 too slow")
        .say("NOOP", "200 nothing done")
        .quit();
    data.expect_end();
    place.expect_untouched();
}

fn dripping_sender(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    let data = drip(data);
    // With a time-out that begins anew at each byte, it would come 3 s from now.
    control.reply("426 too slow").quit();
    data.hang_up();
    place.expect_untouched();
}

/// Sends a byte now and then, for 4 s or until the server has had enough.
fn drip(mut client: Client) -> Client {
    for _ in 0..40 {
        client = client.send("x").wait_up_to(Duration::from_millis(100));
    }
    client
}

fn silent_client(server: &Server, _: &Place) {
    greeted(server)
        .reply("421 nothing was said for too long")
        .expect_end();
}

fn dripping_client(server: &Server, _: &Place) {
    let control = drip(greeted(server));
    control.reply("421 nothing was said for too long").hang_up();
}

fn long_transfer(server: &Server, place: &Place) {
    let (control, data) = stuck(server, place);
    let control = control.expect_silence_for(Duration::from_millis(2500));
    data.reset();
    control
        .reply(BROKEN_OFF)
        .wait_up_to(Duration::from_secs(10))
        .reply("421 nothing was said for too long")
        .expect_end();
}

fn time_of_a_transfer(server: &Server, _: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR new.txt", OPENS);
    let control = control.expect_silence_for(Duration::from_secs(2));
    data.finish_sending().expect_end();
    let control = control.reply(COMPLETE);
    // Counted from STOR, it would be over 1 s from now.
    let control = control.expect_silence_for(Duration::from_millis(1500));
    control.say("NOOP", "200 nothing done").quit();
}

// ---- Many, and rude.

pub fn rudeness() -> Vec<Check> {
    vec![
        reads(
            "a client that leaves at once does not stop the server",
            leaves,
        ),
        reads("a client that resets does not stop the server", resets),
        check(
            "a client that never reads its replies harms nobody",
            &["--timeout", "1"],
            never_reads_replies,
        ),
        writes(
            "a data connection that ends at once is no file",
            empty_upload,
        ),
        writes("1,000 noisy clients leave nothing behind", noise),
        writes("32 sessions at once, each with a transfer", many),
        reads(
            "a hundred ports that nobody used leave nothing behind",
            unused_ports,
        ),
    ]
}

fn leaves(server: &Server, _: &Place) {
    server.connect_as("rude").hang_up();
    logged_in(server).quit();
}

fn resets(server: &Server, _: &Place) {
    logged_in(server).send("LIST").reset();
    logged_in(server).quit();
}

fn never_reads_replies(server: &Server, _: &Place) {
    let before = server.descriptors();
    // Each is answered, until there is no room for answers any more.
    let rude = greeted(server).send("HELP\r\n".repeat(200_000));
    logged_in(server).quit();
    server.expect_descriptors_after(Duration::from_secs(4), before);
    rude.hang_up();
}

fn empty_upload(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR new.txt", OPENS);
    data.hang_up();
    control.reply(COMPLETE).quit();
    place.expect("new.txt", ""); // the end of the data is the end of the file
}

fn noise(server: &Server, place: &Place) {
    let before = server.descriptors();
    harness::send_noise(server, 1000);
    logged_in(server)
        .expect_fetched(server, "RETR hello.txt", HELLO_ON_THE_WIRE)
        .quit();
    server.expect_descriptors(before);
    place.expect_untouched();
}

fn unused_ports(server: &Server, _: &Place) {
    let before = server.descriptors();
    let mut control = logged_in(server);
    for _ in 0..100 {
        let (after, _) = control.ask_for_port();
        control = after;
    }
    server.expect_descriptors(before + 2);
    control.quit();
    server.expect_descriptors(before);
}

fn many(server: &Server, place: &Place) {
    // The first upload opens what later ones use again.
    logged_in(server).put(server, "STOR first.txt", "").quit();
    let before = server.descriptors();
    let mut sessions = Vec::new();
    for number in 0..32 {
        let (control, data) = logged_in(server).passive(server);
        let control = control.say(&format!("STOR {number}.txt"), OPENS);
        sessions.push((number, control, data.send(format!("file {number}"))));
    }
    for (number, control, data) in sessions.into_iter().rev() {
        data.finish_sending().expect_end();
        let control = control.reply(COMPLETE);
        control
            .expect_fetched(
                server,
                &format!("RETR {number}.txt"),
                format!("file {number}"),
            )
            .quit();
        place.expect(&format!("{number}.txt"), format!("file {number}"));
    }
    server.expect_descriptors(before);
}

// ---- The end.

pub fn endings() -> Vec<Check> {
    vec![
        check(
            "an interruption lets a transfer finish",
            &["--grace", "60", "--writable"],
            lets_it_finish,
        ),
        check(
            "a transfer that never ends is cut off in the end",
            &["--grace", "0", "--writable"],
            cuts_it_off,
        ),
        check(
            "a full house lets the next one wait",
            &["--max-clients", "1"],
            full_house,
        ),
        reads("a restart gets the same port at once", restart),
    ]
}

fn lets_it_finish(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR new.txt", OPENS);
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    data.send("to the end").finish_sending().expect_end();
    let control = control
        .reply(COMPLETE)
        .say("PWD", "421 this server is stopping");
    control.expect_end();
    server.expect_exit(0);
    place.expect("new.txt", "to the end");
}

fn cuts_it_off(server: &Server, place: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.say("STOR hello.txt", OPENS);
    let data = data.send("half of").pause();
    server.interrupt();
    server.expect_exit(0);
    control.expect_end();
    data.hang_up();
    place.expect("hello.txt", HELLO);
    if cfg!(target_os = "linux") {
        place.expect_untouched(); // elsewhere a file is left that has a name of its own
    }
}

fn full_house(server: &Server, _: &Place) {
    let first = logged_in(server);
    server.expect_line("full: 1 of 1 places are taken; the next client waits");
    let second = server.connect_as("second").expect_silence();
    first.quit();
    second.reply(WELCOME).quit();
}

fn restart(server: &Server, _: &Place) {
    let last = logged_in(server);
    server.restart();
    last.hang_up();
    logged_in(server).quit();
}
