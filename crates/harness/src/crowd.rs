//! More clients than a server has threads, or wants to have.

use crate::client::Client;
use crate::rude::{Reply, is_served, serves_the_next};
use crate::server::Server;
use crate::suite::Check;

const CROWD: usize = 1000;
/// So many connect before the server may look: a backlog of 128 has room for them.
const AT_ONCE: usize = 100;

/// Checks for a server of thousands of clients that answers what it reads; `reply` says what comes back for one piece.
/// It needs a backlog of 128, and must let in a thousand at once.
pub fn crowds(reply: Reply) -> Vec<Check> {
    vec![
        Check::new("1,000 clients at once, the last one first", move |server| all_speak(server, reply)),
        Check::new("1,000 clients that say one byte and stay harm nobody", move |server| stay(server, reply))
            .teaches("Who says nothing must cost nothing but a little memory: a server that looks at its clients one by one to see whether they speak is busy with the silent ones."),
        Check::new("1,000 clients that reset at once leave nothing behind", move |server| reset(server, reply)),
        Check::new("1,000 noisy clients leave nothing behind", move |server| make_noise(server, reply)),
        Check::new("clients that stop reading harm nobody else", move |server| stop_reading(server, reply))
            .teaches("What a client does not read has to wait somewhere. Bound it, read no more from that client until it is gone, and let the system tell when there is room."),
    ]
}

fn all_speak(server: &Server, reply: Reply) {
    let clients: Vec<Client> = (0..CROWD).map(|_| server.connect_as("one")).collect();
    for client in clients.into_iter().rev() {
        is_served(client, reply);
    }
}

fn stay(server: &Server, reply: Reply) {
    let before = server.descriptors();
    let clients = (0..CROWD).map(|_| server.connect_as("one").send("x").expect(reply(b"x")));
    let clients: Vec<Client> = clients.collect();
    server.expect_asleep();
    serves_the_next(server, reply);
    clients.into_iter().for_each(Client::hang_up);
    server.expect_descriptors(before);
}

fn reset(server: &Server, reply: Reply) {
    let before = server.descriptors();
    for _ in 0..CROWD / AT_ONCE {
        let come_and_go = || (0..AT_ONCE).for_each(|_| server.connect_as("gone").reset());
        server.frozen_if_it_can_be(come_and_go);
        // It is behind all of them in the queue.
        serves_the_next(server, reply);
    }
    server.expect_descriptors(before);
}

fn make_noise(server: &Server, reply: Reply) {
    let before = server.descriptors();
    crate::send_noise(server, CROWD);
    serves_the_next(server, reply);
    server.expect_descriptors(before);
}

fn stop_reading(server: &Server, reply: Reply) {
    let stuck = (0..3).map(|_| server.connect_as("stuck").send_until_blocked());
    let stuck: Vec<Client> = stuck.collect();
    server.expect_asleep();
    serves_the_next(server, reply);
    stuck.into_iter().for_each(Client::hang_up);
}
