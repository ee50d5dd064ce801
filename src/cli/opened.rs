//! A landscape that is looked at and not run: no bus, no system, no variable is needed.

use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;
use trunkline_sdk::{Fault, Problem};

use super::{Failure, count, say, tell_problems};
use crate::config::{self, FlowPlan, Landscape, Plan, Variables, unknown_hint};

/// A landscape, read and checked.
pub(super) struct Opened {
    pub(super) landscape: Landscape,
    pub(super) plan: Plan,
    /// All message types there are.
    pub(super) pool: DescriptorPool,
}

impl Opened {
    /// The landscape in this folder.
    pub(super) fn at(home: PathBuf) -> Result<Self, Failure> {
        match Self::in_part(home)? {
            (opened, problems) if problems.is_empty() => Ok(opened),
            (opened, problems) => {
                tell_problems(&opened.landscape, &problems);
                Err(Failure::Told)
            }
        }
    }

    /// What is right of the landscape in this folder, and all that is wrong with it.
    pub(super) fn in_part(home: PathBuf) -> Result<(Self, Vec<Problem>), Failure> {
        let environment = |name: &str| std::env::var(name).ok();
        let landscape = Landscape::read(home, &Variables::new(&environment))?.to_look_at();
        let (plan, problems) = config::plan_of(&landscape, trunkline_proto::descriptor_pool());
        let opened = Self {
            pool: plan.types.clone(),
            landscape,
            plan,
        };
        Ok((opened, problems))
    }

    /// The flow of this name.
    pub(super) fn flow(&self, name: &str) -> Result<&FlowPlan, Failure> {
        let found = self.plan.flows.iter().find(|flow| flow.name.as_str() == name);
        found.ok_or_else(|| {
            let known = self.plan.flows.iter().map(|flow| flow.name.as_str());
            let hint = unknown_hint(name, known, "flows");
            Fault::stop(format!("the landscape has no flow `{name}`"))
                .hint(hint)
                .into()
        })
    }
}

/// Says in one line that there are problems which the command at hand does not need to be mended.
pub(super) fn tell_elsewhere(landscape: &Landscape, problems: usize) {
    if problems > 0 {
        let home = landscape.home.display();
        let sum = count(problems, "problem");
        say::talk(format_args!(
            "{home}: {sum} elsewhere, which `trunkline check` tells"
        ));
    }
}

/// The folder of a landscape as it was named; `.` is also meant by who is in a folder of it.
pub(super) fn home(named: PathBuf) -> PathBuf {
    match named.as_os_str() == "." {
        true => around(&named).unwrap_or(named),
        false => named,
    }
}

/// The folder of the landscape that this file or folder is a part of.
pub(super) fn around(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let mut homes = absolute.ancestors();
    let home = homes.find(|home| home.join("trunkline.yaml").exists())?;
    Some(relative(home))
}

/// As short as it can be said from where we are.
fn relative(home: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    match home.strip_prefix(&here) {
        Ok(inside) if inside.as_os_str().is_empty() => PathBuf::from("."),
        Ok(inside) => inside.to_owned(),
        Err(_) => home.to_owned(),
    }
}
