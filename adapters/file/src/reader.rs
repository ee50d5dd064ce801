//! One file, from its first byte to its last record; runs on a thread that may block.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use trunkline_formats::{
    Encoding, Framed, Malformed, Mark, Unframed,
    csv::{HeaderError, Rows},
    fixed,
    lines::Lines,
    media_type, xml,
};
use trunkline_sdk::{Body, Fault, Record};

use crate::{
    claim::Claim,
    disk::fault,
    finish,
    folder::Stamp,
    format::{Fixed, Format},
    options::Reading,
    position::Place,
    unpack::{Input, Unpacked, is_packed},
    verdicts::{Spot, Verdicts},
};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// A file that is about to be read.
pub(crate) struct Reader {
    pub(crate) claim: Arc<Claim>,
    pub(crate) reading: Reading,
    /// Where to go on, if this file was read in part before.
    pub(crate) resume: Option<Place>,
    /// Whether, without that, the notes of the file tell it: else the file is read from its beginning.
    pub(crate) trusts_notes: bool,
    /// Takes the notes when it is known where reading goes on.
    pub(crate) begun: oneshot::Sender<Verdicts>,
    /// Takes the records.
    pub(crate) records: mpsc::Sender<Batch>,
}

/// Some records in order. To wake the taker for each would cost more than to read it.
pub(crate) type Batch = Vec<Piece>;

/// A record, and where it stands.
pub(crate) struct Piece {
    pub(crate) record: Record,
    pub(crate) spot: Spot,
    /// How many bytes it stands for.
    pub(crate) size: usize,
}

/// How many records a batch has at most.
const BATCH: usize = 32;

/// How many bytes it has at most, but for its last record.
const BATCH_BYTES: usize = 256 << 10;

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All records were handed over.
    Whole,
    /// The file is still written to, or was taken away: nothing was handed over.
    NotReady,
    /// Nobody takes the records any more.
    Abandoned,
}

impl Reader {
    /// Reads the file: first its content's hash, then its records.
    ///
    /// Faults: `Stop` when it was changed after a part of it was sent, or may not be read; `Reopen` else.
    pub(crate) fn run(self) -> Result<Ended, Fault> {
        let Self {
            claim,
            reading,
            resume,
            trusts_notes,
            begun,
            records,
        } = self;
        let failed = |error| fault("cannot read", &claim.path, error);
        let mut file = match File::open(&claim.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ended::NotReady),
            opened => opened.map_err(failed)?,
        };
        // What was opened must be what was seen: not something that took its place.
        let is_same = |file: &File| Ok(Stamp::of(&file.metadata()?)? == claim.stamp);
        if !is_same(&file).map_err(failed)? {
            return Ok(Ended::NotReady);
        }
        let goes_on = || !records.is_closed();
        let Some(hash) = hash(&mut file, goes_on).map_err(failed)? else {
            return Ok(Ended::Abandoned);
        };
        let mut size = claim.stamp.size;
        let mut damage = None;
        if is_packed(&claim.name) {
            file.rewind().map_err(failed)?;
            let packed = Unpacked::new(file.try_clone().map_err(failed)?);
            match packed.measure(size, goes_on).map_err(failed)? {
                Ok(unpacked) => size = unpacked,
                Err(what) => damage = Some(what),
            }
        }
        if !is_same(&file).map_err(failed)? {
            return Ok(Ended::NotReady);
        }
        let start = match &resume {
            Some(place) if place.hash == hash => Some(place.mark),
            Some(place) if !place.is_end() && claim.is_taken_up => return Err(finish::changed(&claim.name)),
            // The one before was sent to its end: this is another file of the same name.
            Some(_) => Some(Mark::default()),
            None if trusts_notes => None,
            None => Some(Mark::default()),
        };
        let verdicts = Verdicts::open(&claim, &hash, start).map_err(failed)?;
        let start = verdicts.tally.upto;
        if begun.send(verdicts).is_err() {
            return Ok(Ended::Abandoned);
        }
        file.rewind().map_err(failed)?;
        let framing = Framing {
            claim: &claim,
            reading: &reading,
            size,
        };
        let taker = Taker {
            framing: &framing,
            records: &records,
            hash,
            from: start.offset,
            batch: Batch::new(),
            bytes: 0,
        };
        match framing.run(file, damage, start, taker) {
            Ok(ended) => Ok(ended),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The content's hash; `None` when nobody waits for it any more.
fn hash(file: &mut File, goes_on: impl Fn() -> bool) -> io::Result<Option<String>> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        if !goes_on() {
            return Ok(None);
        }
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&chunk[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let hash = hasher.finalize();
    // 128 bits tell files apart.
    Ok(Some(hash.to_hex()[..32].to_owned()))
}

/// The way from a file to its records.
struct Framing<'a> {
    claim: &'a Claim,
    reading: &'a Reading,
    /// In bytes, unpacked.
    size: u64,
}

impl Framing<'_> {
    fn run(&self, file: File, damage: Option<&str>, start: Mark, mut taker: Taker<'_>) -> io::Result<Ended> {
        let limit = self.reading.max_record;
        let formats = &self.reading.formats;
        if let Some(what) = damage {
            let unframed = self.damaged(file, what)?;
            let is_taken = self.take_whole(start, &mut taker, Err(unframed));
            return Ok(taker.end(is_taken));
        }
        let mut input = Input::new(file, is_packed(&self.claim.name));
        let is_taken = match self.claim.format {
            Format::JsonLines => {
                let mut lines = Lines::new(buffered(input), limit);
                lines.resume_at(start)?;
                taker.take_all(|| lines.read(), |bytes| bytes_of(media_type::JSON, bytes))?
            }
            Format::Csv => {
                let encoding = formats.encoding.unwrap_or_default();
                match Rows::encoded(buffered(input), encoding, formats.delimiter, limit) {
                    Ok(mut rows) => {
                        rows.resume_at(start)?;
                        taker.take_all(|| rows.read(), Body::Value)?
                    }
                    Err(HeaderError::Io(error)) => return Err(error),
                    // Without its header nothing of the file can be read.
                    Err(HeaderError::NoHeader(header)) => self.take_whole(start, &mut taker, Err(header)),
                }
            }
            Format::Json => {
                let text = read_all(buffered(input), limit)?;
                let text = text.map(|bytes| bytes_of(media_type::JSON, bytes));
                self.take_whole(start, &mut taker, text)
            }
            Format::Xml => {
                let (Some(path), lists) = (formats.record.clone(), formats.lists.clone()) else {
                    return Ok(Ended::NotReady);
                };
                match encoding_of(&mut input, formats.encoding)? {
                    Ok(encoding) => {
                        let mut records = xml::Records::new(buffered(input), encoding, path, lists, limit);
                        records.resume_at(start)?;
                        taker.take_all(|| records.read(), Body::Value)?
                    }
                    Err(refused) => self.take_whole(start, &mut taker, Err(refused)),
                }
            }
            Format::Fixed => {
                let Some(Fixed { layout, ends }) = formats.fixed.clone() else {
                    return Ok(Ended::NotReady);
                };
                let encoding = formats.encoding.unwrap_or_default();
                let mut records = fixed::Records::new(buffered(input), encoding, layout, ends, limit);
                records.resume_at(start)?;
                taker.take_all(|| records.read(), Body::Value)?
            }
        };
        Ok(taker.end(is_taken))
    }

    /// What there is of a packed file that cannot be unpacked.
    fn damaged(&self, file: File, what: &str) -> io::Result<Unframed> {
        let mut bytes = Vec::new();
        file.take(self.reading.max_record as u64)
            .read_to_end(&mut bytes)?;
        Ok(Unframed {
            bytes,
            is_cut: true,
            why: Malformed {
                line: 1,
                column: 1,
                what: what.to_owned().into(),
            },
        })
    }

    /// Takes the one record that stands for all of the file, unless it was taken before.
    fn take_whole(&self, start: Mark, taker: &mut Taker<'_>, content: Result<Body, Unframed>) -> bool {
        start.records > 0 || taker.take(self.whole(content), |body| body)
    }

    /// The one record that stands for all of the file.
    fn whole<T>(&self, content: Result<T, Unframed>) -> Framed<T> {
        Framed {
            number: 1,
            line: 1,
            begins: 0,
            next: Mark {
                records: 1,
                lines: 0,
                column: 0,
                offset: self.size,
            },
            content,
        }
    }
}

/// Makes records of what was framed and hands them over.
struct Taker<'a> {
    framing: &'a Framing<'a>,
    records: &'a mpsc::Sender<Batch>,
    hash: String,
    /// Where the next record begins, in bytes.
    from: u64,
    batch: Batch,
    /// The bytes that the batch stands for.
    bytes: usize,
}

impl Taker<'_> {
    /// Takes all that is read; false when nobody takes it.
    fn take_all<T>(
        &mut self,
        mut read: impl FnMut() -> io::Result<Option<Framed<T>>>,
        body: impl Fn(T) -> Body,
    ) -> io::Result<bool> {
        while let Some(framed) = read()? {
            if !self.take(framed, &body) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds a record, and hands over what is enough; false when nobody takes it.
    fn take<T>(&mut self, framed: Framed<T>, body: impl FnOnce(T) -> Body) -> bool {
        let Framing { claim, .. } = self.framing;
        let name = &claim.name;
        let attributes = vec![
            ("file.name".to_owned(), name.clone()),
            ("file.record".to_owned(), framed.number.to_string()),
            ("file.line".to_owned(), framed.line.to_string()),
        ];
        let mut unreadable = None;
        let body = match framed.content {
            Ok(content) => body(content),
            Err(unframed) => {
                unreadable = Some(unframed.why.to_string());
                // Of a record that was cut nobody should try to read the half.
                let content_type = match claim.format {
                    _ if unframed.is_cut => media_type::BYTES,
                    Format::Csv => media_type::CSV,
                    Format::Json | Format::JsonLines => media_type::JSON,
                    Format::Xml => media_type::XML,
                    Format::Fixed => media_type::TEXT,
                };
                bytes_of(content_type, unframed.bytes)
            }
        };
        let place = Place {
            file: name.clone(),
            hash: self.hash.clone(),
            size: self.framing.size,
            mark: framed.next,
        };
        let record = Record {
            id: format!("{name}:{}:{}", self.hash, framed.number),
            key: None,
            time: Some(claim.stamp.modified),
            subject: Some(format!("{name}#{}", framed.number)),
            attributes,
            body,
            unreadable,
            position: Some(place.position()),
        };
        let length = framed.next.offset.saturating_sub(self.from);
        self.from = framed.next.offset;
        // A header or blank lines may lie between, so no more than a record can have is counted.
        let most = self.framing.reading.max_record;
        let size = usize::try_from(length).map_or(most, |length| length.min(most));
        self.bytes += size;
        let spot = Spot {
            record: framed.number,
            line: framed.line,
            begins: framed.begins,
            next: framed.next,
        };
        self.batch.push(Piece { record, spot, size });
        self.batch.len() < BATCH && self.bytes < BATCH_BYTES || self.hand_over()
    }

    /// Hands over what there is; false when nobody takes it.
    fn hand_over(&mut self) -> bool {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        batch.is_empty() || self.records.blocking_send(batch).is_ok()
    }

    fn end(&mut self, is_taken: bool) -> Ended {
        match is_taken && self.hand_over() {
            true => Ended::Whole,
            false => Ended::Abandoned,
        }
    }
}

fn buffered(input: Input) -> BufReader<Input> {
    BufReader::with_capacity(CHUNK, input)
}

/// In which encoding an XML file is, if it was not `told`.
pub(crate) fn encoding_of(
    input: &mut Input,
    told: Option<Encoding>,
) -> io::Result<Result<Encoding, Unframed>> {
    if let Some(encoding) = told {
        return Ok(Ok(encoding));
    }
    let mut beginning = Vec::new();
    input.by_ref().take(1 << 10).read_to_end(&mut beginning)?;
    input.rewind()?;
    Ok(xml::encoding_of(&beginning).map_err(|why| Unframed {
        bytes: beginning,
        is_cut: true,
        why,
    }))
}

fn bytes_of(content_type: &str, bytes: Vec<u8>) -> Body {
    Body::Bytes {
        content_type: content_type.to_owned(),
        bytes: Bytes::from(bytes),
    }
}

/// All that there is, if it is no more than a record may have.
fn read_all(input: impl Read, limit: usize) -> io::Result<Result<Vec<u8>, Unframed>> {
    let mut bytes = Vec::new();
    input.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() <= limit {
        return Ok(Ok(bytes));
    }
    bytes.truncate(limit);
    Ok(Err(Unframed {
        bytes,
        is_cut: true,
        why: Malformed {
            line: 1,
            column: 1,
            what: "the file is larger than `max_record`".into(),
        },
    }))
}
