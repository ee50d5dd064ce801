//! The program: see [`trunkline::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    trunkline::cli::main()
}
