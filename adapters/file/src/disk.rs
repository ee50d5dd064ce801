//! The file system: what its errors mean, renames that overwrite nothing, and files that come to be whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use trunkline_sdk::Fault;

/// What an error of the file system means: without permission nothing works until a person acts, all else may pass.
pub(crate) fn fault(what: &str, path: &Path, error: io::Error) -> Fault {
    let told = format!("{what} {}: {}", path.display(), error.kind());
    let fault = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Fault::stop(told)
            .hint("the user that runs trunkline must be allowed to read the folder and to move files in it"),
        io::ErrorKind::CrossesDevices => Fault::stop(told)
            .hint("only within one file system a file is moved in one step; mount the whole folder, not parts of it"),
        _ => Fault::reopen(told),
    };
    fault.because(error)
}

/// Renames. Error: `AlreadyExists` when the new name is taken.
pub(crate) fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system knows this.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return renamed.map_err(io::Error::from),
        }
    }
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// Makes the folders of this path within one that is there, one by one. Error: `NotADirectory` where something else has
/// the name; a link is something else, for it could lead anywhere.
pub(crate) fn make_folders(root: &Path, below: &Path) -> io::Result<PathBuf> {
    let mut folder = root.to_owned();
    for name in below.components() {
        folder.push(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&folder)?.is_dir() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
            }
            made => {
                made?;
                folder.parent().map_or(Ok(()), sync_folder)?;
            }
        }
    }
    Ok(folder)
}

/// A rename is on disk when its folders are.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

/// A file that is being written, under a name that nobody reads. Dropped, it is gone. What a process leaves that was
/// killed is not locked any more: [`sweep`] takes it away.
pub(crate) struct Draft {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

/// What the names of drafts begin and end with.
const DRAFT: (&str, &str) = (".trunkline-", ".part");

impl Draft {
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(
                "{}{:x}-{number:x}{}",
                DRAFT.0,
                std::process::id(),
                DRAFT.1
            ));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                // Of another machine, or of a process that had this number before.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                opened => {
                    let file = opened?;
                    let draft = Self {
                        path,
                        file: Some(BufWriter::new(file)),
                    };
                    if let Some(file) = &draft.file {
                        file.get_ref().lock()?;
                    }
                    return Ok(draft);
                }
            }
        }
    }

    /// Gives the file its name, with all its content on disk; `replaces` what has the name already. That it has the
    /// name is on disk when the folder is.
    ///
    /// Error: `AlreadyExists` when the name is taken and not to be replaced.
    pub(crate) fn finish(mut self, name: &Path, replaces: bool) -> io::Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        match replaces {
            true => fs::rename(&self.path, name)?,
            false => move_new(&self.path, name)?,
        }
        // Its path is no more ours.
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            if let Some(file) = self.file.take() {
                // What was not written yet is not wanted any more.
                drop(file.into_parts());
            }
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes away the drafts in this folder that nobody writes any more.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !(name.starts_with(DRAFT.0) && name.ends_with(DRAFT.1)) {
            continue;
        }
        let is_left = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if is_left {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Remedy;

    use super::*;

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

    #[test]
    fn a_rename_overwrites_nothing() {
        // given
        let folder = tempfile::tempdir().expect("there is room");
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        fs::write(&one, "1").expect("there is room");
        fs::write(&other, "2").expect("there is room");
        // when, then
        let refused = move_new(&one, &other).expect_err("the name is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        fs::remove_file(&other).expect("it is there");
        move_new(&one, &other).expect("the name is free");
        assert_eq!(fs::read(&other).expect("it is there"), b"1");
    }

    #[test]
    fn a_draft_that_is_given_up_leaves_nothing_and_one_that_was_left_is_swept() {
        // given
        let folder = tempfile::tempdir().expect("there is room");
        let names = || fs::read_dir(folder.path()).expect("it is there").count();
        let mut draft = Draft::new(folder.path()).expect("there is room");
        draft.write_all(b"half").expect("there is room");
        // when, then: one that is being written stays
        sweep(folder.path()).expect("it can be read");
        assert_eq!(names(), 1);
        drop(draft);
        assert_eq!(names(), 0);
        // when, then
        fs::write(folder.path().join(".trunkline-1-0.part"), "half").expect("there is room");
        fs::write(folder.path().join("orders.csv"), "whole").expect("there is room");
        sweep(folder.path()).expect("it can be read");
        assert_eq!(names(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_a_link_is_refused() {
        let root = tempfile::tempdir().expect("there is room");
        std::os::unix::fs::symlink("/", root.path().join("out")).expect("there is room");
        let refused = make_folders(root.path(), Path::new("out/etc")).expect_err("it leads out");
        assert_eq!(refused.kind(), io::ErrorKind::NotADirectory);
        make_folders(root.path(), Path::new("2026/11/25")).expect("they are made");
        assert!(root.path().join("2026/11/25").is_dir());
    }
}
