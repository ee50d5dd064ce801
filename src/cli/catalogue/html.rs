//! The catalogue as one page of HTML that needs nothing beside it: no script, no font, no picture from elsewhere.

use std::fmt::{Result, Write};

use trunkline_proto::options::v1::Privacy;

use super::{Contents, Row};
use crate::cli::{count, lineage::mark};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dee5;--paper:#fff;--panel:#f5f7fa;\
--personal:#8a4b00;--personal-paper:#fff1dc;--sensitive:#9b1c31;--sensitive-paper:#fde7ea;--link:#1d5fa8}\
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa5b4;--line:#343c48;--paper:#14181e;--panel:#1c222b;\
--personal:#ffc27a;--personal-paper:#3a2a12;--sensitive:#ff9aa8;--sensitive-paper:#40181f;--link:#7db4f0}}\
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}\
main{max-width:72rem;margin:0 auto;padding:2rem 1.25rem 4rem}h1{margin:0 0 .25rem;font-size:1.8rem}\
h2{margin:2.5rem 0 .5rem;padding-top:.5rem;border-top:1px solid var(--line);font-size:1.25rem}\
h3{margin:1.25rem 0 .4rem;font-size:1rem}p{margin:.25rem 0 .75rem;color:var(--soft)}\
nav{margin:1rem 0;padding:.75rem 1rem;background:var(--panel);border-radius:.5rem}nav a{display:inline-block;margin-right:1rem}\
a{color:var(--link)}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;min-width:44rem;font-size:.92rem}\
th{text-align:left;color:var(--soft);font-weight:600}th,td{padding:.35rem .75rem .35rem 0;vertical-align:top;\
border-bottom:1px solid var(--line)}code{font:.9em/1.4 ui-monospace,monospace}\
td code{display:block}.mark{display:inline-block;padding:0 .5rem;border-radius:1rem;font-size:.8rem;font-weight:600;\
white-space:nowrap}.personal{color:var(--personal);background:var(--personal-paper)}\
.sensitive{color:var(--sensitive);background:var(--sensitive-paper)}.none{color:var(--soft)}\
@media print{nav{display:none}main{max-width:none;padding:0}}";

pub(super) fn page(contents: &Contents) -> String {
    let mut out = String::new();
    write(&mut out, contents).expect("a String takes all that is written to it");
    out
}

fn write(out: &mut String, contents: &Contents) -> Result {
    let title = format!("Data of {}", escaped(&contents.landscape));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    )?;
    let personal = contents.personal();
    writeln!(
        out,
        "<p>Which system holds and receives which data, as the flows of the landscape read and write it: {}, {}, {}.</p>",
        count(contents.systems.len(), "system"),
        count(contents.channels.len(), "channel"),
        count(personal.len(), "personal field"),
    )?;
    write!(out, "<nav><a href=\"#personal\">Personal data</a>")?;
    for (kind, name) in names(contents) {
        write!(out, "<a href=\"#{kind}-{name}\">{name}</a>", name = escaped(name))?;
    }
    writeln!(out, "</nav>\n<h2 id=\"personal\">Personal data</h2>")?;
    if personal.is_empty() {
        writeln!(out, "<p>No field that a flow writes is marked as personal.</p>")?;
    } else {
        head(out, ["field", "", "held by", "received by"])?;
        for field in &personal {
            line(
                out,
                &field.field,
                field.privacy,
                field.held.iter(),
                field.received.iter(),
            )?;
        }
        writeln!(out, "</table></div>")?;
    }
    for system in &contents.systems {
        let name = escaped(&system.name);
        writeln!(
            out,
            "<h2 id=\"system-{name}\">System <code>{name}</code></h2>\n<p>Reached by <code>{}</code>.</p>",
            escaped(system.adapter)
        )?;
        if !system.holds.is_empty() {
            writeln!(out, "<h3>Holds, and gives</h3>")?;
            table(out, ["field", "", "becomes", "goes to"], &system.holds, |row| {
                (&row.canonical, &row.targets)
            })?;
        }
        if !system.receives.is_empty() {
            writeln!(out, "<h3>Receives</h3>")?;
            table(out, ["field", "", "is", "comes from"], &system.receives, |row| {
                (&row.canonical, &row.sources)
            })?;
        }
        if system.holds.is_empty() && system.receives.is_empty() {
            writeln!(out, "<p>No flow says which of its fields it uses.</p>")?;
        }
    }
    for channel in &contents.channels {
        let name = escaped(&channel.name);
        writeln!(
            out,
            "<h2 id=\"channel-{name}\">Channel <code>{name}</code></h2>\n<p>Carries <code>{}</code>.</p>",
            escaped(&channel.type_name)
        )?;
        table(
            out,
            ["field", "", "comes from", "goes to"],
            &channel.fields,
            |row| (&row.sources, &row.targets),
        )?;
    }
    writeln!(out, "</main>\n</body>\n</html>")
}

fn names(contents: &Contents) -> impl Iterator<Item = (&'static str, &str)> {
    let systems = contents
        .systems
        .iter()
        .map(|system| ("system", system.name.as_str()));
    systems.chain(
        contents
            .channels
            .iter()
            .map(|channel| ("channel", channel.name.as_str())),
    )
}

fn table<'r>(
    out: &mut String,
    titles: [&str; 4],
    rows: &'r [Row],
    columns: impl Fn(&'r Row) -> (&'r Vec<String>, &'r Vec<String>),
) -> Result {
    head(out, titles)?;
    for row in rows {
        let (one, two) = columns(row);
        line(out, &row.field, row.privacy, one.iter(), two.iter())?;
    }
    writeln!(out, "</table></div>")
}

fn head(out: &mut String, titles: [&str; 4]) -> Result {
    write!(out, "<div class=\"scroll\"><table>\n<tr>")?;
    for title in titles {
        write!(out, "<th>{title}</th>")?;
    }
    writeln!(out, "</tr>")
}

fn line<'n>(
    out: &mut String,
    field: &str,
    privacy: Privacy,
    one: impl Iterator<Item = &'n String>,
    two: impl Iterator<Item = &'n String>,
) -> Result {
    write!(out, "<tr><td><code>{}</code></td><td>", escaped(field))?;
    if let Some(mark) = mark(privacy) {
        write!(out, "<span class=\"mark {mark}\">{mark}</span>")?;
    }
    write!(out, "</td>")?;
    cell(out, one)?;
    cell(out, two)?;
    writeln!(out, "</tr>")
}

fn cell<'n>(out: &mut String, names: impl Iterator<Item = &'n String>) -> Result {
    write!(out, "<td>")?;
    let mut names = names.peekable();
    if names.peek().is_none() {
        write!(out, "<span class=\"none\">&ndash;</span>")?;
    }
    for name in names {
        write!(out, "<code>{}</code>", escaped(name))?;
    }
    write!(out, "</td>")
}

/// As text or in an attribute, whatever is in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}
