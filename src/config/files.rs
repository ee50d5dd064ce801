//! The files of a landscape, read once: what is checked is what will run.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use trunkline_sdk::{Fault, Place, Problem};

/// No file that a person writes is larger.
const MAX_SIZE: u64 = 4 << 20;

/// The texts of a landscape by their path relative to its folder, with `/` between the parts.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<Arc<str>, Arc<str>>);

impl Files {
    /// Reads `trunkline.yaml`, `flows/*.yaml`, `maps/*.cel` and `tables/*.csv`.
    pub fn read(home: &Path, problems: &mut Vec<Problem>) -> Result<Self, Fault> {
        let mut files = Self::default();
        if !home.join("trunkline.yaml").is_file() {
            let shown = home.display();
            let what = if home.is_dir() {
                format!("`{shown}` is no landscape: it has no `trunkline.yaml`")
            } else {
                format!("there is no folder `{shown}`")
            };
            return Err(Fault::stop(what)
                .hint("name the folder that holds `trunkline.yaml`: `trunkline run examples/shop`"));
        }
        files.take(home, "trunkline.yaml", problems);
        for (folder, endings) in [
            ("flows", ["yaml", "yml"]),
            ("maps", ["cel", "cel"]),
            ("tables", ["csv", "csv"]),
        ] {
            let entries = match fs::read_dir(home.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(Fault::stop(format!(
                        "cannot read the folder `{folder}`: {}",
                        error.kind()
                    )));
                }
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
                if ending.is_some_and(|ending| endings.contains(&ending)) && !name.starts_with('.') {
                    files.take(home, &format!("{folder}/{name}"), problems);
                }
            }
        }
        Ok(files)
    }

    /// Files from memory, for tests.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            files
                .into_iter()
                .map(|(name, text)| (name.into(), text.into()))
                .collect(),
        )
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> Option<&Arc<str>> {
        self.0.get(name)
    }

    /// The files of a folder with their texts, in the order of their names.
    pub fn in_folder(&self, folder: &str) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.split_once('/').is_some_and(|(parent, _)| parent == folder))
    }

    fn take(&mut self, home: &Path, name: &str, problems: &mut Vec<Problem>) {
        let place = Place {
            file: name.into(),
            line: 1,
            column: 1,
            width: 1,
        };
        let path = home.join(name);
        let read = fs::metadata(&path).and_then(|metadata| {
            if metadata.len() > MAX_SIZE {
                return Err(io::Error::other("is larger than 4 MiB"));
            }
            fs::read(&path)
        });
        match read.map(String::from_utf8) {
            Ok(Ok(text)) => {
                let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                self.0.insert(place.file.clone(), text.into());
            }
            Ok(Err(_)) => problems.push(Problem::new(&place, "is not UTF-8").hint("save it as UTF-8")),
            Err(error) => problems.push(Problem::new(&place, format!("cannot be read: {error}"))),
        }
    }
}
