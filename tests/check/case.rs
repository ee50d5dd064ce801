//! One mistake, with the report that it is told in.

use std::{collections::BTreeMap, fs, path::PathBuf};

use trunkline::config::{self, Files, Landscape, Variables};
use trunkline_sdk::Problem;

use crate::{SECRET, folder};

pub(crate) struct Case<'t> {
    /// What stands above `---`.
    pub(crate) change: &'t str,
    /// What stands below it.
    pub(crate) expected: &'t str,
    files: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl<'t> Case<'t> {
    pub(crate) fn read(text: &'t str) -> Self {
        let base = base();
        Self::of(text, base.iter().map(|(name, text)| (&**name, &**text)))
    }

    /// A change of these files.
    pub(crate) fn of<'f>(text: &'t str, files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        let at = if text.starts_with("---\n") {
            0
        } else {
            text.find("\n---\n").expect("a case has a line `---`") + 1
        };
        let mut case = Self {
            change: &text[..at],
            expected: &text[at + 4..],
            files: files
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
            variables: [("SHOP_SECRET".to_owned(), SECRET.to_owned())].into(),
        };
        let mut lines = case.change.lines().peekable();
        while let Some(line) = lines.next() {
            match line.split_once(' ') {
                Some(("set", pair)) => {
                    let (name, value) = pair.split_once('=').expect("`set NAME=value`");
                    case.variables.insert(name.to_owned(), value.to_owned());
                }
                Some(("unset", name)) => drop(case.variables.remove(name).expect("it was set")),
                Some(("remove", file)) => drop(case.files.remove(file).expect("it was there")),
                _ => {
                    let mut part = |mark: char| {
                        let mut part = String::new();
                        while let Some(line) = lines.next_if(|line| line.starts_with(mark)) {
                            part.push_str(line[1..].strip_prefix(' ').unwrap_or(&line[1..]));
                            part.push('\n');
                        }
                        part
                    };
                    // One hunk or several.
                    loop {
                        let (old, new) = (part('-'), part('+'));
                        if old.is_empty() && new.is_empty() {
                            break;
                        }
                        case.edit(line, &old, &new);
                    }
                }
            }
        }
        case
    }

    fn edit(&mut self, file: &str, old: &str, new: &str) {
        if old.is_empty() {
            self.files.insert(file.to_owned(), new.to_owned());
            return;
        }
        let text = self.files.get_mut(file).expect("the file is in the base");
        let found = text.matches(old).count();
        assert_eq!(found, 1, "`{old}` stands {found} times in {file}");
        *text = text.replace(old, new);
    }

    /// The files as changed.
    pub(crate) fn files(&self) -> Files {
        Files::of(self.files.iter().map(|(name, text)| (&**name, &**text)))
    }

    /// Checks the landscape with its mistake.
    pub(crate) fn check(&self) -> (Landscape, Vec<Problem>) {
        let files = self.files();
        let lookup = |name: &str| self.variables.get(name).cloned();
        let landscape = Landscape::of(PathBuf::from("."), files, &Variables::new(&lookup), Vec::new());
        let problems = config::check(&landscape, trunkline_proto::descriptor_pool()).err();
        (landscape, problems.unwrap_or_default())
    }

    /// What a person reads.
    pub(crate) fn report(&self) -> String {
        let (landscape, problems) = self.check();
        config::report(&landscape, &problems)
    }
}

/// The files of the landscape without mistakes.
pub(crate) fn base() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for parent in ["", "flows", "maps", "tables"] {
        for entry in fs::read_dir(folder("base").join(parent)).expect("it is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_file() {
                let name = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .expect("it is text");
                let text = fs::read_to_string(&path).expect("it is text");
                files.insert([parent, name].join("/").trim_start_matches('/').to_owned(), text);
            }
        }
    }
    files
}
