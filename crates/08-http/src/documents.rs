//! The documents of a directory, and nothing that is outside of it.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_fs_ext::{OpenOptionsMaybeDirExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use httpdate::HttpDate;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::listing::{self, encoded};
use crate::range::Part;
use crate::request::Request;
use crate::response::{Body, Response};

pub struct Documents {
    /// Where they are, for people.
    pub path: PathBuf,
    /// Every path is looked up from here by the kernel, which refuses to leave: by `..`, by a link, or by a link that
    /// is put there this very moment (openat2(2), RESOLVE_BENEATH). No look at the path could promise that.
    root: Dir,
}

impl Documents {
    pub fn below(root: &Path) -> io::Result<Self> {
        let path = root.canonicalize()?;
        let root = Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Self { path, root })
    }

    pub fn answer(&self, request: &Request) -> Response {
        use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
        match request.method.as_str() {
            "GET" | "HEAD" => {}
            "CONNECT" | "DELETE" | "OPTIONS" | "PATCH" | "POST" | "PUT" | "TRACE" => {
                return Response::plain(405).with("Allow", "GET, HEAD");
            }
            _ => return Response::plain(501),
        }
        let found = self.find(request);
        found.unwrap_or_else(|error| match error.kind() {
            NotFound | NotADirectory | InvalidFilename | InvalidInput => Response::plain(404),
            PermissionDenied => Response::plain(404), // that it is there is nobody's business
            _ => {
                eprintln!("error: cannot read {:?}: {error}", request.path);
                Response::plain(500)
            }
        })
    }

    fn find(&self, request: &Request) -> io::Result<Response> {
        let path = request.path.trim_start_matches('/');
        let (file, metadata) = open(&self.root, if path.is_empty() { "." } else { path })?;
        match (metadata.is_dir(), request.path.ends_with('/')) {
            (false, false) if metadata.is_file() => Ok(document(file, &metadata, path, request)),
            (false, _) => Ok(Response::plain(404)),
            (true, false) => {
                // The links on a page are meant from its last slash. Exactly one stands in front: behind two a browser
                // would look for the name of a host (RFC 3986, section 4.2).
                // In a query only what is ASCII may stand as it is.
                let query = utf8_percent_encode(&request.query, CONTROLS);
                let location = format!("/{}/{query}", encoded(path));
                Ok(Response::plain(301).with("Location", location))
            }
            (true, true) => match open(&self.root, &format!("{path}index.html")) {
                Ok((file, metadata)) if metadata.is_file() => {
                    Ok(document(file, &metadata, "index.html", request))
                }
                _ => listing::page(&Dir::from_std_file(file), &request.path),
            },
        }
    }
}

/// Opens a file or a directory, and says what it is: not what is there by this name, but what was opened.
fn open(directory: &Dir, path: &str) -> io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    // Windows opens no directories unless asked to. And on Unix, what waits for a writer is a named pipe.
    options.read(true).maybe_dir(true).nonblock(true);
    let file = directory.open_with(path, &options)?.into_std();
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn document(file: File, metadata: &Metadata, name: &str, request: &Request) -> Response {
    let length = metadata.len();
    // In whole seconds. A file from the future was changed now at the latest (RFC 9110, section 8.8.2.1).
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    let modified = HttpDate::from(time.clamp(UNIX_EPOCH, SystemTime::now()));
    let since = request.field("if-modified-since");
    let since = since.and_then(|date| date.parse().ok());
    if since.is_some_and(|since| modified <= since) && request.field("if-none-match").is_none() {
        let nothing = Body::Text(String::new());
        return Response::new(304, nothing).with("Last-Modified", modified);
    }
    // A part must fit what the client has already of the same document (RFC 9110, section 13.1.5).
    let known = request.field("if-range");
    let is_same = known.is_none_or(|date| date == modified.to_string());
    let range = request.field("range");
    let range = range.filter(|_| is_same && request.method == "GET");
    let response = match range.map_or(Part::Whole, |range| Part::of(range, length)) {
        Part::Whole => Response::new(200, Body::Document(file, 0..length)),
        Part::Bytes(part) => {
            let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            Response::new(206, Body::Document(file, part)).with("Content-Range", place)
        }
        Part::Nothing => {
            return Response::plain(416).with("Content-Range", format!("bytes */{length}"));
        }
    };
    let response = response.with("Content-Type", content_type(name));
    let response = response.with("Accept-Ranges", "bytes");
    response.with("Last-Modified", modified)
}

/// By the end of the name. Text is taken for UTF-8, as nearly all is today.
fn content_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    match guess.type_() == "text" {
        true => format!("{guess}; charset=utf-8"),
        false => guess.to_string(),
    }
}
