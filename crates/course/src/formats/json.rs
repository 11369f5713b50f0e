//! All that is known of a grade, as JSON. Fields may be added; none changes its meaning.

use anyhow::Result;

use crate::grade::Grade;

pub fn render(grade: &Grade) -> Result<String> {
    Ok(serde_json::to_string_pretty(grade)? + "\n")
}
