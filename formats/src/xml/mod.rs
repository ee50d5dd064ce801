//! XML (1.0): one element to one tree and back, and a stream of elements.
//!
//! Promises: an attribute is `@name`, text beside attributes or elements is `#text`, an element with only text is
//! that text, elements of one name are a list, and so is a single one whose name is declared to be one. Names are
//! local names: prefixes and declarations of namespaces are left out. What is refused, and never guessed or dropped:
//! document types, entities that are not predefined, characters that XML does not have, more than [`MAX_DEPTH`]
//! levels, more than [`MAX_ATTRIBUTES`] attributes, two attributes of one local name. Time is linear in the size.
//! Not promised: the order of elements of different names, which text of mixed content stood where, comments and
//! processing instructions (they are skipped), XML 1.1.
//!
//! quick-xml cuts an element into its events, but for plain markup, which is cut here in half the time: what is read
//! is the same, and refusals are quick-xml's. Cutting a stream into elements is ours, because quick-xml holds any
//! event whole, however long, and has no way on behind one that is broken.

mod name;
mod path;
mod plain;
mod prologue;
mod read;
mod records;
mod scan;
mod tree;
mod write;

pub use path::Path;
pub use prologue::encoding_of;
pub use read::read;
pub use records::Records;
pub use tree::{MAX_ATTRIBUTES, MAX_DEPTH};
pub use write::Writer;
