//! The broker's errors in our words: what, where, how to mend it. Never a password.

use lapin::ErrorKind;
use trunkline_sdk::{Fault, Remedy};

use super::address::Address;

/// The broker closed the channel because what was named does not exist.
pub(super) const NOT_FOUND: u16 = 404;
/// The user may not do this.
pub(super) const ACCESS_REFUSED: u16 = 403;
/// It exists otherwise than was asked for.
pub(super) const PRECONDITION_FAILED: u16 = 406;
/// The vhost does not exist.
const NOT_ALLOWED: u16 = 530;

/// The AMQP code and text by which the broker refused something.
pub(super) fn refusal(error: &lapin::Error) -> Option<(u16, &str)> {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) => {
            let text = refusal.get_message().as_str();
            // `NOT_FOUND - no queue 'x' in vhost '/'`: the code says the first word.
            Some((
                refusal.get_id(),
                text.split_once(" - ").map_or(text, |(_, text)| text),
            ))
        }
        _ => None,
    }
}

/// Why a connection could not be opened.
pub(super) fn connecting(error: lapin::Error, address: &Address, node: &str) -> Fault {
    let (user, vhost) = (address.user(), address.vhost());
    match refusal(&error) {
        Some((ACCESS_REFUSED, text)) if !text.contains("vhost") => Fault::stop(format!(
            "the broker {node} refused the credentials of user `{user}`"
        ))
        .hint(format!(
            "check user and password in the bus's URL, and that `{user}` may use vhost `{vhost}`"
        )),
        Some((NOT_ALLOWED | ACCESS_REFUSED, text)) if text.contains("not found") => {
            Fault::stop(format!("the broker {node} has no vhost `{vhost}`")).hint(format!(
                "make it with `rabbitmqctl add_vhost {vhost}`, or name another at the end of the bus's URL"
            ))
        }
        Some((NOT_ALLOWED | ACCESS_REFUSED, _)) => Fault::stop(format!(
            "the broker {node} does not let user `{user}` into vhost `{vhost}`"
        ))
        .hint(format!(
            "grant it with `rabbitmqctl set_permissions -p {vhost} {user} …`"
        )),
        Some((code, text)) => Fault::reopen(format!("the broker {node} ended the connection: {code} {text}")),
        None => distrust(&error, address, node).unwrap_or_else(|| {
            Fault::reopen(format!("the broker {node} cannot be reached: {}", shown(&error)))
                .hint("see that it runs, and that host and port in the bus's URL are right")
        }),
    }
    .because(error)
}

/// Whether it is about certificates.
fn distrust(error: &lapin::Error, address: &Address, node: &str) -> Option<Fault> {
    match error.kind() {
        ErrorKind::IOError(error) => address.tls()?.fault(error, &format!("the broker {node}")),
        _ => None,
    }
}

/// The library's error: of the system's errors only the kind, in words.
fn shown(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::IOError(error) => error.kind().to_string(),
        _ => error.to_string(),
    }
}

/// Why something was refused on an open connection. `doing` says what: `reading queue `x``.
pub(super) fn refused(error: lapin::Error, doing: &str, address: &Address) -> Fault {
    let (user, vhost) = (address.user(), address.vhost());
    let fault = match refusal(&error) {
        Some((NOT_FOUND, text)) => Fault::stop(format!("{doing}: {text}"))
            .hint("run `trunkline topology apply`: it makes what is missing"),
        Some((ACCESS_REFUSED, text)) => Fault::stop(format!("{doing}: {text}")).hint(format!(
            "grant user `{user}` this permission in vhost `{vhost}`, or have an administrator do it once"
        )),
        Some((PRECONDITION_FAILED, text)) => Fault::stop(format!("{doing}: {text}")),
        Some((code, text)) => Fault::reopen(format!("{doing}: {code} {text}")),
        None => Fault::reopen(format!("{doing}: the connection to the broker is lost: {error}")),
    };
    fault.because(error)
}

/// The same fault once more, for another message that met it; without the library's error.
pub(super) fn again(fault: &Fault) -> Fault {
    Fault {
        remedy: fault.remedy,
        what: fault.what.clone(),
        hint: fault.hint.clone(),
        retry_after: fault.retry_after,
        source: None,
    }
}

/// The broker did not answer in time.
pub(super) fn silent(doing: &str) -> Fault {
    Fault::new(Remedy::Reopen, format!("{doing}: the broker does not answer"))
        .hint("see that it is not frozen, out of memory or out of disk")
}
