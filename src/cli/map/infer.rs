//! `trunkline map infer`: the JSON Schema of sample records, for `schema:` at the source of a flow.
//!
//! Promises: the same samples in the same order give the same text; what is required stood in every sample; no value of
//! a sample is in it. Not promised: that the next record is like the samples: read it before it is relied upon.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value as Json, json};
use trunkline_formats::{csv::Rows, json, lines::Lines};
use trunkline_sdk::{Fault, Value};

use super::output::indented;
use crate::{
    canonical::time::{Instant, parse_date},
    cli::{Failure, count, say},
};

/// The largest record: that of the bus.
const MOST: usize = 16 << 20;

/// More names than any schema that a person reads has: an object with so many is a map of keys.
const MOST_NAMES: usize = 1000;

#[derive(clap::Args)]
pub(super) struct Infer {
    /// Files of sample records: .json (one, or a list of them), .jsonl, .csv, .xml
    #[arg(required = true)]
    samples: Vec<PathBuf>,
    /// What separates the fields of CSV: one character, or `tab`
    #[arg(long, default_value = ",")]
    delimiter: String,
    #[command(flatten)]
    xml: super::xml::Xml,
}

impl Infer {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut seen = Seen::default();
        for path in &self.samples {
            self.file(path, &mut seen)?;
        }
        if seen.times == 0 {
            return Err(Fault::stop("the samples hold no record").into());
        }
        let mut schema = Map::new();
        schema.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        if let Json::Object(inner) = seen.schema() {
            schema.extend(inner);
        }
        say::data(indented(&Json::Object(schema).to_string()))?;
        let records = usize::try_from(seen.times).unwrap_or(usize::MAX);
        say::talk(format_args!("inferred from {}", count(records, "record")));
        Ok(())
    }

    fn file(&self, path: &Path, seen: &mut Seen) -> Result<(), Fault> {
        let name = path.display();
        let cannot = |error: std::io::Error| Fault::stop(format!("cannot read `{name}`: {}", error.kind()));
        let wrong = |line: u64, what: &str| Fault::stop(format!("`{name}`, line {line}: {what}"));
        let mut input = BufReader::new(File::open(path).map_err(cannot)?);
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => {
                let mut bytes = Vec::new();
                input
                    .by_ref()
                    .take(MOST as u64 + 1)
                    .read_to_end(&mut bytes)
                    .map_err(cannot)?;
                if bytes.len() > MOST {
                    return Err(Fault::stop(format!("`{name}` is larger than 16 MiB"))
                        .hint("write the samples as JSON lines, one record each"));
                }
                match json::read(&bytes).map_err(|why| wrong(why.line, &why.what))? {
                    Value::List(records) => records.iter().for_each(|record| seen.see(record)),
                    record => seen.see(&record),
                }
            }
            Some("jsonl" | "ndjson") => {
                let mut lines = Lines::new(input, MOST);
                while let Some(line) = lines.read().map_err(cannot)? {
                    let bytes = line
                        .content
                        .map_err(|unframed| wrong(line.line, &unframed.why.what))?;
                    seen.see(&json::read(&bytes).map_err(|why| wrong(line.line, &why.what))?);
                }
            }
            Some("csv") => self.csv(input, seen, &wrong, &cannot)?,
            Some("xml") => {
                let mut records = self.xml.records(input, MOST)?;
                while let Some(record) = records.read().map_err(cannot)? {
                    let content = record.content;
                    seen.see(&content.map_err(|unframed| wrong(unframed.why.line, &unframed.why.what))?);
                }
            }
            _ => {
                return Err(Fault::stop(format!(
                    "`{name}` is none of `.json`, `.jsonl`, `.csv` and `.xml`"
                ))
                .hint("name the samples by what they are"));
            }
        }
        Ok(())
    }

    fn csv(
        &self,
        input: impl BufRead,
        seen: &mut Seen,
        wrong: &dyn Fn(u64, &str) -> Fault,
        cannot: &dyn Fn(std::io::Error) -> Fault,
    ) -> Result<(), Fault> {
        let delimiter = super::input::delimiter(&self.delimiter)?;
        let mut rows =
            Rows::new(input, delimiter, MOST).map_err(|_| wrong(1, "this is no header of a CSV"))?;
        while let Some(row) = rows.read().map_err(cannot)? {
            seen.see(
                &row.content
                    .map_err(|unframed| wrong(row.line, &unframed.why.what))?,
            );
        }
        Ok(())
    }
}

/// What was seen at one place of all samples.
#[derive(Default)]
struct Seen {
    times: u64,
    nulls: u64,
    bools: u64,
    integers: u64,
    numbers: u64,
    texts: u64,
    lists: u64,
    objects: u64,
    /// Texts that are of each format.
    formats: [u64; FORMATS.len()],
    names: HashMap<String, usize>,
    fields: Vec<(String, Seen)>,
    items: Option<Box<Seen>>,
    /// There are more names than are kept.
    is_map: bool,
}

/// What a text may be, as JSON Schema calls it, and whether one is.
type Format = (&'static str, fn(&str) -> bool);

const FORMATS: [Format; 4] = [
    ("date-time", |text| Instant::parse(text).is_some()),
    ("date", |text| parse_date(text).is_some()),
    ("uuid", is_uuid),
    ("email", is_email),
];

impl Seen {
    fn see(&mut self, value: &Value<'_>) {
        self.times += 1;
        match value {
            Value::Null => self.nulls += 1,
            Value::Bool(_) => self.bools += 1,
            Value::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
                self.integers += 1;
            }
            Value::Number(_) => self.numbers += 1,
            Value::Text(text) => {
                self.texts += 1;
                for (count, (_, is_so)) in self.formats.iter_mut().zip(FORMATS) {
                    *count += u64::from(is_so(text));
                }
            }
            Value::Bytes(_) => self.texts += 1,
            Value::List(items) => {
                self.lists += 1;
                let seen = self.items.get_or_insert_default();
                items.iter().for_each(|item| seen.see(item));
            }
            Value::Object(fields) => {
                self.objects += 1;
                for (name, value) in fields {
                    self.field(name, value);
                }
            }
        }
    }

    fn field(&mut self, name: &str, value: &Value<'_>) {
        let at = match self.names.get(name) {
            Some(at) => *at,
            None if self.fields.len() >= MOST_NAMES => {
                self.is_map = true;
                return;
            }
            None => {
                self.fields.push((name.to_owned(), Seen::default()));
                self.names.insert(name.to_owned(), self.fields.len() - 1);
                self.fields.len() - 1
            }
        };
        self.fields[at].1.see(value);
    }

    fn schema(&self) -> Json {
        let mut schema = Map::new();
        let whole = self.integers > 0 && self.numbers == 0;
        let types: Vec<_> = [
            ("object", self.objects > 0),
            ("array", self.lists > 0),
            ("string", self.texts > 0),
            ("integer", whole),
            ("number", self.numbers > 0),
            ("boolean", self.bools > 0),
            ("null", self.nulls > 0),
        ]
        .into_iter()
        .filter_map(|(name, is_so)| is_so.then_some(name))
        .collect();
        match types.as_slice() {
            // The items of lists that are all empty.
            [] => {}
            [one] => drop(schema.insert("type".to_owned(), json!(one))),
            several => drop(schema.insert("type".to_owned(), json!(several))),
        }
        if self.texts > 0
            && let Some((format, _)) = FORMATS
                .iter()
                .zip(self.formats)
                .find_map(|(format, count)| (count == self.texts).then_some(format))
        {
            schema.insert("format".to_owned(), json!(format));
        }
        if self.objects > 0 {
            let properties = self
                .fields
                .iter()
                .map(|(name, seen)| (name.clone(), seen.schema()));
            schema.insert("properties".to_owned(), Json::Object(properties.collect()));
            let always = self.fields.iter().filter(|(_, seen)| seen.times == self.objects);
            let required: Vec<_> = always.map(|(name, _)| name.as_str()).collect();
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
            if self.is_map {
                schema.insert("additionalProperties".to_owned(), json!(true));
            }
        }
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), items.schema());
        }
        Json::Object(schema)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_email(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !"()<>[],;:\\\"@".contains(c);
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && host.contains('.')
            && !host.starts_with('.')
            && name.chars().chain(host.chars()).all(is_plain)
    })
}
