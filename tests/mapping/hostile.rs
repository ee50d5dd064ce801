//! Broken bytes, deep and endless expressions: faults, never a panic, never without end.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use trunkline::mapping::{Input, NoFacts, This};
use trunkline_sdk::{Remedy, Value};

use crate::{encoded, json, mapping, on, predicate, told};

#[test]
fn a_message_cut_anywhere_is_a_fault_or_reads_what_is_there() {
    // given
    let animal = encoded(
        "zoo.v1.Animal",
        r#"{"string": "abc", "cubs": [{"string": "x"}], "packed": [1, 300], "counts": {"a": 1}, "double": 1.5}"#,
    );
    let asked = predicate(
        on("zoo.v1.Animal"),
        "this.string == 'abc' && this.cubs.exists(c, c.string == 'x') && 300 in this.packed && this.counts['a'] == 1 \
         && this.double > 1.0",
    )
    .expect("the predicate is right");
    assert_eq!(asked.test(Input::Message(&animal), &NoFacts).ok(), Some(true));
    // when, then
    for cut in 0..animal.len() {
        match asked.test(Input::Message(&animal[..cut]), &NoFacts) {
            Ok(answer) => assert!(!answer, "cut at {cut}"),
            Err(fault) => assert_eq!(fault.remedy, Remedy::DeadLetter),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for text in [
            "this.string == 'a' || this.cubs.exists(c, has(c.mother)) || this.packed.sum() > 3",
            "this.counts.exists(k, this.counts[k] > 1) || this.pens.size() > 0 || this.mother == this.host",
            "this.born > timestamp(0) || this.nap < duration('1s') || string(this.born) == '' || has(this.cage)",
        ] {
            let asked = predicate(on("zoo.v1.Animal"), text).expect("the predicate is right");
            let _ = asked.test(Input::Message(&bytes), &NoFacts);
        }
        let tree = trunkline::canonical::Tree::new(&crate::kind("zoo.v1.Animal"));
        let _ = tree.read(&bytes);
    }

    #[test]
    fn any_text_is_parsed_and_checked_without_a_panic(text in "[a-z0-9 .,(){}\\[\\]?:!&|<>=+*/%'\"\\\\éthis-]{0,60}") {
        let _ = mapping(This::Record, &text);
        let _ = predicate(on("zoo.v1.Animal"), &text);
    }
}

#[test]
fn an_expression_nests_only_so_deep() {
    for text in [
        "(".repeat(5_000) + "1" + &")".repeat(5_000),
        "[".repeat(5_000),
        "1".to_owned() + &"+1".repeat(5_000),
        "this".to_owned() + &".a".repeat(5_000),
        "this.a ? 1 : ".repeat(5_000) + "1",
        "Animal{mother:".repeat(5_000),
        "f(".repeat(5_000),
        "this".to_owned() + &"[0".repeat(5_000),
    ] {
        let problems = mapping(This::Record, &text).expect_err("it is too deep");
        let told = told(&problems);
        assert!(told.contains("nests more than"), "{}:\n{told}", &text[..20]);
    }
    // As deep as it may be, it is checked and run in a thread's usual stack.
    let deep = "(".repeat(60) + "this.a" + &")".repeat(60) + &" + 1".repeat(15) + " > 0";
    let asked = predicate(This::Record, &deep).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(
        asked.test(Input::Record(&json(r#"{"a": 1}"#)), &NoFacts).ok(),
        Some(true)
    );
    // Long is not deep.
    let long = vec!["this.a == 1"; 2_000].join(" && ");
    assert!(predicate(This::Record, &long).is_ok());
    assert!(predicate(This::Record, &("!".repeat(5_000) + "true")).is_ok());
}

#[test]
fn loops_inside_loops_end() {
    // given
    let list = Value::List((0..300).map(|at| Value::Number(at.to_string().into())).collect());
    let record = Value::Object(vec![
        ("l".into(), list),
        ("t".into(), Value::Text("x".repeat(100_000).into())),
    ]);
    for text in [
        "this.l.all(a, this.l.all(b, this.l.all(c, this.l.all(d, a + b + c + d >= 0))))",
        "this.l.map(a, this.l.map(b, this.l.map(c, this.l))).size() > 0",
        "this.l.map(a, this.l.map(b, this.t + this.t)).size() > 0",
        "this.l.exists(a, this.l.exists(b, this.t.contains('y')))",
        "this.l.map(a, this.l.map(b, this.t.replace('x', 'yyyyyyyyyy'))).size() == 0",
        "this.l.exists(a, this.l.exists(b, this.t.split('').size() == 1))",
    ] {
        let asked = predicate(This::Record, text).expect("the predicate is right");
        // when
        let started = Instant::now();
        let fault = asked
            .test(Input::Record(&record), &NoFacts)
            .expect_err("it takes too long");
        // then
        assert!(fault.what.contains("it takes more than"), "{text}: {fault}");
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{text}: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn that_it_takes_too_long_is_told_once_and_not_for_each_field_behind() {
    // given
    let list = Value::List((0..300).map(|at| Value::Number(at.to_string().into())).collect());
    let record = Value::Object(vec![("l".into(), list)]);
    let long = "this.l.all(a, this.l.all(b, this.l.all(c, a + b + c >= 0)))";
    for text in [
        format!("{{ \"a\": [{long}, {long}], \"b\": {{ \"c\": {long} }}, \"d\": {long} }}"),
        format!("{{ \"a\": this.l.map(x, {{ \"b\": {long}, \"c\": [x, {long}] }}) }}"),
        format!("Customer{{ customer_id: string({long}), email: string({long}), phone: string({long}) }}"),
    ] {
        let mapping = mapping(This::Record, &text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
        // when
        let fault = mapping
            .run(Input::Record(&record), &NoFacts)
            .expect_err("it takes too long");
        // then
        assert_eq!(fault.what.matches("it takes more than").count(), 1, "{fault}");
    }
}

#[test]
fn what_an_expression_may_grow_to_is_bounded_before_it_is_there() {
    // given
    let record = Value::Object(vec![("t".into(), Value::Text("a".repeat(50_000).into()))]);
    for text in [
        // Each doubles what the one before it made.
        "cel.bind(a, this.t + this.t, cel.bind(b, a.replace('a', a), b.size())) > 0",
        "lists.range(9223372036854775807).size() > 0",
        "lists.range(3000000).map(x, x).size() > 0",
        "lists.range(1500).map(x, lists.range(1500)).flatten().size() == 0",
        "lists.range(1000).exists(x, sets.contains(lists.range(3000), lists.range(3000)) && x < 0)",
        "'%s'.format([lists.range(10000).map(x, this.t)]).size() == 0",
        "lists.range(4000).transformMap(k, v, this.t + this.t).size() == 0",
        "regex.replace(this.t, 'a', this.t).size() == 0",
        "lists.range(1000).exists(x, regex.extractAll(this.t, 'a').size() == x)",
        "lists.range(400).map(x, base64.encode(bytes(this.t.replace('a', 'aaaaaaaaaaaaaaaa')))).size() == 0",
    ] {
        // when
        let started = Instant::now();
        let asked = match predicate(This::Record, text) {
            Ok(asked) => asked,
            // What is known before it runs is reckoned before, within the same bounds.
            Err(problems) => {
                assert!(
                    told(&problems).contains("it takes more than"),
                    "{text}: {}",
                    told(&problems)
                );
                continue;
            }
        };
        let fault = asked.test(Input::Record(&record), &NoFacts).expect_err(text);
        // then
        assert!(fault.what.contains("it takes more than"), "{text}: {fault}");
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{text}: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn patterns_take_time_in_proportion_to_the_text_and_have_bounded_size() {
    // given what makes engines that go back over the text take years
    let record = Value::Object(vec![(
        "t".into(),
        Value::Text(("a".repeat(100_000) + "!").into()),
    )]);
    for text in [
        "this.t.matches('^(a+)+$')",
        "this.t.matches('(a|aa)+$')",
        "this.t.matches('(.*a){12}b')",
    ] {
        let asked = predicate(This::Record, text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
        // when
        let started = Instant::now();
        let answer = asked.test(Input::Record(&record), &NoFacts);
        // then
        assert_eq!(answer.ok(), Some(false), "{text}");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{text}: {:?}",
            started.elapsed()
        );
    }
    let problems =
        predicate(This::Record, "this.t.matches('((a{1000}){1000}){1000}')").expect_err("it is too large");
    assert!(told(&problems).contains("is no pattern"), "{}", told(&problems));
    // A literal as large as a file is a literal.
    let large = format!("this.t == '{}'", "x".repeat(1 << 20));
    assert!(predicate(This::Record, &large).is_ok());
    let many = format!("this.n in [{}]", vec!["1"; 100_000].join(", "));
    let started = Instant::now();
    assert!(predicate(This::Record, &many).is_ok());
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_record_of_the_wrong_kind_is_a_fault() {
    let asked = predicate(on("zoo.v1.Animal"), "this.int32 == 1").expect("the predicate is right");
    assert!(asked.test(Input::Record(&Value::Null), &NoFacts).is_err());
    let asked = predicate(This::Record, "this.a.b[0] == 1").expect("the predicate is right");
    for record in [
        "{}",
        "[]",
        "1",
        r#"{"a": 1}"#,
        r#"{"a": {"b": {}}}"#,
        r#"{"a": {"b": []}}"#,
    ] {
        assert!(
            asked.test(Input::Record(&json(record)), &NoFacts).is_err(),
            "{record}"
        );
    }
    assert!(asked.test(Input::Message(b"\x08\x01"), &NoFacts).is_err());
}

#[test]
fn arithmetic_overflows_into_faults() {
    for text in [
        "int(this.max) + 1 > 0",
        "int(this.min) - 1 < 0",
        "int(this.max) * int(this.max) > 0",
        "uint(this.umax) * uint(this.umax) > 0u",
        "-int(this.min) > 0",
        "this.max / 0 > 0",
        "this.max % 0 > 0",
        "int(this.max) / 0 > 0",
        "int(this.max) % 0 > 0",
        "int(this.min) / -1 > 0",
        "math.abs(int(this.min)) > 0",
        "this.max * this.max * this.max > 0",
        "int(this.umax) > 0",
        "uint(this.min) > 0u",
        "int('99999999999999999999') > 0",
        "timestamp(253402300799) + duration('1s') > timestamp(0)",
        "uint(1) - uint(2) > 0",
    ] {
        let record = json(
            r#"{"max": 9223372036854775807, "min": -9223372036854775808, "umax": 18446744073709551615}"#,
        );
        // What is known before is refused before.
        if let Ok(asked) = predicate(This::Record, text) {
            let fault = asked.test(Input::Record(&record), &NoFacts).expect_err(text);
            assert_eq!(fault.remedy, Remedy::DeadLetter);
        }
    }
}
