//! The README is tested: each block of a format is read to the trees of the block behind it.

use std::fs;

use trunkline_formats::{
    Encoding, Framed, Unframed,
    csv::Rows,
    fixed::{self, Align, Columns, Ends, Field, Kind, Layout},
    json,
    xml::{self, Path},
};
use trunkline_sdk::Value;

/// All blocks: their words and their texts.
fn blocks() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).expect("there is a README.md");
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(word) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((word.to_owned(), text.flat_map(|line| [line, "\n"]).collect()));
        }
    }
    blocks
}

/// A line per record: its tree, or why there is none.
fn told(mut read: impl FnMut() -> std::io::Result<Option<Framed<Value<'static>>>>) -> String {
    let tell = |content: Result<Value<'static>, Unframed>| match content {
        Ok(value) => json::write(&value) + "\n",
        Err(unframed) => format!("{}\n", unframed.why),
    };
    let records = std::iter::from_fn(|| read().expect("bytes in memory can be read"));
    records.map(|framed| tell(framed.content)).collect()
}

fn field(name: &str, start: usize, length: usize, kind: Kind) -> Field {
    let (align, pad) = match kind {
        Kind::Text => (Align::Left, ' '),
        Kind::Number { .. } => (Align::Right, '0'),
    };
    Field {
        name: name.to_owned(),
        start,
        length,
        kind,
        align,
        pad,
    }
}

#[test]
fn each_block_is_read_as_the_readme_says() {
    let blocks = blocks();
    assert!(blocks.len() >= 8 && blocks.len().is_multiple_of(2), "{blocks:#?}");
    for pair in blocks.chunks(2) {
        let [(format, text), (tree, expected)] = pair else {
            panic!("blocks come in pairs")
        };
        assert_eq!(tree, "tree");
        let bytes = text.as_bytes();
        const LIMIT: usize = 1 << 20;
        let found = match format.as_str() {
            "json-text" => json::write(&json::read(bytes).expect("it is JSON")) + "\n",
            "csv" => {
                let mut rows = Rows::new(bytes, b',', LIMIT).expect("a right header");
                told(|| rows.read())
            }
            "xml" => {
                let path = Path::parse("Orders/Order").expect("a right path");
                let lists = vec!["Line".to_owned()];
                let mut records = xml::Records::new(bytes, Encoding::Utf8, path, lists, LIMIT);
                told(|| records.read())
            }
            "fixed" => {
                let number = |decimals| Kind::Number { decimals };
                let fields = vec![
                    field("sku", 1, 8, Kind::Text),
                    field("on_hand", 9, 6, number(None)),
                    field("price", 15, 7, number(Some(2))),
                ];
                let layout = Layout::new(fields, Columns::Characters).expect("a right layout");
                let ends = Ends::Lines {
                    length: None,
                    may_be_short: false,
                };
                let mut records = fixed::Records::new(bytes, Encoding::Utf8, layout, ends, LIMIT);
                told(|| records.read())
            }
            other => panic!("who tests a block of `{other}`?"),
        };
        assert_eq!(&found, expected, "{format}");
    }
}
