//! `schemas/`: what the records of a source look like, as JSON Schema or as the columns of a table, so that mappings
//! are checked against it.
//!
//! Promises: everything wrong in a schema at once, each with its place; time and memory are bounded by the file's
//! size, whatever refers to what. Not promised: that records keep to it; see [`RecordSchema`].

mod columns;
mod json;

use std::collections::BTreeMap;

use trunkline_sdk::Problem;

use super::Files;
use crate::mapping::RecordSchema;

/// The schemas of a landscape by their files; without one: it is wrong, and that was told.
pub(crate) type Schemas = BTreeMap<String, Option<RecordSchema>>;

/// Reads all schemas.
pub(super) fn read(files: &Files, problems: &mut Vec<Problem>) -> Schemas {
    let mut schemas = Schemas::new();
    for (file, text) in files.in_folder("schemas") {
        let root = match file.ends_with(".csv") {
            true => columns::read(file, text, problems),
            false => json::read(file, text, problems),
        };
        let schema = root.map(|root| RecordSchema {
            name: file.clone(),
            root,
        });
        schemas.insert(file.to_string(), schema);
    }
    for file in files.unread().filter(|file| file.starts_with("schemas/")) {
        schemas.insert(file.to_owned(), None);
    }
    schemas
}
