//! The functions of the language: one declaration each feeds the checker, the evaluator and the docs.
//!
//! Not here, because they are no functions of values: the macros (`has`, `map`, `filter`, `exists` …), `lookup`,
//! `matches`, `money` and `cel.bind`, which the checker turns into steps of their own. Their docs are in [`MACROS`].

mod convert;
mod lists;
mod money;
mod numbers;
mod strings;
mod time;

pub(crate) use money::{Amount, encode_money};
pub(crate) use numbers::{Number, compare_numbers, digits_to_integer};

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
    /// A message of this type.
    Message(&'static str),
    /// What its first argument is.
    First,
    /// What the items of its first argument are.
    Element,
}

impl Takes {
    /// Whether an argument of this type may be it; a part of a record may be anything a record holds.
    pub(crate) fn accepts(self, given: &Type) -> bool {
        match given {
            Type::Error => return true,
            // No record holds an instant or a duration: they come of timestamp(..) and duration(..).
            Type::Dyn => return !matches!(self, Self::Timestamp | Self::Duration),
            _ => {}
        }
        match self {
            Self::Bool => *given == Type::Bool,
            Self::Int => given.is_integer() || *given == Type::Number,
            Self::Number => given.is_number(),
            Self::Text => *given == Type::Text,
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
            Self::Number => "number",
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

/// The macros and the functions with a step of their own: how they are called, and what they do.
pub const MACROS: [(&str, &str); 19] = [
    (
        "has(a.b)",
        "whether `a` has a field `b` that is set; a record's null counts as nothing there",
    ),
    ("list.map(x, expression)", "the expression for each item"),
    (
        "list.map(x, condition, expression)",
        "the expression for each item that meets the condition",
    ),
    ("list.filter(x, condition)", "the items that meet the condition"),
    (
        "list.exists(x, condition)",
        "whether one item meets the condition",
    ),
    (
        "list.exists_one(x, condition)",
        "whether exactly one item meets the condition",
    ),
    ("list.all(x, condition)", "whether every item meets the condition"),
    (
        "list.sortBy(x, key)",
        "the items in the order of their keys: numbers, texts or timestamps",
    ),
    (
        "cel.bind(x, value, expression)",
        "the expression, with `x` standing for the value",
    ),
    ("optional.of(x)", "an optional that holds `x`"),
    ("optional.none()", "an optional that holds nothing"),
    ("a.?b", "an optional: the field if it is there"),
    ("optional.orValue(x)", "what the optional holds, or `x`"),
    (
        "optional.or(optional)",
        "the first of the two that holds something",
    ),
    ("optional.hasValue()", "whether the optional holds something"),
    (
        "optional.value()",
        "what the optional holds; a fault where it holds nothing",
    ),
    (
        "text.matches(\"pattern\")",
        "whether the pattern (RE2 syntax, a literal) is found in the text",
    ),
    (
        "lookup(\"table\", key[, otherwise])",
        "the word for a code, from a table of the landscape",
    ),
    (
        "money(amount, currency)",
        "google.type.Money of a decimal text or number with at most 9 decimals, never through a double",
    ),
];

/// All functions, by subject.
pub fn all() -> impl Iterator<Item = &'static Function> {
    strings::FUNCTIONS
        .iter()
        .chain(convert::FUNCTIONS)
        .chain(numbers::FUNCTIONS)
        .chain(money::FUNCTIONS)
        .chain(time::FUNCTIONS)
        .chain(lists::FUNCTIONS)
}

/// The names under which something can be called.
pub(crate) fn names(method: bool) -> impl Iterator<Item = &'static str> {
    let own: &[&str] = if method {
        &[
            "map",
            "filter",
            "exists",
            "exists_one",
            "existsOne",
            "all",
            "sortBy",
            "matches",
            "orValue",
            "or",
            "hasValue",
            "value",
        ]
    } else {
        &[
            "has",
            "lookup",
            "money",
            "cel.bind",
            "optional.of",
            "optional.none",
        ]
    };
    all()
        .filter(move |function| function.method == method)
        .map(|function| function.name)
        .chain(own.iter().copied())
}

/// An argument that is not of the kind the function wants: only for parts of a record, the rest is checked before.
pub(crate) fn unfit(wanted: &str, given: &Val<'_>) -> Box<Failure> {
    Failure::new(format!("{} is no {wanted}", given.kind()))
}
