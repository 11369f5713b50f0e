//! Links the terms of the field: each leads to the glossary where a page first uses it.

use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use pulldown_cmark::{Event, Options, Parser, TagEnd};

use tour::link::anchor;

use super::pages;

/// The page of the terms.
pub const PAGE: &str = "glossary.md";

/// A term, by all the words there are for it: `### backlog, accept queue`.
pub struct Term {
    pub names: Vec<String>,
    /// The anchor of its heading.
    pub anchor: String,
}

/// The terms of the glossary.
pub fn terms() -> Result<Vec<Term>> {
    let text = std::fs::read_to_string(pages::folder().join("src").join(PAGE))?;
    let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
    let term = |heading: &str| Term {
        names: heading.split(", ").map(str::to_owned).collect(),
        anchor: anchor(heading),
    };
    Ok(headings.map(term).collect())
}

/// How the book reads Markdown.
pub fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

/// Links the first use of each term in a page's prose: not in code, in a heading or within a link.
pub fn link(page: &Path, text: &str, terms: &[Term]) -> String {
    if page == Path::new(PAGE) || page == Path::new("SUMMARY.md") {
        return text.to_owned();
    }
    let prose = prose(text);
    let mut places: Vec<(Range<usize>, &Term)> = Vec::new();
    for term in terms {
        let uses = term
            .names
            .iter()
            .filter_map(|name| first_use(text, &prose, name));
        let first = uses.min_by_key(|place| place.start);
        places.extend(first.map(|place| (place, term)));
    }
    places.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
    let up = "../".repeat(page.components().count() - 1);
    let mut linked = String::new();
    let mut done = 0;
    for (place, term) in places {
        if place.start < done {
            continue; // a shorter term within a longer one
        }
        linked += &text[done..place.start];
        linked += &format!("[{}]({up}{PAGE}#{})", &text[place.clone()], term.anchor);
        done = place.end;
    }
    linked + &text[done..]
}

/// Where the prose is.
fn prose(text: &str) -> Vec<Range<usize>> {
    let mut prose = Vec::new();
    let mut closed = 0;
    for (event, range) in parser(text).into_offset_iter() {
        match event {
            Event::Start(tag) if is_closed(tag.to_end()) => closed += 1,
            Event::End(end) if is_closed(end) => closed -= 1,
            Event::Text(_) if closed == 0 => prose.push(range),
            _ => {}
        }
    }
    prose
}

/// Whether what ends so is no prose.
fn is_closed(end: TagEnd) -> bool {
    use TagEnd::{CodeBlock, Heading, HtmlBlock, Image, Link, TableHead};
    matches!(
        end,
        CodeBlock | Heading(_) | HtmlBlock | Image | Link | TableHead
    )
}

/// Where a name first stands as a word, also in the plural.
fn first_use(text: &str, prose: &[Range<usize>], name: &str) -> Option<Range<usize>> {
    // Not within a path, a URL or something in brackets either.
    let joins = |c: char| c.is_alphanumeric() || "_-/#!{".contains(c);
    prose.iter().find_map(|range| {
        let part = &text[range.clone()];
        part.match_indices(name).find_map(|(start, found)| {
            let end = start + found.len();
            let plural = end + usize::from(part[end..].starts_with('s'));
            let is_word = !part[..start].ends_with(joins) && !part[plural..].starts_with(joins);
            is_word.then(|| range.start + start..range.start + plural)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_in_prose_is_linked_and_no_other() {
        let terms = [
            Term {
                names: vec!["socket".to_owned()],
                anchor: "socket".to_owned(),
            },
            Term {
                names: vec!["listening socket".to_owned()],
                anchor: "listening-socket".to_owned(),
            },
        ];
        let text = "# A socket\n\n`socket`, a/socket and sockets, then a listening socket.\n";
        let linked = link(Path::new("steps/one.md"), text, &terms);
        assert_eq!(
            linked,
            "# A socket\n\n`socket`, a/socket and [sockets](../glossary.md#socket), then a \
             [listening socket](../glossary.md#listening-socket).\n"
        );
    }
}
