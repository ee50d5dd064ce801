//! The sink: a file for each message, or lines added to one.
//!
//! Promises: a file comes to be under its name whole or not at all, and is on disk before the message counts as
//! written; what has its name with other content is never overwritten unless that is asked for. The same message
//! again, also at the same time, is the same file.
//! Not promised: that a repeat is known when somebody has taken the file away meanwhile; then it is written again.

use std::{
    collections::{BTreeSet, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use trunkline_sdk::{Delivered, Fault, Outcome, Sink};

use crate::{
    append::Appended,
    disk::{self, Draft},
    in_background,
    writing::{self, Writing},
};

/// How long a full disk is left alone.
const FULL: Duration = Duration::from_secs(10);

/// Writes the messages of one flow into a folder.
pub(crate) struct FileSink(Arc<Job>);

struct Job {
    folder: PathBuf,
    writing: Writing,
    appended: Mutex<Appended>,
    /// Folders of which was taken away what a killed process had left there.
    swept: Mutex<HashSet<PathBuf>>,
}

/// A message whose file is known.
pub(crate) struct Page {
    /// Its place in the batch.
    pub(crate) index: usize,
    pub(crate) message_id: String,
    /// Below the folder.
    pub(crate) name: PathBuf,
    /// The record, without what stands around it in its file.
    pub(crate) record: Vec<u8>,
}

/// Why a message is not written.
pub(crate) enum Halt {
    /// It never will be.
    Refused(Fault),
    /// Neither it nor those behind it, now.
    All(io::Error),
}

impl FileSink {
    pub(crate) fn new(flow: &str, folder: PathBuf, writing: Writing) -> Self {
        Self(Arc::new(Job {
            folder,
            writing,
            appended: Mutex::new(Appended::new(flow)),
            swept: Mutex::default(),
        }))
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
        let (job, messages) = (Arc::clone(&self.0), batch.to_vec());
        // A write that is abandoned goes on, and a repeat finds what it did.
        match in_background(move || Ok(job.write(&messages))).await {
            Ok(outcomes) => outcomes,
            Err(_) => {
                let lost = || Outcome::InDoubt(Fault::reopen("writing files was interrupted"));
                batch.iter().map(|_| lost()).collect()
            }
        }
    }
}

impl Job {
    fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
        let mut pages = Vec::with_capacity(batch.len());
        for (index, message) in batch.iter().enumerate() {
            match self.page(index, message) {
                Ok(page) => pages.push(page),
                Err(fault) => outcomes[index] = Some(Outcome::Rejected(fault)),
            }
        }
        let halt = match self.writing.appends {
            true => self.add(pages, &mut outcomes),
            false => self.write_each(pages, &mut outcomes),
        };
        let kind = halt.err().map_or(io::ErrorKind::Other, |error| error.kind());
        let not_tried = || Outcome::NotTried(unwritten(&self.folder, kind.into()));
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(not_tried))
            .collect()
    }

    fn page(&self, index: usize, message: &Delivered) -> Result<Page, Fault> {
        let tree = writing::tree(&message.record.body)?;
        Ok(Page {
            index,
            message_id: message.context.message_id.clone(),
            name: self.writing.name.of(message, &tree)?,
            record: self.writing.record(&tree)?,
        })
    }

    /// Writes a file for each message; what has no outcome then was not tried.
    fn write_each(&self, pages: Vec<Page>, outcomes: &mut [Option<Outcome>]) -> io::Result<()> {
        let mut written = Vec::new();
        let mut halted = Ok(());
        for page in pages {
            match self.write_one(&page) {
                Ok((path, outcome)) => written.push((page.index, path, outcome)),
                Err(Halt::Refused(fault)) => outcomes[page.index] = Some(Outcome::Rejected(fault)),
                Err(Halt::All(error)) => {
                    halted = Err(error);
                    break;
                }
            }
        }
        let folders: BTreeSet<_> = written.iter().filter_map(|(_, path, _)| path.parent()).collect();
        let sync = || folders.iter().try_for_each(|folder| disk::sync_folder(folder));
        sync()?;
        if let Some(marker) = &self.writing.marker {
            for (_, path, _) in &written {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let marker = path.with_file_name(marker.of(&name));
                match fs::OpenOptions::new().write(true).create_new(true).open(marker) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            sync()?;
        }
        for (index, _, outcome) in written {
            outcomes[index] = Some(outcome);
        }
        halted
    }

    fn write_one(&self, page: &Page) -> Result<(PathBuf, Outcome), Halt> {
        let folder = self.folder_of(&page.name)?;
        let path = folder.join(page.name.file_name().unwrap_or_default());
        let content = || -> Result<Vec<u8>, Fault> {
            Ok([self.writing.head()?, page.record.clone(), self.writing.tail()].concat())
        };
        let content = content().map_err(Halt::Refused)?;
        let look = || match is_there(&path, &content).map_err(halt)? {
            Some(true) => Ok(Some(Outcome::AlreadyThere(None))),
            Some(false) if !self.writing.replaces => Err(Halt::Refused(
                Fault::dead_letter("the file is there, with other content")
                    .hint("say `exists: replace`, or make `name` of what tells messages apart"),
            )),
            _ => Ok(None),
        };
        if let Some(outcome) = look()? {
            return Ok((path, outcome));
        }
        let write = || -> io::Result<()> {
            let mut draft = Draft::new(&folder)?;
            io::Write::write_all(&mut draft, &content)?;
            draft.finish(&path, self.writing.replaces)
        };
        match write() {
            Ok(()) => Ok((path, Outcome::Applied(None))),
            // Somebody was faster: perhaps with the same message.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match look()? {
                Some(outcome) => Ok((path, outcome)),
                None => Err(Halt::All(error)),
            },
            Err(error) => Err(halt(error)),
        }
    }

    /// Adds to each file what belongs to it; what has no outcome then was not tried.
    fn add(&self, pages: Vec<Page>, outcomes: &mut [Option<Outcome>]) -> io::Result<()> {
        // Of a panic in between nothing is left but what is on disk, which is read again.
        let mut appended = self.appended.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.writing.head();
        let mut rest = pages;
        while let Some(first) = rest.first() {
            let name = first.name.clone();
            let (these, others) = rest.into_iter().partition(|page| page.name == name);
            rest = others;
            let refuse = |fault: &Fault| {
                let same = Fault::new(fault.remedy, fault.what.clone());
                let hint = fault.hint.clone().unwrap_or_default();
                Outcome::Rejected(same.hint(hint))
            };
            let done = match (&head, self.folder_of(&name)) {
                (Ok(head), Ok(folder)) => {
                    let path = folder.join(name.file_name().unwrap_or_default());
                    appended.add(&path, head, &these, outcomes).map_err(halt)
                }
                (Err(fault), _) => {
                    these
                        .iter()
                        .for_each(|page| outcomes[page.index] = Some(refuse(fault)));
                    continue;
                }
                (_, Err(halt)) => Err(halt),
            };
            match done {
                Ok(()) => {}
                Err(Halt::Refused(fault)) => {
                    these
                        .iter()
                        .for_each(|page| outcomes[page.index] = Some(refuse(&fault)));
                }
                Err(Halt::All(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// The folder for a file, which is made where it is missing.
    fn folder_of(&self, name: &Path) -> Result<PathBuf, Halt> {
        let below = name.parent().unwrap_or(Path::new(""));
        let folder = disk::make_folders(&self.folder, below).map_err(halt)?;
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if !swept.contains(&folder) {
            disk::sweep(&folder).map_err(halt)?;
            if swept.len() > 1_000 {
                swept.clear();
            }
            swept.insert(folder.clone());
        }
        Ok(folder)
    }
}

/// Whether there is a file with this content; `None`: there is nothing.
fn is_there(path: &Path, content: &[u8]) -> io::Result<Option<bool>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    let has_size = metadata.is_file() && metadata.len() == content.len() as u64;
    match has_size.then(|| fs::read(path)).transpose() {
        // It was taken away in this moment.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => Ok(Some(found?.is_some_and(|found| found == content))),
    }
}

/// What an error means to one message, and to those behind it.
fn halt(error: io::Error) -> Halt {
    match error.kind() {
        io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::FileTooLarge => Halt::Refused(
            Fault::dead_letter(format!("the file cannot be written: {}", error.kind()))
                .hint("the file system does not take this name, or a file this large")
                .because(error),
        ),
        io::ErrorKind::NotADirectory => Halt::Refused(
            Fault::dead_letter("where the message's folder should be, there is something else")
                .hint("move it away; a link is no folder here, for it could lead anywhere")
                .because(error),
        ),
        _ => Halt::All(error),
    }
}

/// Why nothing is written now.
fn unwritten(folder: &Path, error: io::Error) -> Fault {
    // Neither the file nor its folder below: their names are made of values.
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::wait(
            format!("there is no room for files in {}", folder.display()),
            FULL,
        )
        .hint("make room; no half file was left, and it goes on by itself")
        .because(error),
        io::ErrorKind::InvalidData => Fault::stop(format!(
            "a file in {} was changed by somebody else",
            folder.display()
        ))
        .hint("messages are added to it: move it away, and they go into a new one")
        .because(error),
        _ => disk::fault("cannot write into", folder, error),
    }
}
