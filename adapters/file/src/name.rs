//! The name of a file that a message is written to, made of the message: `orders/{date}/{order_id}.json`.
//!
//! Promises: a value never leads out of its place in the name, for what could (separators, a dot in front, control
//! characters) is written as `%2F`; two values never look alike.

use std::{ops::Range, path::PathBuf};

use jiff::{Timestamp, tz::Offset};
use trunkline_sdk::{Delivered, Fault, Shape, Value};

use crate::shape;

/// The longest piece of a path, in bytes: file systems have 255, and what is added to a name must fit too.
const MOST: usize = 200;

/// How names are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Folders and the file.
    pieces: Vec<Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The message's day, in UTC.
    Date,
    MessageId,
    /// A field, by its path, and where it stands in the template.
    Field(String, Range<usize>),
}

/// What is wrong with a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Where in the template, in bytes.
    pub(crate) at: Range<usize>,
    pub(crate) what: String,
    pub(crate) hint: String,
}

impl Flaw {
    fn new(at: Range<usize>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
            hint: hint.into(),
        }
    }
}

const HINT: &str =
    "as `{order_id}.json` or `{date}/{order_id}.json`: fields of the message, `{date}`, `{message_id}`";

impl Name {
    /// Reads a template.
    pub(crate) fn read(text: &str) -> Result<Self, Flaw> {
        let mut from = 0;
        let mut pieces = Vec::new();
        for text in text.split('/') {
            pieces.push(piece(text, from)?);
            from += text.len() + 1;
        }
        Ok(Self { pieces })
    }

    /// Whether the name does not tell one message from every other of its day.
    pub(crate) fn is_shared(&self) -> bool {
        let mut parts = self.pieces.iter().flatten();
        parts.all(|part| matches!(part, Part::Text(_) | Part::Date))
    }

    /// What does not fit messages of this shape.
    pub(crate) fn flaws(&self, shape: &Shape) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for part in self.pieces.iter().flatten() {
            if let Part::Field(path, at) = part
                && let Some((what, hint)) = shape::flaw(path, shape, |path| format!("{{{path}}}"))
            {
                flaws.push(Flaw::new(at.clone(), what, hint));
            }
        }
        flaws
    }

    /// The name for a message, as a path below the folder.
    ///
    /// Faults: `DeadLetter` when a value that the name needs is missing, or the name would be too long.
    pub(crate) fn of(&self, message: &Delivered, record: &Value<'_>) -> Result<PathBuf, Fault> {
        let mut path = PathBuf::new();
        for parts in &self.pieces {
            let mut piece = String::new();
            for part in parts {
                match part {
                    Part::Text(text) => piece.push_str(text),
                    Part::MessageId => encode(&message.context.message_id, &mut piece),
                    Part::Date => piece.push_str(&day(message)?),
                    Part::Field(path, _) => encode(&text(path, record)?, &mut piece),
                }
            }
            // A value may be empty, or begin with what only a hidden file does.
            if let Some(rest) = piece.strip_prefix('.') {
                piece = format!("%2E{rest}");
            }
            if piece.len() > MOST {
                let what = format!("the file's name would have more than {MOST} bytes");
                return Err(
                    Fault::dead_letter(what).hint("make the name of a shorter field, or of `{message_id}`")
                );
            }
            path.push(piece);
        }
        Ok(path)
    }
}

/// A folder or the file, which begins at `from` in the template.
fn piece(text: &str, from: usize) -> Result<Vec<Part>, Flaw> {
    let whole = from..from + text.len();
    if text.is_empty() || text.starts_with('.') || text.contains('\\') || text.chars().any(char::is_control) {
        let what = "`name` must be a path below the folder, without `.`, `..` or hidden names";
        return Err(Flaw::new(whole, what, HINT));
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            parts.push(Part::Text(rest[..at].to_owned()));
        }
        let field = rest[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((field, behind)) = field else {
            return Err(Flaw::new(whole, "`name` has a brace without the other one", HINT));
        };
        let is_path = field.split('.').all(|name| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || "_@#-".contains(letter))
        });
        if !is_path {
            return Err(Flaw::new(
                whole,
                "`name` has braces without the name of a field in them",
                HINT,
            ));
        }
        parts.push(match field {
            "date" => Part::Date,
            "message_id" => Part::MessageId,
            field => {
                let begins = from + text.len() - rest.len() + at;
                let path = field.strip_prefix("this.").unwrap_or(field).to_owned();
                Part::Field(path, begins..begins + field.len() + 2)
            }
        });
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn day(message: &Delivered) -> Result<String, Fault> {
    let time = message
        .record
        .time
        .and_then(|time| Timestamp::try_from(time).ok());
    let time = time.ok_or_else(|| {
        Fault::dead_letter("the message has no time, of which `{date}` is made")
            .hint("leave `{date}` out of `name`")
    })?;
    Ok(Offset::UTC.to_datetime(time).date().to_string())
}

/// The text of a field.
fn text(path: &str, record: &Value<'_>) -> Result<String, Fault> {
    let found = path.split('.').try_fold(record, |value, name| value.get(name));
    let refuse = |what: &str| {
        Err(Fault::dead_letter(format!(
            "`{path}` of the message {what}, but the file's name is made of it"
        ))
        .hint("have the mapping set it, or make the name of something else"))
    };
    match found {
        None | Some(Value::Null) => refuse("is not there"),
        Some(Value::Text(text)) if text.is_empty() => refuse("is empty"),
        Some(Value::Text(text) | Value::Number(text)) => Ok(text.to_string()),
        Some(Value::Bool(value)) => Ok(value.to_string()),
        Some(other) => refuse(&format!("is {}", other.kind())),
    }
}

/// Appends a value, with what no name should have as `%` and two digits a byte.
fn encode(text: &str, name: &mut String) {
    for letter in text.chars() {
        if letter.is_alphanumeric() || "-_.+=@,() ".contains(letter) {
            name.push(letter);
        } else {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use trunkline_formats::json;
    use trunkline_sdk::{Body, Context, Field, Record, Remedy, Within};

    use super::*;

    fn named(template: &str, record: &str) -> Result<String, Fault> {
        let value = json::read(record.as_bytes()).expect("it is JSON").into_owned();
        let mut record = Record::new("m/1", Body::Value(value.clone()));
        record.time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000));
        let context = Context {
            message_id: "m/1".to_owned(),
            unit: "m/1".to_owned(),
            attempt: 1,
        };
        let name = Name::read(template).expect("it is right");
        let path = name.of(&Delivered { record, context }, &value)?;
        Ok(path.to_str().expect("it is a text").to_owned())
    }

    #[test]
    fn a_name_is_made_of_the_message_and_no_value_leads_elsewhere() {
        let record = r#"{"id":"17","n":10.10,"buyer":{"id":"A-7"},"bad":"../../etc/passwd","hidden":".ssh",
            "odd":"a\\b:c\u0000%2F\n","é":"日本 é"}"#;
        for (template, name) in [
            ("{id}.json", "17.json"),
            (
                "orders/{date}/{buyer.id}-{n}.json",
                "orders/2026-11-18/A-7-10.10.json",
            ),
            ("{message_id}.json", "m%2F1.json"),
            ("{bad}.json", "%2E.%2F..%2Fetc%2Fpasswd.json"),
            ("{hidden}/{this.id}.json", "%2Essh/17.json"),
            ("x-{odd}", "x-a%5Cb%3Ac%00%252F%0A"),
            ("{é}.json", "日本 é.json"),
        ] {
            assert_eq!(named(template, record).expect("it has a name"), name);
        }
    }

    #[test]
    fn a_message_without_what_its_name_needs_is_refused_and_no_value_is_told() {
        let long = format!(r#"{{"id":"{}"}}"#, "secret".repeat(40));
        for record in [
            "{}",
            r#"{"id":null}"#,
            r#"{"id":""}"#,
            r#"{"id":["secret"]}"#,
            &long,
        ] {
            let fault = named("{id}.json", record).expect_err("it has no name");
            assert_eq!(fault.remedy, Remedy::DeadLetter);
            assert!(!fault.to_string().contains("secret"), "{fault}");
        }
    }

    #[test]
    fn a_wrong_template_is_told() {
        for wrong in [
            "", "../{id}", "a//b", "/a", ".{id}", "{id", "id}", "{}", "{a b}", "a\\{id}", "{a.}",
        ] {
            assert!(Name::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_that_is_not_there_is_told_with_the_one_that_was_meant() {
        // given
        let field = |name: &str, within| Field {
            name: name.to_owned(),
            within,
        };
        let shape = Shape {
            name: "trunkline.commerce.v1.Order".to_owned(),
            whole: Within::Object(0),
            objects: vec![
                vec![
                    field("order_id", Within::Value),
                    field("buyer", Within::Object(1)),
                ],
                vec![field("id", Within::Value), field("tags", Within::List)],
            ],
        };
        let name = Name::read("{ordr_id}/{order_id}/{order_id.x}/{buyer}/{buyer.id}/{buyer.tag}")
            .expect("it is right");
        // when
        let flaws = name.flaws(&shape);
        // then
        let places: Vec<_> = flaws.iter().map(|flaw| flaw.at.clone()).collect();
        assert_eq!(places, [0..9, 21..33, 34..41, 53..64]);
        assert!(flaws[3].hint.contains("did you mean `{buyer.tags}`?"));
        assert!(flaws[0].hint.contains("did you mean `{order_id}`?"));
    }
}
