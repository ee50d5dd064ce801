//! How rows are read: on a session of its own, read-only but for an outbox.

use futures_util::StreamExt;
use mysql_async::{Conn, Row as Answer, prelude::Queryable};
use trunkline_sdk::{Fault, Value};

use super::{
    Failure, MariaDb,
    cell::{Form, bound, mark},
    positional,
};
use crate::source::{Origin, PAGE, PAGE_BYTES, Page, Reading, Row, Span};

/// The name of an outbox's lock is that of its table, in a form that is short enough.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('trunkline ', SHA1(CONCAT(COALESCE(DATABASE(), ''), ' ', ?))), 0)";

/// A connection that reads one relation.
pub(crate) struct Reader {
    connection: Conn,
    columns: Vec<String>,
    forms: Vec<Form>,
    /// Where the columns of the order stand.
    order: Vec<usize>,
}

impl MariaDb {
    async fn open_reader(&self, reading: &Reading) -> Result<Reader, Fault> {
        let mut connection = self.connection().await?;
        let is_outbox = reading.is_outbox();
        if !is_outbox {
            self.patiently(connection.query_drop("SET SESSION TRANSACTION READ ONLY"))
                .await
                .map_err(|failure| self.at_open(failure, None))?;
        }
        let probe = self
            .patiently(connection.prep(reading.probe()))
            .await
            .map_err(|failure| self.at_open(failure, Some(reading.word())))?;
        let found = probe.columns();
        let columns: Vec<_> = found
            .iter()
            .map(|column| column.name_str().into_owned())
            .collect();
        let form = |column| match Form::of(column) {
            // An outbox hands its payload on as it is.
            Form::Json if is_outbox => Form::Text,
            form => form,
        };
        let forms: Vec<_> = found.iter().map(form).collect();
        let order = reading.places(&columns)?;
        if let Some(at) = order.iter().find(|at| !forms[**at].is_order()) {
            return Err(
                Fault::stop(format!("rows cannot be told apart by `{}`", columns[*at])).hint(
                    "name a column with a whole number, a time, an id; MariaDB compares others only roughly",
                ),
            );
        }
        Ok(Reader {
            connection,
            columns,
            forms,
            order,
        })
    }
}

impl Reader {
    fn row(&self, answer: &Answer) -> Row {
        let cell = |at: usize| answer.as_ref(at).unwrap_or(&mysql_async::Value::NULL);
        let mut unreadable = None;
        let mut values = Vec::with_capacity(self.forms.len());
        for (at, form) in self.forms.iter().enumerate() {
            values.push(form.read(cell(at)).unwrap_or_else(|why| {
                unreadable = Some(format!("column `{}` holds no JSON: {why}", self.columns[at]));
                mark(cell(at))
            }));
        }
        Row {
            values,
            mark: self.order.iter().map(|at| mark(cell(*at))).collect(),
            unreadable,
        }
    }
}

impl Origin for MariaDb {
    type Reader = Reader;

    async fn read(&self, reading: &Reading) -> Result<Reader, Fault> {
        self.open_reader(reading).await
    }

    fn columns(reader: &Reader) -> &[String] {
        &reader.columns
    }

    async fn page(&self, reader: &mut Reader, reading: &Reading, span: Span<'_>) -> Result<Page, Fault> {
        let asked = reading.page("*", &reader.columns, span);
        let marks: Vec<_> = [span.after, span.until].into_iter().flatten().flatten().collect();
        let values = asked.places.iter().map(|place| bound(marks[*place])).collect();
        let mut answers = Vec::new();
        let read = async {
            let mut bytes = 0;
            let mut rows = reader
                .connection
                .exec_stream::<Answer, _, _>(asked.text, positional(values))
                .await?;
            while let Some(row) = rows.next().await {
                let row = row?;
                bytes += (0..row.len())
                    .map(|at| match row.as_ref(at) {
                        Some(mysql_async::Value::Bytes(bytes)) => bytes.len(),
                        _ => 8,
                    })
                    .sum::<usize>();
                answers.push(row);
                if answers.len() == PAGE || bytes >= PAGE_BYTES {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let has_more = self
            .patiently(read)
            .await
            .map_err(|failure| self.at_open(failure, Some(reading.word())))?;
        let rows = answers.iter().map(|answer| reader.row(answer)).collect();
        Ok(Page { rows, has_more })
    }

    async fn lease(&self, reader: &mut Reader, reading: &Reading) -> Result<bool, Fault> {
        let asked = reader
            .connection
            .exec_first::<Option<i64>, _, _>(LOCK, (reading.from(),));
        let locked = self.patiently(asked).await;
        let locked = locked.map_err(|failure| self.at_open(failure, None))?;
        Ok(locked.flatten() == Some(1))
    }

    async fn finish(
        &self,
        reader: &mut Reader,
        reading: &Reading,
        ids: &[Value<'static>],
    ) -> Result<(), Fault> {
        let text = reading.finish(&reader.columns, ids.len());
        let values = positional(ids.iter().map(bound).collect());
        let finished = self.patiently(reader.connection.exec_drop(text, values)).await;
        finished.map_err(|failure: Failure| self.at_open(failure, Some(reading.word())))
    }
}
