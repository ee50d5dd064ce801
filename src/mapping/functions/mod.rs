//! The functions of the language: one declaration each feeds the checker, the evaluator and the docs.
//!
//! The macros (`has`, `map`, `exists` …) and what the checker turns into steps of its own (`lookup`, `money`, `matches`)
//! are declared in [`MACROS`]. From the two tables come what `check` accepts, its "did you mean", and the docs.

mod convert;
mod encoders;
mod format;
mod lists;
mod math;
mod money;
mod numbers;
mod strings;
mod time;
mod zone;

pub(crate) use encoders::base64;
pub(crate) use money::{Amount, encode_money};
pub(crate) use numbers::{Number, compare_numbers, digits_to_integer};
pub(crate) use zone::{Pattern, Zone};

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

/// A macro, or a function with a step of its own.
#[derive(Debug)]
pub struct Macro {
    /// Its name; those of a group with it: `cel.bind`.
    pub name: &'static str,
    /// Called on what stands before the dot.
    pub method: bool,
    /// How it is called.
    pub call: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
}

const fn on(name: &'static str, call: &'static str, doc: &'static str) -> Macro {
    Macro {
        name,
        method: true,
        call,
        doc,
    }
}

const fn of(name: &'static str, call: &'static str, doc: &'static str) -> Macro {
    Macro {
        method: false,
        ..on(name, call, doc)
    }
}

/// The macros and the functions with a step of their own.
pub const MACROS: &[Macro] = &[
    of(
        "has",
        "has(a.b)",
        "whether `a` has a field `b` that is set; a record's null counts as nothing there",
    ),
    on(
        "map",
        "list.map(x, expression)",
        "the expression for each item, or for each key of a map",
    ),
    on(
        "map",
        "list.map(x, condition, expression)",
        "the expression for each item that meets the condition",
    ),
    on(
        "filter",
        "list.filter(x, condition)",
        "the items that meet the condition",
    ),
    on(
        "exists",
        "list.exists(x, condition)",
        "whether one item meets the condition",
    ),
    on(
        "all",
        "list.all(x, condition)",
        "whether every item meets the condition",
    ),
    on(
        "exists_one",
        "list.exists_one(x, condition)",
        "whether exactly one item meets the condition",
    ),
    on("existsOne", "list.existsOne(x, condition)", "the same"),
    on(
        "exists",
        "list.exists(i, x, condition)",
        "the same with the place of each item, or a map's keys and values; so do all and existsOne",
    ),
    on(
        "transformList",
        "list.transformList(i, x[, condition], expression)",
        "a list of the expression for each item and its place, or for each key and value",
    ),
    on(
        "transformMap",
        "map.transformMap(k, x[, condition], expression)",
        "a map of the same keys with the expression as their values",
    ),
    on(
        "transformMapEntry",
        "map.transformMapEntry(k, x[, condition], {key: value})",
        "a map of the entries that the expression gives",
    ),
    on(
        "sortBy",
        "list.sortBy(x, key)",
        "the items in the order of their keys: numbers, texts or timestamps",
    ),
    of(
        "cel.bind",
        "cel.bind(x, value, expression)",
        "the expression, with `x` standing for the value",
    ),
    of("optional.of", "optional.of(x)", "an optional that holds `x`"),
    of(
        "optional.ofNonZeroValue",
        "optional.ofNonZeroValue(x)",
        "an optional that holds `x`, or nothing if `x` is empty, 0, false or null",
    ),
    of(
        "optional.none",
        "optional.none()",
        "an optional that holds nothing",
    ),
    on(
        "orValue",
        "optional.orValue(x)",
        "what the optional holds, or `x`",
    ),
    on(
        "or",
        "optional.or(optional)",
        "the first of the two that holds something",
    ),
    on(
        "hasValue",
        "optional.hasValue()",
        "whether the optional holds something",
    ),
    on(
        "value",
        "optional.value()",
        "what the optional holds; a fault where it holds nothing",
    ),
    on(
        "optMap",
        "optional.optMap(x, expression)",
        "an optional of the expression for what the optional holds",
    ),
    on(
        "optFlatMap",
        "optional.optFlatMap(x, optional)",
        "the optional for what the optional holds",
    ),
    of(
        "dyn",
        "dyn(x)",
        "the value, of which nothing is known any more before it runs",
    ),
    of("type", "type(x)", "the type of the value: `type(x) == int`"),
    on(
        "matches",
        "text.matches(\"pattern\")",
        "whether the pattern (RE2 syntax, a literal) is found in the text",
    ),
    of("matches", "matches(text, \"pattern\")", "the same"),
    of(
        "regex.extract",
        "regex.extract(text, \"pattern\")",
        "an optional: the first part that the pattern, or its one group, finds",
    ),
    of(
        "regex.extractAll",
        "regex.extractAll(text, \"pattern\")",
        "all parts that the pattern, or its one group, finds",
    ),
    of(
        "regex.replace",
        "regex.replace(text, \"pattern\", replacement[, count])",
        "what the pattern finds replaced; in the replacement \\1 is its first group",
    ),
    of(
        "lookup",
        "lookup(\"table\", key[, otherwise])",
        "the word for a code, from a table of the landscape",
    ),
    of(
        "money",
        "money(amount, currency)",
        "google.type.Money of a decimal text or number with at most 9 decimals, never through a double",
    ),
    of(
        "proto.hasExt",
        "proto.hasExt(message, extension)",
        "whether an extension of proto2 is set",
    ),
    of(
        "proto.getExt",
        "proto.getExt(message, extension)",
        "an extension of proto2",
    ),
];

/// All functions by subject.
pub const SUBJECTS: &[(&str, &[Function])] = &[
    ("Conversions", convert::FUNCTIONS),
    ("Texts", strings::FUNCTIONS),
    ("Numbers", math::FUNCTIONS),
    ("Times", time::FUNCTIONS),
    ("Lists and sets", lists::FUNCTIONS),
    ("Encodings", encoders::FUNCTIONS),
];

/// All functions.
pub fn all() -> impl Iterator<Item = &'static Function> {
    SUBJECTS.iter().flat_map(|(_, functions)| functions.iter())
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
