//! What PostgreSQL's errors mean for Trunkline.
//!
//! Promises: the server's own words are used only where no value can be among them. Its message, detail and
//! context quote values; its codes and the names of tables, columns and constraints do not.

use std::io;

use tokio_postgres::{
    Error,
    error::{DbError, SqlState},
};
use trunkline_sdk::Fault;

/// What is to be done about an error; `shown` is where the server is.
pub(super) fn classify(error: &Error, shown: &str) -> Fault {
    let Some(refusal) = error.as_db_error() else {
        return without_code(error, shown);
    };
    let code = refusal.code().code();
    let class = code.get(..2).unwrap_or_default();
    let names = names(refusal);
    match (class, code) {
        ("08" | "57", _) if code != "57014" => Fault::reopen(format!("PostgreSQL at `{shown}` closed the connection ({code})")),
        (_, "25P03" | "25006" | "26000") => Fault::reopen(format!("the session at `{shown}` is of no more use ({code})"))
            .hint("`25006`: the server is a read-only standby; name the primary in `url`, or all hosts with `target_session_attrs=read-write`"),
        _ if is_outdated(refusal) => {
            Fault::reopen(format!("a table at `{shown}` was altered ({code})"))
        }
        (_, "53300") => Fault::reopen(format!("PostgreSQL at `{shown}` has no connection left ({code})"))
            .hint("raise `max_connections`, or run fewer flows: each sink holds one connection"),
        ("28", _) => Fault::stop(format!("PostgreSQL at `{shown}` refuses the user or the password ({code})"))
            .hint("set user and password in `url`, or `password`, to what the server knows; see `pg_hba.conf`"),
        ("3D", _) => Fault::stop(format!("there is no such database at `{shown}` ({code})")).hint("create it, or mend `url`"),
        (_, "42501") => Fault::stop(format!("the user of `url` may not run the statement{names} ({code})"))
            .hint("GRANT it what the statement needs"),
        ("2D", _) | (_, "25001") => Fault::stop(format!("the statement would end the sink's transaction ({code})"))
            .hint("leave COMMIT and ROLLBACK out of the procedure that it calls"),
        ("42" | "3F" | "0A", _) => Fault::stop(format!("the statement does not fit the tables{names} ({code})"))
            .hint("mend `statement`, or the tables"),
        (_, "23505") => Fault::dead_letter(format!("such a row is already there{names} ({code})")),
        (_, "23503") => Fault::dead_letter(format!("a row that it refers to is missing{names} ({code})")),
        (_, "23502") => Fault::dead_letter(format!("a value is missing{names} ({code})")),
        ("23" | "44", _) => Fault::dead_letter(format!("a constraint refuses the row{names} ({code})")),
        ("22" | "21", _) => Fault::dead_letter(format!("a value does not fit{names} ({code})")),
        ("P0" | "38" | "39" | "2F" | "09" | "54", _) => {
            Fault::dead_letter(format!("a function, trigger or limit of the database refuses the message{names} ({code})"))
                .hint("the server's log has its words")
        }
        (_, "40P01") => Fault::retry(format!("another transaction held a row that this one needed, and the other way round ({code})")),
        ("40", _) => Fault::retry(format!("another transaction was in the way ({code})")),
        (_, "55P03" | "57014") => Fault::retry(format!("the statement waited longer than `timeout` ({code})"))
            .hint("find what keeps a lock (`pg_locks`), or raise `timeout`"),
        ("53" | "58", _) => Fault::retry(format!("PostgreSQL at `{shown}` is short of disk, memory or files ({code})"))
            .hint("the server's log says of which"),
        _ => Fault::retry(format!("PostgreSQL at `{shown}` could not run the statement{names} ({code})"))
            .hint("the server's log has its words"),
    }
}

fn without_code(error: &Error, shown: &str) -> Fault {
    let source = std::error::Error::source(error);
    if error.is_closed() || source.is_some_and(<dyn std::error::Error>::is::<io::Error>) {
        return Fault::reopen(format!("the connection to PostgreSQL at `{shown}` is lost"));
    }
    // What is left is a protocol that came out of step.
    Fault::reopen(format!("PostgreSQL at `{shown}` did not answer as it should"))
}

/// Whether the server's words on this error are about the text of the statement.
pub(super) fn is_about_the_statement(code: &SqlState) -> bool {
    code.code().starts_with("42") && *code != SqlState::INSUFFICIENT_PRIVILEGE
        || code.code().starts_with("0A")
}

/// A statement was prepared for a table that has been altered since.
pub(super) fn is_outdated(refusal: &DbError) -> bool {
    refusal.code().code() == "0A000" && refusal.routine() == Some("RevalidateCachedQuery")
}

/// Two transactions were in each other's way, and one alone may well pass.
pub(super) fn is_conflict(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("40"))
}

/// It has waited for long, and the next one would, too.
pub(super) fn is_timeout(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE)
}

/// The parameter that a value does not fit, counted from 0, if the server says which: `… parameter $2 …`.
pub(super) fn parameter(error: &Error) -> Option<usize> {
    let context = error.as_db_error()?.where_()?;
    let (_, rest) = context.split_once("parameter $")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse::<usize>().ok()?.checked_sub(1)
}

/// ` (constraint `on_hand_check`, table `stock`)`.
fn names(refusal: &DbError) -> String {
    let named = [
        ("constraint", refusal.constraint()),
        ("column", refusal.column()),
        ("table", refusal.table()),
    ];
    let told: Vec<_> = named
        .into_iter()
        .filter_map(|(kind, name)| Some(format!("{kind} `{}`", name?)))
        .collect();
    if told.is_empty() {
        String::new()
    } else {
        format!(": {}", told.join(" of "))
    }
}
