//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Client, Excerpt, Failure, Server, Suite, escape_controls, splits};

/// What other checks stand on.
const FRONT_PAGE: &str = "the front page comes: a head, and then its bytes";
const DOCUMENTS_COME: &str = "every document comes with its type, its length and every byte";
const PIECES: &str = "a head that arrives in pieces is answered once it is whole";
const KEPT_ALIVE: &str = "one connection carries request after request";

fn main() -> ExitCode {
    Suite::new("pages", env!("CARGO_BIN_EXE_pages"))
        .replayed_by("just replay pages {check} --seed {seed}")
        .page("docs/src/steps/http.md", "Where a request ends")
        .check(
            Check::new(FRONT_PAGE, front_page)
                .points(2)
                .teaches("An answer is a status line, fields, and an empty line, each ended by \"\\r\\n\"; then the body (RFC 9112, section 2.1). Content-Length says how many bytes that is: a client knows of no other end, as the connection stays open."),
        )
        .check(
            Check::new(DOCUMENTS_COME, every_document)
                .points(2)
                .needs(FRONT_PAGE)
                .page("docs/src/steps/receive.md", "Bytes, not characters")
                .teaches("Content-Length counts bytes (RFC 9110, section 8.6), and some characters take several. A picture is no text at all, a document may be empty, and after the last byte of a body nothing follows."),
        )
        .check(
            Check::new(PIECES, in_pieces)
                .points(2)
                .needs(DOCUMENTS_COME)
                .page("docs/src/steps/receive.md", "A piece is not a message")
                .teaches("A read returns what has arrived by then. A head is whole when its empty line is there, \"\\r\\n\\r\\n\" as a whole: answer then, and not before."),
        )
        .check(
            Check::new(KEPT_ALIVE, one_after_the_other)
                .points(2)
                .needs(DOCUMENTS_COME)
                .teaches("In HTTP/1.1 a connection stays open unless somebody says otherwise (RFC 9112, section 9.3): a page with twenty pictures needs no twenty connections. Answer, and read the next head."),
        )
        .check(
            Check::new("requests that arrive together are answered in their order", together)
                .points(2)
                .needs(KEPT_ALIVE)
                .page("docs/src/steps/respond.md", "A message needs a border")
                .teaches("A client may send requests without waiting for answers (pipelining; RFC 9112, section 9.3.2), and one read may bring two and a half of them. What follows a head is the start of the next: keep it."),
        )
        .check(
            Check::new("HEAD gets the head of the answer, and no body", head_only)
                .points(1)
                .needs(KEPT_ALIVE)
                .teaches("The answer to HEAD has the fields that the answer to GET would have, its length too, and ends with the empty line (RFC 9110, section 9.3.2). A body after it is taken for the next answer."),
        )
        .check(
            Check::new("a page that is not there gets 404", not_found)
                .points(1)
                .needs("HEAD gets the head of the answer, and no body")
                .teaches("A status tells programs what came of it (RFC 9110, section 15): a 200 with sad words in it is a success to them. A 404 is an answer like any other: with a length, and the conversation goes on."),
        )
        .check(
            Check::new("a method that is not allowed gets 405, and those that are", not_allowed)
                .points(1)
                .needs(KEPT_ALIVE)
                .teaches("A 405 must say in the field Allow which methods there are (RFC 9110, section 15.5.6). Here these are GET and HEAD."),
        )
        .check(
            Check::new("a head that is only odd is served, a wrong one is refused", odd_and_wrong)
                .points(2)
                .needs(DOCUMENTS_COME)
                .teaches("The name of a field is the same in any case, its value may hold any byte (RFC 9110, sections 5.1 and 5.5), and HTTP/1.1 has one Host (RFC 9112, section 3.2). A head that can be read in two ways is refused: two servers that read it differently can be played off against each other. Where the next request begins is not certain then, so the connection ends, and the answer says so: \"Connection: close\"."),
        )
        .check(
            Check::new("Connection: close and HTTP/1.0 end the connection after the answer", last_requests)
                .points(2)
                .needs(DOCUMENTS_COME)
                .teaches("The client may say that this request is its last, and before HTTP/1.1 each was (RFC 9112, sections 9.3 and 9.6). Answer it, say \"Connection: close\" as well, read no further request, and end the connection."),
        )
        .check(
            Check::new("a body that nobody asked for is no request", bodies)
                .points(2)
                .needs("a method that is not allowed gets 405, and those that are")
                .teaches("Any request may bring a body: Content-Length bytes after the head, whatever the method (RFC 9112, section 6.3). Who does not read it takes its bytes for the next request, and lets a client smuggle one past a proxy. What is too long to be read, or in a framing that you do not know, ends the connection."),
        )
        .check(
            Check::new("a head of 8192 bytes is served, a longer one is refused", too_long)
                .points(1)
                .needs(PIECES)
                .page("docs/src/steps/respond.md", "A message needs a border")
                .teaches("A server that waits for an empty line that never comes keeps all that is sent: any client can fill its memory. The limit counts the whole head, from its first byte to the end of its empty line (431; RFC 6585, section 5)."),
        )
        .run()
}

/// What the server has, as it must come.
struct Document {
    path: &'static str,
    media_type: &'static str,
    body: &'static [u8],
}

const DOCUMENTS: [Document; 4] = [
    Document {
        path: "/",
        media_type: "text/html; charset=utf-8",
        body: b"<!doctype html>\n<title>Pages</title>\n\
            <p><img src=\"/dot.gif\" alt=\"\" width=\"12\"> Read <a href=\"/menu.txt\">the menu</a>.\n",
    },
    Document {
        path: "/menu.txt",
        media_type: "text/plain; charset=utf-8",
        body: "café 2,40 €\nthé 2,10 €\n".as_bytes(),
    },
    Document {
        path: "/dot.gif",
        media_type: "image/gif",
        body: b"GIF89a\x01\0\x01\0\x80\0\0\xd0\x40\x20\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;",
    },
    Document {
        path: "/empty.txt",
        media_type: "text/plain; charset=utf-8",
        body: b"",
    },
];

/// All documents, in an order that nobody can know beforehand.
fn shuffled(random: &mut fastrand::Rng) -> [&'static Document; 4] {
    let mut documents = DOCUMENTS.each_ref();
    random.shuffle(&mut documents);
    documents
}

/// Letters that nobody can know beforehand.
fn letters(random: &mut fastrand::Rng, length: usize) -> String {
    std::iter::repeat_with(|| random.lowercase())
        .take(length)
        .collect()
}

fn word(random: &mut fastrand::Rng) -> String {
    let length = random.usize(4..10);
    letters(random, length)
}

/// A request, with these lines after the first.
fn request(line: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{line}\r\n{fields}\r\n")
}

const HOST: &str = "Host: pages.test";

fn get(document: &Document) -> String {
    request(&format!("GET {} HTTP/1.1", document.path), &[HOST])
}

/// The lines of an answer's head, fit to be shown.
struct Head(Vec<String>);

impl Head {
    fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.0.iter().filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }

    #[track_caller]
    fn expect(&self, name: &str, value: &str) {
        if self.values(name) != [value] {
            self.fail(name, &format!("{name}: {value}"));
        }
    }

    /// Expects a list that has each of these words in it, in whatever case and order.
    #[track_caller]
    fn expect_list(&self, name: &str, words: &[&str]) {
        let values = self.values(name).join(",");
        let has = |word: &&str| {
            let mut there = values.split(',').map(str::trim);
            there.any(|value| value.eq_ignore_ascii_case(word))
        };
        if !words.iter().all(has) {
            self.fail(name, &format!("{name}: {}", words.join(", ")));
        }
    }

    #[track_caller]
    fn fail(&self, name: &str, expected: &str) -> ! {
        let got = match self.values(name)[..] {
            [] => format!("a head without {name}:\n{}", self.0.join("\n")),
            [value] => format!("{name}: {value}"),
            _ => format!("it more than once:\n{}", self.0.join("\n")),
        };
        Failure::new(format!("the field \"{expected}\""), got).raise()
    }
}

/// Reads the head of an answer, which must have this status.
#[track_caller]
fn read_head(client: Client, status: &str) -> (Client, Head) {
    let (client, bytes) = client.read_until(b"\r\n\r\n");
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix("\r\n\r\n").unwrap_or(&text);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let begins = format!("HTTP/1.1 {status} ");
    if !first.starts_with(&begins) {
        let expected = format!("an answer that begins with {:?}", begins);
        Failure::new(expected, Excerpt::of(&bytes).to_string()).raise();
    }
    if let Some(odd) = lines.find(|line| !line.contains(':') || line.contains('\n')) {
        let expected = "fields, each \"Name: value\" and \"\\r\\n\"";
        Failure::new(expected, Excerpt::of(odd.as_bytes()).to_string()).raise();
    }
    let head = text.split("\r\n").map(escape_controls).collect();
    (client, Head(head))
}

#[track_caller]
fn served_with_head(client: Client, document: &Document) -> (Client, Head) {
    let (client, head) = read_head(client, "200");
    head.expect("Content-Type", document.media_type);
    head.expect("Content-Length", &document.body.len().to_string());
    (client.expect(document.body), head)
}

#[track_caller]
fn served(client: Client, document: &Document) -> Client {
    served_with_head(client, document).0
}

/// The document, a word that it was the last one, and the end.
#[track_caller]
fn served_last(client: Client, document: &Document) {
    let (client, head) = served_with_head(client, document);
    head.expect_list("Connection", &["close"]);
    client.expect_end();
}

/// An answer with this status, and its body, whatever that says.
#[track_caller]
fn answered(client: Client, status: &str) -> (Client, Head) {
    let (client, head) = read_head(client, status);
    let length = match head.values("Content-Length")[..] {
        [length] => length.parse().ok(),
        _ => None,
    };
    // A few words to a person are never longer.
    let Some(length) = length.filter(|length| *length <= 1 << 16) else {
        head.fail("Content-Length", "Content-Length: NUMBER")
    };
    let (client, _body) = client.read_exactly(length);
    (client, head)
}

/// An answer with this status, a word that it is the last one, and the end.
#[track_caller]
fn refused(client: Client, status: &str) {
    let (client, head) = answered(client, status);
    head.expect_list("Connection", &["close"]);
    client.expect_end();
}

fn front_page(server: &Server) {
    let [page, ..] = &DOCUMENTS;
    served(server.connect().send(get(page)), page).hang_up();
}

fn every_document(server: &Server) {
    for document in shuffled(&mut server.random()) {
        let client = server.connect_as(document.path).send(get(document));
        served(client, document).finish_sending().expect_end();
    }
}

fn in_pieces(server: &Server) {
    let random = &mut server.random();
    let [document, other, ..] = shuffled(random);
    let field = format!("X-Word: {}", word(random));
    let request = request(&format!("GET {} HTTP/1.1", document.path), &[HOST, &field]);
    let pieces: Vec<_> = splits(request.as_bytes()).collect();
    for (start, rest) in pieces.into_iter().rev() {
        let client = server.connect().send(start).pause().send(rest);
        served(client, document).finish_sending().expect_end();
    }
    // All but the last byte: not yet.
    let request = get(other);
    let (start, last) = request.split_at(request.len() - 1);
    let client = server.connect().send_byte_by_byte(start).expect_silence();
    served(client.send(last), other)
        .finish_sending()
        .expect_end();
}

fn one_after_the_other(server: &Server) {
    let mut client = server.connect();
    for document in shuffled(&mut server.random()) {
        client = served(client.send(get(document)), document);
    }
    client.finish_sending().expect_end();
}

fn together(server: &Server) {
    let random = &mut server.random();
    let [one, other, third, last] = shuffled(random);
    let third_request = get(third);
    let (start, rest) = third_request.split_at(random.usize(1..third_request.len()));
    let client = server
        .connect()
        .send_together(&[&get(one), &get(other), start]);
    let client = served(served(client, one), other).send(rest);
    let client = served(client, third).send(get(last)).finish_sending();
    served(client, last).expect_end();
}

fn head_only(server: &Server) {
    let random = &mut server.random();
    let document = &DOCUMENTS[random.usize(..3)];
    let head = request(&format!("HEAD {} HTTP/1.1", document.path), &[HOST]);
    let (client, head) = read_head(server.connect().send(head), "200");
    head.expect("Content-Type", document.media_type);
    head.expect("Content-Length", &document.body.len().to_string());
    let [next, ..] = shuffled(random);
    served(client.send(get(next)), next)
        .finish_sending()
        .expect_end();
}

fn not_found(server: &Server) {
    let random = &mut server.random();
    let mut client = server.connect();
    for path in [
        format!("/{}.txt", word(random)),
        format!("/menu.txt/{}", word(random)),
    ] {
        client = client.send(request(&format!("GET {path} HTTP/1.1"), &[HOST]));
        client = answered(client, "404").0;
    }
    // The answer to HEAD has no body, whatever it says.
    let head = format!("HEAD /{} HTTP/1.1", word(random));
    let (client, _) = read_head(client.send(request(&head, &[HOST])), "404");
    let [next, ..] = shuffled(random);
    served(client.send(get(next)), next)
        .finish_sending()
        .expect_end();
}

fn not_allowed(server: &Server) {
    let random = &mut server.random();
    let [document, next, ..] = shuffled(random);
    let mut methods = ["DELETE", "POST", "PUT"];
    random.shuffle(&mut methods);
    let mut client = server.connect();
    for method in methods {
        let line = format!("{method} {} HTTP/1.1", document.path);
        client = client.send(request(&line, &[HOST, "Content-Length: 0"]));
        let head;
        (client, head) = answered(client, "405");
        head.expect_list("Allow", &["GET", "HEAD"]);
    }
    served(client.send(get(next)), next)
        .finish_sending()
        .expect_end();
}

fn odd_and_wrong(server: &Server) {
    let random = &mut server.random();
    let [document, ..] = shuffled(random);
    let line = format!("GET {} HTTP/1.1", document.path);
    let word = word(random);
    for (name, field) in [
        ("any case", b"hOsT: pages.test".as_slice()),
        ("no space", b"Host:pages.test"),
        // Latin-1: not every client speaks UTF-8.
        ("no UTF-8", b"Host: pages.test\r\nX-Word: caf\xe9"),
    ] {
        let head = [
            line.as_bytes(),
            b"\r\n",
            field,
            b"\r\nX-Word: ",
            word.as_bytes(),
            b"\r\n\r\n",
        ]
        .concat();
        let client = served(server.connect_as(name).send(head), document);
        client.finish_sending().expect_end();
    }
    for (name, line, fields, status) in [
        ("no Host", line.as_str(), &[][..], "400"),
        ("no Host, last", &line, &["Connection: close"], "400"),
        ("two Hosts", &line, &[HOST, "Host: other.test"], "400"),
        (
            "two words",
            line.trim_end_matches(" HTTP/1.1"),
            &[HOST],
            "400",
        ),
        ("no colon", &line, &[HOST, "nonsense"], "400"),
        ("X-Word :", &line, &[HOST, "X-Word : nonsense"], "400"),
        ("HTTP/2.0", &line.replace("1.1", "2.0"), &[HOST], "505"),
    ] {
        refused(server.connect_as(name).send(request(line, fields)), status);
    }
}

fn last_requests(server: &Server) {
    let random = &mut server.random();
    let [document, other, next, _] = shuffled(random);
    let line = format!("GET {} HTTP/1.1", document.path);
    let last = request(&line, &[HOST, "connection: Close"]);
    // What follows it is no concern of the server any more.
    let client = server.connect_as("close").send_together(&[last, get(next)]);
    served_last(client, document);
    let old = request(&format!("GET {} HTTP/1.0", other.path), &[]);
    served_last(server.connect_as("HTTP/1.0").send(old), other);
}

fn bodies(server: &Server) {
    let random = &mut server.random();
    let [document, other, next, _] = shuffled(random);
    let body = request(&format!("GET /{} HTTP/1.1", word(random)), &[HOST]);
    let length = format!("Content-Length: {}", body.len());
    let with = |document: &Document, field: &str| {
        request(&format!("GET {} HTTP/1.1", document.path), &[HOST, field])
    };
    // With its head, and what follows it.
    let client = server.connect_as("body").send_together(&[
        with(document, &length),
        body.clone(),
        get(next),
    ]);
    let client = served(served(client, document), next);
    // Whatever the method.
    let posts = format!("POST {} HTTP/1.1", document.path);
    let client = client.send_together(&[request(&posts, &[HOST, &length]), body.clone()]);
    let client = served(answered(client, "405").0.send(get(next)), next);
    // After its head, in two pieces.
    let (start, rest) = body.split_at(random.usize(1..body.len()));
    let client = client
        .send(with(other, &length))
        .pause()
        .send(start)
        .pause();
    let client = client.send_together(&[rest, &get(next)]);
    let client = served(served(client, other), next);
    // As long as may be.
    let long = letters(random, 65_536);
    let longest = with(document, "Content-Length: 65536");
    let client = client.send_together(&[longest, long, get(next)]);
    served(served(client, document), next)
        .finish_sending()
        .expect_end();
    for (name, field, status) in [
        ("65537", "Content-Length: 65537", "413"),
        ("many", "Content-Length: many", "400"),
        (
            "two lengths",
            "Content-Length: 5\r\nContent-Length: 6",
            "400",
        ),
        ("chunked", "Transfer-Encoding: chunked", "501"),
    ] {
        let client = server
            .connect_as(name)
            .send(with(document, field) + &get(next));
        refused(client, status);
    }
}

fn too_long(server: &Server) {
    let random = &mut server.random();
    let [document, ..] = shuffled(random);
    let mut head = |length: usize| {
        let line = format!("GET {} HTTP/1.1", document.path);
        let room = length - request(&line, &[HOST, "X-Letters: "]).len();
        let field = format!("X-Letters: {}", letters(random, room));
        request(&line, &[HOST, &field])
    };
    let client = served(server.connect_as("fits").send(head(8192)), document);
    client.finish_sending().expect_end();
    refused(server.connect_as("too long").send(head(8193)), "431");
    let endless = head(8193 + "\r\n\r\n".len());
    refused(server.connect_as("endless").send(endless.trim_end()), "431");
}
