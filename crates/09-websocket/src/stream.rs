//! What every connection needs, whatever is spoken on it: a deadline for reading, and an end that loses nothing.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// A client that was told everything has this long to close its side.
const LINGER: Duration = Duration::from_secs(2);

/// Reads what comes before `deadline`; after it, this is an error of the kind `TimedOut`. A time-out for each read
/// would begin anew with every byte, and who sends one a second would have all the time in the world.
pub fn read_before(
    deadline: Instant,
    mut stream: &TcpStream,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    stream.read(buffer).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(), // so says Unix
        _ => error,
    })
}

/// Sees to it that the last words arrive. If bytes are unread when a connection is closed, the kernel resets it, and
/// the client's kernel may throw away what the client has not read yet (RFC 1122, section 4.2.2.13). So finish
/// sending, and read on until the client has finished too (RFC 6455, section 7.1.1).
pub fn linger(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write); // who is gone already hears nothing
    let deadline = Instant::now() + LINGER;
    let mut rest = [0; 4096];
    while read_before(deadline, stream, &mut rest).is_ok_and(|count| count > 0) {}
}
