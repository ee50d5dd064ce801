//! What the program says: data on stdout, talk on stderr, and what it says when it breaks.
//!
//! Promises: that nobody listens any more (`| head`, a log collector that died) ends no command and breaks
//! nothing. Not promised: that what was said to nobody is kept.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Display,
    io::{ErrorKind, Write, stderr, stdout},
    panic::{self, AssertUnwindSafe, Location},
};

use trunkline_sdk::Fault;

/// Writes data, as it stands, to stdout.
///
/// Faults: it cannot be written, and somebody is there who misses it.
pub(super) fn data(text: impl Display) -> Result<(), Fault> {
    let mut stdout = stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // A reader that has left has read what it wanted.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::stop(format!("cannot write to stdout: {}", error.kind()))
                .hint("make room where it is written to"))
        }
        _ => Ok(()),
    }
}

/// Writes one line of talk to stderr.
pub(super) fn talk(line: impl Display) {
    // There is nowhere left to say that stderr cannot be written.
    let _ = writeln!(stderr().lock(), "{line}");
}

/// Empties the terminal that talk goes to.
pub(super) fn clear() {
    let _ = write!(stderr().lock(), "\x1b[H\x1b[2J\x1b[3J");
}

/// From now on a panic is told in our words: where, but never with which values.
pub(super) fn tell_panics() {
    panic::set_hook(Box::new(|panic| {
        talk(mistake(panic.location()));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            talk(trace);
        }
    }));
}

/// Does something; the error is that it panicked, which was told.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    // Nothing that it has touched is used afterwards: the process ends.
    panic::catch_unwind(AssertUnwindSafe(work))
}

fn mistake(place: Option<&Location<'_>>) -> String {
    let place = place.map_or_else(String::new, |place| {
        format!(" at {}:{}", place.file(), place.line())
    });
    format!(
        "error: trunkline {} broke{place}; this is our mistake\n  \
         = hint: please report this line and what you did; with `RUST_BACKTRACE=1` it tells more",
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place_and_called_our_mistake() {
        let told = mistake(Some(Location::caller()));
        assert!(told.contains(" broke at "), "{told}");
        assert!(told.contains("say.rs:"), "{told}");
        assert!(told.contains("our mistake"), "{told}");
    }

    #[test]
    fn a_panic_is_caught_and_a_result_is_passed_on() {
        assert!(guarded(|| -> u8 { panic!("for this test") }).is_err());
        assert_eq!(guarded(|| 7).ok(), Some(7));
    }
}
