//! What stands on stdin, record by record, in the form that a mapping takes.

use std::io::{BufReader, Read, Stdin, stdin};

use prost_reflect::{MessageDescriptor, prost::Message};
use trunkline_formats::{
    csv::{HeaderError, Rows},
    fixed, json,
    lines::Lines,
    xml,
};
use trunkline_sdk::{Fault, Settings, Value};

use super::{
    Format,
    xml::{Document, Xml},
};
use crate::{
    canonical,
    mapping::{self, This},
};

/// The largest record: that of the bus.
const MOST: usize = 16 << 20;

/// One record, or one encoded message.
pub(super) enum Input {
    Record(Value<'static>),
    Message(Vec<u8>),
}

impl Input {
    pub(super) fn as_mapping(&self) -> mapping::Input<'_> {
        match self {
            Input::Record(record) => mapping::Input::Record(record),
            Input::Message(bytes) => mapping::Input::Message(bytes),
        }
    }
}

/// All records of stdin, one after the other.
pub(super) struct Inputs {
    records: Records,
    /// They are canonical messages of this type.
    kind: Option<MessageDescriptor>,
    /// The line on which the record at hand begins.
    line: u64,
}

enum Records {
    Whole(Option<Stdin>, Format),
    Lines(Lines<BufReader<Stdin>>),
    Rows(Box<Rows<BufReader<Stdin>>>),
    Elements(Box<xml::Records<Document<BufReader<Stdin>>>>),
    Columns(Box<fixed::Records<BufReader<Stdin>>>),
    /// It cannot be read on.
    Ended,
}

impl Inputs {
    pub(super) fn new(
        format: Format,
        delimiter: &str,
        xml: &Xml,
        source: Option<&Settings>,
        takes: &This,
    ) -> Result<Self, Fault> {
        let kind = match takes {
            This::Message(kind) => Some(kind.clone()),
            This::Record | This::Declared(_) => None,
        };
        let records = match format {
            Format::Protobuf if kind.is_none() => {
                return Err(
                    Fault::stop("this mapping takes native records, not encoded messages")
                        .hint("with `--type` it takes a canonical message"),
                );
            }
            Format::Json | Format::Protobuf => Records::Whole(Some(stdin()), format),
            Format::JsonLines => Records::Lines(Lines::new(BufReader::new(stdin()), MOST)),
            Format::Xml => Records::Elements(Box::new(xml.records(BufReader::new(stdin()), MOST)?)),
            Format::Fixed => {
                let input = BufReader::new(stdin());
                let records = source.and_then(|source| trunkline_file::fixed_width(source, input, MOST));
                Records::Columns(Box::new(records.ok_or_else(|| {
                    Fault::stop("it is not said which fields the records of fixed width have").hint(
                        "name a flow that reads them, whose `from:` has the `fields`: `trunkline map <flow>`",
                    )
                })?))
            }
            Format::Csv => {
                let delimiter = self::delimiter(delimiter)?;
                match Rows::new(BufReader::new(stdin()), delimiter, MOST) {
                    Ok(rows) => Records::Rows(Box::new(rows)),
                    Err(HeaderError::NoHeader(unframed)) => {
                        return Err(Fault::stop(format!("the CSV has no header: {}", unframed.why))
                            .hint("its first row names the columns"));
                    }
                    Err(HeaderError::Io(error)) => return Err(unread(&error)),
                }
            }
        };
        Ok(Self {
            records,
            kind,
            line: 1,
        })
    }

    fn record(&mut self) -> Option<Result<Vec<u8>, Fault>> {
        match &mut self.records {
            Records::Whole(stdin, _) => {
                let mut bytes = Vec::new();
                let read = stdin.take()?.lock().take(MOST as u64 + 1).read_to_end(&mut bytes);
                Some(match read {
                    Err(error) => Err(unread(&error)),
                    Ok(read) if read > MOST => Err(Fault::stop("the record is larger than 16 MiB")),
                    Ok(_) => Ok(bytes),
                })
            }
            Records::Lines(lines) => match lines.read() {
                Err(error) => {
                    self.records = Records::Ended;
                    Some(Err(unread(&error)))
                }
                Ok(framed) => framed.map(|framed| {
                    self.line = framed.line;
                    let malformed = |unframed: trunkline_formats::Unframed| malformed("line", &unframed.why);
                    framed.content.map_err(malformed)
                }),
            },
            Records::Rows(_) | Records::Elements(_) | Records::Columns(_) | Records::Ended => None,
        }
    }

    fn input(&self, bytes: Vec<u8>) -> Result<Input, Fault> {
        if let Records::Whole(_, Format::Protobuf) = self.records {
            return Ok(Input::Message(bytes));
        }
        let value = json::read(&bytes).map_err(|mut why| {
            why.line += self.line - 1;
            malformed("JSON", &why)
        })?;
        self.value(value.into_owned())
    }

    fn value(&self, value: Value<'static>) -> Result<Input, Fault> {
        let Some(kind) = &self.kind else {
            return Ok(Input::Record(value));
        };
        let message = canonical::parse(kind, &value).map_err(|flaws| {
            let told = flaws.iter().map(|flaw| match flaw.path().as_str() {
                "" => flaw.what.clone(),
                path => format!("{path}: {}", flaw.what),
            });
            let fault = Fault::stop(told.collect::<Vec<_>>().join("; "));
            match flaws.into_iter().find_map(|flaw| flaw.hint) {
                Some(hint) => fault.hint(hint),
                None => fault,
            }
        })?;
        Ok(Input::Message(message.encode_to_vec()))
    }
}

impl Iterator for Inputs {
    type Item = Result<Input, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (read, what) = match &mut self.records {
            Records::Rows(rows) => (rows.read(), "row"),
            Records::Elements(elements) => (elements.read(), "XML"),
            Records::Columns(columns) => (columns.read(), "record of fixed width"),
            _ => {
                let record = self.record()?;
                return Some(record.and_then(|bytes| self.input(bytes)));
            }
        };
        match read {
            Err(error) => {
                self.records = Records::Ended;
                Some(Err(unread(&error)))
            }
            Ok(framed) => framed.map(|framed| match framed.content {
                Ok(value) => self.value(value),
                Err(unframed) => Err(malformed(what, &unframed.why)),
            }),
        }
    }
}

/// What separates the fields of CSV, as it is said on the command line.
pub(super) fn delimiter(text: &str) -> Result<u8, Fault> {
    match text.as_bytes() {
        b"tab" => Ok(b'\t'),
        [one] if one.is_ascii() && !matches!(one, b'"' | b'\n' | b'\r') => Ok(*one),
        _ => Err(Fault::stop("`--delimiter` must be one ASCII character, or `tab`")),
    }
}

fn malformed(what: &str, why: &trunkline_formats::Malformed) -> Fault {
    Fault::stop(format!("this is no {what}: {why}"))
}

fn unread(error: &std::io::Error) -> Fault {
    Fault::stop(format!("cannot read stdin: {}", error.kind()))
}
