//! How a grade is written down: one format a file.

mod gradescope;
mod json;
mod junit;
mod text;

use anyhow::Result;
use clap::ValueEnum;

use crate::grade::Grade;

/// The formats of a report.
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// A scorecard for people
    Text,
    /// Everything, for programs of your own
    Json,
    /// The XML of JUnit, for CI services
    Junit,
    /// The results.json of Gradescope's autograder
    Gradescope,
}

impl Format {
    /// The whole report.
    pub fn render(self, grade: &Grade) -> Result<String> {
        match self {
            Self::Text => Ok(text::render(grade)),
            Self::Json => json::render(grade),
            Self::Junit => junit::render(grade),
            Self::Gradescope => gradescope::render(grade),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use harness::Verdict;
    use serde_json::Value;

    use super::*;
    use crate::grade::{Graded, GradedCheck};

    fn check(verdict: Verdict, got: u32, message: &str) -> GradedCheck {
        GradedCheck {
            name: "a-line".into(),
            title: "a line & its \"reply\"".into(),
            points: 4,
            got,
            verdict,
            message: message.into(),
            transcript: "  0.1 ms  client  \"<\\x1b\" ──▶\n".into(),
            seconds: 0.25,
        }
    }

    /// A check of every verdict, with characters that mean something in XML.
    fn grade() -> Grade {
        let (wrong, blocked) = (
            "    expected  \"a\"\n    got       \"<b>]]>\"\n",
            "    blocked   until this passes: a line\n",
        );
        let (trouble, left_out) = (
            "    trouble   no port is free\n",
            "    left out  this system has no IPv6\n",
        );
        let checks = vec![
            check(Verdict::Passed, 4, ""),
            check(Verdict::Failed, 0, wrong),
            check(Verdict::Blocked, 0, blocked),
            check(Verdict::NotJudged, 0, trouble),
            check(Verdict::Skipped, 0, left_out),
        ];
        let graded = Graded {
            name: "lines".into(),
            points: 16,
            got: 4,
            seed: 7,
            checks,
        };
        Grade {
            points: 16,
            got: 4,
            exercises: vec![graded],
        }
    }

    #[test]
    fn each_format_is_as_it_was() {
        let grade = grade();
        let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
        let text = |format: Format| plain(&format.render(&grade).expect("a report"));
        expect_file!["golden/grade.txt"].assert_eq(&text(Format::Text));
        expect_file!["golden/grade.json"].assert_eq(&text(Format::Json));
        expect_file!["golden/grade.xml"].assert_eq(&text(Format::Junit));
        expect_file!["golden/results.json"].assert_eq(&text(Format::Gradescope));
    }

    /// The rules that Gradescope's documentation gives for results.json.
    #[test]
    fn gradescope_finds_the_fields_that_it_asks_for() {
        let results: Value =
            serde_json::from_str(&Format::Gradescope.render(&grade()).expect("a report"))
                .expect("JSON");
        let tests = results["tests"].as_array().expect("a list");
        let sum: u64 = tests.iter().filter_map(|test| test["score"].as_u64()).sum();
        assert_eq!(Some(sum), results["score"].as_u64());
        for test in tests {
            assert!(test["score"].as_u64() <= test["max_score"].as_u64());
            assert!(matches!(
                test["status"].as_str(),
                None | Some("passed" | "failed")
            ));
            assert!(test["name"].is_string() && test["output"].is_string());
            assert_eq!(
                (&test["output_format"], &test["visibility"]),
                (&"text".into(), &"visible".into())
            );
        }
    }

    /// What a parser of XML makes of it: every element closed, every count true.
    #[test]
    fn junit_counts_what_is_there() {
        let xml = Format::Junit.render(&grade()).expect("a report");
        let mut reader = quick_xml::Reader::from_str(&xml);
        let mut found = Vec::new();
        loop {
            match reader.read_event().expect("XML") {
                quick_xml::events::Event::Eof => break,
                quick_xml::events::Event::Start(element)
                | quick_xml::events::Event::Empty(element) => {
                    found.push(element.name().as_ref().to_owned());
                }
                _ => {}
            }
        }
        let count = |name: &str| found.iter().filter(|found| *found == name).count();
        let counts = [
            "testsuites",
            "testsuite",
            "testcase",
            "failure",
            "error",
            "skipped",
        ]
        .map(count);
        assert_eq!(counts, [1, 1, 5, 1, 1, 2]);
        assert!(
            xml.contains(r#"tests="5" failures="1" errors="1" skipped="2""#),
            "{xml}"
        );
    }
}
