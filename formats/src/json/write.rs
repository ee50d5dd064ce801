//! The writer: a tree to its JSON text.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use trunkline_sdk::Value;

use super::read::is_number;

/// Writes a tree as one line of JSON. Digits stand as they were; bytes become base64 (RFC 4648, padded), for
/// JSON has no bytes; a number that is none in JSON's grammar (`NaN`) becomes a text.
pub fn write(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

fn write_value(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(digits) if is_number(digits) => out.push_str(digits),
        Value::Number(text) | Value::Text(text) => write_text(text, out),
        Value::Bytes(bytes) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_value(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    let must_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| must_escape(*byte)) {
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => write!(out, "\\u{byte:04x}").expect("a String takes all that is written"),
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::read;

    #[test]
    fn a_tree_is_written_with_its_digits_and_in_its_order() {
        let text = r#"{"z":10.10,"a":[1e5,true,null,"a\"\\\n\u0001é"],"o":{}}"#;
        assert_eq!(write(&read(text.as_bytes()).expect("it is JSON")), text);
    }

    #[test]
    fn what_json_cannot_say_becomes_a_text() {
        let list = Value::List(vec![
            Value::Bytes(b"\x00\xff"[..].into()),
            Value::Number("NaN".into()),
            Value::Number("1,5".into()),
        ]);
        assert_eq!(write(&list), r#"["AP8=","NaN","1,5"]"#);
    }
}
