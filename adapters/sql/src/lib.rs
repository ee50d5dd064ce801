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
mod sink;
mod source;
mod sqlite;
mod statement;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_postgres::config::SslMode;
use trunkline_sdk::{
    Adapter, Description, Effect, Endpoint, Fault, Options, Place, Problem, Settings, Shape, Sink, Source,
    System, Used, nearest,
};

use crate::{
    mariadb::MariaDb,
    options::Location,
    postgres::{Postgres, Tls},
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
        let sources = endpoints.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Source { settings } => Some(*settings),
            Endpoint::Sink { .. } => None,
        });
        problems.extend(source::check(&sources.collect::<Vec<_>>(), dialect));
        for endpoint in endpoints {
            if let Endpoint::Sink { settings, shape } = endpoint
                && let Some(statement) = settings.get("statement")
            {
                check_statement(statement, *shape, dialect, &mut problems);
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

fn check_statement(
    settings: &Settings,
    shape: Option<&Shape>,
    dialect: Dialect,
    problems: &mut Vec<Problem>,
) {
    let text = text(settings);
    match Statement::read(text, dialect) {
        Ok(statement) => {
            let Some(shape) = shape else { return };
            for parameter in &statement.parameters {
                problems.extend(check_parameter(
                    parameter,
                    shape,
                    &settings.within(parameter.offset..parameter.offset + 1 + parameter.path.len()),
                ));
            }
        }
        Err(flaws) => {
            for Flaw { offset, what, hint } in flaws {
                problems.push(Problem::new(&settings.within(offset..offset + 1), what).hint(hint));
            }
        }
    }
}

fn check_parameter(parameter: &Parameter, shape: &Shape, place: &Place) -> Option<Problem> {
    let name = parameter.field();
    let is_nested = name.len() < parameter.path.len();
    let Some(field) = shape.fields.iter().find(|field| field.name == name) else {
        let names: Vec<_> = shape
            .fields
            .iter()
            .map(|field| format!("`{}`", field.name))
            .collect();
        let near = nearest(name, shape.fields.iter().map(|field| field.name.as_str()))
            .map(|near| format!("did you mean `:{near}`? "))
            .unwrap_or_default();
        return Some(
            Problem::new(
                place,
                format!("`:{}` is no field of `{}`", parameter.path, shape.name),
            )
            .hint(format!("{near}fields: {}", names.join(", "))),
        );
    };
    if field.scalar && is_nested {
        return Some(
            Problem::new(
                place,
                format!("`:{name}` is a single value and has no fields within it"),
            )
            .hint(format!("write `:{name}`")),
        );
    }
    if !field.scalar && !is_nested && !parameter.json {
        return Some(
            Problem::new(place, format!("`:{name}` is an object or a list, not a single value")).hint(format!(
                "bind a field of it, as `:{name}.id`, or bind it as JSON: `:{name}::jsonb` in PostgreSQL, `json(:{name})` in SQLite"
            )),
        );
    }
    None
}

fn text(settings: &Settings) -> &str {
    settings.text().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::{Entry, Field};

    use super::*;

    const TEXT: &str = "UPDATE stock SET on_hand = on_hand - :quantitty WHERE sku = :sku AND x = :buyer";

    fn shape() -> Shape {
        let field = |name: &str, scalar| Field {
            name: name.to_owned(),
            scalar,
        };
        Shape {
            name: "trunkline.commerce.v1.StockMove".to_owned(),
            fields: vec![field("sku", true), field("quantity", true), field("buyer", false)],
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
        let told = |text| check("postgres://a@b/c", text, place(1, 1, 1)).len();
        assert_eq!(
            told("INSERT INTO o VALUES (:sku, :buyer.email, :buyer::jsonb)"),
            0
        );
        assert_eq!(told("INSERT INTO o VALUES (:sku.size)"), 1);
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
