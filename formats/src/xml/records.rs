//! A stream of elements: each one at the end of a path is a record.

use std::io::{self, BufRead, Seek};

use trunkline_sdk::Value;

use super::{
    path::Path,
    read::read_owned,
    scan::{Scanner, Token},
    tree::{MAX_DEPTH, NO_DOCTYPE},
};
use crate::{Encoding, Framed, Malformed, Mark, Unframed, malformed::readable_size};

/// Cuts what it reads into elements of at most `limit` bytes, as UTF-8, and reads them.
///
/// A record that is not well-formed, too large or refused is one bad record, and reading goes on behind its end tag.
/// What is wrong outside of records (no root of this name, a document type, the end before its time) ends reading:
/// all that follows is one bad record.
#[derive(Debug)]
pub struct Records<R> {
    scanner: Scanner<R>,
    limit: usize,
    path: Path,
    lists: Vec<String>,
    /// Local names of the elements that are open, in one piece, and where each begins.
    names: Vec<u8>,
    open: Vec<usize>,
    /// How many of them are those of the path.
    on_path: usize,
    has_root: bool,
    is_done: bool,
    records: u64,
}

/// A record of which the end was not seen yet.
struct Begun {
    line: u64,
    column: u64,
    begins: u64,
    fault: Option<Malformed>,
    /// In a broken record only its end tag is sought: how many elements of its name began within.
    within: Option<u64>,
}

impl Begun {
    fn at((line, column): (u64, u64), begins: u64) -> Self {
        Self {
            line,
            column,
            begins,
            fault: None,
            within: None,
        }
    }
}

impl<R: BufRead> Records<R> {
    /// Reads from the beginning. [`encoding_of`](super::encoding_of) tells the encoding. Elements of the names in
    /// `lists` are lists even when single.
    pub fn new(input: R, encoding: Encoding, path: Path, lists: Vec<String>, limit: usize) -> Self {
        Self {
            scanner: Scanner::new(input, encoding, limit),
            limit,
            path,
            lists,
            names: Vec::new(),
            open: Vec::new(),
            on_path: 0,
            has_root: false,
            is_done: false,
            records: 0,
        }
    }

    /// The next record; `None` at the end.
    ///
    /// Errors: only those of the input. What is no record is part of what is returned.
    pub fn read(&mut self) -> io::Result<Option<Framed<Value<'static>>>> {
        let mut begun: Option<Begun> = None;
        while !self.is_done {
            if begun.is_none() {
                if let Some(record) = self.buffered()? {
                    return Ok(Some(record));
                }
                self.scanner.keep_from_here();
            }
            let is_tag = self.scanner.text()?;
            if self.open.is_empty() && begun.is_none() && !self.scanner.is_blank() {
                let here = (self.scanner.lines + 1, self.scanner.column.max(1));
                return Ok(Some(self.end_with(here, None, self.beside_root())));
            }
            if !is_tag {
                return Ok(self.at_end(begun));
            }
            if begun.is_none() {
                self.scanner.keep_from_tag();
            }
            let (line, column) = (self.scanner.lines + 1, self.scanner.column);
            let begins = self.scanner.tag_begins();
            let token = self.scanner.token()?;
            let problem = match token {
                Token::Aside => None,
                Token::Start | Token::Empty => {
                    if begun.is_none() && self.is_record() {
                        begun = Some(Begun::at((line, column), begins));
                    }
                    self.start(begun.as_mut(), token == Token::Empty)
                }
                Token::End => self.end(begun.as_mut()),
                Token::Doctype => Some(NO_DOCTYPE.to_owned()),
                Token::Broken => {
                    if begun.is_none() && self.is_record() {
                        begun = Some(Begun::at((line, column), begins));
                        // It is open all the same: its end tag is sought.
                        self.start(begun.as_mut(), false);
                    }
                    Some("expected `>` at the end of the tag".to_owned())
                }
                Token::Unfinished => return Ok(self.at_end(begun)),
            };
            if let Some(what) = problem {
                match &mut begun {
                    // Only the first is told.
                    Some(begun) => {
                        begun.within.get_or_insert(self.own_within());
                        begun.fault.get_or_insert(Malformed {
                            line,
                            column,
                            what: what.into(),
                        });
                    }
                    None => return Ok(Some(self.end_with((line, column), None, what))),
                }
            }
            // Its own end tag took the record off.
            if self.open.len() < self.path.names().len()
                && let Some(begun) = begun.take()
            {
                return Ok(Some(self.record(begun)));
            }
        }
        Ok(None)
    }

    /// The next record where it is the next element and whole in the buffer, and is right: most are. What is well-formed
    /// up to the first end tag of its name is the element. All else goes the long way.
    fn buffered(&mut self) -> io::Result<Option<Framed<Value<'static>>>> {
        let [.., own] = self.path.names() else {
            return Ok(None);
        };
        let is_among_records = self.on_path > 0
            && self.on_path + 1 == self.path.names().len()
            && self.open.len() == self.on_path;
        if !is_among_records {
            return Ok(None);
        }
        let Some((before, bytes)) = self.scanner.buffered(own.as_bytes())? else {
            return Ok(None);
        };
        let Some(value) = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| read_owned(text, &self.lists).ok())
        else {
            return Ok(None);
        };
        let length = bytes.len();
        self.scanner.skip(before)?;
        let (line, begins) = (self.scanner.lines + 1, self.scanner.offset);
        self.scanner.skip(length)?;
        Ok(Some(self.framed(line, begins, Ok(value))))
    }

    /// A record that ends here.
    fn framed(
        &mut self,
        line: u64,
        begins: u64,
        content: Result<Value<'static>, Unframed>,
    ) -> Framed<Value<'static>> {
        self.records += 1;
        Framed {
            number: self.records,
            line,
            begins,
            next: Mark {
                records: self.records,
                lines: self.scanner.lines,
                column: self.scanner.column,
                offset: self.scanner.offset,
            },
            content,
        }
    }

    /// Whether the tag that was just read, outside of records, begins one.
    fn is_record(&self) -> bool {
        let own = self.path.names().last().map(String::as_bytes);
        self.on_path + 1 == self.path.names().len()
            && self.open.len() == self.on_path
            && !(self.open.is_empty() && self.has_root)
            && self.scanner.name() == own
    }

    /// Takes a start tag, or says what is wrong.
    fn start(&mut self, begun: Option<&mut Begun>, is_empty: bool) -> Option<String> {
        let Some(name) = self.scanner.name() else {
            return Some("the name of an element is longer than 1 KiB".to_owned());
        };
        if name.is_empty() {
            return Some("expected the name of an element".to_owned());
        }
        if let Some(Begun {
            within: Some(within), ..
        }) = begun
        {
            let is_own = self.path.names().last().is_some_and(|own| own.as_bytes() == name);
            *within += u64::from(is_own && !is_empty);
            return None;
        }
        let depth = self.open.len();
        if begun.is_none() {
            let expected = &self.path.names()[depth.min(self.path.names().len() - 1)];
            let is_on_path = self.on_path == depth && name == expected.as_bytes();
            if depth == 0 {
                if self.has_root {
                    return Some(self.beside_root());
                }
                self.has_root = true;
                if !is_on_path {
                    return Some(format!("expected the root element `{expected}`"));
                }
            }
            self.on_path += usize::from(is_on_path && !is_empty);
        } else if depth == 0 {
            self.has_root = true;
        }
        if depth == MAX_DEPTH + self.path.names().len() {
            return Some(format!("elements are nested deeper than {MAX_DEPTH}"));
        }
        if !is_empty {
            self.open.push(self.names.len());
            self.names.extend_from_slice(name);
        }
        None
    }

    /// Takes an end tag, or says what is wrong.
    fn end(&mut self, begun: Option<&mut Begun>) -> Option<String> {
        let own_depth = self.path.names().len();
        let Some(name) = self.scanner.name() else {
            return Some("the name of an element is longer than 1 KiB".to_owned());
        };
        let is_own = self.path.names().last().is_some_and(|own| own.as_bytes() == name);
        if let Some(Begun {
            within: Some(within), ..
        }) = begun
        {
            match within.checked_sub(u64::from(is_own)) {
                Some(fewer) => *within = fewer,
                None => self.close_to(own_depth - 1),
            }
            return None;
        }
        let Some(start) = self.open.last() else {
            return Some("an end tag without its start tag".to_owned());
        };
        if &self.names[*start..] == name {
            self.close_to(self.open.len() - 1);
            return None;
        }
        let what = match std::str::from_utf8(&self.names[*start..]) {
            Ok(name) => format!("expected the end tag of `{name}`"),
            Err(_) => "expected the end tag of this element".to_owned(),
        };
        // The end of the record itself is one, unless an element of its name is still open within.
        if begun.is_some() && is_own && self.own_within() == 0 {
            self.close_to(own_depth - 1);
        }
        Some(what)
    }

    /// How many elements of the record's own name are open within it.
    fn own_within(&self) -> u64 {
        let own = self.path.names().last().map(String::as_bytes);
        let ends = self.open.iter().copied().skip(1).chain([self.names.len()]);
        let inner = self.open.iter().zip(ends).skip(self.path.names().len());
        inner
            .filter(|(from, to)| Some(&self.names[**from..*to]) == own)
            .count() as u64
    }

    fn close_to(&mut self, depth: usize) {
        if let Some(start) = self.open.get(depth) {
            self.names.truncate(*start);
        }
        self.open.truncate(depth);
        self.on_path = self.on_path.min(depth);
    }

    /// The record of which the end was just read.
    fn record(&mut self, begun: Begun) -> Framed<Value<'static>> {
        let bytes = std::mem::take(&mut self.scanner.kept);
        let is_cut = std::mem::take(&mut self.scanner.is_cut);
        let encoding = self.scanner.encoding();
        let within = |mut malformed: Malformed| {
            if malformed.line == 1 {
                malformed.column += begun.column - 1;
            }
            malformed.line += begun.line - 1;
            malformed
        };
        let too_large = || Malformed {
            line: begun.line,
            column: begun.column,
            what: format!("the element is larger than {}", readable_size(self.limit)).into(),
        };
        let value = match std::str::from_utf8(&bytes) {
            _ if is_cut => Err(begun.fault.unwrap_or_else(too_large)),
            Err(error) => Err(within(Malformed::at(
                &bytes,
                error.valid_up_to(),
                encoding.expected(),
            ))),
            // What the reader has to say is more exact.
            Ok(text) => match (read_owned(text, &self.lists), begun.fault) {
                (Err(malformed), _) => Err(within(malformed)),
                (Ok(_), Some(fault)) => Err(fault),
                (Ok(value), None) => Ok(value),
            },
        };
        let content = value.map_err(|why| Unframed {
            bytes: encoding.restore(bytes),
            is_cut,
            why,
        });
        self.framed(begun.line, begun.begins, content)
    }

    fn beside_root(&self) -> String {
        match self.has_root {
            true => "expected the end after the root element".to_owned(),
            false => "expected an element".to_owned(),
        }
    }

    fn at_end(&mut self, begun: Option<Begun>) -> Option<Framed<Value<'static>>> {
        if begun.is_none() && self.open.is_empty() && self.has_root {
            self.is_done = true;
            return None;
        }
        let what = match self.has_root {
            true => "expected the end tag of the root element before the end",
            false => "expected an element",
        };
        let here = (self.scanner.lines + 1, self.scanner.column + 1);
        Some(self.end_with(here, begun, what.to_owned()))
    }

    /// The bad record that is all from here to the end.
    fn end_with(
        &mut self,
        (line, column): (u64, u64),
        begun: Option<Begun>,
        what: String,
    ) -> Framed<Value<'static>> {
        self.is_done = true;
        self.records += 1;
        let (first_line, begins) = match &begun {
            Some(begun) => (begun.line, begun.begins),
            None => (line, self.scanner.kept_from),
        };
        let why = begun.and_then(|begun| begun.fault).unwrap_or(Malformed {
            line,
            column,
            what: what.into(),
        });
        let bytes = std::mem::take(&mut self.scanner.kept);
        Framed {
            number: self.records,
            line: first_line,
            begins,
            next: Mark {
                records: self.records,
                lines: self.scanner.lines,
                column: 0,
                offset: BEYOND,
            },
            content: Err(Unframed {
                bytes: self.scanner.encoding().restore(bytes),
                is_cut: true,
                why,
            }),
        }
    }
}

/// Where reading goes on behind what ended it: nowhere.
const BEYOND: u64 = u64::MAX;

impl<R: BufRead + Seek> Records<R> {
    /// Goes on at a mark that an earlier reader of the same bytes gave.
    pub fn resume_at(&mut self, mark: Mark) -> io::Result<()> {
        if mark.offset == 0 {
            return Ok(());
        }
        self.records = mark.records;
        self.is_done = mark.offset == BEYOND;
        if self.is_done {
            return Ok(());
        }
        self.scanner.resume_at(mark)?;
        self.has_root = true;
        self.on_path = self.path.names().len() - 1;
        (self.names, self.open) = (Vec::new(), Vec::new());
        for name in &self.path.names()[..self.on_path] {
            self.open.push(self.names.len());
            self.names.extend_from_slice(name.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::json;

    fn read_all(text: &[u8], path: &str, limit: usize) -> Vec<Framed<Value<'static>>> {
        let path = Path::parse(path).expect("a right path");
        let encoding = super::super::encoding_of(text).expect("a known encoding");
        let input = BufReader::with_capacity(3, text);
        let mut records = Records::new(input, encoding, path, Vec::new(), limit);
        std::iter::from_fn(|| records.read().expect("bytes in memory can be read")).collect()
    }

    /// A line per record: its number, and what it is.
    fn told(text: impl AsRef<[u8]>, limit: usize) -> Vec<String> {
        let tell = |each: Framed<Value<'static>>| match each.content {
            Ok(value) => format!("#{} {}", each.number, json::write(&value)),
            Err(bad) => format!("#{} {} <- {}", each.number, bad.why, bad.bytes.escape_ascii()),
        };
        read_all(text.as_ref(), "os/o", limit)
            .into_iter()
            .map(tell)
            .collect()
    }

    #[test]
    fn each_element_at_the_end_of_the_path_is_a_record_with_its_place() {
        let text = "<?xml version='1.0'?>\n<p:os xmlns:p='x'>\n <head><o>no</o></head>\n <p:o>1</p:o><o a='>/'></o>\n\
                    <!-- <o>no</o> -->\n<![CDATA[<o>]]><o><o>2</o></o></p:os>\n";
        assert_eq!(
            told(text, 100),
            [r##"#1 "1""##, r##"#2 {"@a":">/"}"##, r##"#3 {"o":"2"}"##]
        );
        let framed = read_all(text.as_bytes(), "os/o", 100);
        let lines: Vec<_> = framed.iter().map(|each| each.line).collect();
        assert_eq!(lines, [4, 4, 6]);
        assert!(text[..usize::try_from(framed[2].next.offset).expect("small")].ends_with("</o></o>"));
    }

    #[test]
    fn a_bad_record_is_one_and_those_behind_it_are_read() {
        for (bad, told_) in [
            (
                "<o><b>1</c></o>",
                "line 1, column 12: expected the end tag of this element, in `o/b`",
            ),
            (
                "<o><b>1</o>",
                "line 1, column 12: expected the end tag of this element, in `o/b`",
            ),
            (
                "<o><b></c></b></o>",
                "expected the end tag of this element, in `o/b`",
            ),
            (
                "<o><b><o></b></o></o>",
                "expected the end tag of this element, in `o/b/o`",
            ),
            ("<o><b</o>", "column 8: expected the name of an element"),
            ("<o a='1></o>", "column 5: expected"),
            ("<o <b/></o>", "column 5: expected"),
            ("<o>&x;</o>", "column 8: this `&` begins no entity"),
            ("<o><!DOCTYPE x></o>", "document types are not read"),
            ("<o>\0</o>", "a character that XML does not have"),
            (
                "<o>1234567890123456789012345678</o>",
                "column 5: the element is larger than 30 B",
            ),
        ] {
            let told = told(format!("<os>{bad}<o>2</o></os>"), 30);
            assert_eq!(told.len(), 2, "{told:#?}");
            let end = bad.escape_debug().to_string();
            let kept = &end[..end.len().min(30)];
            assert!(
                told[0].contains(told_) && told[0].contains("<- <o"),
                "{kept}: {told:#?}"
            );
            assert_eq!(told[1], r##"#2 "2""##, "{bad}");
        }
        let deep = format!(
            "<os><o>{}{}</o><o>2</o></os>",
            "<a>".repeat(64),
            "</a>".repeat(64)
        );
        let told = told(deep, 1_000);
        assert!(told[0].contains("nested deeper than 64"), "{told:#?}");
        assert_eq!(told[1], r##"#2 "2""##);
    }

    #[test]
    fn what_is_wrong_outside_of_records_ends_reading_and_is_told() {
        for (text, records, told_) in [
            ("", 1, "line 1, column 1: expected an element"),
            ("x<os/>", 1, "expected an element"),
            (
                "<xs><o/></xs>",
                1,
                "line 1, column 1: expected the root element `os`",
            ),
            (
                "<!DOCTYPE os [<!ENTITY a 'b'>]><os><o>&a;</o></os>",
                1,
                "document types are not read",
            ),
            (
                "<os><o/>",
                2,
                "line 1, column 9: expected the end tag of the root element before the end",
            ),
            (
                "<os><o/><o>",
                2,
                "expected the end tag of the root element before the end",
            ),
            (
                "<os><o/></xs>",
                2,
                "line 1, column 9: expected the end tag of `os`",
            ),
            (
                "<os><o/></os>\n<os/>",
                2,
                "line 2, column 1: expected the end after the root element",
            ),
            ("<os><o/></os>x", 2, "expected the end after the root element"),
            ("<os><o/></os></os>", 2, "an end tag without its start tag"),
        ] {
            let told = told(text, 100);
            assert_eq!(told.len(), records, "{told:#?}");
            assert!(told[records - 1].contains(told_), "{told:#?}");
        }
        let deep = format!("<os>{}", "<a>".repeat(1_000_000));
        assert!(told(deep, 100)[0].contains("nested deeper than 64"));
    }

    #[test]
    fn a_root_without_records_has_none() {
        assert!(told("<os/>", 100).is_empty());
        assert!(told("\u{feff}<?xml version='1.0'?>\n<os><meta/></os>\n", 100).is_empty());
    }

    #[test]
    fn a_path_of_one_name_makes_the_document_the_record() {
        let framed = read_all(b"<o><a>1</a></o>\n", "o", 100);
        assert_eq!(framed.len(), 1);
        assert_eq!(
            framed[0].content.as_ref().map(json::write),
            Ok(r#"{"a":"1"}"#.to_owned())
        );
        assert_eq!(read_all(b"<o/><o/>", "o", 100).len(), 2);
    }

    #[test]
    fn other_encodings_are_read_and_their_bad_records_kept_as_they_came() {
        let text = "<?xml version='1.0' encoding='ENC'?><os><o>é€</o><o>&x;é</o></os>";
        for (name, encoding) in [
            ("windows-1252", Encoding::Windows1252),
            ("iso-8859-15", Encoding::Latin9),
            ("utf-16", Encoding::Utf16Le),
        ] {
            let text = text.replace("ENC", name);
            let bytes = encoding.encode(&text).expect("it has all characters");
            let framed = read_all(&bytes, "os/o", 100);
            assert_eq!(
                framed[0].content.as_ref().map(json::write),
                Ok("\"é€\"".to_owned())
            );
            let bad = framed[1].content.as_ref().expect_err("no entity `x`");
            assert_eq!(Ok(bad.bytes.as_slice().into()), encoding.encode("<o>&x;é</o>"));
            assert_eq!(bad.why.column, encoding_column(&text));
        }
        let framed = read_all(b"<os><o>\xe9</o><o>1</o></os>", "os/o", 100);
        let bad = framed[0].content.as_ref().expect_err("no UTF-8");
        assert_eq!(bad.why.to_string(), "line 1, column 8: expected UTF-8");
        assert!(framed[1].content.is_ok());
    }

    fn encoding_column(text: &str) -> u64 {
        let at = text.find("&x;").expect("it is there");
        text[..at].chars().count() as u64 + 1
    }
}
