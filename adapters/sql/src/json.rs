//! A value tree as JSON text, for columns that hold JSON.
//!
//! Promises: numbers keep the digits they came with.

use trunkline_sdk::Value;

/// Writes a value as JSON (RFC 8259). `None`: it holds bytes, which JSON cannot.
pub(crate) fn write(value: &Value<'_>) -> Option<String> {
    let mut out = String::new();
    put(value, &mut out)?;
    Some(out)
}

fn put(value: &Value<'_>, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(digits) => out.push_str(digits),
        Value::Text(text) => quote(text, out),
        Value::Bytes(_) => return None,
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                put(item, out)?;
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(name, out);
                out.push(':');
                put(value, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_becomes_json_with_its_digits_and_escapes() {
        // given
        let tree = Value::Object(vec![
            (
                "a\"b".into(),
                Value::List(vec![
                    Value::Null,
                    Value::Bool(true),
                    Value::Number("10.10".into()),
                ]),
            ),
            ("c".into(), Value::Text("\u{1}\n\\ ß".into())),
        ]);
        // then
        assert_eq!(
            write(&tree).unwrap(),
            r#"{"a\"b":[null,true,10.10],"c":"\u0001\n\\ ß"}"#
        );
        assert_eq!(write(&Value::List(vec![Value::Bytes(vec![1].into())])), None);
    }
}
