//! SQL databases (SQLite, PostgreSQL, MariaDB, MySQL): a sink that runs one statement per message, and a source that
//! reads rows as they change, or empties an outbox.
//!
//! Promises: a message takes effect once, however often it comes and from however many processes, for its id is
//! written in the transaction of its effect (level E1); the parts of one split message take effect together;
//! values are bound, never put into the text. Not promised: order between two processes that write the same rows.
//!
//! The path of a message: [`statement`] finds the parameters, [`sink`] groups a batch into units and decides what
//! becomes of each, [`sqlite`], [`postgres`] and [`mariadb`] run them. Rows come through [`source`]. A further database is
//! one more file beside these three.

mod mariadb;
mod options;
mod postgres;
mod rehearsal;
mod shape;
mod sink;
mod source;
mod sqlite;
mod statement;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_postgres::config::SslMode;
use trunkline_sdk::{
    Adapter, Description, Effect, Endpoint, Fault, Options, Problem, Settings, Shape, Sink, Source, System,
    Used,
};

use crate::{
    mariadb::MariaDb,
    options::Location,
    postgres::{Postgres, Tls},
    rehearsal::Rehearsal,
    sink::{Database, Job, SqlSink},
    source::{Origin, Reading, SqlSource},
    sqlite::Sqlite,
    statement::{Dialect, Flaw, Parameter, Statement},
};

/// The adapter `sql`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sql;

const DESCRIPTION: Description = Description {
    name: "sql",
    summary: "SQL databases: SQLite, PostgreSQL, MariaDB and MySQL",
    system: options::SYSTEM,
    source: Some(options::SOURCE),
    sink: Some(options::SINK),
    effect: Effect::Transactional,
};

#[async_trait]
impl Adapter for Sql {
    fn describe(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn check(&self, system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let dialect = dialect(system, &mut problems);
        let create = system.get("create").filter(|_| dialect == Dialect::Sqlite);
        let rehearsal = create.and_then(|create| Rehearsal::new(create, &mut problems));
        let sources = endpoints.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Source { settings } => Some(*settings),
            Endpoint::Sink { .. } => None,
        });
        problems.extend(source::check(
            &sources.collect::<Vec<_>>(),
            dialect,
            rehearsal.as_ref(),
        ));
        for endpoint in endpoints {
            if let Endpoint::Sink { settings, shape } = endpoint
                && let Some(settings) = settings.get("statement")
                && let Some(statement) = check_statement(settings, *shape, dialect, &mut problems)
                && let Some(rehearsal) = &rehearsal
            {
                problems.extend(rehearsal.check(settings, &statement));
            }
        }
        problems
    }

    fn uses(&self, system: &Settings, sink: &Settings) -> Option<Vec<Used>> {
        let settings = sink.get("statement")?;
        let dialect = dialect(system, &mut Vec::new());
        let statement = Statement::read(text(settings), dialect).ok()?;
        let used = statement
            .parameters
            .iter()
            .enumerate()
            .map(|(at, parameter)| Used {
                path: parameter.path.clone(),
                name: statement.column(at),
                place: settings.within(parameter.offset..parameter.offset + parameter.path.len() + 1),
            });
        Some(used.collect())
    }

    async fn open(&self, system: &Settings, home: &Path) -> Result<Box<dyn System>, Fault> {
        let options = Options::read(options::SYSTEM, system).map_err(|problems| refused(&problems))?;
        let url = options.text("url").unwrap_or_default();
        let location = Location::read(url, options.text("password"))
            .map_err(|flaw| Fault::stop(flaw.what).hint(flaw.hint))?;
        let timeout = options.duration("timeout").unwrap_or(Duration::from_secs(30));
        let timeout = timeout.clamp(Duration::from_millis(1), options::LONGEST);
        Ok(match location {
            Location::Sqlite(path) => {
                let database = Sqlite::new(&path, options.text("create"), home, timeout)?;
                Box::new(SqlSystem {
                    database,
                    dialect: Dialect::Sqlite,
                })
            }
            Location::MariaDb(ref opts, is_encrypted) => {
                let mut opts = opts.as_ref().clone();
                if is_encrypted {
                    let ca = options.text("tls_ca").map(|path| home.join(path));
                    opts = opts.ssl_opts(Some(mariadb::tls(ca.as_deref())?));
                }
                Box::new(SqlSystem {
                    database: MariaDb::new(&opts, location.to_string(), timeout),
                    dialect: Dialect::MariaDb,
                })
            }
            Location::Postgres(ref config) => {
                let tls = match config.get_ssl_mode() {
                    SslMode::Require => Some(Tls::new(
                        options.text("tls_ca").map(|path| home.join(path)).as_deref(),
                    )?),
                    _ => None,
                };
                let database = Postgres::new(config, location.to_string(), timeout, tls);
                Box::new(SqlSystem {
                    database,
                    dialect: Dialect::Postgres,
                })
            }
        })
    }
}

/// In whose grammar the statements of a system are.
fn dialect(system: &Settings, problems: &mut Vec<Problem>) -> Dialect {
    match system.get("url") {
        // Which database it is will be known when it is opened.
        Some(url) if url.reference().is_some() => Dialect::Postgres,
        Some(url) => match Location::read(text(url), system.get("password").map(text)) {
            Ok(location) => location.dialect(),
            Err(flaw) => {
                problems.push(Problem::new(&url.place, flaw.what).hint(flaw.hint));
                Dialect::Postgres
            }
        },
        None => Dialect::Postgres,
    }
}

/// One configured database. It holds no connection: each sink has its own.
struct SqlSystem<D> {
    database: D,
    dialect: Dialect,
}

#[async_trait]
impl<D: Database + Origin> System for SqlSystem<D> {
    async fn source(&self, endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        let reading = Reading::read(endpoint, self.dialect).map_err(|problems| refused(&problems))?;
        Ok(Box::new(SqlSource::open(self.database.clone(), reading).await?))
    }

    async fn sink(&self, flow: &str, endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        let options = Options::read(options::SINK, endpoint).map_err(|problems| refused(&problems))?;
        let text = options.text("statement").unwrap_or_default();
        let statement = Statement::read(text, self.dialect).map_err(|flaws| {
            let told: Vec<_> = flaws.iter().map(|flaw| flaw.what.as_str()).collect();
            let hint = flaws.first().map_or("", |flaw| flaw.hint);
            Fault::stop(format!("`statement`: {}", told.join("; "))).hint(hint)
        })?;
        let job = Job {
            flow: flow.to_owned(),
            statement,
            expect_rows: options
                .number("expect_rows")
                .and_then(|rows| u64::try_from(rows).ok()),
        };
        Ok(Box::new(
            SqlSink::open(self.database.clone(), Arc::new(job)).await?,
        ))
    }

    async fn test(&self) -> Result<String, Fault> {
        self.database.version().await
    }
}

/// Settings that `check` would have refused.
fn refused(problems: &[Problem]) -> Fault {
    let told: Vec<_> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.place, problem.what))
        .collect();
    Fault::stop(told.join("; "))
}

/// The statement; `None`: it is none, and that was told.
fn check_statement(
    settings: &Settings,
    shape: Option<&Shape>,
    dialect: Dialect,
    problems: &mut Vec<Problem>,
) -> Option<Statement> {
    let tell = |flaws: Vec<Flaw>| {
        for Flaw { offset, what, hint } in flaws {
            problems.push(Problem::new(&settings.within(offset..offset + 1), what).hint(hint));
        }
    };
    let statement = Statement::read(text(settings), dialect).map_err(tell).ok()?;
    for parameter in &statement.parameters {
        let place = settings.within(parameter.offset..parameter.offset + 1 + parameter.path.len());
        problems.extend(shape.and_then(|shape| shape::check(parameter, shape, &place)));
    }
    let leads = |quoted: &&Parameter| shape.is_some_and(|shape| shape.find(&quoted.path).is_ok());
    for Parameter { path, offset, .. } in statement.quoted.iter().filter(leads) {
        let place = settings.within(*offset..offset + path.len() + 3);
        problems.push(
            Problem::new(&place, format!("`':{path}'` is a text, and not the field"))
                .hint(format!("write `:{path}` without quotes: a value needs none")),
        );
    }
    Some(statement)
}

fn text(settings: &Settings) -> &str {
    settings.text().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::{Entry, Field, Place, Within};

    use super::*;

    const TEXT: &str = "UPDATE stock SET on_hand = on_hand - :quantitty WHERE sku = :sku AND x = :buyer";

    fn shape() -> Shape {
        let field = |name: &str, within| Field {
            name: name.to_owned(),
            within,
        };
        Shape {
            name: "trunkline.commerce.v1.StockMove".to_owned(),
            whole: Within::Object(0),
            objects: vec![
                vec![
                    field("sku", Within::Value),
                    field("quantity", Within::Value),
                    field("buyer", Within::Object(1)),
                    field("tags", Within::List),
                    field("notes", Within::Unknown),
                ],
                vec![field("email", Within::Value)],
            ],
        }
    }

    fn place(line: u32, column: u32, width: u32) -> Place {
        Place {
            file: "flows/stock.yaml".into(),
            line,
            column,
            width,
        }
    }

    fn endpoint(text: &str, place: Place) -> Settings {
        let entry = Entry {
            key: "statement".to_owned(),
            place: place.clone(),
            value: Settings::scalar(place.clone(), text, false),
        };
        Settings::map(place, vec![entry])
    }

    fn check(url: &str, text: &str, place: Place) -> Vec<Problem> {
        let system = Settings::of([("url", url)]);
        let (settings, shape) = (endpoint(text, place), shape());
        Sql.check(
            &system,
            &[Endpoint::Sink {
                settings: &settings,
                shape: Some(&shape),
            }],
        )
    }

    #[test]
    fn every_wrong_parameter_is_told_at_its_place_with_the_word_that_was_meant() {
        // given a text on one line, at column 20
        let problems = check("sqlite:a.db", TEXT, place(7, 20, 79));
        // then
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert_eq!(problems[0].place, place(7, 57, 10));
        assert!(
            problems[0]
                .hint
                .as_deref()
                .is_some_and(|hint| hint.contains("did you mean `:quantity`?"))
        );
        assert_eq!(problems[1].place, place(7, 93, 6));
        assert!(problems[1].what.contains("not a single value"));
    }

    #[test]
    fn a_field_within_a_field_and_json_are_allowed_where_they_can_be() {
        let told = |text: &str| check("postgres://a@b/c", text, place(1, 1, 1)).len();
        assert_eq!(
            told(
                "INSERT INTO o VALUES (:sku, :buyer.email, :buyer::jsonb, :tags::jsonb, :notes.a.b, :notes)"
            ),
            0
        );
        for wrong in [
            ":sku.size",
            ":buyer.emial",
            ":buyer",
            ":tags",
            ":tags.first",
            ":buyer.emial::jsonb",
        ] {
            assert_eq!(told(&format!("INSERT INTO o VALUES ({wrong})")), 1, "{wrong}");
        }
    }

    #[test]
    fn a_url_and_a_statement_that_are_wrong_are_told_together_and_show_no_password() {
        let problems = check(
            "oracle://svc:s3cret@db/shop",
            "DELETE FROM a; DELETE FROM b",
            place(3, 1, 1),
        );
        assert_eq!(problems.len(), 2);
        assert!(!format!("{problems:?}").contains("s3cret"));
    }
}
