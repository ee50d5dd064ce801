//! What must be there before the first message.

use std::collections::HashMap;

use rusqlite::params;
use trunkline_sdk::Fault;

use super::{
    store::{Counts, MOST_QUEUES, StoredQueue},
    writer::{Channel, Writer},
};
use crate::{
    bus::{Queue, Topology},
    names::ChannelName,
};

impl Writer {
    /// Makes what is missing of the topology; refuses it, with all reasons, if something exists otherwise.
    pub(super) fn declare(&mut self, topology: &Topology) -> Result<(), Fault> {
        if self.desk.has_ended() {
            return Err(self.desk.ended());
        }
        let problems = self.problems(topology);
        if !problems.is_empty() {
            return Err(Fault::stop(problems.join("; ")).hint(
                "take another name for it; or drain and close the bus, and move its folder away, so that it is \
                 made anew",
            ));
        }
        let new = self.missing(topology)?;
        self.make(topology, &new)
            .map_err(|error| self.store.fault(error))?;
        for channel in &topology.channels {
            self.channels
                .entry(channel.name.as_str().to_owned())
                .or_insert_with(|| Channel {
                    type_name: channel.type_name.as_str().to_owned(),
                    queues: Vec::new(),
                });
        }
        for queue in &new {
            self.desk.add(queue);
            self.know(queue);
        }
        Ok(())
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        let mut problems = Vec::new();
        let mut types: HashMap<&str, &str> = self
            .channels
            .iter()
            .map(|(name, channel)| (name.as_str(), channel.type_name.as_str()))
            .collect();
        for channel in &topology.channels {
            let wanted = channel.type_name.as_str();
            let there = *types.entry(channel.name.as_str()).or_insert(wanted);
            if there != wanted {
                problems.push(format!(
                    "channel `{}` carries `{there}`, not `{wanted}`",
                    channel.name
                ));
            }
        }
        let mut bindings: HashMap<&str, Option<&str>> = self
            .queues
            .iter()
            .map(|(name, queue)| (name.as_str(), queue.channel.as_deref()))
            .collect();
        for queue in &topology.queues {
            let wanted = wanted(queue);
            let there = *bindings.entry(queue.name.as_str()).or_insert(wanted);
            if there != wanted {
                problems.push(format!(
                    "queue `{}` is bound to {}, not to {}",
                    queue.name,
                    spoken(there),
                    spoken(wanted)
                ));
            }
            if let Some(channel) = wanted
                && !types.contains_key(channel)
            {
                problems.push(format!(
                    "queue `{}` is bound to channel `{channel}`, which does not exist",
                    queue.name
                ));
            }
        }
        problems
    }

    /// The queues that are not there yet, with their numbers.
    fn missing(&self, topology: &Topology) -> Result<Vec<StoredQueue>, Fault> {
        let mut number = self.queues.values().map(|queue| queue.number).max().unwrap_or(0);
        let mut missing: Vec<StoredQueue> = Vec::new();
        for queue in &topology.queues {
            let name = queue.name.as_str();
            if self.queues.contains_key(name) || missing.iter().any(|queue| queue.name == name) {
                continue;
            }
            if number == MOST_QUEUES {
                return Err(
                    Fault::stop(format!("the embedded bus holds at most {MOST_QUEUES} queues"))
                        .hint("a landscape of this size belongs on RabbitMQ"),
                );
            }
            number += 1;
            missing.push(StoredQueue {
                number,
                name: name.to_owned(),
                channel: wanted(queue).map(str::to_owned),
                counts: Counts::default(),
                given: 0,
                last: 0,
            });
        }
        Ok(missing)
    }

    fn make(&self, topology: &Topology, queues: &[StoredQueue]) -> rusqlite::Result<()> {
        let transaction = self.store.connection.unchecked_transaction()?;
        for channel in &topology.channels {
            transaction.execute(
                "INSERT INTO channels (name, type_name) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                [channel.name.as_str(), channel.type_name.as_str()],
            )?;
        }
        for queue in queues {
            transaction.execute(
                "INSERT INTO queues (number, name, channel) VALUES (?1, ?2, ?3)",
                params![queue.number, queue.name, queue.channel],
            )?;
        }
        transaction.commit()
    }
}

fn wanted(queue: &Queue) -> Option<&str> {
    queue.channel.as_ref().map(ChannelName::as_str)
}

fn spoken(channel: Option<&str>) -> String {
    match channel {
        Some(name) => format!("channel `{name}`"),
        None => "no channel".to_owned(),
    }
}
