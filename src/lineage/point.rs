//! Where data is: a field of a system, of a message on a channel, of what a flow makes on its way.

use std::fmt;

use prost_reflect::DescriptorPool;
use trunkline_proto::options::v1::Privacy;

use crate::{
    mapping::Produces,
    names::{ChannelName, FlowName, SystemName, TypeName},
};

/// What holds fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// The records that come from a system.
    Source(SystemName),
    /// The messages of a channel, and their type.
    Channel(ChannelName, TypeName),
    /// What a step (by its place) of a flow makes, where that is not what the flow publishes; with its type where it
    /// is canonical.
    Within(FlowName, usize, Option<TypeName>),
    /// What goes into a system.
    Sink(SystemName),
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// What holds it.
    pub site: Site,
    /// Its path: `buyer.email`, `lines[].sku`.
    pub path: String,
}

impl Site {
    /// A field of it.
    pub fn point(&self, path: &str) -> Point {
        Point {
            site: self.clone(),
            path: path.to_owned(),
        }
    }

    /// The type of the canonical messages it holds.
    pub fn type_name(&self) -> Option<&TypeName> {
        match self {
            Site::Channel(_, name) | Site::Within(_, _, Some(name)) => Some(name),
            Site::Source(_) | Site::Sink(_) | Site::Within(_, _, None) => None,
        }
    }
}

impl Point {
    /// How private the field is: the strongest mark on the way to it, or on what is in it.
    pub fn privacy(&self, pool: &DescriptorPool) -> Privacy {
        let message = self
            .site
            .type_name()
            .and_then(|name| pool.get_message_by_name(name.as_str()));
        let mut message = message;
        let mut mark = Privacy::Unspecified;
        for step in self.path.split('.') {
            let name = step.split('[').next().unwrap_or(step);
            let Some(field) = message.take().and_then(|message| message.get_field_by_name(name)) else {
                break;
            };
            mark = mark.max(trunkline_proto::privacy(&field));
            if let prost_reflect::Kind::Message(inner) = field.kind() {
                message = Some(inner);
            }
        }
        mark
    }

    /// Whether this is what a person means by `shop:customer.email`, `Order.buyer.email` or `orders:buyer.email`; all
    /// that is in it, too.
    pub fn is_meant_by(&self, words: &str) -> bool {
        let path = plain(&self.path);
        let is_part = |wanted: &str| {
            let wanted = plain(wanted);
            let rest = path.strip_prefix(&wanted);
            wanted.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if let Some((name, wanted)) = words.split_once(':') {
            return match &self.site {
                Site::Source(system) | Site::Sink(system) => system.as_str() == name.trim(),
                Site::Channel(channel, _) => channel.as_str() == name.trim(),
                Site::Within(flow, ..) => flow.as_str() == name.trim(),
            } && is_part(wanted.trim_start_matches([':', ' ']));
        }
        let Some(full) = self.site.type_name() else {
            return false;
        };
        let short = full.as_str().rsplit('.').next().unwrap_or_default();
        [full.as_str(), short].into_iter().any(|name| {
            let rest = words.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_part))
        })
    }
}

/// As people read it: `shop:customer.email`, `Order.buyer.email`, `erp:stock.sku`.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (&self.site, self.site.type_name()) {
            (Site::Source(system), _) => match path.strip_prefix('@') {
                Some(attribute) => write!(f, "{system}:attributes.{attribute}"),
                None => write!(f, "{system}:{path}"),
            },
            (Site::Sink(system), _) => match path.starts_with(':') {
                true => write!(f, "{system} {path}"),
                false => write!(f, "{system}:{path}"),
            },
            (_, Some(name)) => match path.strip_prefix('@') {
                Some(attribute) => write!(f, "attributes.{attribute}"),
                None => write!(
                    f,
                    "{}.{path}",
                    name.as_str().rsplit('.').next().unwrap_or_default()
                ),
            },
            (Site::Within(flow, ..), None) => write!(f, "{flow}:{path}"),
            (Site::Channel(channel, _), None) => write!(f, "{channel}:{path}"),
        }
    }
}

/// Without items: `lines[0].sku` and `lines[].sku` are `lines.sku`.
fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('[') {
        plain.push_str(before);
        rest = behind.split_once(']').map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain
}

/// The name of the type that a mapping gives; `None`: a native record.
pub(super) fn type_of(produces: &Produces) -> Option<TypeName> {
    match produces {
        Produces::Message(message) => Some(TypeName::new(message.full_name())),
        Produces::Record(_) => None,
    }
}
