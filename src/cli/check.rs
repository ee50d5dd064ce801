//! `trunkline check`: everything that can be known from the files, all at once.

use serde_json::{Value, json};
use trunkline_sdk::Problem;

use super::{Failure, Place, against, count, say, tell_problems, watch};
use crate::config::{self, Landscape, Variables};

#[derive(clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    place: Place,
    /// One JSON array on stdout, for editors and scripts
    #[arg(long)]
    json: bool,
    /// Check again whenever a file is saved, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Tell too what breaks what was there before: the folder of a landscape, `git:<revision>`, or a descriptor set
    #[arg(long, value_name = "OLD")]
    against: Option<String>,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.watch {
            return watch::repeat(&self.place.landscape, async || self.check()).await;
        }
        self.check()
    }

    /// What keeps it from being checked at all is a problem among others for who reads JSON.
    fn check(&self) -> Result<(), Failure> {
        let checked = self.checked();
        if let (true, Err(Failure::Fault(fault))) = (self.json, &checked) {
            let problem = Problem::new(&config::first_place(), fault.what.as_str());
            let problem = Problem {
                hint: fault.hint.clone(),
                ..problem
            };
            say::data(format_args!("{}\n", json!([object(&problem)])))?;
        }
        checked
    }

    fn checked(&self) -> Result<(), Failure> {
        let home = &self.place.landscape;
        let environment = |name: &str| std::env::var(name).ok();
        let variables = Variables::new(&environment);
        let landscape = Landscape::read(home.clone(), &variables)?;
        let model = trunkline_proto::descriptor_pool();
        let mut checked = config::check(&landscape, model).and_then(|plan| {
            // What the tests say is wrong in a landscape, too, but keeps nothing from running.
            config::tests(&landscape, &plan, &plan.types).map(|_| plan)
        });
        let mut against = String::new();
        if let Some(old) = &self.against {
            let broken = against::find(old, home, &variables)?.broken_by(&landscape, model);
            against = format!("; nothing breaks against {old}");
            if !broken.is_empty() {
                let mut problems = checked.err().unwrap_or_default();
                problems.extend(broken);
                checked = Err(problems);
            }
        }
        if self.json {
            let problems = checked.as_ref().err().map(Vec::as_slice).unwrap_or_default();
            let problems: Vec<_> = problems.iter().map(object).collect();
            say::data(format_args!("{}\n", json!(problems)))?;
        }
        match checked {
            Ok(plan) => {
                say::talk(format_args!(
                    "{}: {}, {}, {}: no problems{against}",
                    home.display(),
                    count(plan.systems.len(), "system"),
                    count(plan.topology.channels.len(), "channel"),
                    count(plan.flows.len(), "flow"),
                ));
                Ok(())
            }
            Err(problems) => {
                if self.json {
                    let sum = count(problems.len(), "problem");
                    say::talk(format_args!("{}: {sum}", home.display()));
                } else {
                    tell_problems(&landscape, &problems);
                }
                Err(Failure::Told)
            }
        }
    }
}

fn object(problem: &Problem) -> Value {
    json!({
        "file": &*problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "width": problem.place.width,
        "what": problem.what,
        "hint": problem.hint,
    })
}
