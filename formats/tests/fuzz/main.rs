//! Each decoder against chance: none panics or hangs, and what it reads is what its writer writes. `support/fuzz.rs`
//! of the workspace says how; `FUZZ_SECONDS=300 cargo test -p trunkline-formats --test fuzz` runs longer.

#[path = "../../../tests/support/fuzz.rs"]
mod fuzz;

use std::{
    fmt::Debug,
    io::{self, BufReader, Cursor},
    path::Path,
};

use fuzz::{Outcome, Target};
use trunkline_formats::{
    Encoding, Framed, Mark,
    csv::{Dialect, Rows, Writer},
    fixed::{Align, Columns, Ends, Field, Kind, Layout, Records},
    json,
    lines::Lines,
    xml,
};
use trunkline_sdk::Value;

fn target<'t>(name: &str, words: &'t [&'t str]) -> Target<'t> {
    Target {
        folder: Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz")
            .join(name),
        seeds: Vec::new(),
        words,
    }
}

/// The first byte chooses; the others are the input.
fn choice(input: &[u8]) -> (usize, &[u8]) {
    input
        .split_first()
        .map_or((0, input), |(first, rest)| (usize::from(*first), rest))
}

fn encoding(choice: usize) -> Encoding {
    Encoding::named(Encoding::NAMES[choice % Encoding::NAMES.len()]).expect("it is named")
}

/// Kinds and numbers of what is in a tree.
fn shape(value: &Value<'_>, depth: usize, out: &mut String) {
    out.push_str(value.kind());
    match value {
        _ if depth == 4 => {}
        Value::List(items) => items.iter().take(4).for_each(|item| shape(item, depth + 1, out)),
        Value::Object(fields) => fields
            .iter()
            .take(4)
            .for_each(|(_, value)| shape(value, depth + 1, out)),
        _ => {}
    }
}

/// Reads all; a reader that goes on at any mark reads what is left, and marks go forward to the end.
fn framed<T: PartialEq + Debug>(
    input: &[u8],
    mut read: impl FnMut() -> io::Result<Option<Framed<T>>>,
    resumed: impl Fn(Mark) -> Vec<Framed<T>>,
) -> Vec<Framed<T>> {
    let all: Vec<_> = std::iter::from_fn(|| read().expect("memory")).collect();
    let mut before = Mark::default();
    for each in &all {
        assert!(each.next.offset >= before.offset && each.next.records == before.records + 1);
        assert_eq!(each.number, each.next.records);
        before = each.next;
    }
    if let Some(last) = all.last() {
        assert!(last.next.offset <= input.len() as u64 || last.next.offset == u64::MAX);
        let middle = all.len() / 2;
        assert_eq!(resumed(all[middle].next), all[middle + 1..]);
        assert_eq!(resumed(last.next), []);
    }
    all
}

fn outcome(all: &[Framed<Value<'static>>]) -> Outcome {
    let mut told = String::new();
    for each in all.iter().take(3) {
        match &each.content {
            Ok(value) => shape(value, 2, &mut told),
            Err(unframed) => told.push_str(&unframed.why.what),
        }
    }
    Outcome::of(told)
}

#[test]
fn json_is_read_as_serde_json_reads_it_or_refused() {
    let words = [
        "\\u0000",
        "\\ud83d\\ude00",
        "\\ud800",
        "null",
        "true",
        "NaN",
        "\"a\":",
        "[[[[",
        "{\"a\":",
        "\u{feff}",
        "1e5",
        "-0.0",
    ];
    target("json", &words).run(|input| match json::read(input) {
        Ok(value) => {
            let text = json::write(&value);
            assert_eq!(json::read(text.as_bytes()).as_ref(), Ok(&value));
            let without_mark = input.strip_prefix("\u{feff}".as_bytes()).unwrap_or(input);
            if let Err(theirs) = serde_json::from_slice::<serde::de::IgnoredAny>(without_mark) {
                panic!("serde_json refuses it: {theirs}");
            }
            let mut told = String::new();
            shape(&value, 0, &mut told);
            Outcome::of(told)
        }
        Err(malformed) => {
            let theirs = serde_json::from_slice::<serde_json::Value>(input);
            assert!(theirs.is_err() || malformed.what.contains("twice"), "{malformed}");
            Outcome::of(malformed.what)
        }
    });
}

#[test]
fn lines_are_cut_and_resumed() {
    target("lines", &["\r\n", "\n\n", "\u{feff}", "{}"]).run(|input| {
        let (chosen, input) = choice(input);
        let (encoding, limit) = (encoding(chosen), 1 + chosen % 40);
        let mut lines = Lines::encoded(BufReader::with_capacity(1 + chosen % 7, input), encoding, limit);
        let all = framed(
            input,
            || lines.read(),
            |mark| {
                let mut lines = Lines::encoded(Cursor::new(input), encoding, limit);
                lines.resume_at(mark).expect("memory");
                std::iter::from_fn(|| lines.read().expect("memory")).collect()
            },
        );
        let told = all
            .iter()
            .take(3)
            .map(|each| if each.content.is_ok() { "line " } else { "long " });
        Outcome::of(told.collect::<String>())
    });
}

#[test]
fn csv_is_read_resumed_and_written_as_it_was_read() {
    target(
        "csv",
        &["\"\"", "\",\"", "\r\n", "a,b\n", "\u{feff}", "\"\n\"", "=1+1"],
    )
    .run(|input| {
        let (chosen, input) = choice(input);
        let (encoding, limit) = (encoding(chosen), 8 + chosen % 60);
        let delimiter = b",;\t"[chosen % 3];
        let open = |capacity| {
            Rows::encoded(
                BufReader::with_capacity(capacity, Cursor::new(input)),
                encoding,
                delimiter,
                limit,
            )
        };
        let Ok(mut rows) = open(1 + chosen % 7) else {
            return Outcome::of("no header");
        };
        let names = rows.names().to_vec();
        let all = framed(
            input,
            || rows.read(),
            |mark| {
                let mut rows = open(64).expect("it had a header before");
                rows.resume_at(mark).expect("memory");
                std::iter::from_fn(|| rows.read().expect("memory")).collect()
            },
        );
        let dialect = Dialect {
            delimiter,
            quotes_all: chosen.is_multiple_of(5),
            crlf: chosen.is_multiple_of(2),
            guards_formulas: false,
        };
        if let Ok(writer) = Writer::new(names, dialect) {
            let good: Vec<_> = all.iter().filter_map(|each| each.content.as_ref().ok()).collect();
            let mut text = writer.head();
            good.iter()
                .for_each(|value| text.push_str(&writer.record(value).expect("it is flat")));
            let mut rows = Rows::new(text.as_bytes(), delimiter, 1 << 20).expect("it was written");
            let again = std::iter::from_fn(|| rows.read().expect("memory"));
            let again: Vec<_> = again.map(|each| each.content.expect("it was written")).collect();
            assert!(again.iter().eq(good), "{text:?}");
        }
        outcome(&all)
    });
}

#[test]
fn xml_is_read_resumed_and_written_as_it_was_read() {
    let words = [
        "<o>",
        "</o>",
        "<os>",
        "</os>",
        "<o/>",
        "<a b='c'/>",
        "&amp;",
        "&#x10FFFF;",
        "&x;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!DOCTYPE",
        "<?xml version='1.0' encoding='",
        "?>",
        "xmlns:a='b'",
        "xsi:nil='true'",
        "a:b",
        "\u{feff}",
        "\u{ffff}",
        "<L>",
    ];
    target("xml", &words).run(|input| {
        let (chosen, input) = choice(input);
        let limit = 16 + chosen * 4;
        let path = xml::Path::parse(["o", "os/o", "a/os/o"][chosen % 3]).expect("a right path");
        let lists = if chosen.is_multiple_of(2) {
            vec!["L".to_owned()]
        } else {
            Vec::new()
        };
        let encoding = match xml::encoding_of(input) {
            Ok(encoding) => encoding,
            Err(refused) => return Outcome::of(refused.what),
        };
        let open = |capacity| {
            let input = BufReader::with_capacity(capacity, Cursor::new(input));
            xml::Records::new(input, encoding, path.clone(), lists.clone(), limit)
        };
        let mut records = open(1 + chosen % 7);
        let all = framed(
            input,
            || records.read(),
            |mark| {
                let mut records = open(64);
                records.resume_at(mark).expect("memory");
                std::iter::from_fn(|| records.read().expect("memory")).collect()
            },
        );
        let writer = xml::Writer::new(path.clone());
        for value in all.iter().filter_map(|each| each.content.as_ref().ok()) {
            if let Ok(text) = writer.record(value) {
                assert_eq!(xml::read(&text, &lists).as_ref(), Ok(value), "{text}");
            }
        }
        // As one document, which may be what the stream is not.
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = xml::read(text, &lists);
        }
        outcome(&all)
    });
}

fn field(name: &str, start: usize, length: usize, kind: Kind, align: Align, pad: char) -> Field {
    Field {
        name: name.to_owned(),
        start,
        length,
        kind,
        align,
        pad,
    }
}

fn layout(chosen: usize) -> Layout {
    let number = |decimals| Kind::Number { decimals };
    let columns = if chosen.is_multiple_of(2) {
        Columns::Characters
    } else {
        Columns::Bytes
    };
    let kind = field("k", 1, 1, Kind::Text, Align::Left, ' ');
    let first = vec![
        kind.clone(),
        field("t", 3, 3, Kind::Text, Align::Right, '*'),
        field("n", 6, 4, number(None), Align::Left, ' '),
    ];
    let second = vec![kind, field("m", 2, 6, number(Some(2)), Align::Right, '0')];
    let made = match chosen % 3 {
        0 => Layout::new(first, columns),
        1 => Layout::new(second, columns),
        _ => Layout::by_type(
            1,
            1,
            vec![("A".to_owned(), first), ("B".to_owned(), second)],
            columns,
        ),
    };
    made.expect("a right layout")
}

#[test]
fn columns_are_read_resumed_and_written_as_they_were_read() {
    target(
        "fixed",
        &[
            "A ",
            "B000123",
            "-",
            "+",
            ".",
            "\r\n",
            "\u{feff}",
            "é",
            "\u{1a}",
            "         ",
        ],
    )
    .run(|input| {
        let (chosen, input) = choice(input);
        let (encoding, layout) = (encoding(chosen), layout(chosen));
        let ends = match chosen % 4 {
            0 => Ends::Nothing { length: 9 },
            1 => Ends::Nothing { length: 10 },
            2 => Ends::Lines {
                length: None,
                may_be_short: true,
            },
            _ => Ends::Lines {
                length: Some(9),
                may_be_short: chosen % 8 == 3,
            },
        };
        let open = |capacity| {
            let input = BufReader::with_capacity(capacity, Cursor::new(input));
            Records::new(input, encoding, layout.clone(), ends, 64)
        };
        let mut records = open(1 + chosen % 7);
        let all = framed(
            input,
            || records.read(),
            |mark| {
                let mut records = open(64);
                records.resume_at(mark).expect("memory");
                std::iter::from_fn(|| records.read().expect("memory")).collect()
            },
        );
        for value in all.iter().filter_map(|each| each.content.as_ref().ok()) {
            if let Ok(bytes) = layout.write(value, Some(10), encoding) {
                let text = encoding.decode(&bytes).expect("it was encoded");
                // A text may lose its padding, and a byte order mark in front is none of its own.
                let mut again = Records::new(
                    &*bytes,
                    encoding,
                    layout.clone(),
                    Ends::Nothing { length: 10 },
                    64,
                );
                let is_marked = text.starts_with('\u{feff}');
                if let Some(again) = again.read().expect("memory").filter(|_| !is_marked) {
                    let again = again.content.expect("it was written");
                    assert_eq!(layout.write(&again, Some(10), encoding).as_ref(), Ok(&bytes));
                }
            }
        }
        outcome(&all)
    });
}

#[test]
fn what_is_decoded_can_be_encoded_again() {
    target("encoding", &["\u{feff}", "é€", "\0\0", "😀"]).run(|input| {
        let (chosen, input) = choice(input);
        let encoding = encoding(chosen);
        match encoding.decode(input) {
            Ok(text) => {
                assert_eq!(encoding.encode(&text).as_deref(), Ok(input));
                Outcome::of(format!("{} is read", encoding.name()))
            }
            Err(malformed) => Outcome::of(malformed.what),
        }
    });
}
