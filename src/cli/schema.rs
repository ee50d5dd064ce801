//! `trunkline schema`: the words of a landscape's files as JSON Schema, so that editors complete and underline.

use clap::ValueEnum;

use super::{Failure, say};
use crate::config::schema;

#[derive(clap::Args)]
pub(super) struct Schema {
    /// Which file it is for
    #[arg(value_enum)]
    of: Of,
}

#[derive(Clone, Copy, ValueEnum)]
enum Of {
    /// `trunkline.yaml`
    Landscape,
    /// `flows/*.yaml`
    Flow,
    /// `tests/*.yaml`
    Test,
}

impl Schema {
    pub(super) fn run(self) -> Result<(), Failure> {
        let schema = match self.of {
            Of::Landscape => schema::landscape(),
            Of::Flow => schema::flow(),
            Of::Test => schema::test(),
        };
        Ok(say::data(format_args!("{schema:#}\n"))?)
    }
}
