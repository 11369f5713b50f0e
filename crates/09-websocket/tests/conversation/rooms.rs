//! The chat and the clock: what the server says without being asked.

use harness::{Check, Client, Failure, Server};

use crate::wire::{BINARY, PING, PONG, TEXT, closes_well, frame, from_server, head, talk, talk_as};

pub fn checks() -> Vec<Check> {
    vec![
        Check::new("what one says in the chat all hear", all_hear)
            .notice("The second client is sent a message that it has not asked for. In HTTP nobody could."),
        Check::new("all hear the same in the same order", same_order),
        Check::new("who is elsewhere does not hear the chat", |server| {
            let elsewhere = talk_as(server, "elsewhere", "/");
            let chat = talk_as(server, "chat", "/chat").send(frame(BINARY, "hello"));
            closes_well(chat.expect(from_server(BINARY, "hello")));
            closes_well(elsewhere.expect_silence());
        }),
        Check::new("who has left the chat is in nobody's way", |server| {
            let chat = talk_as(server, "chat", "/chat");
            talk_as(server, "rude", "/chat").hang_up();
            talk_as(server, "ruder", "/chat").reset();
            closes_well(talk_as(server, "polite", "/chat"));
            let chat = chat.send(frame(TEXT, "hello?"));
            closes_well(chat.expect(from_server(TEXT, "hello?")));
        }),
        Check::new("who reads too slowly is dropped from the chat, and nobody waits for it", slow_reader)
            .arguments(["--max-message", "16777216"])
            .teaches("One slow reader must not hold up all others, nor may the server keep for it whatever is said."),
        Check::new("who says much to the chat is heard as fast as it listens", talks_much),
        Check::new("the clock says the time again and again", clock),
    ]
}

fn all_hear(server: &Server) {
    let first = talk_as(server, "first", "/chat");
    let second = talk_as(server, "second", "/chat");
    let first = first
        .send(frame(TEXT, "hello"))
        .expect(from_server(TEXT, "hello"));
    let second = second
        .expect(from_server(TEXT, "hello"))
        .send(frame(TEXT, "hi"));
    let second = second.expect(from_server(TEXT, "hi"));
    closes_well(first.expect(from_server(TEXT, "hi")));
    closes_well(second);
}

fn same_order(server: &Server) {
    let names = ["a", "b", "c", "d"];
    let members = names.map(|name| talk_as(server, name, "/chat"));
    let say = |(member, name): (Client, &str)| {
        let frames = (0..50).map(|number| frame(TEXT, format!("{name}{number:02}")));
        member.send_together(&frames.collect::<Vec<_>>())
    };
    let members: Vec<Client> = members.into_iter().zip(names).map(say).collect();
    let length = names.len() * 50 * from_server(TEXT, "a00").len();
    let heard = members
        .into_iter()
        .map(|member| member.read_exactly(length));
    let (members, heard): (Vec<Client>, Vec<Vec<u8>>) = heard.unzip();
    if heard.iter().any(|one| *one != heard[0]) {
        Failure::new("what the first has heard", "something else").raise();
    }
    members.into_iter().for_each(closes_well);
}

/// The first message is more than the system's buffers hold, and so is being written to the slow one for ever. The second
/// waits in its outbox, and the third finds no room there.
fn slow_reader(server: &Server) {
    let slow = talk_as(server, "slow", "/chat");
    let mut talker = talk_as(server, "talker", "/chat");
    let mut listener = talk_as(server, "listener", "/chat");
    let bytes = vec![b'x'; 8 << 20];
    let (said, heard) = (frame(BINARY, &bytes), from_server(BINARY, &bytes));
    for _ in 0..3 {
        talker = talker.send(&said).expect(&heard);
        listener = listener.expect(&heard);
    }
    server.expect_line(&format!("client {} disconnected", slow.address()));
    closes_well(talker);
    closes_well(listener);
    slow.hang_up();
}

/// It is held up by its own outbox, and is not taken for a slow reader.
fn talks_much(server: &Server) {
    let text = "x".repeat(1 << 16);
    let (sent, heard) = (
        frame(TEXT, &text).repeat(128),
        from_server(TEXT, &text).repeat(128),
    );
    closes_well(talk_as(server, "talker", "/chat").send_while_reading(&sent, &heard));
}

fn clock(server: &Server) {
    let client = talk(server, "/clock").send(frame(TEXT, "what time is it?"));
    let (client, first) = time(client);
    let client = client.send(frame(PING, "still there?"));
    let (client, second) = time(client.expect(from_server(PONG, "still there?")));
    if first == second {
        Failure::new("another time", "the same once more").raise();
    }
    closes_well(client);
}

/// What the clock says next: `12:34:56 UTC`.
#[track_caller]
fn time(client: Client) -> (Client, Vec<u8>) {
    let (client, time) = client.expect(head(TEXT, 0, 12)).read_exactly(8);
    (client.expect(" UTC"), time)
}
