//! The way of a finished file: into `done`, or into `failed` when nothing of it was accepted, with what was rejected
//! beside it.
//!
//! Promises: nothing there is overwritten, a name that is taken gets a number; a crash at any moment leaves the file
//! in `processing`, from where this is done again under the same name.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::Offset};
use trunkline_sdk::Fault;

use crate::{
    claim::Claim,
    disk::{self, fault},
    folder::Stamp,
    options::Reading,
    rejects::{self, REASONS, REJECTED, beside},
    tally::Tally,
    unpack::is_packed,
    verdicts::Verdicts,
};

/// A file that is out of the way.
pub(crate) struct Finished {
    /// Where it is now.
    pub(crate) path: PathBuf,
    pub(crate) tally: Tally,
    pub(crate) has_failed: bool,
}

/// Moves a file whose records are all safe out of the way, so that it is there after a power loss too. `None`: the file
/// is gone, or another has taken its place.
///
/// Faults: `Stop` when the file was written to after it was read.
pub(crate) fn finish(
    claim: &Claim,
    mut verdicts: Verdicts,
    folder: &Path,
    reading: &Reading,
) -> Result<Option<Finished>, Fault> {
    let failed = |error: io::Error| fault("cannot move away", &claim.path, error);
    match fs::symlink_metadata(&claim.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => {
            let now = Stamp::of(&metadata.map_err(failed)?).map_err(failed)?;
            if now.identity != claim.stamp.identity {
                return Ok(None);
            }
            if now != claim.stamp {
                return Err(changed(&claim.name));
            }
        }
    }
    let tally = verdicts.tally.clone();
    let has_accepted = tally.read() > tally.rejected.total;
    let has_failed = tally.rejected.total > 0 && !has_accepted;
    let kept = match has_failed {
        true => reading.failed.clone(),
        false => reading.done_now(Timestamp::now()),
    };
    let target = match verdicts.target() {
        // Noted before a crash; the name was kept for it.
        Some(target) if is_reserved(&folder.join(target)) => target.to_owned(),
        _ => {
            let into = disk::make_folders(folder, &kept)
                .map_err(|error| fault("cannot make the folder", &folder.join(&kept), error))?;
            let name = reserve(&claim.name, &into, reading).map_err(failed)?;
            let target = kept.join(name);
            verdicts.note_target(&target).map_err(failed)?;
            target
        }
    };
    let path = folder.join(&target);
    if tally.rejected.total > 0 {
        rejects::write(claim, &verdicts, &path, reading, has_accepted)
            .map_err(|error| fault("cannot write beside", &path, error))?;
    }
    if let Some(marker) = &reading.marker {
        let from = claim.path.with_file_name(marker.of(&claim.name));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match fs::rename(from, path.with_file_name(marker.of(&name))) {
            // It was moved before a crash.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved.map_err(failed)?,
        }
    }
    fs::rename(&claim.path, &path).map_err(failed)?;
    for folder in [path.parent(), claim.path.parent(), Some(folder)]
        .into_iter()
        .flatten()
    {
        disk::sync_folder(folder).map_err(failed)?;
    }
    verdicts.remove().map_err(failed)?;
    Ok(Some(Finished {
        path,
        tally,
        has_failed,
    }))
}

/// The file was written to after reading had begun: its records came from two versions of it.
pub(crate) fn changed(name: &str) -> Fault {
    Fault::stop(format!("file `{name}` was changed while it was read")).hint(
        "it stands in `processing`: put it back as it was, or move it away and drop it under a new name to have all \
         of it sent as new; writers should write `name.part` and rename it when it is complete",
    )
}

/// Keeps a free name for a file: that of an empty one, which the file replaces. Its companions' names are free too.
fn reserve(name: &str, folder: &Path, reading: &Reading) -> io::Result<String> {
    let plain = match is_packed(name) {
        true => &name[..name.len() - 3],
        false => name,
    };
    let (stem, extension) = name.split_at(plain.rfind('.').unwrap_or(plain.len()));
    let is_free = |path: PathBuf| {
        let found = fs::symlink_metadata(path);
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let mut number = 1_u64;
    loop {
        let name = match number {
            1 => name.to_owned(),
            _ => format!("{stem}.{number}{extension}"),
        };
        number += 1;
        let target = folder.join(&name);
        let marker = reading
            .marker
            .as_ref()
            .map(|marker| folder.join(marker.of(&name)));
        let companions = [beside(&target, REJECTED), beside(&target, REASONS)].into_iter();
        if !companions.chain(marker).all(is_free) {
            continue;
        }
        match OpenOptions::new().write(true).create_new(true).open(&target) {
            Ok(_) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_reserved(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

impl Reading {
    /// The folder for what is finished now, below the drop folder.
    fn done_now(&self, now: Timestamp) -> PathBuf {
        let day = Offset::UTC.to_datetime(now).date();
        match self.by_date {
            true => Path::new(&self.done).join(day.strftime("%Y/%m/%d").to_string()),
            false => PathBuf::from(&self.done),
        }
    }
}
