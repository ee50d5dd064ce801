//! `trunkline lineage`: which data goes where, over the whole landscape or from and to one field.

use std::{
    collections::BTreeSet,
    fmt::Write,
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};
use trunkline_proto::options::v1::Privacy;
use trunkline_sdk::{Fault, Place, nearest};

use super::{
    Failure,
    opened::{self, Opened},
    say,
};
use crate::{
    lineage::{Chain, Decision, Edge, Lineage as Ways, Point, Site},
    mapping::How,
};

#[derive(clap::Args)]
pub(super) struct Lineage {
    /// Only what comes from and goes to this field: `Order.buyer.email`, `shop:customer.email`, `erp:stock`
    field: Option<String>,
    /// The folder that holds `trunkline.yaml`; left out, the one around where you are. Named alone, it is known by that file
    landscape: Option<PathBuf>,
    /// One JSON object on stdout, with every step and its place
    #[arg(long)]
    json: bool,
}

impl Lineage {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (field, home) = match (self.field, self.landscape) {
            (Some(home), None) if Path::new(&home).join("trunkline.yaml").exists() => (None, home.into()),
            (field, home) => (field, home.unwrap_or_else(|| ".".into())),
        };
        let opened = Opened::at(opened::home(home))?;
        let ways = Ways::of(&opened.plan);
        let privacy = |point: &Point| point.privacy(&opened.pool);
        let Some(field) = &field else {
            let text = match self.json {
                true => object(ways.edges.iter(), ways.decisions.iter(), &privacy),
                false => table(&ways.chains()),
            };
            return Ok(say::data(text)?);
        };
        let meant: BTreeSet<_> = ways
            .points
            .iter()
            .filter(|point| point.is_meant_by(field))
            .cloned()
            .collect();
        if meant.is_empty() {
            return Err(unknown(field, &ways).into());
        }
        // Steps between what is meant are told once, as ways onward.
        let is_before = |edge: &&Edge| !edge.from.as_ref().is_some_and(|from| meant.contains(from));
        let up = ways
            .upstream(&meant)
            .into_iter()
            .filter(is_before)
            .collect::<Vec<_>>();
        let (down, decided) = (ways.downstream(&meant), ways.decided_by(&meant));
        let text = match self.json {
            true => object(up.into_iter().chain(down), decided.into_iter(), &privacy),
            false => page(&meant, &up, &down, &decided, &privacy),
        };
        Ok(say::data(text)?)
    }
}

fn unknown(field: &str, ways: &Ways) -> Fault {
    let known: BTreeSet<_> = ways.points.iter().map(ToString::to_string).collect();
    let fault = Fault::stop(format!("no flow reads or writes a field `{field}`"));
    match nearest(field, known.iter().map(String::as_str)) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint(
            "`trunkline lineage` tells all there are, as in `Order.buyer.email` or `shop:customer.email`",
        ),
    }
}

/// All chains, a line each.
fn table(chains: &BTreeSet<Chain>) -> String {
    let mut rows = vec![["SOURCE".to_owned(), "CANONICAL".to_owned(), "TARGET".to_owned()]];
    // That a copy of it ends somewhere says nothing of what goes on elsewhere.
    let goes_on = |chain: &Chain| {
        chains.iter().any(|other| {
            other.target.is_some()
                && other.source == chain.source
                && other.canonical.starts_with(&chain.canonical)
        })
    };
    let mut chains: Vec<_> = chains
        .iter()
        .filter(|chain| chain.target.is_some() || !goes_on(chain))
        .collect();
    chains.sort_by_key(|chain| (&chain.canonical, &chain.source, &chain.target));
    rows.extend(chains.into_iter().map(|chain| {
        let end = |end: &Option<String>| end.clone().unwrap_or_else(|| "-".to_owned());
        [
            end(&chain.source),
            chain.canonical.join(" > "),
            end(&chain.target),
        ]
    }));
    columns(&rows)
}

/// Rows whose columns stand below each other.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let told = write!(line, "{cell:<width$}  ");
            told.expect("a String takes all that is written to it");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// All about one field.
fn page(
    meant: &BTreeSet<Point>,
    up: &[&Edge],
    down: &[&Edge],
    decided: &[&Decision],
    privacy: &dyn Fn(&Point) -> Privacy,
) -> String {
    let mut out = String::new();
    let names: BTreeSet<_> = meant
        .iter()
        .map(|point| match mark(privacy(point)) {
            Some(mark) => format!("{point}  ({mark})"),
            None => point.to_string(),
        })
        .collect();
    for name in names {
        out.push_str(&name);
        out.push('\n');
    }
    for (title, edges) in [("comes from", up), ("goes to", down)] {
        let rows: Vec<_> = edges.iter().map(|edge| row(edge)).collect();
        section(&mut out, title, &rows);
    }
    let rows: Vec<_> = decided
        .iter()
        .map(|decision| {
            let flow = decision.flow.to_string();
            let by = decision.by.to_string();
            [
                "  ".to_owned() + &by,
                decision.step.to_owned(),
                flow,
                decision.place.to_string(),
            ]
        })
        .collect();
    section(&mut out, "decides", &rows);
    out
}

fn section(out: &mut String, title: &str, rows: &[[String; 4]]) {
    out.push_str(title);
    out.push('\n');
    match rows {
        [] => out.push_str("  nothing\n"),
        rows => out.push_str(&columns(rows)),
    }
}

fn row(edge: &Edge) -> [String; 4] {
    let (way, how) = match (&edge.from, &edge.place) {
        (Some(from), Some(_)) => (format!("{from} > {}", edge.to), how(edge.how)),
        (Some(from), None) => (
            format!("{} > {}: {}", site(&from.site), site(&edge.to.site), edge.to),
            "passed on",
        ),
        (None, _) => (format!("a constant > {}", edge.to), "constant"),
    };
    let place = edge.place.as_ref().map_or_else(String::new, Place::to_string);
    [format!("  {way}"), how.to_owned(), edge.flow.to_string(), place]
}

fn site(site: &Site) -> String {
    match site {
        Site::Source(system) | Site::Sink(system) => system.to_string(),
        Site::Channel(channel, _) => channel.to_string(),
        Site::Within(flow, ..) => flow.to_string(),
    }
}

/// What something is read for, in a word.
pub(super) fn how(how: How) -> &'static str {
    match how {
        How::Copied => "copied",
        How::Computed => "computed",
        How::Decided => "decides",
    }
}

/// The mark of a field, in a word.
pub(super) fn mark(privacy: Privacy) -> Option<&'static str> {
    match privacy {
        Privacy::Unspecified => None,
        Privacy::Personal => Some("personal"),
        Privacy::Sensitive => Some("sensitive"),
    }
}

fn object<'w>(
    edges: impl Iterator<Item = &'w Edge>,
    decisions: impl Iterator<Item = &'w Decision>,
    privacy: &dyn Fn(&Point) -> Privacy,
) -> String {
    let place = |place: &Place| json!({ "file": &*place.file, "line": place.line, "column": place.column });
    let point = |point: &Point| {
        let kind = match &point.site {
            Site::Source(_) => "source",
            Site::Channel(..) => "channel",
            Site::Within(..) => "flow",
            Site::Sink(_) => "target",
        };
        json!({
            "field": point.to_string(), "kind": kind, "at": site(&point.site), "path": point.path,
            "type": point.site.type_name().map(crate::names::TypeName::as_str), "privacy": mark(privacy(point)),
        })
    };
    let edges: BTreeSet<_> = edges.collect();
    let edges = edges.into_iter().map(|edge| {
        let how = match edge.from {
            Some(_) => how(edge.how),
            None => "constant",
        };
        json!({
            "from": edge.from.as_ref().map(point), "to": point(&edge.to), "flow": edge.flow.as_str(),
            "how": how, "at": edge.place.as_ref().map(place),
        })
    });
    let decisions = decisions.map(|decision| {
        json!({
            "by": point(&decision.by), "flow": decision.flow.as_str(), "step": decision.step,
            "at": place(&decision.place),
        })
    });
    let whole = json!({ "edges": Json::from_iter(edges), "decisions": Json::from_iter(decisions) });
    format!("{whole}\n")
}
