//! The second connection: agreed on over the first, opened by either side, for one transfer.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use socket2::{Domain, Socket, Type};

use crate::reply::Reply;

/// Whose port the next data connection goes to.
pub enum DataPort {
    /// Ours, after PASV and EPSV: the client connects.
    Passive(TcpListener),
    /// The client's, after PORT and EPRT: we connect.
    Active(SocketAddr),
}

impl DataPort {
    /// A free port of the address at which the client has reached us. (Behind a router that translates addresses it is
    /// not the one that the client knows. Servers there are told that one.)
    pub fn listen(control: &TcpStream) -> io::Result<(Self, u16)> {
        let listener = TcpListener::bind((own_ip(control)?, 0))?;
        let port = listener.local_addr()?.port();
        Ok((Self::Passive(listener), port))
    }

    /// A port of the client's, and of nobody else: else whoever asks could have us connect to a third machine and send
    /// it what he likes. That is the bounce attack (RFC 2577, section 3).
    pub fn of_client(address: SocketAddr, control: &TcpStream) -> Result<Self, Reply> {
        let client = client_ip(control)?;
        if address.is_ipv4() != client.is_ipv4() {
            return Err(other_family(client));
        }
        if address.ip() != client || address.port() < 1024 {
            return Err(Reply::new(
                504,
                "only your own address, and a port from 1024 on",
            ));
        }
        Ok(Self::Active(address))
    }

    /// Opens the connection within this time.
    pub fn open(self, control: &TcpStream, patience: Duration) -> io::Result<TcpStream> {
        match self {
            Self::Passive(listener) => accept(&listener, control, Instant::now() + patience),
            Self::Active(address) => {
                // From the address that the client knows, for it may look.
                let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
                socket.bind(&SocketAddr::new(own_ip(control)?, 0).into())?;
                socket.connect_timeout(&address.into(), patience)?;
                println!("data connection with {address}");
                Ok(socket.into())
            }
        }
    }
}

/// Waits for the client, who may never come: `accept` would wait for ever. `poll` waits no longer than it is told, and
/// for several sockets at once (poll(2)).
fn accept(listener: &TcpListener, control: &TcpStream, until: Instant) -> io::Result<TcpStream> {
    let client = client_ip(control)?;
    listener.set_nonblocking(true)?; // who was there for `poll` may be gone for `accept`
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let timeout = Timespec::try_from(left).ok();
        let mut sockets = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(control, PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut sockets, timeout.as_ref()))?;
        match listener.accept() {
            Ok((stream, peer)) if peer.ip().to_canonical() == client => {
                stream.set_nonblocking(false)?; // some systems hand it on
                println!("data connection with {peer}");
                return Ok(stream);
            }
            // Somebody has found the port: he would get the file, or send us one of his.
            Ok((_, peer)) => println!("refused a data connection with {peer}"),
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            // ABOR, say, or the end.
            Err(_) if !sockets[1].revents().is_empty() => {
                return Err(io::Error::other(
                    "something else came than the data connection",
                ));
            }
            Err(_) => {}
        }
    }
}

/// What is said of an address that is not of the control connection's family (RFC 2428, section 2).
pub fn other_family(ours: IpAddr) -> Reply {
    let family = if ours.is_ipv4() { 1 } else { 2 };
    Reply::new(522, format!("use the other network protocol ({family})"))
}

/// A socket of both families has IPv4 addresses as `::ffff:127.0.0.1`.
pub fn own_ip(control: &TcpStream) -> io::Result<IpAddr> {
    Ok(control.local_addr()?.ip().to_canonical())
}

fn client_ip(control: &TcpStream) -> io::Result<IpAddr> {
    Ok(control.peer_addr()?.ip().to_canonical())
}
