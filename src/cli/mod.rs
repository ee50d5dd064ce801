//! The command line: `trunkline <noun> <verb>`, one file per noun.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 the user can mend it, 2 we broke.

mod check;
mod dead_letters;
mod demo;
mod run;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use trunkline_sdk::Fault;

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
    /// Run the example shop with 200 orders, some of them broken
    Demo(demo::Demo),
    /// The messages that wait for a person
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
}

/// A landscape, named on the command line.
#[derive(clap::Args)]
struct Place {
    /// The folder that holds `trunkline.yaml`
    #[arg(default_value = ".")]
    landscape: PathBuf,
}

/// Why a command did not do what was asked; it is the user's to mend.
enum Failure {
    /// In our one voice, with its hint.
    Fault(Fault),
    /// It has been told already.
    Told,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::Fault(fault)
    }
}

/// Runs the command that the arguments name.
#[expect(clippy::print_stderr, reason = "stderr is where talk goes")]
pub fn main() -> ExitCode {
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
            eprintln!("error: the system gives no event loop: {error}");
            return ExitCode::from(2);
        }
    };
    let done = runtime.block_on(async {
        match arguments.command {
            Command::Run(command) => command.run().await,
            Command::Check(command) => command.run(),
            Command::Demo(command) => command.run().await,
            Command::DeadLetters(command) => command.run().await,
        }
    });
    // A task that blocks must not keep the process from ending.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::from(1),
        Err(Failure::Fault(fault)) => {
            eprintln!("error: {}", fault.what);
            if let Some(hint) = &fault.hint {
                eprintln!("  = hint: {hint}");
            }
            ExitCode::from(1)
        }
    }
}

/// Reads and checks a landscape; what is wrong with it goes to stderr.
#[expect(clippy::print_stderr, reason = "stderr is where talk goes")]
fn load(home: &Path) -> Result<Plan, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let landscape = Landscape::read(home.to_owned(), &Variables::new(&environment))?;
    match config::check(&landscape, trunkline_proto::descriptor_pool()) {
        Ok(plan) => Ok(plan),
        Err(problems) => {
            eprint!("{}", config::report(&landscape, &problems));
            eprintln!("{}: {}", home.display(), count(problems.len(), "problem"));
            Err(Failure::Told)
        }
    }
}

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
