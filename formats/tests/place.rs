//! A record stands in its file from where it begins to where the next one may: these bytes alone are the record.
#![allow(clippy::unwrap_used)]

use std::io::{self, BufReader};

use trunkline_formats::{
    Encoding, Framed,
    csv::Rows,
    fixed::{Align, Columns, Ends, Field, Kind, Layout, Records},
    lines::Lines,
    xml,
};

const ENCODINGS: [Encoding; 4] = [
    Encoding::Utf8,
    Encoding::Utf16Le,
    Encoding::Utf16Be,
    Encoding::Latin1,
];

/// The bytes of each record, as text without the layout behind it.
fn cut<T>(
    bytes: &[u8],
    encoding: Encoding,
    mut read: impl FnMut() -> io::Result<Option<Framed<T>>>,
) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(framed) = read().unwrap() {
        let to = usize::try_from(framed.next.offset).map_or(bytes.len(), |to| to.min(bytes.len()));
        let from = usize::try_from(framed.begins).unwrap();
        let mut text = String::new();
        let mut decoded = Lines::encoded(&bytes[from..to], encoding, 1 << 20);
        while let Some(line) = decoded.read().unwrap() {
            text += std::str::from_utf8(&line.content.unwrap()).unwrap();
            text += "\n";
        }
        texts.push(text.trim_end().to_owned());
    }
    texts
}

fn encoded(encoding: Encoding, text: &str) -> Vec<u8> {
    let mark = match encoding {
        Encoding::Utf8 | Encoding::Utf16Le | Encoding::Utf16Be => "\u{feff}",
        _ => "",
    };
    encoding.encode(&format!("{mark}{text}")).unwrap().into_owned()
}

/// Read in small pieces, so that nothing is seen at once, and in one.
fn buffers(bytes: &[u8]) -> [BufReader<&[u8]>; 2] {
    [3, 4096].map(|size| BufReader::with_capacity(size, bytes))
}

#[test]
fn a_line_and_a_row_stand_where_they_begin() {
    for encoding in ENCODINGS {
        let bytes = encoded(encoding, "id,é\r\n\r\n1,\"a\nb\"\n\nä,b,c\n3,4");
        for input in buffers(&bytes) {
            let mut rows = Rows::encoded(input, encoding, b',', 100).unwrap();
            assert_eq!(
                cut(&bytes, encoding, || rows.read()),
                ["1,\"a\nb\"", "ä,b,c", "3,4"]
            );
        }
        for input in buffers(&bytes) {
            let mut lines = Lines::encoded(input, encoding, 100);
            let expected = ["id,é", "1,\"a", "b\"", "ä,b,c", "3,4"];
            assert_eq!(cut(&bytes, encoding, || lines.read()), expected);
        }
    }
}

#[test]
fn an_element_stands_where_it_begins() {
    for encoding in ENCODINGS {
        let text =
            "<all><x/>é <one>ä</one>\n<!-- <one> --><one>&no;</one><p:one><one/></p:one> <one>b</one></all>";
        let bytes = encoded(encoding, text);
        for input in buffers(&bytes) {
            let path = xml::Path::parse("all/one").unwrap();
            let mut records = xml::Records::new(input, encoding, path, Vec::new(), 100);
            let expected = [
                "<one>ä</one>",
                "<one>&no;</one>",
                "<p:one><one/></p:one>",
                "<one>b</one>",
            ];
            assert_eq!(cut(&bytes, encoding, || records.read()), expected);
        }
    }
}

#[test]
fn columns_stand_where_they_begin() {
    for encoding in ENCODINGS {
        let field = Field {
            name: "a".to_owned(),
            start: 1,
            length: 3,
            kind: Kind::Text,
            align: Align::Left,
            pad: ' ',
        };
        let layout = Layout::new(vec![field], Columns::Characters).unwrap();
        let bytes = encoded(encoding, "abcdéfgh");
        for input in buffers(&bytes) {
            let ends = Ends::Nothing { length: 3 };
            let mut records = Records::new(input, encoding, layout.clone(), ends, 100);
            assert_eq!(cut(&bytes, encoding, || records.read()), ["abc", "déf", "gh"]);
        }
    }
}
