//! The request that begins a conversation, and all that is answered to others.

use harness::{Check, Client, Server};

use crate::wire::{
    HEAD, KEY, TEXT, WELCOME, closes_well, frame, from_server, handshake, is_echoed, request,
    serves_the_next, talk,
};

const BAD: &str = "400 Bad Request";
const TOO_LARGE: &str = "431 Request Header Fields Too Large";
const UPGRADE_REQUIRED: &str = "426 Upgrade Required";
const NOT_ALLOWED: &str = "405 Method Not Allowed";

pub fn checks() -> Vec<Check> {
    let mut checks = good();
    checks.extend(bad_http());
    checks.extend(limits());
    checks.extend(bad_handshakes());
    checks.extend(pages_that_may());
    checks.extend(pages_that_may_not());
    checks
}

fn good() -> Vec<Check> {
    vec![
        Check::new("a message comes back after the handshake", |server| {
            closes_well(is_echoed(talk(server, "/"), "hello"));
        })
        .notice("A request in HTTP, an answer in HTTP, and from then on frames. What the client sends is masked."),
        Check::new("a handshake may arrive byte by byte", |server| {
            let client = server.connect().send_byte_by_byte(handshake("/"));
            closes_well(client.expect(WELCOME));
        }),
        Check::new("frames that come with the handshake are heard", |server| {
            let together = [handshake("/").into_bytes(), frame(TEXT, "hurry")];
            let client = server.connect().send_together(&together).expect(WELCOME);
            closes_well(client.expect(from_server(TEXT, "hurry")));
        }),
        Check::new("fields may be lists, in several lines, in any case", lists)
            .teaches("The case of a field's name does not matter, nor that of these words (RFC 9110, section 5.1)."),
        Check::new("a plain GET gets the page", |server| {
            let head = ["GET / HTTP/1.1", "Host: localhost:9000", "Connection: keep-alive"];
            is_the_page(server.connect().send(request(&head)));
        }),
        Check::new("HTTP/1.0 gets the page, and has no upgrade", |server| {
            let head = ["GET / HTTP/1.0", "Upgrade: websocket"];
            is_the_page(server.connect().send(request(&head)));
            let client = server.connect().send(request(&["GET /chat HTTP/1.0"]));
            is_refused(client, UPGRADE_REQUIRED, "here one speaks WebSocket\n");
        }),
    ]
}

fn lists(server: &Server) {
    let head = [
        "GET /?from=here HTTP/1.1",
        "HOST: 127.0.0.1",
        "upgrade: h2c, WebSocket",
        "connection: keep-alive",
        "CONNECTION: close,uPGRADE",
        KEY,
        "sec-websocket-version: 13",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Protocol: soap",
    ];
    closes_well(server.connect().send(request(&head)).expect(WELCOME));
}

#[track_caller]
fn is_the_page(client: Client) {
    let page = include_str!("../../src/page.html");
    let client = client.expect(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; connect-src 'self'; ",
        page.len()
    ));
    // Whether the rest of the policy fits the page is seen in a browser.
    let (client, _) = client.read_until(b"\r\n");
    let client = client.expect(format!("Connection: close\r\n\r\n{page}"));
    client.expect_end();
}

#[track_caller]
fn is_refused(client: Client, status: &str, words: &str) {
    let fields = match &status[..3] {
        "405" => "Allow: GET\r\n",
        "426" => "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        _ => "",
    };
    let length = words.len();
    let client = client.expect(format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         {fields}Connection: close\r\n\r\n{words}"
    ));
    client.expect_end();
}

/// A check that this request is refused, and that the server lives on.
fn refused(title: &str, request: String, status: &'static str, words: &'static str) -> Check {
    Check::new(title, move |server| {
        is_refused(server.connect().send(&request), status, words);
        serves_the_next(server);
    })
}

/// A handshake with this instead of its line of that number.
fn with(number: usize, line: &str) -> String {
    let mut head = HEAD;
    head[number] = line;
    request(&head)
}

/// A handshake without its line of that number.
fn without(number: usize) -> String {
    request(&[&HEAD[..number], &HEAD[number + 1..]].concat())
}

/// A handshake with one more line.
fn and(line: &str) -> String {
    request(&[&HEAD[..], &[line]].concat())
}

#[rustfmt::skip]
fn bad_http() -> Vec<Check> {
    let host = "a request names its host, once\n";
    let (get, upgrade) = (request(&["GET /chat HTTP/1.1", HEAD[1]]), "here one speaks WebSocket\n");
    vec![
        refused("another path is not found", handshake("/nowhere"), "404 Not Found", "here are /, /clock and /chat\n"),
        refused("a HEAD is not allowed, and gets no document", with(0, "HEAD / HTTP/1.1"), NOT_ALLOWED, ""),
        refused("another method is not allowed", with(0, "POST / HTTP/1.1"), NOT_ALLOWED, "only GET is answered\n"),
        refused("a request without a host is bad", without(1), BAD, host),
        refused("a request with two hosts is bad", and("Host: elsewhere"), BAD, host),
        refused("what is no HTTP is bad", "hello\r\n\r\n".to_owned(), BAD, "this is too long, or not HTTP/1.1\n"),
        refused("a chat without an upgrade is told to upgrade", get, UPGRADE_REQUIRED, upgrade),
    ]
}

fn limits() -> Vec<Check> {
    let much = "x".repeat(9000);
    let cookie = format!("GET / HTTP/1.1\r\nCookie: {much}");
    let fields: Vec<String> = (0..70).map(|number| format!("X-{number}: x")).collect();
    let too_long = |title: &str, request: String, status| {
        refused(
            title,
            request,
            status,
            "this is too long, or not HTTP/1.1\n",
        )
    };
    vec![
        too_long(
            "a first line that is too long is refused",
            format!("GET /{much}"),
            "414 URI Too Long",
        ),
        too_long("a head that is too long is refused", cookie, TOO_LARGE),
        too_long(
            "a head with too many fields is refused",
            and(&fields.join("\r\n")),
            TOO_LARGE,
        ),
        Check::new("half a request is bad", |server| {
            let client = server
                .connect()
                .send("GET / HTTP/1.1\r\nHo")
                .finish_sending();
            is_refused(client, BAD, "the request has no end\n");
        }),
        Check::new("a request that takes too long is given up", |server| {
            let client = server.connect().send("GET / ");
            is_refused(client, "408 Request Timeout", "the request took too long\n");
        })
        .arguments(["--timeout", "1"]),
    ]
}

#[rustfmt::skip]
fn bad_handshakes() -> Vec<Check> {
    let version = "this server speaks version 13\n";
    let draft = with(5, "Sec-WebSocket-Version: 8");
    let (connection, no_option) = (with(3, "Connection: keep-alive"), "Connection does not say upgrade\n");
    let key = "Sec-WebSocket-Key is not base64 of 16 bytes\n";
    let body = "a body, where frames are to come\n";
    vec![
        refused("an upgrade that Connection does not name is bad", connection, BAD, no_option),
        refused("another version is told which one is spoken", draft, UPGRADE_REQUIRED, version),
        refused("no version is told which one is spoken", without(5), UPGRADE_REQUIRED, version),
        refused("a handshake without a key is bad", without(4), BAD, key),
        refused("a handshake with two keys is bad", and(KEY), BAD, key),
        refused("a key that is not base64 is bad", with(4, "Sec-WebSocket-Key: ~~~~~~~~~~~~~~~~~~~~~~=="), BAD, key),
        refused("a key of 15 bytes is bad", with(4, "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1"), BAD, key),
        refused("a handshake with a body is bad", and("Content-Length: 5"), BAD, body),
        refused("a handshake with a body in chunks is bad", and("Transfer-Encoding: chunked"), BAD, body),
    ]
}

/// The handshake of a page of this origin, which was told to ask this host.
fn of_page(host: &str, origin: &str) -> String {
    with(1, &format!("Host: {host}\r\nOrigin: {origin}")).replace("GET /", "GET /chat")
}

fn may(title: &str, host: &str, origin: &str) -> Check {
    let request = of_page(host, origin);
    let allow = [
        "--allow-origin",
        "https://chat.example",
        "--allow-origin",
        "null",
    ];
    Check::new(title, move |server| {
        closes_well(server.connect().send(&request).expect(WELCOME));
    })
    .arguments(allow)
}

fn may_not(title: &str, host: &str, origin: &str) -> Check {
    let words = "a page from elsewhere: see --allow-origin\n";
    refused(title, of_page(host, origin), "403 Forbidden", words)
}

fn pages_that_may() -> Vec<Check> {
    vec![
        may(
            "the server's own page may talk",
            "127.0.0.1:9000",
            "http://127.0.0.1:9000",
        ),
        may(
            "its page by the name localhost may talk",
            "localhost:9000",
            "http://localhost:9000",
        ),
        may(
            "its page by an address of IPv6 may talk",
            "[::1]:9000",
            "http://[::1]:9000",
        ),
        may(
            "its page by an address without a port may talk",
            "[::1]",
            "http://[::1]",
        ),
        may(
            "a page of an origin that it was told may talk",
            "127.0.0.1",
            "https://chat.example",
        ),
        may(
            "a page of the second origin that it was told may talk",
            "chat.example",
            "null",
        ),
    ]
}

#[rustfmt::skip]
fn pages_that_may_not() -> Vec<Check> {
    let (host, named) = ("evil.example:9000", "http://evil.example:9000");
    let two = "http://127.0.0.1\r\nOrigin: http://127.0.0.1";
    vec![
        may_not("a page of another site may not talk", "127.0.0.1:9000", "https://elsewhere.example")
            .notice("A browser lets any page try, and says which one it was. It is for the server to refuse."),
        may_not("a page of another port may not talk", "127.0.0.1:9000", "http://127.0.0.1:8080"),
        may_not("a page that came by a name which leads here may not talk", host, named)
            .teaches("Whoever owns a name can let it lead to 127.0.0.1 (DNS rebinding)."),
        may_not("a page without an origin to speak of may not talk", "127.0.0.1:9000", "null"),
        may_not("a page with two origins may not talk", "127.0.0.1", two),
        may_not("an origin that differs in its scheme may not talk", "chat.example", "http://chat.example")
            .arguments(["--allow-origin", "https://chat.example"]),
    ]
}
