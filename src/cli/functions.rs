//! `trunkline functions`: what mappings and predicates can call, from the table that the checker reads.

use serde_json::{Value, json};
use trunkline_sdk::{Fault, nearest};

use super::{Failure, say};
use crate::mapping::functions::{Row, rows};

#[derive(clap::Args)]
pub(super) struct Functions {
    /// Only this function: `timestamp`, `map`, `math.abs`
    name: Option<String>,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
}

impl Functions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let all = rows();
        let chosen: Vec<_> = match &self.name {
            None => all.iter().collect(),
            Some(name) => {
                let is_meant = |row: &&Row| row.name == name.trim_end_matches("()");
                let chosen: Vec<_> = all.iter().filter(is_meant).collect();
                if chosen.is_empty() {
                    return Err(unknown(name, &all).into());
                }
                chosen
            }
        };
        let text = match self.json {
            true => format!("{}\n", Value::from_iter(chosen.into_iter().map(object))),
            false => told(&chosen),
        };
        Ok(say::data(text)?)
    }
}

fn unknown(name: &str, all: &[Row]) -> Fault {
    let fault = Fault::stop(format!("there is no function `{name}`"));
    let names = all.iter().map(|row| row.name);
    // The last part of a name may be meant: `abs` of `math.abs`.
    let last = |known: &&str| known.rsplit('.').next() == Some(name);
    match nearest(name, names.clone()).or_else(|| names.clone().find(last)) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint("`trunkline functions` lists those there are"),
    }
}

/// By subject, a call and what it gives.
fn told(rows: &[&Row]) -> String {
    let mut text = String::new();
    let mut subject = "";
    for row in rows {
        if row.subject != subject {
            let gap = if subject.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{}\n", row.subject));
            subject = row.subject;
        }
        text.push_str(&format!("  {}\n      {}\n", row.call, row.doc));
    }
    text
}

fn object(row: &Row) -> Value {
    json!({ "name": row.name, "call": row.call, "subject": row.subject, "summary": row.doc })
}
