//! What a document server says, to clients that keep to the protocol and to those that do not.

#[path = "conversation/site.rs"]
mod site;

use std::fs::File;
use std::net::Ipv6Addr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use harness::{Check, Client, Failure, Server, Suite};

use site::{
    HTML, HUGE, Http, MODIFIED, NOTES, NOTES_LENGTH, PLAIN, RANGES, STAYS, Site, get, large,
    request,
};

const NOT_FOUND: &str = "404 Not Found: there is no such document";
const BAD_REQUEST: &str = "400 Bad Request: this is no request of HTTP/1.1 or HTTP/1.0";
const TOO_LATE: &str = "408 Request Timeout: the rest of the request did not come in time";
const TOO_LARGE: &str = "413 Content Too Large: the body of the request is too large";
const NOT_IMPLEMENTED: &str = "501 Not Implemented: this server does not know what that means";
/// The head of the response with `notes.txt`, if it is the last.
const LAST: [&str; 5] = [PLAIN, RANGES, MODIFIED, NOTES_LENGTH, "Connection: close"];

fn main() -> ExitCode {
    let site = Site::new();
    Suite::new("http", env!("CARGO_BIN_EXE_http"))
        .replayed_by(concat!(
            "cargo test -p http@",
            env!("CARGO_PKG_VERSION"),
            " --test conversation -- --show --exact {check} --seed {seed}"
        ))
        .page("docs/src/steps/http.md", "What is said")
        .check(site.check("says where it listens", Server::expect_listens_as_told))
        .checks(dialogue(&site))
        .checks(documents(&site))
        .checks(directories(&site))
        .checks(refusals(&site))
        .checks(bodies(&site))
        .checks(outside(&site))
        .checks(patience(&site))
        .checks(rudeness(&site))
        .checks(endings(&site))
        .run()
}

// ---- The dialogue: where a request ends, and what comes next.

fn dialogue(site: &Site) -> Vec<Check> {
    vec![
        site.check("a document is fetched", |server| {
            let client = server.connect().send(get("/notes.txt")).expect_text(NOTES);
            client.finish_sending().expect_end();
        })
        .notice("A line for the status, a line for each field, an empty line: the head. Content-Length says where the body ends."),
        site.check("a connection carries one request after the other", one_after_the_other).notice(
            "The connection stays open, also after an error: every response has an end, for its length is told.",
        ),
        site.check("requests that come together are answered in order", together).notice(
            "One read returned three requests. A server that forgets what stands behind the first leaves its client waiting.",
        ),
        site.check("a request that comes byte by byte is answered once", |server| {
            let client = server.connect().send_byte_by_byte(get("/notes.txt"));
            client.expect_text(NOTES).expect_silence().hang_up();
        }),
        site.check("a request may be cut anywhere", cut_anywhere),
        site.check("HEAD gets the head that GET gets, and no body", head),
        site.check("the last request says so", last_request),
        site.check("HTTP/1.0 closes the connection unless it is asked not to", old_version),
        site.check("an empty line before a request does not matter", |server| {
            let client = server.connect().send("\r\n").pause();
            client.send(get("/notes.txt")).expect_text(NOTES).hang_up();
        }),
        site.check("a request is one line in the log, whatever it says", logged),
    ]
}

fn one_after_the_other(server: &Server) {
    let client = server.connect().send(get("/notes.txt")).expect_text(NOTES);
    let client = client.send(get("/absent")).expect_words(NOT_FOUND);
    let client = client.send(get("/notes.txt")).expect_text(NOTES);
    client.finish_sending().expect_end();
}

fn together(server: &Server) {
    let requests = [get("/absent"), get("/notes.txt"), get("/absent")];
    let client = server.connect().send_together(&requests);
    let client = client.expect_words(NOT_FOUND).expect_text(NOTES);
    let client = client.expect_words(NOT_FOUND);
    client.finish_sending().expect_end();
}

fn cut_anywhere(server: &Server) {
    let mut client = server.connect();
    for (start, rest) in harness::splits(get("/notes.txt").as_bytes()) {
        client = client.send(start).pause().send(rest).expect_text(NOTES);
    }
    client.hang_up();
}

fn head(server: &Server) {
    let client = server.connect().send(request("HEAD", "/notes.txt", ""));
    let client = client.expect_head("200 OK", &[PLAIN, RANGES, MODIFIED, NOTES_LENGTH, STAYS]);
    let client = client.send(request("HEAD", "/absent", ""));
    let client = client.expect_head("404 Not Found", &[PLAIN, "Content-Length: 41", STAYS]);
    client
        .send(get("/absent"))
        .expect_words(NOT_FOUND)
        .hang_up();
}

fn last_request(server: &Server) {
    for field in ["Connection: close\r\n", "connection: te , CLOSE\r\n"] {
        let client = server.connect().send(request("GET", "/notes.txt", field));
        let client = client.expect_head("200 OK", &LAST).expect(NOTES);
        client.expect_end();
    }
}

fn old_version(server: &Server) {
    let client = server.connect().send("GET /notes.txt HTTP/1.0\r\n\r\n");
    client
        .expect_head("200 OK", &LAST)
        .expect(NOTES)
        .expect_end();
    let stays = "GET /notes.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    let client = server.connect().send(stays).expect_text(NOTES);
    client.send(stays).expect_text(NOTES).hang_up();
}

fn logged(server: &Server) {
    let client = server.connect().send(get("/notes.txt")).expect_text(NOTES);
    let address = client.address();
    let received = |what: &str| format!("received {what}");
    server.expect_line(&received(&format!(
        "44 bytes from {address}: \"GET /notes.txt HTTP/1.1\", answer: 200, 16 bytes"
    )));
    client.send("\x1b[2J\n\n").expect_last_words(BAD_REQUEST);
    server.expect_line(&received(&format!(
        "6 bytes from {address}: \"\\u{{1b}}[2J\", answer: 400, 60 bytes"
    )));
    server.expect_line(&format!("client {address} disconnected"));
}

// ---- Documents, and parts of them.

fn documents(site: &Site) -> Vec<Check> {
    vec![
        site.check("the end of a name tells the type", types),
        site.check("a large document comes whole", |server| {
            let client = server.connect().send(get("/large.txt"));
            let client = client.expect_text(&large());
            client.send(get("/notes.txt")).expect_text(NOTES).hang_up();
        }),
        site.check("an empty document is there, and empty", |server| {
            let client = server.connect().send(get("/empty.txt")).expect_text("");
            let range = request("GET", "/empty.txt", "Range: bytes=0-\r\n");
            client.send(range).expect_text("").hang_up();
        }),
        site.check("a target may have a query, and may be a whole URL", targets),
        site.check("what has not changed is not sent again", unchanged).notice(
            "The client said what it has. The answer is a head, and the document stays where it is.",
        ),
        site.check("a part of a document can be had", |server| {
            let client = server.connect().send(part("bytes=8-")).expect_answer(
                "206 Partial Content",
                &["Content-Range: bytes 8-15/16", PLAIN, RANGES, MODIFIED],
                "listen.\n",
            );
            client.finish_sending().expect_end();
        }).notice(
            "206 is a part of a document, and Content-Range says which. So a download that broke off can go on.",
        ),
        site.check("a part can be asked for in several ways", parts),
        site.check("a part that is not there is refused, and its size is told", no_parts),
        site.check("a range that makes no sense is ignored", ignored_ranges),
        site.check("a part of another version is no use", other_versions),
    ]
}

fn types(server: &Server) {
    let mut client = server.connect();
    for (name, kind) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.PNG", "image/png"),
        ("a.svg", "image/svg+xml"),
        ("a", "application/octet-stream"),
    ] {
        let kind = format!("Content-Type: {kind}");
        client = client.send(get(&format!("/types/{name}")));
        client = client.expect_answer("200 OK", &[&kind, RANGES, MODIFIED], name);
    }
    client.hang_up();
}

fn targets(server: &Server) {
    let mut client = server.connect();
    for target in [
        "/notes.txt?",
        "/notes.txt?a=/../b&c=?",
        "/n%6Ftes%2Etxt",
        "http://elsewhere:80/notes.txt?x",
        "HTTP://elsewhere/notes.txt",
    ] {
        client = client.send(get(target)).expect_text(NOTES);
    }
    let client = client.send(get("http://elsewhere"));
    let client = client.expect_answer("200 OK", &[HTML, RANGES, MODIFIED], "<p>Welcome</p>\n");
    client.hang_up();
}

fn unchanged(server: &Server) {
    let asks = |fields: &str| request("GET", "/notes.txt", fields);
    let mut client = server.connect();
    for date in [
        "Wed, 01 May 2024 12:00:00 GMT",
        "Thu, 02 May 2024 00:00:00 GMT",
        "Wednesday, 01-May-24 12:00:00 GMT", // old forms, which a server has to read (RFC 9110, section 5.6.7)
        "Wed May  1 12:00:00 2024",
    ] {
        client = client.send(asks(&format!("If-Modified-Since: {date}\r\n")));
        client = client.expect_head("304 Not Modified", &[MODIFIED, STAYS]);
    }
    for fields in [
        "If-Modified-Since: Wed, 01 May 2024 11:59:59 GMT\r\n",
        "If-Modified-Since: yesterday\r\n",
        "If-Modified-Since: Thu, 02 May 2024 00:00:00 GMT\r\nIf-None-Match: \"a\"\r\n",
    ] {
        client = client.send(asks(fields)).expect_text(NOTES);
    }
    client.hang_up();
}

/// Asks for a part of `notes.txt`.
fn part(range: &str) -> String {
    request("GET", "/notes.txt", &format!("Range: {range}\r\n"))
}

fn parts(server: &Server) {
    let mut client = server.connect();
    for (range, place, text) in [
        ("bytes=8-14", "8-14", "listen."),
        ("bytes=0-0", "0-0", "S"),
        ("Bytes=15-15", "15-15", "\n"),
        ("bytes=8-", "8-15", "listen.\n"),
        ("bytes=8-99999999999999999999999", "8-15", "listen.\n"),
        ("bytes=-1", "15-15", "\n"),
        ("bytes=-16", "0-15", NOTES),
        ("bytes=-99999999999999999999999", "0-15", NOTES),
    ] {
        let place = format!("Content-Range: bytes {place}/16");
        let fields = [&place, PLAIN, RANGES, MODIFIED];
        let client_with_part = client.send(part(range));
        client = client_with_part.expect_answer("206 Partial Content", &fields, text);
    }
    client.hang_up();
}

fn no_parts(server: &Server) {
    let words = "416 Range Not Satisfiable: the document does not have these bytes";
    let mut client = server.connect();
    for range in [
        "bytes=16-",
        "bytes=16-20",
        "bytes=99999999999999999999-",
        "bytes=-0",
    ] {
        let fields = [PLAIN, "Content-Range: bytes */16"];
        client = client.send(part(range));
        client = client.expect_answer("416 Range Not Satisfiable", &fields, &format!("{words}\n"));
    }
    client.hang_up();
}

fn ignored_ranges(server: &Server) {
    let mut client = server.connect();
    for range in [
        "bytes=0-1,4-5",
        "bytes=5-4",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=0x1-2",
        "lines=1-2",
        "1-2",
    ] {
        client = client.send(part(range)).expect_text(NOTES);
    }
    // Only GET knows ranges (RFC 9110, section 14.2).
    let client = client.send(request("HEAD", "/notes.txt", "Range: bytes=0-1\r\n"));
    client
        .expect_head("200 OK", &[PLAIN, RANGES, MODIFIED, NOTES_LENGTH, STAYS])
        .hang_up();
}

fn other_versions(server: &Server) {
    let asks = |version: &str| {
        let fields = format!("Range: bytes=0-1\r\nIf-Range: {version}\r\n");
        request("GET", "/notes.txt", &fields)
    };
    let mut client = server.connect();
    for other in [
        "Wed, 01 May 2024 11:59:59 GMT",
        "Thu, 02 May 2024 00:00:00 GMT",
        "\"tag\"",
    ] {
        client = client.send(asks(other)).expect_text(NOTES);
    }
    let client = client.send(asks("Wed, 01 May 2024 12:00:00 GMT"));
    let fields = ["Content-Range: bytes 0-1/16", PLAIN, RANGES, MODIFIED];
    client
        .expect_answer("206 Partial Content", &fields, "Se")
        .hang_up();
}

// ---- Directories.

fn directories(site: &Site) -> Vec<Check> {
    vec![
        site.check("a directory is shown by its index.html", |server| {
            let client = server.connect().send(get("/site/"));
            let fields = [HTML, RANGES, MODIFIED];
            client
                .expect_answer("200 OK", &fields, "<p>Hello</p>\n")
                .hang_up();
        }),
        site.check("a directory without a slash is elsewhere", redirects),
        site.check(
            "a directory without index.html is a page of links",
            listings,
        ),
        site.check("a document is no directory", |server| {
            let client = server.connect().send(get("/notes.txt/"));
            client.expect_words(NOT_FOUND).hang_up();
        }),
    ]
}

fn redirects(server: &Server) {
    let words = "301 Moved Permanently: the name of a directory ends in a slash\n";
    let mut client = server.connect();
    for (target, location) in [
        ("/site", "/site/"),
        ("/site?a=b", "/site/?a=b"),
        ("//site", "/site/"), // and not to a host of that name
        ("/names/deeper", "/names/deeper/"),
        ("/names/%64eeper/..?", "/names/deeper/../?"),
    ] {
        let location = format!("Location: {location}");
        client = client.send(get(target));
        client = client.expect_answer("301 Moved Permanently", &[PLAIN, &location], words);
    }
    client.hang_up();
}

fn listings(server: &Server) {
    let names = [
        ("../", "../"),
        ("100%25.txt", "100%.txt"),
        ("%3Cb%3E.txt", "&lt;b>.txt"),
        ("a%20%26%20b.txt", "a &amp; b.txt"),
        ("a%3Ab%23c%3Fd.txt", "a:b#c?d.txt"),
        ("deeper/", "deeper/"),
        ("%E6%96%87.txt", "文.txt"),
    ];
    let there = names
        .iter()
        .filter(|(link, _)| cfg!(unix) || !link.contains("%3"));
    let links: String = there
        .map(|(link, name)| format!("<li><a href=\"{link}\">{name}</a>\n"))
        .collect();
    let page = |path: &str, links: &str| {
        format!("{HEAD}<title>{path}</title>\n<h1>{path}</h1>\n<ul>\n{links}</ul>\n")
    };
    let client = server.connect().send(get("/names/"));
    let client = client.expect_answer("200 OK", &[HTML], &page("/names/", &links));
    let empty = page("/empty/", "<li><a href=\"../\">../</a>\n");
    let client = client.send(get("/empty/"));
    let mut client = client.expect_answer("200 OK", &[HTML], &empty);
    for (link, text) in [
        ("100%25", "percent"),
        ("a%20%26%20b", "and"),
        ("%E6%96%87", "text"),
    ] {
        client = client
            .send(get(&format!("/names/{link}.txt")))
            .expect_text(text);
    }
    client.hang_up();
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<style>
body { color-scheme: light dark; font: 1.1em/2 sans-serif; margin: 1em; overflow-wrap: anywhere }
</style>
"#;

// ---- Requests that get another answer than a document.

fn refusals(site: &Site) -> Vec<Check> {
    vec![
        site.check("a document that is not there is 404", |server| {
            let mut client = server.connect();
            for target in [
                "/absent",
                "/absent/",
                "/site/absent",
                "/notes.txt/absent",
                "/NOTES.TXT.",
                "/*",
            ] {
                client = client.send(get(target)).expect_words(NOT_FOUND);
            }
            client.hang_up();
        }),
        site.check(
            "documents are only read: other methods are refused",
            methods,
        ),
        site.check("a method that nobody knows is not implemented", |server| {
            let mut client = server.connect();
            for method in ["BREW", "get", "PROPFIND", "!"] {
                client = client
                    .send(request(method, "/notes.txt", ""))
                    .expect_words(NOT_IMPLEMENTED);
            }
            client.send(get("/notes.txt")).expect_text(NOTES).hang_up();
        }),
        site.check("exactly one host is named", hosts),
        site.check(
            "what is no request is told so, and ends the connection",
            nonsense,
        ),
        site.check(
            "a head that could be read in two ways is refused",
            doubtful_heads,
        ),
        site.check("another version of HTTP is refused", |server| {
            for line in [
                "GET / HTTP/2.0",
                "GET /notes.txt HTTP/0.9",
                "PRI * HTTP/2.0",
            ] {
                let client = server
                    .connect()
                    .send(format!("{line}\r\nHost: localhost\r\n\r\n"));
                client.expect_last_words(
                    "505 HTTP Version Not Supported: this server speaks HTTP/1.1 and HTTP/1.0",
                );
            }
        }),
        site.check("a head has a limit", large_heads),
    ]
}

fn methods(server: &Server) {
    let words = "405 Method Not Allowed: documents are here to be read, with GET or HEAD\n";
    let mut client = server.connect();
    for (method, target) in [
        ("POST", "/notes.txt"),
        ("PUT", "/absent"),
        ("DELETE", "/notes.txt"),
        ("PATCH", "/"),
        ("TRACE", "/"),
        ("OPTIONS", "*"),
        ("CONNECT", "localhost:80"),
    ] {
        client = client.send(request(method, target, ""));
        client = client.expect_answer(
            "405 Method Not Allowed",
            &[PLAIN, "Allow: GET, HEAD"],
            words,
        );
    }
    client.send(get("/notes.txt")).expect_text(NOTES).hang_up();
}

fn hosts(server: &Server) {
    for hosts in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a/b\r\n",
        "Host: a b\r\n",
        "Host: a@b\r\n",
    ] {
        let client = server
            .connect()
            .send(format!("GET /notes.txt HTTP/1.1\r\n{hosts}\r\n"));
        client.expect_last_words(BAD_REQUEST);
    }
    let mut client = server.connect();
    for host in [
        "",
        "example.org",
        "[::1]:9000",
        "127.0.0.1:9000",
        "under_score",
    ] {
        client = client.send(format!("GET /notes.txt HTTP/1.1\r\nhOST:{host} \r\n\r\n"));
        client = client.expect_text(NOTES);
    }
    client.hang_up();
}

fn nonsense(server: &Server) {
    for bytes in [
        &b"hello\n\n"[..],
        b"GET /notes.txt\r\n\r\n",
        b"GET notes.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET  /notes.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /notes.txt HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        b"GET /notes.txt HTTP/one\r\nHost: localhost\r\n\r\n",
        b"GET /notes.txt http/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // how TLS begins (RFC 8446, section 5.1)
    ] {
        server.connect().send(bytes).expect_last_words(BAD_REQUEST);
    }
    // Half a request, and the end.
    let client = server.connect().send("GET /notes.txt HTTP/1.1\r\n");
    client.finish_sending().expect_last_words(BAD_REQUEST);
}

/// What RFC 9112 forbids because servers and proxies have disagreed on it (sections 2.2, 5.1 and 5.2).
fn doubtful_heads(server: &Server) {
    for fields in [
        "X : a\r\n",
        " X: a\r\n",
        "X: a\r\n b\r\n",
        "X: a\rb\r\n",
        "X: a\0b\r\n",
        "X\r\n",
        ": a\r\n",
        "X\0: a\r\n",
    ] {
        let client = server.connect().send(request("GET", "/notes.txt", fields));
        client.expect_last_words(BAD_REQUEST);
    }
}

fn large_heads(server: &Server) {
    let too_large = "431 Request Header Fields Too Large: the head of the request is too large";
    let large = format!("X: {}\r\n", "x".repeat(20_000));
    for fields in [large, "X: y\r\n".repeat(100)] {
        let client = server.connect().send(request("GET", "/notes.txt", &fields));
        client.expect_last_words(too_large);
    }
    let client = server
        .connect()
        .send(get(&format!("/{}", "x".repeat(20_000))));
    client.expect_last_words("414 URI Too Long: no document has a name so long");
    // What is allowed: 8,000 bytes for the first line (RFC 9112, section 3), and many fields.
    let client = server
        .connect()
        .send(get(&format!("/notes.txt?{}", "x".repeat(8000))));
    let client = client.expect_text(NOTES);
    let fields = "X: y\r\n".repeat(99);
    client
        .send(request("GET", "/notes.txt", &fields))
        .expect_text(NOTES)
        .hang_up();
}

// ---- Bodies that nobody asked for, and where the next request begins.

fn bodies(site: &Site) -> Vec<Check> {
    vec![
        site.check("a body that nobody asked for is passed over", passed_over),
        site.check("a body that is too large ends the connection", too_large),
        site.check("a body without a length ends the connection after the answer", |server| {
            let chunks = "3\r\nabc\r\n0\r\n\r\n";
            let chunked = request("GET", "/notes.txt", "Transfer-Encoding: Chunked\r\n");
            let client = server.connect().send(chunked + chunks + &get("/absent"));
            client.expect_head("200 OK", &LAST).expect(NOTES).expect_end();
        }),
        site.check("a client that waits for 100 Continue is answered at once", |server| {
            let fields = "Content-Length: 3\r\nExpect: 100-continue\r\n";
            let client = server.connect().send(request("GET", "/notes.txt", fields));
            client.expect_head("200 OK", &LAST).expect(NOTES).expect_end();
        }),
        site.check("two lengths in one request are refused", two_lengths).notice(
            "By its length the body has 4 bytes, and then comes a second request. By its chunks that request is the \
             body. A proxy in front may have taken the other view, so neither is believed.",
        ),
        site.check("a length that is no number is refused", odd_lengths),
        site.check("an encoding that nobody knows is not implemented", |server| {
            for coding in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "\x0bchunked"] {
                let fields = format!("Transfer-Encoding: {coding}\r\n");
                let words = if coding.starts_with('\x0b') { BAD_REQUEST } else { NOT_IMPLEMENTED };
                let client = server.connect().send(request("GET", "/notes.txt", &fields));
                client.expect_last_words(words);
            }
        }),
    ]
}

fn passed_over(server: &Server) {
    let mut client = server.connect();
    let inner = get("/absent"); // a request inside a body is none
    for body in ["", "abc", &inner, &"x".repeat(1 << 16)] {
        let fields = format!("Content-Length: {}\r\n", body.len());
        let asks = request("GET", "/notes.txt", &fields);
        client = client.send(asks.clone() + body + &get("/empty.txt"));
        client = client.expect_text(NOTES).expect_text("");
        client = client.send(asks).pause().send(body).expect_text(NOTES);
    }
    client.hang_up();
}

fn too_large(server: &Server) {
    for length in [
        "65537",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        let fields = format!("Content-Length: {length}\r\n");
        let client = server.connect().send(request("POST", "/", &fields));
        client.expect_last_words(TOO_LARGE);
    }
    // It is read all the same for a while, so that nothing is reset and the answer comes through.
    let body = vec![b'x'; 8 << 20];
    let fields = format!("Content-Length: {}\r\n", body.len());
    let client = server.connect().send(request("POST", "/", &fields));
    let fields = [PLAIN, "Content-Length: 60", "Connection: close"];
    let client = client.expect_head("413 Content Too Large", &fields);
    let client = client.expect(format!("{TOO_LARGE}\n"));
    client.send_while_reading(&body, b"").expect_end();
}

fn two_lengths(server: &Server) {
    let hidden = get("/notes.txt"); // a request of 0x2c bytes
    let refused = |fields: &str| {
        let start = request("GET", "/notes.txt", fields);
        let client = server
            .connect()
            .send(format!("{start}2c\r\n{hidden}\r\n0\r\n\r\n"));
        client.expect_last_words(BAD_REQUEST);
    };
    refused("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n");
    refused("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n");
    refused("Content-Length: 4\r\nContent-Length: 55\r\n");
    refused("Content-Length: 4\r\ncontent-length: 4\r\n");
    refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n");
}

fn odd_lengths(server: &Server) {
    for length in [
        "", "-1", "+5", "5, 5", "5 5", "0x5", "5.0", "five", "\u{665}",
    ] {
        let fields = format!("Content-Length: {length}\r\n");
        let client = server.connect().send(request("GET", "/notes.txt", &fields));
        client.expect_last_words(BAD_REQUEST);
    }
    // In HTTP/1.0 there are no chunks (RFC 9112, section 6.1).
    let client = server
        .connect()
        .send("GET /notes.txt HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.expect_last_words(BAD_REQUEST);
}

// ---- Nothing outside the directory.

fn outside(site: &Site) -> Vec<Check> {
    let checks = vec![
        site.check("no path leads out of the directory", no_way_out)
            .notice("Each of these paths is a way to the file beside the directory, for a server that joins strings."),
        site.check("dots within the directory do no harm", |server| {
            let mut client = server.connect();
            for target in ["/site/../notes.txt", "/./notes.txt", "/site/%2e%2e/notes.txt", "//notes.txt"] {
                client = client.send(get(target)).expect_text(NOTES);
            }
            // Encoded twice it is only a name.
            let client = client.send(get("/%252e%252e"));
            let kind = "Content-Type: application/octet-stream";
            client.expect_answer("200 OK", &[kind, RANGES, MODIFIED], "a strange name").hang_up();
        }),
    ];
    #[cfg(unix)]
    let checks = checks.into_iter().chain(links_and_pipes(site)).collect();
    checks
}

fn no_way_out(server: &Server) {
    let mut client = server.connect();
    for target in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/site/../../secret.txt",
        "/site/%2e%2e/%2e%2e/secret.txt",
        "/./../secret.txt",
        "/..",
        "/../",
        "/../www/notes.txt",
        "/%252e%252e/secret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/....//secret.txt",
        "/.%00./secret.txt",
        "/notes.txt%00",
        "/%00",
        "/%ff%fe",
        "//etc/passwd",
        "///../secret.txt",
        "/C:/Windows/win.ini",
        "/file:///etc/passwd",
    ] {
        client = client.send(get(target)).expect_words(NOT_FOUND);
    }
    let long = format!("/{}", "x".repeat(5000));
    client.send(get(&long)).expect_words(NOT_FOUND).hang_up();
}

#[cfg(unix)]
fn links_and_pipes(site: &Site) -> Vec<Check> {
    use std::os::unix::fs::symlink;
    let link = |target: &str, name: &str| symlink(target, site.path(name)).expect("a link");
    link("../secret.txt", "out.txt");
    link("..", "out");
    link("/etc/passwd", "absolute.txt");
    link("notes.txt", "in.txt");
    let made = std::process::Command::new("mkfifo")
        .arg(site.path("pipe"))
        .status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    vec![
        site.check("a link that leads out leads nowhere", |server| {
            let mut client = server.connect();
            for target in [
                "/out.txt",
                "/out",
                "/out/",
                "/out/secret.txt",
                "/out/www/notes.txt",
                "/absolute.txt",
            ] {
                client = client.send(get(target)).expect_words(NOT_FOUND);
            }
            client.send(get("/in.txt")).expect_text(NOTES).hang_up();
        }),
        site.check(
            "a pipe is no document, and keeps nobody waiting",
            |server| {
                let client = server.connect().send(get("/pipe")).expect_words(NOT_FOUND);
                client.send(get("/notes.txt")).expect_text(NOTES).hang_up();
            },
        ),
    ]
}

// ---- Time.

fn patience(site: &Site) -> Vec<Check> {
    let hasty = |title: &str, body: fn(&Server)| site.check_with(&["--timeout", "1"], title, body);
    vec![
        hasty(
            "a request that does not come to its end is given up",
            |server| {
                let client = server.connect().send("GET /notes.txt HTTP/1.1\r\nHost:");
                client.expect_last_words(TOO_LATE);
            },
        ),
        site.check_with(
            &["--timeout", "3"],
            "a byte now and then does not keep a connection",
            drips,
        ),
        hasty("who says nothing is not told anything either", |server| {
            let client = server.connect_as("after a request").send(get("/notes.txt"));
            let client = client.expect_text(NOTES);
            server.connect_as("silent").expect_end();
            client.expect_end();
        }),
        hasty("a body that does not come ends the connection", |server| {
            let asks = request("GET", "/notes.txt", "Content-Length: 10\r\n");
            let client = server.connect().send(asks).send("abc").expect_text(NOTES);
            client.expect_end();
        }),
        hasty("a client that does not read is given up", gives_up),
    ]
}

/// Each byte is in time, and all of them together are not.
fn drips(server: &Server) {
    let mut client = server.connect();
    for byte in get("/notes.txt").as_bytes()[..20].chunks(1) {
        client = client.send(byte).wait_up_to(Duration::from_millis(200));
    }
    // With a time-out that begins anew at each byte, it would come 3 s from now.
    client.expect_last_words(TOO_LATE);
}

fn gives_up(server: &Server) {
    let before = server.descriptors();
    let stuck = server.connect_as("stuck").send(get("/huge.bin")).pause();
    // The kernel tries a few times to send a little more.
    server.expect_descriptors_after(Duration::from_secs(10), before);
    stuck.hang_up();
    serves_the_next(server);
}

// ---- Clients that behave badly, or are many.

fn rudeness(site: &Site) -> Vec<Check> {
    vec![
        site.check("a client that leaves does not stop the server", |server| {
            for sent in ["", "GET /no", &get("/notes.txt"), &get("/huge.bin")] {
                server.connect_as("rude").send(sent).hang_up();
            }
            serves_the_next(server);
        }),
        site.check("a client that resets does not stop the server", |server| {
            for sent in ["GET /no", &get("/notes.txt"), &get("/huge.bin")] {
                server.connect_as("rude").send(sent).reset();
            }
            serves_the_next(server);
        }),
        site.check("clients that do not read harm nobody else", stuck_clients),
        site.check("32 clients at once, the last one first", many_clients),
        site.check_with(
            &["--max-clients", "1"],
            "a full house lets the next one wait",
            full_house,
        ),
        site.check("1,000 noisy clients leave nothing behind", noise),
        site.check("IPv6 works as IPv4 does", serves_the_next)
            .bind((Ipv6Addr::LOCALHOST, 0)),
        site.check("a restart gets the same port at once", restart),
    ]
}

#[track_caller]
fn serves_the_next(server: &Server) {
    let client = server
        .connect_as("next")
        .send(get("/notes.txt"))
        .expect_text(NOTES);
    client.finish_sending().expect_end();
}

fn stuck_clients(server: &Server) {
    let stuck = |_| server.connect_as("stuck").send(get("/huge.bin"));
    let stuck: Vec<Client> = (0..8).map(stuck).collect();
    serves_the_next(server);
    stuck.into_iter().for_each(Client::hang_up);
    serves_the_next(server);
}

fn many_clients(server: &Server) {
    let clients: Vec<Client> = (0..32).map(|_| server.connect_as("one of 32")).collect();
    for client in clients.into_iter().rev() {
        client
            .send(get("/large.txt"))
            .expect_text(&large())
            .hang_up();
    }
}

fn full_house(server: &Server) {
    let first = server
        .connect_as("first")
        .send(get("/notes.txt"))
        .expect_text(NOTES);
    let second = server
        .connect_as("second")
        .send(get("/notes.txt"))
        .expect_silence();
    first.hang_up();
    second.expect_text(NOTES).hang_up();
}

fn noise(server: &Server) {
    let before = server.descriptors();
    harness::send_noise(server, 1000);
    serves_the_next(server);
    server.expect_descriptors(before);
}

fn restart(server: &Server) {
    let last = server
        .connect_as("last")
        .send(get("/notes.txt"))
        .expect_text(NOTES);
    server.restart();
    last.hang_up();
    serves_the_next(server);
}

// ---- How it ends.

fn endings(site: &Site) -> Vec<Check> {
    let patient = |title: &str, body: fn(&Server)| site.check_with(&["--grace", "60"], title, body);
    let shrinking = site.path("shrinking.bin");
    let shrinks = move |server: &Server| shrinks(server, &shrinking);
    vec![
        patient("an interruption lets a download finish", download),
        patient(
            "a request that is under way at an interruption is the last",
            under_way,
        ),
        patient(
            "clients that have asked for nothing do not hold up an interruption",
            idle,
        ),
        site.check(
            "a document that becomes shorter ends the connection",
            shrinks,
        ),
    ]
}

fn download(server: &Server) {
    let client = server.connect().send(get("/huge.bin"));
    let (client, _) = client.read_until(b"\r\n\r\n");
    let (client, _) = client.read_exactly(HUGE / 8);
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    server.expect_refusal();
    let (client, _) = client.read_exactly(HUGE - HUGE / 8);
    client.expect_end();
    server.expect_exit(0);
}

fn under_way(server: &Server) {
    let client = server.connect().send("GET /notes.txt HTTP/1.1\r\n").pause();
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    let client = client.send("Host: localhost\r\n\r\n");
    client
        .expect_head("200 OK", &LAST)
        .expect(NOTES)
        .expect_end();
    server.expect_exit(0);
}

fn idle(server: &Server) {
    let client = server.connect().send(get("/notes.txt")).expect_text(NOTES);
    let silent = server.connect_as("silent");
    // Whoever still waits in the queue is reset.
    server.expect_line(&format!("client {} connected", silent.address()));
    server.interrupt();
    client.expect_end();
    silent.expect_end();
    server.expect_exit(0);
}

fn shrinks(server: &Server, path: &Path) {
    let file = File::create(path).expect("a document");
    file.set_len(HUGE as u64).expect("room");
    let client = server.connect().send(get("/shrinking.bin"));
    let (client, _) = client.read_until(b"\r\n\r\n");
    server.expect_asleep(); // it waits for the client to read
    file.set_len(0).expect("a shorter document");
    let got = client.read_to_end();
    if got.len() >= HUGE || got.iter().any(|byte| *byte != 0) {
        let got = format!("{} bytes", got.len());
        Failure::new("some of the bytes that were there, and the end", got).raise();
    }
}
