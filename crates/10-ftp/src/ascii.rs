//! TYPE A: on the wire a line ends with CR LF, in our files with LF (RFC 959, section 3.1.1.1).
//!
//! What is written here comes in pieces of any length. A CR may be in one and its LF in the next, so each direction has
//! to remember what the last piece ended with.

use std::io::{self, Write};

/// The way out: what is written here goes to the wire.
pub struct ToWire<W> {
    wire: W,
    after_cr: bool,
}

impl<W> ToWire<W> {
    pub fn new(wire: W) -> Self {
        let after_cr = false;
        Self { wire, after_cr }
    }

    /// Puts a CR before each LF that has none. Where a line of the file ends with CR LF, it is as it has to be, and a
    /// second CR would be one too many.
    fn with_cr(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut converted = Vec::with_capacity(piece.len() + piece.len() / 8);
        for &byte in piece {
            if byte == b'\n' && !self.after_cr {
                converted.push(b'\r');
            }
            converted.push(byte);
            self.after_cr = byte == b'\r';
        }
        converted
    }
}

impl<W: Write> Write for ToWire<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let converted = self.with_cr(piece);
        self.wire.write_all(&converted)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()
    }
}

/// The way in: what is written here goes to the file, when it is clear what it is.
pub struct FromWire<W> {
    file: W,
    held_cr: bool,
}

impl<W: Write> FromWire<W> {
    pub fn new(file: W) -> Self {
        let held_cr = false;
        Self { file, held_cr }
    }

    /// Takes the CR out of each CR LF, and no other. A CR is held until the next byte says whether it ends a line.
    fn without_cr(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut converted = Vec::with_capacity(piece.len() + 1);
        for &byte in piece {
            if self.held_cr && byte != b'\n' {
                converted.push(b'\r');
            }
            self.held_cr = byte == b'\r';
            if !self.held_cr {
                converted.push(byte);
            }
        }
        converted
    }

    /// Nothing more comes. A CR that was the last byte of all is one of its own.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.held_cr {
            true => self.file.write_all(b"\r"),
            false => Ok(()),
        }
    }
}

impl<W: Write> Write for FromWire<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let converted = self.without_cr(piece);
        self.file.write_all(&converted)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
