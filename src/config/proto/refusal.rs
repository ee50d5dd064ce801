//! What the compiler refuses, in our words.

use std::sync::Arc;

use miette::Diagnostic;
use prost_reflect::{DescriptorError, DescriptorPool};
use protox_parse::ParseError;
use trunkline_sdk::{Problem, nearest};

use super::{Parsed, TOLD, stretch};

/// Looking for the place of each of many problems takes the whole text each time.
const SEARCHED: usize = 50_000_000;
/// No problem is told with more characters: a name can be as long as its file.
const LONGEST: usize = 300;

/// What is wrong with the syntax of a file.
pub(super) fn of_syntax(error: &ParseError, path: &Arc<str>, text: &str) -> Vec<Problem> {
    let end = text.trim_end().len();
    all(error)
        .map(|diagnostic| {
            let (offset, length) = span(diagnostic).unwrap_or((end, 1));
            let problem = Problem::new(&stretch(path, text, offset, length), said(diagnostic));
            problem.hint(help(diagnostic).unwrap_or_else(|| {
                "see the language's guide: protobuf.dev/programming-guides/proto3".to_owned()
            }))
        })
        .take(TOLD)
        .collect()
}

/// What is wrong with the names, types, numbers and options of a file.
pub(super) fn of_types(error: DescriptorError, file: &Parsed<'_>, pool: &DescriptorPool) -> Vec<Problem> {
    let count = all(&error).count();
    let first = error.line().zip(error.column());
    if count.saturating_mul(file.text.len()) > SEARCHED {
        let mut at = file.place(0, 1);
        if let Some((line, column)) = first {
            at.line = u32::try_from(line + 1).unwrap_or(u32::MAX);
            at.column = u32::try_from(column + 1).unwrap_or(u32::MAX);
        }
        let what = format!(
            "{}; and {} more in this file",
            said(&error),
            count.saturating_sub(1)
        );
        return vec![Problem::new(&at, what).hint("mend this one first")];
    }
    // The compiler counts columns in bytes, and looks for them in characters: here they are the same.
    let ascii = |byte: u8| if byte.is_ascii() { char::from(byte) } else { '?' };
    let bytes: String = file.text.bytes().map(ascii).collect();
    let error = error.with_source_code(&bytes);
    let mut problems: Vec<_> = all(&error)
        .map(|diagnostic| {
            let (offset, length) = span(diagnostic).unwrap_or((0, 1));
            let mut what = said(diagnostic);
            if let Some(inner) = diagnostic.diagnostic_source() {
                what = format!("{what}: {}", said(inner));
            }
            let hint = hint(&what, pool).or_else(|| help(diagnostic));
            let problem = Problem::new(&file.place(offset, length), what);
            match hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        })
        .collect();
    problems.dedup();
    problems.truncate(TOLD);
    problems
}

/// A problem and those that were found with it.
fn all(diagnostic: &dyn Diagnostic) -> impl Iterator<Item = &dyn Diagnostic> {
    std::iter::once(diagnostic).chain(diagnostic.related().into_iter().flatten())
}

/// Where it stands: of several marks the one that is wrong, rather than the one it is wrong by.
fn span(diagnostic: &dyn Diagnostic) -> Option<(usize, usize)> {
    let labels: Vec<_> = diagnostic.labels()?.collect();
    let says = |word: &str| {
        let says = |label: &&miette::LabeledSpan| label.label().is_some_and(|text| text.contains(word));
        labels.iter().find(says)
    };
    let is_plain = |label: &&miette::LabeledSpan| label.label() == Some("defined here");
    let label = says("again")
        .or_else(|| says("found here"))
        .or_else(|| labels.iter().find(is_plain))
        .or_else(|| labels.first())?;
    Some((label.offset(), label.len()))
}

/// `'x'` of the compiler is `` `x` `` here.
fn said(diagnostic: &dyn Diagnostic) -> String {
    let mut said = diagnostic.to_string().replace('\'', "`");
    if let Some((end, _)) = said.char_indices().nth(LONGEST) {
        said.truncate(end);
        said.push_str("…`");
    }
    if help(diagnostic).is_some_and(|help| help.starts_with("imports may")) {
        return "this is no path of an import".to_owned();
    }
    // A name that is written in full already.
    match said.split_once(" resolves to ") {
        Some((name, rest)) if rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(',')) => {
            format!("name {name} is not defined")
        }
        _ => said,
    }
}

fn help(diagnostic: &dyn Diagnostic) -> Option<String> {
    diagnostic.help().map(|help| help.to_string().replace('\'', "`"))
}

/// How to mend it, where it is about a name.
fn hint(what: &str, pool: &DescriptorPool) -> Option<String> {
    let name = what.split('`').nth(1)?;
    if what.ends_with("is defined twice") {
        return Some("give one of the two another name, or another package".to_owned());
    }
    if what.starts_with("field number") && what.ends_with("used") {
        return Some("give it a number that no other field of the message has had".to_owned());
    }
    if !what.ends_with("is not defined") {
        return None;
    }
    if what.starts_with("option field") {
        return option_hint(name, pool);
    }
    if let Some(near) = nearest(name, SCALARS) {
        return Some(format!("did you mean `{near}`?"));
    }
    let messages = pool.all_messages().filter(|message| !message.is_map_entry());
    let known: Vec<_> = messages
        .map(|message| (message.full_name().to_owned(), message.parent_file()))
        .chain(
            pool.all_enums()
                .map(|found| (found.full_name().to_owned(), found.parent_file())),
        )
        .collect();
    let full = || known.iter().map(|(name, _)| name.as_str());
    let short = || full().map(|name| name.rsplit('.').next().unwrap_or_default());
    let near = nearest(name, full()).or_else(|| {
        let near = nearest(name, short())?;
        full()
            .zip(short())
            .find(|(_, short)| *short == near)
            .map(|(full, _)| full)
    })?;
    let (_, file) = known.iter().find(|(name, _)| name == near)?;
    Some(if near == name {
        format!("it is there once the file says `import \"{}\";`", file.name())
    } else {
        format!("did you mean `{near}`? it is in \"{}\"", file.name())
    })
}

/// The option that may have been meant by `(buf.validate.field).string.min_length`.
fn option_hint(name: &str, pool: &DescriptorPool) -> Option<String> {
    let (extension, path) = name.strip_prefix('(')?.split_once(')')?;
    let Some(found) = pool.get_extension_by_name(extension) else {
        let known: Vec<_> = pool
            .all_extensions()
            .map(|found| found.full_name().to_owned())
            .collect();
        let near = nearest(extension, known.iter().map(String::as_str))?;
        let file = pool.get_extension_by_name(near)?.parent_file();
        return Some(if near == extension {
            format!("it is there once the file says `import \"{}\";`", file.name())
        } else {
            format!("did you mean `({near})`? it is in \"{}\"", file.name())
        });
    };
    let mut kind = found.kind();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let message = kind.as_message()?.clone();
        match message.get_field_by_name(part) {
            Some(field) => kind = field.kind(),
            None => {
                let names: Vec<_> = message.fields().map(|field| field.name().to_owned()).collect();
                let near = |length: usize| {
                    let begins =
                        |name: &&String| part.get(..length).is_some_and(|start| name.starts_with(start));
                    names.iter().find(begins).map(String::as_str)
                };
                let near = nearest(part, names.iter().map(String::as_str))
                    .or_else(|| near(6))
                    .or_else(|| near(4))?;
                return Some(format!("did you mean `{near}`?"));
            }
        }
    }
    None
}

/// The language's own types.
const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
    "sfixed32", "sfixed64", "bool", "string", "bytes",
];
