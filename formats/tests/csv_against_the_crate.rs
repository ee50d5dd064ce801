//! The CSV reader against the crate `csv`, and against itself where it resumes.

use std::io::{BufReader, Cursor};

use proptest::prelude::*;
use trunkline_formats::{
    Encoding, Framed,
    csv::{Dialect, Rows, Writer},
};
use trunkline_sdk::Value;

proptest! {
    /// What we write is read back by us and by the crate, in any dialect and encoding.
    #[test]
    fn what_is_written_is_read_back_by_both(
        rows in prop::collection::vec(prop::collection::vec("[ab,;\"\r\n é=+'-]{0,5}", 3), 0..12),
        names in prop::collection::btree_set("[ab,\" é]{1,3}", 3),
        dialect in (prop::sample::select(b",;\t".to_vec()), any::<bool>(), any::<bool>()),
        encoding in prop::sample::select(vec![Encoding::Utf8, Encoding::Utf16Le, Encoding::Windows1252]),
    ) {
        let (delimiter, quotes_all, crlf) = dialect;
        let dialect = Dialect { delimiter, quotes_all, crlf, guards_formulas: false };
        let names: Vec<_> = names.into_iter().collect();
        let writer = Writer::new(names.clone(), dialect).expect("right columns");
        let mut text = writer.head();
        for row in &rows {
            let fields = names.iter().zip(row);
            let fields = fields.map(|(name, text)| (name.clone().into(), Value::Text(text.clone().into())));
            text.push_str(&writer.record(&Value::Object(fields.collect())).expect("it is flat"));
        }
        let bytes = encoding.encode(&text).expect("all have these characters");
        let input = BufReader::with_capacity(3, bytes.as_ref());
        let mut ours = Rows::encoded(input, encoding, delimiter, 10_000).expect("a right header");
        prop_assert_eq!(ours.names(), &names[..]);
        let ours: Vec<_> = std::iter::from_fn(|| ours.read().expect("memory")).map(texts).collect();
        let mut theirs = csv::ReaderBuilder::new();
        let theirs: Vec<Vec<String>> = theirs.delimiter(delimiter).from_reader(text.as_bytes())
            .into_deserialize().map(|row| row.expect("it is CSV")).collect();
        prop_assert_eq!(&ours, &rows);
        prop_assert_eq!(theirs, rows);
    }

    /// What is written as CSV is read back, and so does the crate `csv` read it.
    #[test]
    fn rows_are_read_as_the_crate_csv_reads_them(
        rows in prop::collection::vec(prop::collection::vec("[ab,;\"\r\n é]{0,5}", 3), 0..12),
        is_crlf in any::<bool>(),
    ) {
        let end = if is_crlf { "\r\n" } else { "\n" };
        let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
        let line = |row: &Vec<String>| row.iter().map(quote).collect::<Vec<_>>().join(",") + end;
        let text = format!("x,y,z{end}") + &rows.iter().map(line).collect::<String>();
        let ours: Vec<Vec<String>> = read_all(text.as_bytes(), 10_000).into_iter().map(texts).collect();
        let theirs: Vec<Vec<String>> =
            csv::Reader::from_reader(text.as_bytes()).into_deserialize().map(|row| row.expect("it is CSV")).collect();
        prop_assert_eq!(&ours, &rows);
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn crumbs_of_csv_are_split_as_the_crate_csv_splits_them(
        crumbs in prop::collection::vec(prop::sample::select(vec!["a", ",", "\"", "\"\"", "\n", "\",\"", "é"]), 0..20),
    ) {
        let text = format!("x,y\n{}", crumbs.concat());
        let ours = read_all(text.as_bytes(), 10_000);
        // Where we refuse a row the crate repairs it; without a refusal both must agree.
        if ours.iter().all(|each| each.content.is_ok()) {
            let theirs: Vec<Vec<String>> = csv::Reader::from_reader(text.as_bytes())
                .into_deserialize().map(|row| row.expect("we read it")).collect();
            let ours: Vec<Vec<String>> = ours.into_iter().map(texts).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn reading_resumes_at_any_row(text in "x,y\n([ab,\"\n]{0,6}\n?){0,12}", limit in 4_usize..20) {
        let all = read_all(text.as_bytes(), limit);
        for (index, row) in all.iter().enumerate() {
            let mut rows = Rows::new(Cursor::new(text.as_bytes()), b',', limit).expect("a right header");
            rows.resume_at(row.next).expect("it is within the bytes");
            let rest: Vec<_> = std::iter::from_fn(|| rows.read().expect("memory")).collect();
            prop_assert_eq!(&rest[..], &all[index + 1..]);
        }
    }
}

fn texts(row: Framed<Value<'static>>) -> Vec<String> {
    match row.content {
        Ok(Value::Object(fields)) => fields
            .into_iter()
            .map(|(_, value)| match value {
                Value::Text(text) => text.into_owned(),
                other => panic!("{} is no text", other.kind()),
            })
            .collect(),
        other => panic!("{other:?} is no object"),
    }
}

/// Reads all, through a buffer so small that every row crosses its end.
fn read_all(text: &[u8], limit: usize) -> Vec<Framed<Value<'static>>> {
    let mut rows = Rows::new(BufReader::with_capacity(3, text), b',', limit).expect("a right header");
    std::iter::from_fn(|| rows.read().expect("bytes in memory can be read")).collect()
}
