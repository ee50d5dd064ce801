//! Secrets that stand elsewhere: `env:NAME` and `file:path`, read when their system is opened, and not before: so
//! `check` needs none of them, and a new secret is taken without a new landscape.
//!
//! Promises: what was read is shown nowhere.

use std::{
    fs,
    io::{ErrorKind, Read},
    path::Path,
};

use trunkline_sdk::{Entry, Fault, Kind, Opt, Reference, Settings};

/// No secret is longer, in bytes.
const MOST: u64 = 64 << 10;

/// The settings, with what their references name in place of these. Paths are relative to `home`.
///
/// Faults: `Stop` when a variable or file is not there, or holds no text.
pub(crate) fn read_in(declared: &'static [Opt], settings: &Settings, home: &Path) -> Result<Settings, Fault> {
    let Some(entries) = settings.entries() else {
        return Ok(settings.clone());
    };
    let entry = |entry: &Entry| {
        let option = declared.iter().find(|option| option.name == entry.key);
        let value = match option {
            Some(option) => value(&entry.key, &option.kind, &entry.value, home)?,
            None => entry.value.clone(),
        };
        Ok(Entry {
            value,
            ..entry.clone()
        })
    };
    let entries: Result<_, Fault> = entries.iter().map(entry).collect();
    Ok(Settings::map(settings.place.clone(), entries?))
}

fn value(name: &str, kind: &'static Kind, settings: &Settings, home: &Path) -> Result<Settings, Fault> {
    match kind {
        Kind::Secret | Kind::Url => match settings.reference() {
            Some(reference) => {
                let text = read(reference, home).map_err(|fault| Fault {
                    what: format!("`{name}`: {}", fault.what),
                    ..fault
                })?;
                Ok(Settings::scalar(settings.place.clone(), text, true))
            }
            None => Ok(settings.clone()),
        },
        Kind::Group(options) | Kind::OneOf(options) => read_in(options, settings, home),
        Kind::List(kind) => match settings.items() {
            Some(items) => {
                let items: Result<_, Fault> =
                    items.iter().map(|item| value(name, kind, item, home)).collect();
                Ok(Settings::list(settings.place.clone(), items?))
            }
            None => value(name, kind, settings, home),
        },
        Kind::Map(kind) => {
            let entry = |entry: &Entry| {
                Ok(Entry {
                    value: value(&entry.key, kind, &entry.value, home)?,
                    ..entry.clone()
                })
            };
            let entries: Result<_, Fault> =
                settings.entries().unwrap_or_default().iter().map(entry).collect();
            Ok(Settings::map(settings.place.clone(), entries?))
        }
        _ => Ok(settings.clone()),
    }
}

fn read(reference: Reference<'_>, home: &Path) -> Result<String, Fault> {
    match reference {
        Reference::Variable(name) => match std::env::var(name) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(
                Fault::stop(format!("the variable `{name}` is not set, or is no text"))
                    .hint("set it in the environment of this process"),
            ),
        },
        Reference::File(path) => {
            let cannot = |error: std::io::Error| {
                let hint = match error.kind() {
                    ErrorKind::NotFound => "see where the secret is mounted",
                    _ => "let the user who runs Trunkline read it",
                };
                Fault::stop(format!("the file `{path}` cannot be read: {}", error.kind())).hint(hint)
            };
            let place = home.join(path);
            if !fs::metadata(&place).map_err(cannot)?.is_file() {
                return Err(
                    Fault::stop(format!("`{path}` is no file")).hint("name the file that holds the secret")
                );
            }
            let mut text = String::new();
            let file = fs::File::open(&place).map_err(cannot)?;
            file.take(MOST + 1).read_to_string(&mut text).map_err(cannot)?;
            // An editor ends every file with a line break; no secret does.
            let secret = text.trim_end_matches(['\n', '\r']);
            if secret.is_empty() || text.len() as u64 > MOST {
                return Err(Fault::stop(format!("the file `{path}` holds no secret"))
                    .hint("it is a file of one line, of at most 64 KiB"));
            }
            Ok(secret.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::{Need, Place};

    use super::*;

    const OPTIONS: &[Opt] = &[
        option("url", Kind::Url),
        option(
            "verify",
            Kind::OneOf(&[option("shop", Kind::List(&Kind::Secret))]),
        ),
        option("note", Kind::Text),
    ];

    const fn option(name: &'static str, kind: Kind) -> Opt {
        Opt {
            name,
            kind,
            need: Need::Optional,
            summary: "for this test",
        }
    }

    fn place() -> Place {
        Place {
            file: "trunkline.yaml".into(),
            line: 1,
            column: 1,
            width: 1,
        }
    }

    fn scalar(text: &str) -> Settings {
        Settings::scalar(place(), text, false)
    }

    fn map(pairs: Vec<(&str, Settings)>) -> Settings {
        let entry = |(key, value): (&str, Settings)| Entry {
            key: key.to_owned(),
            place: place(),
            value,
        };
        Settings::map(place(), pairs.into_iter().map(entry).collect())
    }

    #[test]
    fn what_a_file_and_a_variable_hold_takes_the_place_of_their_names() {
        // given
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("shop"), "hush\n").unwrap();
        let secrets = Settings::list(
            place(),
            vec![scalar("file:shop"), scalar("env:PATH"), scalar("plain")],
        );
        let settings = map(vec![
            ("verify", map(vec![("shop", secrets)])),
            ("url", scalar("sqlite:./a.db")),
            ("note", scalar("file:shop")),
        ]);
        // when
        let read = read_in(OPTIONS, &settings, home.path()).unwrap();
        // then
        let texts: Vec<_> = read
            .get("verify")
            .unwrap()
            .get("shop")
            .unwrap()
            .items()
            .unwrap()
            .iter()
            .collect();
        assert_eq!(texts[0].text(), Some("hush"));
        assert_eq!(texts[1].text().map(str::to_owned), std::env::var("PATH").ok());
        assert_eq!(texts[2].text(), Some("plain"));
        assert_eq!(read.get("url").unwrap().text(), Some("sqlite:./a.db"));
        assert_eq!(
            read.get("note").unwrap().text(),
            Some("file:shop"),
            "it is no secret"
        );
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_that_names_it_and_a_person_mends_it() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("empty"), "\n").unwrap();
        fs::write(home.path().join("large"), "x".repeat(MOST as usize + 1)).unwrap();
        fs::write(home.path().join("binary"), [0xff, 0xfe]).unwrap();
        for name in [
            "file:away",
            "file:empty",
            "file:large",
            "file:binary",
            "file:.",
            "env:TRUNKLINE_NOT_SET",
        ] {
            let fault = read_in(OPTIONS, &map(vec![("url", scalar(name))]), home.path()).unwrap_err();
            assert_eq!(fault.remedy, trunkline_sdk::Remedy::Stop);
            assert!(
                fault.what.starts_with("`url`: ") && fault.hint.is_some(),
                "{fault}"
            );
        }
    }

    #[test]
    fn what_a_variable_supplied_is_no_reference() {
        let settings = map(vec![("url", Settings::scalar(place(), "file:away", true))]);
        let read = read_in(OPTIONS, &settings, Path::new(".")).unwrap();
        assert_eq!(read.get("url").unwrap().text(), Some("file:away"));
    }
}
