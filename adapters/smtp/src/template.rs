//! Text with places for values: `Dear {{buyer.name}}`.
//!
//! Promises: a value stays a value. In HTML its markup is escaped, in a header it brings no line break or other control
//! character in. Not promised: loops and conditions; what they would make a mapping makes before.

use std::{borrow::Cow, ops::Range};

use trunkline_sdk::Value;

/// A text, read into what stands as it is and what a record fills.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(Slot),
}

/// A place for a value: `{{ buyer.name }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// `buyer.name`.
    pub(crate) path: String,
    /// Where it stands, from brace to brace, in bytes of the whole text.
    pub(crate) part: Range<usize>,
}

/// What is wrong with a text, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) part: Range<usize>,
    pub(crate) what: String,
}

/// What a value must not be mistaken for where it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    Text,
    Html,
    Header,
}

impl Template {
    /// Reads a text that begins so many bytes behind the beginning of a larger one; all flaws at once.
    pub(crate) fn read(text: &str, offset: usize) -> Result<Self, Vec<Flaw>> {
        let mut parts = Vec::new();
        let mut flaws = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{").map(|open| at + open) {
            if open > at {
                parts.push(Part::Text(text[at..open].to_owned()));
            }
            let Some(close) = text[open..].find("}}").map(|close| open + close) else {
                flaws.push(Flaw {
                    part: offset + open..offset + open + 2,
                    what: "this `{{` has no `}}`".to_owned(),
                });
                at = text.len();
                break;
            };
            let path = text[open + 2..close].trim();
            let part = offset + open..offset + close + 2;
            if path.split('.').all(is_name) {
                parts.push(Part::Slot(Slot {
                    path: path.to_owned(),
                    part,
                }));
            } else {
                flaws.push(Flaw {
                    part,
                    what: "between `{{` and `}}` is no name of a field".to_owned(),
                });
            }
            at = close + 2;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        if flaws.is_empty() {
            Ok(Self { parts })
        } else {
            Err(flaws)
        }
    }

    /// The places for values.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot) => Some(slot),
            Part::Text(_) => None,
        })
    }

    /// The text, if no record fills it.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with the values of a record. Null is nothing. Errors: as a sentence that shows no value.
    pub(crate) fn fill(&self, record: &Value<'_>, escape: Escape, most: usize) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Slot(slot) => {
                    let value = slot.text(record)?;
                    match escape {
                        Escape::Text => filled.push_str(&value),
                        Escape::Html => push_escaped(&mut filled, &value),
                        Escape::Header if value.chars().any(char::is_control) => {
                            return Err(format!(
                                "the value of `{{{{{}}}}}` has a line break or another control character, which no \
                                 header may hold",
                                slot.path
                            ));
                        }
                        Escape::Header => filled.push_str(&value),
                    }
                }
            }
            if filled.len() > most {
                return Err("the mail is larger than `max_size`".to_owned());
            }
        }
        Ok(filled)
    }
}

impl Slot {
    fn text<'v>(&self, record: &'v Value<'_>) -> Result<Cow<'v, str>, String> {
        let path = &self.path;
        let mut value = record;
        let mut known = 0;
        for name in path.split('.') {
            value = match value {
                Value::Null => return Ok(Cow::Borrowed("")),
                Value::Object(_) => match value.get(name) {
                    Some(value) => value,
                    None => {
                        return Err(format!(
                            "`{{{{{path}}}}}` has no value: the message has no such field"
                        ));
                    }
                },
                other if known == 0 => {
                    return Err(format!(
                        "`{{{{{path}}}}}` has no value: the message is {}",
                        other.kind()
                    ));
                }
                other => {
                    let (parent, kind) = (&path[..known - 1], other.kind());
                    return Err(format!(
                        "`{{{{{path}}}}}` has no value: `{parent}` is {kind}, not an object"
                    ));
                }
            };
            known += name.len() + 1;
        }
        match value {
            Value::Null => Ok(Cow::Borrowed("")),
            Value::Bool(value) => Ok(Cow::Borrowed(if *value { "true" } else { "false" })),
            Value::Number(text) | Value::Text(text) => Ok(Cow::Borrowed(text)),
            Value::Bytes(_) | Value::List(_) | Value::Object(_) => Err(format!(
                "`{{{{{path}}}}}` is {}, not a single value",
                value.kind()
            )),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}'))
}

/// So that it is text between tags, and between either kind of quotes.
fn push_escaped(to: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            other => to.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Value<'static> {
        let text = |text: &'static str| Value::Text(text.into());
        Value::Object(vec![
            ("id".into(), Value::Number("0012.50".into())),
            ("note".into(), text("<b>\"it's\" & more</b>\r\nBcc: a@b")),
            (
                "buyer".into(),
                Value::Object(vec![("name".into(), text("Zoë")), ("phone".into(), Value::Null)]),
            ),
            ("gone".into(), Value::Null),
            ("lines".into(), Value::List(Vec::new())),
        ])
    }

    fn fill(text: &str, escape: Escape) -> Result<String, String> {
        let template = Template::read(text, 0).expect(text);
        template.fill(&order(), escape, 1 << 20)
    }

    #[test]
    fn a_text_is_filled_with_the_values_of_its_record() {
        assert_eq!(
            fill(
                "{{buyer.name}}: {{ id }} {x} }}[{{gone.deep}}{{buyer.phone}}]",
                Escape::Text
            ),
            Ok("Zoë: 0012.50 {x} }}[]".to_owned())
        );
        assert_eq!(fill("", Escape::Text), Ok(String::new()));
    }

    #[test]
    fn a_value_is_no_markup_and_no_header() {
        assert_eq!(
            fill("<p>{{note}}</p>", Escape::Html),
            Ok("<p>&lt;b&gt;&quot;it&#39;s&quot; &amp; more&lt;/b&gt;\r\nBcc: a@b</p>".to_owned())
        );
        let refused = fill("Order {{note}}", Escape::Header).expect_err("it has a line break");
        assert!(refused.contains("control character") && !refused.contains("Bcc"));
    }

    #[test]
    fn what_has_no_value_is_told_by_its_path() {
        for (text, told) in [
            ("{{nope}}", "no such field"),
            ("{{buyer.nope}}", "no such field"),
            ("{{id.x}}", "`id` is a number"),
            ("{{lines}}", "a list, not a single value"),
            ("{{buyer}}", "an object, not a single value"),
        ] {
            let what = fill(text, Escape::Text).expect_err(text);
            assert!(what.contains(told), "{what}");
        }
        let long = Template::read("{{buyer.name}}", 0).expect("it is right");
        assert!(long.fill(&order(), Escape::Text, 3).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_with_its_place() {
        let flaws = Template::read("é {{}} {{a..b}} {{a b}} {{c", 10).expect_err("all of them are wrong");
        let parts: Vec<_> = flaws.into_iter().map(|flaw| flaw.part).collect();
        assert_eq!(parts, [13..17, 18..26, 27..34, 35..37]);
    }
}
