//! Secrets that stand in the clear: who reads the file, and every copy of it, knows them.
//!
//! A secret comes from a variable (`${NAME}`), or is read when its system is opened (`env:NAME`, `file:path`). The
//! default of a variable may stand in the file: it is there for trying things out, and the variable replaces it.
//! Anything else is an error and no warning, for a secret that was committed once must be changed, and a warning is
//! read after that.

use trunkline_sdk::{Entry, Kind, Opt, Problem, Reference, Settings};

use super::super::{
    landscape::Landscape,
    secrets::{self, End},
};

/// Tells every secret that stands in the clear, and references that name nothing.
pub(super) fn check(landscape: &Landscape, problems: &mut Vec<Problem>) {
    let mut clear = Clear { landscape, problems };
    let (_, place) = &landscape.bus;
    clear.url(
        "bus",
        &Settings::scalar(place.clone(), landscape.bus.0.as_str(), false),
    );
    for End { options, settings } in secrets::ends(landscape) {
        clear.group(
            options.unwrap_or_default(),
            settings.entries().unwrap_or_default(),
        );
    }
}

struct Clear<'c> {
    landscape: &'c Landscape,
    problems: &'c mut Vec<Problem>,
}

impl Clear<'_> {
    fn group(&mut self, declared: &'static [Opt], entries: &[Entry]) {
        for entry in entries {
            if let Some(option) = declared.iter().find(|option| option.name == entry.key) {
                self.value(&entry.key, &option.kind, &entry.value);
            }
        }
    }

    fn value(&mut self, name: &str, kind: &'static Kind, value: &Settings) {
        match kind {
            Kind::Secret => self.secret(name, value),
            Kind::Url if self.reference(name, value) => {}
            // Whatever else is a URL.
            Kind::Url | Kind::Text => self.url(name, value),
            Kind::List(kind) => match value.items() {
                Some(items) => items.iter().for_each(|item| self.value(name, kind, item)),
                None => self.value(name, kind, value),
            },
            Kind::Map(kind) => {
                let entries = value.entries().unwrap_or_default();
                entries
                    .iter()
                    .for_each(|entry| self.value(&entry.key, kind, &entry.value));
            }
            Kind::Group(options) | Kind::OneOf(options) => {
                self.group(options, value.entries().unwrap_or_default());
            }
            _ => {}
        }
    }

    fn secret(&mut self, name: &str, value: &Settings) {
        let Some(text) = value.text().filter(|text| !text.is_empty()) else {
            return;
        };
        if self.reference(name, value) || self.written(value, text).contains("${") {
            return;
        }
        self.problems.push(
            Problem::new(&value.place, format!("the secret `{name}` stands in the clear")).hint(
                "let it come from elsewhere: `${NAME}`, `env:NAME` or `file:path`; and change it, where the file was \
                 shared",
            ),
        );
    }

    fn url(&mut self, name: &str, value: &Settings) {
        let text = value.text().filter(|text| text.contains("://"));
        let Some(written) = text.map(|text| self.written(value, text)) else {
            return;
        };
        let is_variable = written.starts_with("${") && written.ends_with('}');
        if !is_variable && secrets::has_password(&written) {
            self.problems.push(
                Problem::new(
                    &value.place,
                    format!("the password in `{name}` stands in the clear"),
                )
                .hint("put a variable in its place: `scheme://user:${PASSWORD}@host`; and change it, where the file was shared"),
            );
        }
    }

    /// Whether the value is read from elsewhere.
    fn reference(&mut self, name: &str, value: &Settings) -> bool {
        match value.reference() {
            None => false,
            Some(Reference::Variable(variable)) => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if variable.is_empty() || !variable.chars().all(is_name) {
                    let what = format!("`{name}` names no variable");
                    let hint = "as in `env:SHOP_SECRET`; a name is letters, digits and `_`";
                    self.problems.push(Problem::new(&value.place, what).hint(hint));
                }
                true
            }
            Some(Reference::File(path)) => {
                if path.is_empty() {
                    let what = format!("`{name}` names no file");
                    let hint = "as in `file:/run/secrets/shop`";
                    self.problems.push(Problem::new(&value.place, what).hint(hint));
                }
                true
            }
        }
    }

    /// The value as it is written in its file, with its variables; of one that goes over several lines, the first.
    fn written(&self, value: &Settings, text: &str) -> String {
        let place = &value.place;
        let file = self.landscape.files.text(&place.file);
        match file.and_then(|file| file.lines().nth(place.line as usize - 1)) {
            Some(line) => {
                let characters = line.chars().skip(place.column as usize - 1);
                characters.take(place.width as usize).collect()
            }
            None => text.to_owned(),
        }
    }
}
