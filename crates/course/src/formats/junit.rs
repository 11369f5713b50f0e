//! The XML of JUnit, as CI services read it: a failure is wrong, an error could not be judged, and what
//! is blocked or left out is skipped. The elements and their order are those of the schema that Jenkins
//! uses, <https://github.com/jenkinsci/xunit-plugin> (junit-10.xsd).

use std::io;

use anyhow::Result;
use harness::Verdict;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::grade::{Grade, Graded, GradedCheck};

type Xml = Writer<Vec<u8>>;

pub fn render(grade: &Grade) -> Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<&GradedCheck> = grade
        .exercises
        .iter()
        .flat_map(|exercise| &exercise.checks)
        .collect();
    let counts = counts("course", &all);
    let suites = xml
        .create_element("testsuites")
        .with_attributes(pairs(&counts));
    suites.write_inner_content(|xml| {
        grade
            .exercises
            .iter()
            .try_for_each(|exercise| suite(xml, exercise))
    })?;
    Ok(String::from_utf8(xml.into_inner())? + "\n")
}

fn suite(xml: &mut Xml, exercise: &Graded) -> io::Result<()> {
    let counts = counts(&exercise.name, &exercise.checks.iter().collect::<Vec<_>>());
    let suite = xml
        .create_element("testsuite")
        .with_attributes(pairs(&counts));
    suite.write_inner_content(|xml| {
        exercise
            .checks
            .iter()
            .try_for_each(|check| case(xml, exercise, check))
    })?;
    Ok(())
}

fn case(xml: &mut Xml, exercise: &Graded, check: &GradedCheck) -> io::Result<()> {
    let (name, time) = (allowed(&check.title), format!("{:.3}", check.seconds));
    let case = xml.create_element("testcase").with_attributes([
        ("name", name.as_str()),
        ("classname", &exercise.name),
        ("time", &time),
    ]);
    let (element, kind) = match check.verdict {
        Verdict::Passed => (None, ""),
        Verdict::Failed => (Some("failure"), "wrong"),
        Verdict::NotJudged => (Some("error"), "not judged"),
        Verdict::Blocked | Verdict::Skipped => (Some("skipped"), ""),
    };
    case.write_inner_content(|xml| {
        let message = allowed(check.message.trim());
        if let Some(element) = element {
            let first = message.lines().next().unwrap_or_default();
            let result = xml
                .create_element(element)
                .with_attribute(("message", first));
            match kind {
                "" => result.write_empty()?,
                kind => result
                    .with_attribute(("type", kind))
                    .write_text_content(BytesText::new(&message))?,
            };
        }
        if !check.transcript.is_empty() {
            xml.create_element("system-out")
                .write_text_content(BytesText::new(&allowed(&check.transcript)))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The attributes of a suite, or of all suites.
fn counts(name: &str, checks: &[&GradedCheck]) -> Vec<(&'static str, String)> {
    let count = |verdicts: &[Verdict]| {
        let matching = checks
            .iter()
            .filter(|check| verdicts.contains(&check.verdict));
        matching.count().to_string()
    };
    let seconds: f64 = checks.iter().map(|check| check.seconds).sum();
    vec![
        ("name", name.to_owned()),
        ("tests", checks.len().to_string()),
        ("failures", count(&[Verdict::Failed])),
        ("errors", count(&[Verdict::NotJudged])),
        ("skipped", count(&[Verdict::Blocked, Verdict::Skipped])),
        ("time", format!("{seconds:.3}")),
    ]
}

fn pairs<'a>(attributes: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    attributes
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// Without the characters that XML 1.0 has no way to write (section 2.2).
fn allowed(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_write_is_left_out() {
        assert_eq!(allowed("a\u{0}\u{1b}[2J\u{fffe}\tb\n"), "a[2J\tb\n");
    }
}
