//! The writer: trees to the elements of a document.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use trunkline_sdk::Value;

use super::{
    Path,
    name::{is_name, not_a_character},
    tree::{MAX_ATTRIBUTES, MAX_DEPTH},
};
use crate::Unwritable;

/// The namespace of `nil`.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Writes records as elements at the end of a path, in UTF-8: what [`head`](Self::head) gives, the records, and
/// what [`tail`](Self::tail) gives are a document that [`Records`](super::Records) reads.
///
/// A tree is read back as it was written, except that numbers, booleans and bytes (base64) are texts, an object
/// without fields is an empty text, a list without items is missing, and one with a single item is a list only where
/// its name is declared.
#[derive(Debug, Clone)]
pub struct Writer {
    path: Path,
}

impl Writer {
    /// Writes records of this path; a path of one name makes each record a document.
    pub fn new(path: Path) -> Self {
        Self { path }
    }

    /// What stands before the records.
    pub fn head(&self) -> String {
        let mut head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        let (_, outer) = self.names();
        outer.iter().for_each(|name| head.extend(["<", name, ">\n"]));
        head
    }

    /// A record, with the end of its line.
    ///
    /// Errors: a name that no element can have, a character that XML does not have, a list of lists, what a reader
    /// would refuse as too much.
    pub fn record(&self, value: &Value<'_>) -> Result<String, Unwritable> {
        let (own, _) = self.names();
        let mut out = String::new();
        element(own, value, MAX_DEPTH, &mut out)?;
        out.push('\n');
        Ok(out)
    }

    /// What stands behind the records.
    pub fn tail(&self) -> String {
        let (_, outer) = self.names();
        let ends = outer.iter().rev();
        ends.flat_map(|name| ["</", name, ">\n"]).collect()
    }

    fn names(&self) -> (&str, &[String]) {
        match self.path.names() {
            [outer @ .., own] => (own, outer),
            [] => ("", &[]),
        }
    }
}

fn element(name: &str, value: &Value<'_>, room: usize, out: &mut String) -> Result<(), Unwritable> {
    if room == 0 {
        return Err(Unwritable::new(
            "",
            format!("is nested deeper than {MAX_DEPTH}, which no reader would take"),
        ));
    }
    out.extend(["<", name]);
    match value {
        Value::Null => {
            out.extend([" xmlns:xsi=\"", INSTANCE, "\" xsi:nil=\"true\"/>"]);
            return Ok(());
        }
        Value::Object(fields) => {
            let mut count = 0;
            for (field, value) in fields {
                let Some(attribute) = field.strip_prefix('@') else {
                    continue;
                };
                count += 1;
                if count > MAX_ATTRIBUTES {
                    let what =
                        format!("has more than {MAX_ATTRIBUTES} attributes, which no reader would take");
                    return Err(Unwritable::new("", what));
                }
                let text = text_of(value).map_err(|error| error.within(field))?;
                named(attribute).map_err(|error| error.within(field))?;
                out.extend([" ", attribute, "=\""]);
                escaped(&text, true, out).map_err(|error| error.within(field))?;
                out.push('"');
            }
            let mut inner = String::new();
            for (field, value) in fields.iter().filter(|(field, _)| !field.starts_with('@')) {
                content(field, value, room, &mut inner).map_err(|error| error.within(field))?;
            }
            if inner.is_empty() {
                out.push_str("/>");
                return Ok(());
            }
            out.extend([">", &inner]);
        }
        _ => {
            let text = text_of(value)?;
            if text.is_empty() {
                out.push_str("/>");
                return Ok(());
            }
            out.push('>');
            escaped(&text, false, out)?;
        }
    }
    out.extend(["</", name, ">"]);
    Ok(())
}

/// A field of an object, but for attributes.
fn content(field: &str, value: &Value<'_>, room: usize, out: &mut String) -> Result<(), Unwritable> {
    if field == "#text" {
        return escaped(&text_of(value)?, false, out);
    }
    named(field)?;
    match value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Value::List(_) = item {
                    return Err(Unwritable::new(
                        format!("[{index}]"),
                        "is a list in a list, which XML has not",
                    ));
                }
                element(field, item, room - 1, out).map_err(|error| error.within(&format!("[{index}]")))?;
            }
            Ok(())
        }
        _ => element(field, value, room - 1, out),
    }
}

fn named(name: &str) -> Result<(), Unwritable> {
    // Of a name with a colon only the part behind it would be read again.
    if !is_name(name) || name.contains(':') || not_a_character(name).is_some() {
        return Err(Unwritable::new("", "is not the name of an element or attribute"));
    }
    if name == "xmlns" {
        return Err(Unwritable::new("", "would be read as a namespace"));
    }
    Ok(())
}

fn text_of<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, Unwritable> {
    Ok(match value {
        Value::Text(text) | Value::Number(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Bytes(bytes) => Cow::Owned(STANDARD.encode(bytes)),
        Value::Null | Value::List(_) | Value::Object(_) => {
            return Err(Unwritable::new(
                "",
                format!("is {}, but must be a text here", value.kind()),
            ));
        }
    })
}

/// Appends a text so that it is read as it is: line ends too, of which a reader changes some.
fn escaped(text: &str, is_attribute: bool, out: &mut String) -> Result<(), Unwritable> {
    if not_a_character(text).is_some() {
        return Err(Unwritable::new("", "has a character that XML does not have"));
    }
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\r' => out.push_str("&#13;"),
            '"' if is_attribute => out.push_str("&quot;"),
            '\n' if is_attribute => out.push_str("&#10;"),
            '\t' if is_attribute => out.push_str("&#9;"),
            _ => out.push(character),
        }
    }
    Ok(())
}
