//! The CSV reader against the crate `csv`, and against itself where it resumes.

use std::io::{BufReader, Cursor};

use proptest::prelude::*;
use trunkline_formats::{Framed, csv::Rows};
use trunkline_sdk::Value;

proptest! {
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
