//! `trunkline graph`: the landscape as a picture.

mod coordinates;
mod layers;
mod layout;
mod mermaid;
mod order;
mod picture;
mod svg;

use clap::ValueEnum;

use self::picture::Picture;
use super::{Failure, Place, opened::Opened, say};

#[derive(clap::Args)]
pub(super) struct Graph {
    #[command(flatten)]
    place: Place,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Text that GitHub, GitLab and many editors draw
    Mermaid,
    /// A picture for a browser or a page
    Svg,
}

impl Graph {
    pub(super) fn run(self) -> Result<(), Failure> {
        let picture = Picture::of(&Opened::at(self.place.landscape)?.plan);
        let text = match self.format {
            Format::Mermaid => mermaid::write(&picture),
            Format::Svg => svg::write(&picture),
        };
        Ok(say::data(text)?)
    }
}
