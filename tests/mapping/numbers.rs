//! Numbers of records against Python's exact arithmetic: compared and reckoned with digit by digit, or it is a fault.

use std::{
    fmt::Write,
    io::Write as _,
    process::{Command, Stdio},
};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use trunkline::mapping::{Mapping, This, Translated};
use trunkline_sdk::Value;

use crate::{mapping, message, run, told};

/// Pairs of numbers; each is asked fourteen questions.
const CASES: usize = 3_000;

/// What is asked of `this.one`, `this.two` and a double, in the order of Python's answers. Orders are -1, 0 or 1.
const QUESTIONS: &[&str] = &[
    "this.one < this.two ? -1 : this.one == this.two ? 0 : this.two < this.one ? 1 : 9",
    "this.one < double(this.text) ? -1 : this.one == double(this.text) ? 0 : double(this.text) < this.one ? 1 : 9",
    "this.one + this.two",
    "this.one - this.two",
    "this.one * this.two",
    "this.one / this.two",
    "this.one % this.two",
    "math.round(this.one)",
    "math.floor(this.one)",
    "math.ceil(this.one)",
    "math.trunc(this.one)",
    "'%.3f'.format([this.one])",
    "'%.4e'.format([this.one])",
    "double(this.one)",
];

fn asked(expression: &str) -> Mapping {
    mapping(This::Record, &format!("{{'r': {expression}}}"))
        .unwrap_or_else(|problems| panic!("{}", told(&problems)))
}

fn answer(mapping: &Mapping, record: &str) -> String {
    match run(mapping, record) {
        Ok(Translated::Record(Value::Object(mut fields))) => match fields.swap_remove(0).1 {
            Value::Number(text) | Value::Text(text) => text.into_owned(),
            other => panic!("{other:?}"),
        },
        Ok(other) => panic!("{other:?}"),
        Err(_) => "fault".to_owned(),
    }
}

/// Numbers as JSON has them: of a few digits or of many, beside one another or far apart.
fn numbers() -> impl Strategy<Value = String> {
    let digits = prop_oneof!["0", "[1-9][0-9]{0,4}", "[1-9][0-9]{0,17}", "[1-9][0-9]{17,45}"];
    let part = prop_oneof![
        Just(String::new()),
        r"\.[0-9]{1,3}",
        r"\.[0-9]{1,25}",
        r"\.0{1,4}"
    ];
    let exponent = prop_oneof![8 => Just(String::new()), 1 => "[eE][+-]?[0-9]{1,2}"];
    let random = ("-?", digits, part, exponent)
        .prop_map(|(sign, digits, part, exponent)| sign + &digits + &part + &exponent);
    let edge = prop::sample::select(vec![
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "9007199254740993",
        "0.1",
        "1e400",
        "-1e-400",
        "0.30000000000000004",
        "1e23",
        "99999999999999999999999999999999999999",
        "0.5",
        "2.5",
        "-0.5",
        "-0",
        "0e9",
        "1e38",
    ]);
    prop_oneof![6 => random, 1 => edge.prop_map(str::to_owned)]
}

/// The second is the first in another spelling now and then, or one digit away from it.
fn pairs() -> impl Strategy<Value = (String, String)> {
    (numbers(), numbers(), 0..8_u8).prop_map(|(one, two, way)| {
        let plain = !one.contains(['e', 'E']);
        match way {
            0 if plain && one.contains('.') => (one.clone(), one + "00"),
            1 if plain && !one.contains('.') => (one.clone(), one + ".000"),
            2 if plain => (one.clone(), one + "e0"),
            3 if plain && one.contains('.') => (one.clone(), one + "1"),
            _ => (one, two),
        }
    })
}

fn doubles(one: &str, way: u8) -> f64 {
    let near: f64 = one.parse().unwrap_or(0.0);
    let double = match way {
        0 => near.next_up(),
        1 => near.next_down(),
        _ => near,
    };
    if double.is_finite() { double } else { 0.0 }
}

fn python(questions: &str) -> String {
    let python = std::env::var("TRUNKLINE_TEST_PYTHON").expect("`tests/run` has set it");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mapping/exact.py");
    let mut judge = Command::new(python)
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = judge.stdin.take().expect("it is piped");
    let questions = questions.to_owned();
    let asking = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = judge.wait_with_output().expect("python ends");
    asking
        .join()
        .expect("it only writes")
        .expect("python reads all of it");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("numbers are ASCII")
}

/// The same number, however it is spelt.
fn same(ours: &str, theirs: &str) -> bool {
    let trimmed = |text: &str| match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match ours.split_once('e') {
        // Only far beyond what is written out: Python writes all zeros.
        Some((digits, power)) if !theirs.contains('e') => {
            let (digits, power) = (
                digits.trim_start_matches('-'),
                power.parse::<i32>().expect("a power"),
            );
            let rest = theirs.trim_start_matches(['-', '0', '.']).trim_end_matches('0');
            power.abs() > 60 && rest == digits
        }
        _ => trimmed(ours) == trimmed(theirs) || (trimmed(ours) == "0" && trimmed(theirs) == "-0"),
    }
}

#[test]
fn numbers_of_records_are_compared_and_reckoned_with_as_exactly_as_python_does() {
    // given
    let mut runner = TestRunner::deterministic();
    let cases: Vec<_> = (0..CASES)
        .map(|at| {
            let (one, two) = pairs().new_tree(&mut runner).expect("a pair").current();
            let double = doubles(&one, u8::try_from(at % 4).expect("it is small"));
            (one, two, double)
        })
        .collect();
    let mut questions = String::new();
    for (one, two, double) in &cases {
        let _ = writeln!(questions, "{one} {two} {double:e}");
    }
    let mappings: Vec<_> = QUESTIONS.iter().map(|question| asked(question)).collect();
    // when
    let answers = python(&questions);
    // then
    let (mut wrong, mut faults) = (String::new(), vec![0; QUESTIONS.len()]);
    for ((one, two, double), theirs) in cases.iter().zip(answers.lines()) {
        let record = format!("{{\"one\": {one}, \"two\": {two}, \"text\": \"{double:e}\"}}");
        for (at, (mapping, theirs)) in mappings.iter().zip(theirs.split(' ')).enumerate() {
            let ours = answer(mapping, &record);
            faults[at] += usize::from(theirs == "fault");
            let agree = match (QUESTIONS[at].starts_with("double"), theirs) {
                (_, "fault") => ours == theirs,
                (true, hex) => ours.parse::<f64>().is_ok_and(|ours| ours == hexadecimal(hex)),
                (false, theirs) => same(&ours, theirs),
            };
            if !agree {
                let _ = writeln!(wrong, "{} of {record}: {ours}, python: {theirs}", QUESTIONS[at]);
            }
        }
    }
    assert_eq!(answers.lines().count(), CASES);
    assert!(wrong.is_empty(), "{wrong}");
    // Both kinds of answer were seen.
    assert!(faults[5] > 100 && faults[5] < CASES - 100, "{faults:?}");
}

/// `-0x1.8p+3`, as Python writes doubles.
fn hexadecimal(text: &str) -> f64 {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (mantissa, power) = text
        .trim_start_matches("0x")
        .split_once('p')
        .expect("it has a power");
    let digits: String = mantissa.split('.').collect();
    let bits = u64::from_str_radix(&digits, 16).expect("hexadecimal digits");
    let places = i32::try_from(4 * (digits.len() - 1)).expect("they are few");
    let power: i32 = power.parse().expect("a power");
    // In two steps, so that the smallest doubles are not lost on the way.
    let half = (power - places) / 2;
    sign * (bits as f64 * 2_f64.powi(half)) * 2_f64.powi(power - places - half)
}

#[test]
fn a_number_of_a_record_is_what_its_digits_say_however_they_are_written() {
    let record = r#"{"ten": 10, "tenth": 0.1, "point": 10.0, "power": 1e1, "long": 123456789012345678901234567890.5,
        "longer": 123456789012345678901234567890123456789012345678901, "far": 1e999}"#;
    for (expression, result) in [
        ("string(this.ten / 4)", "2.5"),
        ("string(this.point / 4)", "2.5"),
        ("string(int(this.ten) / 4)", "2"),
        (
            "string(this.ten == this.power && this.power == this.point)",
            "true",
        ),
        ("string(this.tenth == 0.1)", "true"),
        ("string(this.tenth * 3 == 0.3)", "true"),
        ("string(double(this.tenth) * 3.0 == 0.3)", "false"),
        ("string(this.tenth * 1.25)", "0.125"),
        (
            "string(-this.longer)",
            "-123456789012345678901234567890123456789012345678901",
        ),
        (
            "string(math.abs(-this.longer))",
            "123456789012345678901234567890123456789012345678901",
        ),
        ("string(math.sign(-this.longer))", "-1"),
        ("string(math.round(this.long))", "123456789012345678901234567891"),
        ("string(this.far > 1.7e308 && math.isFinite(this.far))", "true"),
        ("string(math.greatest(this.ten, this.far, 3))", "1e999"),
        ("string([this.tenth, this.tenth, this.tenth].sum())", "0.3"),
        (
            "string(type(this.point) == int && type(this.tenth) == double)",
            "true",
        ),
        (
            "'%d %s %.1f %x'.format([this.point, this.point, this.long, this.power])",
            "10 10.0 123456789012345678901234567890.5 a",
        ),
        ("string([1, 2, 3][this.power - 9])", "2"),
    ] {
        assert_eq!(answer(&asked(expression), record), result, "{expression}");
    }
}

#[test]
fn what_is_not_exact_is_a_fault_with_its_path_and_the_way_out() {
    let record = r#"{"ten": 10, "far": 1e999, "long": 12345678901234567890123456789012345678.5, "far2": 1e99999999999999999999}"#;
    for (field, what, hint) in [
        (
            "double: this.far",
            "double: a number with a fraction or exponent does not fit double",
            "",
        ),
        (
            "double: double(this.far)",
            "double: the number does not fit double",
            "",
        ),
        ("double: double('1e999')", "is no decimal number", ""),
        (
            "double: this.ten / 3",
            "double: the decimals of the result of `/` have no end",
            "double(..) of both sides",
        ),
        ("double: this.ten / 0", "double: `/` by zero", ""),
        (
            "double: this.long + 1",
            "double: `+` takes numbers of at most 38 digits",
            "double(..) of both sides",
        ),
        (
            "double: this.ten * (0.0 / 0.0)",
            "double: a double that is not finite",
            "",
        ),
        (
            "bool: this.far2 == this.ten",
            "bool: a number with a fraction or exponent is no decimal number",
            "",
        ),
        (
            "int64: this.ten / 4",
            "int64: a number with a fraction or exponent does not fit int64",
            "",
        ),
        (
            "int64: this.ten * 9223372036854775807",
            "int64: a whole number of 20 digits does not fit int64",
            "",
        ),
    ] {
        let compiled = mapping(This::Record, &format!("zoo.v1.Animal{{ {field} }}"));
        let (told, hinted) = match &compiled {
            Ok(mapping) => {
                let fault = run(mapping, record).expect_err(field);
                (fault.to_string(), fault.hint.clone().unwrap_or_default())
            }
            Err(problems) => (told(problems), String::new()),
        };
        assert!(told.contains(what), "{field}: {told}");
        assert!(
            hinted.contains(hint) || told.contains(hint),
            "{field}: {told} {hinted}"
        );
    }
}

#[test]
fn json_inside_a_message_keeps_what_a_double_has_no_room_for_as_text() {
    let text = r#"zoo.v1.Passport{ extra: {"price": this.price, "id": this.id, "long": this.long, "far": this.far} }"#;
    let made = message(
        &mapping(This::Record, text).unwrap_or_else(|problems| panic!("{}", told(&problems))),
        r#"{"price": 0.1, "id": 9007199254740993, "long": 0.12345678901234567890, "far": 1e999}"#,
    );
    let json = serde_json::to_value(&made).expect("it is JSON");
    assert_eq!(
        json,
        serde_json::json!({
            "extra": {"price": 0.1, "id": "9007199254740993", "long": "0.12345678901234567890", "far": "1e999"}
        })
    );
}

#[test]
fn money_is_made_of_what_was_reckoned_exactly() {
    let text = "money(this.net * 1.25 * this.count, 'EUR')";
    let made = message(
        &mapping(This::Record, text).unwrap_or_else(|problems| panic!("{}", told(&problems))),
        r#"{"net": 10.10, "count": 3}"#,
    );
    let json = serde_json::to_value(&made).expect("it is JSON");
    assert_eq!(
        json,
        serde_json::json!({"currencyCode": "EUR", "units": "37", "nanos": 875_000_000})
    );
}

#[test]
fn a_declared_integer_is_reckoned_with_as_cel_s_int() {
    use trunkline::mapping::{RecordKind, RecordSchema, RecordType};
    let this = || {
        This::Declared(RecordSchema {
            name: "schemas/numbers.json".into(),
            root: RecordType::object([
                ("n", RecordType::of(RecordKind::Int)),
                ("price", RecordType::of(RecordKind::Number)),
            ]),
        })
    };
    for (expression, record, result) in [
        ("string(this.n / 4)", r#"{"n": 10}"#, "2"),
        ("string(this.n / 4)", r#"{"n": 10.0}"#, "2"),
        ("string(this.n / 4)", r#"{"n": 10.5}"#, "fault"),
        ("string(this.n + 1)", r#"{"n": 9223372036854775807}"#, "fault"),
        ("string(-this.n)", r#"{"n": -9223372036854775808}"#, "fault"),
        ("string(this.price / 4)", r#"{"price": 10}"#, "2.5"),
        (
            "string(this.n)",
            r#"{"n": 123456789012345678901234567890}"#,
            "123456789012345678901234567890",
        ),
    ] {
        let compiled = mapping(this(), &format!("{{'r': {expression}}}"))
            .unwrap_or_else(|problems| panic!("{}", told(&problems)));
        assert_eq!(answer(&compiled, record), result, "{expression} of {record}");
    }
}
