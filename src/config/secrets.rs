//! Where secrets stand in the clear in the files of a landscape, so that no report shows them.
//!
//! A secret is what an option says is one, every value of a system whose adapter or option is not known (it may be
//! a misspelt one), and the password in a URL, wherever it stands. Where `trunkline.yaml` is no YAML, nobody can say
//! what is a value of what, and only its keys are shown.

use std::ops::Range;

use trunkline_sdk::{Description, Kind, Opt, Place, Settings};

use super::{Landscape, flow::beside_system};
use crate::adapters;

/// What a secret looks like to others.
const HIDDEN: &str = "***";

/// The places of secrets.
pub(super) struct Secrets {
    places: Vec<Place>,
    /// `trunkline.yaml`, where it could not be read.
    unread: bool,
}

/// A line as it is shown, and where the mark stands now.
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Secrets {
    pub(super) fn of(landscape: &Landscape) -> Self {
        let mut places = Vec::new();
        for End { options, settings } in ends(landscape) {
            match options {
                Some(options) => group(options, &settings, &mut places),
                None => all(&settings, &mut places),
            }
        }
        let left_out = &landscape.findings.left_out;
        left_out.iter().for_each(|value| all(value, &mut places));
        let (bus, place) = &landscape.bus;
        if !bus.starts_with("embedded:") && !bus.contains("://") {
            places.push(place.clone());
        }
        Self {
            places,
            unread: !landscape.is_read,
        }
    }

    /// A line of a file without its secrets; `place` is what is marked in it.
    pub(super) fn hide(&self, line: &str, place: &Place) -> Shown {
        let on_line = self
            .places
            .iter()
            .filter(|secret| secret.file == place.file && secret.line == place.line);
        let column = |number: u32| number as usize - 1;
        let mut hidden: Vec<_> = on_line
            .map(|secret| column(secret.column)..column(secret.column) + secret.width as usize)
            .collect();
        let characters: Vec<char> = line.chars().collect();
        hidden.extend(passwords(&characters));
        if self.unread && &*place.file == "trunkline.yaml" {
            hidden.extend(values(&characters));
        }
        for range in &mut hidden {
            range.end = range.end.min(characters.len());
            range.start = range.start.min(range.end);
            *range = without_variable(&characters, range);
        }
        hidden.sort_by_key(|range| range.start);
        replace(&characters, &hidden, place)
    }
}

/// What is secret of a value: of `${NAME}`, `env:NAME` and `file:path` nothing, of `${NAME:-default}` the default.
fn without_variable(line: &[char], range: &Range<usize>) -> Range<usize> {
    let text = &line[range.clone()];
    if text.starts_with(&['e', 'n', 'v', ':']) || text.starts_with(&['f', 'i', 'l', 'e', ':']) {
        return range.end..range.end;
    }
    let name = text.strip_prefix(&['$', '{']).unwrap_or_default();
    let is_name = |c: &&char| c.is_ascii_alphanumeric() || **c == '_';
    let length = name.iter().take_while(is_name).count();
    match &name[length..] {
        ['}'] => range.end..range.end,
        [':', '-', .., '}'] => range.start + 4 + length..range.end - 1,
        _ => range.clone(),
    }
}

/// The settings of a system, or of a flow's end at one.
pub(super) struct End {
    /// Its options; `None`: which adapter it is cannot be said.
    pub(super) options: Option<&'static [Opt]>,
    pub(super) settings: Settings,
}

/// Every place of the landscape where an adapter's options stand.
pub(super) fn ends(landscape: &Landscape) -> Vec<End> {
    let mut ends = Vec::new();
    for system in &landscape.systems {
        let entries = system.value.entries();
        ends.extend(entries.unwrap_or_default().iter().map(|entry| End {
            options: adapters::find(&entry.key).map(|adapter| adapter.describe().system),
            settings: entry.value.clone(),
        }));
        if entries.is_none() {
            ends.push(End {
                options: None,
                settings: system.value.clone(),
            });
        }
    }
    for flow in &landscape.flows {
        let from = flow
            .from
            .as_ref()
            .map(|from| end(landscape, from, |described| described.source));
        let to = flow
            .to
            .as_ref()
            .map(|to| end(landscape, to, |described| described.sink));
        ends.extend(from.into_iter().chain(to).flatten());
    }
    ends
}

/// What stands beside `system:` in a `from` or `to`.
fn end(
    landscape: &Landscape,
    end: &Settings,
    options: fn(&Description) -> Option<&'static [Opt]>,
) -> Option<End> {
    end.entries()?;
    let name = end.get("system").and_then(Settings::text);
    let system = landscape
        .systems
        .iter()
        .find(|system| Some(system.name.as_str()) == name);
    let adapter = system.and_then(|system| match system.value.entries() {
        Some([adapter]) => adapters::find(&adapter.key),
        _ => None,
    });
    Some(End {
        options: adapter.and_then(|adapter| options(adapter.describe())),
        settings: beside_system(end),
    })
}

fn group(declared: &'static [Opt], settings: &Settings, places: &mut Vec<Place>) {
    let Some(entries) = settings.entries() else {
        return all(settings, places);
    };
    for entry in entries {
        match declared.iter().find(|option| option.name == entry.key) {
            Some(option) => value(&option.kind, &entry.value, places),
            None => all(&entry.value, places),
        }
    }
}

fn value(kind: &'static Kind, settings: &Settings, places: &mut Vec<Place>) {
    match kind {
        Kind::Secret | Kind::Url | Kind::Any => all(settings, places),
        Kind::List(kind) => match settings.items() {
            Some(items) => items.iter().for_each(|item| value(kind, item, places)),
            None => value(kind, settings, places),
        },
        Kind::Map(kind) => match settings.entries() {
            Some(entries) => entries.iter().for_each(|entry| value(kind, &entry.value, places)),
            None => all(settings, places),
        },
        Kind::Group(options) | Kind::OneOf(options) => group(options, settings, places),
        Kind::Text
        | Kind::File
        | Kind::Flag
        | Kind::Number(..)
        | Kind::Duration
        | Kind::Size
        | Kind::Choice(_) => {
            if settings.text().is_none() {
                all(settings, places);
            }
        }
    }
}

fn all(settings: &Settings, places: &mut Vec<Place>) {
    if settings.text().is_some_and(|text| !text.is_empty()) {
        places.push(settings.place.clone());
    }
    let items = settings.items().unwrap_or_default().iter();
    let entries = settings.entries().unwrap_or_default().iter();
    items
        .chain(entries.map(|entry| &entry.value))
        .for_each(|value| all(value, places));
}

/// Whether a URL, as it is written, has a password that is not from a variable.
pub(super) fn has_password(url: &str) -> bool {
    let characters: Vec<char> = url.chars().collect();
    let is_variable = |range: &Range<usize>| characters[range.clone()].starts_with(&['$', '{']);
    passwords(&characters).iter().any(|range| !is_variable(range))
}

/// Also at the end of `sslpassword=` and the like.
const PASSWORD_OPTION: &[char] = &['p', 'a', 's', 's', 'w', 'o', 'r', 'd', '='];

/// Between the `:` behind the user and the `@` before the host of each URL, and behind `password=` in its query.
fn passwords(line: &[char]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = find(line, from, &[':', '/', '/']) {
        let start = at + 3;
        let ends = |c: &char| c.is_whitespace() || *c == '"' || *c == '\'';
        let end = line[start..]
            .iter()
            .position(ends)
            .map_or(line.len(), |at| start + at);
        let host = line[start..end]
            .iter()
            .rposition(|c| *c == '@')
            .map(|at| start + at);
        if let Some(host) = host
            && let Some(colon) = line[start..host].iter().position(|c| *c == ':')
            && start + colon + 1 < host
        {
            found.push(start + colon + 1..host);
        }
        let mut query = start;
        while let Some(at) = find(&line[..end], query, PASSWORD_OPTION) {
            let value = at + PASSWORD_OPTION.len();
            let rest = &line[value..end];
            query = rest.iter().position(|c| *c == '&').map_or(end, |at| value + at);
            if value < query {
                found.push(value..query);
            }
        }
        from = end;
    }
    found
}

fn find(line: &[char], from: usize, what: &[char]) -> Option<usize> {
    let at = line
        .get(from..)?
        .windows(what.len())
        .position(|window| window == what)?;
    Some(from + at)
}

/// All that is no key and no punctuation of YAML, and the comment.
fn values(line: &[char]) -> Vec<Range<usize>> {
    let is_word = |c: char| !c.is_whitespace() && !"{}[],".contains(c);
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        if line[at] == '#' {
            found.push(at..line.len());
            break;
        }
        let length = line[at..].iter().take_while(|c| is_word(**c)).count();
        let word = &line[at..at + length];
        let is_key = word.strip_suffix(&[':']).is_some_and(|key| {
            !key.is_empty()
                && key
                    .iter()
                    .all(|c| c.is_ascii_lowercase() || *c == '-' || *c == '_')
        });
        if length > 0 && !is_key && word.iter().any(|c| c.is_alphanumeric()) {
            found.push(at..at + length);
        }
        at += length.max(1);
    }
    found
}

/// The ranges are in order; where they overlap, they are one.
fn replace(line: &[char], hidden: &[Range<usize>], place: &Place) -> Shown {
    let mut text = String::new();
    // How many characters `text` has: to count them each time takes the square of the line.
    let mut length = 0;
    let (start, width) = (place.column as usize - 1, place.width as usize);
    let (mut from, mut to) = (None, None);
    let mut at = 0;
    let mut ranges = hidden.iter().filter(|range| range.end > range.start).peekable();
    while at <= line.len() {
        let column = length;
        while ranges.next_if(|range| range.end <= at).is_some() {}
        let next = match ranges.peek() {
            Some(range) if range.start <= at => {
                text.push_str(HIDDEN);
                length += HIDDEN.len();
                range.end.min(line.len()).max(at + 1)
            }
            _ => {
                text.extend(line.get(at));
                length += usize::from(at < line.len());
                at + 1
            }
        };
        if from.is_none() && start < next {
            from = Some(column);
        }
        if to.is_none() && start + width <= next {
            to = Some(length);
        }
        at = next;
    }
    let end = length;
    let from = from.unwrap_or(end);
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Shown {
        place: Place {
            column: number(from + 1),
            width: number(to.unwrap_or(end).saturating_sub(from)).max(1),
            ..place.clone()
        },
        text,
    }
}
