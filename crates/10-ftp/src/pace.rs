//! How long the other side may take. A time-out of the socket itself would begin anew with each byte.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
#[cfg(not(target_os = "linux"))]
use std::io::{Seek, SeekFrom};
use std::net::TcpStream;
#[cfg(target_os = "linux")]
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use socket2::SockRef;

/// So many bytes of a transfer must come through within the time-out.
pub const PIECE: usize = 1 << 16;

/// A connection that is read and written until then, and no longer.
pub struct Until<'stream>(pub &'stream TcpStream, pub Instant);

impl Until<'_> {
    fn call(
        &self,
        mut call: impl FnMut(&TcpStream, Duration) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Self(stream, until) = self;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            match call(stream, left) {
                // The time is over (WouldBlock on Unix, TimedOut on Windows), or a signal came.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|mut stream, left| {
            stream.set_read_timeout(Some(left))?;
            stream.read(buffer)
        })
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|mut stream, left| {
            stream.set_write_timeout(Some(left))?;
            stream.write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A data connection that has to get on: each piece has a time of its own.
pub struct Paced<'stream> {
    stream: &'stream TcpStream,
    patience: Duration,
    /// How much of this piece is still to come, and until when.
    left: usize,
    until: Instant,
}

impl<'stream> Paced<'stream> {
    pub fn new(stream: &'stream TcpStream, patience: Duration) -> Self {
        let until = Instant::now() + patience;
        Self {
            stream,
            patience,
            left: PIECE,
            until,
        }
    }

    fn count(&mut self, moved: usize) -> usize {
        match self.left.checked_sub(moved) {
            Some(left) if left > 0 => self.left = left,
            _ => *self = Self::new(self.stream, self.patience),
        }
        moved
    }

    /// Sends a file from there on. The kernel moves the bytes by itself: none comes into this program (sendfile(2)).
    #[cfg(target_os = "linux")]
    pub fn send_file(self, file: &File, start: u64) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.patience))?;
        let (socket, piece) = (SockRef::from(self.stream), NonZeroUsize::new(PIECE));
        let mut place = start as usize;
        loop {
            let until = Instant::now() + self.patience;
            match socket.sendfile(file, place, piece) {
                Ok(0) => return Ok(()),
                Ok(count) if Instant::now() < until => place += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.and(Err(ErrorKind::TimedOut.into())),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn send_file(mut self, mut file: &File, start: u64) -> io::Result<()> {
        file.seek(SeekFrom::Start(start))?;
        io::copy(&mut file, &mut self).map(drop)
    }
}

impl Read for Paced<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let moved = Until(self.stream, self.until).read(buffer)?;
        Ok(self.count(moved))
    }
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let moved = Until(self.stream, self.until).write(bytes)?;
        Ok(self.count(moved))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
