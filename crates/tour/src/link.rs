//! Links that a terminal can follow (OSC 8), to files of the course and to pages of the book.

use std::path::Path;

use crate::catalog;

/// A path from the top of the repository, as a link where the terminal can follow one.
pub fn file(path: &str) -> String {
    to(&catalog::root().join(path), "", path)
}

/// A text in which every page of the book that it names is a link, such as `docs/src/way.md, "Sending"`:
/// to the page as the browser shows it if the book is built, else to its source.
pub fn pages(text: &str) -> String {
    let mut linked = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("docs/src/") {
        let (before, named) = rest.split_at(start);
        linked += before;
        let is_path = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        let path = named.split(|c| !is_path(c)).next().unwrap_or_default();
        let Some(end) = path.find(".md").map(|end| end + ".md".len()) else {
            let (other, behind) = named.split_at(path.len());
            linked += other;
            rest = behind;
            continue;
        };
        let section = named[end..].strip_prefix(", \"");
        let section = section.and_then(|section| section.split('"').next());
        let length = end + section.map_or(0, |section| section.len() + ", \"\"".len());
        let (shown, behind) = named.split_at_checked(length).unwrap_or((named, ""));
        linked += &page(&named[..end], section.unwrap_or_default(), shown);
        rest = behind;
    }
    linked + rest
}

fn page(path: &str, section: &str, shown: &str) -> String {
    let source = path.trim_start_matches("docs/src/");
    let built = catalog::book().join(source).with_extension("html");
    match built.is_file() {
        true if section.is_empty() => to(&built, "", shown),
        true => to(&built, &format!("#{}", anchor(section)), shown),
        false => to(&catalog::root().join(path), "", shown),
    }
}

fn to(path: &Path, fragment: &str, shown: &str) -> String {
    match supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout) {
        true => format!("\x1b]8;;{}{fragment}\x1b\\{shown}\x1b]8;;\x1b\\", url(path)),
        false => shown.to_owned(),
    }
}

/// A file as a URL, on Windows as well: `file:///C:/course/README.md` (RFC 8089, appendix E.2).
pub fn url(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    format!("file:///{}", escaped(path.trim_start_matches('/')))
}

/// The anchor of a heading, as mdBook makes it.
pub fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    kept.collect()
}

/// A path as part of a URI (RFC 3986, section 2.1).
fn escaped(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'/' | b':' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_page_stays_as_it_is() {
        let text = "error in docs/src/steps: no such file\nsee README.md";
        assert_eq!(pages(text), text);
    }
}
