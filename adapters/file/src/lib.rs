//! Adapter `file`: a folder. Others put files in; each record of them goes onto the bus, and a file whose records are
//! all safe there is moved into the folder `done`. And messages become files there, for others to take.
//!
//! Promises: a file is read once it is quiet, by one process, in bounded memory whatever its size; its records keep
//! their order; a record read again has the same id; no file is overwritten or deleted. A message becomes a whole
//! file or none, and one, however often it comes.
//! Not promised: that a file which others still write to is read as a whole (see the README on how to drop one),
//! nor files in folders below.
//!
//! The path of a file: [`folder`] finds it, [`claim`] makes it ours, [`reader`] frames it, [`source`] sends its records,
//! [`verdicts`] notes what became of them, [`finish`] moves it away, [`rejects`] writes beside it. The path of a message:
//! [`writing`] makes it bytes, [`name`] its name, [`sink`] the file, [`append`] the lines of one.

mod append;
mod claim;
mod disk;
mod finish;
mod folder;
mod format;
mod marker;
mod name;
mod options;
mod position;
mod reader;
mod rejects;
mod shape;
mod sink;
mod source;
mod tally;
mod unpack;
mod verdicts;
mod writing;

use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use trunkline_formats::fixed;
use trunkline_sdk::{
    Adapter, Description, Effect, Endpoint, Fault, Options, Problem, Settings, Sink, Source, System,
};

use crate::{format::Fixed, options::Reading, sink::FileSink, source::FileSource, writing::Writing};

/// The records of a file of fixed width, as a flow reads it whose `from:` has these settings; `None`: they do not say
/// what stands in which columns. For those who try a flow out, without its folder.
pub fn fixed_width<R: BufRead>(source: &Settings, input: R, limit: usize) -> Option<fixed::Records<R>> {
    let formats = Reading::read(source).ok()?.formats;
    let Fixed { layout, ends } = formats.fixed?;
    let encoding = formats.encoding.unwrap_or_default();
    Some(fixed::Records::new(input, encoding, layout, ends, limit))
}

/// The adapter `file`.
#[derive(Debug, Clone, Copy, Default)]
pub struct File;

static DESCRIPTION: Description = Description {
    name: "file",
    summary: "a folder: reads files that others put there, and writes some: JSON lines, CSV, JSON, XML, fixed width",
    system: options::SYSTEM,
    source: Some(options::SOURCE),
    sink: Some(writing::SINK),
    effect: Effect::Idempotent,
};

#[async_trait]
impl Adapter for File {
    fn describe(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn check(&self, _system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut patterns = Vec::new();
        for endpoint in endpoints {
            let settings = match endpoint {
                Endpoint::Source { settings } => settings,
                Endpoint::Sink { settings, shape } => {
                    if Options::read(writing::SINK, settings).is_err() {
                        continue;
                    }
                    match (Writing::read(settings), shape) {
                        (Ok(writing), Some(shape)) => problems.extend(writing.check(settings, shape)),
                        (Ok(_), None) => {}
                        (Err(wrong), _) => problems.extend(wrong),
                    }
                    continue;
                }
            };
            if Options::read(options::SOURCE, settings).is_err() {
                // Told already: the table of options says it.
                continue;
            }
            match Reading::read(settings) {
                Ok(_) => {
                    let pattern = settings.get("pattern").and_then(Settings::text);
                    let format = settings.get("format").and_then(Settings::text);
                    if patterns.contains(&(pattern, format)) {
                        let what = "two flows read the same files of this folder, and each would miss some";
                        let hint =
                            "give each its own `pattern`, or read once and let the flows share a channel";
                        problems.push(Problem::new(&settings.place, what).hint(hint));
                    }
                    patterns.push((pattern, format));
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        problems
    }

    async fn open(&self, system: &Settings, home: &Path) -> Result<Box<dyn System>, Fault> {
        let options =
            Options::read(options::SYSTEM, system).map_err(|problems| options::refused(&problems))?;
        let folder = home.join(options.text("folder").unwrap_or_default());
        let folder = DropFolder { folder };
        folder.test().await?;
        Ok(Box::new(folder))
    }
}

/// A folder that was there when it was opened.
struct DropFolder {
    folder: PathBuf,
}

#[async_trait]
impl System for DropFolder {
    async fn source(&self, endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        let reading = Reading::read(endpoint).map_err(|problems| options::refused(&problems))?;
        Ok(Box::new(FileSource::new(self.folder.clone(), reading)))
    }

    async fn sink(&self, flow: &str, endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        let writing = Writing::read(endpoint).map_err(|problems| options::refused(&problems))?;
        Ok(Box::new(FileSink::new(flow, self.folder.clone(), writing)))
    }

    async fn test(&self) -> Result<String, Fault> {
        let folder = self.folder.clone();
        let counted = in_background(move || {
            count(&folder).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    Fault::stop(format!("there is no folder {}", folder.display()))
                        .hint("create it, or mend `folder`; it is relative to the landscape")
                        .because(error)
                }
                _ => disk::fault("cannot list", &folder, error),
            })
        });
        let entries = counted.await?;
        Ok(format!(
            "{} can be read, {entries} entries",
            self.folder.display()
        ))
    }
}

fn count(folder: &Path) -> io::Result<usize> {
    let mut entries = 0;
    for entry in std::fs::read_dir(folder)? {
        entry?;
        entries += 1;
    }
    Ok(entries)
}

/// Runs what blocks (file access) where it may.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Fault::reopen("reading files was interrupted").because(error)),
    }
}
