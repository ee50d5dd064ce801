//! The catalogue as Markdown.

use std::fmt::{Result, Write};

use super::{Contents, Row};
use crate::cli::lineage::mark;

pub(super) fn page(contents: &Contents) -> String {
    let mut out = String::new();
    write(&mut out, contents).expect("a String takes all that is written to it");
    out
}

fn write(out: &mut String, contents: &Contents) -> Result {
    writeln!(out, "# Data of {}\n", escaped(&contents.landscape))?;
    writeln!(
        out,
        "Which system holds and receives which data, as the flows of the landscape read and write it.\n"
    )?;
    writeln!(out, "## Personal data\n")?;
    let personal = contents.personal();
    if personal.is_empty() {
        writeln!(out, "No field that a flow writes is marked as personal.\n")?;
    } else {
        writeln!(out, "| field | | held by | received by |\n|---|---|---|---|")?;
        for field in personal {
            writeln!(
                out,
                "| {} | **{}** | {} | {} |",
                code(&field.field),
                mark(field.privacy).unwrap_or_default(),
                codes(&field.held),
                codes(&field.received)
            )?;
        }
        writeln!(out)?;
    }
    for system in &contents.systems {
        writeln!(
            out,
            "## System {}\n\nReached by `{}`.\n",
            code(&system.name),
            system.adapter
        )?;
        if !system.holds.is_empty() {
            writeln!(out, "Holds, and gives:\n")?;
            table(out, "becomes", &system.holds, |row| {
                (&row.canonical, &row.targets)
            })?;
        }
        if !system.receives.is_empty() {
            writeln!(out, "Receives:\n")?;
            table(out, "is", &system.receives, |row| (&row.canonical, &row.sources))?;
        }
        if system.holds.is_empty() && system.receives.is_empty() {
            writeln!(out, "No flow says which of its fields it uses.\n")?;
        }
    }
    for channel in &contents.channels {
        writeln!(
            out,
            "## Channel {}\n\nCarries `{}`.\n",
            code(&channel.name),
            channel.type_name
        )?;
        table(out, "comes from", &channel.fields, |row| {
            (&row.sources, &row.targets)
        })?;
    }
    Ok(())
}

fn table<'r>(
    out: &mut String,
    title: &str,
    rows: &'r [Row],
    columns: impl Fn(&'r Row) -> (&'r Vec<String>, &'r Vec<String>),
) -> Result {
    let last = match title {
        "is" => "comes from",
        _ => "goes to",
    };
    writeln!(out, "| field | | {title} | {last} |\n|---|---|---|---|")?;
    for row in rows {
        let (one, two) = columns(row);
        let mark = mark(row.privacy).map_or_else(String::new, |mark| format!("**{mark}**"));
        writeln!(
            out,
            "| {} | {mark} | {} | {} |",
            code(&row.field),
            codes(one),
            codes(two)
        )?;
    }
    writeln!(out)
}

fn codes<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| code(name)).collect();
    match names.is_empty() {
        true => "-".to_owned(),
        false => names.join(", "),
    }
}

/// As code in a table, whatever is in it.
fn code(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = text.replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// As plain text, whatever is in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if "\\`*_{}[]<>#|!".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_kind_break_no_table() {
        assert_eq!(code("a|b\nc"), "`a\\|b c`");
        assert_eq!(code("a`b"), "`` a`b ``");
        assert_eq!(escaped("<b>_x_"), "\\<b\\>\\_x\\_");
    }
}
