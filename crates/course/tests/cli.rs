//! The course's command line, run as a learner runs it.

use std::process::Stdio;
use std::time::Duration;

use assert_cmd::Command;
use expect_test::{ExpectFile, expect_file};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, diff, ends_with, starts_with};

fn course(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_course"));
    // Whoever runs this test may have passed some exercises.
    command.env("COURSE_FOLDER", env!("CARGO_TARGET_TMPDIR"));
    command.args(arguments).timeout(Duration::from_secs(300)); // it may have to build
    command
}

#[track_caller]
fn prints(arguments: &[&str], golden: ExpectFile) {
    let output = course(arguments).assert().success();
    golden.assert_eq(&String::from_utf8_lossy(&output.get_output().stdout));
}

#[test]
fn the_help_names_every_command() {
    prints(&["--help"], expect_file!["golden/help.txt"]);
}

#[test]
fn the_list_shows_every_step() {
    prints(&["list"], expect_file!["golden/list.txt"]);
}

#[test]
fn a_diff_is_the_lesson() {
    prints(
        &["diff", "accept", "receive"],
        expect_file!["golden/diff.txt"],
    );
}

#[test]
fn an_unknown_name_gets_the_nearest() {
    for command in [
        &["tour", "acept"][..],
        &["step", "acept"],
        &["diff", "respond", "acept"],
    ] {
        let words = "error: there is no step \"acept\"\n\
                     hint: did you mean `accept`? `just list` shows them all\n";
        course(command)
            .assert()
            .code(1)
            .stdout("")
            .stderr(diff(words));
    }
}

#[test]
fn a_step_is_run_with_its_arguments_and_its_exit_status() {
    for name in ["create-socket", "1", "01-create-socket"] {
        let words = "family AF_INET6, type SOCK_DGRAM";
        let assert = course(&["step", name, "--family", "ipv6", "--kind", "udp"]).assert();
        let words = if cfg!(windows) {
            "family not told"
        } else {
            words
        };
        assert.success().stdout(starts_with(words));
    }
    course(&["step", "create-socket", "--kind", "raw"])
        .assert()
        .code(2);
}

#[test]
fn the_tour_shows_the_conversations_and_what_to_do_next() {
    let notice = contains("notice    The client meant one message.");
    let next = contains("Next: just diff receive respond · just step respond");
    let title = contains("\nstep 5 · respond");
    course(&["tour", "respond"])
        .assert()
        .success()
        .stdout(title.and(notice).and(next))
        .stderr("");
    // It has not grown from the step before.
    course(&["tour", "event-loop"])
        .assert()
        .success()
        .stdout(contains("Next: just diff respond event-loop ·"));
}

#[test]
fn a_burner_ends_with_its_input() {
    let mut burner = std::process::Command::new(env!("CARGO_BIN_EXE_course"));
    let mut burner = burner
        .arg("burn")
        .stdin(Stdio::piped())
        .spawn()
        .expect("a burner");
    drop(burner.stdin.take());
    assert!(burner.wait().expect("its end").success());
}

#[test]
fn an_unknown_exercise_gets_the_nearest() {
    let words = "error: there is no exercise \"linse\"\n\
                 hint: did you mean `lines`? `just list` shows them all\n";
    for command in ["check", "hint", "reset", "solution", "run", "watch"] {
        course(&[command, "linse"])
            .assert()
            .code(1)
            .stderr(diff(words));
    }
    course(&["grade", "linse"])
        .assert()
        .code(2)
        .stderr(diff(words));
}

#[test]
fn a_missing_cargo_is_named() {
    let mut command = course(&["check", "lines"]);
    command.env_remove("CARGO").env("PATH", "/nowhere");
    let words = starts_with("error: cannot run cargo: ");
    let hint =
        contains("\nhint: is Rust installed, and cargo in the PATH? see https://rustup.rs\n");
    command.assert().code(1).stderr(words.and(hint));
}

#[test]
fn a_solution_is_shown_to_who_has_passed_or_insists() {
    let refused = contains("hint: `just hint lines`, or --force to see it now");
    course(&["solution", "lines"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(refused);
    let shown = starts_with("// exercises/06-lines/variants/reference.rs");
    course(&["solution", "lines", "--force"])
        .assert()
        .success()
        .stdout(shown);
    let others = ends_with("\n// another way: exercises/14-chat/variants/reference-tokio.rs\n");
    let shown = starts_with("// exercises/14-chat/variants/reference.rs\n").and(others);
    course(&["solution", "chat", "--force"])
        .assert()
        .success()
        .stdout(shown);
}

#[test]
fn a_report_needs_a_place_that_takes_it() {
    for place in ["/nowhere/report.json", env!("CARGO_TARGET_TMPDIR")] {
        let words = starts_with(format!("error: cannot write to {place}"));
        course(&["grade", "lines", "--out", place])
            .assert()
            .code(2)
            .stderr(words);
    }
}

#[test]
fn an_unknown_check_is_answered_with_those_there_are() {
    let words = starts_with("error: there is no such check").and(contains("half-a-line-waits"));
    let replay = course(&["replay", "lines", "nonesuch"]).assert();
    replay.code(2).stderr(words);
}

#[test]
fn a_server_to_talk_to_may_have_a_name() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || listener.accept().map(drop));
    let server = format!("localhost:{port}");
    let replay = course(&["replay", "lines", "half-a-line", "--against", &server]).assert();
    replay.failure().stdout(contains("connect from 127.0.0.1:"));
}

#[test]
fn a_check_of_another_program_is_replayed_with_it() {
    let check = [
        "check",
        "lines",
        "--only",
        "says-where",
        "--server",
        "cargo --bind {addr}",
    ];
    let words = course(&check).output().expect("it runs").stdout;
    let words = String::from_utf8_lossy(&words);
    let replay = words
        .lines()
        .find_map(|line| line.trim().strip_prefix("replay    just "));
    let replay = replay.expect("a command that plays it again");
    let replay = shlex::split(replay).expect("words");
    let words: Vec<&str> = replay.iter().map(String::as_str).collect();
    let said = contains("$ cargo --bind 127.0.0.1:0").and(contains("unexpected argument"));
    course(&words).assert().code(101).stdout(said);
}

/// A disk that is full, as Linux plays it (full(4)).
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named_with_what_to_do() {
    let words = contains("No space left on device").and(contains("hint: make room"));
    let grade = course(&["grade", "sockets", "--out", "/dev/full"]).assert();
    grade.code(2).stderr(words).stdout(contains("total"));
}
