//! What the harness does besides catching bad servers: every way to talk, every way to be run, and
//! leaving nothing behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use expect_test::expect_file;
use harness::{Check, Program, Report, Server, Verdict, splits};
use libtest_mimic::{Failed, Trial};

use super::servers::CALL;
use super::{hello, judge, normalised, second_port, suite};

pub fn trials() -> Vec<Trial> {
    let talks = CONVERSATIONS
        .map(|(name, server, check)| Trial::test(name, move || judge(server, check).map(drop)));
    let others = [
        Trial::test("a_panic_leaves_no_server_behind", panic_leaves_nothing),
        Trial::test("the_same_seed_gives_the_same_numbers", same_seed),
        Trial::test("the_report_is_the_same_as_json", report_as_json),
        Trial::test("show_prints_the_conversation", show),
        Trial::test("a_server_that_runs_already_is_talked_to", against),
        Trial::test("a_report_is_sealed", seal),
        Trial::test("a_blocked_check_alone_is_no_success", blocked_alone),
    ];
    let mut trials: Vec<Trial> = talks.into_iter().chain(others).collect();
    if cfg!(target_os = "linux") {
        trials.push(Trial::test(
            "what_has_left_its_group_is_found_and_ended",
            a_daemon,
        ));
        trials.push(Trial::test("any_program_can_be_driven", any_program));
        trials.push(Trial::test(
            "a_program_that_listens_elsewhere_is_told_so",
            elsewhere,
        ));
    }
    if cfg!(unix) {
        for (signal, number) in [("INT", 2), ("TERM", 15), ("KILL", 9)] {
            let name = format!("a_run_ended_by_{signal}_leaves_no_server_behind");
            trials.push(Trial::test(name, move || interrupted(signal, number)));
        }
    }
    trials
}

/// What is tested, the server that it is tested on, and the check that passes.
type Talk = (&'static str, &'static str, fn(&Server));

const CONVERSATIONS: [Talk; 11] = [
    (
        "a_frozen_server_finds_it_all_at_once",
        "answers_each_read",
        |server| {
            let client = server.connect().send("1").expect("1;");
            let client = server.frozen(|| client.send("he").send("llo"));
            client.expect("5;").finish_sending().expect_end();
            server.expect_asleep();
        },
    ),
    ("what_comes_before_the_end_is_read", "honest", |server| {
        let client = server.connect();
        assert!(!client.hears_within(Duration::from_millis(1)));
        let client = client.send("hello\n");
        assert!(client.hears_within(Duration::from_secs(10)));
        let (client, begun) = client.read_up_to(4);
        let (client, rest) = client.read_up_to(100);
        assert!(client.hears_within(Duration::from_millis(1)), "the end");
        assert_eq!([begun, rest].concat(), b"received: hello\n");
        client.expect_end();
    }),
    ("pieces_arrive_apart", "answers_each_read", |server| {
        let client = server.connect().send_byte_by_byte("hello");
        client
            .send("world")
            .expect("1;1;1;1;1;5;")
            .finish_sending()
            .expect_end();
    }),
    ("every_way_to_send_arrives", "echo", every_way_to_send),
    ("clients_are_told_apart", "echo_to_many", several_clients),
    (
        "a_client_that_does_not_read_blocks_its_server",
        "echo",
        |server| {
            server.connect().send_until_blocked().hang_up();
        },
    ),
    ("a_reset_is_seen", "resets", |server| {
        server.connect().send("hello\n").expect_reset();
    }),
    ("a_refusal_is_seen", "echo", |server| {
        server.stop();
        server.expect_refusal();
    }),
    (
        "another_port_is_reached_from_any_address",
        "has_a_second_port",
        another_port,
    ),
    (
        "a_client_that_waits_is_connected_to",
        "calls_its_client",
        |server| {
            let (data, nobody) = (server.await_client("data"), server.await_client("nobody"));
            let port = format!("{}\n", data.address().port());
            let control = server.connect_as("control").send(port);
            data.accept().expect("hello").expect_end();
            control.expect_line("226 done").hang_up();
            nobody.expect_nobody();
        },
    ),
    ("a_udp_peer_hears_its_datagrams", "udp_echo", |server| {
        let peer = server.peer().send("one").send("").expect("one").expect("");
        peer.send([0xff; 9000])
            .expect([0xff; 9000])
            .expect_silence();
    }),
];

fn every_way_to_send(server: &Server) {
    let message = b"h\xc3\xa9llo";
    let mut client = server.connect().send_byte_by_byte(message).expect(message);
    for (head, tail) in splits(message) {
        client = client.send(head).pause().send(tail).expect(message);
    }
    client = client
        .send_together(&["one\n", "two\n"])
        .expect_line("one")
        .expect_line("two");
    client = client.send_while_reading(&[b'x'; 1 << 20], &[b'x'; 1 << 20]);
    client.expect_silence().finish_sending().expect_end();
}

fn another_port(server: &Server) {
    let (control, port) = second_port(server);
    server
        .connect_to("data", port)
        .expect("127.0.0.1")
        .expect_end();
    let (control, line) = control.expect_line_that_begins("226 ");
    assert_eq!(line, "226 done");
    if let Some(listeners) = server.listeners() {
        assert_eq!(listeners, [SocketAddr::new(server.address().ip(), port)]);
    }
    let elsewhere = Ipv4Addr::new(127, 0, 0, 2);
    if TcpListener::bind((elsewhere, 0)).is_ok() {
        let data = server.connect_from("data", elsewhere.into(), port);
        data.expect("127.0.0.2").expect_end();
    }
    control.hang_up();
}

fn several_clients(server: &Server) {
    let names = ["first", "second", "third"];
    let clients = names.map(|name| server.connect_as(name));
    for (client, name) in clients.into_iter().zip(names).rev() {
        client.send(name).expect(name).finish_sending().expect_end();
    }
    let said = server.conversation().events;
    let said: Vec<_> = said
        .iter()
        .filter_map(|event| event.client.as_deref())
        .collect();
    assert_eq!(said[..4], ["first", "second", "third", "third"]);
}

/// The connection is what tells: it ends when the last process that holds it does.
fn ends(mut connection: TcpStream) -> Result<(), Failed> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    match connection.read(&mut [0; 64]) {
        Ok(0) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
        other => Err(format!("the server still holds its connection: {other:?}").into()),
    }
}

/// Judges a check that ends with `last`, and then looks whether its server is gone.
fn leaves_nothing(server: &str, last: fn()) -> Result<Verdict, Failed> {
    let held = Arc::new(Mutex::new(None));
    let hold = Arc::clone(&held);
    let check = Check::new("a check", move |server: &Server| {
        let connection = TcpStream::connect(server.address()).ok();
        *hold.lock().expect("no panic while it was held") = connection;
        last();
    });
    let report = suite().check(check.arguments(["--be", server])).judge(7);
    let connection = held.lock().expect("no panic while it was held").take();
    ends(connection.ok_or("there was no connection")?)?;
    Ok(report.checks[0].verdict)
}

fn panic_leaves_nothing() -> Result<(), Failed> {
    let slip = || std::panic::resume_unwind(Box::new("a slip"));
    assert_eq!(
        leaves_nothing("leaves_a_grandchild", slip)?,
        Verdict::NotJudged
    );
    Ok(())
}

/// What has left the group of its server is gone with the server, though that was a good one.
fn a_daemon() -> Result<(), Failed> {
    for check in ["keeps-a-daemon", "leaves-its-group"] {
        let (caller, address) = caller()?;
        let output = demo_command(&["--exact", check])?
            .env(CALL, address)
            .output()?;
        assert!(output.status.success(), "{output:?}");
        if check == "keeps-a-daemon" {
            ends(accept(&caller)?)?;
        }
    }
    Ok(())
}

/// Somebody whom a server can call.
fn caller() -> Result<(TcpListener, String), Failed> {
    let caller = TcpListener::bind("127.0.0.1:0")?;
    caller.set_nonblocking(true)?;
    let address = caller.local_addr()?.to_string();
    Ok((caller, address))
}

fn accept(caller: &TcpListener) -> Result<TcpStream, Failed> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Ok((connection, _)) = caller.accept() {
            connection.set_nonblocking(false)?;
            return Ok(connection);
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    Err("nobody called".into())
}

/// A check that is blocked says nothing of itself, but a success it is not.
fn blocked_alone() -> Result<(), Failed> {
    let output = demo_command(&["--exact", "is-blocked"])?.output()?;
    let text = String::from_utf8(output.stdout)?;
    assert!(
        text.contains("ignored (blocked until this passes: exits)"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(101));
    Ok(())
}

fn same_seed() -> Result<(), Failed> {
    let numbers = Arc::new(Mutex::new(Vec::new()));
    for seed in [1, 1, 2] {
        let numbers = Arc::clone(&numbers);
        let check = Check::new("a check with random numbers", move |server: &Server| {
            numbers
                .lock()
                .expect("no panic while it was held")
                .push(server.random().u64(..));
        });
        let report = suite()
            .check(check.arguments(["--be", "honest"]))
            .judge(seed);
        assert_eq!(report.seed, seed);
    }
    let numbers = numbers.lock().expect("no panic while it was held");
    assert!(
        numbers[0] == numbers[1] && numbers[1] != numbers[2],
        "{numbers:?}"
    );
    Ok(())
}

/// A suite that this test program is when it is started with `DEMO` in its environment.
pub fn demo() -> ExitCode {
    let greets = Check::new("greets", hello).arguments(["--be", "honest"]);
    let stays = Check::new("stays", |server| {
        eprintln!("{}", server.address());
        server
            .connect()
            .expect_silence_for(Duration::from_secs(60))
            .hang_up();
    });
    let exits = Check::new("exits", hello).arguments(["--be", "exits"]);
    let blocked = Check::new("is blocked", hello).needs("exits");
    let keeps = Check::new("keeps a daemon", hello).arguments(["--be", "keeps_a_daemon"]);
    let leaves = Check::new("leaves its group", hello).arguments(["--be", "leaves_its_group"]);
    let suite = suite().check(greets.points(4).notice("Greetings are answered."));
    suite
        .check(stays.arguments(["--be", "keeps_a_daemon"]))
        .checks([exits, blocked, keeps, leaves])
        .run()
}

fn demo_command(arguments: &[&str]) -> Result<Command, Failed> {
    let program = std::env::current_exe()?;
    let mut command = if cfg!(target_os = "linux") {
        // A shell starts what it runs in the background with SIGINT ignored, and that is inherited.
        let mut env = Command::new("env");
        env.arg("--default-signal=INT").arg(program);
        env
    } else {
        Command::new(program)
    };
    command.args(arguments).env("DEMO", "1");
    Ok(command)
}

fn run_demo(arguments: &[&str]) -> Result<Output, Failed> {
    let output = demo_command(arguments)?.output()?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!("{output:?}").into()),
    }
}

fn report_as_json() -> Result<(), Failed> {
    let file: PathBuf =
        std::env::current_exe()?.with_extension(format!("{}.json", std::process::id()));
    run_demo(&[
        "--exact",
        "greets",
        "--seed",
        "7",
        "--report",
        &file.display().to_string(),
    ])?;
    let json = std::fs::read(&file)?;
    std::fs::remove_file(&file)?;
    let report: Report = serde_json::from_slice(&json)?;
    assert_eq!(report.summary(), "harness: 1 passed, 4 of 4 points");
    assert_eq!((report.seed, report.checks[0].got), (7, Some(4)));
    let shape = serde_json::to_string_pretty(&report.checks[0].conversation.events[1..5])?;
    expect_file!["golden/report.json"].assert_eq(&untimed(&shape));
    Ok(())
}

/// Without the times of events.
fn untimed(json: &str) -> String {
    let lines = json
        .lines()
        .filter(|line| !line.trim_start().starts_with("\"ms\": "));
    normalised(&lines.collect::<Vec<_>>().join("\n"))
}

/// The word that comes in goes into the report, and to nobody else.
fn seal() -> Result<(), Failed> {
    let file = std::env::current_exe()?.with_extension(format!("{}.sealed", std::process::id()));
    let mut demo = demo_command(&["--exact", "greets", "--seal", "--report"])?;
    let demo = demo.arg(&file).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut demo = demo.spawn()?;
    demo.stdin
        .take()
        .ok_or("no stdin")?
        .write_all(b"a secret\n")?;
    assert!(demo.wait()?.success());
    let report: Report = serde_json::from_slice(&std::fs::read(&file)?)?;
    std::fs::remove_file(&file)?;
    assert_eq!(report.seal.as_deref(), Some("a secret"));
    Ok(())
}

fn against() -> Result<(), Failed> {
    let check = Check::new("a server", |server| {
        let address = server.address().to_string();
        let arguments = ["--exact", "greets", "--against", &address];
        let output = demo_command(&arguments).and_then(|mut demo| Ok(demo.output()?));
        let output = output.expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("\"hello\\n\" ──"),
            "{text}"
        );
    });
    let report = suite().check(check.arguments(["--be", "honest"])).judge(7);
    assert_eq!(
        report.checks[0].verdict,
        Verdict::Passed,
        "{}",
        report.checks[0].message
    );
    Ok(())
}

fn show() -> Result<(), Failed> {
    let output = run_demo(&["--exact", "greets", "--seed", "7", "--show"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(!text.contains('\x1b'), "colours in a pipe: {text}");
    expect_file!["golden/show.txt"].assert_eq(&normalised(&text));
    Ok(())
}

/// A server that prints no ready line, and is found by what the system says of it.
fn any_program() -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    let command_line = format!(
        "'{}' --bind {{host}}:{{port}} --be silent_start",
        program.display()
    );
    let output = run_demo(&["--exact", "greets", "--show", "--server", &command_line])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("left out  it needs `--be honest`"), "{text}");
    let check = Check::of_program("a program without a ready line", move |_| {
        let program = Program::from_command_line(&command_line).expect("a command line");
        let server = program.start::<&str>((Ipv4Addr::LOCALHOST, 0).into(), &[]);
        server.expect_listens_as_told();
        hello(&server);
    });
    let report = suite().check(check).judge(7);
    assert_eq!(
        report.checks[0].verdict,
        Verdict::Passed,
        "{}",
        report.checks[0].explanation()
    );
    Ok(())
}

/// A server that was written for one port, and takes no other.
fn elsewhere() -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    let check = Check::of_program("it listens where it is told", move |_| {
        let command_line = format!(
            "'{}' --bind 127.0.0.1:0 --be silent_start",
            program.display()
        );
        let program = Program::from_command_line(&command_line).expect("a command line");
        let told = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
        program.start::<&str>(told, &[]).expect_listens_as_told();
    });
    let report = suite().check(check).judge(7);
    assert_eq!(report.checks[0].verdict, Verdict::Failed);
    let words =
        "    expected  a listener on 127.0.0.1:PORT\n    got       a listener on 127.0.0.1:PORT\n";
    let text = normalised(&report.checks[0].message);
    assert!(text.starts_with(words), "{text}");
    Ok(())
}

fn interrupted(signal: &str, number: i32) -> Result<(), Failed> {
    let (caller, address) = caller()?;
    let mut run = demo_command(&["--exact", "stays", "--show"])?;
    let mut run = run
        .env(CALL, address)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    BufReader::new(run.stderr.take().ok_or("no stderr")?).read_line(&mut address)?;
    let connection = TcpStream::connect(address.trim_end());
    let kill = Command::new("kill")
        .args(["-s", signal, &run.id().to_string()])
        .status();
    let ended = run.wait()?;
    assert!(kill?.success());
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&ended),
        Some(number)
    );
    #[cfg(not(unix))]
    assert_eq!(ended.code(), Some(number));
    ends(connection?)?;
    match cfg!(target_os = "linux") {
        true => ends(accept(&caller)?), // the daemon's
        false => Ok(()),
    }
}
