//! Deliberately bad servers, and a few good ones: this test program, started again as `--bind ADDRESS --be NAME`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio, exit};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// The same for all servers of a test program.
fn port_of_this_run() -> u32 {
    #[cfg(unix)]
    let run = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let run = 0; // whose text is not compared there
    20_000 + run % 10_000
}

/// What an honest server answers to `hello\n`.
const ANSWER: &[u8] = b"received: hello\n";

type BadServer = fn(bind: &str) -> io::Result<()>;

const SERVERS: &[(&str, BadServer)] = &[
    ("honest", |bind| serve(&listen(bind)?, ANSWER)),
    ("silent_start", |bind| {
        serve(&TcpListener::bind(bind)?, ANSWER)
    }),
    ("echo", |bind| {
        let listener = listen(bind)?;
        loop {
            echo(listener.accept()?.0);
        }
    }),
    ("echo_to_many", |bind| {
        let listener = listen(bind)?;
        loop {
            let (client, _) = listener.accept()?;
            thread::spawn(move || echo(client));
        }
    }),
    ("relays_in_capitals", |bind| {
        let listener = listen(bind)?;
        let (mut talker, mut other) = (listener.accept()?.0, listener.accept()?.0);
        let mut buffer = [0; 64];
        loop {
            let count = talker.read(&mut buffer)?;
            other.write_all(&buffer[..count].to_ascii_uppercase())?;
        }
    }),
    ("udp_echo", |bind| {
        answer_datagrams(bind, |socket, datagram, peer| {
            socket.send_to(datagram, peer).map(drop)
        })
    }),
    ("udp_silent", |bind| {
        answer_datagrams(bind, |_, _, _| Ok(()))
    }),
    ("udp_never_receives", |bind| {
        wait_for_ever(listen_for_datagrams(bind)?)
    }),
    ("udp_answers_in_two_datagrams", |bind| {
        answer_datagrams(bind, |socket, datagram, peer| {
            socket.send_to(b"received: ", peer)?;
            socket.send_to(datagram, peer).map(drop)
        })
    }),
    ("udp_answers_from_another_socket", |bind| {
        answer_datagrams(bind, |_, _, peer| {
            UdpSocket::bind("127.0.0.1:0")?
                .send_to(ANSWER, peer)
                .map(drop)
        })
    }),
    ("udp_crashes_on_a_peer", |bind| {
        answer_datagrams(bind, |_, _, _| panic!("no rule for this peer"))
    }),
    ("udp_connects_to_its_first_peer", |bind| {
        answer_datagrams(bind, |socket, _, peer| {
            socket.connect(peer)?;
            socket.send(ANSWER).map(drop)
        })
    }),
    ("has_a_second_port", |bind| {
        let (mut control, second) = listen_a_second_time(bind)?;
        writeln!(control, "227 {}", second.local_addr()?.port())?;
        loop {
            let (mut data, peer) = second.accept()?;
            write!(data, "{}", peer.ip())?;
            drop(data);
            writeln!(control, "226 done")?;
        }
    }),
    ("closes_its_second_port", |bind| {
        let (mut control, second) = listen_a_second_time(bind)?;
        let port = second.local_addr()?.port();
        drop(second);
        writeln!(control, "227 {port}")?;
        wait_for_ever(control)
    }),
    ("calls_its_client", |bind| {
        let (mut control, _) = listen(bind)?.accept()?;
        let mut port = String::new();
        BufReader::new(&control).read_line(&mut port)?;
        let port = port.trim_end().parse().unwrap_or_default();
        let mut data = TcpStream::connect((control.local_addr()?.ip(), port))?;
        write!(data, "hello")?;
        drop(data);
        writeln!(control, "226 done")?;
        wait_for_ever(control)
    }),
    ("never_calls_its_client", |bind| {
        wait_for_ever(listen(bind)?.accept()?)
    }),
    ("never_ready", |bind| {
        wait_for_ever(TcpListener::bind(bind)?)
    }),
    ("exits", |_| {
        eprintln!("starting\nconfiguration not found: server.toml");
        exit(3)
    }),
    ("killed_by_a_signal", |_| {
        eprintln!("about to run out of luck");
        Command::new("kill")
            .args(["-KILL", &std::process::id().to_string()])
            .status()?;
        wait_for_ever(())
    }),
    // Beside each other, test programs have different ports for it.
    ("always_has_the_same_port", |_| {
        let listener = TcpListener::bind(format!("127.0.0.1:{}", port_of_this_run()))?;
        println!("listening on {}", listener.local_addr()?);
        serve(&listener, ANSWER)
    }),
    ("ready_line_with_a_capital", |bind| {
        let listener = TcpListener::bind(bind)?;
        println!("Listening on {}", listener.local_addr()?);
        wait_for_ever(listener)
    }),
    ("nonsense_address", |_| {
        println!("listening on port 9000");
        wait_for_ever(())
    }),
    ("ready_line_in_two_writes", |bind| {
        serve(
            &listen_and_say_so_in_two_writes(bind, "\n")?,
            b"received: hallo\n",
        )
    }),
    ("ready_line_without_newline", |bind| {
        wait_for_ever(listen_and_say_so_in_two_writes(bind, "")?)
    }),
    ("one_byte_missing", |bind| {
        serve(&listen(bind)?, b"received: hello")
    }),
    ("trailing_garbage", |bind| {
        serve(&listen(bind)?, b"received: hello\n\0\0\0")
    }),
    ("wrong_byte_in_the_middle", |bind| {
        serve(&listen(bind)?, b"received: hallo\n")
    }),
    ("closes_early", |bind| serve(&listen(bind)?, b"")),
    ("answers_before_reading", answer_before_reading),
    ("resets", |bind| {
        let (client, _) = listen(bind)?.accept()?;
        client.peek(&mut [0; 1])?; // the bytes have come, and stay unread
        drop(client);
        wait_for_ever(())
    }),
    ("silent", |bind| {
        let (mut client, _) = listen(bind)?.accept()?;
        client.read_exact(&mut [0; 6])?;
        wait_for_ever(client)
    }),
    ("crashes_on_a_client", |bind| {
        let (mut client, _) = listen(bind)?.accept()?;
        client.read_exact(&mut [0; 6])?;
        panic!("no rule for this client")
    }),
    ("listens_elsewhere", |bind| {
        let elsewhere = TcpListener::bind(bind)?;
        // Bound but not listening: the port stays its own, and nobody gets in.
        let said = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        said.bind(&bind.parse::<SocketAddr>().map_err(io::Error::other)?.into())?;
        let address = said
            .local_addr()?
            .as_socket()
            .map(|address| address.to_string());
        println!("listening on {}", address.unwrap_or_default());
        wait_for_ever((said, elsewhere))
    }),
    ("binds_every_address", |bind| {
        serve(&listen(&bind.replace("127.0.0.1", "0.0.0.0"))?, ANSWER)
    }),
    ("leaves_a_grandchild", |bind| {
        leave(Command::new(std::env::current_exe()?), bind)
    }),
    ("keeps_a_daemon", |bind| {
        let mut daemon = Command::new("setsid");
        daemon.args(["sleep", "60"]);
        keep(daemon, bind)
    }),
    ("leaves_its_group", leave_the_group),
    ("answers_each_read", |bind| {
        let listener = listen(bind)?;
        loop {
            let (mut client, _) = listener.accept()?;
            let mut buffer = [0; 100];
            while let count @ 1.. = client.read(&mut buffer)? {
                write!(client, "{count};")?;
            }
        }
    }),
    ("spins", |bind| {
        let listener = listen(bind)?;
        listener.set_nonblocking(true)?;
        loop {
            if let Ok((mut client, _)) = listener.accept() {
                client.set_nonblocking(false)?;
                serve_one(&mut client, ANSWER)?;
            }
        }
    }),
    ("keeps_connections", |bind| {
        let listener = listen(bind)?;
        let mut kept = Vec::new();
        loop {
            let (mut client, _) = listener.accept()?;
            serve_one(&mut client, ANSWER)?;
            client.shutdown(Shutdown::Both)?;
            kept.push(client);
        }
    }),
    ("keeps_threads", |bind| {
        let listener = listen(bind)?;
        loop {
            serve_one(&mut listener.accept()?.0, ANSWER)?;
            thread::spawn(|| wait_for_ever(()));
        }
    }),
    // Half of what is expected, in pieces that come as they may.
    ("breaks_off", |bind| serve(&listen(bind)?, &[b'x'; 1 << 19])),
    ("resets_every_client", |bind| {
        let listener = listen(bind)?;
        loop {
            let (client, _) = listener.accept()?;
            SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
        }
    }),
    ("listens_nowhere", |_| {
        println!("listening on 127.0.0.1:1");
        wait_for_ever(())
    }),
    ("ends_by_itself", |bind| {
        serve_one(&mut listen(bind)?.accept()?.0, ANSWER)?;
        eprintln!("enough for today");
        exit(7)
    }),
    ("dies_after_the_answer", |bind| {
        serve_one(&mut listen(bind)?.accept()?.0, ANSWER)?;
        std::process::abort()
    }),
    ("grandchild", be_the_grandchild),
    ("ignores_sigterm", ignore_sigterm),
    ("fails_on_an_interruption", |bind| {
        // In the background of a shell a program ignores SIGINT, until it asks for it.
        let always = std::sync::Arc::new(true.into());
        signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, 3, always)?;
        serve(&listen(bind)?, ANSWER)
    }),
    ("ends_within_a_line", |bind| {
        serve(&listen(bind)?, b"received: hel")
    }),
    ("floods_stdout", |bind| {
        let listener = listen(bind)?;
        let mut stdout = io::stdout().lock();
        (0..100_000).try_for_each(|number| writeln!(stdout, "line {number} of far too many"))?;
        serve(&listener, b"received: hallo\n")
    }),
    ("prints_invalid_utf8", |bind| {
        let listener = listen(bind)?;
        io::stdout().write_all(b"caf\xe9 \x1b[31m\n")?;
        serve(&listener, b"\xe9\x1b[31m\n")
    }),
];

/// Becomes the server called `name`.
pub fn be(name: &str, bind: &str) -> io::Result<()> {
    match SERVERS.iter().find(|(known, _)| *known == name) {
        Some((_, server)) => server(bind),
        None => Err(io::Error::other(format!("no such server: {name}"))),
    }
}

fn echo(mut client: TcpStream) {
    let copied = client
        .try_clone()
        .and_then(|mut back| io::copy(&mut client, &mut back));
    copied
        .map(drop)
        .unwrap_or_else(|error| eprintln!("{error}"));
}

fn listen(bind: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(bind)?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// The first client, and where a second connection of it is to come in, as with FTP.
fn listen_a_second_time(bind: &str) -> io::Result<(TcpStream, TcpListener)> {
    let (control, _) = listen(bind)?.accept()?;
    let second = TcpListener::bind((control.local_addr()?.ip(), 0))?;
    Ok((control, second))
}

fn listen_and_say_so_in_two_writes(bind: &str, end: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(bind)?;
    for part in [
        "listening on ".to_owned(),
        format!("{}{end}", listener.local_addr()?),
    ] {
        let mut stdout = io::stdout().lock();
        stdout.write_all(part.as_bytes())?;
        stdout.flush()?;
    }
    Ok(listener)
}

fn listen_for_datagrams(bind: &str) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(bind)?;
    println!("listening on {}", socket.local_addr()?);
    Ok(socket)
}

fn answer_datagrams(
    bind: &str,
    answer: fn(&UdpSocket, &[u8], SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    let socket = listen_for_datagrams(bind)?;
    let mut buffer = [0; 1 << 16];
    loop {
        let (count, peer) = socket.recv_from(&mut buffer)?;
        answer(&socket, &buffer[..count], peer)?;
    }
}

/// Reads `hello\n` from each client, answers, and closes.
fn serve(listener: &TcpListener, answer: &[u8]) -> io::Result<()> {
    loop {
        let (mut client, _) = listener.accept()?;
        serve_one(&mut client, answer).unwrap_or_else(|error| eprintln!("{error}"));
    }
}

fn serve_one(client: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    client.read_exact(&mut [0; 6])?;
    client.write_all(answer)
}

fn wait_for_ever<T>(_held: T) -> io::Result<()> {
    loop {
        thread::park();
    }
}

fn answer_before_reading(bind: &str) -> io::Result<()> {
    let listener = listen(bind)?;
    let (mut client, _) = listener.accept()?;
    client.peek(&mut [0; 1])?; // the bytes have come, and stay unread
    client.write_all(ANSWER)?;
    drop(client);
    println!("answered");
    wait_for_ever(listener)
}

fn leave(mut command: Command, bind: &str) -> io::Result<()> {
    command.args([
        "--bind",
        bind,
        "--be",
        "grandchild",
        &std::process::id().to_string(),
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let Some(mut said) = child.stdout.take() else {
        return Ok(());
    };
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && said.read(&mut byte)? == 1 {
        line.push(byte[0]);
    }
    io::stdout().write_all(&line)?;
    exit(0)
}

/// Where to call, so that whoever asked can see when the last holder of the connection is gone.
pub const CALL: &str = "CALL";

/// Serves as it should, and has a child that holds a connection to whoever asked for one.
fn keep(mut child: Command, bind: &str) -> io::Result<()> {
    let connection = TcpStream::connect(std::env::var(CALL).map_err(io::Error::other)?)?;
    #[cfg(unix)]
    child.stdin(std::os::fd::OwnedFd::from(connection));
    #[cfg(not(unix))]
    drop(connection);
    child.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    drop(child); // and with it our end of the connection
    serve(&listen(bind)?, ANSWER)
}

#[cfg(unix)]
fn leave_the_group(bind: &str) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let mut other = Command::new("sleep").arg("60").process_group(0).spawn()?;
    rustix::process::setpgid(None, rustix::process::Pid::from_child(&other).into())?;
    let ended = serve(&listen(bind)?, ANSWER);
    other.wait()?;
    ended
}

#[cfg(not(unix))]
fn leave_the_group(bind: &str) -> io::Result<()> {
    serve(&listen(bind)?, ANSWER)
}

/// Serves when its parent is gone: when it has a new one.
fn be_the_grandchild(bind: &str) -> io::Result<()> {
    let listener = listen(bind)?;
    #[cfg(unix)]
    while std::env::args().next_back() == Some(std::os::unix::process::parent_id().to_string()) {
        thread::yield_now();
    }
    serve(&listener, ANSWER)
}

#[cfg(unix)]
fn ignore_sigterm(bind: &str) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    // An ignored signal stays ignored in the program that replaces the shell.
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "trap '' TERM; exec \"$@\"", "sh"])
        .arg(std::env::current_exe()?);
    Err(shell.args(["--bind", bind, "--be", "honest"]).exec())
}

#[cfg(not(unix))]
fn ignore_sigterm(_: &str) -> io::Result<()> {
    Err(io::Error::other("this system has no SIGTERM"))
}
