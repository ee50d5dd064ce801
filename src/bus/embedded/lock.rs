//! One process at a time in a folder: a locked file that names its holder.
//!
//! The kernel lets go of the lock when the process dies, however it dies; what the file says is for people.
//! The file stays: removing it would let two processes lock two files of one name.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, Unit};
use trunkline_sdk::Fault;

const NAME: &str = "bus.lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of this folder, which is made if it is missing.
    pub(super) fn take(folder: &Path) -> Result<Self, Fault> {
        make(folder).map_err(|error| no_access(folder, "cannot make the folder", error))?;
        let path = folder.join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| no_access(&path, "cannot write", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(folder, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(no_access(&path, "cannot lock", error));
            }
        }
        match sign(&mut file) {
            // The lock holds without a word, and a full disk has to be opened to make room on it.
            Err(error) if error.kind() != io::ErrorKind::StorageFull => {
                return Err(no_access(&path, "cannot write", error));
            }
            _ => {}
        }
        Ok(Self { _file: file })
    }
}

/// Makes the folder, for its owner only (messages are nobody else's business), and durably.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    #[cfg(unix)]
    File::open(parent)?.sync_all()?;
    Ok(())
}

fn sign(file: &mut File) -> io::Result<()> {
    let since = Timestamp::now()
        .round(Unit::Second)
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let words = format!("process {} since {since}\n", std::process::id());
    // Over what is there, then cut: on a full disk an empty file could not be written to any more.
    file.rewind()?;
    file.write_all(words.as_bytes())?;
    file.set_len(words.len() as u64)
}

fn held(folder: &Path, file: &mut File) -> Fault {
    let mut holder = String::new();
    let told = file.take(200).read_to_string(&mut holder).is_ok();
    let holder = holder.trim();
    let holder = if told && !holder.is_empty() {
        holder
    } else {
        "another process"
    };
    Fault::stop(format!(
        "the embedded bus in `{}` is in use by {holder}",
        folder.display()
    ))
    .hint("stop that process first; several processes share a bus on RabbitMQ: `bus: amqps://…`")
}

fn no_access(path: &Path, what: &str, error: io::Error) -> Fault {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "give the user that runs trunkline the right to write there",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: choose another folder",
        io::ErrorKind::StorageFull => "make room on the disk",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is in the way: choose another folder"
        }
        _ => "the embedded bus needs a folder on a local disk",
    };
    Fault::stop(format!("{what} `{}`: {error}", path.display()))
        .hint(hint)
        .because(error)
}
