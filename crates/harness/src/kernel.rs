//! What the kernel knows of a program and its sockets, and no program can deny.
//!
//! Linux tells (proc(5)): `/proc/PID/fd` names the sockets that a process holds, by inode;
//! `/proc/net/tcp` and `tcp6` say of each what it is. Other systems are not asked: nothing is known.

#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::net::SocketAddr;

    pub fn listeners(_group: u32) -> Option<Vec<SocketAddr>> {
        None
    }

    pub fn unread(_client: SocketAddr, _server: SocketAddr) -> Option<u64> {
        None
    }

    pub fn asleep(_process: u32) -> Option<bool> {
        None
    }
}
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::*;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeSet, HashSet};
    use std::fs;
    use std::net::{IpAddr, SocketAddr};
    use std::path::Path;

    /// The addresses on which any process of the group listens, in order: those of TCP, or if there are
    /// none, those where it receives datagrams. `None` if the kernel does not say.
    pub fn listeners(group: u32) -> Option<Vec<SocketAddr>> {
        // Nearly always the leader holds the socket, and looking at every process takes a while.
        let leader = bound(&sockets(group).unwrap_or_default());
        if !leader.is_empty() {
            return Some(leader);
        }
        let members: Option<Vec<_>> = members(group).map(sockets).collect();
        Some(bound(&members?.into_iter().flatten().collect()))
    }

    /// Where these sockets listen.
    fn bound(inodes: &HashSet<String>) -> Vec<SocketAddr> {
        for (protocol, state) in [("tcp", LISTEN), ("udp", UNCONNECTED)] {
            let rows =
                rows(protocol).filter(|row| row.state == state && inodes.contains(&row.inode));
            let found: BTreeSet<SocketAddr> = rows.map(|row| row.local).collect();
            if !found.is_empty() {
                return found.into_iter().collect();
            }
        }
        Vec::new()
    }

    /// How many bytes from `client` have not been read by `server`, those on the way included.
    pub fn unread(client: SocketAddr, server: SocketAddr) -> Option<u64> {
        let (mut on_the_way, mut arrived) = (None, None);
        for row in rows("tcp") {
            if (row.local, row.remote) == (client, server) {
                on_the_way = Some(row.to_send);
            } else if (row.local, row.remote) == (server, client) {
                arrived = Some(row.received);
            }
        }
        Some(on_the_way? + arrived?)
    }

    /// Whether every thread of a process waits for something to happen.
    pub fn asleep(process: u32) -> Option<bool> {
        let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
        let stat = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("stat")).ok();
        let sleeps = |stat: String| fields(&stat).is_some_and(|fields| fields[0] == "S");
        Some(threads.flatten().filter_map(stat).all(sleeps))
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
    fn sockets(process: u32) -> Option<HashSet<String>> {
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
        let inode = |target: &Path| {
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        };
        let inodes =
            descriptors.filter_map(|descriptor| inode(&fs::read_link(descriptor.path()).ok()?));
        Some(inodes.collect())
    }

    /// A TCP socket that listens; a UDP socket that takes datagrams from anybody.
    const LISTEN: &str = "0A";
    const UNCONNECTED: &str = "07";

    /// One socket of this machine.
    struct Row {
        local: SocketAddr,
        remote: SocketAddr,
        state: String,
        /// Bytes that the other side has not acknowledged.
        to_send: u64,
        /// Bytes that the program has not read.
        received: u64,
        inode: String,
    }

    fn rows(protocol: &str) -> impl Iterator<Item = Row> {
        let tables = ["", "6"].map(|version| format!("/proc/self/net/{protocol}{version}"));
        let tables = tables.map(|path| fs::read_to_string(path).unwrap_or_default());
        tables.into_iter().flat_map(|table| {
            let rows: Vec<Row> = table.lines().skip(1).filter_map(row).collect();
            rows
        })
    }

    fn row(line: &str) -> Option<Row> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, queues, _, _, _, _, inode, ..] = fields[..] else {
            return None;
        };
        let (to_send, received) = queues.split_once(':')?;
        Some(Row {
            local: address(local)?,
            remote: address(remote)?,
            state: state.to_owned(),
            to_send: u64::from_str_radix(to_send, 16).ok()?,
            received: u64::from_str_radix(received, 16).ok()?,
            inode: inode.to_owned(),
        })
    }

    /// The IP as 32-bit words in hexadecimal, each in this machine's byte order. An IPv4 address that a
    /// socket of both families has (`::ffff:127.0.0.1`) counts as the IPv4 address that it is.
    fn address(text: &str) -> Option<SocketAddr> {
        let (ip, port) = text.split_once(':')?;
        let word = |word: &[u8]| u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok();
        let words: Option<Vec<u32>> = ip.as_bytes().chunks(8).map(word).collect();
        let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
        let ip: IpAddr = match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
            16 => <[u8; 16]>::try_from(bytes).ok()?.into(),
            _ => return None,
        };
        Some((ip.to_canonical(), u16::from_str_radix(port, 16).ok()?).into())
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
    fn what_was_sent_is_unread_until_it_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = listener.local_addr().expect("it is bound");
        let mut stream = TcpStream::connect(server).expect("it listens");
        let client = stream.local_addr().expect("it is bound");
        stream.write_all(b"hello").expect("it is taken");
        assert_eq!(unread(client, server), Some(5));
        let (mut accepted, _) = listener.accept().expect("a client");
        accepted.read_exact(&mut [0; 3]).expect("it was sent");
        assert_eq!(unread(client, server), Some(2));
    }
}
