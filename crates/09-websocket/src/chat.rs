//! Who is here, and the chat: what one says at `/chat`, all who are there hear in the same order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::member::Member;

/// Everybody after the handshake. All threads share it.
#[derive(Default)]
pub struct Room(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    members: Vec<Arc<Member>>,
    /// What all were told when it was over, if it is.
    farewell: Option<Vec<u8>>,
}

/// One of them, until it is dropped.
pub struct Seat<'a>(&'a Room, &'a Arc<Member>);

impl Room {
    pub fn enter<'a>(&'a self, member: &'a Arc<Member>) -> Seat<'a> {
        let mut inside = self.lock();
        inside.members.push(Arc::clone(member));
        if let Some(farewell) = &inside.farewell {
            member.finish(farewell);
        }
        Seat(self, member)
    }

    /// Sends to all in the chat, and waits for none: who has no room left is dropped.
    pub fn say(&self, frame: &[u8]) {
        let inside = self.lock();
        for member in inside.members.iter().filter(|one| one.path == "/chat") {
            member.wait_for_writer();
            if !member.offer(frame) {
                member.cut("it reads too slowly");
            }
        }
    }

    /// Tells everybody that it is over, and whoever enters later.
    pub fn close(&self, farewell: Vec<u8>) {
        let mut inside = self.lock();
        for member in &inside.members {
            member.finish(&farewell);
        }
        inside.farewell = Some(farewell);
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let Self(room, member) = self;
        room.lock()
            .members
            .retain(|other| !Arc::ptr_eq(other, member));
        member.finish(&[]); // its other threads end too
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_was_sent_nothing_yet_is_not_slow() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let (stream, peer) = listener.accept()?;
        let member = &Arc::new(Member::new(peer, "/chat", stream));
        let room = Room::default();
        let seat = room.enter(member);
        let mut heard = vec![0; 3 * (200 << 10)];
        thread::scope(|scope| {
            // The thread that writes gets no processor for a while.
            scope.spawn(|| {
                thread::park_timeout(Duration::from_millis(50));
                member.write();
            });
            scope.spawn(|| {
                for _ in 0..3 {
                    room.say(&[7; 200 << 10]);
                }
            });
            let result = client.read_exact(&mut heard);
            drop(seat);
            result
        })
    }
}
