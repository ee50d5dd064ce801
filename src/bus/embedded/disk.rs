//! The room on the disk: a mark below which nothing new is accepted, and a reserve for what must go on.
//!
//! A full SQLite file cannot even let go of a message: an ack is written before it frees anything, and opening
//! needs room as well. So sources are refused while there is still room, and when somebody else has taken the
//! rest, a file that only holds its place is given up for acks, retries, parking and reopening.
//!
//! Not promised: that the reserve suffices for a body of nearly its size; that waits for room.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};
use tracing::{info, warn};
use trunkline_sdk::Fault;

use crate::{
    bus::{Destination, Hop},
    recovery::Rung,
};

const NAME: &str = "bus.reserve";
/// What the reserve holds: the log between two clearings of a full disk, and the index of the log.
pub(super) const RESERVE: u64 = 16 << 20;
/// Left for the index of the log, and for others.
const SLACK: u64 = 1 << 20;
/// The mark is 5 % of the disk, within these bounds, and never more than a quarter of it.
const LEAST_MARK: u64 = 256 << 20;
const MOST_MARK: u64 = 4 << 30;

/// The disk under a folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    /// Free bytes below which nothing new is accepted; `None`: by the size of the disk.
    mark: Option<u64>,
    room: Room,
    has_reserve: bool,
    /// The reserve cannot be made though there is room: a limit on files, a quota. It is not tried again.
    without: bool,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Enough.
    Plenty,
    /// Below the mark: nothing new from sources.
    Low,
    /// The reserve is in use: only what makes room, or takes no more of it.
    Spent,
}

impl Disk {
    /// The disk under this folder; not looked at yet.
    pub(super) fn under(folder: &Path, mark: Option<u64>) -> Self {
        Self {
            folder: folder.to_owned(),
            mark,
            room: Room::Plenty,
            has_reserve: folder.join(NAME).exists(),
            without: false,
        }
    }

    /// Takes the reserve if there is none, and room for it and as much again.
    pub(super) fn prepare(&mut self) {
        if !self.has_reserve && self.measure().is_some_and(|(free, _)| free >= 2 * RESERVE) {
            self.has_reserve = self.fill();
        }
        self.look();
    }

    /// How much room there is now. A reserve that was given up is taken back from what lies above the mark.
    pub(super) fn look(&mut self) -> Room {
        let Some((free, mark)) = self.measure() else {
            // A file system that does not say: a full one still says so itself.
            return self.room;
        };
        let is_enough = free >= mark.saturating_add(RESERVE);
        if !self.has_reserve && is_enough && !self.without {
            self.has_reserve = self.fill();
            self.without = !self.has_reserve;
            if self.without {
                warn!(folder = %self.folder.display(), "there is room, but none for the reserve: a full disk will stop acks as well");
            }
        }
        let room = match self.has_reserve {
            true if free >= mark => Room::Plenty,
            true => Room::Low,
            false if is_enough => Room::Plenty,
            false => Room::Spent,
        };
        self.tell(room, free, mark);
        room
    }

    /// What the last look saw.
    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// Whether this folder held a bus before: the reserve is made when the first is open.
    pub(super) fn was_used(folder: &Path) -> bool {
        folder.join(NAME).exists()
    }

    /// Gives up the reserve; false if there is none.
    pub(super) fn release(&mut self) -> bool {
        if !std::mem::replace(&mut self.has_reserve, false) {
            return false;
        }
        self.room = Room::Spent;
        match fs::remove_file(self.folder.join(NAME)) {
            Ok(()) => {
                warn!(folder = %self.folder.display(), "the disk is full: the embedded bus lives on its reserve");
                true
            }
            Err(_) => false,
        }
    }

    /// Why this hop has to wait; `None`: it can be done.
    pub(super) fn refusal(&self, hop: &Hop) -> Option<Fault> {
        let adds = match self.room {
            Room::Plenty => false,
            Room::Low => hop.inputs.is_empty() && !hop.outputs.is_empty(),
            // What is forwarded may be much more than what it comes from.
            Room::Spent => hop
                .outputs
                .iter()
                .any(|output| hop.inputs.is_empty() || matches!(output.to, Destination::Channel(_))),
        };
        adds.then(|| {
            Fault::wait(
                format!(
                    "the disk that holds `{}` is nearly full, and the bus accepts nothing new",
                    self.folder.display()
                ),
                Rung::Second1.delay(),
            )
            .hint("make room on it; what is on the bus is still delivered, and the bus goes on by itself")
        })
    }

    /// Whether so many bytes more can be written, and something small beside them.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.measure()
            .is_none_or(|(free, _)| bytes == 0 || free >= bytes.saturating_add(SLACK))
    }

    /// Free bytes, and the mark.
    fn measure(&self) -> Option<(u64, u64)> {
        let seen = statvfs(&self.folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(seen.f_frsize);
        let mark = self.mark.unwrap_or_else(|| mark(bytes(seen.f_blocks)));
        Some((bytes(seen.f_bavail), mark))
    }

    fn tell(&mut self, room: Room, free: u64, mark: u64) {
        let before = std::mem::replace(&mut self.room, room);
        let (folder, free, mark) = (self.folder.display(), free >> 20, mark >> 20);
        match (before, room) {
            (Room::Plenty, Room::Low | Room::Spent) => {
                warn!(%folder, free_mib = free, mark_mib = mark, "the disk is nearly full: the embedded bus accepts nothing new");
            }
            (Room::Low | Room::Spent, Room::Plenty) => {
                info!(%folder, free_mib = free, "there is room again: the embedded bus accepts messages");
            }
            _ => {}
        }
    }

    /// Makes the file, its place on the disk taken; false if there is no room for it.
    fn fill(&self) -> bool {
        let path = self.folder.join(NAME);
        let made = allocate(&path);
        if made.is_err() {
            // Half of it would be in the way. If it cannot be removed, there is nothing left to try.
            let _hopeless = fs::remove_file(&path);
        }
        made.is_ok()
    }
}

/// Free bytes below which nothing new is accepted, on a disk of this size.
fn mark(size: u64) -> u64 {
    (size / 20).clamp(LEAST_MARK, MOST_MARK).min(size / 4)
}

fn allocate(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, RESERVE) {
        Ok(()) => {}
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(&file)?,
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

fn write_zeros(mut file: &File) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    for _ in 0..RESERVE >> 20 {
        file.write_all(&zeros)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_a_share_of_the_disk_within_bounds() {
        let gib = 1 << 30;
        assert_eq!(mark(gib / 2), gib / 8);
        assert_eq!(mark(2 * gib), LEAST_MARK);
        assert_eq!(mark(20 * gib), gib);
        assert_eq!(mark(2000 * gib), MOST_MARK);
    }
}
