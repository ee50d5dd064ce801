//! The table of the macros, and of the functions that the checker turns into steps of their own.

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
        "xref",
        "xref(\"system\", \"kind\", id)",
        "the identity of what a system calls by this id, from the cross-references in the store",
    ),
    of(
        "xref.find",
        "xref.find(\"system\", \"kind\", id)",
        "an optional: the same, where there is one",
    ),
    of(
        "xref.to",
        "xref.to(\"system\", \"kind\", identity)",
        "the id that a system uses for this identity",
    ),
    of(
        "xref.findTo",
        "xref.findTo(\"system\", \"kind\", identity)",
        "an optional: the same, where there is one",
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
