//! What can be known from the files, before anything runs. Pure: no network, no clock, no other file.

mod answers;
mod channels;
mod clear;
mod cycles;
mod doubt;
mod flow;
mod memory;
mod systems;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use prost_reflect::{DescriptorPool, MessageDescriptor};
use trunkline_sdk::{Place, Problem, Settings, nearest};

use self::{
    flow::Checker,
    systems::{End, Systems},
};
use super::{
    landscape::Landscape,
    plan::{BusAddress, FlowPlan, Plan, SystemPlan},
    proto, schemas, tables,
};
use crate::{
    bus::{Channel, Topology, rabbitmq},
    canonical::rules::Rules,
    flow::{Carries, Scope},
    mapping::{self, Source},
    names::{FlowName, ProcessName, SystemName, TypeName},
    store::{CrossReferences, DeferredStore, GivenStore},
};

/// Checks a landscape, whose own message types stand beside those of `model`. All problems at once, those of reading
/// it among them, in the order of the files; without any, what will run.
pub fn check(landscape: &Landscape, model: &DescriptorPool) -> Result<Plan, Vec<Problem>> {
    match plan(landscape, model) {
        (plan, problems) if problems.is_empty() => Ok(plan),
        (_, problems) => Err(problems),
    }
}

/// What of a landscape is right, for who needs no more than that, and all problems. With problems it is not to be run:
/// flows that are wrong are not in it, and its bus may be none.
pub fn plan(landscape: &Landscape, model: &DescriptorPool) -> (Plan, Vec<Problem>) {
    let mut problems = Vec::new();
    let pool = &proto::read(&landscape.files, model, &mut problems);
    let mut tables = tables::read(&landscape.files, &mut problems);
    let schemas = schemas::read(&landscape.files, &mut problems);
    let systems = systems::read(landscape, &mut problems);
    tables.know_systems(systems.names());
    if !systems.are_all() {
        tables.hide_systems();
    }
    tables.hide_types(proto::hidden(&landscape.files, pool));
    let given = landscape
        .findings
        .is_lenient
        .then(|| Arc::new(GivenStore::default()));
    let store: Arc<dyn CrossReferences> = match &given {
        Some(given) => given.clone(),
        None => Arc::new(DeferredStore::new(within(landscape, &landscape.store))),
    };
    let zones = systems::zones(landscape, &mut problems);
    let channels = channels::read(landscape, pool, &mut problems);
    let keys = channels::keys(landscape, &channels, &mut problems);
    let mut flows: Vec<FlowPlan> = Vec::new();
    let mut uses = Uses::new(landscape);
    for file in &landscape.flows {
        // Its steps are checked whatever it is called.
        let name = flow_name(landscape, &file.name, &mut problems).unwrap_or_else(FlowName::nameless);
        // It reads a system or writes one, never both.
        let mut ends = [&file.from, &file.to].into_iter().flatten();
        let zone = ends.find_map(|end| zones.get(end.get("system")?.text()?).copied());
        let scope = Scope {
            flow: &name,
            files: &landscape.files,
            pool,
            tables: &tables,
            zone,
            references: &store,
            channels: &channels,
            carries: Carries::Unknown,
            copied: Vec::new(),
            can_wait: false,
            routed: Vec::new(),
            is_clear: true,
            problems: &mut problems,
        };
        flows.extend(
            Checker {
                file,
                schemas: &schemas,
                systems: &systems,
                keys: &keys,
                uses: &mut uses,
                scope,
            }
            .flow(),
        );
    }
    // A mapping that no flow uses yet is read all the same; what it makes of what, its flow will tell.
    for (name, text) in landscape.files.in_folder("maps") {
        problems.extend(mapping::check_syntax(&Source::file(
            Arc::clone(name),
            Arc::clone(text),
        )));
    }
    systems::check_ends(&systems, &uses, &mut problems);
    channels::check_ends(landscape, &uses, &mut problems);
    answers::check(landscape, &systems, &flows, &uses, &mut problems);
    cycles::check(landscape, &flows, &mut problems);
    memory::check(landscape, &flows, &mut problems);
    clear::check(landscape, &mut problems);
    let processes = processes(landscape, &mut problems);
    let bus = bus(landscape, &mut problems);
    let bus = bus.unwrap_or_else(|| BusAddress::Embedded(within(landscape, "./data")));
    let plan = Plan {
        home: landscape.home.clone(),
        bus,
        types: pool.clone(),
        store: within(landscape, &landscape.store),
        health: health(landscape, &mut problems),
        given,
        topology: Topology {
            channels: channels
                .iter()
                .map(|(name, descriptor)| Channel {
                    name: name.clone(),
                    type_name: TypeName::new(descriptor.full_name()),
                })
                .collect(),
            queues: flows.iter().flat_map(FlowPlan::queues).collect(),
        },
        systems: systems
            .iter()
            .map(|(name, (adapter, settings))| {
                let plan = SystemPlan {
                    adapter: *adapter,
                    settings: (*settings).clone(),
                };
                (name.clone(), plan)
            })
            .collect(),
        flows,
        processes,
        tables,
    };
    (plan, landscape.findings.with(problems))
}

/// What an address of a bus begins with.
const BUSES: [&str; 3] = ["embedded", "amqp", "amqps"];

/// What the flows use.
struct Uses {
    /// Channels that flows publish to.
    published: BTreeSet<String>,
    /// Channels that flows read.
    read: BTreeSet<String>,
    /// Ends of flows at systems: the system, the end's settings, and for a sink what arrives.
    ends: Vec<(SystemName, End)>,
    /// Channels of which flows hold what they read against the rules.
    validated: BTreeSet<String>,
    /// The rules of message types, by their names.
    rules: BTreeMap<String, Option<Arc<Rules>>>,
    /// Whether `published` and `read` are all there are.
    is_clear: bool,
}

impl Uses {
    fn new(landscape: &Landscape) -> Self {
        Self {
            published: BTreeSet::new(),
            read: BTreeSet::new(),
            ends: Vec::new(),
            validated: landscape
                .channels
                .iter()
                .filter(|channel| channel.settings.get("validate").and_then(Settings::text) == Some("true"))
                .map(|channel| channel.name.clone())
                .collect(),
            rules: BTreeMap::new(),
            is_clear: landscape.knows_flows,
        }
    }

    /// The rules of a type, compiled once; `None`: it has none, or they are wrong, which was told.
    fn rules(&mut self, message: &MessageDescriptor) -> Option<Arc<Rules>> {
        let compile = || Rules::compile(message).ok().flatten().map(Arc::new);
        let name = message.full_name().to_owned();
        self.rules.entry(name).or_insert_with(compile).clone()
    }
}

/// So many names of what there is are told with one that is not there.
const MOST_NAMES: usize = 40;

/// Says what there is, nearest first.
pub(crate) fn unknown_hint<'k>(
    word: &str,
    known: impl Iterator<Item = &'k str> + Clone,
    what: &str,
) -> String {
    let mut all: Vec<_> = known
        .clone()
        .take(MOST_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    if known.clone().nth(MOST_NAMES).is_some() {
        all.push("…".to_owned());
    }
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

/// `None`: it is no name, and that was told.
fn flow_name(
    landscape: &Landscape,
    (text, place): &(String, Place),
    problems: &mut Vec<Problem>,
) -> Option<FlowName> {
    let same = landscape.flows.iter().find(|other| other.name.0 == *text);
    if let Some(first) = same.filter(|first| first.name.1 != *place) {
        problems.push(
            Problem::new(place, format!("there are two flows `{text}`")).hint(format!(
                "the other stands at {}: give one of them another name",
                first.name.1
            )),
        );
    }
    FlowName::new(text)
        .map_err(|what| problems.push(no_name(place, text, what)))
        .ok()
}

/// What was meant to be a name, with the name that is nearest to it.
fn no_name(place: &Place, text: &str, what: String) -> Problem {
    let problem = Problem::new(place, what);
    match FlowName::new(&near_name(text)) {
        Ok(near) => problem.hint(format!("`{near}` would be one")),
        Err(_) => problem.hint("as in `orders` or `orders-to-erp2`"),
    }
}

/// The name that was meant by what is none.
fn near_name(text: &str) -> String {
    let word = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    let near: String = text.chars().map(word).collect();
    near.trim_matches('-').to_owned()
}

fn processes(landscape: &Landscape, problems: &mut Vec<Problem>) -> BTreeMap<ProcessName, Vec<FlowName>> {
    let known: BTreeSet<_> = landscape.flows.iter().map(|flow| flow.name.0.as_str()).collect();
    // What flows with a name that is none are called.
    let meant: BTreeSet<_> = known
        .iter()
        .filter(|name| FlowName::new(name).is_err())
        .map(|name| near_name(name))
        .collect();
    let mut processes = BTreeMap::new();
    let mut named = BTreeSet::new();
    let mut is_clear = !landscape.processes.is_empty();
    for (entry, flows) in &landscape.processes {
        let mut names = Vec::new();
        for flow in flows {
            // What is no single value was told when it was read.
            let Some(text) = flow.text().filter(|text| !text.is_empty()) else {
                continue;
            };
            named.insert(text);
            match FlowName::new(text) {
                Ok(name) if known.contains(text) && names.contains(&name) => {
                    let what = format!("process `{}` names flow `{text}` twice", entry.key);
                    problems.push(Problem::new(&flow.place, what).hint("keep one of the two"));
                }
                Ok(name) if known.contains(text) => names.push(name),
                _ if !landscape.knows_flows || known.contains(text) || meant.contains(text) => {}
                _ => {
                    is_clear = false;
                    let hint = unknown_hint(text, known.iter().copied(), "flows");
                    let what = format!("there is no flow `{text}`");
                    problems.push(Problem::new(&flow.place, what).hint(hint));
                }
            }
        }
        if flows.is_empty() {
            let what = format!("process `{}` runs no flow", entry.key);
            problems.push(Problem::new(&entry.place, what).hint("name its flows, or leave it out"));
        }
        match ProcessName::new(&entry.key) {
            Ok(name) => drop(processes.insert(name, names)),
            Err(what) => problems.push(no_name(&entry.place, &entry.key, what)),
        }
    }
    if is_clear {
        check_idle(landscape, &named, problems);
    }
    processes
}

/// A path that a landscape names, from where we are: `shop` and `./data` make `shop/data`.
fn within(landscape: &Landscape, path: &str) -> PathBuf {
    landscape.home.join(path).components().collect()
}

/// Where there are processes, a flow that is in none of them was forgotten.
fn check_idle(landscape: &Landscape, named: &BTreeSet<&str>, problems: &mut Vec<Problem>) {
    let idle = landscape.flows.iter().map(|flow| &flow.name);
    let is_idle = |name: &String| !named.contains(name.as_str()) && FlowName::new(name).is_ok();
    for (name, place) in idle.filter(|(name, _)| is_idle(name)) {
        problems.push(
            Problem::new(place, format!("flow `{name}` is in no process"))
                .hint("add it to one under `processes:` in trunkline.yaml, or nothing may ever run it"),
        );
    }
}

/// The text may hold a password, so it is not shown.
/// Where a running process tells how it is.
fn health(landscape: &Landscape, problems: &mut Vec<Problem>) -> Option<SocketAddr> {
    let health = landscape.health.as_ref()?;
    // What is no text, or an empty one, was told.
    let text = health.text().filter(|text| !["", "none"].contains(text))?;
    let address = text.parse();
    if address.is_err() {
        let problem = Problem::new(&health.place, "`health` is no address to listen on");
        problems.push(problem.hint("it is an IP address with a port, `127.0.0.1:9464`, or `none`"));
    }
    address.ok()
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
    if !text.starts_with("amqp://") && !text.starts_with("amqps://") {
        let near = text
            .split_once(':')
            .and_then(|(scheme, _)| nearest(scheme, BUSES));
        let near = near
            .map(|near| format!("did you mean `{near}:`? "))
            .unwrap_or_default();
        let shapes = "`embedded:<folder>`, `amqp://user:password@host:5672/vhost` or `amqps://…`";
        problems
            .push(Problem::new(place, "`bus` is no address of a bus").hint(format!("{near}it is {shapes}")));
        return None;
    }
    match rabbitmq::check_address(text) {
        Ok(()) => Some(BusAddress::RabbitMq(rabbitmq::at_home(text, &landscape.home))),
        Err(fault) => {
            let problem = Problem::new(place, fault.what);
            problems.push(match fault.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            None
        }
    }
}
