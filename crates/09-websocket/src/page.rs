//! What is answered in HTTP: the page, or why there is no conversation.

use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

pub const PAGE: &str = include_str!("page.html");

/// What has to be spoken here, and in which version (RFC 6455, section 4.4).
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";

/// A status, and the document that goes with it: for people, and the last on this connection.
#[derive(PartialEq, Eq)]
pub struct Answer(pub &'static str, pub &'static str);

impl Answer {
    /// To whoever has not asked, such as a browser that keeps a connection for later.
    pub const NONE: Self = Self("", "");

    pub fn to_http(&self) -> String {
        let Self(status, document) = self;
        let (kind, fields) = match &status[..3] {
            "200" => ("html", policy()),
            "405" => ("plain", "Allow: GET\r\n".to_owned()),
            "426" => ("plain", UPGRADE.to_owned()),
            _ => ("plain", String::new()),
        };
        let length = document.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Length: {length}\r\n\
             {fields}Connection: close\r\n\r\n{document}"
        )
    }
}

/// The page may run its own script and use its own style, as they are here, and talk with its own server. If somebody
/// manages to get more into it, the browser does not run that (Content Security Policy, level 3).
fn policy() -> String {
    let hash = |name| {
        let (_, rest) = PAGE.split_once(&format!("<{name}>")).unwrap_or_default();
        let (inside, _) = rest.split_once(&format!("</{name}>")).unwrap_or_default();
        BASE64_STANDARD.encode(Sha256::digest(inside))
    };
    format!(
        "Content-Security-Policy: default-src 'none'; connect-src 'self'; img-src data:; \
         script-src 'sha256-{}'; style-src 'sha256-{}'\r\n",
        hash("script"),
        hash("style")
    )
}
