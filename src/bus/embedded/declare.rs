//! What must be there before the first message.

use std::collections::{BTreeMap, HashMap};

use rusqlite::params;
use trunkline_sdk::Fault;

use super::{
    store::{self, Counts, MOST_QUEUES, StoredQueue},
    writer::{Channel, Writer},
};
use crate::{
    bus::{Queue, Takes, Topology},
    names::{ChannelName, QueueName},
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
        let stale = self.stale(topology)?;
        let new = self.missing(topology, &stale)?;
        self.make(topology, &new, &stale)
            .map_err(|error| self.store.fault(error))?;
        for (name, number) in &stale {
            self.desk.remove(name);
            self.queues.remove(name);
            for channel in self.channels.values_mut() {
                channel.queues.retain(|(queue, _)| queue != number);
            }
        }
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

    /// The queues of flows whose channel is shared out otherwise now than before: in another number of partitions, or
    /// in one queue. They are replaced, by name and number, if they are empty.
    fn stale(&self, topology: &Topology) -> Result<Vec<(String, u16)>, Fault> {
        let mut flows: BTreeMap<String, Vec<&Queue>> = BTreeMap::new();
        for queue in topology.queues.iter().filter(|queue| queue.channel.is_some()) {
            flows.entry(flow_of(queue.name.as_str())).or_default().push(queue);
        }
        let mut stale = Vec::new();
        let mut problems = Vec::new();
        for (flow, wanted) in flows {
            let is_wanted = |name: &str, takes: Takes| {
                wanted
                    .iter()
                    .any(|queue| queue.name.as_str() == name && queue.takes == takes)
            };
            let mut old: Vec<_> = self
                .queues
                .iter()
                .filter(|(name, queue)| {
                    queue.channel.is_some() && flow_of(name) == flow && !is_wanted(name, queue.takes)
                })
                .collect();
            old.sort_by_key(|(_, queue)| queue.number);
            let Some((_, first)) = old.first() else { continue };
            let (mut waiting, mut parked, mut is_read) = (0, 0, false);
            for (name, queue) in &old {
                let depth = self.desk.depth(&QueueName::stored(name))?;
                waiting += depth.ready + depth.unsettled + depth.delayed;
                parked += depth.parked;
                is_read |= self.desk.is_read(queue.number);
            }
            if waiting + parked > 0 || is_read {
                let reading = if is_read { ", which are being read" } else { "" };
                problems.push(format!(
                    "the queues of `{flow}` take {} here and {} now, but the old ones hold {waiting} waiting and \
                     {parked} parked messages{reading}",
                    shape(first.takes),
                    shape(wanted[0].takes),
                ));
            }
            stale.extend(old.into_iter().map(|(name, queue)| (name.clone(), queue.number)));
        }
        if problems.is_empty() {
            return Ok(stale);
        }
        Err(Fault::stop(problems.join("; ")).hint(
            "run the flow as it was until its queues are empty, replay or discard what is parked there, and change \
             it then: of a key some messages would be worked on here and some there",
        ))
    }

    /// The queues that are not there yet, with their numbers.
    fn missing(&self, topology: &Topology, stale: &[(String, u16)]) -> Result<Vec<StoredQueue>, Fault> {
        let mut number = self.queues.values().map(|queue| queue.number).max().unwrap_or(0);
        let mut missing: Vec<StoredQueue> = Vec::new();
        for queue in &topology.queues {
            let name = queue.name.as_str();
            let is_there = self.queues.contains_key(name) && !stale.iter().any(|(stale, _)| stale == name);
            if is_there || missing.iter().any(|queue| queue.name == name) {
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
                takes: queue.takes,
                counts: Counts::default(),
                given: 0,
                last: 0,
            });
        }
        Ok(missing)
    }

    fn make(
        &self,
        topology: &Topology,
        queues: &[StoredQueue],
        stale: &[(String, u16)],
    ) -> rusqlite::Result<()> {
        let transaction = self.store.connection.unchecked_transaction()?;
        for (_, number) in stale {
            transaction.execute("DELETE FROM queues WHERE number = ?1", [number])?;
        }
        for channel in &topology.channels {
            transaction.execute(
                "INSERT INTO channels (name, type_name) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                [channel.name.as_str(), channel.type_name.as_str()],
            )?;
        }
        for queue in queues {
            transaction.execute(
                "INSERT INTO queues (number, name, channel, takes) VALUES (?1, ?2, ?3, ?4)",
                params![queue.number, queue.name, queue.channel, store::word(queue.takes)],
            )?;
        }
        transaction.commit()
    }
}

/// The first two words of a queue's name: `orders.ship` of `orders.ship.3`.
fn flow_of(name: &str) -> String {
    name.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

fn shape(takes: Takes) -> String {
    match takes {
        Takes::All => "all messages in one".to_owned(),
        Takes::Partition(partition) => format!("{} partitions", partition.of),
        Takes::Unkeyed => "messages without a key".to_owned(),
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
