//! `tables/*.csv`: code tables, one per file, named as the file. Two columns, `from` and `to`.

use std::{collections::HashMap, sync::Arc};

use trunkline_formats::csv::{HeaderError, Rows};
use trunkline_sdk::{Place, Problem, Value};

use super::Files;
use crate::mapping::{Table, Tables};

/// A row of a code table is a line.
const MOST: usize = 64 << 10;

/// Reads all code tables.
pub(super) fn read(files: &Files, problems: &mut Vec<Problem>) -> Tables {
    let mut tables = Tables::default();
    for (file, text) in files.in_folder("tables") {
        let name = file.trim_start_matches("tables/").trim_end_matches(".csv");
        tables.insert(name, table(file, text, problems));
    }
    // Where a table could not be read, who names it makes no mistake.
    for file in files.unread().filter_map(|file| file.strip_prefix("tables/")) {
        tables.insert(file.trim_end_matches(".csv"), Table::default());
    }
    tables
}

fn table(file: &Arc<str>, text: &str, problems: &mut Vec<Problem>) -> Table {
    let mut wrong = |line: u64, what: String, hint: &str| {
        let place = Place {
            file: file.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: 1,
            width: 1,
        };
        problems.push(Problem::new(&place, what).hint(hint));
    };
    const HEADER: &str = "begin with the line `from,to`, then one code and its word per line";
    let mut pairs: HashMap<String, String> = HashMap::new();
    let mut rows = match Rows::new(text.as_bytes(), b',', MOST) {
        Ok(rows) => rows,
        Err(HeaderError::NoHeader(unframed)) => {
            wrong(unframed.why.line, unframed.why.what.to_string(), HEADER);
            return Table::default();
        }
        // A text in memory can always be read.
        Err(HeaderError::Io(_)) => return Table::default(),
    };
    if rows.names() != ["from", "to"] {
        wrong(
            1,
            "a code table has the columns `from` and `to`".to_owned(),
            HEADER,
        );
        return Table::default();
    }
    while let Ok(Some(row)) = rows.read() {
        let value = match row.content {
            Ok(value) => value,
            Err(unframed) => {
                wrong(
                    unframed.why.line,
                    unframed.why.what.to_string(),
                    "write one code and its word per line",
                );
                continue;
            }
        };
        let (Some(Value::Text(from)), Some(Value::Text(to))) = (value.get("from"), value.get("to")) else {
            continue;
        };
        if pairs.insert(from.to_string(), to.to_string()).is_some() {
            wrong(
                row.line,
                format!("the code `{from}` stands here a second time"),
                "keep one of the two lines",
            );
        }
    }
    Table::of(pairs)
}
