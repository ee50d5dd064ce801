//! Options as data: one declaration feeds the reader, `check`, the docs and the schema.

use std::time::Duration;

use crate::{Problem, Settings};

/// One option: its word, its kind, whether it must be there, and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// The word in the file.
    pub name: &'static str,
    /// What stands behind it.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// What it is for: one sentence, with unit and limits.
    pub summary: &'static str,
}

/// The kind of an option's value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that is shown nowhere, and stands in no file: it comes from a variable, or is a [`Reference`].
    ///
    /// [`Reference`]: crate::Reference
    Secret,
    /// A URL, in which a password may be: shown nowhere, but written down where there is none in it. It may be a
    /// [`Reference`] too, and is not known then to `check`.
    ///
    /// [`Reference`]: crate::Reference
    Url,
    /// A file by its path from the landscape's folder, which the adapter opens itself. Where it is an option of a
    /// system, `check` has its text: [`Settings::file`].
    File,
    /// `true` or `false`.
    Flag,
    /// A whole number between these, both included.
    Number(i64, i64),
    /// A time with its unit: `250ms`, `5s`, `10m`, `1h`, `7d`.
    Duration,
    /// A size with its unit: `64KiB`, `1MiB`, `10MB`.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of this kind; a single value counts as a list of one.
    List(&'static Kind),
    /// Names of the user's choice, each with a value of this kind.
    Map(&'static Kind),
    /// A group of options.
    Group(&'static [Opt]),
    /// A map with exactly one of these options.
    OneOf(&'static [Opt]),
    /// Whatever it is, something else checks it.
    Any,
}

/// Whether an option must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
    /// Left out, it is this.
    Default(&'static str),
}

/// Settings that were checked against their options: what is read from it is there, and of its kind.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    declared: &'static [Opt],
    settings: &'a Settings,
}

impl<'a> Options<'a> {
    /// Checks the settings: every unknown word, missing option and wrong kind at once.
    pub fn read(declared: &'static [Opt], settings: &'a Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        check_group(declared, None, settings, &mut problems);
        if problems.is_empty() {
            Ok(Self { declared, settings })
        } else {
            Err(problems)
        }
    }

    /// The value as it stands, without its default.
    pub fn get(&self, name: &str) -> Option<&'a Settings> {
        self.settings.get(name)
    }

    /// The text of an option, or its default.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.settings.get(name).and_then(Settings::text).or_else(|| {
            self.declared
                .iter()
                .find(|option| option.name == name)
                .and_then(|option| match option.need {
                    Need::Default(text) => Some(text),
                    _ => None,
                })
        })
    }

    /// A [`Kind::Flag`]; false where it is neither set nor has a default.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A [`Kind::Number`].
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A [`Kind::Duration`].
    pub fn duration(&self, name: &str) -> Option<Duration> {
        parse_duration(self.text(name)?)
    }

    /// A [`Kind::Size`], in bytes.
    pub fn size(&self, name: &str) -> Option<u64> {
        parse_size(self.text(name)?)
    }

    /// The texts of a [`Kind::List`].
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        match self.settings.get(name) {
            Some(list) => match list.items() {
                Some(items) => items.iter().filter_map(Settings::text).collect(),
                None => list.text().into_iter().collect(),
            },
            None => self.text(name).into_iter().collect(),
        }
    }
}

/// `name`: the option whose value the group is.
fn check_group(
    declared: &'static [Opt],
    name: Option<&str>,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) {
    let Some(entries) = settings.entries() else {
        // Nothing at all is an empty group.
        if settings.text() != Some("") {
            let words = words(declared);
            problems.push(
                Problem::new(
                    &settings.place,
                    format!("{} is {}, but must be a map", subject(name), settings.kind()),
                )
                .hint(format!("options: {words}")),
            );
            return;
        }
        missing(declared, settings, &[], problems);
        return;
    };
    let mut meant = Vec::new();
    for entry in entries {
        match declared.iter().find(|option| option.name == entry.key) {
            Some(option) => check_value(option, &option.kind, &entry.key, &entry.value, problems),
            None => {
                let problem = Problem::new(&entry.place, format!("unknown option `{}`", entry.key));
                let names = declared.iter().map(|option| option.name);
                problems.push(match nearest(&entry.key, names) {
                    Some(near) => {
                        if !meant.contains(&near) {
                            meant.push(near);
                        }
                        problem.hint(format!("did you mean `{near}`? options: {}", words(declared)))
                    }
                    None => problem.hint(format!("options: {}", words(declared))),
                });
            }
        }
    }
    missing(declared, settings, &meant, problems);
}

/// Tells the options that are needed and not there. `meant`: those that are there under a misspelt name, which was told.
fn missing(declared: &[Opt], settings: &Settings, meant: &[&str], problems: &mut Vec<Problem>) {
    for option in declared {
        let is_needed = option.need == Need::Required && settings.get(option.name).is_none();
        if is_needed && !meant.contains(&option.name) {
            problems.push(
                Problem::new(&settings.place, format!("option `{}` is missing", option.name))
                    .hint(format!("`{}`: {}", option.name, option.summary)),
            );
        }
    }
}

/// What a map is that should be one, in words.
fn subject(name: Option<&str>) -> String {
    name.map_or_else(|| "this".to_owned(), |name| format!("`{name}`"))
}

/// `option`: the one that the value belongs to, `kind` and `name`: those of the value itself.
fn check_value(option: &Opt, kind: &'static Kind, name: &str, value: &Settings, problems: &mut Vec<Problem>) {
    let mut wrong = |what: String| {
        let hint = format!("`{}`: {}", option.name, option.summary);
        problems.push(Problem::new(&value.place, what).hint(hint));
    };
    match kind {
        Kind::List(item) => match value.items() {
            Some(items) => items
                .iter()
                .for_each(|each| check_value(option, item, name, each, problems)),
            None => check_value(option, item, name, value, problems),
        },
        Kind::Map(each) => match value.entries() {
            Some(entries) => {
                entries
                    .iter()
                    .for_each(|entry| check_value(option, each, &entry.key, &entry.value, problems));
            }
            None => wrong(format!("`{name}` is {}, but must be a map", value.kind())),
        },
        Kind::Any => {}
        Kind::Group(options) => check_group(options, Some(name), value, problems),
        Kind::OneOf(options) => match value.entries() {
            Some([_]) => check_group(options, Some(name), value, problems),
            _ => problems.push(
                Problem::new(
                    &value.place,
                    format!("`{name}` must be a map with exactly one word"),
                )
                .hint(format!("one of: {}", words(options))),
            ),
        },
        _ => match value.text() {
            None => wrong(format!(
                "`{name}` is {}, but must be a single value",
                value.kind()
            )),
            Some("") => wrong(format!("`{name}` is empty")),
            Some(text) => {
                // What a variable holds is shown nowhere: it may be the wrong one.
                let shown = if value.is_from_variable() { "…" } else { text };
                if let Some(what) = scalar_fault(kind, name, text, shown) {
                    wrong(what);
                }
            }
        },
    }
}

/// What is wrong with the text of a scalar option, which is told as `shown`.
fn scalar_fault(kind: &Kind, name: &str, text: &str, shown: &str) -> Option<String> {
    match kind {
        Kind::Flag if text != "true" && text != "false" => {
            Some(format!("`{name}` is `{shown}`, but must be `true` or `false`"))
        }
        Kind::Number(least, most) => match text.parse::<i64>() {
            Ok(number) if (*least..=*most).contains(&number) => None,
            _ => Some(format!(
                "`{name}` is `{shown}`, but must be a whole number from {least} to {most}"
            )),
        },
        Kind::Duration if parse_duration(text).is_none() => Some(format!(
            "`{name}` is `{shown}`, but must be a time with its unit, such as `250ms`, `5s`, `10m`, `1h` or `7d`"
        )),
        Kind::Size if parse_size(text).is_none() => Some(format!(
            "`{name}` is `{shown}`, but must be a size with its unit, such as `64KiB`, `1MiB` or `10MB`"
        )),
        Kind::Choice(choices) if !choices.contains(&text) => {
            let near = nearest(text, choices.iter().copied())
                .map(|near| format!(": did you mean `{near}`?"))
                .unwrap_or_default();
            Some(format!(
                "`{name}` is `{shown}`, but must be one of `{}`{near}",
                choices.join("`, `")
            ))
        }
        _ => None,
    }
}

fn words(declared: &[Opt]) -> String {
    let words: Vec<_> = declared
        .iter()
        .map(|option| format!("`{}`", option.name))
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

/// The known word that is nearest to a mistyped one, if one is near enough to be meant. Of more than
/// 256 characters nobody has mistyped one.
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > LONGEST {
        return None;
    }
    let limit = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// In bytes: comparing two words takes the product of their lengths.
const LONGEST: usize = 256;

/// A time with its unit: `ms`, `s`, `m`, `h`, `d`; whole numbers.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// A size with its unit, in bytes: `B`, `KiB`, `MiB`, `GiB` (1024), `KB`, `MB`, `GB` (1000); whole numbers.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..at].parse().ok()?, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        Opt {
            name: "listen",
            kind: Kind::Text,
            need: Need::Required,
            summary: "address to listen on",
        },
        Opt {
            name: "timeout",
            kind: Kind::Duration,
            need: Need::Default("5s"),
            summary: "how long",
        },
        Opt {
            name: "mode",
            kind: Kind::Choice(&["fast", "safe"]),
            need: Need::Optional,
            summary: "how",
        },
    ];

    #[test]
    fn all_problems_of_a_group_are_told_at_once() {
        // given
        let settings = Settings::of([("lissten", "x"), ("timeout", "5"), ("mode", "saef")]);
        // when
        let problems = Options::read(OPTIONS, &settings).expect_err("three words are wrong");
        // then
        let told: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(told[0].contains("unknown option `lissten`"));
        assert!(
            problems[0]
                .hint
                .as_deref()
                .is_some_and(|hint| hint.contains("did you mean `listen`?"))
        );
        assert!(told[1].contains("must be a time with its unit"));
        assert!(told[2].contains("did you mean `safe`?"));
    }

    #[test]
    fn what_is_missing_is_told_but_not_of_the_word_that_was_misspelt() {
        let told = |settings: Settings| {
            let problems = Options::read(OPTIONS, &settings).err().unwrap_or_default();
            problems
                .into_iter()
                .map(|problem| problem.what)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(Settings::of([("mode", "fast")])),
            ["option `listen` is missing"]
        );
        assert_eq!(
            told(Settings::of([("lissten", "x")])),
            ["unknown option `lissten`"]
        );
    }

    #[test]
    fn an_option_left_out_is_its_default() {
        let settings = Settings::of([("listen", "127.0.0.1:0")]);
        let options = Options::read(OPTIONS, &settings).expect("these settings are right");
        assert_eq!(options.duration("timeout"), Some(Duration::from_secs(5)));
        assert_eq!(options.text("mode"), None);
    }

    #[test]
    fn a_size_or_duration_without_a_unit_or_beyond_all_bounds_is_refused() {
        for text in [
            "5",
            "",
            "s",
            "-5s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_size("64KiB"), Some(65_536));
        assert_eq!(parse_size("18446744073709551615GiB"), None);
    }
}
