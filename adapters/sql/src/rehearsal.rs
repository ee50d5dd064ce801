//! The statements of sinks, prepared at `check` in a database in memory that the file of `create` makes: what SQLite
//! would refuse when the flow starts is told before.
//!
//! Promises: no file is opened and no row is made. Of the file only what makes tables, indexes, views and triggers is
//! run, all else is only prepared, and SQLite counts its steps: a file that asks for more than [`MOST`] of them ends
//! the rehearsal, and nothing is claimed of the statements then.
//! Not promised: that a database that is there already has the tables of the file; nor anything of a file that attaches
//! other databases.

mod blame;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{
    Batch, Connection, Error,
    fallible_iterator::FallibleIterator,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    params_from_iter,
};
use trunkline_sdk::{Problem, Settings, nearest};

use self::blame::Blame;
use crate::{sqlite::INBOX, statement::Statement};

/// So many steps of SQLite's machine, in thousands: a second of a slow computer, or a thousand tables.
const MOST: u32 = 5_000;

/// No text, row or statement of a schema is longer, in bytes.
const LONGEST: i32 = 8 << 20;

/// No statement is compiled into more instructions.
const INSTRUCTIONS: i32 = 1 << 20;

/// The most names that a hint tells.
const MOST_NAMES: usize = 40;

/// A database as the file of `create` makes it, without rows.
pub(crate) struct Rehearsal<'c> {
    connection: Connection,
    /// The option `create`.
    create: &'c Settings,
}

impl<'c> Rehearsal<'c> {
    /// The database that the file makes which `create` names; `None`: none is known, or what is wrong was told.
    pub(crate) fn new(create: &'c Settings, problems: &mut Vec<Problem>) -> Option<Self> {
        let text = create.file()?;
        match database(text) {
            Ok(connection) => Some(Self { connection, create }),
            Err((error, from)) => {
                let blame = Blame::of(&error, text, from)?;
                let what = format!("SQLite refuses this file: {}", blame.words);
                let hint = format!(
                    "`create` at {} makes a new database by it: without it there will be none",
                    create.place
                );
                problems.push(Problem::new(&blame.place(create.text()?, text), what).hint(hint));
                None
            }
        }
    }

    /// What is wrong with the statement of a sink, which stands in `settings`.
    pub(crate) fn check(&self, settings: &Settings, statement: &Statement) -> Option<Problem> {
        let written = settings.text().unwrap_or_default();
        let blame = match self.connection.prepare(&statement.text) {
            Ok(prepared) if prepared.parameter_count() == statement.parameters.len() => return None,
            Ok(_) => {
                let what = "SQLite sees other parameters in the statement than Trunkline";
                return Some(Problem::new(&settings.place, what).hint("write parameters as `:name` only"));
            }
            Err(error) => Blame::of(&error, &statement.text, 0)?.written(written, statement),
        };
        // A part of the text that a variable holds may be a secret, and SQLite quotes.
        if settings.is_from_variable() {
            return Some(
                Problem::new(&settings.place, "SQLite refuses the statement").hint(format!(
                    "its text comes from a variable, so SQLite's words are not shown; the tables are those of `{}`",
                    self.file()
                )),
            );
        }
        let what = format!("SQLite refuses the statement: {}", blame.words);
        let problem = Problem::new(&settings.within(blame.range(written)), what);
        Some(match blame.is_of_names() {
            true => problem.hint(self.hint(&blame, &statement.text)),
            false => problem,
        })
    }

    fn file(&self) -> &str {
        self.create.text().unwrap_or_default()
    }

    /// What there is instead of what SQLite does not find.
    fn hint(&self, blame: &Blame, statement: &str) -> String {
        let file = self.file();
        let tables = self.names(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             AND name <> 'trunkline_inbox' ORDER BY rowid",
            None,
        );
        let near = |name: &str, names: &[String]| {
            nearest(name, names.iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`? "))
                .unwrap_or_default()
        };
        if let Some(table) = blame.table() {
            return format!(
                "{}`{file}` makes {}",
                near(table, &tables),
                listed("the tables", &tables)
            );
        }
        let used = |table: &&String| blame::word(statement, table).is_some();
        let used: Vec<_> = tables.iter().filter(used).collect();
        let columns: Vec<_> = used
            .iter()
            .map(|table| {
                self.names(
                    "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden <> 1",
                    Some(table),
                )
            })
            .collect();
        let all: Vec<_> = columns.iter().flatten().cloned().collect();
        let near = blame
            .column()
            .map(|column| near(column, &all))
            .unwrap_or_default();
        let tables: Vec<_> = used
            .iter()
            .zip(&columns)
            .map(|(table, columns)| listed(&format!("`{table}` with the columns"), columns))
            .collect();
        match tables.as_slice() {
            [] => format!("its tables are those that `{file}` makes"),
            tables => format!("{near}`{file}` makes {}", tables.join(", and ")),
        }
    }

    fn names(&self, query: &str, of: Option<&str>) -> Vec<String> {
        let names = || -> Result<Vec<String>, Error> {
            let mut statement = self.connection.prepare(query)?;
            let names = statement.query_map(params_from_iter(of), |row| row.get(0))?;
            names.take(MOST_NAMES + 1).collect()
        };
        // They are for a hint only.
        names().unwrap_or_default()
    }
}

/// `the tables `a`, `b``; or that there are none.
fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "no table".to_owned();
    }
    let mut told: Vec<_> = names
        .iter()
        .take(MOST_NAMES)
        .map(|name| format!("`{}`", blame::safe(name)))
        .collect();
    if names.len() > MOST_NAMES {
        told.push("…".to_owned());
    }
    format!("{what} {}", told.join(", "))
}

/// What a statement does, as SQLite tells while it compiles it.
#[derive(Default)]
struct Seen {
    /// It makes or changes a table, an index, a view or a trigger.
    makes: AtomicBool,
    /// It makes a table: what it would fill it from is left out.
    fills: AtomicBool,
    /// It runs: what is compiled now is SQLite's own.
    runs: AtomicBool,
}

impl Seen {
    fn authorize(&self, action: &AuthAction<'_>) -> Authorization {
        if self.runs.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match action {
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => return Authorization::Deny,
            AuthAction::Pragma { .. } => return Authorization::Ignore,
            AuthAction::Select if self.fills.load(Ordering::Relaxed) => return Authorization::Ignore,
            AuthAction::CreateTable { .. } | AuthAction::CreateTempTable { .. } => {
                self.fills.store(true, Ordering::Relaxed);
            }
            AuthAction::CreateIndex { .. }
            | AuthAction::CreateTempIndex { .. }
            | AuthAction::CreateTrigger { .. }
            | AuthAction::CreateTempTrigger { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateTempView { .. }
            | AuthAction::CreateVtable { .. }
            | AuthAction::DropIndex { .. }
            | AuthAction::DropTempIndex { .. }
            | AuthAction::DropTable { .. }
            | AuthAction::DropTempTable { .. }
            | AuthAction::DropTrigger { .. }
            | AuthAction::DropTempTrigger { .. }
            | AuthAction::DropView { .. }
            | AuthAction::DropTempView { .. }
            | AuthAction::DropVtable { .. }
            | AuthAction::AlterTable { .. } => {}
            _ => return Authorization::Allow,
        }
        self.makes.store(true, Ordering::Relaxed);
        Authorization::Allow
    }
}

/// The database that this text makes. Errors: with where the statement begins that SQLite refuses, in bytes.
fn database(text: &str) -> Result<Connection, (Error, usize)> {
    let seen = Arc::new(Seen::default());
    let mut connection = open(&seen).map_err(|error| (error, 0))?;
    let mut at = 0;
    let mut statements = Batch::new(&connection, text);
    loop {
        seen.makes.store(false, Ordering::Relaxed);
        seen.fills.store(false, Ordering::Relaxed);
        let Some(mut statement) = statements.next().map_err(|error| (error, at))? else {
            break;
        };
        if seen.makes.load(Ordering::Relaxed) {
            seen.runs.store(true, Ordering::Relaxed);
            let run = statement.raw_query().next().map(drop);
            seen.runs.store(false, Ordering::Relaxed);
            run.map_err(|error| (error, at))?;
        }
        at += statement.expanded_sql().map_or(0, |text| text.len());
    }
    let mut free = || -> Result<(), Error> {
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        // As when it is opened; a table of this name may be there.
        connection.execute_batch(INBOX).or(Ok(()))
    };
    free().map_err(|error| (error, at))?;
    Ok(connection)
}

fn open(seen: &Arc<Seen>) -> Result<Connection, Error> {
    let mut connection = Connection::open_in_memory()?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
    connection.set_limit(Limit::SQLITE_LIMIT_VDBE_OP, INSTRUCTIONS)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    let mut steps = 0;
    connection.progress_handler(
        1000,
        Some(move || {
            steps += 1;
            steps > MOST
        }),
    )?;
    let seen = Arc::clone(seen);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        seen.authorize(&context.action)
    }))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Place;

    use super::*;
    use crate::statement::Dialect;

    const SCHEMA: &str = "-- stock\nCREATE TABLE stock (sku TEXT PRIMARY KEY, on_hand INTEGER NOT NULL);\n\
        CREATE TABLE picks (order_id TEXT PRIMARY KEY, route TEXT, country TEXT);\n\
        CREATE VIEW low AS SELECT sku FROM stock WHERE on_hand < 3;\n\
        INSERT INTO stock VALUES ('A', 1), ('B', 2);\n";

    fn scalar(file: &str, line: u32, text: &str) -> Settings {
        let place = Place {
            file: file.into(),
            line,
            column: 1,
            width: 1,
        };
        Settings::scalar(place, text, false)
    }

    fn create(schema: &str) -> Settings {
        scalar("trunkline.yaml", 8, "erp.sql").naming(schema.into())
    }

    /// What is told of the file, or else of the statement: what, the words that are marked, the hint.
    fn told(schema: &str, text: &str) -> Option<(String, String, String)> {
        let create = create(schema);
        let mut problems = Vec::new();
        let rehearsal = Rehearsal::new(&create, &mut problems);
        let settings = scalar("flows/stock.yaml", 1, text);
        let read = Statement::read(text, Dialect::Sqlite).expect("it is one statement");
        problems.extend(rehearsal.and_then(|rehearsal| rehearsal.check(&settings, &read)));
        let problem = problems.pop()?;
        let source = if &*problem.place.file == "erp.sql" {
            schema
        } else {
            text
        };
        let line = source
            .lines()
            .nth(problem.place.line as usize - 1)
            .unwrap_or_default();
        let marked = line.chars().skip(problem.place.column as usize - 1);
        let marked = marked.take(problem.place.width as usize).collect();
        Some((problem.what, marked, problem.hint.unwrap_or_default()))
    }

    #[test]
    fn what_sqlite_would_refuse_is_told_at_its_word_with_what_there_is() {
        for (text, what, marked, hint) in [
            (
                "UPDATE stok SET on_hand = :quantity",
                "no such table: stok",
                "stok",
                "did you mean `stock`? `erp.sql` makes the tables `stock`, `picks`, `low`",
            ),
            (
                "INSERT INTO main.stok (flow) VALUES (:a)",
                "no such table: main.stok",
                "stok",
                "did you mean `stock`?",
            ),
            (
                "UPDATE stock SET on_hnd = 1 WHERE sku = :sku",
                "no such column: on_hnd",
                "on_hnd",
                "did you mean `on_hand`? `erp.sql` makes `stock` with the columns `sku`, `on_hand`",
            ),
            (
                " UPDATE stock SET on_hand = :a.b.c - :a.b.c WHERE skuu = :sku",
                "no such column: skuu",
                "skuu",
                "did you mean `sku`?",
            ),
            (
                "INSERT INTO picks (order_id) SELECT p.sku FROM stock s WHERE s.sku = :a.b",
                "no such column: p.sku",
                "p.sku",
                "`stock` with the columns `sku`, `on_hand`, and `picks` with",
            ),
            (
                "INSERT INTO picks (order_id, rote) VALUES (:rote, :b)",
                "table picks has no column named rote",
                "rote",
                "did you mean `route`?",
            ),
            (
                "INSERT INTO picks VALUES (:a, :b)",
                "table picks has 3 columns but 2 values were supplied",
                "VALUES",
                "`picks` with the columns `order_id`, `route`, `country`",
            ),
            (
                "INSERT INTO picks (order_id, route) VALUES (:a, :b, :c)",
                "3 values for 2 columns",
                "VALUES",
                "`picks` with the columns",
            ),
            (
                "INSERT INTO picks (order_id) VALUES (:ä.b, )",
                "near \")\": syntax error",
                ")",
                "",
            ),
            (
                "INSERT INTO picks (order_id) VALUES (nosuch(:a.b))",
                "no such function: nosuch",
                "nosuch",
                "",
            ),
            (
                "DELETE FROM low WHERE sku = :sku",
                "cannot modify low because it is a view",
                "DELETE",
                "`low` with the columns `sku`",
            ),
            ("INSERT INTO picks (order_id", "incomplete input", "INSERT", ""),
        ] {
            let found = told(SCHEMA, text).unwrap_or_else(|| panic!("{text} is taken"));
            assert_eq!(found.0, format!("SQLite refuses the statement: {what}"));
            assert_eq!(found.1, marked, "{text}");
            assert!(found.2.contains(hint), "{text}: {}", found.2);
        }
    }

    #[test]
    fn what_sqlite_takes_is_no_mistake() {
        for text in [
            "UPDATE stock SET on_hand = on_hand - :quantity WHERE sku = :sku",
            "INSERT INTO picks (order_id, route) VALUES (:a.b, json(:c)) ON CONFLICT (order_id) DO UPDATE SET route = :c",
            "DELETE FROM picks WHERE order_id IN (SELECT sku FROM low WHERE sku = :sku) RETURNING order_id",
            "SELECT 1 FROM trunkline_inbox WHERE flow = :flow",
        ] {
            assert_eq!(told(SCHEMA, text), None);
        }
        for schema in [
            "CREATE TABLE a AS SELECT 1 AS x, 2 AS y; CREATE INDEX i ON a (y)",
            "CREATE TABLE b (x, y); CREATE TABLE a AS SELECT x, count(*) FROM b GROUP BY x ORDER BY 2;",
            "CREATE VIRTUAL TABLE a USING fts5(x, y); INSERT INTO a (x) VALUES ('1');",
            "BEGIN; CREATE TABLE a (x); COMMIT; PRAGMA user_version = 3; ANALYZE; VACUUM;",
            "CREATE TABLE a (y); ALTER TABLE a RENAME COLUMN y TO x; CREATE TABLE trunkline_inbox (flow, message_id);",
            "CREATE TABLE b (x); CREATE TRIGGER t AFTER INSERT ON b BEGIN DELETE FROM b; END; ALTER TABLE b RENAME TO a",
            "CREATE TEMP TABLE b (x); INSERT INTO b VALUES (1); CREATE TABLE a (x); INSERT INTO a SELECT x FROM b",
        ] {
            assert_eq!(told(schema, "INSERT INTO a (x) VALUES (:x)"), None, "{schema}");
        }
    }

    #[test]
    fn a_file_that_makes_no_database_is_told_at_its_word() {
        for (schema, what, line, marked) in [
            (
                "CREATE TABLE a (x);\n\n CREATE TABLE a (y);",
                "table a already exists",
                3,
                "a",
            ),
            (
                "CREATE TABLE a (x);\n-- b\nCREATE TABEL b (x);",
                "near \"TABEL\": syntax error",
                3,
                "TABEL",
            ),
            (
                "CREATE TABLE a (x); /* é */ INSERT INTO b VALUES (1);",
                "no such table: b",
                1,
                "b",
            ),
            (
                "CREATE TABLE a (x);\nINSERT INTO a (y) VALUES (1);",
                "table a has no column named y",
                2,
                "y",
            ),
            (".read schema.sql", "near \".\": syntax error", 1, "."),
        ] {
            let create = create(schema);
            let mut problems = Vec::new();
            assert!(Rehearsal::new(&create, &mut problems).is_none());
            let place = &problems[0].place;
            assert_eq!((&*place.file, place.line), ("erp.sql", line), "{schema}");
            let found = told(schema, "DELETE FROM a").expect("it is told");
            assert_eq!(
                (&*found.0, &*found.1),
                (&*format!("SQLite refuses this file: {what}"), marked)
            );
            assert!(found.2.contains("`create` at trunkline.yaml:8:1"), "{}", found.2);
        }
    }

    #[test]
    fn no_row_is_made_and_no_file_is_opened() {
        // given
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let seeded = create(SCHEMA);
        let writes = format!(
            "CREATE TABLE a (x); VACUUM INTO '{}'; PRAGMA journal_mode = WAL;",
            path("a.db")
        );
        let attaches = format!("ATTACH '{}' AS b; CREATE TABLE b.a (x);", path("b.db"));
        // when
        let mut problems = Vec::new();
        let rehearsal = Rehearsal::new(&seeded, &mut problems).expect("it makes a database");
        let told = (told(&writes, "DELETE FROM b"), told(&attaches, "DELETE FROM b"));
        // then
        let count = "SELECT count(*) FROM stock";
        let rows: i64 = rehearsal
            .connection
            .query_row(count, [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 0);
        assert!(told.0.is_some());
        assert_eq!(told.1, None, "nobody knows what is in the other database");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_asks_for_too_much_ends_the_rehearsal_and_claims_nothing() {
        let mut views = "CREATE TABLE a (x); CREATE VIEW v0 AS SELECT 1 AS x;".to_owned();
        for at in 1..60 {
            let before = at - 1;
            views +=
                &format!("CREATE VIEW v{at} AS SELECT a.x FROM v{before} a, v{before} b WHERE a.x = b.x;");
        }
        let many: String = (0..5000).map(|at| format!("CREATE TABLE t{at} (x);")).collect();
        assert_eq!(told(&many, "INSERT INTO a (x) VALUES (:x)"), None);
        // Views upon views are counted by SQLite.
        let (what, ..) = told(&views, "INSERT INTO a (x) SELECT x FROM v59").expect("it is refused");
        assert!(what.contains("too many references"), "{what}");
        // What it would fill tables with is not run at all.
        let endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
        for schema in [
            format!("CREATE TABLE a AS {endless};"),
            format!("CREATE TABLE a (x); INSERT INTO a {endless}; {endless};"),
            format!(
                "CREATE TABLE a (x); {}",
                "INSERT INTO a VALUES (zeroblob(1000000000));".repeat(1000)
            ),
        ] {
            assert_eq!(told(&schema, "INSERT INTO a (x) VALUES (:x)"), None);
            assert!(told(&schema, "INSERT INTO a (y) VALUES (:x)").is_some());
        }
        // What is refused is refused by any SQLite, and is not quoted at length.
        let long = "a".repeat(1_000_000);
        for schema in [
            format!("CREATE TABLE a (x CHECK ({}1", "(".repeat(1_000_000)),
            format!("CREATE TABLE {long} (x); CREATE TABLE {long} (x)"),
        ] {
            let (what, ..) = told(&schema, "DELETE FROM a").expect("it is refused");
            assert!(what.len() < 300, "{what}");
        }
    }

    #[test]
    fn a_statement_that_comes_from_a_variable_is_not_quoted() {
        let create = create(SCHEMA);
        let rehearsal = Rehearsal::new(&create, &mut Vec::new()).expect("it makes a database");
        let text = "UPDATE s3cret SET on_hand = 1";
        let settings = Settings::scalar(create.place.clone(), text, true);
        let statement = Statement::read(text, Dialect::Sqlite).expect("it is one statement");
        let problem = rehearsal
            .check(&settings, &statement)
            .expect("there is no such table");
        assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
    }
}
