//! What the writer does after the answers: moves the log into the file, and gives space back to the disk.
//!
//! Never in the way of a commit by more than one step, never with a wait for a reader, and on a full disk only
//! where all of it fits.

use std::{fs, time::Duration};

use super::{
    disk::Room,
    store::{BUSY, PAGE, Store},
    writer::Writer,
};

/// How many pages the log gathers before they are moved into the file, and how many on a full disk.
const CHECKPOINT_PAGES: i64 = 2000;
const CHECKPOINT_PAGES_WHEN_FULL: i64 = 128;
/// Free pages that the file may keep for what comes next.
const SPARE_PAGES: i64 = 512;
/// How many pages are given back at a time: a bound on what a hop waits for it.
const STEP: u32 = 128;
/// Where there is always something to do, a step of it comes after so many groups, and more often where space
/// is needed.
const BUSY_STEPS: u32 = 1024;
const NEEDED_STEPS: u32 = 8;

impl Writer {
    /// After the answers: it takes its time.
    pub(super) fn upkeep(&mut self, idle: bool) {
        if self.desk.has_ended() {
            return;
        }
        if let Err(error) = self.keep_up(idle) {
            self.failure(error);
        }
    }

    fn keep_up(&mut self, idle: bool) -> rusqlite::Result<()> {
        let steps = match self.disk.room() {
            Room::Plenty => BUSY_STEPS,
            Room::Low | Room::Spent => NEEDED_STEPS,
        };
        self.groups += 1;
        self.loose |= !idle;
        self.resting = idle;
        if self.loose && (idle || self.groups >= steps) {
            self.groups = 0;
            self.loose = self.store.shrink()?;
            // The log as well, at the end or where space is needed.
            if ((idle && !self.loose) || steps == NEEDED_STEPS) && self.can_tidy()? {
                self.store.tidy()?;
            }
        }
        if steps == NEEDED_STEPS && !self.can_tidy()? {
            return Ok(());
        }
        self.store.checkpoint(steps == NEEDED_STEPS)
    }

    /// Whether the disk has room for what the log brings into the file: half moved, it would take room and give
    /// none back.
    pub(super) fn can_tidy(&self) -> rusqlite::Result<bool> {
        Ok(self.disk.has_room_for(self.store.growth()?))
    }
}

impl Store {
    /// Moves what was committed from the log into the file, when there is enough of it. SQLite would do so within
    /// a commit, and keep a failed flush of the file to itself.
    pub(super) fn checkpoint(&self, full: bool) -> rusqlite::Result<()> {
        let enough = if full {
            CHECKPOINT_PAGES_WHEN_FULL
        } else {
            CHECKPOINT_PAGES
        };
        let (logged, moved): (i64, i64) = self
            .connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
            .query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?;
        if logged - moved < enough {
            return Ok(());
        }
        self.connection
            .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
            .query_row([], |_| Ok(()))
    }

    /// Moves all of the log into the file, and cuts both to what they hold. Waits for nobody: where somebody
    /// reads, the rest stays for the next time.
    pub(super) fn tidy(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let tidied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(BUSY)?;
        tidied
    }

    /// Gives some free pages at the end of the file back to the disk; true if there are more.
    pub(super) fn shrink(&self) -> rusqlite::Result<bool> {
        if self.free_pages()? <= SPARE_PAGES {
            return Ok(false);
        }
        let mut shrink = self
            .connection
            .prepare(&format!("PRAGMA incremental_vacuum({STEP})"))?;
        let mut rows = shrink.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        Ok(self.free_pages()? > SPARE_PAGES)
    }

    /// By how many bytes the file grows when the log is moved into it.
    pub(super) fn growth(&self) -> rusqlite::Result<u64> {
        let pages: u32 = self
            .connection
            .prepare_cached("PRAGMA page_count")?
            .query_row([], |row| row.get(0))?;
        let there = fs::metadata(&self.path).map_or(0, |file| file.len());
        Ok((u64::from(pages) * PAGE).saturating_sub(there))
    }

    fn free_pages(&self) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached("PRAGMA freelist_count")?
            .query_row([], |row| row.get(0))
    }
}
