//! `trunkline demo`: the example shop at work, with orders of which some are broken, and what became of them.

mod shop;
mod summary;

use std::{
    fs,
    io::{IsTerminal, stderr},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hyper::StatusCode;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shop::{Order, Shop};
use summary::Summary;
use trunkline_sdk::Fault;

use super::{Failure, say};
use crate::{
    config::{self, Landscape, Plan, Variables},
    observe,
    runtime::Runtime,
};

/// The files of `examples/shop`, so that the demo runs wherever the program is.
const FILES: [(&str, &str); 11] = [
    (
        "trunkline.yaml",
        include_str!("../../../examples/shop/trunkline.yaml"),
    ),
    ("erp.sql", include_str!("../../../examples/shop/erp.sql")),
    (
        "flows/orders-in.yaml",
        include_str!("../../../examples/shop/flows/orders-in.yaml"),
    ),
    (
        "flows/orders-from-files.yaml",
        include_str!("../../../examples/shop/flows/orders-from-files.yaml"),
    ),
    (
        "flows/route-orders.yaml",
        include_str!("../../../examples/shop/flows/route-orders.yaml"),
    ),
    (
        "flows/stock.yaml",
        include_str!("../../../examples/shop/flows/stock.yaml"),
    ),
    (
        "flows/pick-domestic.yaml",
        include_str!("../../../examples/shop/flows/pick-domestic.yaml"),
    ),
    (
        "flows/pick-eu.yaml",
        include_str!("../../../examples/shop/flows/pick-eu.yaml"),
    ),
    (
        "flows/pick-export.yaml",
        include_str!("../../../examples/shop/flows/pick-export.yaml"),
    ),
    (
        "maps/shop-order.cel",
        include_str!("../../../examples/shop/maps/shop-order.cel"),
    ),
    (
        "tables/shop-order-status.csv",
        include_str!("../../../examples/shop/tables/shop-order-status.csv"),
    ),
];
const SECRET: &str = "demo-secret";
/// A demo that has not drained by then is broken.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(super) struct Demo {
    /// How many orders
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// A folder that does not exist yet, for the landscape and its data; else one among the temporary files
    #[arg(long)]
    folder: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let started = Instant::now();
        observe::init_log("error");
        let home = self
            .folder
            .unwrap_or_else(|| std::env::temp_dir().join(format!("trunkline-demo-{}", std::process::id())));
        unpack(&home)?;
        let address = free_address()?;
        let plan = plan(&home, address)?;
        say::talk(format_args!("The example shop, in {}", home.display()));
        say::talk(
            "  the shop is a stand-in: it sends orders in Shopify's shape, signed, over HTTP, and every fifth as a file",
        );
        let runtime = Runtime::start(&plan, None).await?;
        let orders: Vec<_> = (0..self.orders as usize).map(Order::new).collect();
        let before = summary::stock(&home)?;
        let answers = send(&home, address, &orders).await?;
        drain(&runtime, &plan, &home).await?;
        let summary = Summary::read(&runtime, &plan, &home, &orders, before, &answers)?;
        let finished = runtime.stop().await;
        say::data(&summary)?;
        let shown = home.display();
        let took = started.elapsed().as_secs_f32();
        say::talk(format_args!(
            "{took:.1} s. Look at:\n  \
             {shown}/flows  what the flows are made of\n  \
             trunkline dead-letters list {shown}  the parked orders\n  \
             trunkline check {shown}  after changing something"
        ));
        if finished && summary.is_right() {
            Ok(())
        } else {
            say::talk(
                "error: the numbers above do not add up; this is our mistake\n  = hint: please report them",
            );
            Err(Failure::Ours)
        }
    }
}

fn unpack(home: &Path) -> Result<(), Fault> {
    if home.exists() {
        return Err(Fault::stop(format!("`{}` exists already", home.display())).hint("name a new folder"));
    }
    let cannot =
        |error: std::io::Error| Fault::stop(format!("cannot write to `{}`: {error}", home.display()));
    for (name, text) in FILES {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap_or(home)).map_err(cannot)?;
        fs::write(path, text).map_err(cannot)?;
    }
    for folder in ["drop", "data"] {
        fs::create_dir_all(home.join(folder)).map_err(cannot)?;
    }
    Ok(())
}

fn free_address() -> Result<SocketAddr, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_err(|error| Fault::stop(format!("no port is free on 127.0.0.1: {error}")))
}

fn plan(home: &Path, address: SocketAddr) -> Result<Plan, Failure> {
    let variables = |name: &str| match name {
        "SHOP_LISTEN" => Some(address.to_string()),
        "SHOP_SECRET" => Some(SECRET.to_owned()),
        _ => None,
    };
    let landscape = Landscape::read(home.to_owned(), &Variables::new(&variables))?;
    config::check(&landscape, trunkline_proto::descriptor_pool())
        .map_err(|problems| Fault::stop(config::report(&landscape, &problems)).into())
}

/// How the webhook answered, in numbers.
#[derive(Debug, Default)]
struct Answers {
    accepted: usize,
    refused: usize,
}

async fn send(home: &Path, address: SocketAddr, orders: &[Order]) -> Result<Answers, Fault> {
    let bar = progress("orders sent", orders.len());
    let mut lines = Vec::new();
    for order in orders.iter().filter(|order| order.is_by_file()) {
        lines.extend(order.body());
        lines.push(b'\n');
    }
    let cannot = |error: std::io::Error| Fault::stop(format!("cannot write the file of orders: {error}"));
    // Under a name that no reader takes, then renamed: it is whole when it is seen.
    let part = home.join("drop/orders.jsonl.part");
    fs::write(&part, lines)
        .and_then(|()| fs::rename(&part, home.join("drop/orders.jsonl")))
        .map_err(cannot)?;
    let mut shop = Shop::new(address, SECRET);
    let mut answers = Answers::default();
    for order in orders {
        let times = match order.flaw {
            _ if order.is_by_file() => 0,
            shop::Flaw::SentTwice => 2,
            _ => 1,
        };
        for _ in 0..times {
            // Asked to call again later, a shop does.
            let mut status = shop.send(order).await?;
            while status == StatusCode::SERVICE_UNAVAILABLE {
                tokio::time::sleep(Duration::from_millis(20)).await;
                status = shop.send(order).await?;
            }
            if status.is_success() {
                answers.accepted += 1;
            } else {
                answers.refused += 1;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(answers)
}

/// Waits until every order has got where it should: the file was put away, and then all queues were empty while
/// nothing moved from one to the next.
async fn drain(runtime: &Runtime, plan: &Plan, home: &Path) -> Result<(), Fault> {
    let bar = progress("waiting for the queues to drain", 0);
    let moves = || {
        runtime
            .tallies()
            .values()
            .map(|tally| tally.read().received)
            .sum::<u64>()
    };
    let drained = async {
        loop {
            let before = moves();
            let mut is_drained = home.join("drop/done/orders.jsonl").exists();
            for queue in &plan.topology.queues {
                is_drained &= runtime.bus().depth(&queue.name).await?.is_drained();
            }
            if is_drained && moves() == before {
                return Ok(());
            }
            bar.tick();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let drained = tokio::time::timeout(LONGEST, drained).await;
    bar.finish_and_clear();
    drained.unwrap_or_else(|_| Err(Fault::stop("the queues have not drained within a minute")))
}

/// A bar on a terminal, nothing elsewhere.
fn progress(what: &'static str, length: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    let template = if length > 0 {
        "  {bar:40} {pos}/{len} {msg}"
    } else {
        "  {spinner} {msg}"
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(what)
}
