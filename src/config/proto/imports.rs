//! What the landscape's files import of each other, of the model and of Google's.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;
use trunkline_sdk::{Problem, nearest};

use super::Parsed;

/// The imports of the landscape's files.
pub(super) struct Imports<'i> {
    files: &'i BTreeMap<String, Parsed<'i>>,
    /// Files that cannot be imported, for something is wrong with them that was told.
    wrong: &'i mut BTreeSet<String>,
    pool: &'i mut DescriptorPool,
}

impl<'i> Imports<'i> {
    pub(super) fn of(
        files: &'i BTreeMap<String, Parsed<'i>>,
        wrong: &'i mut BTreeSet<String>,
        pool: &'i mut DescriptorPool,
    ) -> Self {
        Self { files, wrong, pool }
    }

    /// The files, each behind what it imports. Those that cannot be ordered are told, and left out.
    pub(super) fn order(mut self, problems: &mut Vec<Problem>) -> Vec<String> {
        for (name, file) in self.files {
            let before = problems.len();
            for import in &file.content.dependency {
                self.find(import, file, problems);
            }
            if problems.len() > before {
                self.wrong.insert(name.clone());
            }
        }
        let mut order: Vec<String> = Vec::with_capacity(self.files.len());
        let mut open: BTreeMap<&str, &Parsed<'_>> = self
            .files
            .iter()
            .map(|(name, file)| (name.as_str(), file))
            .collect();
        loop {
            let is_open = |import: &String| open.contains_key(import.as_str());
            let ready: Vec<_> = open
                .iter()
                .filter(|(_, file)| !file.content.dependency.iter().any(is_open))
                .map(|(name, _)| *name)
                .collect();
            if ready.is_empty() {
                break;
            }
            for name in ready {
                open.remove(name);
                order.push(name.to_owned());
            }
        }
        if let Some(problem) = cycle(&open) {
            problems.push(problem);
        }
        self.wrong.extend(open.into_keys().map(str::to_owned));
        order
    }

    fn find(&mut self, import: &str, file: &Parsed<'_>, problems: &mut Vec<Problem>) {
        let is_there = self.files.contains_key(import)
            || self.wrong.contains(import)
            || self.pool.get_file_by_name(import).is_some();
        if is_there {
            return;
        }
        // Those that the model itself does not need.
        if let Some(known) = DescriptorPool::global().get_file_by_name(import)
            && import.starts_with("google/protobuf/")
            && self
                .pool
                .add_file_descriptor_proto(known.file_descriptor_proto().clone())
                .is_ok()
        {
            return;
        }
        let at = file.find(&format!("\"{import}\""));
        let at = if file.text.contains(&format!("\"{import}\"")) {
            at
        } else {
            file.find(import)
        };
        let names: Vec<_> = self.pool.files().map(|file| file.name().to_owned()).collect();
        let known = || {
            names
                .iter()
                .map(String::as_str)
                .chain(self.files.keys().map(String::as_str))
        };
        let ends = || known().find(|known| known.rsplit('/').next() == import.rsplit('/').next());
        let hint = match nearest(import, known()).or_else(ends) {
            Some(near) => format!("did you mean \"{near}\"? paths begin in the folder `proto/`"),
            None => {
                "imports find the files in `proto/`, by their path from there, those of the embedded model \
                     (\"trunkline/commerce/v1/order.proto\") and \"google/protobuf/…\""
                    .to_owned()
            }
        };
        problems.push(Problem::new(&at, format!("there is no file \"{import}\" to import")).hint(hint));
    }
}

/// Files that import each other in a circle, if there are any among these.
fn cycle(open: &BTreeMap<&str, &Parsed<'_>>) -> Option<Problem> {
    let mut way: Vec<&str> = Vec::new();
    let mut name = *open.keys().next()?;
    while !way.contains(&name) {
        way.push(name);
        let imports = &open.get(name)?.content.dependency;
        name = open
            .keys()
            .find(|other| imports.iter().any(|import| import == *other))?;
    }
    let circle = way.iter().skip_while(|member| **member != name);
    let names: Vec<_> = circle
        .chain([&name])
        .map(|member| format!("\"{member}\""))
        .collect();
    let file = open.get(*way.last()?)?;
    let at = file.find(&format!("\"{name}\""));
    let what = format!(
        "files import each other in a circle: {}",
        shortened(&names).join(" -> ")
    );
    let hint = "move what both need into a file of its own";
    Some(Problem::new(&at, what).hint(hint))
}

/// The first and the last of many.
fn shortened(names: &[String]) -> Vec<String> {
    if names.len() <= 8 {
        return names.to_vec();
    }
    let (first, last) = (&names[..4], &names[names.len() - 2..]);
    [first, &["…".to_owned()], last].concat()
}
