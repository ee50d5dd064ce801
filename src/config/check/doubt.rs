//! What becomes of a message of which a system did not say whether it took it: `in_doubt: park` or `repeat`.
//!
//! Where a sink earns "not twice" ([`Effect`]), a repeat is harmless, and there is nothing to say. Where it cannot, the
//! flow must say which it prefers: an order that is shipped twice, or one that waits for a person.

use trunkline_sdk::{Effect, Options, Problem, Settings};

use crate::config::{flow::TO, plan::InDoubt};

/// `to` is the flow's end at a system of the adapter `name`, whose sink has this effect. `None`: what is wrong was told.
pub(super) fn read(
    system: &str,
    name: &str,
    effect: Effect,
    to: &Settings,
    problems: &mut Vec<Problem>,
) -> Option<InDoubt> {
    let entries = to.entries().unwrap_or_default().iter();
    let ours = entries.filter(|entry| TO.iter().any(|word| word.name == entry.key));
    let ours = Settings::map(to.place.clone(), ours.cloned().collect());
    let options = Options::read(TO, &ours)
        .map_err(|found| problems.extend(found))
        .ok()?;
    match (effect, options.get("in_doubt")) {
        (Effect::Plain, None) => {
            let what =
                format!("system `{system}` ({name}) cannot tell a message that comes again from a new one");
            let hint = "say what becomes of one when it is in doubt whether the system took it: `in_doubt: park` (it waits for \
                        a person) or `in_doubt: repeat` (it may act twice)";
            problems.push(Problem::new(&to.place, what).hint(hint));
            None
        }
        (Effect::Plain, Some(word)) if word.text() == Some("park") => Some(InDoubt::Park),
        (Effect::Plain, Some(_)) | (_, None) => Some(InDoubt::Repeat),
        (_, Some(word)) => {
            let what = format!("`in_doubt` means nothing to system `{system}` ({name})");
            let hint = "leave it out: a message that comes again acts once there";
            problems.push(Problem::new(&word.place, what).hint(hint));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(effect: Effect, to: &[(&str, &str)]) -> Result<InDoubt, String> {
        let mut problems = Vec::new();
        let settings = Settings::of(to.iter().copied());
        let read = read("letters", "mail", effect, &settings, &mut problems);
        assert_eq!(read.is_none(), problems.len() == 1, "{problems:?}");
        read.ok_or_else(|| problems.remove(0).what)
    }

    #[test]
    fn where_a_system_may_act_twice_the_flow_says_what_it_prefers() {
        let letters = ("system", "letters");
        let said = |word| told(Effect::Plain, &[letters, ("in_doubt", word)]);
        assert_eq!(said("park"), Ok(InDoubt::Park));
        assert_eq!(said("repeat"), Ok(InDoubt::Repeat));
        assert!(said("pray").is_err_and(|what| what.contains("must be one of `park`, `repeat`")));
        assert!(told(Effect::Plain, &[letters]).is_err_and(|what| what.contains("cannot tell")));
    }

    #[test]
    fn where_a_repeat_is_harmless_there_is_nothing_to_say() {
        let letters = ("system", "letters");
        for effect in [Effect::Transactional, Effect::Idempotent, Effect::Verified] {
            assert_eq!(told(effect, &[letters, ("subject", "x")]), Ok(InDoubt::Repeat));
            assert!(
                told(effect, &[letters, ("in_doubt", "park")])
                    .is_err_and(|what| what.contains("means nothing"))
            );
        }
    }
}
