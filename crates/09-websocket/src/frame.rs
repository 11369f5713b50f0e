//! One frame: a head of 2 to 14 bytes, then the payload (RFC 6455, section 5.2).

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
/// From here on they are control frames, about the connection and not of a message.
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// How a client has broken the rules: the code to close with (section 7.4.1), and words for people.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation(pub u16, pub &'static str);

/// The head of a frame. With each piece of the payload that is unmasked, `left` and `mask` move on.
#[derive(Debug)]
pub struct Head {
    pub is_last: bool,
    pub opcode: u8,
    pub left: u64,
    mask: [u8; 4],
}

impl Head {
    /// Reads the head of a client's frame. Returns it and its length, or nothing as long as some of it is missing.
    pub fn read(bytes: &[u8]) -> Option<Result<(Self, usize), Violation>> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let (left, least, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u16::from_be_bytes(*length).into(), 126, rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*length), 1 << 16, rest)
            }
            length => (length.into(), 0, rest),
        };
        #[rustfmt::skip]
        let rules = [
            (matches!(opcode, CONTINUATION..=BINARY | CLOSE..=PONG), "an opcode that nobody knows"),
            (first & 0x70 == 0, "a reserved bit, and no extension that gives it a meaning"),
            (second & 0x80 != 0, "a frame without a mask"), // section 5.1
            (opcode < CLOSE || is_last, "a control frame in fragments"), // section 5.5
            (opcode < CLOSE || left <= 125, "a control frame that is too long"),
            (left >= least, "a length in more bytes than it needs"),
            (left >> 63 == 0, "a length with its highest bit set"),
        ];
        if let Some((_, why)) = rules.into_iter().find(|(is_kept, _)| !is_kept) {
            return Some(Err(Violation(1002, why)));
        }
        let (&mask, rest) = rest.split_first_chunk()?;
        let head = Self {
            is_last,
            opcode,
            left,
            mask,
        };
        Some(Ok((head, bytes.len() - rest.len())))
    }

    /// Undoes what the client did to the next piece of the payload: an exclusive or with the four bytes of the mask,
    /// over and over (section 5.3).
    pub fn unmask(&mut self, piece: &mut [u8]) {
        for (byte, mask) in piece.iter_mut().zip(self.mask.iter().cycle()) {
            *byte ^= mask;
        }
        self.left -= piece.len() as u64;
        self.mask.rotate_left(piece.len() % 4);
    }
}

/// A frame of the server's: whole, without a mask, its length in as few bytes as possible.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ ..126 => frame.push(length as u8),
        length @ ..0x1_0000 => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// The last frame: why it is over, as a code and in words (section 5.5.1).
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}
