//! How messages become files: the options of a sink, and the bytes of a record.

use trunkline_formats::{
    Encoding, Unwritable,
    csv::{self, Dialect},
    fixed::Ends,
    json, xml,
};
use trunkline_sdk::{Body, Fault, Kind, Need, Opt, Options, Problem, Settings, Shape, Value, Within};

use crate::{
    format::{Fixed, Format, Formats, Use, each},
    marker::Marker,
    name::{Flaw, Name},
    options::{COLUMNS, DELIMITER, FIELDS, LINE_ENDS, RECORD, RECORD_LENGTH, TYPE_COLUMNS_OPTION, TYPES},
    shape,
};

/// `to: { system: shop-files, … }`.
pub(crate) const SINK: &[Opt] = &[
    Opt {
        name: "name",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the file's name, of fields of the message, `{date}` and `{message_id}`: `{date}/{order_id}.json`",
    },
    Opt {
        name: "format",
        kind: Kind::Choice(Format::WORDS),
        need: Need::Optional,
        summary: "how files are written; left out, the extension of `name` tells: .json, .jsonl .ndjson, .csv, .xml",
    },
    Opt {
        name: "append",
        kind: Kind::Flag,
        need: Need::Default("false"),
        summary: "whether messages of one name are lines of one file, and not a file each",
    },
    Opt {
        name: "exists",
        kind: Kind::Choice(&["refuse", "replace"]),
        need: Need::Optional,
        summary: "what is done with a message whose file is there with other content; left out, it is refused",
    },
    Opt {
        name: "marker",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the empty file that says that one is whole, made of its `{name}` or `{stem}`: `{name}.done`",
    },
    Opt {
        name: "header",
        kind: Kind::List(&Kind::Text),
        need: Need::Optional,
        summary: "the columns of a CSV file, in their order",
    },
    DELIMITER,
    Opt {
        name: "spreadsheet_safe",
        kind: Kind::Flag,
        need: Need::Optional,
        summary: "whether a text in CSV that a spreadsheet would run (`=…`) gets a `'` in front; left out, it does",
    },
    Opt {
        name: "encoding",
        kind: Kind::Choice(Encoding::NAMES),
        need: Need::Optional,
        summary: "how characters are bytes in CSV and fixed width; left out, UTF-8",
    },
    RECORD,
    FIELDS,
    TYPES,
    TYPE_COLUMNS_OPTION,
    COLUMNS,
    RECORD_LENGTH,
    LINE_ENDS,
];

/// How messages are written.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    pub(crate) name: Name,
    pub(crate) appends: bool,
    pub(crate) replaces: bool,
    pub(crate) marker: Option<Marker>,
    encoding: Encoding,
    writer: Writer,
}

#[derive(Debug, Clone)]
enum Writer {
    Json,
    Csv(csv::Writer),
    Xml(xml::Writer),
    Fixed(Fixed),
}

impl Writing {
    /// Reads the options; everything wrong with them at once.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let options = Options::read(SINK, settings)?;
        let mut problems = Vec::new();
        let formats = Formats::read(&options, settings, Use::Write, &mut problems);
        let mut wrong = |option: &str, what: String, hint: &str| {
            let place = settings.get(option).map_or(&settings.place, |value| &value.place);
            problems.push(Problem::new(place, what).hint(hint));
        };
        let text = options.text("name").unwrap_or_default();
        let name = Name::read(text)
            .map_err(|flaw| wrong("name", flaw.what, &flaw.hint))
            .ok();
        let appends = options.flag("append");
        let format = formats.format.or_else(|| Format::of(text));
        if format.is_none() {
            let hint = "say `format:`, or end it with .json, .jsonl, .ndjson, .csv or .xml";
            wrong(
                "name",
                "`name` does not tell the format of the files".to_owned(),
                hint,
            );
        }
        if crate::unpack::is_packed(text) {
            wrong("name", "files are not packed".to_owned(), "leave `.gz` out");
        }
        if name.as_ref().is_some_and(Name::is_shared) && !appends && options.text("exists") != Some("replace")
        {
            let hint = "add a field or `{message_id}` to it, or say `append: true` or `exists: replace`";
            wrong(
                "name",
                "`name` is the same for many messages, and the second is refused".to_owned(),
                hint,
            );
        }
        if appends {
            if matches!(format, Some(Format::Json | Format::Xml)) {
                let what = "a document has an end, and nothing can be added to it".to_owned();
                wrong(
                    "append",
                    what,
                    "write `json-lines` or `csv`, or a file for each message",
                );
            }
            for option in ["exists", "marker"] {
                if settings.get(option).is_some() {
                    let what = format!("`{option}` means nothing to files that messages are added to");
                    wrong(option, what, "leave it out, or leave `append` out");
                }
            }
        }
        let marker = options.text("marker").map(Marker::read);
        if marker == Some(None) {
            let what = "`marker` must be a name with `{name}` or `{stem}` in it".to_owned();
            wrong("marker", what, "usual are `{name}.done` and `{stem}.ctl`");
        }
        let header: Vec<_> = options.texts("header").into_iter().map(str::to_owned).collect();
        let writer = match format {
            Some(Format::Csv) => {
                let dialect = Dialect {
                    delimiter: formats.delimiter,
                    guards_formulas: options.text("spreadsheet_safe") != Some("false"),
                    ..Dialect::default()
                };
                if header.is_empty() {
                    let hint =
                        "`header: [order_id, total]`: the fields of the message that are columns, in order";
                    wrong("format", "CSV files need `header`".to_owned(), hint);
                    None
                } else {
                    let made = csv::Writer::new(header, dialect);
                    let refused =
                        |flaw: Unwritable| wrong("header", format!("`header`: {flaw}"), "name each once");
                    made.map_err(refused).ok().map(Writer::Csv)
                }
            }
            Some(Format::Xml) => {
                if formats
                    .encoding
                    .is_some_and(|encoding| encoding != Encoding::Utf8)
                {
                    wrong(
                        "encoding",
                        "XML is written in UTF-8".to_owned(),
                        "leave `encoding` out",
                    );
                }
                formats.record.map(|path| Writer::Xml(xml::Writer::new(path)))
            }
            Some(Format::Fixed) => formats.fixed.map(Writer::Fixed),
            Some(Format::Json | Format::JsonLines) => Some(Writer::Json),
            None => None,
        };
        match (name, writer) {
            (Some(name), Some(writer)) if problems.is_empty() => Ok(Self {
                name,
                appends,
                replaces: options.text("exists") == Some("replace"),
                marker: marker.flatten(),
                encoding: formats.encoding.unwrap_or_default(),
                writer,
            }),
            _ => Err(problems),
        }
    }

    /// What does not fit messages of this shape.
    pub(crate) fn check(&self, settings: &Settings, shape: &Shape) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(name) = settings.get("name") {
            for Flaw { at, what, hint } in self.name.flaws(shape) {
                problems.push(Problem::new(&name.within(at), what).hint(hint));
            }
        }
        for column in settings.get("header").map(each).unwrap_or_default() {
            let name = column.text().unwrap_or_default();
            let is_field = shape.fields(&shape.whole).iter().any(|field| field.name == name);
            let (what, hint) = match shape::flaw(name, shape, str::to_owned) {
                Some(flaw) => flaw,
                None if is_field || !matches!(shape.whole, Within::Object(_)) => continue,
                // It leads to a value, but a row has the fields of the message itself only.
                None => (
                    format!("`{name}` stands within another field, but a row is flat"),
                    "let a step `translate` make it a field of the message".to_owned(),
                ),
            };
            problems.push(Problem::new(&column.place, what).hint(hint));
        }
        problems
    }

    /// What stands in front of the records of a file.
    pub(crate) fn head(&self) -> Result<Vec<u8>, Fault> {
        match &self.writer {
            Writer::Json | Writer::Fixed(_) => Ok(Vec::new()),
            Writer::Csv(writer) => self.encoded(&writer.head()),
            Writer::Xml(writer) => Ok(writer.head().into_bytes()),
        }
    }

    /// A record, with the end of its line.
    ///
    /// Faults: `DeadLetter` when the format cannot say it.
    pub(crate) fn record(&self, value: &Value<'_>) -> Result<Vec<u8>, Fault> {
        let unwritable = |what: Unwritable| {
            Fault::dead_letter(format!("the message cannot be written: {what}"))
                .hint("have the mapping make it as the file must be")
        };
        match &self.writer {
            Writer::Json => Ok((json::write(value) + "\n").into_bytes()),
            Writer::Csv(writer) => self.encoded(&writer.record(value).map_err(unwritable)?),
            Writer::Xml(writer) => Ok(writer.record(value).map_err(unwritable)?.into_bytes()),
            Writer::Fixed(Fixed { layout, ends }) => {
                let (length, end) = match ends {
                    Ends::Lines { length, .. } => (*length, "\n"),
                    Ends::Nothing { length } => (Some(*length), ""),
                };
                let mut bytes = layout.write(value, length, self.encoding).map_err(unwritable)?;
                bytes.extend(self.encoded(end)?);
                Ok(bytes)
            }
        }
    }

    /// What stands behind the records of a file.
    pub(crate) fn tail(&self) -> Vec<u8> {
        match &self.writer {
            Writer::Json | Writer::Csv(_) | Writer::Fixed(_) => Vec::new(),
            Writer::Xml(writer) => writer.tail().into_bytes(),
        }
    }

    fn encoded(&self, text: &str) -> Result<Vec<u8>, Fault> {
        match self.encoding.encode(text) {
            Ok(bytes) => Ok(bytes.into_owned()),
            Err(_) => {
                let name = self.encoding.name();
                Err(
                    Fault::dead_letter(format!("the message has a character that {name} does not have"))
                        .hint("write the file in utf-8, or have the mapping replace it"),
                )
            }
        }
    }
}

/// The tree of a message.
///
/// Faults: `DeadLetter` when it is undecoded, and not JSON.
pub(crate) fn tree(body: &Body) -> Result<Value<'_>, Fault> {
    match body {
        Body::Value(value) => Ok(value.clone()),
        Body::Bytes { content_type, bytes } if content_type == trunkline_formats::media_type::JSON => {
            json::read(bytes).map_err(|malformed| {
                Fault::dead_letter(format!("the message is no JSON: {malformed}"))
                    .hint("mend it where it comes from, or translate it before this sink")
            })
        }
        Body::Bytes { content_type, .. } => {
            let what = format!("the message is undecoded `{content_type}`, and has no fields to write");
            Err(Fault::dead_letter(what).hint("translate it before this sink"))
        }
    }
}
