//! Problems as a person reads them: what, where, the line underlined, how to mend it.

use std::fmt::Write;

use trunkline_sdk::Problem;

use super::Files;

/// All problems, in the order of their places; the same problem once.
///
/// Lines are shown as they stand in the file, so variables are shown by name and never by value.
pub fn report(files: &Files, problems: &[Problem]) -> String {
    let mut sorted: Vec<_> = problems.iter().collect();
    sorted.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.what.cmp(&b.what)));
    sorted.dedup();
    let mut text = String::new();
    for problem in sorted {
        one(files, problem, &mut text).expect("a String takes all that is written to it");
        text.push('\n');
    }
    text
}

fn one(files: &Files, problem: &Problem, out: &mut String) -> std::fmt::Result {
    let place = &problem.place;
    writeln!(out, "error: {}", problem.what)?;
    writeln!(out, "  --> {place}")?;
    let line = files
        .text(&place.file)
        .and_then(|text| text.lines().nth(place.line as usize - 1));
    if let Some(line) = line {
        let column = place.column as usize - 1;
        let length = line.chars().count();
        let width = (place.width as usize).min(length.saturating_sub(column)).max(1);
        // Tabs stay tabs, so that the mark stands under its word whatever their width.
        let margin: String = line
            .chars()
            .take(column)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(out, "   | {line}")?;
        writeln!(out, "   | {margin}{}", "^".repeat(width))?;
    }
    if let Some(hint) = &problem.hint {
        writeln!(out, "   = hint: {hint}")?;
    }
    Ok(())
}
