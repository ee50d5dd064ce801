//! Problems as a person reads them: what, where, the line underlined, how to mend it.

use std::{collections::HashMap, fmt::Write};

use trunkline_sdk::{Place, Problem};

use super::{
    Landscape,
    secrets::{Secrets, Shown},
};

/// These problems, in their order.
///
/// Lines are shown as they stand in the file, so variables are shown by name and never by value; a secret that
/// stands there in the clear is shown as `***`.
pub fn report(landscape: &Landscape, problems: &[Problem]) -> String {
    let secrets = Secrets::of(landscape);
    let mut lines: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut text = String::new();
    for problem in problems {
        let lines = lines.entry(&problem.place.file).or_insert_with(|| {
            let text = landscape.files.text(&problem.place.file);
            text.map_or_else(Vec::new, |text| text.lines().collect())
        });
        let line = lines.get(problem.place.line as usize - 1).copied();
        one(line, &secrets, problem, &mut text).expect("a String takes all that is written to it");
        text.push('\n');
    }
    text
}

fn one(line: Option<&str>, secrets: &Secrets, problem: &Problem, out: &mut String) -> std::fmt::Result {
    let place = &problem.place;
    let shown = |text: &str| text.chars().map(visible).collect::<String>();
    writeln!(out, "error: {}", shown(&problem.what))?;
    writeln!(out, "  --> {place}")?;
    if let Some(line) = line {
        let Shown { text, place } = part(secrets.hide(line, place));
        let column = place.column as usize - 1;
        let length = text.chars().count();
        let width = (place.width as usize).min(length.saturating_sub(column)).max(1);
        // Tabs stay tabs, so that the mark stands under its word whatever their width.
        let margin: String = text
            .chars()
            .take(column)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(out, "   | {}", shown(&text))?;
        writeln!(out, "   | {margin}{}", "^".repeat(width))?;
    }
    if let Some(hint) = &problem.hint {
        writeln!(out, "   = hint: {}", shown(hint))?;
    }
    Ok(())
}

/// What a terminal would act upon, or not show at all, as a character of its own, so that the mark stands under its word.
fn visible(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => '\u{fffd}',
        _ => c,
    }
}

/// So much of a line is shown, in characters, and so much of it before the mark.
const WIDEST: usize = 240;
const BEFORE: usize = 120;

/// Of a long line, what stands around the mark.
fn part(shown: Shown) -> Shown {
    let Shown { text, place } = shown;
    if text.chars().count() <= WIDEST {
        return Shown { text, place };
    }
    let skipped = (place.column as usize - 1).saturating_sub(BEFORE);
    let mut rest = text.chars().skip(skipped);
    let mut part: String = if skipped > 0 {
        "…".to_owned()
    } else {
        String::new()
    };
    let column = place.column as usize - skipped + part.chars().count();
    part.extend(rest.by_ref().take(WIDEST));
    if rest.next().is_some() {
        part.push('…');
    }
    Shown {
        text: part,
        place: Place {
            column: u32::try_from(column).unwrap_or(u32::MAX),
            ..place
        },
    }
}
