//! Where reading goes on, as it is stored: for a table its window, for an outbox what was sent of the page in hand.
//!
//! One line of JSON, so that a person can see where a flow is; behind it, in bytes, what was seen in the overlap.

use bytes::{BufMut, Bytes, BytesMut};
use trunkline_formats::json;
use trunkline_sdk::{Fault, Position, Value};

use super::{
    Mark,
    window::{Seen, Window},
};

/// In bytes: what a position may have.
const LONGEST: usize = 64 << 10;

/// The stored window: `low`, `high` and what was seen between them.
pub(super) type Stored = (Option<Mark>, Option<Mark>, Vec<Seen>);

/// The position of a window; `columns`: by which the rows are ordered.
///
/// Faults: `Stop` when their values are too long.
pub(super) fn of_window(window: &Window, columns: &[String]) -> Result<Position, Fault> {
    let names = columns.iter().map(|name| Value::Text(name.as_str().into()));
    let mark = |mark: &Option<Mark>| match mark {
        Some(mark) => Value::List(mark.iter().map(cell).collect()),
        None => Value::Null,
    };
    let head = json::write(&Value::Object(vec![
        ("columns".into(), Value::List(names.collect())),
        ("low".into(), mark(&window.low)),
        ("high".into(), mark(&window.high)),
    ]));
    let mut bytes = BytesMut::from(head.as_bytes());
    bytes.put_u8(b'\n');
    bytes.extend_from_slice(window.log());
    within_bounds(bytes.freeze())
}

/// Faults: `Stop` when it is of another kind of source, or of a table that was ordered by other columns.
pub(super) fn read_window(position: &Position, columns: &[String]) -> Result<Stored, Fault> {
    let (head, seen) = split(&position.0);
    let tree = json::read(head).map_err(|_| foreign())?;
    let Some(Value::List(names)) = tree.get("columns") else {
        return Err(foreign());
    };
    let is_same = names.len() == columns.len()
        && names
            .iter()
            .zip(columns)
            .all(|(name, column)| matches!(name, Value::Text(name) if name == column));
    if !is_same {
        return Err(
            Fault::stop("the stored position is by other columns than `cursor` and `key`")
                .hint("reset the flow's position; it then reads from the beginning"),
        );
    }
    let mark = |name: &str| match tree.get(name) {
        Some(Value::Null) => Ok(None),
        Some(Value::List(cells)) if cells.len() == columns.len() => {
            Ok(Some(cells.iter().map(value).collect::<Result<_, _>>()?))
        }
        _ => Err(foreign()),
    };
    Ok((mark("low")?, mark("high")?, Seen::read_all(seen)))
}

/// The position in an outbox: these rows of it were sent, and are there still.
///
/// Faults: `Stop` when their ids are too long.
pub(super) fn of_outbox(sent: &[Value<'static>]) -> Result<Position, Fault> {
    let sent = Value::List(sent.iter().map(cell).collect());
    within_bounds(Bytes::from(json::write(&Value::Object(vec![(
        "sent".into(),
        sent,
    )]))))
}

fn within_bounds(bytes: Bytes) -> Result<Position, Fault> {
    if bytes.len() > LONGEST {
        return Err(
            Fault::stop("the values that tell one row from another are too long")
                .hint("name columns with short values: a number, a time, an id"),
        );
    }
    Ok(Position(bytes))
}

/// Faults: `Stop` when it is of another kind of source.
pub(super) fn read_outbox(position: &Position) -> Result<Vec<Value<'static>>, Fault> {
    let tree = json::read(&position.0).map_err(|_| foreign())?;
    match tree.get("sent") {
        Some(Value::List(cells)) => cells.iter().map(value).collect(),
        _ => Err(foreign()),
    }
}

/// Bytes are written in hex within a list, which no other value is.
fn cell(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Bytes(_) => Value::List(vec![Value::Text(super::shown(value).into())]),
        other => other.clone().into_owned(),
    }
}

fn value(cell: &Value<'_>) -> Result<Value<'static>, Fault> {
    match cell {
        Value::List(hex) => match hex.as_slice() {
            [Value::Text(hex)] => unhex(hex)
                .map(|bytes| Value::Bytes(bytes.into()))
                .ok_or_else(foreign),
            _ => Err(foreign()),
        },
        other => Ok(other.clone().into_owned()),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

fn foreign() -> Fault {
    Fault::stop("the stored position is none of this kind of source")
        .hint("the flow read from somewhere else before; reset its position")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use trunkline_sdk::Remedy;

    use super::*;

    fn columns() -> Vec<String> {
        vec!["updated_at".to_owned(), "id".to_owned()]
    }

    #[test]
    fn a_window_is_read_as_it_was_stored() {
        // given
        let mut window = Window::new(Duration::from_secs(1));
        for row in 0..2_000 {
            window.see(row, row + 1);
        }
        let high = vec![
            Value::Text("2026-11-25 \"\n".into()),
            Value::Bytes(vec![0, 255].into()),
        ];
        window.pass(high.clone(), None, Instant::now());
        // when
        let position = of_window(&window, &columns()).expect("it is short");
        let stored = read_window(&position, &columns());
        // then
        let (low, read, seen) = stored.expect("it was stored");
        assert_eq!((low, read), (None, Some(high)));
        assert_eq!(seen, Seen::read_all(window.log()));
        assert_eq!(seen.last().map(|seen| seen.content), Some(2_000));
        let long = vec![Value::Text("x".repeat(LONGEST).into()), Value::Null];
        window.pass(long, None, Instant::now());
        assert!(of_window(&window, &columns()).is_err());
    }

    #[test]
    fn what_was_sent_of_an_outbox_is_read_as_it_was_stored() {
        let sent = vec![Value::Number("17".into()), Value::Bytes(vec![7].into())];
        let position = of_outbox(&sent).expect("it is short");
        assert_eq!(read_outbox(&position).ok(), Some(sent));
    }

    #[test]
    fn a_position_of_something_else_stops_the_flow() {
        let window = Window::new(Duration::ZERO);
        let positions = [
            Position("".into()),
            Position("{\"file\":\"a.csv\"}".into()),
            Position("{\"columns\":[\"updated_at\",\"id\"],\"low\":1,\"high\":null}".into()),
            of_window(&window, &["id".to_owned()]).expect("it is short"),
            of_outbox(&[]).expect("it is short"),
        ];
        for position in positions {
            let fault = read_window(&position, &columns()).expect_err("it is foreign");
            assert_eq!(fault.remedy, Remedy::Stop, "{position:?}");
        }
        let window = of_window(&window, &columns()).expect("it is short");
        assert!(read_outbox(&window).is_err());
    }
}
