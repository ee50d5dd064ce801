//! A command that is done again whenever a file of its landscape is saved, until somebody ends it.
//!
//! Promises: what is saved while the command runs is seen behind it; many files saved at once (a checkout) are one
//! change; a file that is half written, or a folder that is away for a moment, is a change like any other. Files are
//! looked at and not waited for: this sees changes on every file system, shares and mounts included, and a landscape
//! of a thousand files costs a few milliseconds a second.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal, stderr},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};
use trunkline_sdk::Fault;

use super::{Failure, say, tell};

/// How often files are looked at; and for so long all must be quiet before a change counts as complete.
const LOOK: Duration = Duration::from_millis(100);

/// Files that never come to rest are not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the files of a landscape are. Folders of data are none of them: what runs writes there all the time.
const FOLDERS: [&str; 6] = ["flows", "maps", "tables", "schemas", "proto", "tests"];

/// What stands beside `trunkline.yaml` and is named there: SQL that makes a database. The database itself may stand
/// there too, and what runs writes it all the time.
const BESIDE: &str = ".sql";

/// Folders in folders are looked into no deeper, and no more files are looked at: a link may lead anywhere.
const DEEPEST: usize = 8;
const MOST: usize = 20_000;

/// Does it now, and again whenever a file of the landscape in `home` was saved, on an empty screen. Ends on Ctrl-C,
/// and when we broke; what the user can mend is told, and awaited.
pub(super) async fn repeat(
    home: &Path,
    mut work: impl AsyncFnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let cannot = |error| Fault::stop("the system refuses signal handlers").because(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut watch = Watch::new(home);
    loop {
        if stderr().is_terminal() {
            say::clear();
        }
        match work().await {
            Ok(()) | Err(Failure::Told) => {}
            Err(Failure::Fault(fault)) => tell(&fault),
            Err(Failure::Ours) => return Err(Failure::Ours),
        }
        say::talk(format_args!("watching {}: Ctrl-C ends", home.display()));
        tokio::select! {
            () = watch.changed() => {}
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// The files of a landscape, as they were when they were looked at last.
struct Watch {
    home: PathBuf,
    seen: Look,
}

/// What tells one state of a file from another: its size, when it was changed, and which file it is.
type Look = BTreeMap<PathBuf, (u64, i64, i64, u64)>;

impl Watch {
    fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            seen: look(home),
        }
    }

    /// Waits until something has changed since it was looked at last, and then been quiet.
    async fn changed(&mut self) {
        let mut now = look(&self.home);
        while now == self.seen {
            sleep(LOOK).await;
            now = look(&self.home);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            sleep(LOOK).await;
            let before = std::mem::replace(&mut now, look(&self.home));
            if now == before || Instant::now() > until {
                break;
            }
        }
        self.seen = now;
    }
}

fn look(home: &Path) -> Look {
    let mut seen = Look::new();
    look_at(&home.join("trunkline.yaml"), 0, &mut seen);
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(BESIDE) {
            look_at(&entry.path(), 0, &mut seen);
        }
    }
    for folder in FOLDERS {
        look_at(&home.join(folder), DEEPEST, &mut seen);
    }
    seen
}

/// What cannot be looked at is not there.
fn look_at(path: &Path, depth: usize, seen: &mut Look) {
    let Ok(found) = fs::metadata(path) else {
        return;
    };
    if seen.len() >= MOST {
        return;
    }
    if found.is_file() {
        let state = (found.size(), found.mtime(), found.mtime_nsec(), found.ino());
        seen.insert(path.to_owned(), state);
    } else if found.is_dir() && depth > 0 {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            // What editors write beside a file while it is open.
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') && !name.ends_with('~') {
                look_at(&entry.path(), depth - 1, seen);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landscape() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("flows")).unwrap();
        fs::write(home.path().join("trunkline.yaml"), "systems: {}").unwrap();
        fs::write(home.path().join("flows/a.yaml"), "flow: a").unwrap();
        home
    }

    async fn changes(watch: &mut Watch) {
        let changed = tokio::time::timeout(Duration::from_secs(30), watch.changed());
        changed.await.expect("something has changed");
    }

    #[tokio::test]
    async fn what_was_saved_before_it_waits_is_seen_once() {
        // given
        let home = landscape();
        let mut watch = Watch::new(home.path());
        // when
        fs::write(home.path().join("flows/a.yaml"), "flow: another").unwrap();
        changes(&mut watch).await;
        // then
        assert_eq!(watch.seen, look(home.path()));
    }

    #[tokio::test]
    async fn a_new_file_and_a_removed_folder_are_changes() {
        let home = landscape();
        let mut watch = Watch::new(home.path());
        fs::create_dir_all(home.path().join("tests/shop")).unwrap();
        fs::write(home.path().join("tests/shop/order.json"), "{}").unwrap();
        changes(&mut watch).await;
        fs::write(home.path().join("erp.sql"), "").unwrap();
        changes(&mut watch).await;
        fs::remove_dir_all(home.path().join("flows")).unwrap();
        changes(&mut watch).await;
        drop(home);
        changes(&mut watch).await;
        assert!(watch.seen.is_empty());
    }

    #[test]
    fn what_is_no_file_of_the_landscape_is_not_looked_at() {
        let home = landscape();
        let seen = look(home.path());
        fs::create_dir(home.path().join("data")).unwrap();
        fs::write(home.path().join("data/bus.db"), "x").unwrap();
        fs::write(home.path().join("erp.db"), "x").unwrap();
        fs::write(home.path().join("flows/.a.yaml.swp"), "x").unwrap();
        fs::write(home.path().join("flows/a.yaml~"), "x").unwrap();
        assert_eq!(look(home.path()), seen);
    }

    #[test]
    fn a_folder_that_holds_itself_is_looked_at_all_the_same() {
        let home = landscape();
        std::os::unix::fs::symlink(".", home.path().join("flows/round")).unwrap();
        assert!(look(home.path()).contains_key(&home.path().join("flows/a.yaml")));
    }
}
