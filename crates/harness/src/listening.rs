//! Where does a process group really listen? Linux knows (proc(5), `/proc/net/tcp`).

use std::net::SocketAddr;

/// The TCP addresses on which any process of the group listens, in no particular order.
///
/// Empty where the system cannot tell: everywhere but on Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn addresses(_group: u32) -> Vec<SocketAddr> {
    Vec::new()
}

/// The TCP addresses on which any process of the group listens, in no particular order.
///
/// A socket is matched by its inode: `/proc/PID/fd` names those a process holds, `/proc/net/tcp`
/// and `tcp6` say which of all sockets listen, and where.
#[cfg(target_os = "linux")]
pub(crate) fn addresses(group: u32) -> Vec<SocketAddr> {
    let inodes = linux::socket_inodes(group);
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let tables = tables.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(linux::listener)
        .filter(|(_, inode)| inodes.contains(inode))
        .map(|(address, _)| address)
        .collect()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashSet;
    use std::fs;
    use std::net::{IpAddr, SocketAddr};
    use std::path::Path;

    pub fn socket_inodes(group: u32) -> HashSet<String> {
        let processes = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let members = processes.filter(|process| group_of(process) == Some(group));
        members.flat_map(|process| sockets(&process)).collect()
    }

    /// The fifth field of `/proc/PID/stat`; the second, the name, is in brackets and may hold anything.
    fn group_of(process: &Path) -> Option<u32> {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        after_name.split_whitespace().nth(2)?.parse().ok()
    }

    fn sockets(process: &Path) -> Vec<String> {
        let descriptors = fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        let inode = |target: &str| {
            Some(
                target
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        };
        targets
            .filter_map(|target| inode(target.to_str()?))
            .collect()
    }

    /// The address and the inode of a row, if its socket listens (state 0A).
    pub fn listener(row: &str) -> Option<(SocketAddr, String)> {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (ip, port) = address.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let address = SocketAddr::new(parse_ip(ip)?, port);
        (*state == "0A").then(|| (address, (*inode).to_owned()))
    }

    /// One or four 32-bit words in hexadecimal, each in this machine's byte order.
    fn parse_ip(hex: &str) -> Option<IpAddr> {
        let words = hex
            .as_bytes()
            .chunks(8)
            .map(|word| u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok());
        let bytes: Vec<u8> = words
            .collect::<Option<Vec<u32>>>()?
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        match bytes.len() {
            4 => Some(<[u8; 4]>::try_from(bytes).ok()?.into()),
            16 => Some(<[u8; 16]>::try_from(bytes).ok()?.into()),
            _ => None,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_of_this_group_is_found_in_both_families() {
        let group = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
        let group = group
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(2)?.parse().ok());
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(bind).expect("loopback has a free port");
            let address = listener.local_addr().expect("it is bound");
            assert!(
                addresses(group.expect("a number")).contains(&address),
                "{address}"
            );
        }
    }
}
