//! What strace(1) writes, a system call a line, and the numbers in it that differ from run to run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is asked of strace: the calls that are about sockets, and those that read, write and close.
pub const CALLS: &str = "socket,setsockopt,getsockopt,bind,listen,getsockname,accept,accept4,\
                         recvfrom,read,sendto,write,shutdown,close";

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    #[serde(rename = "call")]
    pub name: String,
    /// As strace shows them.
    pub arguments: String,
    /// What the kernel returned; nothing if the program still waited for it when it was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// Strings longer than this are cut, as strace does.
const LONGEST: usize = 32;

impl Call {
    /// A line such as `recvfrom(4, "hel", 1024, 0, NULL, NULL) = 3`.
    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        if result.starts_with("? ERESTART") {
            return None; // a signal came, and the kernel begins it again
        }
        let arguments = arguments.trim_end();
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        let waits = arguments.ends_with("<unfinished ...>");
        let arguments = arguments.trim_end_matches("<unfinished ...>");
        Some(Self {
            name: name.to_owned(),
            arguments: arguments.trim_end().trim_end_matches(',').to_owned(),
            result: (!waits && !result.starts_with('?')).then(|| result.to_owned()),
        })
    }

    /// The descriptor that it is about.
    pub fn descriptor(&self) -> Option<i32> {
        self.arguments.split(',').next()?.parse().ok()
    }

    /// What it returned, as a number: a descriptor, or a count of bytes.
    pub fn number(&self) -> Option<i32> {
        self.result.as_ref()?.split(' ').next()?.parse().ok()
    }

    /// Whether it returns a descriptor.
    fn opens(&self) -> bool {
        matches!(self.name.as_str(), "socket" | "accept" | "accept4")
    }

    /// Whether it writes to the standard output (1) or the standard error (2).
    pub fn prints(&self) -> bool {
        self.name == "write" && matches!(self.descriptor(), Some(1 | 2))
    }

    /// Whether it ends a line that is printed.
    pub fn ends_line(&self) -> bool {
        let text = self
            .arguments
            .rsplit_once(", ")
            .map_or("", |(text, _)| text);
        self.prints() && text.ends_with("\\n\"")
    }

    /// The same with its long strings cut, as strace shows them.
    pub fn shortened(self) -> Self {
        Self {
            arguments: shorten(&self.arguments),
            ..self
        }
    }

    /// As strace shows it.
    pub fn text(&self) -> String {
        match &self.result {
            Some(result) => format!("{}({}) = {result}", self.name, self.arguments),
            None => format!("{}({}, ...", self.name, self.arguments),
        }
    }

    /// The call, its descriptor and what came back.
    pub fn brief(&self) -> String {
        let (name, descriptor) = (&self.name, self.descriptor());
        let descriptor = descriptor.map_or(String::new(), |descriptor| descriptor.to_string());
        match self.result.as_deref() {
            Some("0") if name != "recvfrom" => format!("{name}({descriptor})"),
            Some(result) => format!("{name}({descriptor}) = {result}"),
            None => format!("{name}({descriptor}) waits"),
        }
    }
}

/// Reads what strace has written of a program: its calls from the first socket on, as far as they are
/// about sockets or print. Descriptors are counted from 3, whatever numbers were free.
pub fn read(text: &str) -> Vec<Call> {
    let mut known: BTreeMap<i32, i32> = [(1, 1), (2, 2)].into();
    let mut calls = Vec::new();
    let all = text.lines().filter_map(Call::parse);
    for mut call in all.skip_while(|call| call.name != "socket") {
        if call.name != "socket" {
            let about = call.descriptor();
            let Some(descriptor) = about.and_then(|descriptor| known.get(&descriptor).copied())
            else {
                continue; // something else that the program has open
            };
            let rest = call.arguments.split_once(',').map_or("", |(_, rest)| rest);
            let comma = if rest.is_empty() { "" } else { "," };
            call.arguments = format!("{descriptor}{comma}{rest}");
            if call.name == "close" {
                known.retain(|_, name| *name != descriptor);
            }
        }
        if let Some(number) = call.number().filter(|number| call.opens() && *number >= 0) {
            let is_free = |name: &i32| known.values().all(|taken| taken != name);
            let name = (3..).find(is_free).unwrap_or(number);
            known.insert(number, name);
            call.result = Some(name.to_string());
        }
        calls.push(call);
    }
    calls
}

/// Cuts the strings in the arguments of a call, and takes out where in memory a buffer was.
fn shorten(arguments: &str) -> String {
    let mut text = String::new();
    let mut rest = arguments;
    while let Some((before, after)) = rest.split_once('"') {
        let (string, behind) = after.split_at(closing_quote(after));
        let cut = cut(string);
        text += &format!("{}\"{cut}\"", without_addresses(before));
        rest = behind.strip_prefix('"').unwrap_or(behind);
        if cut.len() < string.len() {
            text += "...";
            rest = rest.strip_prefix("...").unwrap_or(rest);
        }
    }
    text + &without_addresses(rest)
}

fn without_addresses(text: &str) -> String {
    let words = text.split_inclusive([',', ' ']);
    let word = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => format!(
            "0x...{}",
            digits.trim_start_matches(|c: char| c.is_ascii_hexdigit())
        ),
        None => word.to_owned(),
    };
    words.map(word).collect()
}

/// The start of an escaped string. An escape is one byte, and stays whole.
fn cut(string: &str) -> &str {
    let mut bytes = 0;
    let mut characters = string.char_indices().peekable();
    while let Some((start, c)) = characters.next() {
        if bytes == LONGEST {
            return &string[..start];
        }
        bytes += 1;
        if c == '\\' {
            let is_octal = |next: &(usize, char)| next.1.is_digit(8);
            let escaped = characters.next();
            if escaped.is_some_and(|escaped| is_octal(&escaped)) {
                while characters.next_if(is_octal).is_some() {}
            }
        }
    }
    string
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            '"' if !escaped => return index,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_about_sockets_is_left_out_and_descriptors_are_counted_from_3() {
        let text = "read(3, \"\\177ELF\", 832) = 832\n\
                    close(3)                    = 0\n\
                    socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 7\n\
                    read(5, \"settings\", 100) = 8\n\
                    write(1, \"a \\\"line\\\"\\n\", 9) = 9\n\
                    accept4(7, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 9\n\
                    close(9)                    = 0\n\
                    accept4(7,  <unfinished ...>) = ?\n\
                    +++ killed by SIGKILL +++\n";
        let calls: Vec<String> = read(text).iter().map(Call::text).collect();
        assert_eq!(
            calls,
            [
                "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3",
                "write(1, \"a \\\"line\\\"\\n\", 9) = 9",
                "accept4(3, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 4",
                "close(4) = 0",
                "accept4(3, ...",
            ]
        );
    }
}
