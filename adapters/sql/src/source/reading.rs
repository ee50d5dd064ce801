//! What a source reads, from its settings, and the texts of SQL that ask for it.
//!
//! Promises: names from the settings are quoted, values are bound.

use std::time::Duration;

use trunkline_sdk::{Fault, Options, Problem, Settings, nearest};

use super::PAGE;
use crate::{
    options,
    rehearsal::Rehearsal,
    statement::{Dialect, Statement},
};

/// What a source reads, and how.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) dialect: Dialect,
    pub(crate) relation: Relation,
    /// The columns by which its rows are ordered: `cursor`, then those of `key`.
    pub(crate) order: Vec<String>,
    /// The columns that tell one row from another.
    pub(crate) key: Vec<String>,
    pub(crate) overlap: Duration,
    pub(crate) every: Duration,
}

/// Where the rows are.
#[derive(Debug, Clone)]
pub(crate) enum Relation {
    /// `orders`, `shop.orders`.
    Table(String),
    /// One SELECT.
    Query(String),
    /// A table whose rows are messages that wait.
    Outbox(String),
}

/// Rows between two marks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'m> {
    /// Behind this one.
    pub(crate) after: Option<&'m super::Mark>,
    /// Up to this one, which is among them.
    pub(crate) until: Option<&'m super::Mark>,
}

/// A text, and which of the values of its marks stands at each of its places: `after`'s first, then `until`'s.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) text: String,
    pub(crate) places: Vec<usize>,
}

/// What the relation is called within a text.
const ROWS: &str = "trunkline_rows";
/// The column of an outbox that tells one row from another, and their order.
const ID: &str = "id";
/// The column of an outbox, if it has one, that tells when a row was sent.
pub(crate) const SENT_AT: &str = "sent_at";
/// The column of an outbox that holds the message.
pub(super) const PAYLOAD: &str = "payload";
/// How to mend an outbox.
pub(super) const OUTBOX: &str =
    "make the table as the adapter's README says; its columns are `id`, `payload` and a few more";

impl Reading {
    /// Reads settings; every problem at once.
    pub(crate) fn read(settings: &Settings, dialect: Dialect) -> Result<Self, Vec<Problem>> {
        let options = Options::read(options::SOURCE, settings)?;
        let mut problems = Vec::new();
        let named: Vec<_> = ["table", "query", "outbox"]
            .into_iter()
            .filter_map(|word| options.get(word).map(|value| (word, value)))
            .collect();
        let relation = match named.as_slice() {
            [(word, value)] => Some((*word, value.text().unwrap_or_default(), value)),
            [] => {
                let what = "neither `table` nor `query` nor `outbox` says what to read";
                problems.push(Problem::new(&settings.place, what).hint(
                    "`table: orders` or `query: SELECT …`, with `cursor` and `key`; or `outbox: outbox`",
                ));
                None
            }
            [_, (word, second), ..] => {
                let what = format!("`{word}` is one relation too many");
                problems.push(
                    Problem::new(&second.place, what).hint("keep one of `table`, `query` and `outbox`"),
                );
                None
            }
        };
        let every = options.duration("every").unwrap_or_default();
        if let Some(value) = options.get("every").filter(|_| every.is_zero()) {
            let what = "`every` is no time at all";
            problems.push(
                Problem::new(&value.place, what).hint("`every: 5s`: how long to wait between two polls"),
            );
        }
        let mut reading = Self {
            dialect,
            relation: Relation::Table(String::new()),
            order: vec![ID.to_owned()],
            key: vec![ID.to_owned()],
            overlap: options.duration("overlap").unwrap_or_default(),
            every,
        };
        match relation {
            Some(("outbox", name, value)) => {
                reading.relation = Relation::Outbox(name.to_owned());
                table(name, value, &mut problems);
                for word in ["cursor", "key", "overlap"] {
                    if let Some(value) = options.get(word) {
                        let what = format!("`{word}` has no meaning for an outbox");
                        problems.push(Problem::new(&value.place, what).hint(
                            "leave it out: the rows of an outbox are read in the order of their `id`, and removed",
                        ));
                    }
                }
            }
            Some((word, text, value)) => {
                if word == "table" {
                    reading.relation = Relation::Table(text.to_owned());
                    table(text, value, &mut problems);
                } else {
                    match Statement::query(text, dialect) {
                        Ok(query) => reading.relation = Relation::Query(query.text),
                        Err(flaws) => problems.extend(flaws.into_iter().map(|flaw| {
                            let place = value.within(flaw.offset..flaw.offset + 1);
                            Problem::new(&place, flaw.what).hint(flaw.hint)
                        })),
                    }
                }
                let missing = ["cursor", "key"]
                    .iter()
                    .filter(|word| options.get(word).is_none());
                for word in missing {
                    let what = format!("`{word}` is missing");
                    problems.push(Problem::new(&settings.place, what).hint(
                        "`cursor: updated_at` is the column that grows with every change, `key: id` the one that tells \
                         one row from another",
                    ));
                }
                reading.key = options.texts("key").into_iter().map(str::to_owned).collect();
                let cursor = options.text("cursor").unwrap_or_default();
                let others = reading.key.iter().filter(|name| *name != cursor).cloned();
                reading.order = std::iter::once(cursor.to_owned()).chain(others).collect();
            }
            None => {}
        }
        if problems.is_empty() {
            Ok(reading)
        } else {
            Err(problems)
        }
    }

    pub(crate) fn is_outbox(&self) -> bool {
        matches!(self.relation, Relation::Outbox(_))
    }

    /// The word in the settings that names the relation.
    pub(crate) fn word(&self) -> &'static str {
        match self.relation {
            Relation::Table(_) => "table",
            Relation::Query(_) => "query",
            Relation::Outbox(_) => "outbox",
        }
    }

    /// The name of the table, or the text of the query.
    pub(crate) fn name(&self) -> &str {
        match &self.relation {
            Relation::Table(name) | Relation::Query(name) | Relation::Outbox(name) => name,
        }
    }

    /// The relation, as it stands behind FROM.
    pub(crate) fn from(&self) -> String {
        match &self.relation {
            Relation::Table(name) | Relation::Outbox(name) => {
                let parts: Vec<_> = name.split('.').map(|part| self.dialect.quote(part)).collect();
                parts.join(".")
            }
            Relation::Query(text) => format!("({text}\n)"),
        }
    }

    /// A column of the relation, and not what a page makes of it, which may have its name.
    pub(crate) fn column(&self, name: &str) -> String {
        format!("{ROWS}.{}", self.dialect.quote(name))
    }

    /// Asks for no row, and so for the columns.
    pub(crate) fn probe(&self) -> String {
        format!("SELECT * FROM {} AS {ROWS} LIMIT 0", self.from())
    }

    /// Asks for the next rows of a span. `select`: what of each; `columns`: the names that the relation has.
    pub(crate) fn page(&self, select: &str, columns: &[String], span: Span<'_>) -> Asked {
        let order: Vec<_> = self.order.iter().map(|name| self.column(name)).collect();
        let mut text = format!("SELECT {select} FROM {} AS {ROWS}", self.from());
        let mut places = Vec::new();
        let mut conditions = Vec::new();
        if span.after.is_some() {
            conditions.push(self.compare(">", &order, 0, &mut places));
        }
        if span.until.is_some() {
            let first = if span.after.is_some() { order.len() } else { 0 };
            conditions.push(self.compare("<=", &order, first, &mut places));
        }
        // What has no cursor or key has no place in the order.
        if !self.is_outbox() {
            conditions.extend(order.iter().map(|column| format!("{column} IS NOT NULL")));
        }
        if self.is_outbox() && columns.iter().any(|name| name == SENT_AT) {
            conditions.push(format!("{} IS NULL", self.column(SENT_AT)));
        }
        if !conditions.is_empty() {
            text.push_str(" WHERE ");
            text.push_str(&conditions.join(" AND "));
        }
        text.push_str(&format!(" ORDER BY {} LIMIT {PAGE}", order.join(", ")));
        Asked { text, places }
    }

    /// Compares the columns of the order with as many values, whose numbers begin at `first`.
    fn compare(&self, sign: &str, order: &[String], first: usize, places: &mut Vec<usize>) -> String {
        if self.dialect != Dialect::MariaDb {
            let values: Vec<_> = (first..first + order.len())
                .map(|number| {
                    places.push(number);
                    self.dialect.placeholder(number + 1)
                })
                .collect();
            return format!("({}) {sign} ({})", order.join(", "), values.join(", "));
        }
        // MariaDB takes no index for rows that are compared as wholes.
        let (strict, weak) = if sign == ">" { (">", ">=") } else { ("<", "<=") };
        let last = order.len() - 1;
        let mut text = String::new();
        for (at, column) in order[..last].iter().enumerate() {
            places.extend([first + at, first + at]);
            text.push_str(&format!("({column} {weak} ? AND ({column} {strict} ? OR "));
        }
        places.push(first + last);
        text.push_str(&format!("{} {sign} ?{}", order[last], "))".repeat(last)));
        text
    }

    /// Removes so many rows from the outbox by their ids, or marks them.
    pub(crate) fn finish(&self, columns: &[String], rows: usize) -> String {
        let ids: Vec<_> = (1..=rows)
            .map(|number| self.dialect.placeholder(number))
            .collect();
        let (from, id, ids) = (self.from(), self.dialect.quote(ID), ids.join(", "));
        if columns.iter().any(|name| name == SENT_AT) {
            let sent_at = self.dialect.quote(SENT_AT);
            format!("UPDATE {from} SET {sent_at} = CURRENT_TIMESTAMP WHERE {id} IN ({ids})")
        } else {
            format!("DELETE FROM {from} WHERE {id} IN ({ids})")
        }
    }

    /// Where the columns of the order stand among those that the relation has.
    ///
    /// Faults: `Stop` when one is not there, or two columns have the same name.
    pub(crate) fn places(&self, columns: &[String]) -> Result<Vec<usize>, Fault> {
        for (at, name) in columns.iter().enumerate() {
            if columns[..at].contains(name) {
                return Err(
                    Fault::stop(format!("two columns are called `{name}`")).hint(format!(
                        "give one of them another name in `{}`: `… AS other_name`",
                        self.word()
                    )),
                );
            }
        }
        let find = |name: &String| {
            columns.iter().position(|column| column == name).ok_or_else(|| {
                let near = nearest(name, columns.iter().map(String::as_str))
                    .map(|near| format!("did you mean `{near}`? "))
                    .unwrap_or_default();
                let told: Vec<_> = columns.iter().map(|name| format!("`{name}`")).collect();
                Fault::stop(format!("`{}` has no column `{name}`", self.word()))
                    .hint(format!("{near}columns: {}", told.join(", ")))
            })
        };
        self.order.iter().map(find).collect()
    }

    /// What is wrong with it where the tables are known.
    fn rehearse(&self, rehearsal: &Rehearsal<'_>, settings: &Settings) -> Option<Problem> {
        let option = settings.get(self.word())?;
        let columns = match rehearsal.columns(&self.probe()) {
            Ok(columns) => columns,
            // A part of the text that a variable holds may be a secret, and SQLite quotes.
            Err(words) => {
                let words = words.filter(|_| !option.is_from_variable())?;
                let what = format!("SQLite refuses the {}: {words}", self.word());
                return Some(Problem::new(&option.place, what).hint("mend it, or the file of `create`"));
            }
        };
        let has = |name: &str| columns.iter().any(|column| column == name);
        if self.is_outbox() && !has(PAYLOAD) {
            let what = "the outbox has no column `payload`";
            return Some(Problem::new(&option.place, what).hint(OUTBOX));
        }
        let fault = self.places(&columns).err()?;
        let word = match settings.get("cursor") {
            Some(cursor) if !cursor.text().is_some_and(has) => cursor,
            _ => settings.get("key").unwrap_or(option),
        };
        let problem = Problem::new(&word.place, fault.what);
        Some(match fault.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        })
    }
}

fn table(name: &str, value: &Settings, problems: &mut Vec<Problem>) {
    if name.split('.').any(|part| part.trim().is_empty()) || name.contains(char::is_control) {
        let what = format!("`{}` is the name of no table", name.escape_debug());
        problems.push(Problem::new(&value.place, what).hint("`orders`, or `schema.orders`, without quotes"));
    }
}

/// Everything wrong with the settings of the sources of one system. `rehearsal`: a database with its tables.
pub(crate) fn check(
    sources: &[&Settings],
    dialect: Dialect,
    rehearsal: Option<&Rehearsal<'_>>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut outboxes = Vec::new();
    for settings in sources {
        if Options::read(options::SOURCE, settings).is_err() {
            // Told already: the table of options says it.
            continue;
        }
        let reading = match Reading::read(settings, dialect) {
            Ok(reading) => reading,
            Err(wrong) => {
                problems.extend(wrong);
                continue;
            }
        };
        problems.extend(rehearsal.and_then(|rehearsal| reading.rehearse(rehearsal, settings)));
        if let Relation::Outbox(name) = reading.relation {
            if outboxes.contains(&name) {
                let what = "two flows read this outbox, and each would miss what the other takes";
                let place = settings
                    .get("outbox")
                    .map_or(&settings.place, |value| &value.place);
                let hint = "read it once, and let the flows share a channel";
                problems.push(Problem::new(place, what).hint(hint));
            }
            outboxes.push(name);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(dialect: Dialect, pairs: &[(&str, &str)]) -> Reading {
        Reading::read(&Settings::of(pairs.iter().copied()), dialect)
            .unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn names_are_quoted_and_values_are_places() {
        // given
        let pairs = [
            ("table", "shop.or\"d`ers"),
            ("cursor", "updated_at"),
            ("key", "id"),
        ];
        let mark = vec![];
        let span = Span {
            after: Some(&mark),
            until: Some(&mark),
        };
        // when
        let postgres = reading(Dialect::Postgres, &pairs).page("*", &[], span);
        let mariadb = reading(Dialect::MariaDb, &pairs).page("*", &[], span);
        // then
        let named = |text: &str| {
            text.replace("r.", "trunkline_rows.")
                .replace(" r ", " trunkline_rows ")
        };
        assert_eq!(
            postgres.text,
            named(
                "SELECT * FROM \"shop\".\"or\"\"d`ers\" AS r WHERE (r.\"updated_at\", r.\"id\") > ($1, $2) \
                 AND (r.\"updated_at\", r.\"id\") <= ($3, $4) AND r.\"updated_at\" IS NOT NULL \
                 AND r.\"id\" IS NOT NULL ORDER BY r.\"updated_at\", r.\"id\" LIMIT 256"
            )
        );
        assert_eq!(postgres.places, [0, 1, 2, 3]);
        assert_eq!(
            mariadb.text,
            named(
                "SELECT * FROM `shop`.`or\"d``ers` AS r WHERE (r.`updated_at` >= ? AND (r.`updated_at` > ? OR r.`id` > ?)) \
                 AND (r.`updated_at` <= ? AND (r.`updated_at` < ? OR r.`id` <= ?)) AND r.`updated_at` IS NOT NULL \
                 AND r.`id` IS NOT NULL ORDER BY r.`updated_at`, r.`id` \
                 LIMIT 256"
            )
        );
        assert_eq!(mariadb.places, [0, 0, 1, 2, 2, 3]);
    }

    #[test]
    fn a_cursor_that_is_the_key_stands_once_in_the_order() {
        let pairs = [("query", "SELECT * FROM log;"), ("cursor", "id"), ("key", "id")];
        let reading = reading(Dialect::Sqlite, &pairs);
        assert_eq!(reading.order, ["id"]);
        assert_eq!(
            reading.probe(),
            "SELECT * FROM (SELECT * FROM log\n) AS trunkline_rows LIMIT 0"
        );
    }

    #[test]
    fn an_outbox_is_emptied_or_marked_where_it_has_a_column_for_it() {
        let reading = reading(Dialect::Sqlite, &[("outbox", "outbox")]);
        let with = ["id", "payload", "sent_at"].map(str::to_owned);
        assert_eq!(
            reading.finish(&with[..2], 2),
            "DELETE FROM \"outbox\" WHERE \"id\" IN (?1, ?2)"
        );
        assert_eq!(
            reading.finish(&with, 1),
            "UPDATE \"outbox\" SET \"sent_at\" = CURRENT_TIMESTAMP WHERE \"id\" IN (?1)"
        );
        let all = Span {
            after: None,
            until: None,
        };
        assert!(
            reading
                .page("*", &with, all)
                .text
                .contains("WHERE trunkline_rows.\"sent_at\" IS NULL ORDER BY trunkline_rows.\"id\"")
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        for (pairs, told) in [
            (vec![], 1),
            (vec![("table", "a.")], 3),
            (vec![("table", "a"), ("query", "b"), ("every", "0s")], 2),
            (vec![("query", "DELETE FROM a WHERE b = :c")], 4),
            (
                vec![("outbox", "o"), ("cursor", "c"), ("key", "id"), ("overlap", "1s")],
                3,
            ),
        ] {
            let problems = Reading::read(&Settings::of(pairs.clone()), Dialect::Postgres).unwrap_err();
            assert_eq!(problems.len(), told, "{pairs:?}: {problems:#?}");
        }
    }

    #[test]
    fn an_outbox_that_two_flows_read_is_told() {
        let outbox = Settings::of([("outbox", "o")]);
        assert_eq!(check(&[&outbox], Dialect::Sqlite, None).len(), 0);
        assert_eq!(check(&[&outbox, &outbox], Dialect::Sqlite, None).len(), 1);
    }

    #[test]
    fn a_column_that_is_not_there_is_answered_with_the_one_that_was_meant() {
        let reading = reading(
            Dialect::Sqlite,
            &[("table", "a"), ("cursor", "updatedat"), ("key", "id")],
        );
        let fault = reading
            .places(&["id", "updated_at"].map(str::to_owned))
            .unwrap_err();
        assert!(fault.hint.is_some_and(|hint| hint.contains("`updated_at`?")));
        assert!(reading.places(&["id", "id"].map(str::to_owned)).is_err());
    }
}
