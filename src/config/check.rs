//! What can be known from the files, before anything runs. Pure: no network, no clock, no other file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use prost_reflect::{DescriptorPool, MessageDescriptor};
use trunkline_sdk::{Adapter, Endpoint, Options, Place, Problem, Settings, nearest, parse_duration};

use super::{
    flow::{FlowFile, RETRY},
    landscape::{Landscape, SystemEntry},
    plan::{BusAddress, Feed, FlowPlan, Plan, SystemPlan, Target},
    tables,
};
use crate::{
    adapters,
    bus::{Channel, Topology, rabbitmq},
    flow::{self, Carries, Scope, Steps},
    names::{ChannelName, FlowName, ProcessName, SystemName, TypeName},
    recovery::Schedule,
};

/// Checks a landscape. All problems at once; without any, what will run.
pub fn check(landscape: &Landscape, pool: &DescriptorPool) -> Result<Plan, Vec<Problem>> {
    let mut problems = Vec::new();
    let tables = tables::read(&landscape.files, &mut problems);
    let systems = systems(landscape, &mut problems);
    let channels = channels(landscape, pool, &mut problems);
    let mut flows: Vec<FlowPlan> = Vec::new();
    let mut uses = Uses::default();
    for file in &landscape.flows {
        let name = match FlowName::new(&file.name.0) {
            Ok(name) => name,
            Err(what) => {
                problems.push(Problem::new(&file.name.1, what));
                continue;
            }
        };
        if let Some(first) = landscape.flows.iter().find(|other| other.name.0 == file.name.0)
            && first.name.1 != file.name.1
        {
            problems.push(
                Problem::new(&file.name.1, format!("there are two flows `{name}`")).hint(format!(
                    "the other stands at {}: give one of them another name",
                    first.name.1
                )),
            );
        }
        let scope = Scope {
            flow: &name,
            files: &landscape.files,
            pool,
            tables: &tables,
            channels: &channels,
            carries: Carries::Record,
            routed: Vec::new(),
            problems: &mut problems,
        };
        flows.extend(
            Checker {
                file,
                systems: &systems,
                uses: &mut uses,
                scope,
            }
            .flow(),
        );
    }
    check_endpoints(&systems, &uses, &mut problems);
    check_channels(landscape, &uses, &mut problems);
    let processes = processes(landscape, &mut problems);
    let bus = bus(landscape, &mut problems);
    match bus {
        Some(bus) if problems.is_empty() => Ok(Plan {
            home: landscape.home.clone(),
            bus,
            store: within(landscape, &landscape.store),
            topology: Topology {
                channels: channels
                    .iter()
                    .map(|(name, descriptor)| Channel {
                        name: name.clone(),
                        type_name: TypeName::new(descriptor.full_name()),
                    })
                    .collect(),
                queues: flows.iter().map(FlowPlan::topology).collect(),
            },
            systems: systems
                .into_iter()
                .map(|(name, (adapter, entry))| {
                    (
                        name,
                        SystemPlan {
                            adapter,
                            settings: entry.settings.clone(),
                        },
                    )
                })
                .collect(),
            flows,
            processes,
        }),
        _ => Err(problems),
    }
}

type Systems<'l> = BTreeMap<SystemName, (&'static dyn Adapter, &'l SystemEntry)>;

/// What the flows use, and where they say so.
#[derive(Default)]
struct Uses {
    /// Channels that flows publish to.
    published: BTreeMap<String, Place>,
    /// Channels that flows read.
    read: BTreeMap<String, Place>,
    /// Ends of flows at systems: the system, the end's settings, and for a sink what arrives.
    ends: Vec<(SystemName, End)>,
}

enum End {
    Source(Settings),
    Sink(Settings, Option<trunkline_sdk::Shape>),
}

/// Checks one flow.
struct Checker<'c, 's> {
    file: &'c FlowFile,
    systems: &'c Systems<'c>,
    uses: &'c mut Uses,
    scope: Scope<'s>,
}

impl Checker<'_, '_> {
    /// `None`: something of it is wrong, and was told.
    fn flow(mut self) -> Option<FlowPlan> {
        let before = self.scope.problems.len();
        let feed = self.from();
        let mut steps = Vec::new();
        if let Some(feed) = &feed {
            self.scope.carries = match feed {
                Feed::Channel { channel, .. } => Carries::Message(self.scope.channels.get(channel)?.clone()),
                Feed::System { .. } => Carries::Record,
            };
            for step in &self.file.steps {
                steps.extend(self.step(step, !steps.is_empty() && self.scope.has_routed()));
            }
        }
        let target = self.to(feed.as_ref());
        let retry = self.retry();
        for (channel, place) in std::mem::take(&mut self.scope.routed) {
            self.uses.published.entry(channel).or_insert(place);
        }
        if self.scope.problems.len() > before {
            return None;
        }
        Some(FlowPlan {
            name: self.scope.flow.clone(),
            feed: feed?,
            steps: Steps::new(steps),
            target: target?,
            retry,
        })
    }

    fn from(&mut self) -> Option<Feed> {
        let from = &self.file.from;
        if let Some(name) = from.text() {
            let channel = self.scope.channel(name, &from.place)?;
            self.uses
                .read
                .entry(name.to_owned())
                .or_insert_with(|| from.place.clone());
            let type_name = TypeName::new(self.scope.channels.get(&channel)?.full_name());
            return Some(Feed::Channel { channel, type_name });
        }
        let (system, adapter, settings) = self.system(from, "from")?;
        let Some(options) = adapter.describe().source else {
            let what = format!(
                "system `{system}` ({}) cannot be read from",
                adapter.describe().name
            );
            self.scope.problem(&from.place, what);
            return None;
        };
        self.options(options, &settings)?;
        self.uses
            .ends
            .push((system.clone(), End::Source(settings.clone())));
        Some(Feed::System { system, settings })
    }

    fn step(&mut self, step: &Settings, behind_route: bool) -> Option<Box<dyn flow::Processor>> {
        let entry = match step.entries() {
            Some([entry]) => entry,
            _ => {
                let hint = format!("one of `{}`, each with what it needs", flow::WORDS.join("`, `"));
                self.scope
                    .problem(&step.place, "a step is a map with exactly one word")
                    .hint = Some(hint);
                return None;
            }
        };
        if !flow::WORDS.contains(&entry.key.as_str()) {
            let hint = match nearest(&entry.key, flow::WORDS) {
                Some(near) => format!("did you mean `{near}`? steps: `{}`", flow::WORDS.join("`, `")),
                None => format!("steps: `{}`", flow::WORDS.join("`, `")),
            };
            self.scope
                .problem(&entry.place, format!("there is no step `{}`", entry.key))
                .hint = Some(hint);
            return None;
        }
        if behind_route {
            let hint = "make `route` the last step, and what follows a flow of its own".to_owned();
            self.scope
                .problem(
                    &entry.place,
                    "nothing gets here: a `route` sends every message away",
                )
                .hint = Some(hint);
            return None;
        }
        flow::plan(&entry.key, &entry.value, &mut self.scope)
    }

    fn to(&mut self, feed: Option<&Feed>) -> Option<Target> {
        let routed = self.scope.has_routed();
        let Some(to) = &self.file.to else {
            if !routed {
                let name = self.scope.flow.clone();
                let hint = "say `to: <channel>` or `to: { system: … }`, or end with a `route`".to_owned();
                let place = self.file.name.1.clone();
                self.scope
                    .problem(&place, format!("flow `{name}` has no `to`"))
                    .hint = Some(hint);
                return None;
            }
            return Some(Target::Routed);
        };
        if routed {
            let hint = "leave `to` out, or the `route`".to_owned();
            self.scope
                .problem(&to.place, "nothing gets here: a `route` sends every message away")
                .hint = Some(hint);
            return None;
        }
        if let Some(name) = to.text() {
            let channel = self.scope.channel(name, &to.place)?;
            self.uses
                .published
                .entry(name.to_owned())
                .or_insert_with(|| to.place.clone());
            self.scope.fits(&channel, &to.place)?;
            return Some(Target::Channel(channel));
        }
        let (system, adapter, settings) = self.system(to, "to")?;
        let Some(options) = adapter.describe().sink else {
            let what = format!(
                "system `{system}` ({}) cannot be written to",
                adapter.describe().name
            );
            self.scope.problem(&to.place, what);
            return None;
        };
        if matches!(feed, Some(Feed::System { .. })) {
            let hint =
                "send it to a channel, and let a second flow read that: then nothing is lost between the two"
                    .to_owned();
            self.scope
                .problem(&to.place, "a flow cannot go from a system straight to a system")
                .hint = Some(hint);
            return None;
        }
        self.options(options, &settings)?;
        let shape = self.scope.carries.shape();
        self.uses
            .ends
            .push((system.clone(), End::Sink(settings.clone(), shape)));
        Some(Target::System {
            system,
            settings,
            arrives: self.scope.carries.message().cloned(),
        })
    }

    /// The system of a `from` or `to`, and what stands beside it.
    fn system(&mut self, end: &Settings, word: &str) -> Option<(SystemName, &'static dyn Adapter, Settings)> {
        let Some(name) = end.get("system") else {
            let hint = format!("as in `{word}: orders` or `{word}: {{ system: erp, … }}`");
            self.scope
                .problem(
                    &end.place,
                    format!("`{word}` names neither a channel nor a system"),
                )
                .hint = Some(hint);
            return None;
        };
        let text = name.text().unwrap_or_default();
        let found = self.systems.iter().find(|(system, _)| system.as_str() == text);
        let Some((system, (adapter, _))) = found else {
            let known = self.systems.keys().map(SystemName::as_str);
            let hint = unknown_hint(text, known, "systems");
            self.scope
                .problem(&name.place, format!("there is no system `{text}`"))
                .hint = Some(hint);
            return None;
        };
        Some((system.clone(), *adapter, end.without("system")))
    }

    fn options(&mut self, declared: &'static [trunkline_sdk::Opt], settings: &Settings) -> Option<()> {
        match Options::read(declared, settings) {
            Ok(_) => Some(()),
            Err(found) => {
                self.scope.problems.extend(found);
                None
            }
        }
    }

    /// The options have been checked when the file was read.
    fn retry(&self) -> Schedule {
        let default = Schedule::default();
        let Some(retry) = &self.file.retry else {
            return default;
        };
        let Ok(options) = Options::read(RETRY, retry) else {
            return default;
        };
        let number = |name| options.number(name).and_then(|number| u32::try_from(number).ok());
        let duration = |name| options.text(name).and_then(parse_duration);
        Schedule {
            attempts: number("attempts").unwrap_or(default.attempts),
            first: duration("first").unwrap_or(default.first),
            factor: number("factor").map_or(default.factor, f64::from),
            max: duration("max").unwrap_or(default.max),
        }
    }
}

/// Says what there is, nearest first.
pub(crate) fn unknown_hint<'k>(
    word: &str,
    known: impl Iterator<Item = &'k str> + Clone,
    what: &str,
) -> String {
    let all: Vec<_> = known.clone().map(|name| format!("`{name}`")).collect();
    let all = if all.is_empty() {
        format!("there are no {what} yet")
    } else {
        format!("{what}: {}", all.join(", "))
    };
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    }
}

fn systems<'l>(landscape: &'l Landscape, problems: &mut Vec<Problem>) -> Systems<'l> {
    let mut systems = Systems::new();
    for entry in &landscape.systems {
        let name = match SystemName::new(&entry.name) {
            Ok(name) => name,
            Err(what) => {
                problems.push(Problem::new(&entry.place, what));
                continue;
            }
        };
        let (word, place) = &entry.adapter;
        let Some(adapter) = adapters::find(word) else {
            let known = adapters::ADAPTERS.iter().map(|adapter| adapter.describe().name);
            problems.push(
                Problem::new(place, format!("there is no adapter `{word}`"))
                    .hint(unknown_hint(word, known, "adapters")),
            );
            continue;
        };
        if let Err(found) = Options::read(adapter.describe().system, &entry.settings) {
            problems.extend(found);
        }
        systems.insert(name, (adapter, entry));
    }
    systems
}

fn channels(
    landscape: &Landscape,
    pool: &DescriptorPool,
    problems: &mut Vec<Problem>,
) -> BTreeMap<ChannelName, MessageDescriptor> {
    let mut channels = BTreeMap::new();
    for entry in &landscape.channels {
        let name =
            ChannelName::new(&entry.name).map_err(|what| problems.push(Problem::new(&entry.place, what)));
        let (type_name, place) = &entry.type_name;
        let descriptor = pool.get_message_by_name(type_name);
        if descriptor.is_none() {
            let known: Vec<_> = pool
                .all_messages()
                .map(|message| message.full_name().to_owned())
                .filter(|name| name.starts_with("trunkline."))
                .collect();
            let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
            let near = nearest(type_name, known.iter().map(String::as_str)).or_else(|| {
                known
                    .iter()
                    .map(String::as_str)
                    .find(|known| short(known) == short(type_name))
            });
            let problem = Problem::new(place, format!("there is no message type `{type_name}`"));
            problems.push(match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint("write its full name, such as `trunkline.commerce.v1.Order`"),
            });
        }
        if let (Ok(name), Some(descriptor)) = (name, descriptor) {
            channels.insert(name, descriptor);
        }
    }
    channels
}

/// The adapters check what their tables of options cannot say; only systems whose options are right.
fn check_endpoints(systems: &Systems<'_>, uses: &Uses, problems: &mut Vec<Problem>) {
    for (name, (adapter, entry)) in systems {
        if Options::read(adapter.describe().system, &entry.settings).is_err() {
            continue;
        }
        let ends = uses.ends.iter().filter(|(system, _)| system == name);
        let endpoints: Vec<_> = ends
            .map(|(_, end)| match end {
                End::Source(settings) => Endpoint::Source { settings },
                End::Sink(settings, shape) => Endpoint::Sink {
                    settings,
                    shape: shape.as_ref(),
                },
            })
            .collect();
        problems.extend(adapter.check(&entry.settings, &endpoints));
    }
}

/// A channel that nobody publishes to or nobody reads is a slip of the pen, unless others use it.
fn check_channels(landscape: &Landscape, uses: &Uses, problems: &mut Vec<Problem>) {
    for entry in landscape.channels.iter().filter(|entry| !entry.external) {
        let hint = "remove it, or say `external: true` if another program does";
        let mut wrong = |what: String| problems.push(Problem::new(&entry.place, what).hint(hint));
        if !uses.published.contains_key(&entry.name) {
            wrong(format!("nothing publishes to channel `{}`", entry.name));
        }
        if !uses.read.contains_key(&entry.name) {
            wrong(format!("nothing reads channel `{}`", entry.name));
        }
    }
}

fn processes(landscape: &Landscape, problems: &mut Vec<Problem>) -> BTreeMap<ProcessName, Vec<FlowName>> {
    let known: BTreeSet<_> = landscape.flows.iter().map(|flow| flow.name.0.as_str()).collect();
    let mut processes = BTreeMap::new();
    for (entry, flows) in &landscape.processes {
        let mut names = Vec::new();
        for flow in flows {
            let text = flow.text().unwrap_or_default();
            match FlowName::new(text) {
                Ok(name) if known.contains(text) => names.push(name),
                _ => problems.push(
                    Problem::new(&flow.place, format!("there is no flow `{text}`")).hint(unknown_hint(
                        text,
                        known.iter().copied(),
                        "flows",
                    )),
                ),
            }
        }
        match ProcessName::new(&entry.key) {
            Ok(name) => drop(processes.insert(name, names)),
            Err(what) => problems.push(Problem::new(&entry.place, what)),
        }
    }
    processes
}

/// A path that a landscape names, from where we are: `shop` and `./data` make `shop/data`.
fn within(landscape: &Landscape, path: &str) -> PathBuf {
    landscape.home.join(path).components().collect()
}

fn bus(landscape: &Landscape, problems: &mut Vec<Problem>) -> Option<BusAddress> {
    let (text, place) = &landscape.bus;
    if let Some(folder) = text.strip_prefix("embedded:") {
        if folder.is_empty() {
            problems.push(Problem::new(place, "`bus` names no folder").hint("as in `embedded:./data`"));
            return None;
        }
        return Some(BusAddress::Embedded(within(landscape, folder)));
    }
    if text.starts_with("amqp://") || text.starts_with("amqps://") {
        return match rabbitmq::check_url(text) {
            Ok(_) => Some(BusAddress::RabbitMq(text.clone())),
            Err(fault) => {
                problems.push(Problem {
                    hint: fault.hint,
                    ..Problem::new(place, fault.what)
                });
                None
            }
        };
    }
    // The text may hold a password, so it is not shown.
    let hint = "`embedded:<folder>`, `amqp://user:password@host:5672/vhost` or `amqps://…`";
    problems.push(Problem::new(place, "`bus` is no address of a bus").hint(hint));
    None
}
