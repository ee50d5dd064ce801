//! What the bus's user may do, against what it needs.

use regex::Regex;
use serde::Deserialize;

use super::{
    Findings,
    Severity::{Note, Stalls},
};
use crate::bus::{
    Topology,
    rabbitmq::{
        grant::Role,
        topology::{DEAD, REPLY, channel_exchange, rung},
    },
};
use crate::recovery::Rung;

/// The rights of a user in a virtual host.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Permission {
    pub(super) vhost: String,
    configure: String,
    write: String,
    read: String,
}

pub(super) fn examine(
    user: &str,
    vhost: &str,
    permission: Option<Permission>,
    topology: &Topology,
    role: &Role,
    findings: &mut Findings,
) {
    let mend = "`trunkline topology users` says what each process's user needs, and sets it with `--apply`";
    let Some(permission) = permission else {
        findings.add(
            Stalls,
            format!("user `{user}` has no rights in vhost `{vhost}`"),
            "it cannot connect",
            mend,
        );
        return;
    };
    let (mut publishes, mut reads) = (vec![DEAD.to_owned()], Vec::new());
    publishes.extend(Rung::ALL.map(rung));
    if let Role::Process {
        publishes: channels,
        reads: queues,
        answers,
        ..
    } = role
    {
        publishes.extend(answers.then(|| REPLY.to_owned()));
        publishes.extend(channels.iter().map(channel_exchange));
        reads.extend(queues.iter().map(ToString::to_string));
    }
    for (right, pattern, names) in [
        ("write to", &permission.write, publishes),
        ("read from", &permission.read, reads),
    ] {
        let Some(pattern) = compiled(pattern) else {
            continue;
        };
        let missing: Vec<_> = names
            .iter()
            .filter(|name| !pattern.is_match(name))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            findings.add(
                Stalls,
                format!("user `{user}` may not {right} {}", missing.join(", ")),
                "what has to go there, or come from there, stays where it is",
                mend,
            );
        }
    }
    let configures = compiled(&permission.configure);
    let may_make = |name: &str| configures.as_ref().is_some_and(|pattern| pattern.is_match(name));
    let first = topology.queues.first().map(|queue| queue.name.to_string());
    if first.is_some_and(|name| may_make(&name)) {
        findings.add(
            Note,
            format!("user `{user}` may make and remove queues"),
            "a slip, or whoever has its password, can remove a queue with all that is in it",
            "give each process a user of its own: `trunkline topology users`; only `topology apply` needs this right",
        );
    }
}

/// The broker finds the pattern anywhere in a name, as we do. `None`: one that only Erlang understands.
fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}
