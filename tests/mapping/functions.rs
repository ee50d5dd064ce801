//! Every function by an example, and the page that lists them.

use std::collections::BTreeSet;

use trunkline::mapping::{This, Translated, functions};

use super::{mapping, run, told};

/// What an expression gives, as JSON.
fn given(expression: &str, record: &str) -> String {
    let text = format!("{{\"x\": {expression}}}");
    let mapping =
        mapping(This::Record, &text).unwrap_or_else(|problems| panic!("{text}: {}", told(&problems)));
    match run(&mapping, record) {
        Ok(Translated::Record(value)) => {
            let json = trunkline_formats::json::write(&value);
            json["{\"x\":".len()..json.len() - 1].to_owned()
        }
        Ok(Translated::Message(_)) => panic!("{text} gives a message"),
        Err(fault) => format!("fault: {}", fault.what),
    }
}

const RECORD: &str = r#"{"s": "Ærlig Talt", "n": 10.10, "i": 7, "list": [3, 1, 2], "nested": [[1], [2, [3]]],
    "t": "2026-03-01T12:30:00+01:00", "o": {"a": 1, "b": null}, "bytes": "aGVq"}"#;

const EXAMPLES: &[(&str, &str)] = &[
    // conversions
    (
        "string(this.n) + string(true) + string(b'abc')",
        r#""10.10trueabc""#,
    ),
    (
        "int(this.n) + int('5') + int(timestamp('1970-01-01T00:00:10Z'))",
        "25",
    ),
    ("uint(this.n)", "10"),
    ("double('1e3')", "1000"),
    ("bool('true')", "true"),
    ("bytes('abc') == b'abc'", "true"),
    ("dyn(1) == 'a'", "false"),
    ("type(this.list) == list && type(1u) == uint", "true"),
    // texts
    (
        "this.s.contains('Talt') && this.s.startsWith('Ær') && this.s.endsWith('t')",
        "true",
    ),
    (
        "this.s.lowerAscii() + this.s.upperAscii()",
        r#""Ærlig taltÆRLIG TALT""#,
    ),
    ("' a '.trim()", r#""a""#),
    (
        "'aaa'.replace('a', 'b') + 'aaa'.replace('a', 'b', 2)",
        r#""bbbbba""#,
    ),
    ("'a,b,c'.split(',')", r#"["a","b","c"]"#),
    ("'a,b,c'.split(',', 2)", r#"["a","b,c"]"#),
    ("this.s.substring(6) + this.s.substring(0, 2)", r#""TaltÆr""#),
    ("this.s.charAt(0)", r#""Æ""#),
    (
        "[this.s.indexOf('l'), this.s.indexOf('l', 3), this.s.lastIndexOf('l'), this.s.lastIndexOf('l', 3)]",
        "[2,8,8,2]",
    ),
    ("'abc'.reverse()", r#""cba""#),
    (
        "'%s is %d, %.2f, %x'.format(['a', 5, 1.5, 255])",
        r#""a is 5, 1.50, ff""#,
    ),
    (r#"strings.quote("a\"b")"#, r#""\"a\\\"b\"""#),
    ("'a1'.matches('^[a-z][0-9]$') && matches(this.s, 'Talt')", "true"),
    (
        "regex.extract('order 17 of 20', '([0-9]+)').orValue('none')",
        r#""17""#,
    ),
    ("regex.extractAll('order 17 of 20', '[0-9]+')", r#"["17","20"]"#),
    (r"regex.replace('a-b', '([a-z])-([a-z])', r'\2-\1')", r#""b-a""#),
    // numbers
    (
        "[math.abs(-2), math.sign(-3), math.greatest(1, 5, 3), math.least(this.list)]",
        "[2,-1,5,1]",
    ),
    (
        "[math.ceil(1.2), math.floor(1.8), math.round(1.5), math.trunc(-1.7), math.sqrt(9)]",
        "[2,1,2,-1,3]",
    ),
    (
        "[math.isNaN(0.0 / 0.0), math.isInf(1.0 / 0.0), math.isFinite(1.0)]",
        "[true,true,true]",
    ),
    (
        "[math.bitAnd(6, 3), math.bitOr(6, 3), math.bitXor(6, 3), math.bitNot(0)]",
        "[2,7,5,-1]",
    ),
    ("[math.bitShiftLeft(1, 4), math.bitShiftRight(16, 4)]", "[16,1]"),
    // what rules ask
    (
        "['a@b.dk', 'a@b@c', 'b.dk', ''].map(x, x.isEmail())",
        "[true,false,false,false]",
    ),
    (
        "['b.dk', '-b.dk'].map(x, x.isHostname()) + ['b.dk:80', 'b.dk'].map(x, x.isHostAndPort(true)) + ['b.dk'.isHostAndPort(false)]",
        "[true,false,true,false,true]",
    ),
    (
        "['10.0.0.1', '::1'].map(x, x.isIp(4)) + ['::1'.isIp(), '10.0.0.256'.isIp(), '::1'.isIp(5)]",
        "[true,false,true,false,false]",
    ),
    (
        "['10.0.0.0/8', '10.0.0.1/8'].map(x, x.isIpPrefix(true)) + ['10.0.0.1/8'.isIpPrefix(), '::/8'.isIpPrefix(4)]",
        "[true,false,true,false]",
    ),
    (
        "['::/8'.isIpPrefix(6, true), '10.0.0.0/8'.isIpPrefix(6, false)]",
        "[true,false]",
    ),
    (
        "['https://b.dk/a?b', '/a', 'a b'].map(x, x.isUri()) + ['/a'.isUriRef(), 'a b'.isUriRef()]",
        "[true,false,false,true,false]",
    ),
    (
        "[(0.0 / 0.0).isNan(), (1.0 / 0.0).isInf(), (1.0 / 0.0).isInf(-1), (1.5).isInf(), this.list.unique(), [1, 2, 1].unique()]",
        "[true,true,false,false,true,false]",
    ),
    // times
    ("timestamp(this.t)", r#""2026-03-01T11:30:00Z""#),
    (
        "timestamp('2026-07-01 12:00', 'Europe/Copenhagen')",
        r#""2026-07-01T10:00:00Z""#,
    ),
    (
        "timestamp('01.07.2026 12:00', 'DD.MM.YYYY hh:mm', '+02:00')",
        r#""2026-07-01T10:00:00Z""#,
    ),
    ("duration('1h30m')", r#""5400s""#),
    ("date(this.t.substring(0, 10))", r#""2026-03-01""#),
    (
        "date(timestamp('2026-01-31T23:30:00Z'), 'Europe/Copenhagen')",
        r#""2026-02-01""#,
    ),
    ("date('1/2/2026', 'D/M/YYYY')", r#""2026-02-01""#),
    (
        "[timestamp(this.t).getFullYear(), timestamp(this.t).getMonth(), timestamp(this.t).getDate()]",
        "[2026,2,1]",
    ),
    (
        "[timestamp(this.t).getDayOfYear(), timestamp(this.t).getDayOfMonth(), timestamp(this.t).getDayOfWeek()]",
        "[59,0,0]",
    ),
    (
        "[timestamp(this.t).getHours('+01:00'), timestamp(this.t).getMinutes(), timestamp(this.t).getSeconds()]",
        "[12,30,0]",
    ),
    ("duration('1.25s').getMilliseconds()", "250"),
    // lists and sets
    ("[size(this.list), this.s.size(), size(this.o)]", "[3,10,2]"),
    ("this.list.sum()", "6"),
    ("['a', 'b'].join() + ['a', 'b'].join('-')", r#""aba-b""#),
    ("[1, 1, 2].distinct()", "[1,2]"),
    ("this.list.sort().reverse()", "[3,2,1]"),
    ("this.list.sortBy(x, -x)", "[3,2,1]"),
    ("this.list.slice(1, 3)", "[1,2]"),
    ("this.nested.flatten()", "[1,2,[3]]"),
    ("this.nested.flatten(2)", "[1,2,3]"),
    ("this.list.first().orValue(0) + this.list.last().value()", "5"),
    ("[].first().hasValue()", "false"),
    ("lists.range(3)", "[0,1,2]"),
    (
        "[sets.contains(this.list, [1]), sets.equivalent([1, 1], [1]), sets.intersects([1], [2])]",
        "[true,true,false]",
    ),
    // encodings
    ("base64.encode(bytes('hej'))", r#""aGVq""#),
    ("string(base64.decode(this.bytes))", r#""hej""#),
    // macros
    (
        "[has(this.o.a), has(this.o.b), has(this.x.y)]",
        "[true,false,false]",
    ),
    ("this.list.filter(x, x > 1).map(x, x * 2)", "[6,4]"),
    ("this.list.map(x, x > 1, x * 2)", "[6,4]"),
    (
        "[this.list.exists(x, x == 1), this.list.all(x, x > 1), this.list.exists_one(x, x > 2), [1].existsOne(x, true)]",
        "[true,false,true,true]",
    ),
    ("this.list.exists(i, x, i == 0 && x == 3)", "true"),
    ("this.list.transformList(i, x, x * 10 + i)", "[30,11,22]"),
    ("this.o.transformMap(k, v, k + '!')", r#"{"a":"a!","b":"b!"}"#),
    ("['a', 'b'].transformMapEntry(i, x, {x: i})", r#"{"a":0,"b":1}"#),
    ("cel.bind(x, 2, x * x)", "4"),
    (
        "optional.of(1).or(optional.none()).optMap(x, x + 1).orValue(0)",
        "2",
    ),
    ("this.?x.optFlatMap(x, x.?y).hasValue()", "false"),
    ("optional.ofNonZeroValue('').orValue('none')", r#""none""#),
    ("lookup('order-status', 42)", r#""CANCELLED""#),
    ("money('1.50', 'EUR')", r#"{"currency_code":"EUR","amount":1.50}"#),
];

/// Proved elsewhere: they need a message of proto2, or a store.
const ELSEWHERE: [&str; 6] = [
    "proto.hasExt",
    "proto.getExt",
    "xref",
    "xref.find",
    "xref.to",
    "xref.findTo",
];

#[test]
fn every_function_does_what_its_example_says() {
    for (expression, result) in EXAMPLES {
        assert_eq!(given(expression, RECORD), *result, "{expression}");
    }
}

#[test]
fn every_function_has_an_example() {
    let all: String = EXAMPLES
        .iter()
        .map(|(expression, _)| format!("{expression}\n"))
        .collect();
    let functions = functions::all().map(|function| (function.name, function.method));
    let macros = functions::MACROS.iter().map(|known| (known.name, known.method));
    let missing: BTreeSet<_> = functions
        .chain(macros)
        .filter(|(name, method)| {
            let call = if *method {
                format!(".{name}(")
            } else {
                format!("{name}(")
            };
            !all.contains(&call) && !ELSEWHERE.contains(name)
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(functions::names_in_all() >= 60, "{}", functions::names_in_all());
}

#[test]
fn the_page_of_the_functions_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/functions.md");
    let page = functions::page();
    if std::env::var_os("TRUNKLINE_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).expect("the test may write there");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/functions.md is not current; hint: run this test with TRUNKLINE_WRITE_DOCS=1"
    );
}

#[test]
fn time_zones_and_patterns_are_checked_before_they_run() {
    for (expression, problem) in [
        (
            "timestamp(this.t, 'Europe/Copenhaven')",
            "did you mean `Europe/Copenhagen`?",
        ),
        (
            "timestamp(this.t).getHours('Mars')",
            "there is no time zone `Mars`",
        ),
        ("date(this.t, 'DD.MM')", "`DD.MM` is no pattern of a time"),
        (
            "regex.extract(this.s, '(a)(b)')",
            "takes a pattern with one group at most",
        ),
        ("regex.replace(this.s, 'a', r'\\1')", "the pattern has no group 1"),
        (
            "math.greatest('a', 1)",
            "is string, but `math.greatest` takes numbers",
        ),
        (
            "[1].transformList(x, x)",
            "`transformList` takes two variables and an expression",
        ),
        (
            "optional.of(1).optFlatMap(x, x)",
            "is int, but `optFlatMap` wants an optional",
        ),
    ] {
        let problems = mapping(This::Record, &format!("{{'x': {expression}}}"))
            .err()
            .unwrap_or_default();
        assert!(
            told(&problems).contains(problem),
            "{expression}: {}",
            told(&problems)
        );
    }
}
