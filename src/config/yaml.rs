//! YAML to [`Settings`]: every key and value with the place where it stands, variables filled in.
//!
//! A landscape needs no more of YAML than maps, lists and single values. Anchors, aliases, tags and several
//! documents in a file are refused: they hide from the reader what a flow does, and an alias can grow a file
//! of one page to gigabytes.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use trunkline_sdk::{Entry, Place, Problem, Settings};

use super::{
    files::start,
    findings::Findings,
    scalar::{Lines, Written},
    variables::Variables,
};

/// Deeper than any landscape, and far from the end of the stack.
const MAX_DEPTH: usize = 32;

/// No line that a person writes is longer, in bytes; and the parser's time grows with the square of what stands on
/// one: a line of 256 KiB may take it minutes.
const MAX_LINE: usize = 4 << 10;

/// How much is told of one file. Where more is wrong it is no landscape, or one mistake many times.
const MOST_PROBLEMS: usize = 50;

/// Reads one YAML document. With problems, the tree holds what could be read all the same.
pub(crate) fn read(
    file: &Arc<str>,
    text: &str,
    variables: &Variables<'_>,
    findings: &mut Findings,
) -> Option<Settings> {
    if let Some(line) = text.lines().position(|line| line.len() > MAX_LINE) {
        let place = Place {
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            ..start(file)
        };
        findings.problems.push(
            Problem::new(&place, "this line is longer than 4 KiB")
                .hint("break it into several: a long text as `|` or `>`, a list with one item per line"),
        );
        return None;
    }
    let told_before = findings.problems.len();
    let mut reader = Reader {
        lines: Lines::of(file, text),
        variables,
        told_before,
        findings,
        events: Parser::new_from_str(text),
        depth: 0,
    };
    reader.document()
}

struct Reader<'r> {
    lines: Lines<'r>,
    variables: &'r Variables<'r>,
    findings: &'r mut Findings,
    /// Problems of other files.
    told_before: usize,
    events: Parser<'r, saphyr_parser::StrInput<'r>>,
    depth: usize,
}

impl<'r> Reader<'r> {
    fn document(&mut self) -> Option<Settings> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return root,
                (Event::StreamStart | Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::DocumentStart(_), span) if root.is_some() => {
                    self.problem(span, "a second document begins here")
                        .hint_last("put it into a file of its own");
                    return root;
                }
                (Event::DocumentStart(_), _) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span)?);
                }
                (_, span) => {
                    self.problem(span, "nothing is expected here");
                    return root;
                }
            }
        }
    }

    /// The next event; `None`: the text is no YAML, and that is said.
    fn next(&mut self) -> Option<(Event<'r>, Span)> {
        match self.events.next_event()? {
            Ok((_, span)) if self.findings.problems.len() - self.told_before >= MOST_PROBLEMS => {
                self.problem(span, "too much is wrong in this file to read on")
                    .hint_last("mend what is told so far, and check again");
                None
            }
            Ok(event) => Some(event),
            Err(error) => {
                let at = error.marker();
                let place = self.place_at(at.line(), at.col(), 1);
                let hint = self.syntax_hint(at.line());
                self.findings.problems.push(
                    Problem::new(&place, format!("this is no YAML: {}", in_our_words(error.info())))
                        .hint(hint),
                );
                None
            }
        }
    }

    fn node(&mut self, event: Event<'r>, span: Span) -> Option<Settings> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.problem(span, format!("this is nested more than {MAX_DEPTH} deep"));
            return None;
        }
        let node = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    self.no_anchors(span);
                }
                let Written { place, stretches } = self.lines.written(&text, style, span);
                // `~` and `null` are YAML's words for nothing.
                let nothing = style == ScalarStyle::Plain && (text == "~" || text == "null");
                let text = if nothing { "".into() } else { text };
                let is_quoted = style != ScalarStyle::Plain;
                match self.variables.fill(&text) {
                    Ok((filled, from_variable)) => {
                        // Behind a variable the text is not as it stands there.
                        let known = text.find("${").unwrap_or(text.len());
                        let known = stretches.into_iter().filter(|stretch| stretch.offset <= known);
                        let scalar =
                            Settings::scalar(place, filled, from_variable).in_stretches(known.collect());
                        if is_quoted { scalar.quoted() } else { scalar }
                    }
                    Err(faults) => {
                        self.findings
                            .unset
                            .extend(faults.into_iter().map(|fault| fault.at(&place)));
                        Settings::scalar(place, text, true)
                    }
                }
            }
            Event::SequenceStart(anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    self.no_anchors(span);
                }
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Settings::list(self.start(span), items),
                        (event, span) => items.push(self.node(event, span)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    self.no_anchors(span);
                }
                self.map(span)?
            }
            Event::Alias(_) => {
                self.no_anchors(span);
                Settings::scalar(self.place(span), "", false)
            }
            _ => {
                self.problem(span, "nothing is expected here");
                return None;
            }
        };
        self.depth -= 1;
        Some(node)
    }

    fn map(&mut self, span: Span) -> Option<Settings> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        loop {
            let (event, key_span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Some(Settings::map(self.start(span), entries)),
                Event::Scalar(key, ..) => key.into_owned(),
                other => {
                    self.problem(key_span, "a key must be a single word");
                    let key = self.node(other, key_span)?;
                    self.findings.left_out.push(key);
                    String::new()
                }
            };
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span)?;
            let (key, place, value) = self.unglued(key, self.place(key_span), value);
            if let Some(line) = lines.get(&key) {
                self.findings.problems.push(
                    Problem::new(&place, format!("`{key}` is said twice"))
                        .hint(format!("it stands on line {line} already: keep one of the two")),
                );
                self.findings.left_out.push(value);
                continue;
            }
            lines.insert(key.clone(), place.line);
            entries.push(Entry { key, place, value });
        }
    }

    /// `key:value` is one word to YAML: it is told, and read as it was meant.
    fn unglued(&mut self, key: String, place: Place, value: Settings) -> (String, Place, Settings) {
        let Some((before, rest)) = key.split_once(':').filter(|_| value.text() == Some("")) else {
            return (key, place, value);
        };
        let width = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        let (head, behind) = (
            Place {
                width,
                ..place.clone()
            },
            Place {
                column: place.column.saturating_add(width),
                width: place.width.saturating_sub(width).max(1),
                ..place
            },
        );
        self.findings.problems.push(
            Problem::new(&head, format!("`{before}:` has no space behind it"))
                .hint(format!("write `{before}: …`")),
        );
        let value = Settings::scalar(behind, rest, false);
        self.findings.left_out.push(value.clone());
        (before.to_owned(), head, value)
    }

    /// The usual cause for what is no YAML, as far as the line tells.
    fn syntax_hint(&self, line: usize) -> &'static str {
        let line = self.lines.get(line);
        let indent = line.len() - line.trim_start().len();
        if line[..indent].contains('\t') {
            "indent with spaces: YAML takes no tab there"
        } else {
            "see to the indentation, to the `:` behind each key, and that every quote and bracket before is closed"
        }
    }

    fn no_anchors(&mut self, span: Span) {
        self.problem(span, "anchors, aliases and tags are not used in a landscape")
            .hint_last("write the value out");
    }

    fn problem(&mut self, span: Span, what: impl Into<String>) -> &mut Self {
        let place = self.place(span);
        self.findings.problems.push(Problem::new(&place, what));
        self
    }

    fn hint_last(&mut self, hint: &str) {
        if let Some(problem) = self.findings.problems.last_mut() {
            problem.hint = Some(hint.to_owned());
        }
    }

    fn place(&self, span: Span) -> Place {
        let one_line = span.start.line() == span.end.line();
        let width = if one_line {
            span.end.col().saturating_sub(span.start.col())
        } else {
            1
        };
        self.place_at(span.start.line(), span.start.col(), width)
    }

    /// Where a list or map begins.
    fn start(&self, span: Span) -> Place {
        self.place_at(span.start.line(), span.start.col(), 1)
    }

    fn place_at(&self, line: usize, column: usize, width: usize) -> Place {
        self.lines.place(line, column, width)
    }
}

/// What the parser found, where its words are for those who wrote it.
fn in_our_words(info: &str) -> &str {
    match info {
        "simple key expect ':'" | "simple key expected" => "a key before this has no `:` behind it",
        _ => info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Option<Settings>, Vec<Problem>) {
        let mut findings = Findings::default();
        let lookup = |name: &str| (name == "SECRET").then(|| "s3cret".to_owned());
        let settings = read(&"a.yaml".into(), text, &Variables::new(&lookup), &mut findings);
        (settings, findings.with(Vec::new()))
    }

    #[test]
    fn every_value_knows_where_its_text_begins() {
        let (settings, problems) =
            read_text("a: one\nb: { c: 'two', d: [x, \"y\"] }\ne: |\n  three\n  four\n");
        assert!(problems.is_empty(), "{problems:?}");
        let settings = settings.unwrap();
        let place = |settings: &Settings| (settings.place.line, settings.place.column, settings.place.width);
        let b = settings.get("b").unwrap();
        assert_eq!(place(settings.get("a").unwrap()), (1, 4, 3));
        assert_eq!(place(b.get("c").unwrap()), (2, 10, 3));
        assert_eq!(place(&b.get("d").unwrap().items().unwrap()[1]), (2, 24, 1));
        assert_eq!(place(settings.get("e").unwrap()), (4, 3, 5));
        assert_eq!(settings.get("e").unwrap().text(), Some("three\nfour\n"));
    }

    #[test]
    fn variables_are_filled_in_and_never_shown() {
        let (settings, problems) = read_text("a: ${SECRET}\nb: x${MISSING:-y}z\nc: plain\n");
        assert!(problems.is_empty());
        let settings = settings.unwrap();
        assert_eq!(settings.get("a").unwrap().text(), Some("s3cret"));
        assert!(settings.get("a").unwrap().is_from_variable());
        assert_eq!(settings.get("b").unwrap().text(), Some("xyz"));
        assert!(!settings.get("c").unwrap().is_from_variable());
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn what_a_landscape_does_not_need_of_yaml_is_refused() {
        let deep = format!("{}x{}", "[".repeat(40), "]".repeat(40));
        let cases = [
            ("a: &x 1\nb: *x\n", "anchors"),
            ("a: !!str 1\n", "tags"),
            ("a: 1\n---\nb: 2\n", "second document"),
            ("a: 1\na: 2\n", "`a` is said twice"),
            ("a: ${MISSING}\n", "`MISSING` is not set"),
            ("a: ${MISSING\n", "has no `}`"),
            ("a: [1\n", "no YAML"),
            (deep.as_str(), "nested more than 32"),
            ("? [a]\n: b\n", "single word"),
        ];
        for (text, told) in cases {
            let (_, problems) = read_text(text);
            assert!(
                problems.iter().any(|problem| problem.what.contains(told)),
                "{text}: {problems:?}"
            );
        }
    }

    #[test]
    fn an_empty_file_is_nothing_and_no_panic() {
        for text in ["", "# only a comment\n", "---\n", "\u{feff}"] {
            let (_, problems) = read_text(text);
            assert!(problems.is_empty(), "{text:?}: {problems:?}");
        }
    }
}
