//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Client, Failure, Server, Suite};

// What other checks stand on.
const NAMED: &str = "who comes is asked for a name, and joins the lobby";
const HEARD: &str = "what one says is heard by all others, and by nobody else";
const PIECES: &str = "a line is a line, in whatever pieces it arrives";
const ROOMS: &str = "rooms are apart, and /join goes from one into another";
const SLOW: &str = "a reader that never reads harms nobody, and is cut off";

// What the server says of itself.
const WHO_ARE_YOU: &str = "* who are you?";
const NO_NAME: &str = "* a name has 1 to 16 letters and digits";
const NO_TEXT: &str = "* a line is text";
const NO_COMMAND: &str = "* no such command";
const GOODBYE: &str = "* goodbye";
const TOO_LONG: &str = "* line too long";
const STOPPING: &str = "* the server stops";

/// At most this many bytes are a line.
const LONGEST: usize = 512;

fn main() -> ExitCode {
    Suite::new("chat", env!("CARGO_BIN_EXE_chat"))
        .replayed_by("just replay chat {check} --seed {seed}")
        .page("docs/src/steps/threads.md", "What is new")
        .checks(of_a_crowd())
        .checks(of_rooms_and_lines())
        .checks(of_trouble())
        .run()
}

fn of_a_crowd() -> [Check; 7] {
    [
        Check::new("the server says where it listens", |server| server.expect_listens_as_told())
            .page("docs/src/steps/bind-listen.md", "An address and a queue")
            .points(1)
            .teaches("Clients, and these checks, can only come when they know where to."),
        Check::new(NAMED, named)
            .points(3)
            .teaches("A client that says nothing must not keep the others waiting: each has a state of its own, and the first part of it is whether it has a name. Those who are in a room hear who joins it, and so does the one who joins."),
        Check::new(HEARD, heard)
            .needs(NAMED)
            .points(4)
            .teaches("Here a server writes to clients that have asked for nothing: it must know who is there. The one who speaks has seen its line on its own terminal. Whoever has no name yet is in no room."),
        Check::new("a name that is taken or none is refused, and may be tried again", refused)
            .needs(NAMED)
            .points(3)
            .teaches("A name says who speaks, so no two may have the same, to the letter. To look whether it is taken and to take it is one step: nobody may come between. A mistake costs a line, not the connection."),
        Check::new(PIECES, in_pieces)
            .needs(HEARD)
            .page("docs/src/steps/receive.md", "What is new")
            .points(3)
            .teaches("A read returns what has arrived: half a line, or three. Each client needs a place of its own for the line that is not whole yet. A line ends in \\n or \\r\\n."),
        Check::new("who quits or has finished is said goodbye, and the others hear of it", quit)
            .needs(HEARD)
            .page("docs/src/steps/receive.md", "What is new")
            .points(3)
            .teaches("The end of what a client sends is no error: it has finished, and its goodbye can still be sent. A line that has no newline by then was cut in two, and is none. The others hear of each leave once, and the name is free."),
        Check::new("who crashes is gone for the others too, and the name is free", crashed)
            .needs(HEARD)
            .page("docs/src/errors.md", "Connection reset by peer")
            .points(3)
            .teaches("A connection ends by an error as well as by an end: let one place in the program take a client out, whatever way leads there. Of somebody without a name nobody hears."),
    ]
}

fn of_rooms_and_lines() -> [Check; 5] {
    [
        Check::new(ROOMS, rooms)
            .needs(HEARD)
            .points(4)
            .teaches("Who moves leaves one room and joins another, and both hear of it. What is said in a room goes to those who are in it now."),
        Check::new("/who names those in the room, in order", who)
            .needs(ROOMS)
            .points(2)
            .teaches("A map that hashes has its keys in any order, and in another one tomorrow. Answers that can be compared are sorted: here byte by byte, digits before capitals before small letters."),
        Check::new("what is no text or no command goes to nobody", no_text)
            .needs(PIECES)
            .points(2)
            .teaches("What one client sends goes to the terminals of the others. A control character, such as escape, could clear their screens or forge a line; bytes that are no UTF-8 break those who read text. And a command with a typing error is not meant for the room."),
        Check::new("a line of more than 512 bytes ends its connection, and is not heard", too_long)
            .needs(PIECES)
            .points(3)
            .teaches("Without a bound, one client that sends no newline fills your memory. Count what a line has in all, not what a read returns. Where the next line would begin nobody knows, so the connection ends, with a word that says why."),
        Check::new("all hear the same in the same order", same_order)
            .needs(PIECES)
            .points(2)
            .teaches("An answer that comes before its question makes no sense. Put a line into the mailboxes of all before the next one's turn: under one lock, or in one thread or task that does it for everybody."),
    ]
}

fn of_trouble() -> [Check; 3] {
    [
        Check::new(SLOW, slow)
            .needs(PIECES)
            .page("docs/src/steps/threads.md", "What is left out")
            .points(4)
            .teaches("When the kernel keeps no more for a client, a write waits. Whoever tells the others must not wait with it: lines wait in a mailbox of that client's own. That has a bound, and whoever passes it is closed, so that its memory, its descriptor and its name are free. Cut it off when all have been told the line, or some hear that it left before the line, and some after."),
        Check::new("Ctrl-C is told to everybody, and ends the server with status 0", stopped)
            .needs(ROOMS)
            .page("docs/src/steps/threads.md", "What is new")
            .points(2)
            .teaches("A server that is asked to end tells its clients, so that they know this from a crash. The last lines must leave before the program does: its end closes every connection."),
        Check::new("Ctrl-C ends the server also when one does not read", stopped_though_stuck)
            .needs(SLOW)
            .page("docs/src/steps/threads.md", "What is new")
            .points(1)
            .teaches("A last line to somebody who does not read cannot be sent. Wait for those who can be told, but only for a time, and then end."),
    ]
}

/// Somebody who has said a name.
struct Guest {
    name: String,
    client: Client,
}

impl Guest {
    #[track_caller]
    fn says(self, line: &str) -> Self {
        let client = self.client.send(format!("{line}\n"));
        Self { client, ..self }
    }

    #[track_caller]
    fn hears(self, line: &str) -> Self {
        let client = self.client.expect_line(line);
        Self { client, ..self }
    }

    #[track_caller]
    fn moves(self, room: &str) -> Self {
        let joined = format!("* {} joined {room}", self.name);
        self.says(&format!("/join {room}")).hears(&joined)
    }
}

/// A name that nobody can know beforehand.
fn name(server: &Server, who: &str) -> String {
    format!("{who}{}", server.random().u16(10..1000))
}

#[track_caller]
fn comes(server: &Server, name: &str) -> Client {
    server.connect_as(name).expect_line(WHO_ARE_YOU)
}

#[track_caller]
fn joins(client: Client, name: &str) -> Guest {
    let guest = Guest {
        name: name.to_owned(),
        client,
    };
    guest.says(name).hears(&format!("* {name} joined lobby"))
}

#[track_caller]
fn enters(server: &Server, name: &str) -> Guest {
    joins(comes(server, name), name)
}

/// Guests who have entered the lobby one after the other, and have heard of each other.
#[track_caller]
fn lobby<const COUNT: usize>(server: &Server, who: [&str; COUNT]) -> [Guest; COUNT] {
    let names = who.map(|who| name(server, who));
    let mut guests = names.each_ref().map(|name| Some(enters(server, name)));
    for (index, guest) in guests.iter_mut().enumerate() {
        for later in &names[index + 1..] {
            let joined = format!("* {later} joined lobby");
            *guest = guest.take().map(|guest| guest.hears(&joined));
        }
    }
    guests.map(|guest| guest.expect("each was put back"))
}

fn named(server: &Server) {
    let silent = server.connect_as("silent").expect_line(WHO_ARE_YOU);
    let [alice, bob] = lobby(server, ["alice", "bob"]);
    silent.hang_up();
    bob.client.hang_up();
    alice.client.hang_up();
}

fn heard(server: &Server) {
    let [alice, bob, carol] = lobby(server, ["alice", "bob", "carol"]);
    let (dora, hello) = (name(server, "dora"), format!("{}: hello", alice.name));
    let unnamed = comes(server, &dora);
    let alice = alice.says("hello");
    let (bob, carol) = (bob.hears(&hello), carol.hears(&hello));
    let bob = bob.says("good morning: all");
    let morning = format!("{}: good morning: all", bob.name);
    // The first that alice hears is what bob has said, and the first that dora hears is herself.
    let (alice, carol) = (alice.hears(&morning), carol.hears(&morning));
    let dora = joins(unnamed, &dora);
    for guest in [alice, bob, carol] {
        guest
            .hears(&format!("* {} joined lobby", dora.name))
            .client
            .hang_up();
    }
}

fn refused(server: &Server) {
    let alice = enters(server, &name(server, "alice"));
    let long = "a2345678901234567";
    let mut bob = comes(server, "bob");
    bob = bob
        .send(format!("{}\n", alice.name))
        .expect_line(&format!("* {} is taken", alice.name));
    for wrong in ["", long, "two words", "/who", "a-b", "zo\u{eb}"] {
        bob = bob.send(format!("{wrong}\n")).expect_line(NO_NAME);
    }
    let longest = &long[..16];
    let bob = joins(bob, longest);
    // What is another name, to the letter.
    let capital = joins(comes(server, "capital"), &alice.name.to_uppercase());
    let alice = alice.hears(&format!("* {longest} joined lobby"));
    alice
        .hears(&format!("* {} joined lobby", capital.name))
        .client
        .hang_up();
    bob.client.hang_up();
}

fn in_pieces(server: &Server) {
    let [alice, mut bob] = lobby(server, ["alice", "bob"]);
    let client = alice.client.send("hel").pause();
    // Whoever has said half a line still hears the others.
    bob = bob.says("go on");
    let client = client.expect_line(&format!("{}: go on", bob.name));
    let client = client.send("lo\nhow are").pause().send(" you\n").pause();
    let client = client.send("one\ntwo\r\nthree\n").pause();
    let client = client
        .send("four\r")
        .pause()
        .send("\n")
        .pause()
        .send_byte_by_byte("five\n");
    let whole = [
        "hello",
        "how are you",
        "one",
        "two",
        "three",
        "four",
        "five",
    ];
    for line in whole {
        bob = bob.hears(&format!("{}: {line}", alice.name));
    }
    // A name is a line as well, and a piece may go beyond it.
    let carol = name(server, "carol");
    let all_in_one = comes(server, &carol).send(format!("{carol}\r\nI am here\n"));
    let all_in_one = all_in_one.expect_line(&format!("* {carol} joined lobby"));
    bob.hears(&format!("* {carol} joined lobby"))
        .hears(&format!("{carol}: I am here"))
        .client
        .hang_up();
    all_in_one.hang_up();
    client.hang_up();
}

fn quit(server: &Server) {
    let [alice, bob, carol] = lobby(server, ["alice", "bob", "carol"]);
    let (name, left) = (bob.name.clone(), format!("* {} left lobby", bob.name));
    bob.says("/quit").hears(GOODBYE).client.expect_end();
    let (alice, carol) = (alice.hears(&left), carol.hears(&left));
    let left = format!("* {} left lobby", carol.name);
    let carol = carol.client.send("half a line").finish_sending();
    carol.expect_line(GOODBYE).expect_end();
    // Of each leave alice hears once, and then that the name is there again.
    let alice = alice.hears(&left);
    let bob = enters(server, &name);
    let alice = alice.hears(&format!("* {name} joined lobby"));
    alice.client.hang_up();
    bob.client.hang_up();
}

fn crashed(server: &Server) {
    let alice = enters(server, &name(server, "alice"));
    let before = descriptors(server);
    let bob = enters(server, &name(server, "bob"));
    let (joined, left) = (
        format!("* {} joined lobby", bob.name),
        format!("* {} left lobby", bob.name),
    );
    let alice = alice.hears(&joined);
    let unnamed = comes(server, "unnamed");
    bob.client.reset();
    let alice = alice.hears(&left);
    unnamed.reset();
    are_gone(server, before);
    let again = enters(server, &bob.name).says("here I am");
    let alice = alice
        .hears(&joined)
        .hears(&format!("{}: here I am", bob.name));
    again.client.reset();
    alice.hears(&left).client.hang_up();
}

/// How many the server has open, if the system tells.
fn descriptors(server: &Server) -> Option<usize> {
    cfg!(target_os = "linux").then(|| server.descriptors())
}

/// Waits until the server has no more open than before they came: then it knows that they are gone.
#[track_caller]
fn are_gone(server: &Server, before: Option<usize>) {
    if let Some(before) = before {
        server.expect_descriptors(before);
    }
}

fn rooms(server: &Server) {
    let [alice, bob] = lobby(server, ["alice", "bob"]);
    let (a, b, c) = (alice.name.clone(), bob.name.clone(), name(server, "carol"));
    let bob = bob.moves("kitchen");
    let alice = alice.hears(&format!("* {b} left lobby"));
    let bob = bob
        .says("/join a room")
        .hears(NO_NAME)
        .says("soup")
        .client
        .pause();
    let alice = alice.says("hello").client.pause();
    // Neither has heard the other: the next that they hear is carol.
    let carol = enters(server, &c).moves("kitchen").says("tea");
    let bob = bob
        .expect_line(&format!("* {c} joined kitchen"))
        .expect_line(&format!("{c}: tea"));
    let alice = alice.expect_line(&format!("* {c} joined lobby"));
    let alice = alice.expect_line(&format!("* {c} left lobby"));
    let bob = bob
        .send("/join lobby\n")
        .expect_line(&format!("* {b} joined lobby"));
    let alice = alice
        .expect_line(&format!("* {b} joined lobby"))
        .send("back?\n");
    bob.expect_line(&format!("{a}: back?")).hang_up();
    carol.hears(&format!("* {b} left kitchen")).client.hang_up();
    alice.hang_up();
}

fn who(server: &Server) {
    let [mia, zoe, adam, seven] = lobby(server, ["mia", "Zoe", "adam", "7up"]);
    let unnamed = comes(server, "unnamed");
    let zoe = zoe.moves("Kitchen");
    let left = format!("* {} left lobby", zoe.name);
    let (mia, adam, seven) = (mia.hears(&left), adam.hears(&left), seven.hears(&left));
    let alone = format!("* Kitchen: {}", zoe.name);
    let zoe = zoe.says("/who").hears(&alone);
    let here = format!("* lobby: {} {} {}", seven.name, adam.name, mia.name);
    let (mia, adam) = (
        mia.says("/who").hears(&here),
        adam.says("/who").hears(&here),
    );
    let zoe = zoe.moves("lobby");
    let all = format!(
        "* lobby: {} {} {} {}",
        seven.name, zoe.name, adam.name, mia.name
    );
    zoe.says("/who").hears(&all).client.hang_up();
    for client in [mia.client, adam.client, seven.client, unnamed] {
        client.hang_up();
    }
}

fn no_text(server: &Server) {
    let [mut alice, bob] = lobby(server, ["alice", "bob"]);
    let no_text: [&[u8]; 4] = [b"\x1b[2Jboo", b"a\tb", b"caf\xe9", b"a\xc2\x85b"];
    for line in no_text {
        alice.client = alice
            .client
            .send([line, b"\n"].concat())
            .expect_line(NO_TEXT);
    }
    for line in ["/help", "/join", "/quit now", "/"] {
        alice = alice.says(line).hears(NO_COMMAND);
    }
    // An empty line says nothing. What bob hears first is the first that was meant for him.
    let alice = alice.says("").says("\r").says("caf\u{e9} \u{2615}");
    let bob = bob
        .hears(&format!("{}: caf\u{e9} \u{2615}", alice.name))
        .says("*yes*");
    alice
        .hears(&format!("{}: *yes*", bob.name))
        .client
        .hang_up();
    bob.client.hang_up();
}

fn too_long(server: &Server) {
    let [alice, bob] = lobby(server, ["alice", "bob"]);
    let (name, line) = (alice.name, "a".repeat(LONGEST));
    let alice = alice
        .client
        .send(&line[..300])
        .pause()
        .send(format!("{}\n", &line[300..]));
    let bob = bob.hears(&format!("{name}: {line}"));
    let alice = alice
        .send(&line[..300])
        .pause()
        .send(&line[300..])
        .pause()
        .send("a");
    alice.expect_line(TOO_LONG).expect_end();
    let bob = bob.hears(&format!("* {name} left lobby"));
    // Of one without a name nobody hears.
    let unnamed = comes(server, "unnamed").send(&line).pause().send("a");
    unnamed.expect_line(TOO_LONG).expect_end();
    let alice = enters(server, &name);
    bob.hears(&format!("* {name} joined lobby"))
        .client
        .hang_up();
    alice.client.hang_up();
}

fn same_order(server: &Server) {
    let [alice, bob, carol, dora] = lobby(server, ["alice", "bob", "carol", "dora"]);
    let lines = |name: &str| (10..60).map(|n| format!("{name}{n}\n")).collect::<String>();
    let heard = |name: &str| {
        (10..60)
            .map(|n| format!("{name}: {n}\n"))
            .collect::<String>()
    };
    let (of_alice, of_bob) = (heard(&alice.name), heard(&bob.name));
    let (alice, bob) = server.frozen(|| (alice.client.send(lines("")), bob.client.send(lines(""))));
    alice.expect(&of_bob).hang_up();
    bob.expect(&of_alice).hang_up();
    let all = of_alice.len() + of_bob.len();
    let (carol, at_carol) = carol.client.read_exactly(all);
    let (dora, at_dora) = dora.client.read_exactly(all);
    if at_carol != at_dora {
        let expected = "the same lines in the same order for two who only listen";
        Failure::new(expected, "another order for each").raise();
    }
    carol.hang_up();
    dora.hang_up();
}

/// What is said in one go, and what the others hear then: fewer lines than must be able to wait.
fn much(name: &str) -> (String, String) {
    let line = "x".repeat(500);
    (
        format!("{line}\n").repeat(32),
        format!("{name}: {line}\n").repeat(32),
    )
}

fn slow(server: &Server) {
    let [alice, bob] = lobby(server, ["alice", "bob"]);
    let before = descriptors(server);
    let (slow, carol) = (name(server, "slow"), name(server, "carol"));
    // It comes between bob and carol: whoever tells one after the other of them tells it in between.
    let stuck = comes(server, &slow);
    let carol = enters(server, &carol);
    let joined = format!("* {} joined lobby", carol.name);
    let (alice, bob) = (alice.hears(&joined), bob.hears(&joined));
    let stuck = joins(stuck, &slow);
    let (joined, left) = (
        format!("* {slow} joined lobby"),
        format!("* {slow} left lobby"),
    );
    let [alice, bob, carol] = [alice, bob, carol].map(|guest| guest.hears(&joined));
    let (much, heard) = much(&alice.name);
    let listeners = [bob.client, carol.client];
    let (client, listeners) =
        alice
            .client
            .talk_until_told(much.as_bytes(), listeners, heard.as_bytes(), &left);
    let client = client.expect_line(&left).send("still here\n");
    let still_here = format!("{}: still here", alice.name);
    let [bob, gone] = listeners.map(|listener| listener.expect_line(&still_here));
    gone.hang_up();
    let left = format!("* {} left lobby", carol.name);
    let (client, bob) = (client.expect_line(&left), bob.expect_line(&left));
    are_gone(server, before);
    let again = joins(server.connect_as("again").expect_line(WHO_ARE_YOU), &slow);
    client.expect_line(&joined).hang_up();
    bob.expect_line(&joined).hang_up();
    again.client.hang_up();
    stuck.client.hang_up();
}

fn stopped(server: &Server) {
    let [alice, bob] = lobby(server, ["alice", "bob"]);
    let bob = bob.moves("kitchen");
    let alice = alice.hears(&format!("* {} left lobby", bob.name));
    let unnamed = comes(server, "unnamed");
    server.interrupt();
    for client in [alice.client, bob.client, unnamed] {
        client.expect_line(STOPPING).expect_end();
    }
    server.expect_exit(0);
}

fn stopped_though_stuck(server: &Server) {
    let [alice, bob, slow] = lobby(server, ["alice", "bob", "slow"]);
    let (much, heard) = much(&alice.name);
    let (alice, bob) =
        alice
            .client
            .talk_until_stuck(much.as_bytes(), bob.client, heard.as_bytes(), &slow.client);
    server.interrupt();
    alice.expect_line(STOPPING).expect_end();
    bob.expect_line(STOPPING).expect_end();
    server.expect_exit(0);
    slow.client.hang_up();
}
