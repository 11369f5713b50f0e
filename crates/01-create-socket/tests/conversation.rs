//! What the kernel says of a socket that has only been created.

use std::process::ExitCode;

use harness::{Check, Program, Suite};

fn main() -> ExitCode {
    Suite::without_address("create-socket", env!("CARGO_BIN_EXE_create-socket"))
        .page("docs/src/steps/create-socket.md", "What is said")
        .check(
            Check::of_program("creates a TCP and a UDP socket", a_tcp_and_a_udp_socket).notice(
                "Two sockets, two descriptors, and the address 0.0.0.0:0: nobody can reach them yet.",
            ),
        )
        .check(Check::of_program("creates only the kind that is asked for", only_one_kind))
        .check(Check::of_program("creates sockets for IPv6", for_ipv6))
        .run()
}

fn a_tcp_and_a_udp_socket(program: &Program) {
    expect_sockets(
        program,
        &[],
        &[
            ("AF_INET", "SOCK_STREAM", "IPPROTO_TCP"),
            ("AF_INET", "SOCK_DGRAM", "IPPROTO_UDP"),
        ],
    );
}

fn only_one_kind(program: &Program) {
    expect_sockets(
        program,
        &["--kind", "tcp"],
        &[("AF_INET", "SOCK_STREAM", "IPPROTO_TCP")],
    );
    expect_sockets(
        program,
        &["--kind", "udp"],
        &[("AF_INET", "SOCK_DGRAM", "IPPROTO_UDP")],
    );
}

fn for_ipv6(program: &Program) {
    let sockets = [
        ("AF_INET6", "SOCK_STREAM", "IPPROTO_TCP"),
        ("AF_INET6", "SOCK_DGRAM", "IPPROTO_UDP"),
    ];
    expect_sockets(program, &["--family", "ipv6"], &sockets);
}

/// One line for each socket, in the terms of this system. Descriptors are whatever numbers were free.
#[track_caller]
fn expect_sockets(program: &Program, arguments: &[&str], sockets: &[(&str, &str, &str)]) {
    let finished = program.run(arguments).expect_status(0);
    let mut numbers = numbers(finished.stdout());
    let lines = sockets.iter().map(|(family, kind, protocol)| {
        let number = numbers.next().unwrap_or("(none)");
        let address = if *family == "AF_INET" { "0.0.0.0:0" } else { "[::]:0" };
        let told = |apple: bool, word: &str| if apple { "not told".to_owned() } else { word.to_owned() };
        let protocol = told(cfg!(target_vendor = "apple"), protocol);
        // Windows says where a socket is only once it is bound.
        let family = told(cfg!(windows), family);
        let address = if cfg!(windows) { "none yet" } else { address };
        let word = if cfg!(windows) { "handle" } else { "descriptor" };
        format!("family {family}, type {kind}, protocol {protocol}, {word} {number}, address {address}\n")
    });
    let expected: String = lines.collect();
    drop(finished.clone().expect_stdout(&expected));
}

fn numbers(stdout: &str) -> impl Iterator<Item = &str> {
    let words = stdout.split([' ', ',']);
    words.filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
}
