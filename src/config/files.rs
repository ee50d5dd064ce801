//! The files of a landscape, read once: what is checked is what will run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use trunkline_sdk::{Fault, Place, Problem};

/// No mapping that a person writes is larger, nor a table that they keep.
const MAX_SIZE: u64 = 4 << 20;

/// Nor a file of YAML.
const MAX_YAML: u64 = 256 << 10;

/// More files no landscape has, nor deeper folders of them.
const MOST_FILES: usize = 20_000;
const DEEPEST: usize = 16;

/// The texts of a landscape by their path relative to its folder, with `/` between the parts.
#[derive(Debug, Clone, Default)]
pub struct Files {
    texts: BTreeMap<Arc<str>, Arc<str>>,
    /// Those that an option names, by their path as it is written there: they are of no folder.
    named: BTreeMap<Arc<str>, Arc<str>>,
    /// Files that are there and could not be read, which was told.
    unread: BTreeSet<String>,
}

impl Files {
    /// Reads `trunkline.yaml`, and in their folders and the folders in these the flows (`.yaml`), maps (`.cel`), tables
    /// (`.csv`, `.yaml`), tests (`.yaml`), schemas (`.json`, `.csv`) and message types (`.proto`).
    pub fn read(home: &Path, problems: &mut Vec<Problem>) -> Result<Self, Fault> {
        let mut files = Self::default();
        if !home.join("trunkline.yaml").exists() {
            return Err(no_landscape(home));
        }
        files.take(home, "trunkline.yaml", problems);
        for (folder, endings) in [
            ("flows", ["yaml", "yml"]),
            ("maps", ["cel", "cel"]),
            ("tables", ["csv", "yaml"]),
            ("tests", ["yaml", "yml"]),
            ("schemas", ["json", "csv"]),
        ] {
            match fs::read_dir(home.join(folder)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Fault::stop(format!(
                        "cannot read the folder `{folder}`: {}",
                        error.kind()
                    )));
                }
                _ => files.take_all(home, folder, endings, problems),
            }
        }
        files.take_all(home, "proto", ["proto", "proto"], problems);
        Ok(files)
    }

    /// Takes the files of a folder and of the folders in it that end so. Links to folders are not followed.
    fn take_all(&mut self, home: &Path, folder: &str, endings: [&str; 2], problems: &mut Vec<Problem>) {
        let entries = match fs::read_dir(home.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let what = format!("the folder `{folder}` cannot be read: {}", error.kind());
                problems
                    .push(Problem::new(&start(folder), what).hint("let the user who runs Trunkline read it"));
                return;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = format!("{folder}/{name}");
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            let is_ours = endings.contains(&ending);
            if name.starts_with('.') || self.texts.len() > MOST_FILES {
                continue;
            } else if !is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if path.matches('/').count() < DEEPEST {
                    self.take_all(home, &path, endings, problems);
                }
            } else if is_ours {
                self.take(home, &path, problems);
            } else if endings.contains(&&*ending.to_lowercase()) {
                let what = format!("`{name}` is not read, for its ending is not `.{}`", endings[0]);
                problems
                    .push(Problem::new(&start(&path), what).hint("write the ending in lower-case letters"));
            }
        }
    }

    /// Files from memory, for tests.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self {
            texts: files
                .into_iter()
                .map(|(name, text)| (name.into(), text.into()))
                .collect(),
            ..Self::default()
        }
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> Option<&Arc<str>> {
        self.texts.get(name).or_else(|| self.named.get(name))
    }

    /// Whether the file is there and could not be read, which was told.
    pub(crate) fn is_unread(&self, name: &str) -> bool {
        self.unread.contains(name)
    }

    /// The files that could not be read.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &str> {
        self.unread.iter().map(String::as_str)
    }

    /// The files of a folder and of the folders in it, in the order of their names.
    pub fn in_folder(&self, folder: &str) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let is_in = move |name: &str| {
            name.strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        self.texts.iter().filter(move |(name, _)| is_in(name))
    }

    /// Takes a file that an option names, if it was not taken before. False: there is none.
    pub(super) fn take_named(&mut self, home: &Path, name: &str, problems: &mut Vec<Problem>) -> bool {
        let path = home.join(name);
        if self.text(name).is_some() || self.is_unread(name) {
            return true;
        }
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return false;
        }
        if let Some(text) = self.text_of(&path, name, problems) {
            self.named.insert(name.into(), text);
        }
        true
    }

    fn take(&mut self, home: &Path, name: &str, problems: &mut Vec<Problem>) {
        if let Some(text) = self.text_of(&home.join(name), name, problems) {
            self.texts.insert(name.into(), text);
        }
    }

    fn text_of(&mut self, path: &Path, name: &str, problems: &mut Vec<Problem>) -> Option<Arc<str>> {
        read(path)
            .map(Into::into)
            .map_err(|Unread { line, what, hint }| {
                self.unread.insert(name.to_owned());
                let place = Place { line, ..start(name) };
                problems.push(Problem::new(&place, what).hint(hint));
            })
            .ok()
    }
}

/// Why a file was not read.
struct Unread {
    line: u32,
    what: String,
    hint: &'static str,
}

/// The text of a file, without a byte order mark. What is no plain file (a folder, a pipe, a device) is not opened.
fn read(path: &Path) -> Result<String, Unread> {
    let unread = |line, what: String, hint| Unread { line, what, hint };
    let cannot = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "it is a link that leads nowhere: mend it or remove it",
            io::ErrorKind::PermissionDenied => "let the user who runs Trunkline read it",
            _ => "see to the file, and try again",
        };
        unread(1, format!("this file cannot be read: {}", error.kind()), hint)
    };
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        let hint = "put a file in its place, or give it another name";
        return Err(unread(1, "this is no file".to_owned(), hint));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(cannot)?;
    let is_yaml = path
        .extension()
        .is_some_and(|ending| ending == "yaml" || ending == "yml");
    let (most, shown) = if is_yaml {
        (MAX_YAML, "256 KiB")
    } else {
        (MAX_SIZE, "4 MiB")
    };
    file.take(most + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > most {
        let hint = "no file of a landscape needs so much: records and data belong elsewhere";
        return Err(unread(1, format!("this file is larger than {shown}"), hint));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        unread(
            line,
            "this line is not UTF-8".to_owned(),
            "save the file as UTF-8",
        )
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

fn no_landscape(home: &Path) -> Fault {
    let shown = home.display();
    if !home.is_dir() {
        return Fault::stop(format!("there is no folder `{shown}`"))
            .hint("name the folder that holds `trunkline.yaml`: `trunkline run examples/shop`");
    }
    let fault = Fault::stop(format!("`{shown}` is no landscape: it has no `trunkline.yaml`"));
    if home.join("trunkline.yml").exists() {
        return fault.hint("rename `trunkline.yml` to `trunkline.yaml`");
    }
    fault.hint("name the folder that holds `trunkline.yaml`: `trunkline run examples/shop`")
}

/// Where a landscape begins.
pub(crate) fn first_place() -> Place {
    start("trunkline.yaml")
}

/// The first character of a file.
pub(super) fn start(file: &str) -> Place {
    Place {
        file: file.into(),
        line: 1,
        column: 1,
        width: 1,
    }
}
