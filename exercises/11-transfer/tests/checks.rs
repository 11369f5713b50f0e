//! What is graded, in the order in which a learner should meet it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;

use harness::{Check, Client, Failure, Server, Suite, skip};

/// What other checks stand on.
const PASSIVE: &str = "PASV says where the server listens for data";
const RETRIEVE: &str = "RETR sends a file over a connection of its own";
const STORE: &str = "what one client stores, another one fetches";
const ASCII: &str = "TYPE A stores a carriage return and a newline as a newline";

/// Of 127.0.0.0/8, all of which is this machine, Linux has every address.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// A file has at most so many bytes.
const LARGEST: usize = 1 << 20;

fn main() -> ExitCode {
    Suite::new("transfer", env!("CARGO_BIN_EXE_transfer"))
        .replayed_by("just replay transfer {check} --seed {seed}")
        .page("docs/src/protocols.md", "FTP: two connections")
        .check(
            Check::new(PASSIVE, says_where)
                .points(2)
                .teaches("The reply is 227, the four numbers of the address and two of the port, which is the first times 256 plus the second (RFC 959, section 4.1.2). A client can only come when they are right. Nobody may come at another address of the machine."),
        )
        .check(
            the_address_that_was_reached()
                .points(1)
                .teaches("A machine has several addresses, and not all of them can be reached from everywhere. The one at which the client has reached the control connection is good for the data, too: local_addr() of that stream tells."),
        )
        .check(
            Check::new(RETRIEVE, retrieve)
                .points(3)
                .teaches("150 announces the transfer: a client may wait for it before it connects. Then the bytes of the file, as they are in TYPE I, and the end of the connection, which is the end of the file. Only when that is done, 226."),
        )
        .check(
            Check::new("an empty file is a connection without a byte", an_empty_file)
                .needs(RETRIEVE)
                .points(1)
                .teaches("The client has connected, and waits for the end of the file. That it comes before any byte changes nothing: 150, the end, 226."),
        )
        .check(
            Check::new("a file that is not there is refused with 550", a_missing_file)
                .needs(RETRIEVE)
                .points(1)
                .teaches("A reply is about the command before it, and a refusal comes instead of 150: no data connection is opened. Then the session goes on."),
        )
        .check(
            Check::new("each transfer needs a PASV of its own", one_passive_each)
                .needs(RETRIEVE)
                .points(2)
                .teaches("A data connection serves one transfer. Without a PASV before it there is none to open: 425. And a second PASV takes the place of the first: whoever came to the old port is not served."),
        )
        .check(
            Check::new(STORE, store)
                .needs(RETRIEVE)
                .points(3)
                .teaches("An upload is a stream: read until its end, which is the end of the file, and only then say 226. In TYPE I no byte is touched. The store is one for all clients."),
        )
        .check(
            Check::new("an upload that breaks off or grows too large leaves the old file", broken)
                .needs(STORE)
                .points(2)
                .teaches("A reset is not an end: half a file must not take the place of a whole one (426). Nor may a client fill the memory: stop at the first byte too many (552). Collect first, and put it into the store when it is whole."),
        )
        .check(
            Check::new("TYPE A sends each line end as a carriage return and a newline", ascii_out)
                .needs(STORE)
                .points(2)
                .teaches("On the wire the lines of a text end in the way of the network, \"\\r\\n\" (RFC 959, section 3.1.1.1), whatever the two systems do at home. A newline that has its carriage return already needs no other."),
        )
        .check(
            Check::new(ASCII, ascii_in)
                .needs(STORE)
                .points(1)
                .teaches("This server's own line end is the newline. What comes with \"\\r\\n\" is stored with \"\\n\". A carriage return elsewhere ends nothing: it is a byte of the line, and so is a newline that comes alone."),
        )
        .check(
            Check::new("carriage return and newline may come in different pieces", ascii_in_pieces)
                .needs(ASCII)
                .page("docs/src/steps/receive.md", "A piece is not a message")
                .points(1)
                .teaches("A piece may end between the two. Then a carriage return cannot be judged before the next byte is there, or the end of the file: it must neither be stored too early nor be lost."),
        )
        .check(
            Check::new("a data connection from elsewhere gets nothing", a_stranger)
                .needs(RETRIEVE)
                .points(1)
                .teaches("Ports can be guessed. Whoever comes from another address than the control connection's is not the client that asked: close its connection, and let the next one in."),
        )
        .run()
}

/// A client that has been greeted, and has chosen TYPE I.
#[track_caller]
fn session(server: &Server, name: &str) -> Client {
    let (client, _) = server.connect_as(name).expect_line_that_begins("220 ");
    ask(client, "TYPE I", "200 ")
}

/// Sends a command, and expects the reply by its number.
#[track_caller]
fn ask(client: Client, command: &str, reply: &str) -> Client {
    hears(client.send(format!("{command}\r\n")), reply)
}

#[track_caller]
fn hears(client: Client, reply: &str) -> Client {
    client.expect_line_that_begins(reply).0
}

/// Sends PASV, and finds the address in the reply as a client does: it looks for numbers (RFC 1123, section 4.1.2.6).
#[track_caller]
fn passive_as_told(client: Client) -> (Client, String, SocketAddr) {
    let (client, line) = client.send("PASV\r\n").expect_line_that_begins("227 ");
    let words = line[4..].split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u8> = words.filter_map(|word| word.parse().ok()).collect();
    let [a, b, c, d, high, low] = numbers[..] else {
        let expected = "six numbers from 0 to 255 after the 227, as in \"(127,0,0,1,156,64)\"";
        Failure::new(expected, format!("\"{line}\"")).raise();
    };
    let address = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
    (client, line, address)
}

/// Sends PASV. Returns the port.
#[track_caller]
fn passive(client: Client) -> (Client, u16) {
    let (client, _, address) = passive_as_told(client);
    (client, address.port())
}

/// Fails unless the reply to a PASV names this host.
#[track_caller]
fn expect_host(line: &str, address: SocketAddr, host: IpAddr) {
    if address.ip() != host {
        let host = host.to_string().replace('.', ",");
        let expected =
            format!("{host} as the first four numbers: the client has reached the server there");
        Failure::new(expected, format!("\"{line}\"")).raise();
    }
}

/// Sends PASV, and connects to where it says.
#[track_caller]
fn open(server: &Server, client: Client) -> (Client, Client) {
    let (client, port) = passive(client);
    (client, server.connect_to("data", port))
}

/// Fetches a file, and expects these bytes of it.
#[track_caller]
fn fetch(server: &Server, client: Client, name: &str, expected: &[u8]) -> Client {
    let (client, data) = open(server, client);
    let client = ask(client, &format!("RETR {name}"), "150 ");
    data.expect(expected).expect_end();
    hears(client, "226 ")
}

/// Stores a file that comes in one piece.
#[track_caller]
fn put(server: &Server, client: Client, name: &str, bytes: &[u8]) -> Client {
    let (client, data) = open(server, client);
    let client = ask(client, &format!("STOR {name}"), "150 ");
    data.send(bytes).finish_sending().expect_end();
    hears(client, "226 ")
}

/// A word that nobody can know beforehand.
fn word(random: &mut fastrand::Rng) -> String {
    std::iter::repeat_with(|| random.lowercase())
        .take(6)
        .collect()
}

fn says_where(server: &Server) {
    let (control, line, address) = passive_as_told(session(server, "control"));
    // After this the server has done with PASV.
    let control = ask(control, "NOOP", "200 ");
    expect_host(&line, address, server.address().ip());
    expect_listens(server, address);
    server.connect_to("data", address.port()).hang_up();
    control.hang_up();
}

/// Fails unless the server listens there as well, as far as the system tells.
#[track_caller]
fn expect_listens(server: &Server, address: SocketAddr) {
    let listeners = server.listeners().unwrap_or(vec![address]);
    if listeners.contains(&address) {
        return;
    }
    let note = if listeners.len() < 2 {
        "a listener that is dropped is closed: the session must keep it until a transfer asks for it"
    } else if listeners.iter().any(|other| other.port() == address.port()) {
        "0.0.0.0 stands for every address of this machine: whoever reaches any of them may come"
    } else {
        "the last two numbers are the port: the first of them times 256, plus the second"
    };
    let list: Vec<String> = listeners.iter().map(SocketAddr::to_string).collect();
    let (reached, list) = (server.address(), list.join(" and on "));
    let expected = format!("a server that listens on {reached} and on {address}, as it says");
    Failure::new(expected, format!("one that listens on {list}"))
        .note(note)
        .raise();
}

fn the_address_that_was_reached() -> Check {
    let title = "the data port is at the address that the client has reached";
    if TcpListener::bind((ELSEWHERE, 0)).is_err() {
        return Check::of_program(title, |_| skip("this system has no address 127.0.0.2"));
    }
    let check = Check::new(title, |server| {
        let (control, line, address) = passive_as_told(session(server, "control"));
        expect_host(&line, address, ELSEWHERE.into());
        server.connect_to("data", address.port()).hang_up();
        control.hang_up();
    });
    check.bind((ELSEWHERE, 0))
}

fn retrieve(server: &Server) {
    let (control, port) = passive(session(server, "control"));
    // Nobody has connected, so nothing can be through.
    let control = ask(control, "RETR lines.txt", "150 ").expect_silence();
    let data = server.connect_to("data", port);
    data.expect("one\ntwo\nthree\n").expect_end();
    let control = hears(control, "226 ");
    // This time the client is there first.
    let every_byte: Vec<u8> = (0..=255).collect();
    let control = fetch(server, control, "bytes.bin", &every_byte);
    ask(control, "QUIT", "221 ").expect_end();
}

fn an_empty_file(server: &Server) {
    let control = session(server, "control");
    fetch(server, control, "empty.txt", b"").hang_up();
}

fn a_missing_file(server: &Server) {
    let name = word(&mut server.random());
    let (control, _) = passive(session(server, "control"));
    let control = ask(control, &format!("RETR {name}"), "550 ");
    fetch(server, control, "lines.txt", b"one\ntwo\nthree\n").hang_up();
}

fn one_passive_each(server: &Server) {
    let control = ask(session(server, "control"), "RETR bytes.bin", "425 ");
    let control = fetch(server, control, "lines.txt", b"one\ntwo\nthree\n");
    let control = ask(control, "RETR lines.txt", "425 ");
    let (control, port) = passive(control);
    let early = server.connect_to("early", port);
    fetch(server, control, "lines.txt", b"one\ntwo\nthree\n").hang_up();
    early.hang_up();
}

fn store(server: &Server) {
    let random = &mut server.random();
    let (name, head, tail) = (word(random), word(random), word(random));
    let (head, tail) = (
        format!("{head}\r\n\n\r"),
        [tail.as_bytes(), b"\0\xff\r\n"].concat(),
    );
    let ann = ask(session(server, "ann"), &format!("STOR {name}"), "425 ");
    let (ann, data) = open(server, ann);
    let ann = ask(ann, &format!("STOR {name}"), "150 ");
    let data = data.send(&head).pause().send(&tail).pause();
    let ann = ann.expect_silence();
    data.finish_sending().expect_end();
    let ann = hears(ann, "226 ");
    let ben = session(server, "ben");
    let ben = fetch(server, ben, &name, &[head.as_bytes(), &tail].concat());
    put(server, ann, &name, &tail).hang_up();
    fetch(server, ben, &name, &tail).hang_up();
}

fn broken(server: &Server) {
    let name = word(&mut server.random());
    let command = format!("STOR {name}");
    let old = name.repeat(LARGEST.div_ceil(name.len()));
    let old = &old.as_bytes()[..LARGEST];
    let control = put(server, session(server, "control"), &name, old);
    let (control, data) = open(server, control);
    let control = ask(control, &command, "150 ");
    data.send("half of ").pause().reset();
    let control = fetch(server, hears(control, "426 "), &name, old);
    let mut control = control;
    for representation in ["TYPE A", "TYPE I"] {
        let (told, data) = open(server, ask(control, representation, "200 "));
        let told = ask(told, &command, "150 ");
        let data = data.send(vec![b'x'; LARGEST + 1]);
        control = hears(told, "552 ");
        data.hang_up();
    }
    fetch(server, control, &name, old).hang_up();
}

fn ascii_out(server: &Server) {
    let random = &mut server.random();
    let [a, b, c, d] = [(); 4].map(|()| word(random));
    let control = put(
        server,
        session(server, "control"),
        &a,
        format!("{b}\n\n{c}\r\n{d}\rend").as_bytes(),
    );
    let control = ask(control, "TYPE A", "200 ");
    let control = fetch(server, control, "lines.txt", b"one\r\ntwo\r\nthree\r\n");
    let wire = format!("{b}\r\n\r\n{c}\r\n{d}\rend");
    fetch(server, control, &a, wire.as_bytes()).hang_up();
}

fn ascii_in(server: &Server) {
    let random = &mut server.random();
    let [a, b, c, d] = [(); 4].map(|()| word(random));
    let control = ask(session(server, "control"), "TYPE A", "200 ");
    let wire = format!("{b}\r\n\r\n{c}\n{d}\rend\r\n");
    let control = put(server, control, &a, wire.as_bytes());
    let control = ask(control, "TYPE I", "200 ");
    let text = format!("{b}\n\n{c}\n{d}\rend\n");
    fetch(server, control, &a, text.as_bytes()).hang_up();
}

fn ascii_in_pieces(server: &Server) {
    let random = &mut server.random();
    let [a, b, c, d] = [(); 4].map(|()| word(random));
    let control = ask(session(server, "control"), "TYPE A", "200 ");
    let (control, mut data) = open(server, control);
    let control = ask(control, "STOR pieces.txt", "150 ");
    // After a carriage return at the end of a piece comes a newline, a letter, another one, and the end.
    for piece in [
        &format!("{a}\r"),
        &format!("\n{b}\r"),
        &format!("{c}\r"),
        "\r\n",
        &format!("{d}\r"),
    ] {
        data = data.send(piece).pause();
    }
    data.finish_sending().expect_end();
    let control = ask(hears(control, "226 "), "TYPE I", "200 ");
    let text = format!("{a}\n{b}\r{c}\r\n{d}\r");
    fetch(server, control, "pieces.txt", text.as_bytes()).hang_up();
}

/// The stranger is there first, and the client waits behind it.
fn a_stranger(server: &Server) {
    let (control, port) = passive(session(server, "control"));
    let stranger = server.connect_from("stranger", ELSEWHERE.into(), port);
    let data = server.connect_to("data", port);
    let control = ask(control, "RETR lines.txt", "150 ");
    stranger.expect_end();
    data.expect("one\ntwo\nthree\n").expect_end();
    hears(control, "226 ").hang_up();
}
