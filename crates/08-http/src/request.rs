//! What a client asks: the head of its message (RFC 9112, section 3), and what it means.

use httparse::{Error, Status};
use percent_encoding::percent_decode_str;

/// Browsers send about 20 header fields.
const MOST_FIELDS: usize = 100;
/// Nobody asked for a body. It is read to find the next request behind it; a larger one, in bytes, is not worth that.
const LARGEST_BODY: usize = 64 << 10;

#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    /// Decoded. It begins with a slash, and may be anything else.
    pub path: String,
    /// As it came, with its question mark.
    pub query: String,
    /// The minor version: HTTP/1.1 or HTTP/1.0.
    minor: u8,
    fields: Vec<(String, String)>,
    /// How many bytes the head has, and how many of a body follow.
    pub head: usize,
    pub body: usize,
    /// Whether another request may follow.
    pub is_persistent: bool,
}

impl Request {
    /// Reads a head, or nothing if some of it is missing. An error is the status to answer with.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, u16> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut message = httparse::Request::new(&mut fields);
        let head = match message.parse(bytes) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => return Ok(None),
            Err(Error::TooManyHeaders) => return Err(431),
            Err(Error::Version) if has_version(bytes) => return Err(505),
            Err(_) => return Err(400),
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let fields = message.headers.iter();
        let mut request = Self {
            method: message.method.unwrap_or_default().to_owned(),
            minor: message.version.unwrap_or_default(),
            fields: fields
                .map(|field| (field.name.to_owned(), text(field.value)))
                .collect(),
            head,
            ..Self::default()
        };
        request.check_host()?;
        // The targets of these two may be something else.
        if !matches!(request.method.as_str(), "CONNECT" | "OPTIONS") {
            (request.path, request.query) = split(message.path.unwrap_or_default())?;
        }
        let (body, is_chunked) = request.framing()?;
        // A client that expects "100 Continue" sends its body or does not, now that it gets another answer: nobody
        // knows what comes next. Nor behind chunks, for they are not counted here.
        let is_lost = is_chunked || (body > 0 && !request.values("expect").is_empty());
        let stays = !request.says("close") && (request.minor == 1 || request.says("keep-alive"));
        request.is_persistent = stays && !is_lost; // RFC 9112, section 9.3
        request.body = body;
        Ok(Some(request))
    }

    /// The values of all fields of this name, which may be written in capitals.
    fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter();
        let meant = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        meant.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that may be left unheeded: also if there are two of it.
    pub fn field(&self, name: &str) -> Option<&str> {
        match self.values(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Whether the field Connection, a list, has this member.
    fn says(&self, word: &str) -> bool {
        let values = self.values("connection");
        let mut members = values.iter().flat_map(|value| value.split(','));
        members.any(|member| member.trim().eq_ignore_ascii_case(word))
    }

    /// There is exactly one Host, a name or an address, and maybe a port (RFC 9112, section 3.2).
    fn check_host(&self) -> Result<(), u16> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:[]".contains(c);
        match self.values("host")[..] {
            [host] if host.chars().all(is_part) => Ok(()),
            [] if self.minor == 0 => Ok(()),
            _ => Err(400),
        }
    }

    /// How long the body is, and whether it comes in chunks instead (RFC 9112, section 6.3).
    ///
    /// Two servers in a row that read this differently cut the same bytes into different requests, and one client's
    /// request is smuggled in front of another's (section 11.2). Whatever is in doubt is refused.
    fn framing(&self) -> Result<(usize, bool), u16> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        match (
            &self.values("transfer-encoding")[..],
            &self.values("content-length")[..],
        ) {
            ([], []) => Ok((0, false)),
            ([], [length]) if is_number(length) => match length.parse() {
                Ok(length @ ..=LARGEST_BODY) => Ok((length, false)),
                _ => Err(413),
            },
            ([coding], []) if self.minor == 1 => match coding.eq_ignore_ascii_case("chunked") {
                true => Ok((0, true)),
                false => Err(501),
            },
            _ => Err(400),
        }
    }
}

/// Whether the first line ends in a version, be it one that is not spoken here: `HTTP/2.0`.
fn has_version(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let word = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next();
    matches!(
        word,
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
    )
}

/// Path and query of `/notes.txt?sort=name`. Clients may send `http://example.org/notes.txt` as well (RFC 9112,
/// section 3.2.2).
fn split(target: &str) -> Result<(String, String), u16> {
    let target = match target.split_at_checked("http://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http://") => {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => target,
    };
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    // Decoded once, and only now: an encoded `?` is a part of a name. Names are UTF-8 here; what is none becomes a
    // name that nobody has.
    let path = percent_decode_str(path).decode_utf8_lossy();
    match path.starts_with('/') {
        true => Ok((path.into_owned(), query.to_owned())),
        false => Err(400),
    }
}
