//! Records that nobody should send: each is refused with what is wrong, in time that grows no faster than they do.

use std::{
    io::BufReader,
    time::{Duration, Instant},
};

use trunkline_formats::{
    Encoding, Framed, Malformed,
    csv::Rows,
    fixed::{self, Align, Columns, Ends, Field, Kind, Layout},
    json,
    lines::Lines,
    xml::{self, Path},
};
use trunkline_sdk::Value;

const LIMIT: usize = 1 << 20;

fn refused(text: impl AsRef<[u8]>) -> Malformed {
    json::read(text.as_ref()).expect_err("it is refused")
}

/// What the decoder of CSV makes of rows under the header `a,b`: a tree, or why there is none.
fn rows(text: impl AsRef<[u8]>) -> Vec<Result<String, String>> {
    let text = [b"a,b\n", text.as_ref()].concat();
    let mut rows = Rows::new(text.as_slice(), b',', LIMIT).expect("a right header");
    told(std::iter::from_fn(|| rows.read().expect("memory")))
}

/// The same of XML, elements `os/o`.
fn elements(text: impl AsRef<[u8]>) -> Vec<Result<String, String>> {
    let path = Path::parse("os/o").expect("a right path");
    let mut records = xml::Records::new(text.as_ref(), Encoding::Utf8, path, Vec::new(), LIMIT);
    told(std::iter::from_fn(|| records.read().expect("memory")))
}

/// The same of lines of fixed width: a text in 1 to 3, a number in 4 to 33.
fn columns(text: impl AsRef<[u8]>) -> Vec<Result<String, String>> {
    let field = |name: &str, start, length, kind| Field {
        name: name.to_owned(),
        start,
        length,
        kind,
        align: Align::Left,
        pad: ' ',
    };
    let number = Kind::Number { decimals: None };
    let fields = vec![field("t", 1, 3, Kind::Text), field("n", 4, 30, number)];
    let layout = Layout::new(fields, Columns::Characters).expect("a right layout");
    let ends = Ends::Lines {
        length: None,
        may_be_short: true,
    };
    let mut records = fixed::Records::new(text.as_ref(), Encoding::Utf8, layout, ends, LIMIT);
    told(std::iter::from_fn(|| records.read().expect("memory")))
}

fn told(records: impl Iterator<Item = Framed<Value<'static>>>) -> Vec<Result<String, String>> {
    records
        .map(|each| match each.content {
            Ok(value) => Ok(json::write(&value)),
            Err(unframed) => Err(unframed.why.to_string()),
        })
        .collect()
}

/// Whether the only record was refused for this.
fn is_refused(told: &[Result<String, String>], why: &str) -> bool {
    matches!(told, [Err(what)] if what.contains(why))
}

#[test]
fn nesting_is_refused_where_it_is_too_deep_however_deep_it_is() {
    for deep in [
        "[".repeat(10_000_000),
        "{\"a\":".repeat(2_000_000),
        "[{\"a\":".repeat(1_000_000),
    ] {
        assert!(refused(deep).what.contains("deeper than 128"));
    }
    let inner = "<a>".repeat(300_000);
    assert!(is_refused(
        &elements(format!("<os><o>{inner}")),
        "nested deeper than 64"
    ));
    assert!(is_refused(
        &elements(format!("<os>{inner}")),
        "nested deeper than 64"
    ));
}

#[test]
fn entities_are_neither_expanded_nor_fetched_nor_dropped() {
    let bomb = "<!DOCTYPE os [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
                <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><os><o>&c;</o></os>";
    assert!(is_refused(&elements(bomb), "document types are not read"));
    let fetched = "<!DOCTYPE os SYSTEM \"http://127.0.0.1/x.dtd\"><os><o>1</o></os>";
    assert!(is_refused(&elements(fetched), "document types are not read"));
    let outside = "<!DOCTYPE os [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><os><o>&x;</o></os>";
    assert!(is_refused(&elements(outside), "document types are not read"));
    assert!(is_refused(
        &elements("<os><o>a&c;b</o></os>"),
        "this `&` begins no entity"
    ));
}

#[test]
fn bytes_that_are_not_utf8_are_refused_at_their_place() {
    assert_eq!(
        refused(b"{\"a\":\"\xc3\x28\"}").to_string(),
        "line 1, column 7: expected UTF-8"
    );
    // Overlong, a surrogate, beyond the last character, cut in the middle.
    for bad in [
        &b"\xc0\x80"[..],
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ] {
        assert!(
            refused([b"\"", bad, b"\""].concat())
                .what
                .contains("expected UTF-8")
        );
        assert!(is_refused(
            &rows([b"1,", bad].concat()),
            "line 2, column 3: expected UTF-8"
        ));
        assert!(is_refused(
            &elements([b"<os><o>", bad, b"</o></os>"].concat()),
            "line 1, column 8: expected UTF-8"
        ));
        assert!(is_refused(&columns(bad), "line 1, column 1: expected UTF-8"));
    }
}

#[test]
fn half_a_surrogate_pair_is_no_character() {
    for text in [
        "\"\\ud800\"",
        "\"\\udfff\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ude00\\ud83d\"",
    ] {
        assert!(refused(text).what.contains("surrogate"), "{text}");
    }
    assert!(is_refused(
        &elements("<os><o>&#xD800;</o></os>"),
        "this `&` begins no entity"
    ));
    assert!(Encoding::Utf16Le.decode(b"a\0\x00\xd8b\0").is_err());
}

#[test]
fn what_is_no_number_is_none_and_digits_are_kept_however_many_they_are() {
    for text in ["NaN", "Infinity", "-Infinity", "+1", "0x10", "1_000", ".5", "01"] {
        assert!(json::read(text.as_bytes()).is_err(), "{text}");
        assert!(
            is_refused(&columns(format!("abc{text:?}")), "`n` is no number"),
            "{text}"
        );
    }
    let digits = "123456789012345678901234567890";
    for number in [
        digits.to_owned(),
        format!("0.{digits}"),
        format!("-{digits}e{digits}"),
        "9".repeat(500_000),
    ] {
        assert_eq!(
            json::read(number.as_bytes()),
            Ok(Value::Number(number.as_str().into()))
        );
    }
    assert_eq!(
        columns(format!("abc{digits}")),
        [Ok(format!("{{\"t\":\"abc\",\"n\":{digits}}}"))]
    );
    assert_eq!(
        rows(format!("{digits},1e400")),
        [Ok(format!("{{\"a\":\"{digits}\",\"b\":\"1e400\"}}"))]
    );
    assert_eq!(
        elements(format!("<os><o>{digits}</o></os>")),
        [Ok(format!("\"{digits}\""))]
    );
}

#[test]
fn floods_of_names_are_read_in_linear_time_and_attributes_only_to_their_limit() {
    let began = Instant::now();
    let names: Vec<_> = (0..200_000).map(|n| format!("\"{n}\":0")).collect();
    assert!(json::read(format!("{{{}}}", names.join(",")).as_bytes()).is_ok());
    let twice = format!("{{{},\"7\":0}}", names.join(","));
    assert!(refused(twice).what.contains("stands twice"));
    let inner: String = (0..100_000).map(|n| format!("<a{n}/>")).collect();
    assert!(elements(format!("<os><o>{inner}</o></os>"))[0].is_ok());
    let attributes: String = (0..50_000).map(|n| format!(" a{n}=''")).collect();
    assert!(is_refused(
        &elements(format!("<os><o{attributes}/></os>")),
        "more than 256 attributes"
    ));
    // Blanks, then text, then elements: asked once whether it is layout.
    let mixed = format!(
        "<os><o>{}x{}</o></os>",
        " ".repeat(400_000),
        "<b/>".repeat(100_000)
    );
    assert!(elements(mixed)[0].is_ok());
    let header: String = (0..150_000).map(|n| format!("{n},")).collect();
    assert!(Rows::new((header + "x\n").as_bytes(), b',', LIMIT).is_ok());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn quotes_that_nothing_closes_are_sought_in_linear_time() {
    // Each line opens a quote, and closes and opens one where it is read behind an open one.
    let began = Instant::now();
    let lines = "x\",\"y\n".repeat(400_000);
    let told = rows(lines);
    assert_eq!(told.len(), 400_000);
    assert!(
        told.iter()
            .all(|each| each.as_ref().is_err_and(|why| why.contains("closing quote")))
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn nul_bytes_are_refused_where_the_format_has_none_and_kept_where_it_has() {
    assert!(refused("\"a\0b\"").what.contains("control characters"));
    assert_eq!(json::read(b"\"a\\u0000b\""), Ok(Value::Text("a\0b".into())));
    assert!(is_refused(
        &elements("<os><o>a\0b</o></os>"),
        "a character that XML does not have"
    ));
    assert!(is_refused(
        &elements("<os><o a=\"\0\"/></os>"),
        "a character that XML does not have"
    ));
    // A text has it in CSV and in columns.
    assert_eq!(rows("a\0,b"), [Ok("{\"a\":\"a\\u0000\",\"b\":\"b\"}".to_owned())]);
    assert_eq!(columns("a\0b1"), [Ok("{\"t\":\"a\\u0000b\",\"n\":1}".to_owned())]);
    assert!(is_refused(&columns("abc1\0"), "`n` is no number"));
}

#[test]
fn a_byte_order_mark_in_the_middle_tells_that_files_were_joined() {
    assert!(refused("{\"a\":\u{feff}1}").what.contains("expected a value"));
    assert!(refused("\u{feff}\u{feff}1").what.contains("expected a value"));
    assert!(is_refused(&rows("\u{feff}1,2"), "were two files joined?"));
    assert!(is_refused(
        &columns("\u{feff}\u{feff}abc1"),
        "were two files joined?"
    ));
    let joined = elements("\u{feff}<os><o>1</o></os>\n\u{feff}<os><o>2</o></os>");
    assert!(
        matches!(&joined[..], [Ok(_), Err(why)] if why.contains("expected the end")),
        "{joined:?}"
    );
    // JSON lines that were joined can be told apart all the same.
    let mut lines = Lines::new(BufReader::new("\u{feff}1\n\u{feff}2\n".as_bytes()), LIMIT);
    let mut read = || {
        lines
            .read()
            .expect("memory")
            .map(|line| line.content.expect("it fits"))
    };
    let texts: Vec<_> = std::iter::from_fn(&mut read).collect();
    assert_eq!(json::read(&texts[1]), Ok(Value::Number("2".into())));
}
