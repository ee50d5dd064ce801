//! The options of a drop folder, and what a flow reads from it.

use std::{path::PathBuf, time::Duration};

use trunkline_formats::Encoding;
use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Problem, Settings};

use crate::{
    claim::PROCESSING,
    format::{FIELD, Format, Formats, TYPE_COLUMNS, Use},
    marker::Marker,
};

/// The largest record that fits the bus.
const MOST: u64 = 16 << 20;

/// `systems: { shop-files: { file: … } }`.
pub(crate) const SYSTEM: &[Opt] = &[Opt {
    name: "folder",
    kind: Kind::Text,
    need: Need::Required,
    summary: "the folder into which others put files; relative to the landscape's folder",
}];

/// Of sources and sinks.
pub(crate) const DELIMITER: Opt = Opt {
    name: "delimiter",
    kind: Kind::Text,
    need: Need::Default(","),
    summary: "what separates the fields of a CSV row: one ASCII character, or `tab`",
};

/// Of sources and sinks.
pub(crate) const RECORD: Opt = Opt {
    name: "record",
    kind: Kind::Text,
    need: Need::Optional,
    summary: "the XML element that is a record, as the names that lead to it: `Orders/Order`",
};

/// Of sources and sinks.
pub(crate) const FIELDS: Opt = Opt {
    name: "fields",
    kind: Kind::List(&Kind::Group(FIELD)),
    need: Need::Optional,
    summary: "the fields of a record of fixed width, each with `name` and `length`",
};

/// Of sources and sinks.
pub(crate) const TYPES: Opt = Opt {
    name: "types",
    kind: Kind::Map(&Kind::List(&Kind::Group(FIELD))),
    need: Need::Optional,
    summary: "where records of fixed width are of several types: the fields of each, under its word",
};

/// Of sources and sinks.
pub(crate) const TYPE_COLUMNS_OPTION: Opt = Opt {
    name: "type_columns",
    kind: Kind::Group(TYPE_COLUMNS),
    need: Need::Optional,
    summary: "the columns whose word tells the type of a record of fixed width",
};

/// Of sources and sinks.
pub(crate) const COLUMNS: Opt = Opt {
    name: "columns",
    kind: Kind::Choice(&["characters", "bytes"]),
    need: Need::Optional,
    summary: "what a column of fixed width is; left out, a character",
};

/// Of sources and sinks.
pub(crate) const RECORD_LENGTH: Opt = Opt {
    name: "record_length",
    kind: Kind::Number(1, 16 << 20),
    need: Need::Optional,
    summary: "how many columns each record of fixed width has; left out, at least those of its fields",
};

/// Of sources and sinks.
pub(crate) const LINE_ENDS: Opt = Opt {
    name: "line_ends",
    kind: Kind::Flag,
    need: Need::Optional,
    summary: "whether each record of fixed width is a line; left out, it is",
};

/// `from: { system: shop-files, … }`.
pub(crate) const SOURCE: &[Opt] = &[
    Opt {
        name: "format",
        kind: Kind::Choice(Format::WORDS),
        need: Need::Optional,
        summary: "how the files are written; left out, their extension tells: .jsonl .ndjson, .csv, .json, .xml",
    },
    Opt {
        name: "pattern",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "which names are read, with `*` and `?`; left out, those with an extension of the format",
    },
    DELIMITER,
    Opt {
        name: "encoding",
        kind: Kind::Choice(Encoding::NAMES),
        need: Need::Optional,
        summary: "how characters are bytes; left out, UTF-8, in XML what the file itself says",
    },
    RECORD,
    Opt {
        name: "lists",
        kind: Kind::List(&Kind::Text),
        need: Need::Optional,
        summary: "the XML elements that are lists even where there is only one: `[Line]`",
    },
    FIELDS,
    TYPES,
    TYPE_COLUMNS_OPTION,
    COLUMNS,
    RECORD_LENGTH,
    LINE_ENDS,
    Opt {
        name: "short_lines",
        kind: Kind::Flag,
        need: Need::Optional,
        summary: "whether a shorter line stands for one with blanks at its end; left out, it is refused",
    },
    Opt {
        name: "poll",
        kind: Kind::Duration,
        need: Need::Default("1s"),
        summary: "how often to look for files; 10ms to 1h",
    },
    Opt {
        name: "quiet",
        kind: Kind::Duration,
        need: Need::Optional,
        summary: "how long a file's size and time must not change before it is read; left out, one `poll`",
    },
    Opt {
        name: "marker",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the file that says that one is whole, made of its `{name}` or `{stem}`: `{name}.done`",
    },
    Opt {
        name: "max_record",
        kind: Kind::Size,
        need: Need::Default("1MiB"),
        summary: "the largest record, at most 16MiB; a larger one is parked, cut at this size",
    },
    Opt {
        name: "done",
        kind: Kind::Text,
        need: Need::Default("done"),
        summary: "the folder within `folder` into which finished files are moved",
    },
    Opt {
        name: "by_date",
        kind: Kind::Flag,
        need: Need::Default("false"),
        summary: "whether `done` has a folder for each day (UTC): `done/2026/11/25`",
    },
    Opt {
        name: "failed",
        kind: Kind::Text,
        need: Need::Default("failed"),
        summary: "the folder within `folder` for files of which nothing was accepted",
    },
    Opt {
        name: "once",
        kind: Kind::Flag,
        need: Need::Default("false"),
        summary: "whether the flow ends when no file is left",
    },
];

/// How files are read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) formats: Formats,
    pub(crate) pattern: Option<String>,
    pub(crate) poll: Duration,
    pub(crate) quiet: Duration,
    pub(crate) marker: Option<Marker>,
    /// In bytes.
    pub(crate) max_record: usize,
    pub(crate) done: String,
    pub(crate) by_date: bool,
    pub(crate) failed: PathBuf,
    pub(crate) once: bool,
}

impl Reading {
    /// Reads the options; everything wrong with them at once.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let options = Options::read(SOURCE, settings)?;
        let mut problems = Vec::new();
        let formats = Formats::read(&options, settings, Use::Read, &mut problems);
        let mut wrong = |name: &str, what: String, hint: &str| {
            let place = settings.get(name).map_or(&settings.place, |value| &value.place);
            problems.push(Problem::new(place, what).hint(hint));
        };
        let pattern = options.text("pattern");
        if let Some(pattern) = pattern {
            if pattern.contains(['/', '\\']) {
                let hint = "folders below are not read; open them as systems of their own";
                wrong(
                    "pattern",
                    "`pattern` is for names, not for paths".to_owned(),
                    hint,
                );
            }
            if formats.format.is_none() && Format::of(pattern).is_none() {
                let what = format!("`pattern` `{pattern}` does not tell the format of the files");
                let hint = "say `format:`, or end the pattern with .jsonl, .ndjson, .csv, .json or .xml";
                wrong("pattern", what, hint);
            }
        }
        let poll = options.duration("poll").unwrap_or_default();
        if !(Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&poll) {
            let what = "`poll` must be from `10ms` to `1h`".to_owned();
            wrong("poll", what, "`1s` is usual");
        }
        let quiet = options.duration("quiet").unwrap_or(poll);
        if quiet > Duration::from_secs(86_400) {
            let what = "`quiet` must be at most `1d`".to_owned();
            wrong(
                "quiet",
                what,
                "have writers rename what is complete, or leave a `marker`",
            );
        }
        let marker = options.text("marker").map(Marker::read);
        if marker == Some(None) {
            let what = "`marker` must be a name with `{name}` or `{stem}` in it".to_owned();
            wrong("marker", what, "usual are `{name}.done` and `{stem}.ctl`");
        }
        let max_record = options.size("max_record").unwrap_or_default();
        if !(1..=MOST).contains(&max_record) {
            let what = "`max_record` must be from `1B` to `16MiB`".to_owned();
            wrong("max_record", what, "more does not fit the bus");
        }
        if options
            .number("record_length")
            .is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > max_record))
        {
            let what = "`record_length` is more than `max_record`".to_owned();
            wrong("record_length", what, "raise `max_record`");
        }
        let [done, failed] = ["done", "failed"].map(|name| options.text(name).unwrap_or_default());
        for (name, folder) in [("done", done), ("failed", failed)] {
            if folder.contains(['/', '\\']) || matches!(folder, "" | "." | "..") {
                let what = format!("`{name}` must be the name of a folder within `folder`");
                wrong(name, what, "only within one folder a file is moved in one step");
            } else if folder == PROCESSING {
                let what = format!("`{name}` must not be `{PROCESSING}`");
                wrong(name, what, "files that are being read stand there");
            }
        }
        match problems.is_empty() {
            true => Ok(Self {
                formats,
                pattern: pattern.map(str::to_owned),
                poll,
                quiet,
                marker: marker.flatten(),
                max_record: usize::try_from(max_record).expect("16 MiB fit"),
                done: done.to_owned(),
                by_date: options.flag("by_date"),
                failed: PathBuf::from(failed),
                once: options.flag("once"),
            }),
            false => Err(problems),
        }
    }

    /// How the file of this name is to be read; `None`: it is none of ours.
    pub(crate) fn format_of(&self, name: &str) -> Option<Format> {
        if name.starts_with('.') || self.marker.as_ref().is_some_and(|marker| marker.is_marker(name)) {
            return None;
        }
        // Without the path to its records an XML file has none.
        let is_known = |format: &Format| *format != Format::Xml || self.formats.record.is_some();
        let by_extension = Format::of(name).filter(is_known);
        let format = self.formats.format;
        match &self.pattern {
            Some(pattern) if matches(pattern, name) => format.or(by_extension),
            Some(_) => None,
            None if format.is_none() => by_extension,
            None => by_extension.filter(|by_extension| Some(*by_extension) == format),
        }
    }
}

/// What `check` would have said.
pub(crate) fn refused(problems: &[Problem]) -> Fault {
    let told: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
    Fault::stop(told.join("; ")).hint("run `trunkline check`")
}

/// Whether a name is as the pattern says: `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut here) = (0, 0);
    // Where the last `*` stands, and how much of the name it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(expected) if *expected == '?' || *expected == name[here] => {
                at += 1;
                here += 1;
            }
            _ => match &mut star {
                Some((star, taken)) => {
                    *taken += 1;
                    (at, here) = (*star + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_stars_and_question_marks() {
        for (pattern, name, is_match) in [
            ("*", "a.csv", true),
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.bak", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbXd", false),
            ("order-??.csv", "order-17.csv", true),
            ("order-??.csv", "order-1.csv", false),
            ("", "", true),
            ("é?", "éö", true),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
        let (pattern, name) = ("*a".repeat(30), "a".repeat(29) + "b");
        assert!(!matches(&pattern, &name));
    }

    #[test]
    fn a_file_is_ours_by_its_pattern_or_by_its_extension() {
        let reading = |pairs: &[(&str, &str)]| {
            Reading::read(&Settings::of(pairs.iter().copied())).expect("the settings are right")
        };
        let by_extension = reading(&[]);
        assert_eq!(by_extension.format_of("a.NDJSON"), Some(Format::JsonLines));
        assert_eq!(by_extension.format_of("a.csv"), Some(Format::Csv));
        assert_eq!(by_extension.format_of("a.xlsx"), None);
        let only_csv = reading(&[("format", "csv")]);
        assert_eq!(only_csv.format_of("a.csv"), Some(Format::Csv));
        assert_eq!(only_csv.format_of("a.json"), None);
        let xml = reading(&[("record", "Orders/Order")]);
        assert_eq!(xml.format_of("a.xml"), Some(Format::Xml));
        assert_eq!(xml.format_of("a.csv"), Some(Format::Csv));
        assert_eq!(by_extension.format_of("a.xml"), None);
        let pattern = reading(&[("format", "csv"), ("pattern", "orders-*")]);
        assert_eq!(pattern.format_of("orders-1.txt"), Some(Format::Csv));
        assert_eq!(pattern.format_of("stock.csv"), None);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        // given
        let settings = Settings::of([
            ("format", "json"),
            ("pattern", "in/*.json"),
            ("delimiter", "||"),
            ("poll", "1ms"),
            ("max_record", "1GiB"),
            ("done", "../done"),
        ]);
        // when
        let problems = Reading::read(&settings).expect_err("all is wrong");
        // then
        let about = ["delimiter", "delimiter", "pattern", "poll", "max_record", "done"];
        let told: Vec<_> = problems.iter().map(|problem| &problem.what).collect();
        assert_eq!(told.len(), about.len(), "{told:#?}");
        assert!(
            told.iter()
                .zip(about)
                .all(|(what, word)| what.contains(&format!("`{word}`"))),
            "{told:#?}"
        );
        assert!(Reading::read(&Settings::of([("pattern", "orders-*")])).is_err());
    }
}
