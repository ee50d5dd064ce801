//! The file adapter against real folders: the contracts of a source and a sink, and what is its own.
#![allow(clippy::unwrap_used)]

mod folder;
mod processing;
mod rejects;
mod source;

use folder::Folder;

mod json_lines {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::new());
}

mod csv {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::of_csv());
}

mod xml {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::of_xml());
}

mod fixed {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::of_fixed());
}
