//! The `cel` crate as the oracle: generated expressions give the same result there, over a record and over the same
//! data as an encoded message; and where one fails, all fail.
//!
//! Left out, because they differ on purpose: uint beside int, enums, `has()` of scalars and nulls; NaN, beside which the
//! oracle fails where CEL says false; doubles beyond int, which the oracle clips to it. Numbers of records are decimal:
//! they are declared to be int where they are, and made double where they are that.

use std::collections::HashMap;

use cel::{Context, Program, Value as Cel, objects::Key};
use proptest::{prelude::*, strategy::Union};
use serde_json::Value as Json;
use trunkline::mapping::{
    Input, NoFacts, RecordKind, RecordObject, RecordSchema, RecordType, This, Translated,
};
use trunkline_sdk::Value;

use crate::{encoded, json, mapping, on, told};

type Text = BoxedStrategy<String>;

/// Cases; each is evaluated three times.
const CASES: u32 = 4_000;

fn literal(choices: &'static [&'static str]) -> Text {
    prop::sample::select(choices).prop_map(str::to_owned).boxed()
}

fn form(pattern: &'static str, parts: Vec<Text>) -> Text {
    parts
        .prop_map(move |parts| {
            let mut text = pattern.to_owned();
            for (at, part) in parts.iter().enumerate() {
                text = text.replace(&format!("${at}"), part);
            }
            text
        })
        .boxed()
}

fn one_of(choices: Vec<Text>) -> Text {
    Union::new(choices).boxed()
}

/// Expressions of one depth, by type.
#[derive(Clone)]
struct Level {
    bool: Text,
    int: Text,
    double: Text,
    text: Text,
    ints: Text,
    texts: Text,
}

impl Level {
    fn leaves() -> Self {
        Self {
            bool: literal(&[
                "true",
                "false",
                "this.bool",
                "has(this.counts.x)",
                "has(this.counts.none)",
            ]),
            int: literal(&[
                "0",
                "1",
                "-3",
                "7",
                "9223372036854775807",
                "this.int64",
                "this.sint64",
                "this.mother.int64",
                "this.packed[0]",
                "this.packed[1]",
                "this.packed[9]",
                "this.counts['x']",
                "this.counts.none",
                "size(this.names)",
                "this.cubs[0].int64",
                "0x1F",
                "int(this.double)",
                "int(-2.75)",
            ]),
            double: literal(&[
                "0.0",
                "1.5",
                "-2.25",
                "1e3",
                "this.double",
                "this.mother.double",
                "this.weights[0]",
            ]),
            text: literal(&[
                "''",
                "'a'",
                "\"bé\"",
                "'a\\n\\u00e9'",
                "r'\\d'",
                "'''x'y'''",
                "this.string",
                "this.mother.string",
                "this.names[0]",
                "this.names[5]",
            ]),
            ints: literal(&["this.packed", "[]", "[1, 2, 3]", "this.cubs.map(c, c.int64)"]),
            texts: literal(&["this.names", "['a', 'bé']", "this.cubs.map(c, c.string)", "[]"]),
        }
    }

    fn deeper(self) -> Self {
        let Self {
            bool,
            int,
            double,
            text,
            ints,
            texts,
        } = self.clone();
        let two = |part: &Text| vec![part.clone(), part.clone()];
        let compared = |part: &Text| {
            let signs = [
                "$0 == $1", "$0 != $1", "$0 < $1", "$0 <= $1", "$0 > $1", "$0 >= $1",
            ];
            one_of(signs.into_iter().map(|sign| form(sign, two(part))).collect())
        };
        Self {
            bool: one_of(vec![
                bool.clone(),
                form("($0 && $1)", two(&bool)),
                form("($0 || $1)", two(&bool)),
                form("!($0)", vec![bool.clone()]),
                form("($0 ? $1 : $2)", vec![bool.clone(), bool.clone(), bool.clone()]),
                compared(&int),
                compared(&double),
                compared(&text),
                form("$0 < $1", vec![int.clone(), double.clone()]),
                form("$0 == $1", two(&ints)),
                form("$0 == $1", two(&texts)),
                form("$0 in $1", vec![int.clone(), ints.clone()]),
                form("$0 in $1", vec![text.clone(), texts.clone()]),
                form("$0 in this.counts", vec![text.clone()]),
                form("($0).contains($1)", two(&text)),
                form("($0).startsWith($1)", two(&text)),
                form("($0).endsWith($1)", two(&text)),
                form("($0).exists(v, v > $1)", vec![ints.clone(), int.clone()]),
                form(
                    "($0).all(v, v != $1 || $2)",
                    vec![ints.clone(), int.clone(), bool.clone()],
                ),
                form("($0).exists_one(v, v == $1)", vec![texts.clone(), text.clone()]),
                form(
                    "($0).exists(v, this.packed[v] > $1)",
                    vec![ints.clone(), int.clone()],
                ),
                form(
                    "this.cubs.all(c, c.int64 < $0 && c.string != $1)",
                    vec![int.clone(), text.clone()],
                ),
                form("this.counts.exists(k, k == $0)", vec![text.clone()]),
            ]),
            int: one_of(vec![
                int.clone(),
                form("($0 + $1)", two(&int)),
                form("($0 - $1)", two(&int)),
                form("$0 * $1", two(&int)),
                form("($0) / ($1)", two(&int)),
                form("($0) % ($1)", two(&int)),
                form("-($0)", vec![int.clone()]),
                form("($0 ? $1 : $2)", vec![bool.clone(), int.clone(), int.clone()]),
                form("size($0)", vec![text.clone()]),
                form("($0).size()", vec![ints.clone()]),
                form("($0)[$1]", vec![ints.clone(), int.clone()]),
            ]),
            double: one_of(vec![
                double.clone(),
                form("($0 + $1)", two(&double)),
                form("($0 - $1)", two(&double)),
                form("$0 * $1", two(&double)),
                form("($0) / 4.0", vec![double.clone()]),
                form("double($0)", vec![int.clone()]),
                form("($0 ? $1 : $2)", vec![bool.clone(), double.clone(), double]),
            ]),
            text: one_of(vec![
                text.clone(),
                form("($0 + $1)", two(&text)),
                form("string($0)", vec![int.clone()]),
                form("($0 ? $1 : $2)", vec![bool.clone(), text.clone(), text.clone()]),
                form("($0)[0]", vec![texts.clone()]),
            ]),
            ints: one_of(vec![
                ints.clone(),
                form("[$0, $1]", two(&int)),
                form("($0 + $1)", two(&ints)),
                form("($0).filter(v, v > $1)", vec![ints.clone(), int.clone()]),
                form("($0).map(v, v * $1)", vec![ints.clone(), int.clone()]),
                form("($0).map(v, v > $1, v - 1)", vec![ints.clone(), int]),
                form("($0).map(w, size(w))", vec![texts.clone()]),
            ]),
            texts: one_of(vec![
                texts.clone(),
                form("[$0]", vec![text.clone()]),
                form("($0).filter(v, v != $1)", vec![texts.clone(), text.clone()]),
                form("($0).map(v, v + $1)", vec![texts, text]),
                form("($0).map(v, string(v))", vec![ints]),
                form("($0 ? ['x'] : [])", vec![bool]),
            ]),
        }
    }
}

fn expressions() -> Text {
    let levels = Level::leaves().deeper().deeper();
    let deep = levels.clone().deeper().bool;
    one_of(vec![
        deep,
        levels.bool,
        levels.int,
        levels.double,
        levels.text,
        levels.ints,
        levels.texts,
    ])
}

prop_compose! {
    fn animals()(
        int in prop_oneof![-5_i64..5, any::<i64>()], sint in -9_i64..9, quarters in -4_000_i32..4_000,
        text in "[abé]{0,3}", flag in any::<bool>(), names in prop::collection::vec("[abé]{0,2}", 0..3),
        packed in prop::collection::vec(-3_i32..400, 0..4), x in 1_i32..5,
        cubs in prop::collection::vec((-4_i64..4, "[ab]{0,2}"), 0..3),
    ) -> Json {
        serde_json::json!({
            "int64": int, "sint64": sint, "double": f64::from(quarters) / 4.0, "string": text, "bool": flag, "names": names,
            "packed": packed, "counts": {"x": x, "a": 2}, "weights": [0.5],
            "mother": {"int64": sint, "string": text, "double": 2.0},
            "cubs": cubs.iter().map(|(int, text)| serde_json::json!({"int64": int, "string": text})).collect::<Vec<_>>(),
        })
    }
}

/// What the animals' records hold.
fn declared() -> This {
    let of = RecordType::of;
    let (int, text) = (|| of(RecordKind::Int), || of(RecordKind::Text));
    let double = || of(RecordKind::Number);
    let counts = RecordObject {
        fields: Vec::new(),
        rest: Some(int()),
    };
    This::Declared(RecordSchema {
        name: "schemas/animal.json".into(),
        root: RecordType::object([
            ("int64", int()),
            ("sint64", int()),
            ("double", double()),
            ("string", text()),
            ("bool", of(RecordKind::Bool)),
            ("names", RecordType::list(text())),
            ("packed", RecordType::list(int())),
            ("counts", of(RecordKind::Object(counts.into()))),
            ("weights", RecordType::list(double())),
            (
                "mother",
                RecordType::object([("int64", int()), ("string", text()), ("double", double())]),
            ),
            (
                "cubs",
                RecordType::list(RecordType::object([("int64", int()), ("string", text())])),
            ),
        ]),
    })
}

fn with_doubles(text: &str) -> String {
    let mut text = text.to_owned();
    for read in ["this.double", "this.mother.double", "this.weights[0]"] {
        text = text.replace(read, &format!("double({read})"));
    }
    text
}

fn cel(value: &Json) -> Cel {
    match value {
        Json::Null => Cel::Null,
        Json::Bool(flag) => Cel::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Cel::Int(number),
            None => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Cel::List(items.iter().map(cel).collect::<Vec<_>>().into()),
        Json::Object(fields) => {
            let fields: HashMap<Key, Cel> = fields
                .iter()
                .map(|(name, value)| (name.as_str().into(), cel(value)))
                .collect();
            fields.into()
        }
    }
}

fn same(ours: &Value<'_>, theirs: &Cel) -> bool {
    match (ours, theirs) {
        (Value::Bool(one), Cel::Bool(two)) => one == two,
        (Value::Number(one), Cel::Int(two)) => **one == two.to_string(),
        (Value::Number(one), Cel::Float(two)) => one.parse::<f64>().is_ok_and(|one| one == *two),
        (Value::Text(one), Cel::String(two)) => **one == **two,
        (Value::List(one), Cel::List(two)) => {
            one.len() == two.len() && one.iter().zip(two.iter()).all(|(one, two)| same(one, two))
        }
        _ => false,
    }
}

/// Ours: the value, or nothing where it is refused or fails.
fn ours(this: This, input: Input<'_>, text: &str) -> Result<Value<'static>, String> {
    let mapping = mapping(this, &format!("{{'r': {text}}}")).map_err(|problems| told(&problems))?;
    match mapping.run(input, &NoFacts) {
        Ok(Translated::Record(Value::Object(mut fields))) => Ok(fields.swap_remove(0).1),
        Ok(_) => Err("no record".to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

fn agree(ours: &Result<Value<'static>, String>, theirs: &Result<Cel, String>) -> bool {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => same(ours, theirs),
        (Err(_), Err(_)) => true,
        // A native record holds no NaN and no infinity: JSON has none. And constants that fail are refused, even where
        // the data would hide it.
        (Err(told), Ok(_)) => {
            let fails = [
                " by zero",
                "` does not fit int",
                "number does not fit int",
                "has no such item",
            ];
            told.contains("not a finite number")
                || (told.starts_with("order.cel:") && fails.iter().any(|fails| told.contains(fails)))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_expressions_give_what_the_oracle_gives(text in expressions(), animal in animals()) {
        // given
        let mut context = Context::default();
        context.add_variable_from_value("this", cel(&animal));
        let record = animal.to_string();
        let bytes = encoded("zoo.v1.Animal", &record);
        let record = json(&record);
        // when
        let theirs = match Program::compile(&text) {
            Ok(program) => program.execute(&context).map_err(|error| error.to_string()),
            Err(errors) => Err(errors.to_string()),
        };
        let on_record = ours(declared(), Input::Record(&record), &with_doubles(&text));
        let on_message = ours(on("zoo.v1.Animal"), Input::Message(&bytes), &text);
        // then
        prop_assert!(agree(&on_record, &theirs), "{text}\nrecord: {on_record:?}\noracle: {theirs:?}");
        prop_assert!(agree(&on_message, &theirs), "{text}\nmessage: {on_message:?}\noracle: {theirs:?}");
    }
}
