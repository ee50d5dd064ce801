//! XML on the command line: where in a document its records are.

use std::io::{BufRead, Chain, Cursor, Read};

use trunkline_formats::xml::{Path, Records, encoding_of};
use trunkline_sdk::Fault;

#[derive(clap::Args)]
pub(super) struct Xml {
    /// Where the records of XML are: the names from the root element to the one that is a record
    #[arg(long, value_name = "PATH", value_parser = path)]
    record: Option<Path>,
    /// Elements of XML that are lists even where one stands alone: `Line,Tag`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    lists: Vec<String>,
}

/// A document of which the beginning was read.
pub(super) type Document<R> = Chain<Cursor<Vec<u8>>, R>;

/// In so many bytes a document says its encoding.
const BEGINNING: u64 = 1 << 10;

impl Xml {
    /// The records of a document.
    pub(super) fn records<R: BufRead>(
        &self,
        mut input: R,
        limit: usize,
    ) -> Result<Records<Document<R>>, Fault> {
        let Some(record) = self.record.clone() else {
            return Err(Fault::stop("it is not said where in the XML the records are").hint(
                "as in `--record Orders/Order`: the names from the root element to the one that is a record",
            ));
        };
        let mut beginning = Vec::new();
        input
            .by_ref()
            .take(BEGINNING)
            .read_to_end(&mut beginning)
            .map_err(|error| Fault::stop(format!("cannot read the XML: {}", error.kind())))?;
        let encoding =
            encoding_of(&beginning).map_err(|why| Fault::stop(format!("this is no XML: {why}")))?;
        let document = Cursor::new(beginning).chain(input);
        Ok(Records::new(
            document,
            encoding,
            record,
            self.lists.clone(),
            limit,
        ))
    }
}

fn path(text: &str) -> Result<Path, String> {
    Path::parse(text)
}
