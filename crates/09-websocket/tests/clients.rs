//! Clients that others have written: tungstenite, of Rust, and Python's websockets. Where that is missing, its checks are
//! left out.

use std::fmt::Display;
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use harness::{Check, Failure, Server, Suite, skip};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::{CloseFrame, WebSocket};
use tungstenite::{Error, HandshakeError, Message};

/// An answer comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(20);
const LENGTHS: [usize; 7] = [0, 1, 125, 126, 65_535, 65_536, 1 << 20];

fn main() -> ExitCode {
    Suite::new("websocket", env!("CARGO_BIN_EXE_websocket"))
        .page("docs/src/steps/websocket.md", "Run it")
        .check(Check::new(
            "tungstenite: messages of all lengths come back",
            echo,
        ))
        .check(Check::new(
            "tungstenite: fragments, and a ping between them",
            fragments,
        ))
        .check(Check::new("tungstenite: a close is answered", close))
        .check(Check::new(
            "tungstenite: a message that is too long",
            too_long,
        ))
        .check(Check::new("tungstenite: a chat of three", chat))
        .check(Check::new("tungstenite: the clock", clock))
        .check(Check::new("tungstenite: a page from elsewhere", origin))
        .check(Check::new(
            "Python: messages of all lengths come back",
            |server| python(server, "echo"),
        ))
        .check(Check::new(
            "Python: a close is answered, and given",
            |server| python(server, "close"),
        ))
        .check(Check::new("Python: a chat of two", |server| {
            python(server, "chat")
        }))
        .check(Check::new("Python: the clock", |server| {
            python(server, "clock")
        }))
        .run()
}

type Socket = WebSocket<TcpStream>;

/// What went well, or the end of the check.
#[track_caller]
fn well<T>(result: Result<T, impl Display>) -> T {
    result
        .unwrap_or_else(|error| Failure::new("a client that gets along", error.to_string()).raise())
}

#[track_caller]
fn expect<T: PartialEq + std::fmt::Debug>(got: T, expected: T) {
    if got != expected {
        Failure::new(format!("{expected:?}"), format!("{got:?}")).raise();
    }
}

/// A handshake with this origin, if any.
fn try_connect(server: &Server, path: &str, origin: Option<&'static str>) -> Result<Socket, Error> {
    let stream = well(TcpStream::connect(server.address()));
    well(stream.set_read_timeout(Some(PATIENCE)));
    well(stream.set_write_timeout(Some(PATIENCE)));
    let url = format!("ws://{}{path}", server.address());
    let mut request = url.into_client_request()?;
    if let Some(origin) = origin {
        let fields = request.headers_mut();
        fields.insert("Origin", HeaderValue::from_static(origin));
    }
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => Err(Error::AttackAttempt), // it took too long
    }
}

#[track_caller]
fn connect(server: &Server, path: &str) -> Socket {
    well(try_connect(server, path, None))
}

/// The next message that is none of tungstenite's own affairs.
#[track_caller]
fn hear(socket: &mut Socket) -> Message {
    loop {
        match well(socket.read()) {
            Message::Ping(_) => {}
            message => return message,
        }
    }
}

/// Says goodbye, and hears of it until the connection has ended.
#[track_caller]
fn goodbye(mut socket: Socket) {
    well(socket.close(None));
    loop {
        match socket.read() {
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return,
            Err(error) => well(Err(error)),
        }
    }
}

fn echo(server: &Server) {
    let mut socket = connect(server, "/");
    for length in LENGTHS {
        for message in [
            Message::text("x".repeat(length)),
            Message::binary(vec![0xff; length]),
        ] {
            well(socket.send(message.clone()));
            let heard = hear(&mut socket);
            expect(heard == message, true);
        }
    }
    goodbye(socket);
}

fn fragments(server: &Server) {
    let mut socket = connect(server, "/");
    let part = |text: &'static str, kind, is_last| {
        Message::Frame(Frame::message(text, OpCode::Data(kind), is_last))
    };
    well(socket.send(part("in ", Data::Text, false)));
    well(socket.send(Message::Ping("still there?".into())));
    well(socket.send(part("two", Data::Continue, true)));
    expect(hear(&mut socket), Message::Pong("still there?".into()));
    expect(hear(&mut socket), Message::text("in two"));
    goodbye(socket);
}

fn close(server: &Server) {
    let mut socket = connect(server, "/");
    let code = CloseCode::Library(4321);
    let said = CloseFrame {
        code,
        reason: "enough".into(),
    };
    well(socket.close(Some(said)));
    let heard = CloseFrame {
        code,
        reason: "".into(),
    };
    expect(well(socket.read()), Message::Close(Some(heard)));
    goodbye(socket);
}

fn too_long(server: &Server) {
    let mut socket = connect(server, "/");
    well(socket.send(Message::binary(vec![0; (1 << 20) + 1])));
    match well(socket.read()) {
        Message::Close(Some(frame)) => expect(frame.code, CloseCode::Size),
        other => expect(other.len(), 0),
    }
}

fn chat(server: &Server) {
    let mut members = ["a", "b", "c"].map(|_| connect(server, "/chat"));
    for index in 0..members.len() {
        well(members[index].send(Message::text(format!("from {index}"))));
        for member in &mut members {
            expect(hear(member), Message::text(format!("from {index}")));
        }
    }
    members.into_iter().for_each(goodbye);
}

fn clock(server: &Server) {
    let mut socket = connect(server, "/clock");
    let (first, second) = (hear(&mut socket), hear(&mut socket));
    expect(first.is_text() && first != second, true);
    goodbye(socket);
}

fn origin(server: &Server) {
    match try_connect(server, "/chat", Some("https://elsewhere.example")) {
        Err(Error::Http(response)) => expect(response.status(), StatusCode::FORBIDDEN),
        Err(error) => well(Err(error)),
        Ok(_) => Failure::new("403 Forbidden", "a conversation").raise(),
    }
}

/// One of the checks in `clients/client.py`.
#[track_caller]
fn python(server: &Server, check: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/client.py");
    let address = server.address().to_string();
    let client = server.run_client(&interpreter(server), &[script, check, &address]);
    let _ = client.expect_status(0);
}

/// A Python that has the module: Debian's belongs to its own, and another may come first in the path.
fn interpreter(server: &Server) -> String {
    let ask = "import importlib.util as u; print(u.find_spec('websockets') is not None)";
    let known = ["python3", "/usr/bin/python3"].into_iter();
    let mut known =
        known.filter(|python| !python.starts_with('/') || std::path::Path::new(python).is_file());
    let found =
        known.find(|python| server.run_client(python, &["-c", ask]).stdout().trim() == "True");
    match found {
        Some(python) => python.to_owned(),
        None => skip(
            "there is no Python module websockets on this machine (Debian: python3-websockets)",
        ),
    }
}
