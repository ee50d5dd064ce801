//! Gigabytes in one record, or in none: memory stays flat. Alone in its process, whose memory it measures.
#![cfg(target_os = "linux")]

use std::io::{self, BufReader, Read};

use trunkline_formats::{
    Encoding, Framed, Unframed,
    csv::Rows,
    fixed::{self, Align, Columns, Ends, Field, Kind, Layout},
    lines::Lines,
    xml::{self, Path},
};

const LIMIT: usize = 1 << 20;
const GIGABYTE: u64 = 1 << 30;
/// More than the memory that is allowed.
const MUCH: u64 = 96 << 20;

/// A beginning, then one piece over and over, then an end.
struct Stream {
    beginning: &'static [u8],
    piece: Vec<u8>,
    left: u64,
    end: &'static [u8],
}

impl Stream {
    fn of(beginning: &'static str, piece: &str, length: u64, end: &'static str) -> BufReader<Self> {
        let stream = Self {
            beginning: beginning.as_bytes(),
            piece: piece.repeat((64 << 10) / piece.len()).into_bytes(),
            left: length,
            end: end.as_bytes(),
        };
        BufReader::with_capacity(256 << 10, stream)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.beginning.is_empty() {
            return self.beginning.read(into);
        }
        if self.left > 0 && into.len() >= self.piece.len() {
            into[..self.piece.len()].copy_from_slice(&self.piece);
            self.left = self.left.saturating_sub(self.piece.len() as u64);
            return Ok(self.piece.len());
        }
        self.end.read(into)
    }
}

/// The most memory this process has had, in MiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .expect("it is there");
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().expect("a number of KiB") >> 10
}

/// Reads to the end, and returns how many records were good and why the others were not.
fn count<T>(mut read: impl FnMut() -> io::Result<Option<Framed<T>>>) -> (u64, Vec<String>) {
    let (mut good, mut bad) = (0, Vec::new());
    while let Some(framed) = read().expect("the stream can be read") {
        match framed.content {
            Ok(_) => good += 1,
            Err(Unframed { bytes, why, .. }) => {
                assert!(bytes.len() <= LIMIT);
                bad.push(why.to_string());
            }
        }
    }
    (good, bad)
}

fn elements(stream: BufReader<Stream>) -> (u64, Vec<String>) {
    let path = Path::parse("os/o").expect("a right path");
    let mut records = xml::Records::new(stream, Encoding::Utf8, path, Vec::new(), LIMIT);
    count(|| records.read())
}

#[test]
fn memory_stays_flat_whatever_comes_in() {
    // A line of a gigabyte.
    let mut lines = Lines::new(Stream::of("1\n", "x", GIGABYTE, "\n2\n"), LIMIT);
    let (good, bad) = count(|| lines.read());
    assert_eq!(
        (good, bad),
        (
            2,
            vec!["line 2, column 1: the line is longer than 1 MiB".to_owned()]
        )
    );

    // A row of a gigabyte, and a quote that a gigabyte of lines does not close.
    let mut rows =
        Rows::new(Stream::of("a\n1\n", "x", GIGABYTE, "\n2\n"), b',', LIMIT).expect("a right header");
    let (good, bad) = count(|| rows.read());
    assert_eq!(
        (good, bad),
        (
            2,
            vec!["line 3, column 1: the line is longer than 1 MiB".to_owned()]
        )
    );
    let stream = Stream::of("a\n\"\n", &("x".repeat(1023) + "\n"), MUCH, "2\n");
    let mut rows = Rows::new(stream, b',', LIMIT).expect("a right header");
    let (good, bad) = count(|| rows.read());
    assert_eq!((good, bad.len()), ((MUCH >> 10) + 1, 1));

    // Text, a tag, a value, a comment, CDATA and a name that do not end for long, in a record and beside one.
    for (open, piece, close) in [
        ("<os><o>1</o><o>", "x", "</o><o>2</o></os>"),
        ("<os><o>1</o><o ", "a='1' ", "></o><o>2</o></os>"),
        ("<os><o>1</o><o a='", "x", "'></o><o>2</o></os>"),
        ("<os><o>1</o><o><!--", "x>", "--></o><o>2</o></os>"),
        ("<os><o>1</o><o><![CDATA[", "x>", "]]></o><o>2</o></os>"),
        ("<os><o>1</o><o><", "x", "></x></o><o>2</o></os>"),
        ("<os><o>1</o><o>", "<b>x</b>", "</o><o>2</o></os>"),
    ] {
        let (good, bad) = elements(Stream::of(open, piece, MUCH, close));
        assert_eq!((good, bad.len()), (2, 1), "{open}: {bad:?}");
    }
    for (open, piece, close) in [
        ("<os><o>1</o>", "x", "<o>2</o></os>"),
        ("<os><o>1</o>", "<b>x</b>", "<o>2</o></os>"),
        ("<os><o>1</o><!--", "x>", "--><o>2</o></os>"),
    ] {
        assert_eq!(
            elements(Stream::of(open, piece, MUCH, close)),
            (2, Vec::new()),
            "{open}"
        );
    }
    let (good, bad) = elements(Stream::of("<!DOCTYPE os [", "<!ENTITY a 'b'>", MUCH, "]><os/>"));
    assert_eq!((good, bad.len()), (0, 1));

    // A gigabyte of columns with no end of a line, as one line and as records.
    let field = Field {
        name: "a".to_owned(),
        start: 1,
        length: 1 << 16,
        kind: Kind::Text,
        align: Align::Left,
        pad: ' ',
    };
    let layout = Layout::new(vec![field], Columns::Characters).expect("a right layout");
    for (ends, expected) in [
        (
            Ends::Lines {
                length: None,
                may_be_short: false,
            },
            (0, 1),
        ),
        (Ends::Nothing { length: 1 << 16 }, (MUCH >> 16, 0)),
    ] {
        let stream = Stream::of("", "x", MUCH, "");
        let mut records = fixed::Records::new(stream, Encoding::Latin1, layout.clone(), ends, LIMIT);
        let (good, bad) = count(|| records.read());
        assert_eq!((good, bad.len()), (expected.0, expected.1), "{bad:?}");
    }

    assert!(most_memory() < 64, "{} MiB", most_memory());
}
