//! What a client says, put together from its frames: messages in fragments, and control frames between these (RFC 6455,
//! section 5.4).

use std::{mem, str};

use crate::frame::{CLOSE, CONTINUATION, Head, TEXT, Violation};

/// A whole message or a control frame: its opcode, and its payload.
pub type Message = (u8, Vec<u8>);

const NOT_UTF_8: Violation = Violation(1007, "text that is not UTF-8");

/// Takes bytes as they arrive, in any pieces. After a violation nothing more is to be had.
#[derive(Debug, Default)]
pub struct Messages {
    /// The longest message, in bytes. No client makes us keep more.
    most: usize,
    /// What has arrived and was not looked at yet.
    input: Vec<u8>,
    /// Of the frame whose payload is arriving.
    head: Option<Head>,
    /// Of the message whose fragments are arriving.
    opcode: Option<u8>,
    message: Vec<u8>,
    /// So much of the message is text for certain.
    checked: usize,
}

impl Messages {
    pub fn of_at_most(most: usize) -> Self {
        let empty = Self::default();
        Self { most, ..empty }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
    }

    /// The next that has arrived as a whole; nothing until more is pushed.
    pub fn next(&mut self) -> Result<Option<Message>, Violation> {
        loop {
            if self.head.is_none() {
                self.head = self.begin_frame()?;
            }
            let Some(head) = &mut self.head else {
                return Ok(None);
            };
            let (opcode, is_control) = (head.opcode, head.opcode >= CLOSE);
            let count = self.input.len().min(head.left as usize);
            if count < head.left as usize && (is_control || count == 0) {
                return Ok(None);
            }
            let mut piece: Vec<u8> = self.input.drain(..count).collect();
            head.unmask(&mut piece);
            let is_last = head.is_last && head.left == 0;
            self.head.take_if(|head| head.left == 0);
            if opcode == CLOSE {
                check_close(&piece)?;
            }
            if is_control {
                return Ok(Some((opcode, piece)));
            }
            self.message.extend(piece);
            self.check_text(is_last)?;
            if is_last && let Some(opcode) = self.opcode.take() {
                self.checked = 0;
                return Ok(Some((opcode, mem::take(&mut self.message))));
            }
        }
    }

    /// The head of the next frame, if all of it is here, and may come now.
    fn begin_frame(&mut self) -> Result<Option<Head>, Violation> {
        let Some((head, length)) = Head::read(&self.input).transpose()? else {
            return Ok(None);
        };
        self.input.drain(..length);
        match (head.opcode, self.opcode) {
            (CLOSE.., _) => return Ok(Some(head)),
            (CONTINUATION, None) => return Err(Violation(1002, "a continuation of nothing")),
            (CONTINUATION, Some(_)) => {}
            (_, Some(_)) => return Err(Violation(1002, "a message within another")),
            (opcode, None) => self.opcode = Some(opcode),
        }
        // Looked at before a byte of the payload is kept.
        if head.left > (self.most - self.message.len()) as u64 {
            return Err(Violation(1009, "a message that is too long"));
        }
        Ok(Some(head))
    }

    /// Text is checked as it comes: who sends something else hears of it at once, and not at the end of a long message.
    fn check_text(&mut self, is_last: bool) -> Result<(), Violation> {
        if self.opcode == Some(TEXT) {
            self.checked += match str::from_utf8(&self.message[self.checked..]) {
                Ok(text) => text.len(),
                // The last character has only begun, and may still become a right one.
                Err(error) if error.error_len().is_none() && !is_last => error.valid_up_to(),
                Err(_) => return Err(NOT_UTF_8),
            };
        }
        Ok(())
    }
}

/// A close frame may say why: with a code, and then in words (sections 5.5.1 and 7.4).
fn check_close(payload: &[u8]) -> Result<(), Violation> {
    let (code, words) = match payload {
        [] => return Ok(()),
        [high, low, words @ ..] => (u16::from_be_bytes([*high, *low]), words),
        [_] => return Err(Violation(1002, "half a close code")),
    };
    // Registered with IANA, or of libraries and applications. 1004 to 1006 and 1015 are in no frame: they say what was
    // found out without one.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation(1002, "a close code that may not be sent"));
    }
    str::from_utf8(words).map(drop).or(Err(NOT_UTF_8))
}
