//! What the errors of MariaDB and MySQL mean for Trunkline.
//!
//! Promises: the server's own words are used only where no value can be among them. Its messages quote values; its
//! codes, and what stands behind the last `for column` or `for key` of a message, do not.

use mysql_async::{DriverError, Error, IoError, ServerError};
use trunkline_sdk::Fault;

/// What is to be done about an error; `shown` is where the server is.
pub(super) fn classify(error: &Error, shown: &str) -> Fault {
    let refusal = match error {
        Error::Server(refusal) => refusal,
        _ if is_without_tls(error) => {
            return Fault::stop(format!(
                "MariaDB at `{shown}` speaks no TLS, or its certificate is not trusted"
            ))
            .hint("name its certificate authority with `tls_ca`; the host in `url` must be the one in the certificate");
        }
        _ => {
            return Fault::reopen(format!(
                "the connection to MariaDB at `{shown}` is lost, or cannot be had"
            ))
            .hint("is it running, and are host and port in `url` right?");
        }
    };
    let (code, names) = (refusal.code, names(refusal));
    let class = refusal.state.get(..2).unwrap_or_default();
    match (code, class) {
        (1045 | 1698 | 1251 | 1862 | 3118 | 3955 | 4151, _) => Fault::stop(format!(
            "MariaDB at `{shown}` refuses the user or the password ({code})"
        ))
        .hint("set user and password in `url`, or `password`, to what the server knows"),
        (1049, _) => Fault::stop(format!("there is no such database at `{shown}` ({code})"))
            .hint("create it, or mend `url`"),
        (1044 | 1142 | 1143 | 1227 | 1370, _) => {
            Fault::stop(format!("the user of `url` may not run the statement ({code})"))
                .hint("GRANT it what the statement needs")
        }
        (1040 | 1203 | 1226, _) => Fault::reopen(format!(
            "MariaDB at `{shown}` has no connection left ({code})"
        ))
        .hint("raise `max_connections`, or run fewer flows: each source and sink holds one connection"),
        (1290 | 1792 | 1836, _) => Fault::reopen(format!("MariaDB at `{shown}` is read-only ({code})"))
            .hint("name the primary in `url`"),
        (1053 | 1077 | 1079 | 1080 | 1152..=1161 | 1184 | 1927, _) | (_, "08") => {
            Fault::reopen(format!("MariaDB at `{shown}` closed the connection ({code})"))
        }
        (1615 | 1412, _) => Fault::reopen(format!("a table at `{shown}` was altered ({code})")),
        (1062 | 1586, _) => Fault::dead_letter(format!("such a row is already there{names} ({code})")),
        (1216 | 1217 | 1451 | 1452, _) => Fault::dead_letter(format!(
            "a row that it refers to is missing, or rows refer to it ({code})"
        )),
        (1048 | 1364 | 1263, _) => Fault::dead_letter(format!("a value is missing{names} ({code})")),
        (4025 | 3819, _) | (_, "23") => {
            Fault::dead_letter(format!("a constraint refuses the row{names} ({code})"))
        }
        (
            1264 | 1265 | 1292 | 1365 | 1366 | 1367 | 1406 | 1411 | 1416 | 1690 | 1918 | 3140 | 3141 | 4038,
            _,
        )
        | (_, "22" | "21") => Fault::dead_letter(format!("a value does not fit{names} ({code})")),
        (1213 | 1020 | 1180, _) | (_, "40") => {
            Fault::retry(format!("another transaction was in the way ({code})"))
        }
        (1205 | 1317 | 1969 | 3024, _) => {
            Fault::retry(format!("the statement waited longer than `timeout` ({code})"))
                .hint("find what keeps a lock (`SHOW ENGINE INNODB STATUS`), or raise `timeout`")
        }
        (1021 | 1026 | 1037 | 1038 | 1041 | 1114 | 1135, _) => Fault::retry(format!(
            "MariaDB at `{shown}` is short of disk, memory or files ({code})"
        ))
        .hint("the server's log says of which"),
        // SIGNAL: whoever wrote the trigger or procedure chose the words, maybe of values.
        (1644, _) | (_, "45") => Fault::dead_letter(format!(
            "a function, trigger or procedure of the database refuses the message ({code})"
        ))
        .hint("see what the trigger says in the server"),
        (_, "42") => Fault::stop(format!("the statement does not fit the tables ({code})"))
            .hint("mend the statement or query, or the tables"),
        _ => Fault::retry(format!(
            "MariaDB at `{shown}` could not run the statement ({code})"
        ))
        .hint("the server's log has its words"),
    }
}

/// There will be no TLS with this server: it speaks none, or its certificate is not trusted.
fn is_without_tls(error: &Error) -> bool {
    match error {
        Error::Io(IoError::Tls(_)) | Error::Driver(DriverError::NoClientSslFlagFromServer) => true,
        Error::Io(IoError::Io(error)) => error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>),
        _ => false,
    }
}

/// The server's words, where they can quote nothing but the text of the settings.
pub(super) fn about_the_text(error: &Error) -> Option<String> {
    match error {
        Error::Server(refusal) if matches!(refusal.code, 1051..=1060 | 1064 | 1109 | 1146 | 1248 | 1305) => {
            Some(format!("{} ({})", refusal.message, refusal.code))
        }
        _ => None,
    }
}

fn is(error: &Error, codes: &[u16]) -> bool {
    matches!(error, Error::Server(refusal) if codes.contains(&refusal.code))
}

pub(super) fn is_missing_table(error: &Error) -> bool {
    is(error, &[1146])
}

pub(super) fn is_duplicate(error: &Error) -> bool {
    is(error, &[1062])
}

/// Two transactions were in each other's way, and one alone may well pass.
pub(super) fn is_conflict(error: &Error) -> bool {
    is(error, &[1213, 1020])
}

/// It has waited for long, and the next one would, too.
pub(super) fn is_timeout(error: &Error) -> bool {
    is(error, &[1205, 1969, 3024])
}

/// ` for column `shop`.`stock`.`on_hand``: the end of a message, behind all that it quotes.
fn names(refusal: &ServerError) -> String {
    let message = refusal.message.as_str();
    if refusal.code == 4025 || refusal.code == 1048 {
        return format!(": {message}");
    }
    let found = ["for column ", "for key ", "Check constraint "]
        .iter()
        .filter_map(|words| message.rfind(words))
        .max();
    match found {
        Some(at) => {
            let end = message[at..]
                .rfind(" at row ")
                .map_or(message.len(), |end| at + end);
            format!(" {}", &message[at..end])
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Remedy;

    use super::*;

    #[test]
    fn of_the_servers_words_only_names_are_told() {
        for (code, state, message, told) in [
            (
                1062,
                "23000",
                "Duplicate entry 'canary' for key 'PRIMARY'",
                "for key 'PRIMARY' (1062)",
            ),
            (
                1366,
                "22007",
                "Incorrect integer value: 'canary for column x' for column `s`.`t`.`n` at row 1",
                "for column `s`.`t`.`n` (1366)",
            ),
            (1644, "45000", "canary is not allowed", "trigger"),
        ] {
            let refusal = ServerError {
                code,
                message: message.to_owned(),
                state: state.to_owned(),
            };
            let fault = classify(&Error::Server(refusal), "db");
            assert_eq!(fault.remedy, Remedy::DeadLetter, "{fault}");
            assert!(fault.what.contains(told), "{fault}");
            assert!(!fault.what.contains("canary"), "{fault}");
        }
    }
}
