//! What stands in the files of a landscape, before it is checked.

use std::{path::PathBuf, sync::Arc};

use trunkline_sdk::{Entry, Fault, Kind, Need, Opt, Options, Place, Problem, Settings};

use super::{
    files::{Files, start},
    findings::Findings,
    flow::FlowFile,
    named,
    variables::Variables,
    yaml,
};
use crate::adapters::Adapters;

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
    Opt {
        name: "health",
        kind: Kind::Text,
        need: Need::Default("none"),
        summary: "where a running process answers `/livez`, `/readyz` and `/metrics`: `127.0.0.1:9464`, or `none`",
    },
];

/// The words of a system beside its adapter.
pub(crate) const SYSTEM: &[Opt] = &[Opt {
    name: "time_zone",
    kind: Kind::Text,
    need: Need::Optional,
    summary: "the zone of its times that tell none: `Europe/Copenhagen`; left out, UTC",
}];

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
    Opt {
        name: "key",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "a field of the type, such as `order_id`: messages that have the same there keep their order",
    },
    Opt {
        name: "partitions",
        kind: Kind::Number(1, 64),
        need: Need::Default("8"),
        summary: "with `key`: in how many parts each flow reads it, and so in how many processes at once",
    },
    Opt {
        name: "validate",
        kind: Kind::Flag,
        need: Need::Default("false"),
        summary: "whether flows hold what they read from it against the rules of its type: what others publish was not",
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
    /// Where that stands, if it does.
    pub(crate) store_place: Option<Place>,
    /// `health:`.
    pub(crate) health: Option<Settings>,
    /// `systems:`.
    pub systems: Vec<SystemEntry>,
    /// `channels:`.
    pub channels: Vec<ChannelEntry>,
    /// `processes:`, each with the flows it names.
    pub processes: Vec<(Entry, Vec<Settings>)>,
    /// `flows/*.yaml`.
    pub flows: Vec<FlowFile>,
    /// Whether `trunkline.yaml` is YAML.
    pub(crate) is_read: bool,
    /// Whether `systems:` and `channels:` tell all the names there are.
    pub(crate) knows_names: bool,
    /// Whether `flows` are all the flows there are.
    pub(crate) knows_flows: bool,
    /// The adapters that its systems may have.
    pub adapters: Adapters,
    /// What is wrong already.
    pub(crate) findings: Findings,
}

/// An entry of `systems:`: `shop: { webhook: { … } }`.
#[derive(Debug)]
pub struct SystemEntry {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// The word of its adapter with what stands behind it.
    pub value: Settings,
    /// `time_zone:`.
    pub zone: Option<Settings>,
}

/// An entry of `channels:`.
#[derive(Debug)]
pub struct ChannelEntry {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// The name of its type, and where it stands; `None`: it has none, and that was told.
    pub type_name: Option<(String, Place)>,
    /// Whether others publish to it or read from it.
    pub external: bool,
    /// `key:`, and where it stands.
    pub key: Option<(String, Place)>,
    /// `partitions:`, and where it stands.
    pub partitions: Option<(u8, Place)>,
    /// All that stands behind its name.
    pub(crate) settings: Settings,
}

impl Landscape {
    /// Reads the landscape in a folder. What cannot be read is a problem for the check, and the rest is read all
    /// the same.
    ///
    /// Faults: the folder is no landscape, or cannot be read.
    pub fn read(home: PathBuf, variables: &Variables<'_>) -> Result<Self, Fault> {
        let mut problems = Vec::new();
        let files = Files::read(&home, &mut problems)?;
        let mut landscape = Self::of(home, files, variables, problems);
        named::take(&mut landscape);
        Ok(landscape)
    }

    /// To be looked at and not run: a variable that is not set is no problem then.
    #[must_use]
    pub fn to_look_at(mut self) -> Self {
        self.findings.is_lenient = true;
        self
    }

    /// Whether its systems and its store are told for certain, whatever else is wrong.
    pub fn is_known(&self) -> bool {
        let wrong = self.findings.problems.iter().chain(&self.findings.unset);
        let mut places = wrong.map(|problem| &problem.place);
        self.is_read && self.knows_names && !places.any(|place| Some(place) == self.store_place.as_ref())
    }

    /// A landscape of these files, and what is wrong with those that could not be read.
    pub fn of(home: PathBuf, files: Files, variables: &Variables<'_>, problems: Vec<Problem>) -> Self {
        let mut knows_flows = problems
            .iter()
            .all(|problem| !problem.place.file.starts_with("flows/"));
        let mut findings = Findings {
            problems,
            ..Findings::default()
        };
        let file: Arc<str> = "trunkline.yaml".into();
        let place = start(&file);
        let text = files.text(&file).cloned().unwrap_or_default();
        let told = findings.problems.len();
        let root = yaml::read(&file, &text, variables, &mut findings);
        // What was said twice and left out may hold others.
        let knows_names = root.as_ref().is_some_and(knows_names) && findings.left_out.is_empty();
        let is_read = root.is_some() || findings.problems.len() == told;
        let root = root.unwrap_or_else(|| {
            if findings.problems.len() == told && files.text(&file).is_some() {
                let hint = "say there which `systems`, `channels` and flows there are: see examples/shop";
                findings
                    .problems
                    .push(Problem::new(&place, "this landscape is empty").hint(hint));
            }
            Settings::scalar(place.clone(), "", false)
        });
        if let Err(found) = Options::read(LANDSCAPE, &root) {
            findings.problems.extend(found);
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
            .map(|entry| SystemEntry {
                name: entry.key.clone(),
                place: entry.place.clone(),
                zone: entry.value.get("time_zone").cloned(),
                value: match entry.value.get("time_zone") {
                    Some(_) => entry.value.without("time_zone"),
                    None => entry.value.clone(),
                },
            })
            .collect();
        let channels = entries("channels").iter().map(channel).collect();
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
            let flow = FlowFile::read(name, text, variables, &mut findings);
            knows_flows &= flow.is_some();
            flows.extend(flow);
        }
        if flows.is_empty() && knows_flows && root.entries().is_some() {
            let hint = "write the first into `flows/<name>.yaml`: see examples/shop";
            findings
                .problems
                .push(Problem::new(&place, "this landscape has no flows").hint(hint));
            knows_flows = false;
        }
        let store = text_of("store").unwrap_or("./data").to_owned();
        let health = root
            .get("health")
            .filter(|health| health.text() != Some(""))
            .cloned();
        let store_place = root.get("store").map(|store| store.place.clone());
        let mut landscape = Self {
            home,
            files,
            place,
            bus,
            store,
            store_place,
            health,
            systems,
            channels,
            processes,
            flows,
            is_read,
            knows_names,
            knows_flows,
            adapters: Adapters::default(),
            findings,
        };
        named::tell(&mut landscape);
        landscape
    }
}

/// Whether every name that is not there is truly not there: a misspelt word may hide some.
fn knows_names(root: &Settings) -> bool {
    let is_map = |word: &str| root.get(word).is_none_or(|value| value.entries().is_some());
    let is_known = |entry: &Entry| LANDSCAPE.iter().any(|option| option.name == entry.key);
    root.entries().is_some_and(|entries| entries.iter().all(is_known))
        && is_map("systems")
        && is_map("channels")
}

/// Also where it was meant to say so, as far as one can tell.
fn is_external(channel: &Settings) -> bool {
    let external = channel.get("external").and_then(Settings::text);
    let is_known = |entry: &Entry| CHANNEL.iter().any(|option| option.name == entry.key);
    external.is_some_and(|text| text != "false")
        || !channel.entries().unwrap_or_default().iter().all(is_known)
}

fn channel(entry: &Entry) -> ChannelEntry {
    let worded = |word| {
        let value: &Settings = entry.value.get(word)?;
        Some((value.text()?.to_owned(), value.place.clone()))
    };
    // What is no number was told when it was read.
    let number = |(text, place): (String, Place)| Some((text.parse().ok()?, place));
    ChannelEntry {
        name: entry.key.clone(),
        place: entry.place.clone(),
        type_name: worded("type"),
        external: is_external(&entry.value),
        key: worded("key"),
        partitions: worded("partitions").and_then(number),
        settings: entry.value.clone(),
    }
}
