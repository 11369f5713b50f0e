//! Bytes as people read them: escaped, shortened, and compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// At most this many bytes are shown whole: about a line of a terminal.
const WHOLE: usize = 48;
/// Of longer data, this many bytes are shown from the start and half as many from the end.
const HEAD: usize = 24;
const TAIL: usize = HEAD / 2;

/// Some bytes, escaped as ASCII; of long data only the start, the end and the length are kept.
///
/// Escapes are those of Rust's [`u8::escape_ascii`], so control and non-ASCII bytes are visible and
/// none of them reaches the terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// How many bytes there were.
    pub length: usize,
    /// All of them, or the first ones.
    pub head: String,
    /// The last ones, when there were too many to keep.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

impl Excerpt {
    /// Takes what is worth showing from `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let (head, tail) = if bytes.len() <= WHOLE {
            (bytes, &[][..])
        } else {
            (&bytes[..HEAD], &bytes[bytes.len() - TAIL..])
        };
        Self {
            length: bytes.len(),
            head: escape(head),
            tail: escape(tail),
        }
    }
}

/// `"hello\n"`, or `"the first … the last" (3,000 bytes)`.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.tail.is_empty() {
            write!(f, "\"{}\"", self.head)
        } else {
            write!(
                f,
                "\"{} … {}\" ({})",
                self.head,
                self.tail,
                count(self.length)
            )
        }
    }
}

/// Every byte outside printable ASCII, and quote and backslash, as a Rust escape.
pub(crate) fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'")
}

/// A line for people: what cannot be seen is escaped, so that it neither moves the cursor nor turns
/// the line around (bidirectional controls); letters and quotes are kept. A control character of ASCII is
/// shown by its picture (Unicode, "Control Pictures"): a program that printed an escape is told from that.
pub fn escape_controls(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).map_or(String::new(), String::from),
        '\x7f' => '\u{2421}'.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

/// `1 byte`, `3,000 bytes`.
pub(crate) fn count(bytes: usize) -> String {
    format!(
        "{} {}",
        thousands(bytes),
        if bytes == 1 { "byte" } else { "bytes" }
    )
}

pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Two byte strings side by side, around the first byte in which they differ.
pub(crate) struct Difference {
    pub expected: String,
    pub got: String,
    /// A line to print below `got`: spaces, a caret, and what it points at.
    pub caret: String,
}

impl Difference {
    /// Compares. `None` if they are equal.
    pub fn between(expected: &[u8], got: &[u8]) -> Option<Self> {
        if expected == got {
            return None;
        }
        let pairs = expected.iter().zip(got);
        let place = pairs.take_while(|(expected, got)| expected == got).count();
        let start = place.saturating_sub(HEAD);
        let before = escape(&got[start..place]);
        let lead = if start > 0 { "… " } else { "" };
        let show = |bytes: &[u8]| {
            let end = bytes.len().min(place + HEAD);
            let trail = if end < bytes.len() { " …" } else { "" };
            format!("{lead}\"{}\"{trail}", escape(&bytes[start..end]))
        };
        let name = |bytes: &[u8]| {
            bytes
                .get(place)
                .map(|byte| format!("\"{}\"", escape(&[*byte])))
        };
        let what = match (name(expected), name(got)) {
            (Some(expected), Some(got)) => format!("expected {expected}, got {got}"),
            (Some(expected), None) => format!("expected {expected}"),
            (None, Some(got)) => format!("expected nothing more, got {got}"),
            (None, None) => String::new(),
        };
        let indent = " ".repeat(lead.chars().count() + 1 + before.len());
        let caret = format!("{indent}^ byte {}: {what}", thousands(place));
        Some(Self {
            expected: show(expected),
            got: show(got),
            caret,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_data_keeps_its_start_its_end_and_its_length() {
        let excerpt = Excerpt::of(&[b'a'; 3000]);
        assert_eq!(
            excerpt.to_string(),
            "\"aaaaaaaaaaaaaaaaaaaaaaaa … aaaaaaaaaaaa\" (3,000 bytes)"
        );
    }

    #[test]
    fn the_caret_stands_under_the_first_difference() {
        let difference = Difference::between(b"a\nbXd", b"a\nbcd").expect("they differ");
        assert_eq!(difference.got, "\"a\\nbcd\"");
        assert_eq!(difference.caret, "     ^ byte 3: expected \"X\", got \"c\"");
    }

    #[test]
    fn equal_bytes_have_no_difference() {
        assert!(Difference::between(b"same", b"same").is_none());
    }
}
