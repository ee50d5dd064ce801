//! Flows that are gone, or that read from elsewhere: their queues and what they remember stay behind.

use trunkline_sdk::{Problem, Settings};

use super::{Before, sends};
use crate::config::{Landscape, flow::FlowFile};

pub(super) fn compare(of: &Before, before: &Landscape, now: &Landscape, problems: &mut Vec<Problem>) {
    for old in &before.flows {
        let name = &old.name.0;
        let same = now.flows.iter().find(|flow| flow.name.0 == *name);
        let Some(new) = same else {
            let is_new = |flow: &&FlowFile| before.flows.iter().all(|old| old.name.0 != flow.name.0);
            let alike = |flow: &&FlowFile| reads(flow) == reads(old) && writes(flow) == writes(old);
            let renamed = now.flows.iter().filter(is_new).find(alike);
            let (place, what) = match renamed {
                Some(new) => (
                    new.name.1.clone(),
                    format!("flow `{name}` is now called `{}`", new.name.0),
                ),
                None => (of.was(&old.name.1), format!("flow `{name}` is gone")),
            };
            if let Some(stays) = behind(old, renamed.is_some()) {
                let hint = match renamed {
                    Some(_) => "give it back its name: `flow:` need not be that of the file",
                    None => {
                        "let its queue run empty before it goes, and replay or discard what is parked; \
                             `trunkline topology plan` shows the orphan"
                    }
                };
                problems.push(Problem::new(&place, format!("{what}: {stays}")).hint(hint));
            }
            continue;
        };
        if reads(old) != reads(new)
            && let Some(stays) = behind(old, true)
        {
            let place = new.from.as_ref().map_or(&new.name.1, |from| &from.place);
            let what = format!("flow `{name}` reads from elsewhere: {stays}");
            let hint = "let its queue run empty first, or make it a flow of another name beside the old one";
            problems.push(Problem::new(place, what).hint(hint));
        }
    }
}

/// The end that a flow reads: a channel, or a system.
fn reads(flow: &FlowFile) -> Option<(bool, &str)> {
    let from = flow.from.as_ref()?;
    match from.text() {
        Some(channel) => Some((true, channel)),
        None => Some((false, from.get("system")?.text()?)),
    }
}

/// The ends that it writes.
fn writes(flow: &FlowFile) -> (Vec<&str>, Option<&str>) {
    let system = flow
        .to
        .as_ref()
        .and_then(|to| to.get("system"))
        .and_then(Settings::text);
    (sends(flow).into_iter().collect(), system)
}

/// What stays behind where the flow was; `None`: it cannot be told what it read.
fn behind(flow: &FlowFile, goes_on: bool) -> Option<String> {
    let (name, (is_channel, end)) = (&flow.name.0, reads(flow)?);
    if !is_channel {
        let again = if goes_on {
            "; its source begins anew, and what it has sent already comes again under new ids"
        } else {
            ""
        };
        return Some(format!(
            "what it has parked stays in `{end}.{name}`, which nobody looks after{again}"
        ));
    }
    let again = if goes_on && writes(flow).1.is_some() {
        "; a repeat of what it has already written is not known as one"
    } else {
        ""
    };
    Some(format!(
        "queue `{end}.{name}` is read by nobody, and fills; what waits or is parked there is not delivered{again}"
    ))
}
