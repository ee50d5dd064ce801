//! The folder: which files wait in it, which of them are quiet, and the way into `done`.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Metadata, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use trunkline_sdk::Fault;

use crate::{format::Format, options::Reading};

/// Of more files than this the first by name are seen; the others when these are done.
const MOST_FILES: usize = 1_000;

/// A file that waits to be read.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) stamp: Stamp,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    /// Device and number of the file itself, whatever its name; 0 where the system does not tell.
    pub(crate) identity: (u64, u64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Self> {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let identity = (0, 0);
        Ok(Self {
            size: metadata.len(),
            modified: metadata.modified()?,
            identity,
        })
    }
}

/// The files that wait, by name, ready or not. Left out: dot files, `.part`, `.tmp`, whatever is no plain file
/// (folders, links: a link could lead out of the folder), and names that are none of ours. `also` is seen even
/// behind many others.
pub(crate) fn scan(
    folder: &Path,
    reading: &Reading,
    also: Option<&str>,
) -> Result<BTreeMap<String, Waiting>, Fault> {
    let listed = |error| fault("cannot list", folder, error);
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(listed)? {
        let entry = entry.map_err(listed)?;
        // A name that is no text is told apart by its content's hash.
        let name = entry.file_name().to_string_lossy().into_owned();
        let lower = name.to_lowercase();
        if name.starts_with('.') || lower.ends_with(".part") || lower.ends_with(".tmp") {
            continue;
        }
        let Some(format) = reading.format_of(&name) else {
            continue;
        };
        // Of the entry itself: links are not followed.
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(|error| fault("cannot look at", &entry.path(), error))?,
        };
        if !metadata.is_file() {
            continue;
        }
        let stamp = Stamp::of(&metadata).map_err(|error| fault("cannot look at", &entry.path(), error))?;
        let path = entry.path();
        files.insert(name, Waiting { path, format, stamp });
        if files.len() > MOST_FILES
            && let Some(last) = files.keys().rev().find(|name| Some(name.as_str()) != also)
        {
            let last = last.clone();
            files.remove(&last);
        }
    }
    Ok(files)
}

/// Remembers since when a file has not changed.
#[derive(Debug, Default)]
pub(crate) struct Watch(HashMap<String, (Stamp, Instant)>);

impl Watch {
    /// The files that are quiet: unchanged since we looked at least `poll` ago, or not written to for two.
    pub(crate) fn ready(
        &mut self,
        files: BTreeMap<String, Waiting>,
        poll: Duration,
        (now, clock): (Instant, SystemTime),
    ) -> Vec<(String, Waiting)> {
        self.0.retain(|name, _| files.contains_key(name));
        let mut ready = Vec::new();
        for (name, file) in files {
            let (stamp, since) = self.0.entry(name.clone()).or_insert((file.stamp, now));
            if *stamp != file.stamp {
                (*stamp, *since) = (file.stamp, now);
            }
            // A time in the future tells nothing.
            let age = clock.duration_since(file.stamp.modified);
            let is_old = age.is_ok_and(|age| age > 2 * poll);
            if is_old || now.duration_since(*since) >= poll {
                ready.push((name, file));
            }
        }
        ready
    }
}

/// Moves a file whose records are all safe into `done`, so that it is there after a power loss too. Overwrites
/// nothing: a name that is taken gets a number. False: the file is gone, or another has taken its place, which is new.
///
/// Faults: `Stop` when the file was written to after it was read.
pub(crate) fn finish(name: &str, file: &Waiting, done: &Path) -> Result<bool, Fault> {
    let failed = |error| fault("cannot move into `done`:", &file.path, error);
    match fs::symlink_metadata(&file.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        metadata => {
            let now = Stamp::of(&metadata.map_err(failed)?).map_err(failed)?;
            if now.identity != file.stamp.identity {
                return Ok(false);
            }
            if now != file.stamp {
                return Err(changed(name));
            }
        }
    }
    fs::create_dir_all(done).map_err(failed)?;
    // The empty file keeps the name for us until the rename puts ours in its place.
    let target = reserve(name, done).map_err(failed)?;
    if let Err(error) = fs::rename(&file.path, &target) {
        let _ = fs::remove_file(&target);
        return Err(failed(error));
    }
    sync_folder(done).map_err(failed)?;
    file.path.parent().map_or(Ok(()), sync_folder).map_err(failed)?;
    Ok(true)
}

/// The file was written to after reading had begun: its records came from two versions of it.
pub(crate) fn changed(name: &str) -> Fault {
    Fault::stop(format!("file `{name}` was changed while it was read")).hint(
        "put it back as it was, or drop it under a new name to have all of it sent as new; \
         writers should write `name.part` and rename it when it is complete",
    )
}

/// What an error of the file system means: without permission nothing works until a person acts, all else may pass.
pub(crate) fn fault(what: &str, path: &Path, error: io::Error) -> Fault {
    let told = format!("{what} {}: {}", path.display(), error.kind());
    let fault = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Fault::stop(told)
            .hint("the user that runs trunkline must be allowed to read the folder and to move files in it"),
        _ => Fault::reopen(told),
    };
    fault.because(error)
}

fn reserve(name: &str, done: &Path) -> io::Result<PathBuf> {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) => (stem, format!(".{extension}")),
        None => (name, String::new()),
    };
    let mut number = 1_u64;
    loop {
        let target = match number {
            1 => done.join(name),
            _ => done.join(format!("{stem}.{number}{extension}")),
        };
        match OpenOptions::new().write(true).create_new(true).open(&target) {
            Ok(_) => return Ok(target),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A rename is on disk when its folders are.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => fs::File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Remedy;

    use super::*;

    const POLL: Duration = Duration::from_secs(1);

    fn file(size: u64, modified: SystemTime) -> BTreeMap<String, Waiting> {
        let stamp = Stamp {
            size,
            modified,
            identity: (0, 1),
        };
        let waiting = Waiting {
            path: "in/a.csv".into(),
            format: Format::Csv,
            stamp,
        };
        BTreeMap::from([("a.csv".to_owned(), waiting)])
    }

    #[test]
    fn a_file_is_ready_when_it_has_not_changed_for_a_poll() {
        // given
        let mut watch = Watch::default();
        let (start, clock) = (Instant::now(), SystemTime::now());
        let mut is_ready = |size, after: Duration| {
            let ready = watch.ready(file(size, clock), POLL, (start + after, clock));
            !ready.is_empty()
        };
        // when, then
        assert!(!is_ready(1, Duration::ZERO));
        assert!(!is_ready(1, POLL / 2), "looked at twice within a poll");
        assert!(!is_ready(2, POLL), "it has grown");
        assert!(!is_ready(2, POLL * 3 / 2));
        assert!(is_ready(2, POLL * 2));
    }

    #[test]
    fn a_file_is_ready_at_once_when_it_is_older_than_two_polls() {
        let now = Instant::now();
        let clock = SystemTime::now();
        let is_ready = |modified| {
            let ready = Watch::default().ready(file(1, modified), POLL, (now, clock));
            !ready.is_empty()
        };
        assert!(is_ready(clock - 3 * POLL));
        assert!(!is_ready(clock - 2 * POLL));
        assert!(!is_ready(clock + 3 * POLL), "a time in the future tells nothing");
    }

    #[test]
    fn of_very_many_files_the_first_are_seen_and_the_one_that_was_begun() {
        // given
        let folder = tempfile::tempdir().expect("there is room");
        for number in 0..MOST_FILES + 10 {
            fs::write(folder.path().join(format!("{number:05}.csv")), "").expect("there is room");
        }
        let reading = Reading::read(&trunkline_sdk::Settings::of([])).expect("defaults are right");
        // when
        let files = scan(folder.path(), &reading, Some("01005.csv")).expect("it can be read");
        // then
        assert_eq!(files.len(), MOST_FILES);
        assert!(files.contains_key("00000.csv") && files.contains_key("01005.csv"));
        assert!(!files.contains_key("01004.csv"));
    }

    #[test]
    fn a_refusal_needs_a_person_and_other_faults_may_pass() {
        for (kind, remedy) in [
            (io::ErrorKind::PermissionDenied, Remedy::Stop),
            (io::ErrorKind::ReadOnlyFilesystem, Remedy::Stop),
            (io::ErrorKind::NotFound, Remedy::Reopen),
            (io::ErrorKind::StorageFull, Remedy::Reopen),
        ] {
            assert_eq!(fault("cannot read", Path::new("in"), kind.into()).remedy, remedy);
        }
    }
}
