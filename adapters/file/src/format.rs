//! How files are written: their formats, and the options of each.

use trunkline_formats::{
    Encoding,
    fixed::{Align, Columns, Ends, Field, Kind as FieldKind, Layout},
    xml::Path,
};
use trunkline_sdk::{Kind, Need, Opt, Options, Problem, Settings};

use crate::unpack;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    JsonLines,
    Csv,
    Json,
    Xml,
    Fixed,
}

/// What is known of the formats of a flow's files.
#[derive(Debug, Clone)]
pub(crate) struct Formats {
    /// Of all its files; else their extensions tell.
    pub(crate) format: Option<Format>,
    pub(crate) delimiter: u8,
    /// `None`: as an XML file says of itself, else UTF-8.
    pub(crate) encoding: Option<Encoding>,
    /// Where records are in XML; without it there is none.
    pub(crate) record: Option<Path>,
    pub(crate) lists: Vec<String>,
    /// Without it there are no files of fixed width.
    pub(crate) fixed: Option<Fixed>,
}

/// What is done with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

impl Use {
    fn done(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "written",
        }
    }
}

/// How files of fixed width are laid out.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) layout: Layout,
    pub(crate) ends: Ends,
}

/// The widest column of a layout.
const MOST_COLUMNS: i64 = 1 << 20;

/// `fields: [ … ]`.
pub(crate) const FIELD: &[Opt] = &[
    Opt {
        name: "name",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the field's name in the record",
    },
    Opt {
        name: "start",
        kind: Kind::Number(1, MOST_COLUMNS),
        need: Need::Optional,
        summary: "its first column, from 1; left out, it follows the field before it",
    },
    Opt {
        name: "length",
        kind: Kind::Number(1, MOST_COLUMNS),
        need: Need::Required,
        summary: "how many columns it has",
    },
    Opt {
        name: "type",
        kind: Kind::Choice(&["text", "number"]),
        need: Need::Optional,
        summary: "`text`, or `number`, which it is with `decimals` anyway",
    },
    Opt {
        name: "decimals",
        kind: Kind::Number(0, 18),
        need: Need::Optional,
        summary: "how many of its last digits stand behind a point that is not written",
    },
    Opt {
        name: "align",
        kind: Kind::Choice(&["left", "right"]),
        need: Need::Optional,
        summary: "on which side the value stands; left out, texts left, numbers right",
    },
    Opt {
        name: "pad",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the character that fills the other side; left out, a blank, for numbers `0`",
    },
];

/// `type_columns: { … }`.
pub(crate) const TYPE_COLUMNS: &[Opt] = &[
    Opt {
        name: "start",
        kind: Kind::Number(1, MOST_COLUMNS),
        need: Need::Required,
        summary: "the first column of the word that tells the type, from 1",
    },
    Opt {
        name: "length",
        kind: Kind::Number(1, MOST_COLUMNS),
        need: Need::Required,
        summary: "how many columns it has",
    },
];

/// Which options say something to which formats only.
const BELONGS: &[(&str, &[Format])] = &[
    ("delimiter", &[Format::Csv]),
    ("encoding", &[Format::Csv, Format::Xml, Format::Fixed]),
    ("header", &[Format::Csv]),
    ("spreadsheet_safe", &[Format::Csv]),
    ("record", &[Format::Xml]),
    ("lists", &[Format::Xml]),
    ("fields", &[Format::Fixed]),
    ("types", &[Format::Fixed]),
    ("type_columns", &[Format::Fixed]),
    ("columns", &[Format::Fixed]),
    ("record_length", &[Format::Fixed]),
    ("line_ends", &[Format::Fixed]),
    ("short_lines", &[Format::Fixed]),
];

impl Format {
    /// The words in settings.
    pub(crate) const WORDS: &'static [&'static str] = &["json-lines", "csv", "json", "xml", "fixed"];

    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "json-lines" => Self::JsonLines,
            "csv" => Self::Csv,
            "json" => Self::Json,
            "xml" => Self::Xml,
            "fixed" => Self::Fixed,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::JsonLines => "json-lines",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Fixed => "fixed",
        }
    }

    /// The format that a name's extension tells, before `.gz` where it is packed.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = match unpack::is_packed(name) {
            true => &name[..name.len() - 3],
            false => name,
        };
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            _ => None,
        }
    }
}

/// Adds a problem with an option, where it stands.
struct Wrong<'p> {
    settings: &'p Settings,
    problems: &'p mut Vec<Problem>,
}

impl Wrong<'_> {
    fn with(&mut self, option: &str, what: impl Into<String>, hint: &str) {
        let place = self
            .settings
            .get(option)
            .map_or(&self.settings.place, |value| &value.place);
        self.problems.push(Problem::new(place, what).hint(hint));
    }
}

impl Formats {
    /// Reads the options of formats, which were checked against their table; adds what is wrong with them.
    pub(crate) fn read(
        options: &Options<'_>,
        settings: &Settings,
        use_: Use,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut wrong = Wrong { settings, problems };
        let format = options.text("format").and_then(Format::named);
        let (names, verb) = match use_ {
            Use::Read => ("pattern", "read"),
            Use::Write => ("name", "write"),
        };
        // What the files are, if all are of one format.
        let told = format.or_else(|| options.text(names).and_then(Format::of));
        if let Some(told) = told {
            for (option, formats) in BELONGS {
                if settings.get(option).is_some() && !formats.contains(&told) {
                    let words: Vec<_> = formats.iter().map(|format| format.word()).collect();
                    wrong.with(
                        option,
                        format!("`{option}` means nothing to the format `{}`", told.word()),
                        &format!("leave it out, or {verb} `{}`", words.join("`, `")),
                    );
                }
            }
        }
        let record = options.text("record").and_then(|text| match Path::parse(text) {
            Ok(path) => Some(path),
            Err(what) => {
                wrong.with("record", format!("`record`: {what}"), RECORD_HINT);
                None
            }
        });
        if settings.get("record").is_none() {
            if told == Some(Format::Xml) {
                wrong.with("format", "XML files need `record`", RECORD_HINT);
            } else if told.is_none() && settings.get("lists").is_some() {
                wrong.with(
                    "lists",
                    "`lists` is for XML files, which need `record`",
                    RECORD_HINT,
                );
            }
        }
        if use_ == Use::Read && format == Some(Format::Fixed) && settings.get("pattern").is_none() {
            let what = "files of fixed width need `pattern`, for no extension tells them";
            wrong.with(
                "format",
                what,
                "say which files they are: `pattern: \"stock-*.txt\"`",
            );
        }
        if format.is_none() && told != Some(Format::Xml) {
            let fixed = BELONGS.iter().filter(|(_, formats)| *formats == [Format::Fixed]);
            let mut fixed = fixed.filter(|(option, _)| told.is_none() && settings.get(option).is_some());
            if let Some((option, _)) = fixed.next() {
                let what = format!("`{option}` is for files of fixed width");
                wrong.with(option, what, "say `format: fixed`");
            }
        }
        let encoding = options.text("encoding").and_then(Encoding::named);
        if encoding.is_some_and(Encoding::is_ebcdic) && format != Some(Format::Fixed) {
            let hint = "only `format: fixed` without line ends is written in EBCDIC";
            wrong.with(
                "encoding",
                format!("this format is not {} in EBCDIC", use_.done()),
                hint,
            );
        }
        Self {
            format,
            delimiter: delimiter(options, &mut wrong),
            encoding,
            record,
            lists: options.texts("lists").into_iter().map(str::to_owned).collect(),
            fixed: match format {
                Some(Format::Fixed) => fixed(options, encoding.unwrap_or_default(), &mut wrong),
                _ => None,
            },
        }
    }
}

const RECORD_HINT: &str =
    "the names from the root element to the one that is a record: `record: Orders/Order`";

fn delimiter(options: &Options<'_>, wrong: &mut Wrong<'_>) -> u8 {
    match options.text("delimiter").unwrap_or_default() {
        "tab" | "\\t" => b'\t',
        text => match text.as_bytes() {
            [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => *byte,
            _ => {
                let what = "`delimiter` must be one ASCII character";
                wrong.with("delimiter", what, "usual are `,`, `;` and `tab`");
                b','
            }
        },
    }
}

fn fixed(options: &Options<'_>, encoding: Encoding, wrong: &mut Wrong<'_>) -> Option<Fixed> {
    let before = wrong.problems.len();
    let columns = match options.text("columns") {
        Some("bytes") => Columns::Bytes,
        _ => Columns::Characters,
    };
    if columns == Columns::Bytes && matches!(encoding, Encoding::Utf16Le | Encoding::Utf16Be) {
        let hint = "leave `columns` out: a column is a character";
        wrong.with("columns", "in UTF-16 columns are not bytes", hint);
    }
    let length = options
        .number("record_length")
        .and_then(|length| usize::try_from(length).ok());
    let has_lines = options.text("line_ends") != Some("false");
    let may_be_short = options.flag("short_lines");
    let ends = match (has_lines, length) {
        (true, length) => Ends::Lines { length, may_be_short },
        (false, Some(length)) => Ends::Nothing { length },
        (false, None) => {
            let hint = "without it nobody knows where the next record begins";
            wrong.with(
                "line_ends",
                "records without line ends need `record_length`",
                hint,
            );
            Ends::Nothing { length: 1 }
        }
    };
    if !has_lines && may_be_short {
        let what = "`short_lines` means nothing without line ends";
        wrong.with("short_lines", what, "leave it out");
    }
    if has_lines && encoding.is_ebcdic() {
        let hint = "say `line_ends: false` and `record_length`; lines of EBCDIC are not read";
        wrong.with("encoding", "records in EBCDIC have no line ends", hint);
    }
    let layout = layout(options, columns, wrong)?;
    if let Some(length) = length
        && length < layout.width()
    {
        let what = format!(
            "`record_length` is {length}, but fields reach column {}",
            layout.width()
        );
        wrong.with("record_length", what, "make it as long as the record is");
    }
    (wrong.problems.len() == before).then_some(Fixed { layout, ends })
}

fn layout(options: &Options<'_>, columns: Columns, wrong: &mut Wrong<'_>) -> Option<Layout> {
    const HINT: &str = "`fields: [ { name: sku, length: 12 }, { name: on_hand, length: 7, type: number } ]`";
    let (fields, types) = (options.get("fields"), options.get("types"));
    let type_columns = options.get("type_columns");
    match (fields, types, type_columns) {
        (None, None, _) => {
            wrong.with("format", "files of fixed width need `fields`", HINT);
            return None;
        }
        (Some(_), Some(_), _) => {
            let hint = "declare the fields of each type under `types`";
            wrong.with("fields", "`fields` and `types` exclude each other", hint);
            return None;
        }
        (None, Some(_), None) => {
            let hint = "`type_columns: { start: 1, length: 1 }`: the columns whose word tells the type";
            wrong.with("types", "`types` needs `type_columns`", hint);
            return None;
        }
        (Some(_), None, Some(_)) => {
            let hint = "`types: { H: [ … ], D: [ … ] }`: the fields of each type";
            wrong.with("type_columns", "`type_columns` needs `types`", hint);
            return None;
        }
        _ => {}
    }
    // The settings of each type with its word: one without a word where there is only one.
    let declared: Vec<(String, &Settings)> = match (fields, types) {
        (Some(fields), _) => vec![(String::new(), fields)],
        (None, types) => types
            .and_then(Settings::entries)
            .unwrap_or_default()
            .iter()
            .map(|entry| (entry.key.clone(), &entry.value))
            .collect(),
    };
    let before = wrong.problems.len();
    let read = |list: &Settings, wrong: &mut Wrong<'_>| {
        let mut next = 1;
        let items = each(list).iter();
        items
            .filter_map(|item| {
                let field = field(item, next, wrong.problems)?;
                next = field.start + field.length;
                Some(field)
            })
            .collect::<Vec<_>>()
    };
    let all: Vec<(String, Vec<Field>)> = declared
        .iter()
        .map(|(word, list)| (word.clone(), read(list, wrong)))
        .collect();
    if wrong.problems.len() > before {
        return None;
    }
    let made = match type_columns.and_then(|settings| Options::read(TYPE_COLUMNS, settings).ok()) {
        None => Layout::new(all.into_iter().flat_map(|(_, fields)| fields).collect(), columns),
        Some(place) => {
            let number = |name| place.number(name).and_then(|number| usize::try_from(number).ok());
            Layout::by_type(
                number("start").unwrap_or(1),
                number("length").unwrap_or(1),
                all,
                columns,
            )
        }
    };
    made.map_err(|flaws| {
        for flaw in flaws {
            let list = declared.get(flaw.record_type).map(|(_, list)| *list);
            let item = list.and_then(|list| each(list).get(flaw.field?));
            let place = item.or(list).map_or(&wrong.settings.place, |at| &at.place);
            wrong.problems.push(
                Problem::new(place, flaw.what).hint("columns count from 1, and belong to one field at most"),
            );
        }
    })
    .ok()
}

/// The items of a list; a single value counts as a list of one.
pub(crate) fn each(list: &Settings) -> &[Settings] {
    list.items().unwrap_or(std::slice::from_ref(list))
}

/// A field that begins at `next` unless it says another column.
fn field(settings: &Settings, next: usize, problems: &mut Vec<Problem>) -> Option<Field> {
    let options = Options::read(FIELD, settings).ok()?;
    let before = problems.len();
    let mut wrong = Wrong { settings, problems };
    let number = |name: &str| {
        options
            .number(name)
            .and_then(|number| usize::try_from(number).ok())
    };
    let decimals = options
        .number("decimals")
        .and_then(|decimals| u8::try_from(decimals).ok());
    let is_number = options.text("type") == Some("number") || decimals.is_some();
    if options.text("type") == Some("text") && decimals.is_some() {
        wrong.with("decimals", "a text has no `decimals`", "leave one of the two out");
    }
    let align = match options.text("align") {
        Some("left") => Align::Left,
        Some(_) => Align::Right,
        None if is_number => Align::Right,
        None => Align::Left,
    };
    let usual = match (is_number, align) {
        (true, Align::Right) => "0",
        _ => " ",
    };
    let mut characters = options.text("pad").unwrap_or(usual).chars();
    let pad = match (characters.next(), characters.next()) {
        (Some(pad), None) if !pad.is_control() => pad,
        _ => {
            wrong.with("pad", "`pad` must be one character", "usual are a blank and `0`");
            ' '
        }
    };
    if is_number && !matches!(pad, ' ' | '*') && !(pad == '0' && align == Align::Right) {
        let hint = "numbers are padded with blanks, `*`, or zeros in front";
        wrong.with("pad", "this `pad` could be taken for a part of the number", hint);
    }
    (wrong.problems.len() == before).then(|| Field {
        name: options.text("name").unwrap_or_default().to_owned(),
        start: number("start").unwrap_or(next),
        length: number("length").unwrap_or(1),
        kind: match is_number {
            true => FieldKind::Number { decimals },
            false => FieldKind::Text,
        },
        align,
        pad,
    })
}
