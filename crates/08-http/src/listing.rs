//! The page that shows what is in a directory.

use std::fmt::Display;
use std::io;

use cap_std::fs::Dir;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::response::{Body, Response};

/// A page has no more names than this.
const MOST_NAMES: usize = 10_000;
/// What is written as `%` and a number in a path (RFC 3986, section 2.3). A colon, too: what stands before the first
/// one in a link could be taken for a scheme, as in `http:`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<style>
body { color-scheme: light dark; font: 1.1em/2 sans-serif; margin: 1em; overflow-wrap: anywhere }
</style>
"#;

/// The page of a directory, which the client asked for by this path.
pub fn page(directory: &Dir, path: &str) -> io::Result<Response> {
    let mut names = Vec::new();
    for entry in directory.entries()?.take(MOST_NAMES) {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name + slash); // what is no UTF-8 cannot be asked for either
        }
    }
    names.sort();
    if !path.trim_start_matches('/').is_empty() {
        names.insert(0, "../".to_owned());
    }
    let link = |name: &String| format!("<li><a href=\"{}\">{}</a>\n", encoded(name), escaped(name));
    let links: String = names.iter().map(link).collect();
    let title = escaped(path);
    let page = format!("{HEAD}<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n{links}</ul>\n");
    Ok(Response::new(200, Body::Text(page)).with("Content-Type", "text/html; charset=utf-8"))
}

/// A path as it is written in a link.
pub fn encoded(path: &str) -> impl Display {
    utf8_percent_encode(path, RESERVED)
}

/// A name is text, and no HTML: `<script>` is only the name of a file.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
