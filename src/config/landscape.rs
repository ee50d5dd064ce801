//! What stands in the files of a landscape, before it is checked.

use std::{path::PathBuf, sync::Arc};

use trunkline_sdk::{Entry, Fault, Kind, Need, Opt, Options, Place, Problem, Settings};

use super::{files::Files, flow::FlowFile, variables::Variables, yaml};

/// The words of `trunkline.yaml`.
pub(crate) const LANDSCAPE: &[Opt] = &[
    Opt {
        name: "bus",
        kind: Kind::Text,
        need: Need::Default("embedded:./data"),
        summary: "the bus: `embedded:<folder>`, or `amqp://…` or `amqps://…` for RabbitMQ",
    },
    Opt {
        name: "store",
        kind: Kind::Text,
        need: Need::Default("./data"),
        summary: "the folder for what flows remember, where the bus does not keep it itself",
    },
    Opt {
        name: "systems",
        kind: Kind::Map(&Kind::Any),
        need: Need::Optional,
        summary: "the systems, by name",
    },
    Opt {
        name: "channels",
        kind: Kind::Map(&Kind::Group(CHANNEL)),
        need: Need::Optional,
        summary: "the channels, by name",
    },
    Opt {
        name: "processes",
        kind: Kind::Map(&Kind::List(&Kind::Text)),
        need: Need::Optional,
        summary: "which flows run together in one process: `trunkline run --process <name>`",
    },
];

/// The words of a channel.
pub(crate) const CHANNEL: &[Opt] = &[
    Opt {
        name: "type",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the full name of the message type it carries: `trunkline.commerce.v1.Order`",
    },
    Opt {
        name: "external",
        kind: Kind::Flag,
        need: Need::Default("false"),
        summary: "whether programs other than Trunkline publish to it or read from it",
    },
];

/// A landscape as read: every part that could be read, and where it stands.
#[derive(Debug)]
pub struct Landscape {
    /// Its folder.
    pub home: PathBuf,
    /// Its files.
    pub files: Files,
    /// Where `trunkline.yaml` begins.
    pub place: Place,
    /// `bus:`, as text, and where it stands.
    pub bus: (String, Place),
    /// `store:`.
    pub store: String,
    /// `systems:`.
    pub systems: Vec<SystemEntry>,
    /// `channels:`.
    pub channels: Vec<ChannelEntry>,
    /// `processes:`, each with the flows it names.
    pub processes: Vec<(Entry, Vec<Settings>)>,
    /// `flows/*.yaml`.
    pub flows: Vec<FlowFile>,
}

/// An entry of `systems:`: `shop: { webhook: { … } }`.
#[derive(Debug)]
pub struct SystemEntry {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// The word of the adapter, and where it stands.
    pub adapter: (String, Place),
    /// What stands behind it.
    pub settings: Settings,
}

/// An entry of `channels:`.
#[derive(Debug)]
pub struct ChannelEntry {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// The name of its type, and where it stands.
    pub type_name: (String, Place),
    /// Whether others publish to it or read from it.
    pub external: bool,
}

impl Landscape {
    /// Reads the landscape in a folder. What cannot be read is a problem, and the rest is read all the same.
    ///
    /// Faults: the folder is no landscape, or cannot be read.
    pub fn read(home: PathBuf, variables: &Variables<'_>) -> Result<(Self, Vec<Problem>), Fault> {
        let mut problems = Vec::new();
        let files = Files::read(&home, &mut problems)?;
        Ok(Self::of(home, files, variables, problems))
    }

    /// A landscape of these files.
    pub fn of(
        home: PathBuf,
        files: Files,
        variables: &Variables<'_>,
        mut problems: Vec<Problem>,
    ) -> (Self, Vec<Problem>) {
        let file: Arc<str> = "trunkline.yaml".into();
        let place = Place {
            file: file.clone(),
            line: 1,
            column: 1,
            width: 1,
        };
        let text = files.text(&file).cloned().unwrap_or_default();
        let root = yaml::read(&file, &text, variables, &mut problems)
            .unwrap_or_else(|| Settings::scalar(place.clone(), "", false));
        if let Err(found) = Options::read(LANDSCAPE, &root) {
            problems.extend(found);
        }
        let text_of = |word: &str| {
            root.get(word)
                .and_then(Settings::text)
                .filter(|text| !text.is_empty())
        };
        let entries = |word: &str| root.get(word).and_then(Settings::entries).unwrap_or_default();
        let bus = (
            text_of("bus").unwrap_or("embedded:./data").to_owned(),
            root.get("bus")
                .map_or_else(|| place.clone(), |bus| bus.place.clone()),
        );
        let systems = entries("systems")
            .iter()
            .filter_map(|entry| system(entry, &mut problems))
            .collect();
        let channels = entries("channels").iter().filter_map(channel).collect();
        let processes = entries("processes")
            .iter()
            .map(|entry| {
                let flows = match entry.value.items() {
                    Some(items) => items.to_vec(),
                    None => vec![entry.value.clone()],
                };
                (entry.clone(), flows)
            })
            .collect();
        let mut flows = Vec::new();
        for (name, text) in files.in_folder("flows") {
            flows.extend(FlowFile::read(name, text, variables, &mut problems));
        }
        let store = text_of("store").unwrap_or("./data").to_owned();
        (
            Self {
                home,
                files,
                place,
                bus,
                store,
                systems,
                channels,
                processes,
                flows,
            },
            problems,
        )
    }
}

fn system(entry: &Entry, problems: &mut Vec<Problem>) -> Option<SystemEntry> {
    match entry.value.entries() {
        Some([adapter]) => Some(SystemEntry {
            name: entry.key.clone(),
            place: entry.place.clone(),
            adapter: (adapter.key.clone(), adapter.place.clone()),
            settings: adapter.value.clone(),
        }),
        _ => {
            problems.push(
                Problem::new(
                    &entry.place,
                    format!("system `{}` must name one adapter", entry.key),
                )
                .hint(format!(
                    "as in `{}: {{ webhook: {{ listen: 127.0.0.1:8080 }} }}`",
                    entry.key
                )),
            );
            None
        }
    }
}

/// `None`: what is wrong has been told by the options.
fn channel(entry: &Entry) -> Option<ChannelEntry> {
    let type_name = entry.value.get("type")?;
    Some(ChannelEntry {
        name: entry.key.clone(),
        place: entry.place.clone(),
        type_name: (type_name.text()?.to_owned(), type_name.place.clone()),
        external: entry.value.get("external").and_then(Settings::text) == Some("true"),
    })
}
