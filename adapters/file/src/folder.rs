//! The folder: which files wait in it, which of them are quiet, and which were left half-read.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use trunkline_sdk::Fault;

use crate::{
    claim::{self, PROCESSING},
    disk::fault,
    format::Format,
    options::Reading,
    verdicts,
};

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
/// (folders, links: a link could lead out of the folder), names that are none of ours, and what lacks its marker. `also`
/// is seen even behind many others.
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
        if !is_marked(folder, reading, &name) {
            continue;
        }
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

/// Whether the file has its marker, where files have one. It may have been claimed already, and its file not yet.
fn is_marked(folder: &Path, reading: &Reading, name: &str) -> bool {
    let Some(marker) = &reading.marker else {
        return true;
    };
    let marker = marker.of(name);
    let is_there = |path: PathBuf| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let processing = folder.join(PROCESSING);
    is_there(folder.join(&marker)) || is_there(processing.join(&marker)) && !is_there(processing.join(name))
}

/// The files of ours that are in `processing`, by name: those of a process that died, and those that another reads.
/// What was noted of a file that is not there any more is taken away.
pub(crate) fn left(folder: &Path, reading: &Reading) -> Result<BTreeMap<String, Format>, Fault> {
    let processing = folder.join(PROCESSING);
    let listed = |error| claim::no_processing(folder, error);
    let mut left = BTreeMap::new();
    // Of the entry itself: a link could lead anywhere.
    match fs::symlink_metadata(&processing) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
        Ok(metadata) if !metadata.is_dir() => return Err(listed(io::ErrorKind::NotADirectory.into())),
        metadata => metadata.map_err(listed)?,
    };
    let entries = fs::read_dir(&processing).map_err(listed)?;
    for entry in entries {
        let name = entry.map_err(listed)?.file_name().to_string_lossy().into_owned();
        if let Some((of, number)) = verdicts::file_of(&name) {
            // A file comes before its notes, and goes before them.
            let is_there = fs::symlink_metadata(processing.join(of))
                .and_then(|metadata| Stamp::of(&metadata))
                .is_ok_and(|stamp| stamp.identity.1 == number);
            if !is_there && reading.format_of(of).is_some() {
                let _ = fs::remove_file(processing.join(&name));
            }
        } else if let Some(format) = reading.format_of(&name) {
            left.insert(name, format);
        }
    }
    Ok(left)
}

/// Remembers since when a file has not changed.
#[derive(Debug, Default)]
pub(crate) struct Watch(HashMap<String, (Stamp, Instant)>);

impl Watch {
    /// The files that are quiet: unchanged since we looked at least `quiet` ago, or not written to for twice as long.
    pub(crate) fn ready(
        &mut self,
        files: BTreeMap<String, Waiting>,
        quiet: Duration,
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
            let is_old = age.is_ok_and(|age| age > 2 * quiet);
            if is_old || now.duration_since(*since) >= quiet {
                ready.push((name, file));
            }
        }
        ready
    }
}

#[cfg(test)]
mod tests {
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
}
