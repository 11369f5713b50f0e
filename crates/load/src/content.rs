//! What the clients send: bytes that differ from message to message, and that are known without being kept.

/// The block that all messages are pieces of. Its length is a prime, so that no step through it comes back soon.
const BLOCK: usize = 1_048_573;
/// From the place of one message to that of the next.
const STEP: usize = 7_919;

/// Random bytes, the same in every run. Each message is a piece of them from another place on: an answer that is late,
/// or another client's, is therefore not taken for the right one.
pub struct Content {
    bytes: Vec<u8>,
    place: usize,
}

impl Content {
    /// For messages of at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        let mut bytes = vec![0; BLOCK];
        fastrand::Rng::with_seed(1).fill(&mut bytes);
        // The block goes round: a message may begin near its end.
        bytes.extend_from_within(..longest.min(BLOCK));
        Self { bytes, place: 0 }
    }

    /// Where the next message begins: [`Content::message`] has its bytes.
    pub fn next_place(&mut self) -> usize {
        self.place = (self.place + STEP) % BLOCK;
        self.place
    }

    /// The `length` bytes from a place on.
    pub fn message(&self, place: usize, length: usize) -> &[u8] {
        &self.bytes[place..place + length]
    }

    /// The bytes of an endless stream from a position on, `most` of them at most, but never none.
    pub fn stream(&self, position: u64, most: usize) -> &[u8] {
        let place = (position % BLOCK as u64) as usize;
        &self.bytes[place..(place + most).min(BLOCK)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_is_the_same_as_one_of_the_last_thousands() {
        let mut content = Content::new(64);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20_000 {
            let place = content.next_place();
            assert!(seen.insert(content.message(place, 64).to_vec()));
        }
    }

    #[test]
    fn a_stream_goes_on_where_it_was_left_off() {
        let content = Content::new(64);
        let mut stream = Vec::new();
        while stream.len() < BLOCK + 10 {
            stream.extend_from_slice(content.stream(stream.len() as u64, 1000));
        }
        assert_eq!(stream[..BLOCK], content.bytes[..BLOCK]);
        assert_eq!(stream[BLOCK..][..10], content.bytes[..10]);
    }
}
