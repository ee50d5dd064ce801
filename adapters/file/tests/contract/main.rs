//! The file adapter against real folders: the contracts of a source and a sink, and what is its own.
#![allow(clippy::unwrap_used)]

mod folder;
mod processing;
mod rejects;
mod sink;
mod source;

use folder::Folder;
use sink::Outbox;

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

trunkline_sdk::sink_contract!(files, std::future::ready(Outbox::of_files()));
trunkline_sdk::sink_contract!(elements, std::future::ready(Outbox::of_elements()));
trunkline_sdk::sink_contract!(rows, std::future::ready(Outbox::of_rows()));
