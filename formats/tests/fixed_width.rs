//! Fixed width: what is read, what is refused, and what comes back as it was written.

use std::io::{BufReader, Cursor};

use proptest::prelude::*;
use trunkline_formats::{
    Encoding, Framed,
    fixed::{Align, Columns, Ends, Field, Kind, Layout, Records},
    json,
};
use trunkline_sdk::Value;

const LINES: Ends = Ends::Lines {
    length: None,
    may_be_short: false,
};

fn text(name: &str, start: usize, length: usize) -> Field {
    Field {
        name: name.to_owned(),
        start,
        length,
        kind: Kind::Text,
        align: Align::Left,
        pad: ' ',
    }
}

fn number(name: &str, start: usize, length: usize, decimals: Option<u8>) -> Field {
    Field {
        kind: Kind::Number { decimals },
        align: Align::Right,
        pad: '0',
        ..text(name, start, length)
    }
}

/// `id` in 1 to 3, `name` in 5 to 9, `total` in 10 to 15.
fn orders() -> Layout {
    let fields = vec![
        text("id", 1, 3),
        text("name", 5, 5),
        number("total", 10, 6, Some(2)),
    ];
    Layout::new(fields, Columns::Characters).expect("a right layout")
}

fn read_all(bytes: &[u8], encoding: Encoding, layout: &Layout, ends: Ends) -> Vec<Framed<Value<'static>>> {
    let input = BufReader::with_capacity(3, bytes);
    let mut records = Records::new(input, encoding, layout.clone(), ends, 100);
    std::iter::from_fn(|| records.read().expect("bytes in memory can be read")).collect()
}

/// A line per record: its number, and what it is.
fn told(bytes: impl AsRef<[u8]>, encoding: Encoding, layout: &Layout, ends: Ends) -> Vec<String> {
    let tell = |each: Framed<Value<'static>>| match each.content {
        Ok(value) => format!("#{} {}", each.number, json::write(&value)),
        Err(bad) => format!("#{} {} <- {}", each.number, bad.why, bad.bytes.escape_ascii()),
    };
    let framed = read_all(bytes.as_ref(), encoding, layout, ends);
    framed.into_iter().map(tell).collect()
}

#[test]
fn fields_stand_in_their_columns() {
    let lines = "\u{feff}A1  Ann  001250\r\n\r\nB22xBjörn    -7 and more\nC  \t     \u{20}      \n";
    assert_eq!(
        told(lines, Encoding::Utf8, &orders(), LINES),
        [
            r#"#1 {"id":"A1","name":"Ann","total":12.50}"#,
            r#"#2 {"id":"B22","name":"Björn","total":-0.07}"#,
            r#"#3 {"id":"C","name":"","total":null}"#,
        ]
    );
    let latin1 = Encoding::Latin1
        .encode("B22 Bj\u{f6}rn   100")
        .expect("it has them");
    assert_eq!(
        told(latin1, Encoding::Latin1, &orders(), LINES),
        [r#"#1 {"id":"B22","name":"Björn","total":1.00}"#]
    );
}

#[test]
fn a_bad_record_is_told_with_its_column_and_those_behind_it_are_read() {
    let lines =
        b"A1  Ann  001250\nA1  Ann  0012\nA1  Ann  00x250\nA1  An\xff  001250\n\xef\xbb\xbfA1 Ann  001250\n\
                  A1  Ann  1.2500\nA1  Ann  000001\n";
    assert_eq!(
        told(lines, Encoding::Utf8, &orders(), LINES),
        [
            r#"#1 {"id":"A1","name":"Ann","total":12.50}"#,
            "#2 line 2, column 14: the record ends in column 13, but `total` ends in column 15 <- A1  Ann  0012",
            "#3 line 3, column 10: `total` is no number: expected digits, with a sign before or behind them or none \
             <- A1  Ann  00x250",
            "#4 line 4, column 7: expected UTF-8 <- A1  An\\xff  001250",
            "#5 line 5, column 1: a byte order mark in the middle of the file: were two files joined? \
             <- \\xef\\xbb\\xbfA1 Ann  001250",
            "#6 line 6, column 10: `total` has a point, but its decimals are implied <- A1  Ann  1.2500",
            r#"#7 {"id":"A1","name":"Ann","total":0.01}"#,
        ]
    );
}

#[test]
fn a_line_may_be_held_to_its_length_or_be_short() {
    let exact = Ends::Lines {
        length: Some(16),
        may_be_short: false,
    };
    assert_eq!(
        told(
            "A1  Ann  001250\nA1  Ann  001250 \nA1  Ann  001250  ",
            Encoding::Utf8,
            &orders(),
            exact
        ),
        [
            "#1 line 1, column 16: expected 16 columns, found 15 <- A1  Ann  001250",
            r#"#2 {"id":"A1","name":"Ann","total":12.50}"#,
            "#3 line 3, column 17: expected 16 columns, found 17 <- A1  Ann  001250  ",
        ]
    );
    let short = Ends::Lines {
        length: Some(16),
        may_be_short: true,
    };
    assert_eq!(
        told("A1\nA1  An", Encoding::Utf8, &orders(), short),
        [
            r#"#1 {"id":"A1","name":"","total":null}"#,
            r#"#2 {"id":"A1","name":"An","total":null}"#
        ]
    );
}

#[test]
fn records_without_line_ends_follow_each_other() {
    let ends = Ends::Nothing { length: 15 };
    for encoding in [
        Encoding::Utf8,
        Encoding::Cp037,
        Encoding::Cp1047,
        Encoding::Utf16Be,
    ] {
        let bytes = encoding
            .encode("A1  Ann  001250B22 Bj\u{f6}rn-00007C")
            .expect("it has them");
        assert_eq!(
            told(&bytes, encoding, &orders(), ends)[..2],
            [
                r#"#1 {"id":"A1","name":"Ann","total":12.50}"#,
                r#"#2 {"id":"B22","name":"Björn","total":-0.07}"#,
            ]
        );
        let framed = read_all(&bytes, encoding, &orders(), ends);
        let bad = framed[2]
            .content
            .as_ref()
            .expect_err("the file ends in the middle of it");
        assert_eq!(
            bad.why.to_string(),
            "line 3, column 2: expected 15 columns, found 1"
        );
        assert_eq!(Ok(bad.bytes.as_slice().into()), encoding.encode("C"));
    }
    // The end of a last line, or of a file, is no record.
    for end in ["\n", "\r\n\u{1a}", ""] {
        let text = format!("\u{feff}A1  Ann  001250{end}");
        assert_eq!(told(text, Encoding::Utf8, &orders(), ends).len(), 1);
    }
    // Lines that are taken for records are not silently shifted.
    let shifted = told(
        "A1  Ann  001250\nB1  Ann  001250\n",
        Encoding::Utf8,
        &orders(),
        ends,
    );
    assert!(
        shifted[1].contains("`id` has the end of a line in it"),
        "{shifted:#?}"
    );
}

#[test]
fn columns_may_be_bytes() {
    let fields = vec![text("a", 1, 4), text("b", 5, 1)];
    let layout = Layout::new(fields, Columns::Bytes).expect("a right layout");
    assert_eq!(
        told("éa x", Encoding::Utf8, &layout, LINES),
        [r#"#1 {"a":"éa","b":"x"}"#]
    );
    assert_eq!(
        told("aaaéx", Encoding::Utf8, &layout, LINES),
        ["#1 line 1, column 1: `a` begins or ends within a character <- aaa\\xc3\\xa9x"]
    );
    let latin1 = Encoding::Latin1.encode("\u{e9}abcx").expect("it has them");
    assert_eq!(
        told(&latin1, Encoding::Latin1, &layout, LINES),
        [r#"#1 {"a":"éabc","b":"x"}"#]
    );
    let nothing = Ends::Nothing { length: 5 };
    assert_eq!(
        told("éa xaaaa€", Encoding::Utf8, &layout, nothing),
        [
            r#"#1 {"a":"éa","b":"x"}"#,
            "#2 line 2, column 5: expected UTF-8 <- aaaa\\xe2",
            "#3 line 3, column 1: expected UTF-8 <- \\x82\\xac",
        ]
    );
}

fn typed() -> Layout {
    let types = vec![
        ("H".to_owned(), vec![text("type", 1, 1), text("date", 2, 8)]),
        (
            "T".to_owned(),
            vec![text("type", 1, 1), number("count", 2, 4, Some(0))],
        ),
    ];
    Layout::by_type(1, 1, types, Columns::Characters).expect("a right layout")
}

#[test]
fn the_type_of_a_record_is_told_by_its_columns() {
    let layout = typed();
    let told = told("H20260101\nT0017\nX\n", Encoding::Utf8, &layout, LINES);
    assert_eq!(
        told,
        [
            r#"#1 {"type":"H","date":"20260101"}"#,
            r#"#2 {"type":"T","count":17}"#,
            "#3 line 3, column 1: expected the word of a record type <- X",
        ]
    );
    let trailer = json::read(br#"{"type":"T","count":3}"#).expect("it is JSON");
    assert_eq!(
        layout.write(&trailer, Some(9), Encoding::Utf8).as_deref(),
        Ok(&b"T0003    "[..])
    );
    let unknown = json::read(br#"{"type":"X"}"#).expect("it is JSON");
    let error = layout
        .write(&unknown, None, Encoding::Utf8)
        .expect_err("no such type");
    assert_eq!(error.to_string(), "the record has no type of this layout");
}

#[test]
fn a_layout_that_makes_no_sense_is_refused_with_all_that_is_wrong() {
    let fields = vec![
        text("a", 1, 3),
        text("b", 3, 2),
        text("a", 9, 1),
        text("", 10, 1),
        text("c", 0, 1),
    ];
    let flaws = Layout::new(fields, Columns::Characters).expect_err("it makes no sense");
    let told: Vec<_> = flaws
        .iter()
        .map(|flaw| (flaw.field, flaw.what.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (Some(1), "`b` (columns 3 to 4) overlaps `a` (1 to 3)"),
            (Some(2), "there are two fields `a`"),
            (Some(3), "a field has no name"),
            (Some(4), "`c` must have columns, which count from 1"),
        ]
    );
    assert!(Layout::new(Vec::new(), Columns::Bytes).is_err());
    let types = vec![
        ("HH".to_owned(), vec![text("type", 1, 1)]),
        ("T".to_owned(), vec![text("x", 1, 2)]),
        ("T".to_owned(), vec![text("type", 1, 1)]),
    ];
    let flaws = Layout::by_type(1, 1, types, Columns::Characters).expect_err("it makes no sense");
    let told: Vec<_> = flaws
        .iter()
        .map(|flaw| (flaw.record_type, flaw.what.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (0, "the word `HH` of a type has more than 1 columns"),
            (
                1,
                "type `T` has no field in the columns 1 to 1, which tell the type"
            ),
            (2, "there are two types `T`"),
        ]
    );
}

#[test]
fn what_does_not_fit_is_a_fault_and_never_cut() {
    for (record, told) in [
        (r#"{"name":"Christoph"}"#, "`name` needs 9 columns, but has 5"),
        (r#"{"total":10000}"#, "`total` needs 7 columns, but has 6"),
        (r#"{"total":1.005}"#, "`total` has more than 2 decimals"),
        (r#"{"total":1e3}"#, "`total` is no number of plain digits"),
        (
            r#"{"total":true}"#,
            "`total` is a boolean, for which it has no place",
        ),
        (r#"{"name":["a"]}"#, "`name` is a list, for which it has no place"),
        (r#"{"name":"a\nb"}"#, "`name` has the end of a line in it"),
        (
            r#"{"name":"5 €"}"#,
            "`name` has a character that iso-8859-1 does not have",
        ),
        (r#"{"note":"x"}"#, "`note` has no columns in this layout"),
        ("[]", "the record is a list, but must be an object"),
    ] {
        let value = json::read(record.as_bytes()).expect("it is JSON");
        let error = orders()
            .write(&value, None, Encoding::Latin1)
            .expect_err("it does not fit");
        assert_eq!(error.to_string(), told);
    }
    let value = json::read(r#"{"total":-0.5,"name":"é"}"#.as_bytes()).expect("it is JSON");
    assert_eq!(
        orders().write(&value, Some(17), Encoding::Latin1).as_deref(),
        Ok(&b"    \xe9    -00050  "[..])
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        rows in prop::collection::vec(("[a-zé]{0,3}", "([a-zé ]{0,4}[a-zé])?", prop::option::of(-99_999_i64..999_999)), 0..8),
        has_lines in any::<bool>(),
        encoding in prop::sample::select(vec![Encoding::Utf8, Encoding::Utf16Le, Encoding::Latin1, Encoding::Windows1252, Encoding::Cp500]),
    ) {
        let layout = orders();
        let ends = if has_lines { Ends::Lines { length: Some(15), may_be_short: false } } else { Ends::Nothing { length: 15 } };
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (id, name, cents) in &rows {
            let total = cents.map_or(Value::Null, |cents| {
                let sign = if cents < 0 { "-" } else { "" };
                let cents = cents.unsigned_abs();
                Value::Number(format!("{sign}{}.{:02}", cents / 100, cents % 100).into())
            });
            let record = Value::Object(vec![
                ("id".into(), Value::Text(id.clone().into())),
                ("name".into(), Value::Text(name.clone().into())),
                ("total".into(), total),
            ]);
            let is_blank = id.is_empty() && name.is_empty() && cents.is_none();
            bytes.extend(layout.write(&record, Some(15), encoding).expect("it fits"));
            if has_lines {
                bytes.extend_from_slice(&encoding.encode("\n").expect("all have it"));
            }
            // A line of blanks is none.
            if !(has_lines && is_blank) {
                expected.push(record);
            }
        }
        let again = read_all(&bytes, encoding, &layout, ends);
        let again: Vec<_> = again.into_iter().map(|each| each.content.expect("it was written")).collect();
        prop_assert_eq!(again, expected);
    }

    #[test]
    fn reading_resumes_at_any_record(
        text in "[A1 0é\u{feff}\n]{0,60}",
        has_lines in any::<bool>(),
        encoding in prop::sample::select(vec![Encoding::Utf8, Encoding::Utf16Le]),
    ) {
        let layout = Layout::new(vec![number("n", 1, 3, None), self::text("t", 4, 2)], Columns::Characters).expect("right");
        let ends = if has_lines { LINES } else { Ends::Nothing { length: 5 } };
        let bytes = encoding.encode(&text).expect("it has all");
        let all = read_all(&bytes, encoding, &layout, ends);
        for (index, record) in all.iter().enumerate() {
            let mut records = Records::new(Cursor::new(&bytes), encoding, layout.clone(), ends, 100);
            records.resume_at(record.next).expect("it is within the bytes");
            let rest: Vec<_> = std::iter::from_fn(|| records.read().expect("memory")).collect();
            prop_assert_eq!(&rest[..], &all[index + 1..]);
        }
    }
}
