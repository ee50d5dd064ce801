//! The command line: `trunkline <noun> <verb>`, one file per noun.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 the user can mend it, 2 we broke.

mod adapters;
mod against;
mod bus;
mod catalogue;
mod check;
mod dead_letters;
mod demo;
mod functions;
mod graph;
mod lineage;
mod map;
mod opened;
mod quality;
mod run;
mod say;
mod schema;
mod test;
mod topology;
mod watch;
mod xref;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{
    Parser, Subcommand,
    builder::{PathBufValueParser, TypedValueParser},
};
use trunkline_sdk::{Fault, Problem};

use crate::{
    config::{self, Landscape, Plan, Variables},
    names::ProcessName,
};

/// Connects the separate systems of an organisation over a message bus
#[derive(Parser)]
#[command(name = "trunkline", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a landscape, or one process of it
    Run(run::Run),
    /// Tell everything that is wrong in a landscape, before it runs
    Check(check::Check),
    /// Run the tests of a landscape
    Test(test::Test),
    /// Run one mapping on records from stdin
    Map(map::Map),
    /// Run the example shop with 200 orders, some of them broken
    Demo(demo::Demo),
    /// The messages that wait for a person
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// How good the records of each source were, and which rules they broke
    Quality(quality::QualityReport),
    /// The bus itself
    #[command(subcommand)]
    Bus(bus::BusCommand),
    /// What the landscape needs on its bus: exchanges, queues, users
    #[command(subcommand)]
    Topology(topology::Topology),
    /// Which data goes where: source field, canonical field, target field
    Lineage(lineage::Lineage),
    /// Which system holds and receives which data, personal data marked
    Catalogue(catalogue::Catalogue),
    /// Draw the landscape: systems, channels, flows
    Graph(graph::Graph),
    /// The words of a landscape's files as JSON Schema, for editors
    Schema(schema::Schema),
    /// The functions of mappings and predicates
    Functions(functions::Functions),
    /// Which id of which system means which identity
    #[command(subcommand)]
    Xref(xref::Xref),
    /// What can be connected, and with which options
    Adapters(adapters::Adapters),
}

/// A landscape, named on the command line: of every verb the last operand.
#[derive(clap::Args)]
struct Place {
    /// The folder that holds `trunkline.yaml`; left out, the one around where you are
    #[arg(default_value = ".", value_parser = PathBufValueParser::new().map(opened::home))]
    landscape: PathBuf,
}

/// Why a command did not do what was asked.
enum Failure {
    /// The user can mend it: in our one voice, with its hint.
    Fault(Fault),
    /// The user can mend it, and it has been told already.
    Told,
    /// We broke, and it has been told already.
    Ours,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::Fault(fault)
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    say::tell_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = u8::from(error.use_stderr());
            // Nobody is left to hear that stderr is closed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // One thread for the messages: what little work they are is shared with the broker's processes, and more flows
    // at once are more processes. Blocking work (files, SQLite) has threads of its own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say::talk(format_args!("error: the system gives no event loop: {error}"));
            return ExitCode::from(2);
        }
    };
    let work = async {
        match arguments.command {
            Command::Run(command) => command.run().await,
            Command::Check(command) => command.run().await,
            Command::Test(command) => command.run().await,
            Command::Map(command) => command.run(),
            Command::Demo(command) => command.run().await,
            Command::DeadLetters(command) => command.run().await,
            Command::Quality(command) => command.run().await,
            Command::Bus(command) => command.run().await,
            Command::Topology(command) => command.run().await,
            Command::Lineage(command) => command.run(),
            Command::Catalogue(command) => command.run(),
            Command::Graph(command) => command.run(),
            Command::Schema(command) => command.run(),
            Command::Functions(command) => command.run(),
            Command::Xref(command) => command.run(),
            Command::Adapters(command) => command.run(),
        }
    };
    let done = say::guarded(|| runtime.block_on(work)).unwrap_or(Err(Failure::Ours));
    // A task that blocks must not keep the process from ending.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::from(1),
        Err(Failure::Fault(fault)) => {
            tell(&fault);
            ExitCode::from(1)
        }
        Err(Failure::Ours) => ExitCode::from(2),
    }
}

/// A fault, as a person reads it.
fn tell(fault: &Fault) {
    say::talk(format_args!("error: {}", fault.what));
    if let Some(hint) = &fault.hint {
        say::talk(format_args!("  = hint: {hint}"));
    }
}

/// Reads and checks a landscape; what is wrong with it goes to stderr.
fn load(home: &Path) -> Result<Plan, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let landscape = Landscape::read(home.to_owned(), &Variables::new(&environment))?;
    match config::check(&landscape, trunkline_proto::descriptor_pool()) {
        Ok(plan) => Ok(plan),
        Err(problems) => {
            tell_problems(&landscape, &problems);
            Err(Failure::Told)
        }
    }
}

/// All that is wrong with a landscape, as a person reads it.
fn tell_problems(landscape: &Landscape, problems: &[Problem]) {
    let told = &problems[..problems.len().min(MOST_PROBLEMS)];
    let report = config::report(landscape, told);
    let sum = count(problems.len(), "problem");
    let first = match told.len() {
        told if told < problems.len() => format!("; these are the first {told}"),
        _ => String::new(),
    };
    say::talk(format_args!("{report}{}: {sum}{first}", landscape.home.display()));
}

/// Nobody reads more of them at once.
const MOST_PROBLEMS: usize = 100;

/// `1 flow`, `2 flows`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The process of this name.
fn check_process(plan: &Plan, name: &str) -> Result<ProcessName, Failure> {
    let known = plan.processes.keys().find(|process| process.as_str() == name);
    known.cloned().ok_or_else(|| {
        let known = plan.processes.keys().map(ProcessName::as_str);
        let hint = config::unknown_hint(name, known, "processes");
        Fault::stop(format!("the landscape has no process `{name}`"))
            .hint(hint)
            .into()
    })
}
