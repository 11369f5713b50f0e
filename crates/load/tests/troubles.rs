//! Servers that are wrong on purpose, and what their clients say of them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use load::{Content, Crowd, Stream, Trouble};
use socket2::{Domain, Socket, Type};

/// No longer than a test needs.
const SHORT: Duration = Duration::from_millis(100);
/// How long a message is.
const LENGTH: usize = 300;

/// A server in this process; it serves each client in a thread, and stays until all tests are over.
fn serve(each: fn(TcpStream) -> io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || each(stream)); // its end is the client's affair
        }
    });
    address
}

/// Sends back what comes, as `change` makes it.
fn echo(mut stream: TcpStream, change: fn(&mut Vec<u8>)) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut piece = buffer[..count].to_vec();
        change(&mut piece);
        stream.write_all(&piece)?;
    }
}

/// What befalls eight clients that ask for a while.
fn troubles(address: SocketAddr) -> Vec<(Trouble, usize)> {
    let mut content = Content::new(LENGTH);
    let mut crowd = Crowd::new(&mut content, LENGTH).expect("a crowd");
    crowd.gather(address, 8).expect("clients");
    let mut answers = crowd.ping_pong(8, SHORT).expect("answers");
    crowd.finish(&mut answers).expect("the last answers");
    let troubles = crowd.troubles().iter();
    troubles
        .map(|(trouble, count)| (*trouble, *count))
        .collect()
}

#[test]
fn who_gets_the_right_answers_has_no_trouble() {
    let address = serve(|stream| echo(stream, |_| {}));
    let mut content = Content::new(LENGTH);
    let mut crowd = Crowd::new(&mut content, LENGTH).expect("a crowd");
    assert_eq!(crowd.gather(address, 100).expect("clients"), 100);
    let mut answers = crowd.ping_pong(70, SHORT).expect("answers");
    crowd.finish(&mut answers).expect("the last answers");
    assert!(crowd.troubles().is_empty(), "{:?}", crowd.troubles());
    assert!(answers.count > 0 && answers.count <= answers.latencies.len());
}

#[test]
fn an_answer_in_two_pieces_is_the_right_one() {
    let address = serve(|mut stream| {
        let mut buffer = [0; LENGTH];
        loop {
            stream.read_exact(&mut buffer)?;
            stream.set_nodelay(true)?;
            stream.write_all(&buffer[..1])?;
            stream.write_all(&buffer[1..])?;
        }
    });
    assert_eq!(troubles(address), []);
}

#[test]
fn a_wrong_byte_is_found_and_so_is_the_answer_to_another_message() {
    let wrong = serve(|stream| echo(stream, |piece| piece[LENGTH - 1] ^= 1));
    assert_eq!(troubles(wrong), [(Trouble::WrongByte, 8)]);
    let stale = serve(|mut stream| {
        let mut first = [0; LENGTH];
        stream.read_exact(&mut first)?;
        stream.write_all(&first)?;
        echo(stream, |piece| piece.fill(7))
    });
    assert_eq!(troubles(stale), [(Trouble::WrongByte, 8)]);
}

#[test]
fn more_than_was_asked_for_is_wrong() {
    let address = serve(|stream| echo(stream, |piece| piece.push(0)));
    assert_eq!(troubles(address), [(Trouble::WrongByte, 8)]);
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let address = serve(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop));
    assert_eq!(troubles(address), [(Trouble::Silent, 8)]);
}

#[test]
fn the_end_of_a_connection_has_its_name() {
    let closes = serve(|stream| stream.shutdown(Shutdown::Both));
    let named = troubles(closes);
    let ends = [Trouble::Closed, Trouble::Reset];
    assert!(
        named.iter().all(|(trouble, _)| ends.contains(trouble)),
        "{named:?}"
    );
    // It has a port, so that nobody else gets it, and does not listen.
    let nobody = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    nobody.bind(&anywhere.into()).expect("a port");
    let address = nobody.local_addr().expect("an address");
    let address = address.as_socket().expect("of the internet");
    assert_eq!(troubles(address), [(Trouble::Refused, 8)]);
}

#[test]
fn a_stream_comes_back_or_it_is_known_how_far_it_came() {
    let content = Content::new(0);
    let bytes = 5 << 20;
    let good = serve(|stream| echo(stream, |_| {}));
    let stream = Stream::run(good, &content, bytes).expect("a stream");
    assert_eq!((stream.received, stream.trouble), (bytes, None));

    let drops_a_byte = serve(|mut stream| {
        let mut buffer = vec![0; 1 << 20];
        stream.read_exact(&mut buffer)?;
        stream.write_all(&buffer)?;
        stream.read_exact(&mut [0])?;
        echo(stream, |_| {})
    });
    let stream = Stream::run(drops_a_byte, &content, bytes).expect("a stream");
    assert_eq!(stream.trouble, Some(Trouble::WrongByte));
    // By chance the byte that is missing may equal the next one.
    assert!(stream.received - (1 << 20) < 8, "{}", stream.received);
}
