//! What is graded, in the order in which a learner should meet it.

use std::collections::HashSet;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use harness::{Check, Failure, Program, Suite, cannot_judge, skip};
use socket2::{Domain, Socket, Type};

fn main() -> ExitCode {
    Suite::without_address("sockets", env!("CARGO_BIN_EXE_sockets"))
        .replayed_by("just replay sockets {check} --seed {seed}")
        .page("docs/src/steps/create-socket.md", "Ask, do not assume")
        .check(
            Check::of_program("a TCP socket is created and described", a_tcp_socket)
                .points(2)
                .teaches("A new socket has a kind and a descriptor, and no address yet: 0.0.0.0:0 means nobody can reach it. It is there as long as the program keeps it."),
        )
        .check(
            Check::of_program("a UDP socket is created when it is asked for", a_udp_socket)
                .page("docs/src/steps/create-socket.md", "Three decisions")
                .points(3)
                .teaches("The kind is decided when the socket is created, for good: a stream of bytes, or datagrams."),
        )
        .check(
            Check::of_program("an IPv6 socket is created when it is asked for", an_ipv6_socket)
                .page("docs/src/steps/create-socket.md", "Three decisions")
                .points(3)
                .teaches("The family is decided with the kind. It says how an address looks: an IPv6 socket has none yet as [::]:0."),
        )
        .check(
            Check::of_program("several sockets are open at once", several_at_once)
                .page("docs/src/steps/create-socket.md", "The number")
                .points(4)
                .teaches("A descriptor names an open socket. Once that is closed, and in Rust a dropped socket is, the next one gets its number."),
        )
        .check(
            Check::of_program("the receive buffer is what the kernel made of it", a_receive_buffer)
                .points(4)
                .teaches("What a program asks for is a wish. Linux doubles a receive buffer and has a least size: ask what became of it (socket(7))."),
        )
        .check(
            Check::of_program("an unknown kind is refused", |program| expect_refused(program, ["--kind", &word(program)]))
                .points(2)
                .teaches("A script looks at the exit status, 2 for wrong usage, and at stdout. A person reads stderr."),
        )
        .check(
            Check::of_program("a count of zero is refused", |program| expect_refused(program, ["--count", "0"]))
                .points(1)
                .teaches("A number that can be read may still make no sense: it is wrong usage as well, exit status 2."),
        )
        .check(
            Check::of_program("a count that is no number is refused", |program| expect_refused(program, ["--count", &word(program)]))
                .points(1)
                .teaches("What a user types is not a bug of the program: say what is wrong, and end with status 2. Do not guess, do not panic."),
        )
        .run()
}

fn a_tcp_socket(program: &Program) {
    expect_lines(program, &[], &["ipv4 tcp descriptor N address 0.0.0.0:0"]);
}

fn a_udp_socket(program: &Program) {
    let line = "ipv4 udp descriptor N address 0.0.0.0:0";
    expect_lines(program, &["--kind", "udp"], &[line]);
}

fn an_ipv6_socket(program: &Program) {
    if TcpListener::bind("[::1]:0").is_err() {
        skip("this system has no IPv6");
    }
    let line = "ipv6 tcp descriptor N address [::]:0";
    expect_lines(program, &["--family", "ipv6"], &[line]);
}

fn several_at_once(program: &Program) {
    let count = program.random().usize(3..9);
    let line = "ipv4 tcp descriptor N address 0.0.0.0:0";
    expect_lines(
        program,
        &["--count", &count.to_string()],
        &vec![line; count],
    );
}

/// A small size, one below the least that Linux grants, and one above the most.
fn a_receive_buffer(program: &Program) {
    for size in [program.random().usize(20_000..30_000), 1, 1 << 30] {
        let Ok(granted) = receive_buffer(size) else {
            cannot_judge("this system gives no receive buffer of any size");
        };
        let line =
            format!("ipv4 tcp descriptor N address 0.0.0.0:0 receive buffer {granted} bytes");
        expect_lines(
            program,
            &["--receive-buffer", &size.to_string()],
            &[line.as_str()],
        );
    }
}

/// A word that means nothing.
fn word(program: &Program) -> String {
    let mut random = program.random();
    let letters = std::iter::repeat_with(|| random.lowercase());
    "no-".chars().chain(letters.take(6)).collect()
}

/// What the kernel makes of a receive buffer of this size.
fn receive_buffer(size: usize) -> io::Result<usize> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(size)?;
    socket.recv_buffer_size()
}

/// Exactly these lines, where N is whatever number the socket has. A program that prints well may know
/// no more than what was asked for: the kernel, too, is asked for each socket while the program stays.
#[track_caller]
fn expect_lines(program: &Program, arguments: &[&str], lines: &[&str]) {
    if cfg!(windows) {
        skip("Windows does not tell the family and the address of a socket before bind");
    }
    let held = program.hold(arguments, lines.len());
    let numbers: Vec<String> = descriptors(&held.stdout()).collect();
    let different: HashSet<&String> = numbers.iter().collect();
    if numbers.len() == lines.len() && different.len() < numbers.len() {
        let got = format!("descriptors {}", numbers.join(", "));
        Failure::new("a different descriptor in each line", got).raise();
    }
    let sockets = numbers.iter().take(lines.len());
    let sockets: Vec<Option<Socket>> = sockets.map(|number| held.socket(number)).collect();
    let finished = held.release().expect_status(0);
    let numbers = descriptors(finished.stdout());
    let numbers = numbers.chain(std::iter::repeat("(a number)".to_owned()));
    let filled = lines
        .iter()
        .zip(numbers)
        .map(|(line, number)| line.replace('N', &number) + "\n");
    let expected: String = filled.collect();
    drop(finished.expect_stdout(&expected));
    if sockets.len() < lines.len() {
        let (got, all) = (sockets.len(), lines.len());
        let got = format!("{got} of {all}: the rest came at its end");
        Failure::new("every line while its standard input is open", got)
            .note("nobody can look at a socket that is not spoken of yet; what is printed may wait in a buffer until it is flushed")
            .raise();
    }
    for (line, socket) in expected.lines().zip(&sockets) {
        expect_true(line, socket.as_ref());
    }
    let cookies: Vec<u64> = sockets.iter().flatten().filter_map(cookie).collect();
    if cookies.iter().collect::<HashSet<_>>().len() < cookies.len() {
        let expected = format!("{} sockets", cookies.len());
        Failure::new(expected, "one socket has several of these descriptors").raise();
    }
}

/// The kernel's own name for a socket, whoever calls it by whatever number (SO_COOKIE, socket(7)).
#[cfg(target_os = "linux")]
fn cookie(socket: &Socket) -> Option<u64> {
    socket.cookie().ok()
}

#[cfg(not(target_os = "linux"))]
fn cookie(_socket: &Socket) -> Option<u64> {
    None
}

/// `None`: the system lets nobody look.
#[track_caller]
fn expect_true(line: &str, socket: Option<&Socket>) {
    let Some(socket) = socket else { return };
    let address = socket.local_addr().ok();
    let family = match address.and_then(|address| address.as_socket()) {
        Some(address) if address.is_ipv4() => "ipv4",
        Some(_) => "ipv6",
        None => "another family",
    };
    let kind = match socket.r#type() {
        Ok(Type::STREAM) => "tcp",
        Ok(Type::DGRAM) => "udp",
        _ => "another kind",
    };
    let size = socket.recv_buffer_size().unwrap_or_default();
    let mut known = format!("{family} {kind}");
    let mut is_true = line.starts_with(&known);
    if line.contains("receive buffer") {
        known += &format!(", receive buffer {size} bytes");
        is_true &= line.ends_with(&format!("receive buffer {size} bytes"));
    }
    if !is_true {
        let got = format!("the kernel says of it: {known}");
        Failure::new(format!("a socket as this line says: {line}"), got).raise();
    }
}

fn descriptors(stdout: &str) -> impl Iterator<Item = String> {
    let after = stdout.split("descriptor ").skip(1);
    let digits = after.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
    digits.filter(|digits: &String| !digits.is_empty())
}

#[track_caller]
fn expect_refused(program: &Program, arguments: [&str; 2]) {
    let finished = program.run(&arguments).expect_stdout("");
    drop(finished.expect_status(2).expect_complaint("error: "));
}
