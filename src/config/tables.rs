//! `tables/*.csv` and `tables/*.yaml`: code tables, one per file, named as the file. In CSV two columns, `from` and
//! `to`; in YAML a map of codes to words.

use std::{collections::HashMap, sync::Arc};

use trunkline_formats::csv::{HeaderError, Rows};
use trunkline_sdk::{Place, Problem, Value};

use super::{Files, files::start, findings::Findings, variables::Variables, yaml};
use crate::mapping::{Table, Tables};

/// A row of a code table is a line.
const MOST: usize = 64 << 10;

/// Reads all code tables.
pub(super) fn read(files: &Files, problems: &mut Vec<Problem>) -> Tables {
    let mut tables = Tables::default();
    for (file, text) in files.in_folder("tables") {
        let name = named(file);
        let table = if file.ends_with(".csv") {
            table(file, text, problems)
        } else {
            from_yaml(file, text, problems)
        };
        if tables.names().any(|known| known == name) {
            let what = format!("there is another code table `{name}`, in a file of the other kind");
            problems.push(Problem::new(&start(file), what).hint("keep one of the two"));
        }
        tables.insert(name, table);
    }
    // Where a table could not be read, who names it makes no mistake.
    for file in files.unread().filter(|file| file.starts_with("tables/")) {
        tables.insert(named(file), Table::default());
    }
    tables
}

/// The name of the table in a file: `tables/status.csv` is `status`.
fn named(file: &str) -> &str {
    let name = file.trim_start_matches("tables/");
    name.strip_suffix(".csv")
        .or(name.strip_suffix(".yaml"))
        .unwrap_or(name)
}

/// A table in YAML: `code: word`, one per line.
fn from_yaml(file: &Arc<str>, text: &str, problems: &mut Vec<Problem>) -> Table {
    const FORM: &str = "one code and its word per line: `paid: PAID`";
    let mut findings = Findings::default();
    let root = yaml::read(file, text, &Variables::none(), &mut findings);
    problems.append(&mut findings.problems);
    let Some(root) = root else {
        return Table::default();
    };
    let Some(entries) = root.entries() else {
        let what = "a code table is a map of codes to words";
        problems.push(Problem::new(&root.place, what).hint(FORM));
        return Table::default();
    };
    let mut pairs = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.value.text() {
            Some(word) => pairs.push((entry.key.clone(), word.to_owned())),
            None => {
                let what = format!("the word for the code `{}` is no text", entry.key);
                problems.push(Problem::new(&entry.value.place, what).hint(FORM));
            }
        }
    }
    Table::of(pairs)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_yaml_is_a_map_of_codes_to_words_and_every_slip_is_told_where_it_stands() {
        // given
        let text = "paid: PAID\n42: CANCELLED\nopen: [PENDING]\npaid: PAID\n";
        let mut problems = Vec::new();
        // when
        let table = from_yaml(&"tables/status.yaml".into(), text, &mut problems);
        // then
        assert_eq!(
            (table.get("paid"), table.get("42")),
            (Some("PAID"), Some("CANCELLED"))
        );
        let told: Vec<_> = problems
            .iter()
            .map(|problem| (problem.place.line, &*problem.what))
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told.contains(&(3, "the word for the code `open` is no text")),
            "{told:?}"
        );
        assert!(told.iter().any(|(line, _)| *line == 4), "{told:?}");
        let mut problems = Vec::new();
        from_yaml(&"tables/status.yaml".into(), "- a\n- b\n", &mut problems);
        assert_eq!(problems[0].what, "a code table is a map of codes to words");
    }
}
