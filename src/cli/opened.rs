//! A landscape that is looked at and not run: no bus, no system, no variable is needed.

use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;
use trunkline_sdk::Fault;

use super::{Failure, tell_problems};
use crate::config::{self, FlowPlan, Landscape, Plan, Variables, unknown_hint};

/// A landscape, read and checked.
pub(super) struct Opened {
    pub(super) landscape: Landscape,
    pub(super) plan: Plan,
    /// All message types there are.
    pub(super) pool: DescriptorPool,
}

impl Opened {
    /// The landscape in this folder, or else the one around where we are.
    pub(super) fn find(folder: Option<&Path>) -> Result<Self, Failure> {
        match folder {
            Some(folder) => Self::at(folder.to_owned()),
            None => Self::around(Path::new(".")),
        }
    }

    /// The landscape in this folder.
    pub(super) fn at(home: PathBuf) -> Result<Self, Failure> {
        let environment = |name: &str| std::env::var(name).ok();
        let landscape = Landscape::read(home, &Variables::new(&environment))?.to_look_at();
        match config::check(&landscape, trunkline_proto::descriptor_pool()) {
            Ok(plan) => Ok(Self {
                pool: plan.types.clone(),
                landscape,
                plan,
            }),
            Err(problems) => {
                tell_problems(&landscape, &problems);
                Err(Failure::Told)
            }
        }
    }

    /// The landscape that this file or folder is a part of.
    pub(super) fn around(path: &Path) -> Result<Self, Failure> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut homes = absolute.ancestors();
        match homes.find(|home| home.join("trunkline.yaml").is_file()) {
            Some(home) => Self::at(relative(home)),
            None => Err(Fault::stop(format!("`{}` is in no landscape", path.display()))
                .hint("a landscape is a folder with a `trunkline.yaml`; name it with `--landscape`")
                .into()),
        }
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

/// As short as it can be said from where we are.
fn relative(home: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    match home.strip_prefix(&here) {
        Ok(inside) if inside.as_os_str().is_empty() => PathBuf::from("."),
        Ok(inside) => inside.to_owned(),
        Err(_) => home.to_owned(),
    }
}
