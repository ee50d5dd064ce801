//! `trunkline catalogue`: which system holds and receives which data, with personal data marked, for those who must
//! answer for it.
//!
//! Promises: what is told is what the flows do, read off the checked landscape. A value that is reckoned from a personal
//! one counts as personal. Not promised: what a system holds beside what flows read from it and write to it.

mod html;
mod markdown;

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use prost_reflect::DescriptorPool;
use trunkline_proto::options::v1::Privacy;

use super::{Failure, Place, opened::Opened, say};
use crate::{
    config::Plan,
    lineage::{Edge, Lineage, Point, Site},
    mapping::How,
};

#[derive(clap::Args)]
pub(super) struct Catalogue {
    #[command(flatten)]
    place: Place,
    /// How it is written
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Markdown,
    /// One page that needs nothing beside it
    Html,
}

impl Catalogue {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Opened {
            landscape,
            plan,
            pool,
        } = Opened::at(self.place.landscape)?;
        let home = std::path::absolute(&landscape.home).unwrap_or(landscape.home);
        let name = home
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let contents = Contents::of(name, &plan, &pool);
        let text = match self.format {
            Format::Markdown => markdown::page(&contents),
            Format::Html => html::page(&contents),
        };
        Ok(say::data(text)?)
    }
}

/// What there is to tell.
struct Contents {
    landscape: String,
    systems: Vec<SystemData>,
    channels: Vec<ChannelData>,
}

/// A system with what it gives and gets.
struct SystemData {
    name: String,
    adapter: &'static str,
    /// What flows read from it.
    holds: Vec<Row>,
    /// What flows write to it.
    receives: Vec<Row>,
}

/// A channel with the fields that are set on it.
struct ChannelData {
    name: String,
    type_name: String,
    fields: Vec<Row>,
}

/// A field, and whence or whither.
struct Row {
    field: String,
    privacy: Privacy,
    /// The canonical fields it becomes, or comes of.
    canonical: Vec<String>,
    /// The fields of systems that it comes from.
    sources: Vec<String>,
    /// The fields of systems that it goes to.
    targets: Vec<String>,
}

impl Contents {
    fn of(landscape: String, plan: &Plan, pool: &DescriptorPool) -> Self {
        let lineage = Lineage::of(plan);
        let row = |point: &Point| row(point, &lineage, pool);
        let mut channels: BTreeMap<&Site, Vec<Row>> = BTreeMap::new();
        for point in &lineage.points {
            if let Site::Channel(..) = point.site {
                channels.entry(&point.site).or_default().push(row(point));
            }
        }
        let systems = plan.systems.iter().map(|(name, system)| {
            let of = |site: &Site| {
                lineage
                    .points
                    .iter()
                    .filter(|point| point.site == *site)
                    .map(row)
                    .collect()
            };
            SystemData {
                name: name.to_string(),
                adapter: system.adapter.describe().name,
                holds: of(&Site::Source(name.clone())),
                receives: of(&Site::Sink(name.clone())),
            }
        });
        Self {
            landscape,
            systems: systems.collect(),
            channels: channels
                .into_iter()
                .filter_map(|(site, fields)| match site {
                    Site::Channel(name, type_name) => Some(ChannelData {
                        name: name.to_string(),
                        type_name: type_name.as_str().to_owned(),
                        fields,
                    }),
                    _ => None,
                })
                .collect(),
        }
    }

    /// Personal fields with the systems that hold and receive them, by their canonical names.
    fn personal(&self) -> Vec<Personal> {
        let mut all: BTreeMap<String, Personal> = BTreeMap::new();
        for field in self.channels.iter().flat_map(|channel| {
            let rows = channel.fields.iter();
            rows.filter(|row| row.privacy != Privacy::Unspecified)
        }) {
            let found = all.entry(field.field.clone()).or_insert_with(|| Personal {
                field: field.field.clone(),
                privacy: field.privacy,
                held: BTreeSet::new(),
                received: BTreeSet::new(),
            });
            found.held.extend(field.sources.iter().cloned());
            found.received.extend(field.targets.iter().cloned());
        }
        all.into_values().collect()
    }
}

/// A canonical field that says something about a person.
struct Personal {
    field: String,
    privacy: Privacy,
    held: BTreeSet<String>,
    received: BTreeSet<String>,
}

fn row(point: &Point, lineage: &Lineage, pool: &DescriptorPool) -> Row {
    let of = BTreeSet::from([point.clone()]);
    // What only decides is no data of its own.
    let is_data = |edge: &&Edge| edge.how != How::Decided;
    let up: Vec<_> = lineage.upstream(&of).into_iter().filter(is_data).collect();
    let down: Vec<_> = lineage.downstream(&of).into_iter().filter(is_data).collect();
    let before = up.iter().filter_map(|edge| edge.from.as_ref());
    let after = down.iter().map(|edge| &edge.to);
    let named = |points: &mut dyn Iterator<Item = &Point>, wanted: &dyn Fn(&Site) -> bool| {
        let names: BTreeSet<_> = points
            .filter(|point| wanted(&point.site))
            .map(ToString::to_string)
            .collect();
        names.into_iter().collect::<Vec<_>>()
    };
    let is_canonical = |site: &Site| site.type_name().is_some();
    let privacy = match &point.site {
        Site::Source(_) => after.clone().map(|point| point.privacy(pool)).max(),
        Site::Sink(_) => before.clone().map(|point| point.privacy(pool)).max(),
        _ => Some(point.privacy(pool)),
    };
    let canonical = match &point.site {
        Site::Sink(_) => named(&mut before.clone(), &is_canonical),
        _ => named(&mut after.clone(), &is_canonical),
    };
    Row {
        field: match &point.site {
            Site::Source(_) | Site::Sink(_) => point.path.clone(),
            _ => point.to_string(),
        },
        privacy: privacy.unwrap_or(Privacy::Unspecified),
        canonical,
        sources: named(&mut before.clone(), &|site| matches!(site, Site::Source(_))),
        targets: named(&mut after.clone(), &|site| matches!(site, Site::Sink(_))),
    }
}
