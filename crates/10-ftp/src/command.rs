//! What a client says: a line of the control connection, taken apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::reply::Reply;

/// A command: a verb in capitals, and what it is about, which may be nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    pub verb: String,
    pub argument: String,
}

/// Telnet's mark for a command of its own, between the bytes of the text (RFC 854).
const IAC: u8 = 255;

impl Command {
    /// A line ends with CR LF; whoever types by hand may send LF alone.
    pub fn parse(line: &[u8]) -> Result<Self, Reply> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = without_telnet(line.strip_suffix(b"\r").unwrap_or(line));
        // Names are UTF-8 (RFC 2640, section 2.2), and none that has a control character can be asked for: with a
        // line end in it, it would be two commands here, and two lines in a listing.
        let text = String::from_utf8(line).map_err(|_| Reply::new(501, "not UTF-8"))?;
        if text.contains(char::is_control) {
            return Err(Reply::new(501, "control characters are not allowed"));
        }
        let (verb, argument) = text.split_once(' ').unwrap_or((&text, ""));
        let argument = argument.trim_start_matches(' '); // there may be several (section 5.3)
        let verb = verb.to_ascii_uppercase();
        // The first FTP servers had these verbs for trials, and old clients still use them (RFC 1123, section 4.1.3.1).
        let verb = match verb.as_str() {
            "XPWD" | "XCWD" | "XMKD" | "XRMD" => verb[1..].to_owned(),
            "XCUP" => "CDUP".to_owned(),
            _ => verb,
        };
        Ok(Self {
            verb,
            argument: argument.to_owned(),
        })
    }
}

/// Takes out what is Telnet's: before ABOR a client may send an interrupt and a mark (RFC 959, section 4.1.3).
fn without_telnet(line: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != IAC {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(IAC) => text.push(IAC),           // the byte itself, doubled
            Some(251..=254) => drop(bytes.next()), // WILL, WONT, DO, DONT and an option
            _ => {}
        }
    }
    text
}

/// The argument of PORT: four bytes of an address and two of a port (RFC 959, section 4.1.2).
pub fn host_port(argument: &str) -> Result<SocketAddr, Reply> {
    let bytes: Result<Vec<u8>, _> = argument.split(',').map(str::parse).collect();
    match bytes.as_deref() {
        Ok(&[a, b, c, d, high, low]) => {
            let port = u16::from_be_bytes([high, low]);
            Ok((Ipv4Addr::new(a, b, c, d), port).into())
        }
        _ => Err(Reply::new(501, "try PORT h1,h2,h3,h4,p1,p2")),
    }
}

/// The argument of EPRT: `|1|127.0.0.1|5000|` or `|2|::1|5000|`, with any delimiter (RFC 2428, section 2).
pub fn extended_host_port(argument: &str) -> Result<SocketAddr, Reply> {
    let malformed = || Reply::new(501, "try EPRT |1|ADDRESS|PORT| or EPRT |2|ADDRESS|PORT|");
    let delimiter = argument.chars().next().ok_or_else(malformed)?;
    let fields: Vec<&str> = argument.split(delimiter).collect();
    let ["", family, ip, port, ""] = fields[..] else {
        return Err(malformed());
    };
    let ip: Option<IpAddr> = match family {
        "1" => ip.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "2" => ip.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => return Err(Reply::new(522, "network protocol not supported, use (1,2)")),
    };
    match (ip, port.parse()) {
        (Some(ip), Ok(port)) => Ok(SocketAddr::new(ip, port)),
        _ => Err(malformed()),
    }
}
