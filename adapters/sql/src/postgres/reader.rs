//! How rows are read: on a session of its own, read-only but for an outbox.

use std::{collections::HashMap, pin::pin};

use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Row as Answer, Statement};
use trunkline_sdk::{Fault, Value};

use super::{
    GRACE, Postgres,
    cell::{Cell, Form},
    parameter::Bound,
};
use crate::source::{Origin, PAGE, PAGE_BYTES, Page, Reading, Row, Span};

/// One form of each value, whatever the server or the user was set to.
const FORMS: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; \
                     SET extra_float_digits = 1";
/// The first half of the key of an outbox's lock; its second is the table's number.
const LOCK: &str =
    "SELECT pg_try_advisory_lock((1414681934::bigint << 32) | $1::text::regclass::oid::bigint)";

/// A connection that reads one relation.
pub(crate) struct Reader {
    client: Client,
    columns: Vec<String>,
    forms: Vec<Form>,
    /// Where the columns of the order stand.
    order: Vec<usize>,
    select: String,
    /// By their texts.
    statements: HashMap<String, Statement>,
    /// Carries the bytes; ends with the reader.
    connection: JoinHandle<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Postgres {
    async fn open_reader(&self, reading: &Reading) -> Result<Reader, Fault> {
        let (client, connection) = self.client("trunkline source").await?;
        let timeout = self.timeout.as_millis();
        let is_outbox = reading.is_outbox();
        let limits = format!(
            "{FORMS}; SET statement_timeout = {timeout}; SET lock_timeout = {timeout}; \
             SET default_transaction_read_only = {}",
            if is_outbox { "off" } else { "on" }
        );
        client
            .batch_execute(&limits)
            .await
            .map_err(|error| self.at_open(error))?;
        let probe = client
            .prepare(&reading.probe())
            .await
            .map_err(|error| self.at_prepare(error, reading.word()))?;
        let columns: Vec<_> = probe
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        let form = |column: &tokio_postgres::Column| match Form::of(column.type_()) {
            // An outbox hands its payload on as it is.
            Form::Json if is_outbox => Form::Text,
            form => form,
        };
        let forms: Vec<_> = probe.columns().iter().map(form).collect();
        let order = reading.places(&columns)?;
        if let Some(at) = order.iter().find(|at| !forms[**at].is_order()) {
            return Err(
                Fault::stop(format!("rows cannot be told apart by `{}`", columns[*at]))
                    .hint("name a column with a single value: a number, a time, an id"),
            );
        }
        let select = columns.iter().zip(&forms);
        let select: Vec<_> = select
            .map(|(name, form)| form.select(&reading.column(name), &reading.dialect.quote(name)))
            .collect();
        Ok(Reader {
            client,
            forms,
            order,
            select: select.join(", "),
            columns,
            statements: HashMap::new(),
            connection,
        })
    }

    async fn next_page(&self, reader: &mut Reader, reading: &Reading, span: Span<'_>) -> Result<Page, Fault> {
        let asked = reading.page(&reader.select, &reader.columns, span);
        let statement = match reader.statements.get(&asked.text) {
            Some(statement) => statement.clone(),
            None => {
                let prepared = reader.client.prepare(&asked.text).await;
                let statement = prepared.map_err(|error| self.at_prepare(error, reading.word()))?;
                reader.statements.insert(asked.text, statement.clone());
                statement
            }
        };
        let marks = [span.after, span.until];
        let values: Vec<_> = marks.into_iter().flatten().flatten().map(bound).collect();
        let values = asked.places.iter().map(|place| &values[*place]);
        let rows = reader
            .client
            .query_raw(&statement, values)
            .await
            .map_err(|error| self.at_prepare(error, reading.word()))?;
        let mut rows = pin!(rows);
        let mut page = Page::default();
        let mut bytes = 0;
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.at_prepare(error, reading.word()))?;
            page.rows.push(reader.row(&row, &mut bytes)?);
            page.has_more = page.rows.len() == PAGE || bytes >= PAGE_BYTES;
            if page.has_more {
                break;
            }
        }
        Ok(page)
    }

    /// Waits for an answer no longer than the server may take for it.
    async fn answer<T>(&self, answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        match tokio::time::timeout(self.timeout + GRACE, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silent()),
        }
    }
}

impl Reader {
    fn row(&self, answer: &Answer, bytes: &mut usize) -> Result<Row, Fault> {
        let mut unreadable = None;
        let mut values = Vec::with_capacity(self.forms.len());
        let mut cells = Vec::with_capacity(self.forms.len());
        for (at, form) in self.forms.iter().enumerate() {
            let cell: Option<Cell<'_>> = answer
                .try_get(at)
                .map_err(|error| Fault::reopen("a row is not as its columns say").because(error))?;
            *bytes += cell.as_ref().map_or(0, |cell| cell.0.len());
            values.push(form.read(cell.as_ref()).unwrap_or_else(|why| {
                unreadable = Some(format!("column `{}` holds no JSON: {why}", self.columns[at]));
                Value::Text(
                    String::from_utf8_lossy(cell.as_ref().map_or(&[], |cell| cell.0))
                        .into_owned()
                        .into(),
                )
            }));
            cells.push(cell);
        }
        let mark = self
            .order
            .iter()
            .map(|at| self.forms[*at].mark(cells[*at].as_ref()));
        Ok(Row {
            values,
            mark: mark.collect(),
            unreadable,
        })
    }
}

/// A value of a mark, as the database gave it.
fn bound(value: &Value<'static>) -> Bound {
    match value {
        Value::Null => Bound::Null,
        Value::Bytes(bytes) => Bound::Bytes(bytes.to_vec()),
        other => Bound::Text(crate::source::shown(other)),
    }
}

impl Origin for Postgres {
    type Reader = Reader;

    async fn read(&self, reading: &Reading) -> Result<Reader, Fault> {
        self.answer(self.open_reader(reading)).await
    }

    fn columns(reader: &Reader) -> &[String] {
        &reader.columns
    }

    async fn page(&self, reader: &mut Reader, reading: &Reading, span: Span<'_>) -> Result<Page, Fault> {
        self.answer(self.next_page(reader, reading, span)).await
    }

    async fn lease(&self, reader: &mut Reader, reading: &Reading) -> Result<bool, Fault> {
        let locked = async {
            let row = reader.client.query_one(LOCK, &[&reading.from()]).await;
            row.and_then(|row| row.try_get(0))
                .map_err(|error| self.at_open(error))
        };
        self.answer(locked).await
    }

    async fn finish(
        &self,
        reader: &mut Reader,
        reading: &Reading,
        ids: &[Value<'static>],
    ) -> Result<(), Fault> {
        let text = reading.finish(&reader.columns, ids.len());
        let values: Vec<_> = ids.iter().map(bound).collect();
        let finished = async {
            let changed = reader.client.execute_raw(text.as_str(), &values).await;
            changed
                .map(drop)
                .map_err(|error| self.at_prepare(error, reading.word()))
        };
        self.answer(finished).await
    }
}
