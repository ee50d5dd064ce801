//! What became of the demo's orders, as a person reads it.

use std::{collections::BTreeMap, fmt, path::Path};

use rusqlite::{Connection, OpenFlags};
use trunkline_sdk::Fault;

use super::{
    Answers,
    shop::{Flaw, Order},
};
use crate::{config::Plan, observe::Counts, runtime::Runtime};

/// The stock of each article.
type Stock = BTreeMap<String, i64>;

pub(super) struct Summary {
    flows: Vec<(String, Counts)>,
    accepted: usize,
    refused: usize,
    by_file: usize,
    repeats: usize,
    picked: BTreeMap<String, i64>,
    before: Stock,
    after: Stock,
    should: Stock,
}

impl Summary {
    pub(super) fn read(
        runtime: &Runtime,
        plan: &Plan,
        home: &Path,
        orders: &[Order],
        before: Stock,
        answers: &Answers,
    ) -> Result<Self, Fault> {
        let mut should = before.clone();
        for (sku, quantity) in orders.iter().flat_map(Order::takes) {
            if let Some(stock) = should.get_mut(sku) {
                *stock -= i64::try_from(quantity).unwrap_or(i64::MAX);
            }
        }
        let flows = plan.flows.iter().filter_map(|flow| {
            let tally = runtime.tallies().get(&flow.name)?;
            Some((flow.name.to_string(), tally.read()))
        });
        Ok(Self {
            flows: flows.collect(),
            accepted: answers.accepted,
            refused: answers.refused,
            repeats: orders
                .iter()
                .filter(|order| order.flaw == Flaw::SentTwice)
                .count(),
            by_file: orders.iter().filter(|order| order.is_by_file()).count(),
            picked: query(home, "SELECT route, count(*) FROM picks GROUP BY route")?,
            before,
            after: stock(home)?,
            should,
        })
    }

    /// Whether the stock is what an independent count says it should be.
    pub(super) fn is_right(&self) -> bool {
        self.after == self.should
    }
}

/// What is on hand of each article.
pub(super) fn stock(home: &Path) -> Result<Stock, Fault> {
    query(home, "SELECT sku, on_hand FROM stock")
}

fn query(home: &Path, sql: &str) -> Result<BTreeMap<String, i64>, Fault> {
    let read = || {
        let erp = Connection::open_with_flags(home.join("data/erp.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = erp.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|error| Fault::stop(format!("the example's ERP cannot be read: {error}")))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Accepted   {:>5}  by webhook, each with 200 after the bus had it",
            self.accepted
        )?;
        writeln!(f, "           {:>5}  as lines of a file", self.by_file)?;
        writeln!(
            f,
            "Refused    {:>5}  with 401: the signature is not the shop's",
            self.refused
        )?;
        for (flow, counts) in &self.flows {
            for (rule, number) in &counts.filtered {
                writeln!(f, "Filtered   {number:>5}  by {flow}: {rule}")?;
            }
        }
        for (route, number) in &self.picked {
            writeln!(f, "Picked     {number:>5}  {route}")?;
        }
        for (flow, counts) in &self.flows {
            for (cause, number) in &counts.parked {
                writeln!(f, "Parked     {number:>5}  by {flow}: {cause}")?;
            }
        }
        writeln!(f)?;
        writeln!(f, "Stock         before    sold   after")?;
        for (sku, before) in &self.before {
            let after = self.after.get(sku).copied().unwrap_or_default();
            writeln!(f, "  {sku:<10} {before:>7} {:>7} {after:>7}", before - after)?;
        }
        if self.is_right() {
            let repeats = match self.repeats {
                0 => "",
                _ => ", though some came twice",
            };
            writeln!(f, "  counted again from the orders: exactly right{repeats}")
        } else {
            writeln!(
                f,
                "  counted again from the orders: WRONG, it should be {:?}",
                self.should
            )
        }
    }
}
