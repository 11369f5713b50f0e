//! What the kernel knows of a program and its sockets, and no program can deny.
//!
//! Linux tells: `/proc/PID/fd` names the sockets that a process holds, by inode (proc(5)), and
//! sock_diag(7) says of each what it is. Other systems are not asked: nothing is known of them.

use std::net::SocketAddr;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;

/// What a server's kernel has of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// All bytes that have arrived so far.
    pub all: u64,
    /// Those of them that the server has not read.
    pub unread: u32,
    /// Whether the server has let the client in: until then the connection is nobody's.
    pub accepted: bool,
}

/// What a kernel has for the one who receives datagrams at an address.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only Linux tells")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inbox {
    /// So many bytes that were not received yet, its own headers included.
    Unread(u32),
    /// Nothing but what this one sends: the socket is connected.
    OnlyFrom(SocketAddr),
    /// No socket at all.
    Closed,
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Arrived, Inbox};
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    pub fn listeners(_group: u32) -> Option<Vec<SocketAddr>> {
        None
    }

    pub fn arrived(_client: SocketAddr, _server: SocketAddr) -> Option<Arrived> {
        None
    }

    pub fn is_over(_client: SocketAddr, _server: SocketAddr) -> Option<bool> {
        None
    }

    pub fn unsent(_client: SocketAddr, _server: SocketAddr) -> Option<u32> {
        None
    }

    pub fn inbox(_server: SocketAddr) -> Option<Inbox> {
        None
    }

    pub fn asleep(_process: u32) -> Option<bool> {
        None
    }

    pub fn all_asleep(_group: u32) -> Option<bool> {
        None
    }

    pub fn switches(_group: u32) -> Option<u64> {
        None
    }

    pub fn worked(_group: u32) -> Option<Duration> {
        None
    }

    pub fn peak_memory(_group: u32) -> Option<u64> {
        None
    }

    pub fn own_memory(_group: u32) -> Option<u64> {
        None
    }

    #[cfg(unix)]
    pub fn stopped(_process: u32) -> Option<bool> {
        None
    }

    pub fn descriptors(_process: u32) -> Option<usize> {
        None
    }

    pub fn threads(_group: u32) -> Option<usize> {
        None
    }

    pub fn open_socket(_group: u32, _descriptor: i32) -> io::Result<Option<socket2::Socket>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::*;

#[cfg(target_os = "linux")]
mod linux {
    use super::{Arrived, Inbox};
    use std::collections::{BTreeSet, HashSet};
    use std::fs;
    use std::io::{self, Read, Write};
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::path::PathBuf;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::process::Pid;

    /// The addresses on which any process of the group listens, in order: those of TCP, or if there are
    /// none, those where it receives datagrams. `None` if the kernel does not say.
    pub fn listeners(group: u32) -> Option<Vec<SocketAddr>> {
        // Nearly always the leader holds the socket, and looking at every process takes a while.
        let leader = bound(&sockets(group).unwrap_or_default())?;
        if !leader.is_empty() {
            return Some(leader);
        }
        // Some may end meanwhile; if none can be looked into, they are somebody else's.
        let members: Vec<HashSet<u32>> = members(group).filter_map(sockets).collect();
        (!members.is_empty()).then(|| bound(&members.into_iter().flatten().collect()))?
    }

    /// Where these sockets listen.
    fn bound(inodes: &HashSet<u32>) -> Option<Vec<SocketAddr>> {
        for (protocol, state) in [(TCP, LISTEN), (UDP, UNCONNECTED)] {
            let mut found = BTreeSet::new();
            for family in [INET, INET6] {
                let sockets = ask(family, protocol, &Query::State(state))?;
                let held = sockets
                    .into_iter()
                    .filter(|socket| inodes.contains(&socket.inode));
                found.extend(held.map(|socket| socket.local));
            }
            if !found.is_empty() {
                return Some(found.into_iter().collect());
            }
        }
        Some(Vec::new())
    }

    /// What has arrived of all that `client` sent. What it has in its own queue says nothing of that:
    /// bytes stay there until they are acknowledged, which takes up to 40 ms (RFC 9293, section 3.8.6.3).
    pub fn arrived(client: SocketAddr, server: SocketAddr) -> Option<Arrived> {
        let end = end(server, client)?;
        Some(Arrived {
            all: end.received_ever.unwrap_or(0), // it is not let in yet
            unread: end.received,
            accepted: end.inode != 0,
        })
    }

    /// How many bytes the server's kernel still has for `client`: it has not sent them, or does not know that they have
    /// arrived. `None` if there is no such connection any more.
    pub fn unsent(client: SocketAddr, server: SocketAddr) -> Option<u32> {
        end(server, client).map(|end| end.unsent)
    }

    /// One end of a connection, if it is one.
    fn end(local: SocketAddr, remote: SocketAddr) -> Option<Socket> {
        let family = if local.is_ipv4() { INET } else { INET6 };
        let sockets = ask(family, TCP, &Query::Connection { local, remote })?;
        let same = |socket: &Socket| {
            (socket.local, socket.remote) == (local, remote) && socket.state != TIME_WAIT
        };
        sockets.into_iter().find(same)
    }

    /// Whether the server's kernel knows that `client` has reset the connection.
    pub fn is_over(client: SocketAddr, server: SocketAddr) -> Option<bool> {
        // `None` of `end` may also say that the kernel does not answer: then ours would not be found either.
        Some(end(server, client).is_none())
    }

    /// What waits for whoever receives datagrams at this address.
    pub fn inbox(server: SocketAddr) -> Option<Inbox> {
        let family = if server.is_ipv4() { INET } else { INET6 };
        let at = |state| {
            let sockets = ask(family, UDP, &Query::State(state))?;
            Some(sockets.into_iter().find(|socket| socket.local == server))
        };
        if let Some(socket) = at(UNCONNECTED)? {
            return Some(Inbox::Unread(socket.received));
        }
        let connected = at(CONNECTED)?;
        Some(connected.map_or(Inbox::Closed, |socket| Inbox::OnlyFrom(socket.remote)))
    }

    /// Whether every thread of a process waits for something to happen, or has ended.
    pub fn asleep(process: u32) -> Option<bool> {
        every_thread_is(&["S", "Z"], process)
    }

    /// Whether every process of a group waits for something to happen.
    pub fn all_asleep(group: u32) -> Option<bool> {
        asleep(group)?;
        Some(members(group).filter_map(asleep).all(|asleep| asleep))
    }

    /// How often the processes of a group have been given a processor, or given it back.
    pub fn switches(group: u32) -> Option<u64> {
        let of = |process: u32| {
            let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
            let status =
                |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).ok();
            let count = |line: &str| line.split_once("_switches:")?.1.trim().parse::<u64>().ok();
            let statuses: Vec<String> = threads.flatten().filter_map(status).collect();
            Some(
                statuses
                    .iter()
                    .flat_map(|status| status.lines())
                    .filter_map(count)
                    .sum::<u64>(),
            )
        };
        of(group)?;
        Some(members(group).filter_map(of).sum())
    }

    /// How long the processes of a group have had a processor so far: their own time and the kernel's, for all
    /// their threads, and for children that have ended.
    pub fn worked(group: u32) -> Option<Duration> {
        let of = |process: u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let fields = fields(&stat)?;
            // utime, stime, cutime and cstime (proc_pid_stat(5)).
            let ticks = fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>());
            ticks.sum::<Result<u64, _>>().ok()
        };
        of(group)?;
        let worked = members(group).filter_map(of).sum::<u64>() * 1000;
        Some(Duration::from_millis(
            worked / rustix::param::clock_ticks_per_second(),
        ))
    }

    /// The most memory, in bytes, that each process of a group has had at a time, added up: what they share is
    /// counted for each. One that has ended is forgotten.
    pub fn peak_memory(group: u32) -> Option<u64> {
        // The high-water mark of what is resident (proc_pid_status(5)).
        memory(group, "status", "VmHWM:")
    }

    /// How much memory, in bytes, the processes of a group have written to that is no file's. This counts page by page;
    /// `status` has a sum that lags behind by as much as 128 KiB for each processor.
    pub fn own_memory(group: u32) -> Option<u64> {
        memory(group, "smaps_rollup", "Anonymous:")
    }

    fn memory(group: u32, file: &str, name: &str) -> Option<u64> {
        let of = |process: u32| {
            let text = fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kib * 1024)
        };
        let all: Vec<u64> = members(group).filter_map(of).collect();
        (!all.is_empty()).then(|| all.iter().sum())
    }

    /// Whether every thread of a process has been stopped by a signal.
    pub fn stopped(process: u32) -> Option<bool> {
        every_thread_is(&["T"], process)
    }

    fn every_thread_is(states: &[&str], process: u32) -> Option<bool> {
        let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
        let stat = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("stat")).ok();
        let is = |stat: String| fields(&stat).is_some_and(|fields| states.contains(&fields[0]));
        Some(threads.flatten().filter_map(stat).all(is))
    }

    /// How many descriptors a process has open.
    pub fn descriptors(process: u32) -> Option<usize> {
        Some(fs::read_dir(format!("/proc/{process}/fd")).ok()?.count())
    }

    /// How many threads the processes of a group have.
    pub fn threads(group: u32) -> Option<usize> {
        let of = |process| Some(fs::read_dir(format!("/proc/{process}/task")).ok()?.count());
        of(group)?;
        Some(members(group).filter_map(of).sum())
    }

    /// A copy of the socket that a process of the group calls by this number (pidfd_getfd(2)): it can be
    /// asked what it is. `None` if it is no socket, or closed. The error says why nobody may look.
    pub fn open_socket(group: u32, descriptor: i32) -> io::Result<Option<socket2::Socket>> {
        // Nearly always the leader holds it, as above.
        let held = copy(group, descriptor).or_else(|error| {
            let mut others = members(group).filter_map(|process| copy(process, descriptor).ok());
            others.next().ok_or(error)
        });
        match held {
            Ok(socket) => Ok(socket.r#type().is_ok().then_some(socket)),
            // Where it may not be copied, it may still be seen what it is.
            Err(error) => {
                let link = |process| fs::read_link(format!("/proc/{process}/fd/{descriptor}")).ok();
                let mut links = members(group).filter_map(link);
                match links.any(|link| link.to_string_lossy().starts_with("socket:")) {
                    true => Err(error),
                    false => Ok(None),
                }
            }
        }
    }

    fn copy(process: u32, descriptor: i32) -> io::Result<socket2::Socket> {
        use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        let process = process.ok_or(io::ErrorKind::InvalidInput)?;
        let process = pidfd_open(process, PidfdFlags::empty())?;
        Ok(pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty())?.into())
    }

    /// The process group of a process.
    pub fn group_of(process: u32) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        fields(&stat)?.get(2)?.parse().ok()
    }

    /// The fields of `/proc/PID/stat` from the third on: state, parent, group. The second, the name,
    /// is in brackets and may hold anything.
    fn fields(stat: &str) -> Option<Vec<&str>> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        (!fields.is_empty()).then_some(fields)
    }

    fn members(group: u32) -> impl Iterator<Item = u32> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(move |process| group_of(*process) == Some(group))
    }

    /// The inodes of the sockets that a process holds.
    fn sockets(process: u32) -> Option<HashSet<u32>> {
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
        let inode = |target: PathBuf| {
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            inode.strip_suffix(']')?.parse().ok()
        };
        let target = |descriptor: fs::DirEntry| fs::read_link(descriptor.path()).ok();
        Some(descriptors.filter_map(target).filter_map(inode).collect())
    }

    // socket(2), netlink(7), sock_diag(7), and the kernel's uapi/linux/inet_diag.h.
    const NETLINK: i32 = 16;
    const SOCK_DIAG: i32 = 4;
    const BY_FAMILY: u16 = 20;
    const REQUEST: u16 = 0x001;
    const DUMP: u16 = 0x300;
    const INET: u8 = 2;
    const INET6: u8 = 10;
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    /// A TCP socket that listens; a UDP socket that takes datagrams from anybody.
    const LISTEN: u8 = 10;
    const UNCONNECTED: u8 = 7;
    /// A UDP socket that takes them from one address only.
    const CONNECTED: u8 = 1;
    /// What is left of a connection when it is over.
    const TIME_WAIT: u8 = 6;
    /// The attribute that is a struct tcp_info, and the bit that asks for it.
    const INFO: u16 = 2;
    const WITH_INFO: u8 = 1 << (INFO - 1);

    enum Query {
        State(u8),
        Connection {
            local: SocketAddr,
            remote: SocketAddr,
        },
    }

    /// One socket of this machine.
    struct Socket {
        state: u8,
        local: SocketAddr,
        remote: SocketAddr,
        /// Bytes that the program has not read.
        received: u32,
        /// Bytes that the other side has not acknowledged.
        unsent: u32,
        /// Bytes of a connection, those that were read included.
        received_ever: Option<u64>,
        inode: u32,
    }

    /// Asks for some sockets. `None` if the kernel does not answer.
    fn ask(family: u8, protocol: u8, query: &Query) -> Option<Vec<Socket>> {
        let kind = socket2::Type::RAW;
        let kernel = socket2::Socket::new(NETLINK.into(), kind, Some(SOCK_DIAG.into())).ok()?;
        kernel.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        (&kernel)
            .write_all(&request(family, protocol, query))
            .ok()?;
        let mut found = Vec::new();
        let mut buffer = vec![0; 1 << 15];
        loop {
            let count = (&kernel).read(&mut buffer).ok()?;
            let mut rest = &buffer[..count];
            while let Some(length) = number(rest, 0) {
                let (message, after) = rest.split_at_checked(length as usize)?;
                if message.get(4..6)? != BY_FAMILY.to_ne_bytes() {
                    // The end of the list; there is no such connection; or the kernel does not know how to tell.
                    let error = number(message, 16)?.cast_signed();
                    let none = matches!(query, Query::Connection { .. })
                        && error == -Errno::NOENT.raw_os_error();
                    return (error == 0 || none).then_some(found);
                }
                found.push(socket(message)?);
                rest = after;
            }
            if matches!(query, Query::Connection { .. }) {
                return Some(found);
            }
        }
    }

    /// A header (struct nlmsghdr), then what is asked for (struct inet_diag_req_v2).
    fn request(family: u8, protocol: u8, query: &Query) -> Vec<u8> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let (flags, states, local, remote) = match query {
            Query::State(state) => (REQUEST | DUMP, 1_u32 << state, any, any),
            Query::Connection { local, remote } => (REQUEST, u32::MAX, *local, *remote),
        };
        let (local_ip, remote_ip) = (octets(local), octets(remote));
        let id = [
            &local.port().to_be_bytes()[..],
            &remote.port().to_be_bytes(),
            &local_ip,
            &remote_ip,
        ];
        let (interface, cookie) = ([0; 4], [0xff; 8]);
        let id = [&id.concat()[..], &interface, &cookie].concat();
        let body = [
            &[family, protocol, WITH_INFO, 0][..],
            &states.to_ne_bytes(),
            &id,
        ]
        .concat();
        let length = 16 + u32::try_from(body.len()).unwrap_or_default();
        let header = [
            &length.to_ne_bytes()[..],
            &BY_FAMILY.to_ne_bytes(),
            &flags.to_ne_bytes(),
            &[0; 8],
        ];
        [&header.concat()[..], &body].concat()
    }

    /// An IPv4 address takes the first of the four words.
    fn octets(address: SocketAddr) -> [u8; 16] {
        let mut octets = [0; 16];
        match address.ip() {
            IpAddr::V4(ip) => octets[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => octets = ip.octets(),
        }
        octets
    }

    /// A header, a struct inet_diag_msg (family, state, timer, retransmits, ports, addresses, ...), and
    /// attributes.
    fn socket(message: &[u8]) -> Option<Socket> {
        let (body, attributes) = message.get(16..)?.split_at_checked(72)?;
        let address = |port: usize, ip: usize| {
            let octets = <[u8; 16]>::try_from(&body[ip..ip + 16]).ok()?;
            let ip: IpAddr = match body[0] {
                INET => <[u8; 4]>::try_from(&octets[..4]).ok()?.into(),
                _ => octets.into(),
            };
            let port = u16::from_be_bytes([body[port], body[port + 1]]);
            // A socket of both families has IPv4 addresses as `::ffff:127.0.0.1`.
            Some(SocketAddr::new(ip.to_canonical(), port))
        };
        Some(Socket {
            state: body[1],
            local: address(4, 8)?,
            remote: address(6, 24)?,
            received: number(body, 56)?,
            unsent: number(body, 60)?,
            received_ever: received_ever(attributes),
            inode: number(body, 68)?,
        })
    }

    /// `tcpi_bytes_received` of the attribute that is a struct tcp_info, if there is one.
    fn received_ever(mut attributes: &[u8]) -> Option<u64> {
        loop {
            let header = number(attributes, 0)?.to_ne_bytes();
            let length = u16::from_ne_bytes([header[0], header[1]]);
            let (attribute, _) = attributes.split_at_checked(usize::from(length).max(4))?;
            if header[2..] == INFO.to_ne_bytes() {
                let bytes = attribute.get(4 + 128..)?.first_chunk()?;
                return Some(u64::from_ne_bytes(*bytes));
            }
            attributes = attributes.get(attribute.len().next_multiple_of(4)..)?;
        }
    }

    fn number(bytes: &[u8], at: usize) -> Option<u32> {
        let number = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(number))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_listener_of_this_group_is_found_in_both_families() {
        let group = group_of(std::process::id()).expect("Linux tells");
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(bind).expect("loopback has a free port");
            let address = listener.local_addr().expect("it is bound");
            let listeners = listeners(group).expect("Linux tells");
            assert!(listeners.contains(&address), "{address} in {listeners:?}");
        }
    }

    #[test]
    fn memory_that_was_used_once_is_not_forgotten() {
        let group = group_of(std::process::id()).expect("Linux tells");
        let size = 64 << 20;
        drop(std::hint::black_box(vec![1_u8; size]));
        let peak = peak_memory(group).expect("Linux tells");
        assert!(peak >= size as u64, "{peak} bytes");
    }

    #[test]
    fn what_has_arrived_is_unread_until_it_is_read() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(bind).expect("a free port");
            let server = listener.local_addr().expect("it is bound");
            let mut stream = TcpStream::connect(server).expect("it listens");
            let client = stream.local_addr().expect("it is bound");
            stream.write_all(b"hello").expect("it is taken");
            let waits = arrived(client, server).is_some_and(|arrived| !arrived.accepted);
            assert!(waits, "nobody has let it in");
            let (mut accepted, _) = listener.accept().expect("a client");
            for (count, unread) in [(3, 2), (2, 0)] {
                accepted
                    .read_exact(&mut [0; 3][..count])
                    .expect("it was sent");
                let expected = Arrived {
                    all: 5,
                    unread,
                    accepted: true,
                };
                assert_eq!(arrived(client, server), Some(expected));
            }
        }
    }
}
