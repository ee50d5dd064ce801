//! The source: file after file, in the order of their names.

use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    pin::{Pin, pin},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::mpsc;
use trunkline_sdk::{Fault, Outlet, Position, Record, Source};

use crate::{
    folder::{self, Waiting, Watch},
    in_background,
    options::Reading,
    position::Place,
    reader::{Batch, Ended, Reader},
};

/// How many records may be sent without a receipt.
const MOST_IN_FLIGHT: usize = 256;

/// How many bytes they may have; one larger record is sent alone.
const MOST_BYTES: usize = 16 << 20;

/// How many batches are read ahead of those in flight.
const READ_AHEAD: usize = 2;

/// How long a source that must stop waits for the receipts of what it sent.
const LAST_RECEIPTS: Duration = Duration::from_secs(3);

/// Reads the files of a drop folder.
pub(crate) struct FileSource {
    folder: PathBuf,
    reading: Reading,
}

/// Resolves when the source must stop.
type Stopping<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// What became of a file.
#[derive(PartialEq)]
enum Sent {
    /// All of it; it is in `done` now.
    Moved,
    /// All of it; it was taken away, or another has taken its place.
    Gone,
    /// It is looked at again later.
    NotReady,
    /// The source must stop.
    Stopped,
}

impl FileSource {
    pub(crate) fn new(folder: PathBuf, reading: Reading) -> Self {
        Self { folder, reading }
    }

    async fn scan(&self, also: Option<&Place>) -> Result<BTreeMap<String, Waiting>, Fault> {
        let (folder, reading) = (self.folder.clone(), self.reading.clone());
        let also = also.map(|place| place.file.clone());
        in_background(move || folder::scan(&folder, &reading, also.as_deref())).await
    }

    /// Sends all records of a file, and moves it when all are safe.
    async fn send_file(
        &self,
        outlet: &Outlet,
        mut stopping: Stopping<'_>,
        name: &str,
        file: &Waiting,
        resume: Option<Place>,
    ) -> Result<Sent, Fault> {
        let (records, mut read) = mpsc::channel::<Batch>(READ_AHEAD);
        let reader = Reader {
            name: name.to_owned(),
            file: file.clone(),
            reading: self.reading.clone(),
            resume,
            records,
        };
        let reader = tokio::task::spawn_blocking(move || reader.run());

        // Polled in the order in which they were pushed, so sent in the order of the file.
        let mut in_flight: FuturesUnordered<BoxFuture<'_, (bool, usize)>> = FuturesUnordered::new();
        let mut bytes_in_flight = 0;
        let mut batch = Batch::new().into_iter();
        let mut is_read = false;
        let mut must_stop = false;
        while !(must_stop || is_read && in_flight.is_empty()) {
            while in_flight.len() < MOST_IN_FLIGHT
                && bytes_in_flight < MOST_BYTES
                && let Some((record, length)) = batch.next()
            {
                bytes_in_flight += length;
                in_flight.push(send(outlet, record, length).boxed());
            }
            tokio::select! {
                biased;
                () = &mut stopping => must_stop = true,
                Some((is_safe, length)) = in_flight.next() => {
                    bytes_in_flight -= length;
                    must_stop = !is_safe;
                }
                next = read.recv(), if batch.len() == 0 && !is_read => match next {
                    Some(next) => batch = next.into_iter(),
                    None => is_read = true,
                },
            }
        }
        if must_stop {
            // The reader ends when nobody takes what it reads.
            drop(read);
            let receipts = async { while in_flight.next().await.is_some() {} };
            // Without a receipt in time a record comes again at the next start.
            let _ = tokio::time::timeout(LAST_RECEIPTS, receipts).await;
            return Ok(Sent::Stopped);
        }
        let ended = reader
            .await
            .map_err(|error| Fault::reopen("reading a file was interrupted").because(error))??;
        if ended == Ended::NotReady {
            return Ok(Sent::NotReady);
        }
        let (name, file) = (name.to_owned(), file.clone());
        let done = self.folder.join(&self.reading.done);
        match in_background(move || folder::finish(&name, &file, &done)).await? {
            true => Ok(Sent::Moved),
            false => Ok(Sent::Gone),
        }
    }
}

/// Whether the record is safe, and how many bytes are no longer in flight. Only when Trunkline is stopping there is
/// no receipt.
async fn send(outlet: &Outlet, record: Record, length: usize) -> (bool, usize) {
    (outlet.send(record).await.is_ok(), length)
}

#[async_trait]
impl Source for FileSource {
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault> {
        let mut resume = resume.as_ref().map(Place::read).transpose()?;
        let mut stopping = pin!(outlet.stopping());
        let mut watch = Watch::default();
        loop {
            let files = self.scan(resume.as_ref()).await?;
            // A file that is gone was finished, or taken away: a later one of its name is another.
            resume = resume.filter(|place| files.contains_key(&place.file));
            let is_empty = files.is_empty();
            let mut ready = watch.ready(files, self.reading.poll, (Instant::now(), SystemTime::now()));
            // What was begun is finished first.
            ready.sort_by_key(|(name, _)| resume.as_ref().is_none_or(|place| place.file != *name));
            let mut has_moved = false;
            for (name, file) in &ready {
                let here = resume.clone().filter(|place| place.file == *name);
                match self
                    .send_file(&outlet, stopping.as_mut(), name, file, here)
                    .await?
                {
                    Sent::Moved => has_moved = true,
                    Sent::Gone => {}
                    Sent::NotReady => continue,
                    Sent::Stopped => return Ok(()),
                }
                resume = resume.filter(|place| place.file != *name);
            }
            if is_empty && self.reading.once {
                return Ok(());
            }
            if !has_moved {
                tokio::select! {
                    () = stopping.as_mut() => return Ok(()),
                    () = tokio::time::sleep(self.reading.poll) => {}
                }
            }
        }
    }
}
