//! Which data goes where: from the fields of the systems through the canonical messages into the systems again, over
//! the whole landscape.
//!
//! Promises: every way on which a value can go, or decide what becomes of another, is a chain of [`Edge`]s; read off
//! the plan, so it is what runs.
//! Not promised: what a system has that no flow reads, nor what it does with what it is given.

mod point;
mod reach;

use std::collections::{BTreeMap, BTreeSet};

use trunkline_sdk::Place;

pub use self::{
    point::{Point, Site},
    reach::Chain,
};
use crate::{
    canonical::Tree,
    config::{Feed, FlowPlan, Plan, Target},
    flow::Expression,
    mapping::{How, Made, Part},
    names::{ChannelName, FlowName, TypeName},
};

/// One step of a value's way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// From here; `None`: it is a constant of the mapping.
    pub from: Option<Point>,
    /// To there.
    pub to: Point,
    /// The flow that takes it.
    pub flow: FlowName,
    /// What for.
    pub how: How,
    /// The expression or parameter; `None`: all of a message is passed on.
    pub place: Option<Place>,
}

/// Something that a value decides: whether a message goes on, or where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision {
    /// The value.
    pub by: Point,
    /// The flow.
    pub flow: FlowName,
    /// The word of the step.
    pub step: &'static str,
    /// Its expression.
    pub place: Place,
}

/// The ways of all data of a landscape.
#[derive(Debug, Default)]
pub struct Lineage {
    /// All steps, sorted.
    pub edges: Vec<Edge>,
    /// All decisions, sorted.
    pub decisions: Vec<Decision>,
    /// Every field that is written or read.
    pub points: BTreeSet<Point>,
}

/// What a flow does between two sites.
struct Hop {
    from: Site,
    to: Site,
    flow: FlowName,
    made: Made,
}

/// Longer paths are not followed: only types that hold themselves make them.
const DEEPEST: usize = 256;

impl Lineage {
    /// The lineage of a landscape.
    pub fn of(plan: &Plan) -> Self {
        let mut hops = Vec::new();
        let mut lineage = Self::default();
        for flow in &plan.flows {
            lineage.flow(plan, flow, &mut hops);
        }
        let fields = fields(&hops, &lineage);
        for hop in &hops {
            lineage.hop(hop, &fields);
        }
        for (site, paths) in &fields {
            // What has parts that are known is no field to go by.
            let is_leaf = |path: &&String| !paths.iter().any(|other| is_within(other, path));
            lineage
                .points
                .extend(paths.iter().filter(is_leaf).map(|path| site.point(path)));
        }
        lineage.edges.sort();
        lineage.edges.dedup();
        lineage.decisions.sort();
        lineage.decisions.dedup();
        lineage
    }

    fn flow(&mut self, plan: &Plan, flow: &FlowPlan, hops: &mut Vec<Hop>) {
        let name = &flow.name;
        let type_of = |channel: &ChannelName| {
            let found = plan.topology.channels.iter().find(|known| known.name == *channel);
            found.map(|channel| channel.type_name.clone())
        };
        let mut at = match &flow.feed {
            Feed::System { system, .. } => Site::Source(system.clone()),
            Feed::Channel {
                channel, type_name, ..
            } => Site::Channel(channel.clone(), type_name.clone()),
        };
        let expressions: Vec<_> = flow.steps.expressions().collect();
        let copies = |channel: &ChannelName| {
            let copies = |(_, expression): &(_, Expression<'_>)| matches!(expression, Expression::Copies(to) if *to == channel);
            expressions.iter().any(copies)
        };
        let then = match &flow.target {
            Target::System { then: Some(then), .. } => Some(then.made()),
            _ => None,
        };
        // What comes to them at the end of the steps.
        let channels: Vec<_> = flow
            .publishes()
            .filter(|channel| !copies(channel) && then.is_none_or(|(_, to)| to != *channel))
            .filter_map(|channel| Some(Site::Channel(channel.clone(), type_of(channel)?)))
            .collect();
        let makes = |expression: &Expression<'_>| {
            !matches!(expression, Expression::Decides(_) | Expression::Copies(_))
        };
        let last = expressions.iter().rposition(|(_, expression)| makes(expression));
        for (index, (step, expression)) in expressions.iter().enumerate() {
            let (made, type_name) = match expression {
                Expression::Decides(predicate) => {
                    self.decisions
                        .extend(predicate.reads().into_iter().map(|path| Decision {
                            by: at.point(&path),
                            flow: name.clone(),
                            step,
                            place: predicate.place(),
                        }));
                    continue;
                }
                Expression::Copies(to) => {
                    hops.extend(type_of(to).map(|type_name| Hop {
                        from: at.clone(),
                        to: Site::Channel((*to).clone(), type_name),
                        flow: name.clone(),
                        made: Made::Copy(String::new()),
                    }));
                    continue;
                }
                Expression::Translates(mapping) => (mapping.made(), point::type_of(mapping.produces())),
                Expression::Splits(split) => {
                    (split.made(), Some(TypeName::new(split.produces().full_name())))
                }
            };
            // What the last of them makes is what comes to the channel.
            let to = match (Some(index) == last, channels.as_slice()) {
                (true, [_, ..]) => channels.clone(),
                _ => vec![Site::Within(name.clone(), index, type_name)],
            };
            hops.extend(to.iter().map(|to| Hop {
                from: at.clone(),
                to: to.clone(),
                flow: name.clone(),
                made: made.clone(),
            }));
            at = to[0].clone();
        }
        if last.is_none() {
            hops.extend(channels.into_iter().map(|to| Hop {
                from: at.clone(),
                to,
                flow: name.clone(),
                made: Made::Copy(String::new()),
            }));
        }
        if let Some((mapping, to)) = then
            && let Some(type_name) = type_of(to)
        {
            hops.push(Hop {
                from: at.clone(),
                to: Site::Channel(to.clone(), type_name),
                flow: name.clone(),
                made: mapping.made(),
            });
        }
        if let Target::System {
            system,
            settings,
            arrives,
            ..
        } = &flow.target
        {
            let to = Site::Sink(system.clone());
            let used = plan
                .systems
                .get(system)
                .and_then(|plan| plan.adapter.uses(&plan.settings, settings));
            let made = match used {
                None => Made::Copy(String::new()),
                Some(used) => {
                    // A sink names what it sees; here are the fields of the message behind that.
                    let tree = arrives.as_ref().map(Tree::new);
                    let fields = |path| match &tree {
                        Some(tree) => tree.fields_at(path),
                        None => vec![path.to_owned()],
                    };
                    let parts = used.iter().flat_map(|used| {
                        fields(&used.path).into_iter().map(|field| Part {
                            name: used.name.clone(),
                            made: Made::Copy(field),
                            place: used.place.clone(),
                        })
                    });
                    Made::Parts(parts.collect())
                }
            };
            hops.push(Hop {
                from: at,
                to,
                flow: name.clone(),
                made,
            });
        }
    }

    /// The edges into every field behind a hop.
    fn hop(&mut self, hop: &Hop, fields: &BTreeMap<Site, BTreeSet<String>>) {
        let Some(paths) = fields.get(&hop.to) else {
            return;
        };
        let leaves = hop.made.leaves();
        for path in paths
            .iter()
            .filter(|path| !paths.iter().any(|other| is_within(other, path)))
        {
            for leaf in &leaves {
                let Some(behind) = behind(path, &leaf.path) else {
                    continue;
                };
                let edge = |from, how| Edge {
                    from,
                    to: hop.to.point(path),
                    flow: hop.flow.clone(),
                    how,
                    place: leaf.place.clone(),
                };
                if leaf.reads.is_empty() {
                    self.edges.push(edge(None, How::Copied));
                }
                for read in &leaf.reads {
                    // The parts of what is copied whole are copied, too.
                    let from = match read.how {
                        How::Copied => append(&read.path, behind),
                        _ => read.path.clone(),
                    };
                    self.edges.push(edge(Some(hop.from.point(&from)), read.how));
                }
            }
        }
    }
}

/// The fields at each site: those that are written there, and those that are read.
fn fields(hops: &[Hop], lineage: &Lineage) -> BTreeMap<Site, BTreeSet<String>> {
    let mut fields: BTreeMap<Site, BTreeSet<String>> = BTreeMap::new();
    for decision in &lineage.decisions {
        fields
            .entry(decision.by.site.clone())
            .or_default()
            .insert(decision.by.path.clone());
    }
    let leaves: Vec<_> = hops.iter().map(|hop| hop.made.leaves()).collect();
    loop {
        let mut found = Vec::new();
        for (hop, leaves) in hops.iter().zip(&leaves) {
            let none = BTreeSet::new();
            let (before, behind_it) = (
                fields.get(&hop.from).unwrap_or(&none),
                fields.get(&hop.to).unwrap_or(&none),
            );
            for leaf in leaves {
                if !leaf.path.is_empty() {
                    found.push((&hop.to, leaf.path.clone()));
                }
                for read in &leaf.reads {
                    if !read.path.is_empty() {
                        found.push((&hop.from, read.path.clone()));
                    }
                    if read.how == How::Copied {
                        let onward = before.iter().filter_map(|path| behind(path, &read.path));
                        found.extend(onward.map(|rest| (&hop.to, append(&leaf.path, rest))));
                        let back = behind_it.iter().filter_map(|path| behind(path, &leaf.path));
                        found.extend(back.map(|rest| (&hop.from, append(&read.path, rest))));
                    }
                }
            }
        }
        let mut is_new = false;
        for (site, path) in found {
            if !path.is_empty() && path.len() <= DEEPEST {
                is_new |= fields.entry(site.clone()).or_default().insert(path);
            }
        }
        if !is_new {
            return fields;
        }
    }
}

/// What is left of a path behind its beginning, with the dot; `None`: it does not begin so.
fn behind<'p>(path: &'p str, beginning: &str) -> Option<&'p str> {
    if beginning.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(beginning)?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
}

fn is_within(path: &str, whole: &str) -> bool {
    path.len() > whole.len() && behind(path, whole).is_some()
}

fn append(path: &str, rest: &str) -> String {
    match path {
        "" => rest.trim_start_matches('.').to_owned(),
        path if rest.is_empty() || rest.starts_with(['.', '[']) => format!("{path}{rest}"),
        path => format!("{path}.{rest}"),
    }
}
