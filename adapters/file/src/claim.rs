//! A claim: a file that is read here and nowhere else.
//!
//! Promises: of many that want a file one gets it, for it is moved into `processing`, and locked there; a claim of a
//! process that died is taken up by another, for its lock died too.
//! Not promised: this on a file system without locks.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use trunkline_sdk::Fault;

use crate::{
    disk::{self, fault},
    folder::{Stamp, Waiting},
    format::Format,
    options::Reading,
};

/// The folder, within the drop folder, of the files that are being read.
pub(crate) const PROCESSING: &str = "processing";

/// A file that is ours for as long as this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) name: String,
    /// In `processing`.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// As it was when it became ours.
    pub(crate) stamp: Stamp,
    /// Whether it was in `processing` already, and may have been read in part.
    pub(crate) is_taken_up: bool,
    _lock: File,
}

impl Claim {
    /// Claims a file that waits in the folder. `None`: another was faster, one of its name is still being read, or it
    /// has changed just now.
    pub(crate) fn take(
        folder: &Path,
        reading: &Reading,
        name: &str,
        file: &Waiting,
    ) -> Result<Option<Arc<Self>>, Fault> {
        let failed = |error| fault("cannot claim", &file.path, error);
        let processing = processing(folder)?;
        let path = processing.join(name);
        if let Some(marker) = &reading.marker {
            // Before the file: it must not speak for the next one of its name.
            let marker = marker.of(name);
            match disk::move_new(&folder.join(&marker), &processing.join(&marker)) {
                Err(error)
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                    ) =>
                {
                    return Err(failed(error));
                }
                _ => {}
            }
        }
        match disk::move_new(&file.path, &path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                ) =>
            {
                return Ok(None);
            }
            moved => moved.map_err(failed)?,
        }
        let Some(mut claim) = Self::lock(path, name, file.format)? else {
            return Ok(None);
        };
        if claim.stamp != file.stamp {
            // Somebody still writes to it: it waits on, unless there is a newer one.
            let _ = disk::move_new(&claim.path, &file.path);
            return Ok(None);
        }
        claim.is_taken_up = false;
        Ok(Some(Arc::new(claim)))
    }

    /// Takes up what is in `processing`. `None`: another reads it, or has just finished.
    pub(crate) fn take_up(folder: &Path, name: &str, format: Format) -> Result<Option<Arc<Self>>, Fault> {
        let claim = Self::lock(folder.join(PROCESSING).join(name), name, format)?;
        Ok(claim.map(Arc::new))
    }

    fn lock(path: PathBuf, name: &str, format: Format) -> Result<Option<Self>, Fault> {
        let locked = || -> io::Result<Option<(File, Stamp)>> {
            // Of the entry itself: links are not followed.
            let metadata = fs::symlink_metadata(&path)?;
            if !metadata.is_file() {
                return Ok(None);
            }
            let file = File::open(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => {}
            }
            // It may have been moved on before the lock was ours.
            let now = Stamp::of(&fs::symlink_metadata(&path)?)?;
            let is_it = Stamp::of(&file.metadata()?)?.identity == now.identity;
            Ok(is_it.then_some((file, now)))
        };
        match locked() {
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault("cannot lock", &path, error)),
            Ok(Some((lock, stamp))) => Ok(Some(Self {
                name: name.to_owned(),
                path,
                format,
                stamp,
                is_taken_up: true,
                _lock: lock,
            })),
        }
    }
}

/// The folder of the files that are being read; it is made where it is missing.
fn processing(folder: &Path) -> Result<PathBuf, Fault> {
    disk::make_folders(folder, Path::new(PROCESSING)).map_err(|error| no_processing(folder, error))
}

/// What it means that this folder cannot be used.
pub(crate) fn no_processing(folder: &Path, error: io::Error) -> Fault {
    let path = folder.join(PROCESSING);
    match error.kind() {
        io::ErrorKind::NotADirectory => Fault::stop(format!("{} is no folder", path.display()))
            .hint("files that are being read stand there; move what has its name away")
            .because(error),
        _ => fault("cannot use the folder", &path, error),
    }
}
