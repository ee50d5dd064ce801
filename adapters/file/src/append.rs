//! Files to which messages are added, each message once.
//!
//! Beside `orders.csv` stands `.orders.csv.added`: how long the file is with which messages. It is written before and
//! after: what was added half is cut off by the next that adds, and a message that is there is not added again.
//! Promises: many processes may add to one file at once; a file that was taken away begins anew, and its messages are
//! remembered still. Not promised: this without locks, and bounded memory: each message of a file takes some 40 bytes.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use trunkline_sdk::Outcome;

use crate::{disk, folder::Stamp, sink::Page};

/// So many files are known without being read again.
const MOST_FILES: usize = 8;

/// What is remembered of a file that is gone is kept for so long, as long as the bus may repeat a message.
const WINDOW: Duration = Duration::from_secs(7 * 86_400);

/// What is known of the files.
pub(crate) struct Appended {
    /// A message of another flow is another, whatever its id.
    flow: String,
    files: HashMap<PathBuf, Known>,
}

/// What is known of one file.
#[derive(Default)]
struct Known {
    /// Of the notes: the file itself, and how much of it was read.
    identity: (u64, u64),
    read: u64,
    ids: HashSet<Id>,
    /// How long the file is with them.
    length: u64,
    /// From which length to which it was about to grow.
    intent: Option<(u64, u64)>,
}

type Id = [u8; 16];

impl Appended {
    pub(crate) fn new(flow: &str) -> Self {
        Self {
            flow: flow.to_owned(),
            files: HashMap::new(),
        }
    }

    /// Adds to a file those of the pages that are not in it, behind `head` where it is new, and tells the outcome of
    /// each.
    ///
    /// Error: `InvalidData` when somebody else has changed the file.
    pub(crate) fn add(
        &mut self,
        path: &Path,
        head: &[u8],
        pages: &[Page],
        outcomes: &mut [Option<Outcome>],
    ) -> io::Result<()> {
        let notes_path = notes_of(path);
        if !self.files.contains_key(path) {
            if self.files.len() >= MOST_FILES {
                self.files.clear();
            }
            forget_old(path.parent().unwrap_or(Path::new("")))?;
        }
        let mut notes = open_locked(&notes_path)?;
        let known = self.files.entry(path.to_owned()).or_default();
        known.read_on(&mut notes)?;

        let mut file = open(path)?;
        let found = file.metadata()?.len();
        let from = match (found, known.intent) {
            // New, or somebody has taken what was in it.
            (0, _) => 0,
            // What was added half is cut off.
            (found, Some((from, to))) if (from..=to).contains(&found) => {
                file.set_len(from)?;
                from
            }
            (found, None) if found == known.length => found,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let mut bytes = match from {
            0 => head.to_vec(),
            _ => Vec::new(),
        };
        let mut ids = Vec::new();
        let mut told = Vec::new();
        for page in pages {
            let id = id_of(&self.flow, &page.message_id);
            let is_new = !known.ids.contains(&id) && !ids.contains(&id);
            if is_new {
                bytes.extend_from_slice(&page.record);
                ids.push(id);
            }
            told.push((page.index, is_new));
        }
        if !ids.is_empty() {
            let to = from + bytes.len() as u64;
            let add = || -> io::Result<()> {
                note(&mut notes, &format!("? {from} {to}\n"))?;
                file.seek(SeekFrom::Start(from))?;
                file.write_all(&bytes)?;
                file.sync_all()
            };
            if let Err(error) = { add }() {
                // So that nobody reads a half line; if this fails too, the next that adds does it.
                let _ = file.set_len(from);
                return Err(error);
            }
            let hex = |id: &Id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let ids: Vec<_> = ids.iter().map(hex).collect();
            note(&mut notes, &format!("{to} {}\n", ids.join(",")))?;
            path.parent().map_or(Ok(()), disk::sync_folder)?;
            known.read_on(&mut notes)?;
        }
        for (index, is_new) in told {
            outcomes[index] = Some(match is_new {
                true => Outcome::Applied(None),
                false => Outcome::AlreadyThere(None),
            });
        }
        Ok(())
    }
}

impl Known {
    /// Reads what was noted since, by whomever. What was noted half is cut off.
    fn read_on(&mut self, notes: &mut File) -> io::Result<()> {
        let stamp = Stamp::of(&notes.metadata()?)?;
        if stamp.identity != self.identity || stamp.size < self.read {
            *self = Self {
                identity: stamp.identity,
                ..Self::default()
            };
        }
        notes.seek(SeekFrom::Start(self.read))?;
        let mut lines = BufReader::new(&mut *notes).take(stamp.size - self.read);
        let mut line = String::new();
        loop {
            line.clear();
            lines.read_line(&mut line)?;
            let Some(words) = line.strip_suffix('\n') else {
                break;
            };
            let read = match words.split(' ').collect::<Vec<_>>()[..] {
                ["?", from, to] => from
                    .parse()
                    .ok()
                    .zip(to.parse().ok())
                    .map(|intent| self.intent = Some(intent)),
                [length, ids] => self.commit(length, ids),
                _ => None,
            };
            read.ok_or(io::ErrorKind::InvalidData)?;
            self.read += line.len() as u64;
        }
        notes.set_len(self.read)?;
        notes.seek(SeekFrom::End(0))?;
        Ok(())
    }

    fn commit(&mut self, length: &str, ids: &str) -> Option<()> {
        self.length = length.parse().ok()?;
        self.intent = None;
        for hex in ids.split(',') {
            let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
            let bytes: Vec<_> = (0..16).map(|at| byte(2 * at)).collect::<Option<_>>()?;
            self.ids.insert(Id::try_from(bytes).ok()?);
        }
        Some(())
    }
}

/// Opens a file for reading and writing, and makes it where it is missing; a link is no file.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW.bits();
        options.custom_flags(i32::try_from(flags).unwrap_or_default());
    }
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::IsADirectory.into()),
    }
}

/// The notes, which nobody else reads or writes until they are closed; a process that dies lets go.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let notes = open(path)?;
        notes.lock()?;
        // Another may have taken away what was old before the lock was ours.
        let ours = Stamp::of(&notes.metadata()?)?;
        let there = fs::symlink_metadata(path).and_then(|metadata| Stamp::of(&metadata));
        if there.is_ok_and(|there| there.identity == ours.identity) {
            return Ok(notes);
        }
    }
}

fn note(notes: &mut File, line: &str) -> io::Result<()> {
    notes.write_all(line.as_bytes())?;
    notes.sync_data()
}

fn id_of(flow: &str, message_id: &str) -> Id {
    let hash = blake3::hash(format!("{flow}\n{message_id}").as_bytes());
    let mut id = Id::default();
    id.copy_from_slice(&hash.as_bytes()[..16]);
    id
}

fn notes_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{NOTES}"))
}

const NOTES: &str = ".added";

/// Takes away what is remembered of files that are gone for long.
fn forget_old(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(of) = name.strip_prefix('.').and_then(|name| name.strip_suffix(NOTES)) else {
            continue;
        };
        let Ok(metadata) = entry.metadata() else {
            // Another was faster.
            continue;
        };
        let age = SystemTime::now().duration_since(metadata.modified()?);
        if metadata.is_file() && age.is_ok_and(|age| age > WINDOW) && !folder.join(of).exists() {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}
