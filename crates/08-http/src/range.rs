//! Which bytes of a document a client wants (RFC 9110, section 14).

use std::ops::Range;

/// What a `Range` field asks of a document.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// All of it: nothing is asked, or something that a server may ignore (section 14.2).
    Whole,
    /// These bytes.
    Bytes(Range<u64>),
    /// Bytes that it does not have.
    Nothing,
}

impl Part {
    /// What `bytes=0-99`, `bytes=100-` or `bytes=-100` means for a document of this length. Several ranges at once
    /// would need an answer in several parts. They are ignored, and so is a range of an empty document.
    pub fn of(field: &str, length: u64) -> Self {
        let is_in_bytes = |unit: &str| unit.eq_ignore_ascii_case("bytes");
        let range = field.split_once('=').filter(|(unit, _)| is_in_bytes(unit));
        let Some((first, last)) = range.and_then(|(_, range)| range.split_once('-')) else {
            return Self::Whole;
        };
        let wanted = match (number(first), number(last)) {
            _ if length == 0 => return Self::Whole,
            (Some(first), Some(last)) if first <= last => first..length.min(last.saturating_add(1)),
            (Some(first), None) if last.is_empty() => first..length,
            (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
            _ => return Self::Whole,
        };
        match wanted.is_empty() {
            true => Self::Nothing,
            false => Self::Bytes(wanted),
        }
    }
}

/// Digits, as many as one likes. A number that does not fit is larger than any document.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}
