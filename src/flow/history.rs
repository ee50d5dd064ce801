//! The flows that a message has passed (EIP Message History): for a person who asks whence it came, and in what round it
//! goes.
//!
//! Promises: bounded, whatever round it goes; of a longer way the last flows are told, behind `…`.

use std::sync::Arc;

use crate::names::FlowName;

/// How many flows are told.
const MOST: usize = 16;
const CUT: &str = "…";

/// The history of a message that has passed one more flow.
pub(super) fn passed(before: Option<&str>, flow: &FlowName) -> Arc<str> {
    let Some(before) = before.filter(|before| !before.is_empty()) else {
        return flow.as_str().into();
    };
    let names: Vec<_> = before.split(',').filter(|name| *name != CUT).collect();
    let is_cut = before.starts_with(CUT) || names.len() >= MOST;
    let left_out = (names.len() + 1).saturating_sub(MOST);
    let mut told = String::with_capacity(before.len() + flow.as_str().len() + 1);
    for name in is_cut
        .then_some(CUT)
        .into_iter()
        .chain(names[left_out..].iter().copied())
    {
        told.push_str(name);
        told.push(',');
    }
    told.push_str(flow.as_str());
    told.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_tells_the_last_flows_however_long_the_way_was() {
        let flow = |number: usize| FlowName::new(&format!("f{number}")).unwrap();
        let first = passed(None, &flow(1));
        assert_eq!(&*first, "f1");
        assert_eq!(&*passed(Some(&first), &flow(2)), "f1,f2");
        // when it goes round and round
        let mut history = first;
        for number in 2..=100 {
            history = passed(Some(&history), &flow(number));
        }
        // then
        assert!(
            history.starts_with("…,f85,f86,") && history.ends_with(",f100"),
            "{history}"
        );
        assert_eq!(history.split(',').count(), MOST + 1);
    }
}
