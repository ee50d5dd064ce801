//! The functions of the language: one declaration each feeds the checker, the evaluator and the docs.
//!
//! The macros (`has`, `map`, `exists` …) and what the checker turns into steps of its own (`lookup`, `money`, `matches`)
//! are declared in [`MACROS`]. From the two tables come what `check` accepts, its "did you mean", and the docs.

mod convert;
mod decimal;
mod encoders;
mod format;
mod lists;
mod macros;
mod math;
mod money;
mod numbers;
mod page;
mod rules;
mod strings;
mod time;
mod zone;

pub use macros::{MACROS, Macro};
pub use page::{Row, page, rows};

pub(crate) use convert::whole_number;
pub(crate) use decimal::{Decimal, Undivided};
pub(crate) use encoders::base64;
pub(crate) use money::{Amount, encode_money};
pub(crate) use numbers::{Digits, Number, compare_numbers, digits_to_integer};
pub(crate) use zone::{Pattern, Zone};

use std::collections::BTreeSet;

use super::{
    failure::{Budget, Failure},
    types::Type,
    value::Val,
};

/// How a function runs: its arguments, the receiver first, are of the declared kinds (checked where they are known
/// before, and by the function where they are parts of a record).
pub(crate) type Implementation = for<'a> fn(&mut [Val<'a>], &mut Budget) -> Result<Val<'a>, Box<Failure>>;

/// A function as declared.
#[derive(Debug)]
pub struct Function {
    /// Its name; those of a group with it: `math.abs`.
    pub name: &'static str,
    /// Called on its first argument: `text.contains(part)`.
    pub method: bool,
    /// What it takes, the receiver first.
    pub takes: &'static [Takes],
    /// What it gives.
    pub gives: Gives,
    /// What it does, in a sentence.
    pub doc: &'static str,
    pub(crate) run: Implementation,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// `bool`.
    Bool,
    /// `int` or `uint`.
    Int,
    /// `double`.
    Double,
    /// `int`, `uint` or `double`.
    Number,
    /// `string`.
    Text,
    /// `bytes`.
    Bytes,
    /// A timestamp.
    Timestamp,
    /// A duration.
    Duration,
    /// The name or offset of a time zone.
    Zone,
    /// The pattern of a time, `DD.MM.YYYY`.
    Pattern,
    /// A list of anything.
    List,
    /// A list or a map.
    Container,
    /// One of these.
    OneOf(&'static [Takes]),
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `uint`.
    Uint,
    /// `double`.
    Double,
    /// `string`.
    Text,
    /// `bytes`.
    Bytes,
    /// A timestamp.
    Timestamp,
    /// A duration.
    Duration,
    /// A list of texts.
    Texts,
    /// A list of ints.
    Ints,
    /// A message of this type.
    Message(&'static str),
    /// What its first argument is.
    First,
    /// What the items of its first argument are.
    Element,
    /// An optional of it.
    OptionalElement,
    /// A list of what the items of the items of its first argument are.
    Inner,
    /// What shows when it runs.
    Any,
}

impl Takes {
    /// Whether an argument of this type may be it; a part of a record may be anything a record holds.
    pub(crate) fn accepts(self, given: &Type) -> bool {
        match given {
            Type::Error | Type::Any => return true,
            // No record holds an instant or a duration: they come of timestamp(..) and duration(..).
            Type::Dyn => return !matches!(self, Self::Timestamp | Self::Duration),
            _ => {}
        }
        match self {
            Self::Bool => *given == Type::Bool,
            Self::Int => given.is_integer() || *given == Type::Number,
            Self::Number => given.is_number(),
            Self::Double => matches!(given, Type::Double | Type::Number),
            Self::Text | Self::Zone | Self::Pattern => *given == Type::Text,
            Self::Bytes => *given == Type::Bytes,
            Self::Timestamp => *given == Type::Timestamp,
            Self::Duration => *given == Type::Duration,
            Self::List => matches!(given, Type::List(_)),
            Self::Container => matches!(given, Type::List(_) | Type::Map(..) | Type::Object(_)),
            Self::OneOf(kinds) => kinds.iter().any(|kind| kind.accepts(given)),
        }
    }

    /// The word for the docs and hints.
    pub fn word(self) -> String {
        let word = match self {
            Self::OneOf(kinds) => {
                let words: Vec<_> = kinds.iter().map(|kind| kind.word()).collect();
                return words.join(" or ");
            }
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Number => "number",
            Self::Zone => "time zone",
            Self::Pattern => "pattern",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::List => "list",
            Self::Container => "list or map",
        };
        word.to_owned()
    }
}

impl Function {
    /// How it is called: `string.replace(string, string)`, `size(list or map)`.
    pub fn signature(&self) -> String {
        let words: Vec<_> = self.takes.iter().map(|takes| takes.word()).collect();
        match words.split_first() {
            Some((receiver, rest)) if self.method => {
                format!("{receiver}.{}({})", self.name, rest.join(", "))
            }
            _ => format!("{}({})", self.name, words.join(", ")),
        }
    }
}

/// All functions by subject.
pub const SUBJECTS: &[(&str, &[Function])] = &[
    ("Conversions", convert::FUNCTIONS),
    ("Texts", strings::FUNCTIONS),
    ("Numbers", math::FUNCTIONS),
    ("Times", time::FUNCTIONS),
    ("Lists and sets", lists::FUNCTIONS),
    ("Encodings", encoders::FUNCTIONS),
    ("What rules ask", rules::FUNCTIONS),
];

/// All functions.
pub fn all() -> impl Iterator<Item = &'static Function> {
    SUBJECTS.iter().flat_map(|(_, functions)| functions.iter())
}

/// How many functions and macros there are, each name counted once.
pub fn names_in_all() -> usize {
    let names: BTreeSet<_> = names(true)
        .map(|name| (name, true))
        .chain(names(false).map(|name| (name, false)))
        .collect();
    names.len()
}

/// The names under which something can be called.
pub(crate) fn names(method: bool) -> impl Iterator<Item = &'static str> {
    let functions = all().filter(move |function| function.method == method);
    let macros = MACROS.iter().filter(move |known| known.method == method);
    functions
        .map(|function| function.name)
        .chain(macros.map(|known| known.name))
}

/// An argument that is not of the kind the function wants: only for parts of a record, the rest is checked before.
pub(crate) fn unfit(wanted: &str, given: &Val<'_>) -> Box<Failure> {
    Failure::new(format!("{} is no {wanted}", given.kind()))
}
