//! What the server says: three digits for programs, and a text for people.

use std::fmt::{self, Display, Formatter};
use std::io::{Error, ErrorKind};

/// A reply. Its first digit tells how it goes: 1 wait, 2 done, 3 go on, 4 not now, 5 no (RFC 959, section 4.2).
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// One line, or several.
    pub text: String,
}

impl Reply {
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }

    /// What the system said, in other words than its own: those are not the same everywhere.
    pub fn of(code: u16, error: &Error) -> Self {
        let kind = error.kind();
        match kind {
            ErrorKind::NotFound => Self::new(code, "no such file or directory"),
            ErrorKind::Other => Self::new(code, error.to_string()),
            _ => Self::new(code, kind.to_string()),
        }
    }
}

/// Most of what can fail is about a file.
impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Self::of(550, &error)
    }
}

impl Display for Reply {
    /// The first line of several has a hyphen behind the number, the last a space. What is between them begins with a
    /// space, for it might look like the last.
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let (first, last) = self.text.rsplit_once('\n').unwrap_or(("", &self.text));
        if !first.is_empty() {
            write!(f, "{}-{}\r\n", self.code, first.replace('\n', "\r\n "))?;
        }
        write!(f, "{} {last}\r\n", self.code)
    }
}
