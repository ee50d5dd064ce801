//! The standard rules of one value: of numbers, texts, bytes, enums, times and what else buf.validate knows.

use prost_reflect::{DynamicMessage, Kind as Declared, Value};

use super::{
    options::{flag, get, list, message},
    plan::{Fixed, Kind, Rule, Test},
};
use crate::canonical::{
    scalar::Scalar,
    time::{Instant, Span},
};

/// A rule that cannot be one.
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Refused {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }
}

/// The word under which the rules of a kind stand; empty: it has none.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Message(_) => "",
        Kind::FieldMask => "field_mask",
        Kind::Of(Scalar::Any) => "any",
        Kind::Of(Scalar::Wrapper(wrapped)) => wrapped.scalar().word(),
        Kind::Of(scalar) => scalar.word(),
    }
}

/// What has such rules, for people.
pub(super) fn shown(word: &str) -> String {
    match word {
        "" => "a message".to_owned(),
        "repeated" => "a list".to_owned(),
        "map" => "a map".to_owned(),
        word => format!("a field of type `{word}`"),
    }
}

/// Reads the rules of one value.
pub(super) fn read(
    rules: &DynamicMessage,
    word: &str,
    kind: Kind,
    declared: &Declared,
) -> Result<Vec<Rule>, Vec<Refused>> {
    let mut reader = Reader {
        rules,
        word,
        declared,
        found: Vec::new(),
        refused: Vec::new(),
    };
    match word {
        "string" => reader.text(),
        "bytes" => reader.bytes(),
        "enum" => reader.enumeration(),
        "any" => reader.any(),
        "field_mask" => reader.field_mask(),
        "timestamp" | "duration" => reader.time(),
        _ => {
            reader.range();
            if flag(rules, "finite") {
                reader.add("finite", "must be finite", Test::Finite);
            }
        }
    }
    if word != "any" && word != "field_mask" {
        reader.choices();
    }
    debug_assert!(
        !matches!(kind, Kind::Message(_)),
        "messages have no rules of this sort"
    );
    if reader.refused.is_empty() {
        Ok(reader.found)
    } else {
        Err(reader.refused)
    }
}

pub(super) struct Reader<'r> {
    pub(super) rules: &'r DynamicMessage,
    word: &'r str,
    declared: &'r Declared,
    found: Vec<Rule>,
    pub(super) refused: Vec<Refused>,
}

impl Reader<'_> {
    pub(super) fn add(&mut self, id: &str, what: impl Into<Box<str>>, test: Test) {
        let id = format!("{}.{id}", self.word).into();
        self.found.push(Rule {
            id,
            what: what.into(),
            test,
        });
    }

    pub(super) fn refuse(&mut self, what: impl Into<String>) {
        self.refused.push(Refused::new(what));
    }

    pub(super) fn fixed(&self, name: &str) -> Option<Fixed> {
        fixed(&get(self.rules, name)?)
    }

    fn all(&self, name: &str) -> Vec<Fixed> {
        list(self.rules, name).iter().filter_map(fixed).collect()
    }

    /// `const`, `in` and `not_in`, which every kind has.
    fn choices(&mut self) {
        if let Some(wanted) = self.fixed("const") {
            let what = format!("must be {}", self.shown(&wanted));
            self.add("const", what, Test::Equals(wanted));
        }
        let all = self.all("in");
        if !all.is_empty() {
            let what = format!("must be one of {}", self.listed(&all));
            self.add("in", what, Test::In(all));
        }
        let all = self.all("not_in");
        if !all.is_empty() {
            let what = format!("must be none of {}", self.listed(&all));
            self.add("not_in", what, Test::NotIn(all));
        }
    }

    /// `lt`, `lte`, `gt` and `gte`. Where the lower bound is above the upper, what lies between is refused.
    fn range(&mut self) {
        let bound = |strict: &'static str, equal: &'static str| {
            self.fixed(strict)
                .map(|bound| (bound, false, strict))
                .or_else(|| self.fixed(equal).map(|bound| (bound, true, equal)))
        };
        let (lower, upper) = (bound("gt", "gte"), bound("lt", "lte"));
        let is_nan = |bound: &Option<(Fixed, bool, &str)>| matches!(bound, Some((Fixed::Double(number), ..)) if number.is_nan());
        if is_nan(&lower) || is_nan(&upper) {
            return self.refuse("a bound that is no number lets nothing through");
        }
        let above = lower.as_ref().map(|(bound, equal, _)| {
            let word = if *equal { "at least" } else { "greater than" };
            format!("{word} {}", self.shown(bound))
        });
        let below = upper.as_ref().map(|(bound, equal, _)| {
            let word = if *equal { "at most" } else { "less than" };
            format!("{word} {}", self.shown(bound))
        });
        let inside = match (&lower, &upper) {
            (Some((low, ..)), Some((high, ..))) => less(low, high) || low == high,
            _ => true,
        };
        let (id, what) = match (&lower, &upper, above, below) {
            (Some((.., low)), Some((.., high)), Some(above), Some(below)) => {
                let (exclusive, and) = if inside { ("", "and") } else { ("_exclusive", "or") };
                (
                    format!("{low}_{high}{exclusive}"),
                    format!("must be {above} {and} {below}"),
                )
            }
            (Some((.., word)), None, Some(what), _) | (None, Some((.., word)), _, Some(what)) => {
                ((*word).to_owned(), format!("must be {what}"))
            }
            _ => return,
        };
        if let Some((least, most)) = within(&lower, &upper).filter(|_| inside) {
            return self.add(&id, what, Test::Within(least, most));
        }
        let strip = |bound: Option<(Fixed, bool, &str)>| bound.map(|(bound, equal, _)| (bound, equal));
        let test = Test::Range {
            lower: strip(lower),
            upper: strip(upper),
            inside,
        };
        self.add(&id, what, test);
    }

    fn enumeration(&mut self) {
        if flag(self.rules, "defined_only")
            && let Declared::Enum(declared) = self.declared
        {
            let mut numbers: Vec<_> = declared
                .values()
                .map(|value| i128::from(value.number()))
                .collect();
            numbers.sort_unstable();
            numbers.dedup();
            let what = format!("must be a value of enum `{}`", declared.full_name());
            let test = match (numbers.first(), numbers.last()) {
                (Some(first), Some(last)) if last - first + 1 == numbers.len() as i128 => {
                    Test::Within(*first, *last)
                }
                _ => Test::Defined(numbers.into()),
            };
            self.add("defined_only", what, test);
        }
        let Declared::Enum(declared) = self.declared else {
            return;
        };
        let unknown = |fixed: &Fixed| match fixed {
            Fixed::Whole(number) => i32::try_from(*number)
                .ok()
                .and_then(|number| declared.get_value(number))
                .is_none(),
            _ => false,
        };
        let named: Vec<_> = self
            .fixed("const")
            .into_iter()
            .chain(self.all("in"))
            .filter(unknown)
            .collect();
        for fixed in named {
            if let Fixed::Whole(number) = fixed {
                self.refuse(format!(
                    "a rule names {number}, which is no value of enum `{}`",
                    declared.full_name()
                ));
            }
        }
    }

    fn any(&mut self) {
        for (name, what, wanted) in [
            ("in", "must hold one of", true),
            ("not_in", "must hold none of", false),
        ] {
            let all = self.all(name);
            if !all.is_empty() {
                let what = format!("{what} {}", self.listed(&all));
                self.add(name, what, if wanted { Test::In(all) } else { Test::NotIn(all) });
            }
        }
    }

    fn field_mask(&mut self) {
        let paths = |values: Vec<Value>| -> Vec<Box<[u8]>> {
            let texts = values.into_iter().filter_map(|value| match value {
                Value::String(text) => Some(text.into_bytes().into()),
                _ => None,
            });
            texts.collect()
        };
        if let Some(mask) = message(self.rules, "const") {
            let all = paths(list(&mask, "paths"));
            self.add(
                "const",
                "must name just the paths of its rule",
                Test::SamePaths(all),
            );
        }
        for (name, what, wanted) in [
            ("in", "must name only paths of its rule", true),
            ("not_in", "must name no path of its rule", false),
        ] {
            let all = paths(list(self.rules, name));
            if !all.is_empty() {
                self.add(name, what, Test::Paths(all, wanted));
            }
        }
    }

    fn time(&mut self) {
        self.range();
        if flag(self.rules, "lt_now") {
            self.add("lt_now", "must not lie in the future", Test::Past);
        }
        if flag(self.rules, "gt_now") {
            self.add("gt_now", "must not lie in the past", Test::Future);
        }
        if let Some(Fixed::Nanos(span)) = self.fixed("within") {
            let what = format!(
                "must lie within {} of now",
                Span::of(span).map_or_else(String::new, Span::to_text)
            );
            self.add("within", what, Test::Near(span));
        }
    }

    /// A value of a rule: it stands in the schema, so it may be told.
    pub(super) fn shown(&self, fixed: &Fixed) -> String {
        match fixed {
            Fixed::Whole(number) => {
                let value = match self.declared {
                    Declared::Enum(kind) => i32::try_from(*number)
                        .ok()
                        .and_then(|number| kind.get_value(number)),
                    _ => None,
                };
                value.map_or_else(|| number.to_string(), |value| format!("`{}`", value.name()))
            }
            Fixed::Double(number) => number.to_string(),
            Fixed::Bool(flag) => flag.to_string(),
            Fixed::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if self.word != "bytes" => format!("`{text}`"),
                _ => format!(
                    "0x{}",
                    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
                ),
            },
            Fixed::Nanos(nanos) if self.word == "duration" => {
                Span::of(*nanos).map_or_else(|| format!("{nanos}ns"), Span::to_text)
            }
            Fixed::Nanos(nanos) => {
                let instant = Instant {
                    seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
                    nanos: nanos.rem_euclid(1_000_000_000) as i32,
                };
                instant.to_text().unwrap_or_else(|| format!("{nanos}ns"))
            }
        }
    }

    fn listed(&self, all: &[Fixed]) -> String {
        let mut shown: Vec<_> = all.iter().take(12).map(|fixed| self.shown(fixed)).collect();
        if all.len() > shown.len() {
            shown.push("…".to_owned());
        }
        shown.join(", ")
    }
}

/// The whole numbers between two bounds, themselves included.
fn within(lower: &Option<(Fixed, bool, &str)>, upper: &Option<(Fixed, bool, &str)>) -> Option<(i128, i128)> {
    let inner = |bound: &Option<(Fixed, bool, &str)>, open: i128, step: i128| match bound {
        None => Some(open),
        Some((Fixed::Whole(bound), equal, _)) => Some(if *equal { *bound } else { bound + step }),
        Some(_) => None,
    };
    Some((inner(lower, i128::MIN, 1)?, inner(upper, i128::MAX, -1)?))
}

fn less(one: &Fixed, other: &Fixed) -> bool {
    match (one, other) {
        (Fixed::Whole(one), Fixed::Whole(other)) | (Fixed::Nanos(one), Fixed::Nanos(other)) => one < other,
        (Fixed::Double(one), Fixed::Double(other)) => one < other,
        _ => false,
    }
}

fn fixed(value: &Value) -> Option<Fixed> {
    Some(match value {
        Value::Bool(flag) => Fixed::Bool(*flag),
        Value::I32(number) | Value::EnumNumber(number) => Fixed::Whole(i128::from(*number)),
        Value::I64(number) => Fixed::Whole(i128::from(*number)),
        Value::U32(number) => Fixed::Whole(i128::from(*number)),
        Value::U64(number) => Fixed::Whole(i128::from(*number)),
        Value::F32(number) => Fixed::Double(f64::from(*number)),
        Value::F64(number) => Fixed::Double(*number),
        Value::String(text) => Fixed::Bytes(text.as_bytes().into()),
        Value::Bytes(bytes) => Fixed::Bytes(bytes.to_vec().into()),
        Value::Message(time) => {
            let part = |name| match get(time, name) {
                Some(Value::I64(number)) => i128::from(number),
                Some(Value::I32(number)) => i128::from(number),
                _ => 0,
            };
            Fixed::Nanos(part("seconds") * 1_000_000_000 + part("nanos"))
        }
        Value::List(_) | Value::Map(_) => return None,
    })
}
