//! Fixed width: records whose fields stand in declared columns, read and written.
//!
//! Promises: numbers keep their digits, with the decimals that are only implied; a field that is not as declared is
//! refused with its column and name; a value that does not fit its columns is refused and never cut; undeclared
//! columns are skipped in reading, blank in writing; nothing but blanks is `null` for a number and empty for a text.
//! Not promised: signs punched over a digit, packed decimals, totals of trailers. A text does not keep the padding
//! of its padded side.

mod field;
mod layout;
mod records;

pub use field::{Align, Field, Kind};
pub use layout::{Columns, Flaw, Layout};
pub use records::{Ends, Records};
