//! The source: file after file, in the order of their names, those first that were left half-read.

use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use tokio::sync::{mpsc, oneshot};
use trunkline_sdk::{Fault, Outlet, Position, Source};

use crate::{
    claim::Claim,
    disk::fault,
    finish::{self, Finished},
    folder::{self, Waiting, Watch},
    format::Format,
    in_background,
    options::Reading,
    position::Place,
    reader::{Batch, Ended, Piece, Reader},
    verdicts::{Heard, Verdicts},
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
    /// All of it; it is in `done` now, or in `failed`.
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

    /// What waits, and what was left in `processing`.
    async fn look(
        &self,
        also: Option<&Place>,
    ) -> Result<(BTreeMap<String, Format>, BTreeMap<String, Waiting>), Fault> {
        let (folder, reading) = (self.folder.clone(), self.reading.clone());
        let also = also.map(|place| place.file.clone());
        in_background(move || {
            let waiting = folder::scan(&folder, &reading, also.as_deref())?;
            Ok((folder::left(&folder, &reading)?, waiting))
        })
        .await
    }

    async fn take(&self, candidate: Candidate) -> Result<Option<Arc<Claim>>, Fault> {
        let (folder, reading) = (self.folder.clone(), self.reading.clone());
        in_background(move || match candidate {
            Candidate::Left(name, format) => Claim::take_up(&folder, &name, format),
            Candidate::Waits(name, file) => Claim::take(&folder, &reading, &name, &file),
        })
        .await
    }

    /// Sends all records of a file, and moves it when all are safe.
    async fn send_file(
        &self,
        outlet: &Outlet,
        mut stopping: Stopping<'_>,
        claim: Arc<Claim>,
        resume: Option<Place>,
        trusts_notes: bool,
    ) -> Result<Sent, Fault> {
        let (records, mut read) = mpsc::channel::<Batch>(READ_AHEAD);
        let (begun, begins) = oneshot::channel();
        let reader = Reader {
            claim: Arc::clone(&claim),
            reading: self.reading.clone(),
            resume,
            trusts_notes,
            begun,
            records,
        };
        let reader = tokio::task::spawn_blocking(move || reader.run());
        let begins = tokio::select! {
            biased;
            // The reader ends when nobody takes what it reads.
            () = &mut stopping => return Ok(Sent::Stopped),
            begins = begins => begins,
        };
        // Without notes the reader has ended, and says why.
        let mut verdicts = begins.ok();

        // Polled in the order in which they were pushed, so sent in the order of the file; told in this order too.
        let mut in_flight: FuturesOrdered<BoxFuture<'_, (Option<Heard>, usize)>> = FuturesOrdered::new();
        let mut bytes_in_flight = 0;
        let mut batch = Batch::new().into_iter();
        let mut is_read = verdicts.is_none();
        let (mut must_stop, mut is_lost) = (false, false);
        while !(must_stop || is_read && in_flight.is_empty()) {
            while in_flight.len() < MOST_IN_FLIGHT
                && bytes_in_flight < MOST_BYTES
                && let Some(piece) = batch.next()
            {
                bytes_in_flight += piece.size;
                in_flight.push_back(send(outlet, piece).boxed());
            }
            tokio::select! {
                biased;
                () = &mut stopping => must_stop = true,
                Some(first) = in_flight.next() => {
                    let mut heard = Vec::new();
                    let mut next = Some(first);
                    while let Some((told, size)) = next {
                        bytes_in_flight -= size;
                        must_stop |= told.is_none();
                        // What is behind one that is not safe must not be noted: its notes would pass over that.
                        heard.extend(told.filter(|_| !must_stop));
                        next = in_flight.next().now_or_never().flatten();
                    }
                    is_lost = must_stop;
                    verdicts = note(verdicts, heard).await?;
                }
                next = read.recv(), if batch.len() == 0 && !is_read => match next {
                    Some(next) => batch = next.into_iter(),
                    None => is_read = true,
                },
            }
        }
        if must_stop {
            drop(read);
            let mut heard = Vec::new();
            let receipts = async {
                while let Some((told, _)) = in_flight.next().await {
                    is_lost |= told.is_none();
                    heard.extend(told.filter(|_| !is_lost));
                }
            };
            // Without a receipt in time a record comes again at the next start.
            let _ = tokio::time::timeout(LAST_RECEIPTS, receipts).await;
            note(verdicts, heard).await?;
            return Ok(Sent::Stopped);
        }
        let ended = reader
            .await
            .map_err(|error| Fault::reopen("reading a file was interrupted").because(error))??;
        let verdicts = match (ended, verdicts) {
            (Ended::Whole, Some(verdicts)) => verdicts,
            _ => return Ok(Sent::NotReady),
        };
        let (folder, reading) = (self.folder.clone(), self.reading.clone());
        let name = claim.name.clone();
        match in_background(move || finish::finish(&claim, verdicts, &folder, &reading)).await? {
            Some(finished) => {
                tell(&name, &finished);
                Ok(Sent::Moved)
            }
            None => Ok(Sent::Gone),
        }
    }
}

/// A file that may be claimed.
enum Candidate {
    /// It is in `processing`.
    Left(String, Format),
    Waits(String, Waiting),
}

impl Candidate {
    fn name(&self) -> &str {
        match self {
            Self::Left(name, _) | Self::Waits(name, _) => name,
        }
    }
}

/// What became of the record, and how many bytes are no longer in flight. Only when Trunkline is stopping nothing is
/// heard of it.
async fn send(outlet: &Outlet, piece: Piece) -> (Option<Heard>, usize) {
    let Piece { record, spot, size } = piece;
    let unreadable = record.unreadable.clone();
    let heard = outlet.send_and_hear(record).await.ok();
    let heard = heard.map(|(receipt, reason)| Heard {
        spot,
        receipt,
        reason: reason.or(unreadable),
    });
    (heard, size)
}

/// Notes what was heard.
async fn note(verdicts: Option<Verdicts>, heard: Vec<Heard>) -> Result<Option<Verdicts>, Fault> {
    let Some(mut verdicts) = verdicts else {
        return Ok(None);
    };
    in_background(move || match verdicts.note(heard) {
        Ok(()) => Ok(Some(verdicts)),
        Err(error) => Err(fault(
            "cannot note what became of records in",
            verdicts.path(),
            error,
        )),
    })
    .await
}

/// What operators are told of a finished file.
fn tell(name: &str, finished: &Finished) {
    let Finished {
        path,
        tally,
        has_failed,
    } = finished;
    let (read, accepted, unknown) = (tally.read(), tally.accepted, tally.unknown);
    let (filtered, rejected) = (tally.filtered.total, tally.rejected.total);
    let (rules, reasons) = (tally.filtered.told(), tally.rejected.told());
    let now_in = path.display();
    if *has_failed {
        tracing::error!(
            file = name, %now_in, read, rejected, reasons,
            "nothing of the file was accepted; the reasons are beside it"
        );
    } else if rejected > 0 {
        tracing::warn!(
            file = name, %now_in, read, accepted, filtered, rules, rejected, reasons, unknown,
            "records of the file were rejected; they are beside it, with the reasons"
        );
    } else if read > 1 {
        tracing::info!(file = name, %now_in, read, accepted, filtered, rules, unknown, "the file is done");
    } else {
        tracing::debug!(file = name, %now_in, read, accepted, filtered, rules, unknown, "the file is done");
    }
}

#[async_trait]
impl Source for FileSource {
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault> {
        let mut resume = resume.as_ref().map(Place::read).transpose()?;
        // Without a position all is to be read from its beginning, whatever is noted: so it is after a reset.
        let trusts_notes = resume.is_some();
        let mut stopping = pin!(outlet.stopping());
        let mut watch = Watch::default();
        loop {
            let (left, waiting) = self.look(resume.as_ref()).await?;
            // A file that is gone was finished, or taken away: a later one of its name is another.
            resume =
                resume.filter(|place| left.contains_key(&place.file) || waiting.contains_key(&place.file));
            let is_empty = waiting.is_empty();
            let now = (Instant::now(), SystemTime::now());
            let ready = watch.ready(waiting, self.reading.quiet, now);
            let left = left
                .into_iter()
                .map(|(name, format)| Candidate::Left(name, format));
            let ready = ready.into_iter().map(|(name, file)| Candidate::Waits(name, file));
            let mut candidates: Vec<_> = left.chain(ready).collect();
            // What was begun is finished first.
            candidates
                .sort_by_key(|candidate| resume.as_ref().is_none_or(|place| place.file != candidate.name()));
            let (mut has_claimed, mut has_moved) = (false, false);
            for candidate in candidates {
                let name = candidate.name().to_owned();
                let Some(claim) = self.take(candidate).await? else {
                    continue;
                };
                has_claimed = true;
                let here = resume.clone().filter(|place| place.file == name);
                match self
                    .send_file(&outlet, stopping.as_mut(), claim, here, trusts_notes)
                    .await?
                {
                    Sent::Moved => has_moved = true,
                    Sent::Gone => {}
                    Sent::NotReady => continue,
                    Sent::Stopped => return Ok(()),
                }
                resume = resume.filter(|place| place.file != name);
            }
            if is_empty && !has_claimed && self.reading.once {
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
