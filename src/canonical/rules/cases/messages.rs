//! Rules of lists, maps and whole messages, rules that are none, and bytes of others.

use super::{Rules, broken, compile, encode, now, options, tell};

#[test]
fn rules_of_lists() {
    let list =
        |rule: &str, right: &[&str], wrong: &[&str], id: &str| tell("repeated int32", rule, right, wrong, id);
    list(
        "repeated.min_items = 2",
        &["[1, 1]"],
        &["[]", "[1]"],
        "repeated.min_items",
    );
    list(
        "repeated.max_items = 2",
        &["[]", "[1, 1]"],
        &["[1, 1, 1]"],
        "repeated.max_items",
    );
    list(
        "repeated.unique = true",
        &["[]", "[0, 1]"],
        &["[1, 2, 1]"],
        "repeated.unique",
    );
    list(
        "repeated.items.int32.gt = 1",
        &["[]", "[2, 3]"],
        &["[2, 1]"],
        "[1]: int32.gt",
    );
    list(
        "repeated.items = {required: true}",
        &["[1]"],
        &["[1, 0]"],
        "[1]: required",
    );
    list(
        "repeated.items = {ignore: IGNORE_IF_ZERO_VALUE, int32: {gt: 1}}",
        &["[0, 2]"],
        &["[0, 1]"],
        "[1]: int32.gt",
    );
    list(
        "repeated.items = {ignore: IGNORE_ALWAYS, int32: {gt: 1}} & required = true",
        &["[0]"],
        &["[]"],
        "required",
    );
    list(
        "repeated.min_items = 2 & ignore = IGNORE_IF_ZERO_VALUE",
        &["[]"],
        &["[1]"],
        "repeated.min_items",
    );
    tell(
        "repeated string",
        "repeated.unique = true",
        &["[\"a\", \"b\"]"],
        &["[\"a\", \"a\"]"],
        "repeated.unique",
    );
    tell(
        "repeated string",
        "repeated.items.string.min_len = 1",
        &["[\"a\"]"],
        &["[\"\"]"],
        "[0]: string.min_len",
    );
    tell(
        "repeated double",
        "repeated.unique = true",
        &["[1, 2]", "[\"NaN\", \"NaN\"]"],
        &["[0, -0.0]"],
        "repeated.unique",
    );
    tell(
        "repeated Inner",
        "repeated.max_items = 5",
        &["[{\"a\": \"ab\"}]"],
        &["[{\"a\": \"ab\"}, {}]"],
        "[1].a: string.min_len",
    );
}

#[test]
fn rules_of_maps() {
    let map = |rule: &str, right: &[&str], wrong: &[&str], id: &str| {
        tell("map<string, int32>", rule, right, wrong, id);
    };
    map("map.min_pairs = 1", &["{\"a\": 1}"], &["{}"], "map.min_pairs");
    map(
        "map.max_pairs = 1",
        &["{}", "{\"a\": 1}"],
        &["{\"a\": 1, \"b\": 1}"],
        "map.max_pairs",
    );
    map(
        "map.keys.string.min_len = 2",
        &["{\"ab\": 1}"],
        &["{\"a\": 1}"],
        "[#1].key: string.min_len",
    );
    map(
        "map.values.int32.gt = 0",
        &["{\"a\": 1}"],
        &["{\"a\": 0}"],
        "[#1]: int32.gt",
    );
    tell(
        "map<int32, Inner>",
        "map.max_pairs = 9",
        &["{\"1\": {\"a\": \"ab\"}}"],
        &["{\"1\": {}}"],
        "[#1].a: string.min_len",
    );
    tell(
        "map<bool, int32>",
        "map.keys.bool.const = true",
        &["{\"true\": 0}"],
        &["{\"false\": 0}"],
        "[#1].key: bool.const",
    );
}

#[test]
fn what_is_required_and_what_is_ignored() {
    tell("string", "required = true", &["\"a\""], &["\"\""], "required");
    tell(
        "optional string",
        "required = true",
        &["\"\""],
        &["null"],
        "required",
    );
    tell("Bare", "required = true", &["{}"], &["null"], "required");
    tell(
        "repeated string",
        "required = true",
        &["[\"\"]"],
        &["[]"],
        "required",
    );
    tell(
        "map<string, string>",
        "required = true",
        &["{\"\": \"\"}"],
        &["{}"],
        "required",
    );
    // what must be set and is not breaks no other rule
    tell(
        "string",
        "required = true & string.min_len = 2",
        &["\"ab\""],
        &["\"\""],
        "required",
    );
    // a field with presence has no rules while it is unset
    tell(
        "optional string",
        "string.min_len = 2",
        &["null", "\"ab\""],
        &["\"\""],
        "string.min_len",
    );
    tell(
        "string",
        "string.min_len = 2 & ignore = IGNORE_IF_ZERO_VALUE",
        &["\"\""],
        &["\"a\""],
        "string.min_len",
    );
    tell(
        "optional int32",
        "int32.gt = 2 & ignore = IGNORE_IF_ZERO_VALUE",
        &["0", "null"],
        &["1"],
        "int32.gt",
    );
    tell(
        "Inner",
        "ignore = IGNORE_IF_ZERO_VALUE & required = false",
        &["{}", "{\"a\": \"ab\"}"],
        &["{\"a\": \"b\"}"],
        ".a: string.min_len",
    );
    let ignored = "  string v = 1 [(buf.validate.field) = {ignore: IGNORE_ALWAYS, required: true, string: {min_len: 3}}];\n\
                   Inner w = 2 [(buf.validate.field).ignore = IGNORE_ALWAYS]; string x = 3 [(buf.validate.field).required = true];";
    assert_eq!(broken(ignored, "{\"w\": {}, \"x\": \"a\"}"), [""; 0]);
}

#[test]
fn rules_of_oneofs_and_of_several_fields() {
    let oneof = "  oneof v { option (buf.validate.oneof).required = true;\n\
                 string a = 1 [(buf.validate.field).string.min_len = 2]; int32 b = 2; }";
    assert_eq!(broken(oneof, "{}"), ["required"]);
    assert_eq!(broken(oneof, "{\"b\": 0}"), [""; 0]);
    assert_eq!(broken(oneof, "{\"a\": \"x\"}"), ["a: string.min_len"]);
    let group = |required: bool| {
        format!(
            "  option (buf.validate.message).oneof = {{fields: [\"a\", \"b\"], required: {required}}};\n\
             string a = 1 [(buf.validate.field).string.min_len = 2]; int32 b = 2;"
        )
    };
    assert_eq!(broken(&group(false), "{}"), [""; 0]);
    assert_eq!(broken(&group(true), "{}"), ["message.oneof"]);
    assert_eq!(broken(&group(true), "{\"b\": 1}"), [""; 0]);
    assert_eq!(
        broken(&group(false), "{\"a\": \"ab\", \"b\": 1}"),
        ["message.oneof"]
    );
    assert_eq!(broken(&group(true), "{\"a\": \"b\"}"), ["a: string.min_len"]);
}

#[test]
fn rules_in_our_own_language() {
    let message = "  option (buf.validate.message).cel = {id: \"ends\", message: \"must end behind its start\",\n\
                   expression: \"this.to >= this.from\"};\n\
                   int32 from = 1; int32 to = 2;";
    assert_eq!(broken(message, "{\"to\": 3}"), [""; 0]);
    assert_eq!(broken(message, "{\"from\": 3}"), ["ends"]);
    let text = "this.startsWith('a') ? '' : 'not ' + this";
    let field = format!("  string v = 1 [(buf.validate.field).cel = {{id: \"a\", expression: \"{text}\"}}];");
    assert_eq!(broken(&field, "{\"v\": \"ab\"}"), [""; 0]);
    assert_eq!(broken(&field, "{\"v\": \"b\"}"), ["a"]);
    // what such a rule says holds the value, so that it is not told
    let (pool, rules) = compile(&field).expect("it is right");
    let told = rules
        .expect("it has one")
        .check(&encode(&pool, "{\"v\": \"secret\"}"), now);
    assert_eq!(
        told.expect("it was encoded").to_string(),
        "v: breaks the rule `a`"
    );
    let items = "  repeated int32 v = 1 [(buf.validate.field).repeated.items.cel_expression = \"this % 2 == 0\",\n\
                 (buf.validate.field).cel_expression = \"this.size() < 4\"];";
    assert_eq!(
        broken(items, "{\"v\": [2, 3, 5]}"),
        ["[1]: this % 2 == 0", "[2]: this % 2 == 0"]
    );
    assert_eq!(broken(items, "{\"v\": [2, 2, 2, 2]}"), ["this.size() < 4"]);
    let part = "  Inner v = 1 [(buf.validate.field).cel_expression = \"has(this.a)\"];";
    assert_eq!(broken(part, "{}"), [""; 0]);
    assert_eq!(broken(part, "{\"v\": {}}"), [".a: string.min_len", "has(this.a)"]);
}

#[test]
fn what_cannot_be_a_rule_is_told_at_load() {
    let wrong = |rules: &str, declared: &str, told: &str| {
        let lines = format!("  {declared} v = 1 [{}];", options(rules));
        let wrong = compile(&lines)
            .err()
            .unwrap_or_else(|| panic!("{lines} is right"));
        assert!(wrong[0].what.contains(told), "{wrong:?}");
    };
    wrong(
        "string.min_len = 1",
        "int32",
        "rules for `string` do not fit a field of type `int32`",
    );
    wrong("int32.gt = 1", "repeated int32", "do not fit a list");
    wrong(
        "repeated.min_items = 1",
        "string",
        "do not fit a field of type `string`",
    );
    wrong("string.min_len = 1", "Bare", "do not fit a message");
    wrong(
        "string.min_len = 3 & string.max_len = 2",
        "string",
        "`min_len` is greater than `max_len`",
    );
    wrong("string.pattern = \"(\"", "string", "`pattern` is no pattern");
    wrong(
        "string.pattern = \"(a{1000}){1000}\"",
        "string",
        "`pattern` is no pattern",
    );
    wrong("repeated.unique = true", "repeated Bare", "`unique` does not fit");
    wrong("enum.const = 9", "E", "names 9, which is no value");
    wrong(
        "cel_expression = \"this.size() > 'a'\"",
        "string",
        "the rule `this.size() > 'a'`",
    );
    wrong("cel_expression = \"this +\"", "int32", "the rule");
}

#[test]
fn a_message_without_rules_costs_nothing_and_one_with_many_faults_is_told_in_bounds() {
    // given
    let (_, rules) = compile("  Bare v = 1; repeated Bare w = 2;").expect("it is right");
    assert!(rules.is_none());
    let lines = "  repeated string v = 1 [(buf.validate.field).repeated.items.string.min_len = 1];";
    let (pool, rules) = compile(lines).expect("it is right");
    // when
    let json = format!("{{\"v\": [{}]}}", vec!["\"\""; 1000].join(","));
    let violations = rules
        .expect("it has one")
        .check(&encode(&pool, &json), now)
        .expect("it was encoded");
    // then
    assert_eq!(
        (violations.told.len(), violations.more),
        (
            crate::canonical::rules::TOLD,
            1000 - crate::canonical::rules::TOLD
        )
    );
    assert!(violations.to_string().ends_with("; and 968 more"), "{violations}");
}

#[test]
fn bytes_of_others_are_read_as_protobuf_wants_it() {
    let lines = "  Inner v = 1 [(buf.validate.field).required = true];\n\
                 int32 n = 2 [(buf.validate.field).int32.lt = 5]; oneof o { string a = 3 [(buf.validate.field).string.min_len = 2]; string b = 4; }";
    let (_, rules) = compile(lines).expect("it is right");
    let rules = rules.expect("it has some");
    let told = |bytes: &[u8]| {
        let violations = rules.check(bytes, now)?;
        Ok::<_, crate::canonical::wire::Broken>(violations.to_string())
    };
    // pieces of a submessage are one; the last number counts
    let pieces = [
        0x0a, 3, 0x0a, 1, b'x', 0x0a, 4, 0x0a, 2, b'x', b'y', 0x10, 9, 0x10, 4,
    ];
    assert_eq!(told(&pieces).as_deref(), Ok(""));
    // the last member of a oneof counts; a foreign wire type is an unknown field
    let members = [
        0x0a, 4, 0x0a, 2, b'x', b'y', 0x1a, 1, b'x', 0x22, 1, b'x', 0x12, 1, 9,
    ];
    assert_eq!(told(&members).as_deref(), Ok(""));
    for cut in 1..pieces.len() {
        let _ = told(&pieces[..cut]);
    }
    assert!(told(&[0x0a, 9]).is_err());
    // deeper than anything is
    let mut deep = vec![0x0a, 2, b'x', b'y'];
    for _ in 0..200 {
        let inner = std::mem::take(&mut deep);
        deep = vec![0x0a, 2, b'x', b'y', 0x12];
        crate::canonical::wire::put_varint(&mut deep, inner.len() as u64);
        deep.extend(inner);
    }
    let mut whole = vec![0x0a];
    crate::canonical::wire::put_varint(&mut whole, deep.len() as u64);
    whole.extend(deep);
    assert!(
        told(&whole)
            .expect("it is protobuf")
            .contains("nests more than 100 deep")
    );
}

#[test]
fn every_rule_of_the_embedded_model_compiles() {
    let messages: Vec<_> = trunkline_proto::descriptor_pool()
        .all_messages()
        .filter(|message| !message.is_map_entry())
        .collect();
    let wrong = Rules::wrong(messages);
    assert!(wrong.is_empty(), "{wrong:?}");
}
