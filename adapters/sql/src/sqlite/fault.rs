//! What SQLite's errors mean for Trunkline.

use rusqlite::{Error, ErrorCode, ffi};
use trunkline_sdk::Fault;

/// What is to be done about an error. Never quotes what could hold a value.
pub(super) fn classify(error: &Error, file: &str) -> Fault {
    let Error::SqliteFailure(failure, message) = error else {
        return Fault::dead_letter("SQLite cannot take the values of the message");
    };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Fault::retry(format!("`{file}` is locked by another program"))
                .hint("find what keeps a transaction open, or raise `timeout`")
        }
        ErrorCode::SchemaChanged
        | ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::OutOfMemory => Fault::retry(format!(
            "SQLite broke the statement off ({})",
            failure.extended_code
        )),
        ErrorCode::DiskFull => {
            Fault::stop(format!("the disk of `{file}` is full")).hint("make room, then resume the flow")
        }
        ErrorCode::SystemIoFailure => Fault::stop(format!(
            "`{file}` cannot be read or written ({})",
            failure.extended_code
        ))
        .hint("look at the disk and the system's log before you resume the flow"),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            Fault::stop(format!("`{file}` is damaged, or no SQLite database"))
                .hint("restore it from a backup")
        }
        ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::AuthorizationForStatementDenied => {
            Fault::stop(format!("`{file}` cannot be opened for writing"))
                .hint("the user that runs Trunkline must be allowed to write the file and its folder")
        }
        ErrorCode::ConstraintViolation => {
            Fault::dead_letter(constraint(failure.extended_code, message.as_deref()))
        }
        ErrorCode::TypeMismatch => Fault::dead_letter("a value is of a kind that its column does not take"),
        ErrorCode::TooBig => Fault::dead_letter("a value is larger than SQLite takes"),
        _ => Fault::dead_letter(format!(
            "SQLite cannot apply the statement to the values of the message ({})",
            failure.extended_code
        )),
    }
}

fn constraint(code: i32, message: Option<&str>) -> String {
    match (code, message) {
        // What a trigger says is put together by its author, maybe of values.
        (ffi::SQLITE_CONSTRAINT_TRIGGER, _) | (_, None) => {
            format!("a trigger or constraint refused the row ({code})")
        }
        // The others name constraints, tables and columns.
        (_, Some(message)) => format!("a constraint refused the row: {message} ({code})"),
    }
}
