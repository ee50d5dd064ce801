//! What a landscape needs against what the file has. Reads beside a running process; changes nothing.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OpenFlags};
use trunkline_sdk::Fault;

use super::store::{self, NAME};
use crate::{
    bus::{Difference, DifferenceKind, Takes, Topology},
    names::ChannelName,
};

/// All differences of the bus in this folder; a folder that is not there has nothing.
///
/// Faults: [`trunkline_sdk::Remedy::Stop`] when the file cannot be read.
pub fn differences(folder: &Path, topology: &Topology) -> Result<Vec<Difference>, Fault> {
    let file = folder.join(NAME);
    let found = if file.exists() {
        Found::read(&file).map_err(|error| {
            Fault::stop(format!("the bus's file {} cannot be read", file.display())).because(error)
        })?
    } else {
        Found::default()
    };
    Ok(found.differences(topology))
}

/// Channels with their types; queues with their channels, and how many messages they hold.
#[derive(Default)]
struct Found {
    channels: BTreeMap<String, String>,
    queues: BTreeMap<String, (Option<String>, Takes, u64)>,
}

impl Found {
    fn read(file: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        let mut channels = connection.prepare("SELECT name, type_name FROM channels")?;
        let channels = channels.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // A file that an earlier version wrote has queues that take all.
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let takes = if version < 3 { "'all'" } else { "takes" };
        let mut queues = connection.prepare(&format!(
            "SELECT name, channel, {takes}, waiting + delayed + parked FROM queues"
        ))?;
        let queues = queues.query_map([], |row| {
            let count: i64 = row.get(3)?;
            let takes = store::takes(row.get_ref(2)?.as_str()?)?;
            Ok((
                row.get(0)?,
                (row.get(1)?, takes, u64::try_from(count).unwrap_or_default()),
            ))
        })?;
        Ok(Self {
            channels: channels.collect::<rusqlite::Result<_>>()?,
            queues: queues.collect::<rusqlite::Result<_>>()?,
        })
    }

    fn differences(&self, topology: &Topology) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut tell = |kind, thing, name: &str, what: String, mend: Option<&str>| {
            found.push(Difference {
                kind,
                thing,
                name: name.to_owned(),
                what,
                mend: mend.map(ToOwned::to_owned),
            });
        };
        let anew = "take another name for it; or let the bus run empty, and move its folder away";
        for channel in &topology.channels {
            let (name, wanted) = (channel.name.as_str(), channel.type_name.as_str());
            match self.channels.get(name) {
                None => tell(DifferenceKind::Missing, "channel", name, wanted.to_owned(), None),
                Some(there) if there == wanted => {}
                Some(there) => {
                    let what = format!("carries {there}, should carry {wanted}");
                    tell(DifferenceKind::Otherwise, "channel", name, what, Some(anew));
                }
            }
        }
        for queue in &topology.queues {
            let (name, wanted) = (
                queue.name.as_str(),
                queue.channel.as_ref().map(ChannelName::as_str),
            );
            match self.queues.get(name) {
                None => tell(DifferenceKind::Missing, "queue", name, bound(wanted), None),
                Some((there, takes, _)) if there.as_deref() == wanted && *takes == queue.takes => {}
                Some((there, takes, _)) if there.as_deref() == wanted => {
                    let what = format!("takes {takes}, should take {}", queue.takes);
                    let mend = "run the flow as it was until its queues are empty and nothing is parked there; \
                                then it is made anew by itself";
                    tell(DifferenceKind::Otherwise, "queue", name, what, Some(mend));
                }
                Some((there, ..)) => {
                    let what = format!("{}, should be {}", bound(there.as_deref()), bound(wanted));
                    tell(DifferenceKind::Otherwise, "queue", name, what, Some(anew));
                }
            }
        }
        for (name, (channel, _, count)) in &self.queues {
            if !topology.queues.iter().any(|queue| queue.name.as_str() == name) {
                let plural = if *count == 1 { "" } else { "s" };
                let what = format!(
                    "{}, and no flow of the landscape reads it ({count} message{plural})",
                    bound(channel.as_deref())
                );
                let mend = "run the flow under its old name until its queue is empty";
                tell(DifferenceKind::Orphan, "queue", name, what, Some(mend));
            }
        }
        found.sort_by_key(|difference| difference.kind);
        found
    }
}

fn bound(channel: Option<&str>) -> String {
    match channel {
        Some(channel) => format!("bound to channel {channel}"),
        None => "for parked records only".to_owned(),
    }
}
