//! `trunkline xref`: the identity cross-references of a landscape, imported, shown and corrected.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::json;
use trunkline_formats::csv::{HeaderError, Rows};
use trunkline_sdk::{Fault, Value};

use super::{
    Failure, Place, count,
    opened::{Opened, tell_elsewhere},
    say,
};
use crate::{
    config::{Landscape, unknown_hint},
    mapping::{Direction, Found, Reference},
    store::{CrossReference, CrossReferences, DeferredStore, Selection},
};

/// A row of a file is a line.
const LONGEST: usize = 64 << 10;
/// Most entries that are shown.
const MOST: usize = 100_000;

#[derive(Subcommand)]
pub(super) enum Xref {
    /// Add and correct entries from a CSV file with the columns system, kind, id and identity; all of them or none
    Import(Import),
    /// The entries, or those of a system, a kind, an identity
    Show(Show),
    /// Add or correct one entry
    Set(Set),
    /// Remove one entry
    Remove(Remove),
}

#[derive(clap::Args)]
pub(super) struct Import {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub(super) struct Show {
    /// Only of this system
    #[arg(long)]
    system: Option<String>,
    /// Only of this kind: `customer`, `product`
    #[arg(long)]
    kind: Option<String>,
    /// Only of this identity
    #[arg(long)]
    identity: Option<String>,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub(super) struct Set {
    /// The system
    system: String,
    /// What is identified: `customer`, `product`
    kind: String,
    /// What the system calls it
    id: String,
    /// The identity that it means
    identity: String,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub(super) struct Remove {
    /// The system
    system: String,
    /// What is identified: `customer`, `product`
    kind: String,
    /// What the system calls it
    id: String,
    #[command(flatten)]
    place: Place,
}

impl Xref {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Import(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Set(command) => command.run(),
            Self::Remove(command) => command.run(),
        }
    }
}

/// A landscape of which the systems and the store are known; what else is wrong with it is told in a line.
fn open(place: &Place) -> Result<Opened, Failure> {
    let (opened, problems) = Opened::in_part(place.landscape.clone())?;
    if !opened.landscape.is_known() {
        super::tell_problems(&opened.landscape, &problems);
        return Err(Failure::Told);
    }
    tell_elsewhere(&opened.landscape, problems.len());
    Ok(opened)
}

impl Import {
    fn run(self) -> Result<(), Failure> {
        let opened = open(&self.place)?;
        let store = DeferredStore::new(opened.plan.store.clone());
        let entries = read(&self.file, &opened.landscape, &store)?;
        let imported = store.set(&entries)?;
        say::talk(format_args!(
            "{}: {} added, {} changed, {} as before",
            count(entries.len(), "cross-reference"),
            imported.added,
            imported.changed,
            imported.same
        ));
        Ok(())
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let opened = open(&self.place)?;
        let store = DeferredStore::to_look_at(opened.plan.store.clone());
        if let Some(system) = &self.system {
            check_system(&opened.landscape, system)?;
        }
        let selection = Selection {
            system: self.system.as_deref(),
            kind: self.kind.as_deref(),
            id: None,
            identity: self.identity.as_deref(),
        };
        let entries = store.list(selection, MOST)?;
        if self.json {
            let rows: Vec<_> = entries.iter().map(row).collect();
            say::data(format_args!("{}\n", json!(rows)))?;
        } else {
            for entry in &entries {
                let CrossReference {
                    system,
                    kind,
                    id,
                    identity,
                } = entry;
                say::data(format_args!("{kind}  {identity}  {system}  {id}\n"))?;
            }
        }
        say::talk(format_args!("{}", count(entries.len(), "cross-reference")));
        Ok(())
    }
}

impl Set {
    fn run(self) -> Result<(), Failure> {
        let opened = open(&self.place)?;
        check_system(&opened.landscape, &self.system)?;
        let entry = CrossReference {
            system: self.system,
            kind: self.kind,
            id: self.id,
            identity: self.identity,
        };
        check_entry(&entry)?;
        let store = DeferredStore::new(opened.plan.store.clone());
        if let Some(other) = others(&store, std::slice::from_ref(&entry))?.pop().flatten() {
            return Err(second(&entry, &other).into());
        }
        let imported = store.set(&[entry])?;
        let did = match (imported.added, imported.changed) {
            (1, _) => "added",
            (_, 1) => "changed",
            _ => "as before",
        };
        say::talk(format_args!("{did}"));
        Ok(())
    }
}

impl Remove {
    fn run(self) -> Result<(), Failure> {
        let opened = open(&self.place)?;
        check_system(&opened.landscape, &self.system)?;
        let store = DeferredStore::to_look_at(opened.plan.store.clone());
        let selection = Selection {
            system: Some(&self.system),
            kind: Some(&self.kind),
            id: Some(&self.id),
            identity: None,
        };
        let there = store.list(selection, 1)?;
        let Some(CrossReference {
            system,
            kind,
            id,
            identity,
        }) = there.first()
        else {
            return Err(Fault::stop("there is no such cross-reference")
                .hint("`trunkline xref show` lists those there are")
                .into());
        };
        say::talk(format_args!(
            "removing {kind} {id} of {system}, which means {identity}"
        ));
        store.remove(&self.system, &self.kind, &self.id)?;
        Ok(())
    }
}

fn row(entry: &CrossReference) -> serde_json::Value {
    json!({ "system": entry.system, "kind": entry.kind, "id": entry.id, "identity": entry.identity })
}

fn check_system(landscape: &Landscape, name: &str) -> Result<(), Fault> {
    let known = || landscape.systems.iter().map(|system| system.name.as_str());
    if known().any(|system| system == name) {
        return Ok(());
    }
    Err(Fault::stop(format!("there is no system `{name}`")).hint(unknown_hint(name, known(), "systems")))
}

fn check_entry(entry: &CrossReference) -> Result<(), Fault> {
    for (name, text) in [
        ("kind", &entry.kind),
        ("id", &entry.id),
        ("identity", &entry.identity),
    ] {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Fault::stop(format!(
                "the {name} is empty or holds a control character"
            )));
        }
    }
    Ok(())
}

/// Which other id each of these entries' system has for its identity already: mappings could not tell which is meant.
fn others(store: &DeferredStore, entries: &[CrossReference]) -> Result<Vec<Option<String>>, Fault> {
    let asked: Vec<_> = entries
        .iter()
        .map(|entry| Reference {
            direction: Direction::Local,
            system: entry.system.as_str().into(),
            kind: entry.kind.as_str().into(),
            id: entry.identity.as_str().into(),
        })
        .collect();
    let found = store.find(&asked)?;
    let other = |(entry, found): (&CrossReference, Found)| match found {
        Found::One(id) if *id != *entry.id => Some(format!("`{id}`")),
        Found::Several => Some("several ids".to_owned()),
        Found::One(_) | Found::None => None,
    };
    Ok(entries.iter().zip(found).map(other).collect())
}

fn second(entry: &CrossReference, other: &str) -> Fault {
    let CrossReference { system, kind, .. } = entry;
    Fault::stop(format!(
        "`{system}` has {other} for this {kind} already, and an identity has one id in a system"
    ))
    .hint("see `trunkline xref show`, and remove the one that is wrong first: `trunkline xref remove`")
}

/// The entries of a file; everything that is wrong with it is told at once.
fn read(file: &Path, landscape: &Landscape, store: &DeferredStore) -> Result<Vec<CrossReference>, Failure> {
    const HEADER: &str = "begin with the line `system,kind,id,identity`, then one entry per line";
    let shown = file.display();
    let bytes =
        std::fs::read(file).map_err(|error| Fault::stop(format!("`{shown}` cannot be read: {error}")))?;
    let header = |what: String| Fault::stop(format!("`{shown}`: {what}")).hint(HEADER);
    let mut rows = Rows::new(bytes.as_slice(), b',', LONGEST).map_err(|error| match error {
        HeaderError::NoHeader(unframed) => header(unframed.why.what.to_string()),
        HeaderError::Io(error) => header(error.to_string()),
    })?;
    const COLUMNS: [&str; 4] = ["system", "kind", "id", "identity"];
    if !COLUMNS
        .iter()
        .all(|column| rows.names().iter().any(|name| name == column))
    {
        return Err(header("a column is missing".to_owned()).into());
    }
    let (mut entries, mut lines, mut wrong) = (Vec::new(), Vec::new(), 0);
    let mut meant: HashMap<(String, String, String), u64> = HashMap::new();
    let mut known: HashMap<(String, String, String), String> = HashMap::new();
    let mut tell = |line: u64, what: &str| {
        say::talk(format_args!("error: {what}\n  --> {shown}:{line}"));
        wrong += 1;
    };
    while let Some(row) = rows
        .read()
        .map_err(|error| Fault::stop(format!("`{shown}` cannot be read: {error}")))?
    {
        let value = match row.content {
            Ok(value) => value,
            Err(unframed) => {
                tell(unframed.why.line, &unframed.why.what);
                continue;
            }
        };
        let [system, kind, id, identity] = COLUMNS.map(|column| match value.get(column) {
            Some(Value::Text(text)) => text.to_string(),
            _ => String::new(),
        });
        let entry = CrossReference {
            system,
            kind,
            id,
            identity,
        };
        let fault = check_system(landscape, &entry.system).and_then(|()| check_entry(&entry));
        if let Err(fault) = fault {
            tell(row.line, &fault.what);
            continue;
        }
        let key = (entry.system.clone(), entry.kind.clone(), entry.id.clone());
        match known.insert(key, entry.identity.clone()) {
            Some(before) if before != entry.identity => {
                tell(row.line, "the id stands in the file twice, with two identities");
            }
            Some(_) => {}
            None => {
                let key = (entry.system.clone(), entry.kind.clone(), entry.identity.clone());
                match meant.insert(key, row.line) {
                    None => {
                        lines.push(row.line);
                        entries.push(entry);
                    }
                    Some(line) => tell(
                        row.line,
                        &format!("the identity has another id of the system on line {line} already"),
                    ),
                }
            }
        }
    }
    // An id that the file gives another identity makes room for the new one.
    let is_moved = |entry: &CrossReference, other: &str| {
        let key = (
            entry.system.clone(),
            entry.kind.clone(),
            other.trim_matches('`').to_owned(),
        );
        known.contains_key(&key)
    };
    let others = others(store, &entries)?;
    for ((entry, other), line) in entries.iter().zip(others).zip(lines) {
        if let Some(other) = other.filter(|other| !is_moved(entry, other)) {
            tell(line, &second(entry, &other).what);
        }
    }
    if wrong > 0 {
        say::talk(format_args!("nothing was imported: {}", count(wrong, "problem")));
        return Err(Failure::Told);
    }
    Ok(entries)
}
