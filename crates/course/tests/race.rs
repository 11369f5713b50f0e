//! `course race` on servers that are good, or wrong on purpose: this test program, started again as `--be NAME ADDRESS`.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, be, name, address] = words.as_slice()
        && be == "--be"
    {
        return match serve(name, address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let trials = [
        (
            "a_good_server_has_figures",
            a_good_server_has_figures as fn(),
        ),
        ("a_wrong_byte_is_reported", a_wrong_byte_is_reported),
        (
            "a_server_that_says_nothing_is_reported",
            a_server_that_says_nothing_is_reported,
        ),
        (
            "a_server_that_ends_is_reported",
            a_server_that_ends_is_reported,
        ),
    ];
    let trials = trials.map(|(name, run)| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn serve(name: &str, address: &str) -> io::Result<()> {
    let each: fn(TcpStream) -> io::Result<()> = match name {
        "echo" => |stream| echo(stream, |_| {}),
        "wrong" => |stream| echo(stream, |piece| piece[0] ^= 1),
        "silent" => |mut stream| stream.read_to_end(&mut Vec::new()).map(drop),
        _ => |_| exit(3),
    };
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || each(stream)); // what its client does is no affair of others
    }
    Ok(())
}

fn echo(mut stream: TcpStream, change: fn(&mut [u8])) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        change(&mut buffer[..count]);
        stream.write_all(&buffer[..count])?;
    }
}

/// Races this server alone. Returns what was written as JSON, and as a picture.
fn race(server: &str, more: &[&str]) -> (Value, String) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (json, svg) = (
        folder.join(format!("race-{server}.json")),
        folder.join(format!("race-{server}.svg")),
    );
    let this = std::env::current_exe().expect("this program");
    let this = this.to_str().expect("a path that is text");
    let server = shlex::try_join([this, "--be", server, "{addr}"]).expect("words");
    let mut course = Command::new(env!("CARGO_BIN_EXE_course"));
    course.timeout(Duration::from_secs(100));
    course.args(["race", "--alone", "--server", &server, "--seconds", "0.05"]);
    course
        .args(more)
        .arg("--json")
        .arg(&json)
        .arg("--svg")
        .arg(&svg);
    course.assert().success();
    let text = std::fs::read_to_string(json).expect("the figures");
    let json = serde_json::from_str(&text).expect("JSON");
    (json, std::fs::read_to_string(svg).expect("the picture"))
}

/// What broke in the only lap of the only load.
fn broke(server: &str) -> Vec<String> {
    let (race, svg) = race(server, &["--only", "small", "--connections", "3"]);
    let lap = &race["heats"][0]["entries"][0]["laps"][0];
    assert!(svg.contains(", broke<"), "{svg}");
    let words = lap["broke"].as_array().expect("words");
    words
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn a_good_server_has_figures() {
    let more = "--connections 1,3 --idle 20 --stream 2 --rounds 2";
    let more: Vec<&str> = more.split(' ').collect();
    let (race, svg) = race("echo", &more);
    let heats = race["heats"].as_array().expect("heats");
    let kinds: Vec<&str> = heats
        .iter()
        .filter_map(|heat| heat["load"]["kind"].as_str())
        .collect();
    let expected = [
        "ping-pong",
        "ping-pong",
        "ping-pong",
        "ping-pong",
        "idle",
        "stream",
    ];
    assert_eq!(kinds, expected);
    for heat in heats {
        let laps = heat["entries"][0]["laps"].as_array().expect("laps");
        assert_eq!(laps.len(), 2);
        for lap in laps {
            assert_eq!(lap["broke"].as_array().map(Vec::len), Some(0), "{heat}");
            assert!(lap["a_second"].as_f64() > Some(0.0), "{heat}");
            let is_ping_pong = heat["load"]["kind"] == "ping-pong";
            let is_known = lap["memory"].is_number();
            assert!(
                is_ping_pong || is_known == cfg!(target_os = "linux"),
                "{heat}"
            );
        }
    }
    assert!(svg.contains("20 idle connections"), "{svg}");
}

fn a_wrong_byte_is_reported() {
    assert_eq!(broke("wrong"), ["3 of 3 clients: sent a wrong byte"]);
}

fn a_server_that_says_nothing_is_reported() {
    assert_eq!(broke("silent"), ["3 of 3 clients: not answered within 2 s"]);
}

fn a_server_that_ends_is_reported() {
    let words = broke("exits");
    let last = words.last().map(String::as_str);
    assert_eq!(last, Some("the server has ended by itself"), "{words:?}");
}
