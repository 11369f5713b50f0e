//! Each bad server, and what a learner would read about it: `golden/NAME.txt`.
//!
//! A reader of that text alone must be able to say what the server does wrong. `UPDATE_EXPECT=1 cargo
//! test -p harness` writes the texts anew; read them before you commit.

mod good;
mod servers;

use std::process::ExitCode;

use expect_test::expect_file;
use harness::{Check, Client, Report, Server, Suite, Verdict};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, bind, address, be, name, ..] = words.as_slice()
        && (bind.as_str(), be.as_str()) == ("--bind", "--be")
    {
        return match servers::be(name, address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    if std::env::var_os("DEMO").is_some() {
        return good::demo();
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(8); // most of them wait
    libtest_mimic::run(&arguments, trials()).exit_code()
}

/// The name of a bad server, and the check that it fails.
type BadServer = (&'static str, fn(&Server));

const BAD_SERVERS: &[BadServer] = &[
    ("never_ready", hello),
    ("exits", hello),
    ("killed_by_a_signal", hello),
    ("always_has_the_same_port", Server::expect_listens_as_told),
    ("ready_line_with_a_capital", hello),
    ("nonsense_address", hello),
    ("ready_line_in_two_writes", hello),
    ("ready_line_without_newline", hello),
    ("one_byte_missing", hello),
    ("trailing_garbage", hello),
    ("wrong_byte_in_the_middle", hello),
    ("closes_early", hello),
    ("breaks_off", |server| {
        let client = server.connect().send("hello\n");
        client.expect_whole("x".repeat(1 << 20)).expect_end();
    }),
    ("answers_before_reading", |server| {
        let client = server.connect().send("hello\n");
        server.expect_line("answered");
        client
            .expect("received: hello\n")
            .finish_sending()
            .expect_end();
    }),
    ("silent", hello),
    ("crashes_on_a_client", hello),
    ("listens_elsewhere", hello),
    ("listens_nowhere", hello),
    ("closes_its_second_port", |server| {
        let (_control, port) = second_port(server);
        server.connect_to("data", port).hang_up();
    }),
    ("has_a_second_port", |server| {
        let (control, port) = second_port(server);
        let data = server.connect_to("data", port);
        data.expect("127.0.0.1").expect_end();
        drop(control.expect_line_that_begins("425 "));
    }),
    ("never_calls_its_client", |server| {
        let data = server.await_client("data");
        let _control = server.connect_as("control").send("call");
        data.accept().hang_up();
    }),
    ("ends_by_itself", |server| {
        hello(server);
        server.terminate();
    }),
    ("dies_after_the_answer", hello),
    ("spins", Server::expect_asleep),
    ("keeps_connections", |server| {
        let before = server.descriptors();
        (0..5).for_each(|_| hello(server));
        server.expect_descriptors(before);
    }),
    ("keeps_threads", |server| {
        let before = server.threads();
        (0..5).for_each(|_| hello(server));
        server.expect_threads(before);
    }),
    ("binds_every_address", Server::expect_listens_as_told),
    ("leaves_a_grandchild", hello),
    ("ignores_sigterm", Server::terminate),
    ("fails_on_an_interruption", |server| {
        server.interrupt();
        server.expect_exit(0);
    }),
    ("ends_within_a_line", |server| {
        let (client, _) = server.connect().send("hello\n").read_line();
        client.hang_up();
    }),
    ("relays_in_capitals", |server| {
        let [talker, listener] = ["talker", "listener"].map(|name| server.connect_as(name));
        let piece = b"xxx\nxxx\n";
        let (talker, [listener]) = talker.talk_until_told(piece, [listener], piece, "reader left");
        talker.hang_up();
        listener.hang_up();
    }),
    ("floods_stdout", |server| {
        server.expect_line("line 99999 of far too many");
        hello(server);
    }),
    ("prints_invalid_utf8", |server| {
        server.expect_line("caf\u{fffd} \u{1b}[31m");
        hello(server);
    }),
    ("udp_silent", hello_by_datagram),
    ("udp_never_receives", hello_by_datagram),
    ("udp_answers_in_two_datagrams", hello_by_datagram),
    ("udp_answers_from_another_socket", hello_by_datagram),
    ("udp_crashes_on_a_peer", hello_by_datagram),
    ("udp_connects_to_its_first_peer", |server| {
        hello_by_datagram(server);
        let second = server.peer_as("second").send("hello\n");
        second.expect("received: hello\n");
    }),
];

fn trials() -> Vec<Trial> {
    let golden = BAD_SERVERS.iter().map(|&(name, check)| {
        Trial::ignorable_test(name, move || {
            if cfg!(not(target_os = "linux")) {
                return Ok(Completion::ignored_with(
                    "the texts are those of Linux, which tells most",
                ));
            }
            golden_failure(name, check).map(|()| Completion::Completed)
        })
    });
    let others = [
        Trial::test("an_honest_server_passes", || {
            judge("honest", hello).map(drop)
        }),
        Trial::test("what_depends_on_a_failed_check_is_blocked", blocked),
        Trial::test(
            "a_panic_in_a_check_is_not_blamed_on_the_server",
            panicking_check,
        ),
        Trial::test("a_program_that_cannot_start_is_not_judged", no_such_program),
        Trial::test(
            "a_server_that_resets_every_client_fails",
            resets_every_client,
        ),
    ];
    let bad = golden.into_iter().chain(others);
    bad.chain(good::trials()).collect()
}

/// What every server here is asked.
fn hello(server: &Server) {
    server
        .connect()
        .send("hello\n")
        .expect("received: hello\n")
        .expect_end();
}

/// The same, without a connection.
fn hello_by_datagram(server: &Server) {
    server.peer().send("hello\n").expect("received: hello\n");
}

/// A client, and what the server says to it of another port of its own.
fn second_port(server: &Server) -> (Client, u16) {
    let (control, line) = server.connect_as("control").expect_line_that_begins("227 ");
    let port = line.trim_start_matches("227 ").parse();
    (control, port.expect("a port"))
}

fn suite() -> Suite {
    let program = std::env::current_exe().unwrap_or_default();
    Suite::new("harness", program.to_str().unwrap_or_default())
}

fn check(name: &str, check: fn(&Server)) -> Check {
    let check = Check::new("a greeting is answered", check)
        .arguments(["--be", name])
        .points(4);
    check
        .teaches("Here stands why it matters.")
        .page("docs/src/steps/respond.md", "A reply")
}

fn judge(name: &str, body: fn(&Server)) -> Result<Report, Failed> {
    let report = suite().check(check(name, body)).judge(7);
    match report.checks[0].verdict {
        Verdict::Passed => Ok(report),
        _ => Err(report.checks[0].explanation().into()),
    }
}

fn golden_failure(name: &str, body: fn(&Server)) -> Result<(), Failed> {
    let report = suite().check(check(name, body)).judge(7);
    let judged = &report.checks[0];
    if judged.verdict != Verdict::Failed {
        return Err(format!(
            "{:?} instead of Failed\n{}",
            judged.verdict,
            judged.explanation()
        )
        .into());
    }
    // Where the server's words and the client's come at the same time, only the order within each is sure.
    let text = match name {
        "crashes_on_a_client" | "udp_crashes_on_a_peer" | "floods_stdout" | "ends_by_itself" => {
            judged.explanation()
        }
        _ => anstream::adapter::strip_str(&judged.render()).to_string(),
    };
    if name == "floods_stdout" {
        let talk = &judged.transcript;
        let bounded = talk.len() < 20_000 && talk.contains("more lines");
        assert!(bounded && talk.contains("received: hallo"), "{talk}");
    }
    expect_file![format!("golden/{name}.txt")].assert_eq(&normalised(&text));
    Ok(())
}

fn blocked() -> Result<(), Failed> {
    let second = Check::new("a second check", hello)
        .arguments(["--be", "honest"])
        .points(2);
    let report = suite().check(check("exits", hello)).check(second).judge(7);
    let judged = &report.checks[1];
    assert_eq!(judged.verdict, Verdict::Blocked);
    assert_eq!(
        judged.explanation(),
        "    blocked   until this passes: a greeting is answered\n"
    );
    assert_eq!(
        report.summary(),
        "harness: 1 failed, 1 blocked, 0 of 6 points"
    );
    Ok(())
}

fn panicking_check() -> Result<(), Failed> {
    let report = suite()
        .check(check("honest", |_| {
            std::panic::resume_unwind(Box::new("a slip"))
        }))
        .judge(7);
    assert_eq!(report.checks[0].verdict, Verdict::NotJudged);
    let message = "    trouble   the check itself panicked: a slip\n              this says nothing about the server\n";
    assert_eq!(report.checks[0].message, message);
    Ok(())
}

/// Whether the client sees the reset when it connects or later is a matter of luck.
fn resets_every_client() -> Result<(), Failed> {
    let report = suite().check(check("resets_every_client", hello)).judge(7);
    assert_eq!(report.checks[0].verdict, Verdict::Failed);
    Ok(())
}

fn no_such_program() -> Result<(), Failed> {
    let report = Suite::new("harness", "/nowhere/server")
        .check(check("honest", hello))
        .judge(7);
    assert_eq!(report.checks[0].verdict, Verdict::NotJudged);
    assert!(
        report.checks[0]
            .message
            .contains("cannot start /nowhere/server")
    );
    Ok(())
}

/// The same text for every run: without times, ports, process numbers and the lines of this file.
fn normalised(text: &str) -> String {
    let digits = |c: char| c.is_ascii_digit();
    let mut text = text.to_owned();
    for (before, taken, instead) in [
        ("127.0.0.1:", digits as fn(char) -> bool, "PORT"),
        ("0.0.0.0:", digits, "PORT"),
        ("status 1 after ", digits, "N"),
        ("status 3 after ", digits, "N"),
        ("(SIGKILL) after ", digits, "N"),
        ("\"227 ", digits, "PORT"),
        ("main.rs:", digits, "LINE"),
        ("servers.rs:", |c| c.is_ascii_digit() || c == ':', "LINE"),
        ("'main' (", digits, "ID"),
        ("bad_servers-", |c| c.is_ascii_hexdigit(), "HASH"),
    ] {
        let parts: Vec<&str> = text.split(before).collect();
        let rest = parts[1..]
            .iter()
            .map(|part| format!("{before}{instead}{}", part.trim_start_matches(taken)));
        text = parts[0].to_owned() + &rest.collect::<String>();
    }
    let line = |line: &str| match line.split_once(" ms  ") {
        Some((time, rest)) if time.trim().parse::<f64>().is_ok() => {
            format!("         T ms  {rest}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
