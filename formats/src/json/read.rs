//! The reader: bytes to a tree that borrows from them.
//!
//! Ours because no library was found that borrows texts, keeps digits and refuses names that stand twice:
//! serde_json and sonic-rs let the last of them win, jiter turns fractions into floating point.

use std::{borrow::Cow, collections::HashSet};

use trunkline_sdk::Value;

use crate::{Malformed, malformed::BOM};

/// How deep objects and lists may be nested.
pub const MAX_DEPTH: usize = 128;

/// Up to this many names of an object are compared one by one, which beats hashing them.
const FEW: usize = 16;

/// Reads the one JSON text in these bytes.
pub fn read(bytes: &[u8]) -> Result<Value<'_>, Malformed> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Malformed::at(bytes, error.valid_up_to(), "expected UTF-8"))?;
    let mut reader = Reader {
        text,
        at: if bytes.starts_with(BOM) { BOM.len() } else { 0 },
        depth: 0,
        fields: Vec::new(),
        items: Vec::new(),
    };
    reader
        .text()
        .map_err(|Expected(what)| Malformed::at(bytes, reader.at, what))
}

/// Whether this is a number in JSON's grammar, and nothing else.
pub(super) fn is_number(text: &str) -> bool {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        fields: Vec::new(),
        items: Vec::new(),
    };
    reader.number().is_ok() && reader.at == text.len()
}

struct Reader<'a> {
    text: &'a str,
    /// The next byte to read; when reading fails, the place of the failure.
    at: usize,
    depth: usize,
    /// Fields and items of the objects and lists that are open, outer ones below inner ones: each gets its
    /// vector when it closes and its size is known.
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    items: Vec<Value<'a>>,
}

/// What was expected at [`Reader::at`].
struct Expected(&'static str);

type Read<T> = Result<T, Expected>;

impl<'a> Reader<'a> {
    fn text(&mut self) -> Read<Value<'a>> {
        self.skip_space();
        let value = self.value()?;
        self.skip_space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(Expected("expected the end after the value")),
        }
    }

    fn value(&mut self) -> Read<Value<'a>> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'-' | b'0'..=b'9') => self.number().map(|text| Value::Number(Cow::Borrowed(text))),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(Expected("expected a value")),
            None => Err(Expected("expected a value, but the text ends")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Value<'a>>) -> Read<Value<'a>> {
        if self.depth == MAX_DEPTH {
            return Err(Expected("objects and lists are nested deeper than 128"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Reads on behind `{`.
    fn object(&mut self) -> Read<Value<'a>> {
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(Vec::new()));
        }
        let base = self.fields.len();
        let mut names = HashSet::new();
        loop {
            let name_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(Expected("expected a name in double quotes"));
            }
            let name = self.string()?;
            if self.is_taken(&name, base, &mut names) {
                self.at = name_at;
                return Err(Expected("this name stands twice in the object"));
            }
            self.skip_space();
            if !self.eat(b':') {
                return Err(Expected("expected `:` after the name"));
            }
            self.skip_space();
            let value = self.value()?;
            self.fields.push((name, value));
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(self.fields.drain(base..).collect()));
            }
            if !self.eat(b',') {
                return Err(Expected("expected `,` or `}` after the value"));
            }
            self.skip_space();
        }
    }

    /// Whether the object whose fields begin at `base` has this name already. `names` is used once there are
    /// many.
    #[expect(clippy::ptr_arg, reason = "as a `Cow` a borrowed name is cloned for free")]
    fn is_taken(&self, name: &Cow<'a, str>, base: usize, names: &mut HashSet<Cow<'a, str>>) -> bool {
        let fields = &self.fields[base..];
        if fields.len() < FEW {
            return fields.iter().any(|(taken, _)| taken == name);
        }
        if names.is_empty() {
            names.extend(fields.iter().map(|(taken, _)| taken.clone()));
        }
        !names.insert(name.clone())
    }

    /// Reads on behind `[`.
    fn list(&mut self) -> Read<Value<'a>> {
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::List(Vec::new()));
        }
        let base = self.items.len();
        loop {
            let item = self.value()?;
            self.items.push(item);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::List(self.items.drain(base..).collect()));
            }
            if !self.eat(b',') {
                return Err(Expected("expected `,` or `]` after the value"));
            }
            self.skip_space();
        }
    }

    /// Reads a text that begins here with its quote.
    fn string(&mut self) -> Read<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.escaped(start).map(Cow::Owned)
    }

    /// Reads on in a text that began at `start` and has something else than plain characters here.
    #[cold]
    fn escaped(&mut self, start: usize) -> Read<String> {
        let mut text = String::new();
        let mut plain = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    text.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(&self.text[plain..self.at]);
                    text.push(self.escape()?);
                    plain = self.at;
                }
                Some(_) => return Err(Expected("control characters in a text must be escaped")),
                None => return Err(Expected("expected `\"` at the end of the text")),
            }
            self.skip_plain();
        }
    }

    /// Reads an escape that begins here with its backslash.
    fn escape(&mut self) -> Read<char> {
        const UNKNOWN: Expected = Expected("expected one of `\"\\/bfnrtu` after the backslash");
        let start = self.at;
        self.at += 1;
        let character = match self.peek().ok_or(UNKNOWN)? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let unit = self.hex4()?;
                return self.scalar(unit, start);
            }
            _ => return Err(UNKNOWN),
        };
        self.at += 1;
        Ok(character)
    }

    /// The character of this UTF-16 code unit and, where it is the first of a pair, the one after it.
    fn scalar(&mut self, unit: u32, start: usize) -> Read<char> {
        let code = match unit {
            0xD800..0xDC00 if self.text.as_bytes()[self.at..].starts_with(b"\\u") => {
                self.at += 2;
                let low = self.hex4()?;
                match low {
                    0xDC00..0xE000 => 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00),
                    _ => unit,
                }
            }
            _ => unit,
        };
        char::from_u32(code).ok_or_else(|| {
            self.at = start;
            Expected("half of a surrogate pair is no character")
        })
    }

    fn hex4(&mut self) -> Read<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or(Expected("expected four hexadecimal digits after `\\u`"))?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Read<&'a str> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Read<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 {
            return Err(Expected("expected a digit"));
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Read<Value<'a>> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Expected("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Goes to the next byte of a text that is not plain: a quote, a backslash or a control character. Looks at
    /// eight bytes at once; of the marks left in a word the lowest is always right.
    fn skip_plain(&mut self) {
        const ONES: u64 = u64::MAX / 0xFF;
        const HIGHS: u64 = ONES << 7;
        let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS;
        let bytes = self.text.as_bytes();
        while let Some(chunk) = bytes[self.at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let quote = below(word ^ (ONES * u64::from(b'"')), 1);
            let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
            let marks = quote | backslash | below(word, 0x20);
            if marks != 0 {
                self.at += marks.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        let is_plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
        self.at += bytes[self.at..].iter().take_while(|byte| is_plain(byte)).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: impl AsRef<[u8]>) -> Malformed {
        let text = text.as_ref();
        match read(text) {
            Ok(value) => panic!("{:?} was read as {}", String::from_utf8_lossy(text), value.kind()),
            Err(malformed) => malformed,
        }
    }

    #[test]
    fn digits_are_kept_as_written() {
        for digits in ["0", "-0", "10.10", "12345678901234567890123", "1e400", "-1.50E-7"] {
            assert_eq!(
                read(digits.as_bytes()),
                Ok(Value::Number(digits.into())),
                "{digits}"
            );
        }
    }

    #[test]
    fn a_text_is_borrowed_unless_it_has_an_escape() {
        let value = read(br#"["plain \"", "plain"]"#).expect("it is JSON");
        let Value::List(items) = value else {
            panic!("it is a list")
        };
        assert!(matches!(&items[0], Value::Text(Cow::Owned(text)) if text == "plain \""));
        assert!(matches!(&items[1], Value::Text(Cow::Borrowed("plain"))));
    }

    #[test]
    fn a_refusal_says_where_and_what_was_expected() {
        for (text, line, column, what) in [
            ("", 1, 1, "expected a value, but the text ends"),
            ("{\n  \"ä\": 1\n  \"b\": 2}", 3, 3, "expected `,` or `}`"),
            ("\u{feff}{\"a\":}", 1, 6, "expected a value"),
            ("{\"a\":1,\n\"a\":2}", 2, 1, "stands twice"),
            ("{\"a\":1,\"\\u0061\":2}", 1, 8, "stands twice"),
            ("[1,]", 1, 4, "expected a value"),
            ("[1 2]", 1, 4, "expected `,` or `]`"),
            ("{\"a\" 1}", 1, 6, "expected `:`"),
            ("{a:1}", 1, 2, "expected a name"),
            ("01", 1, 2, "expected the end"),
            ("1 1", 1, 3, "expected the end"),
            ("-", 1, 2, "expected a digit"),
            ("1.", 1, 3, "expected a digit"),
            ("1e+", 1, 4, "expected a digit"),
            ("\"a\nb\"", 1, 3, "control characters"),
            ("\"a", 1, 3, "expected `\"`"),
            ("\"\\x\"", 1, 3, "after the backslash"),
            ("\"\\u12g4\"", 1, 6, "four hexadecimal digits"),
            ("\"ab\\ud800c\"", 1, 4, "surrogate"),
            ("\"\\ud800\\u0041\"", 1, 2, "surrogate"),
            ("\"\\udc00\"", 1, 2, "surrogate"),
            ("nul", 1, 1, "expected a value"),
            ("NaN", 1, 1, "expected a value"),
        ] {
            let malformed = refused(text);
            assert_eq!(
                (malformed.line, malformed.column),
                (line, column),
                "{text:?}: {malformed}"
            );
            assert!(malformed.what.contains(what), "{text:?}: {malformed}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_at_their_place() {
        let malformed = refused(b"{\"caf\xe9\": 1}");
        assert_eq!((malformed.line, malformed.column), (1, 6));
        assert_eq!(malformed.what, "expected UTF-8");
    }

    #[test]
    fn only_one_byte_order_mark_is_skipped() {
        assert_eq!(read("\u{feff}1".as_bytes()), Ok(Value::Number("1".into())));
        refused("\u{feff}\u{feff}1");
    }

    #[test]
    fn nesting_is_read_to_its_limit_and_refused_beyond() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refused(nested(MAX_DEPTH + 1)).what.contains("deeper than 128"));
        refused("[".repeat(1_000_000));
        refused("{\"a\":".repeat(1_000_000));
        // The limit is for depth, not for number.
        assert!(read(format!("[{}[]]", "[],".repeat(1_000)).as_bytes()).is_ok());
    }

    #[test]
    fn a_name_that_stands_twice_among_many_is_found() {
        let fields: Vec<_> = (0..5_000).map(|n| format!("\"n{n}\":{n}")).collect();
        let fields = fields.join(",");
        assert!(read(format!("{{{fields}}}").as_bytes()).is_ok());
        for twice in ["n0", "n15", "n16", "n17", "n4999"] {
            assert!(
                refused(format!("{{{fields},\"{twice}\":0}}"))
                    .what
                    .contains("twice")
            );
        }
        // The same name in different objects is not twice.
        assert!(read(br#"{"a":{"a":{"b":1},"b":1},"b":[{"a":1},{"a":1}]}"#).is_ok());
    }
}
