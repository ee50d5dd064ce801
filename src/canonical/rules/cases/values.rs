//! Rules of one value.

use super::tell;

#[test]
fn rules_of_texts() {
    let text = |rule: &str, right: &[&str], wrong: &[&str], id: &str| tell("string", rule, right, wrong, id);
    text(
        "string.const = \"a\"",
        &["\"a\""],
        &["\"\"", "\"A\""],
        "string.const",
    );
    text(
        "string.len = 2",
        &["\"ab\"", "\"éé\""],
        &["\"\"", "\"abc\"", "\"é\""],
        "string.len",
    );
    text(
        "string.min_len = 2",
        &["\"ab\"", "\"é𝄞\""],
        &["\"\"", "\"é\""],
        "string.min_len",
    );
    text(
        "string.max_len = 2",
        &["\"\"", "\"éé\""],
        &["\"abc\""],
        "string.max_len",
    );
    text(
        "string.len_bytes = 2",
        &["\"é\""],
        &["\"éa\"", "\"a\""],
        "string.len_bytes",
    );
    text("string.min_bytes = 2", &["\"é\""], &["\"a\""], "string.min_bytes");
    text(
        "string.max_bytes = 2",
        &["\"é\""],
        &["\"éa\""],
        "string.max_bytes",
    );
    text(
        "string.pattern = \"^[a-z]+$\"",
        &["\"ab\""],
        &["\"\"", "\"aB\""],
        "string.pattern",
    );
    text(
        "string.pattern = \"^.$\"",
        &["\"é\""],
        &["\"ab\""],
        "string.pattern",
    );
    text(
        "string.prefix = \"ab\"",
        &["\"abc\""],
        &["\"a\"", "\"cab\""],
        "string.prefix",
    );
    text(
        "string.suffix = \"ab\"",
        &["\"cab\""],
        &["\"abc\""],
        "string.suffix",
    );
    text(
        "string.contains = \"a.\"",
        &["\"xa.y\""],
        &["\"xaby\""],
        "string.contains",
    );
    text(
        "string.not_contains = \"a.\"",
        &["\"ab\""],
        &["\"xa.y\""],
        "string.not_contains",
    );
    text(
        "string.in = \"a\" & string.in = \"b\"",
        &["\"a\"", "\"b\""],
        &["\"\"", "\"c\""],
        "string.in",
    );
    text(
        "string.not_in = \"a\"",
        &["\"\"", "\"b\""],
        &["\"a\""],
        "string.not_in",
    );
    text(
        "string.email = true",
        &["\"a@b.c\""],
        &["\"\"", "\"a b@c\""],
        "string.email",
    );
    text(
        "string.hostname = true",
        &["\"a.b\""],
        &["\"a_b\""],
        "string.hostname",
    );
    text(
        "string.ip = true",
        &["\"1.2.3.4\"", "\"::1\""],
        &["\"1.2.3\""],
        "string.ip",
    );
    text(
        "string.ipv4 = true",
        &["\"1.2.3.4\""],
        &["\"::1\""],
        "string.ipv4",
    );
    text(
        "string.ipv6 = true",
        &["\"::1\""],
        &["\"1.2.3.4\""],
        "string.ipv6",
    );
    text("string.uri = true", &["\"a:b\""], &["\"/a\""], "string.uri");
    text(
        "string.uri_ref = true",
        &["\"/a\""],
        &["\"/a b\""],
        "string.uri_ref",
    );
    text(
        "string.address = true",
        &["\"a.b\"", "\"::1\""],
        &["\"a_b\""],
        "string.address",
    );
    text(
        "string.uuid = true",
        &["\"00000000-0000-0000-0000-000000000000\""],
        &["\"0\""],
        "string.uuid",
    );
    text(
        "string.tuuid = true",
        &["\"00000000000000000000000000000000\""],
        &["\"0\""],
        "string.tuuid",
    );
    text(
        "string.ip_with_prefixlen = true",
        &["\"1.2.3.4/8\""],
        &["\"1.2.3.4\""],
        "string.ip_with_prefixlen",
    );
    text(
        "string.ipv4_with_prefixlen = true",
        &["\"1.2.3.4/8\""],
        &["\"::1/8\""],
        "string.ipv4_with_prefixlen",
    );
    text(
        "string.ipv6_with_prefixlen = true",
        &["\"::1/8\""],
        &["\"1.2.3.4/8\""],
        "string.ipv6_with_prefixlen",
    );
    text(
        "string.ip_prefix = true",
        &["\"1.0.0.0/8\""],
        &["\"1.2.3.4/8\""],
        "string.ip_prefix",
    );
    text(
        "string.ipv4_prefix = true",
        &["\"1.0.0.0/8\""],
        &["\"::/8\""],
        "string.ipv4_prefix",
    );
    text(
        "string.ipv6_prefix = true",
        &["\"::/8\""],
        &["\"::1/8\""],
        "string.ipv6_prefix",
    );
    text(
        "string.host_and_port = true",
        &["\"a:1\""],
        &["\"a\""],
        "string.host_and_port",
    );
    text(
        "string.ulid = true",
        &["\"01ARZ3NDEKTSV4RRFFQ69G5FAV\""],
        &["\"0\""],
        "string.ulid",
    );
    text(
        "string.protobuf_fqn = true",
        &["\"a.b\""],
        &["\".a\""],
        "string.protobuf_fqn",
    );
    text(
        "string.protobuf_dot_fqn = true",
        &["\".a\""],
        &["\"a\""],
        "string.protobuf_dot_fqn",
    );
    text(
        "string.well_known_regex = KNOWN_REGEX_HTTP_HEADER_NAME",
        &["\"a-b\""],
        &["\"a b\""],
        "string.well_known_regex.header_name",
    );
    text(
        "string.well_known_regex = KNOWN_REGEX_HTTP_HEADER_VALUE & string.strict = false",
        &["\"\\u0001\""],
        &["\"a\\nb\""],
        "string.well_known_regex.header_value",
    );
}

#[test]
fn rules_of_bytes() {
    let bytes = |rule: &str, right: &[&str], wrong: &[&str], id: &str| tell("bytes", rule, right, wrong, id);
    bytes(
        "bytes.const = \"a\"",
        &["\"YQ==\""],
        &["\"\"", "\"Yg==\""],
        "bytes.const",
    );
    bytes("bytes.len = 1", &["\"YQ==\""], &["\"\""], "bytes.len");
    bytes("bytes.min_len = 1", &["\"YQ==\""], &["\"\""], "bytes.min_len");
    bytes("bytes.max_len = 1", &["\"YQ==\""], &["\"YWI=\""], "bytes.max_len");
    bytes(
        "bytes.pattern = \"^a$\"",
        &["\"YQ==\""],
        &["\"Yg==\"", "\"/w==\""],
        "bytes.pattern",
    );
    bytes(
        "bytes.prefix = \"\\xff\"",
        &["\"/2E=\""],
        &["\"Yf8=\""],
        "bytes.prefix",
    );
    bytes(
        "bytes.suffix = \"\\xff\"",
        &["\"Yf8=\""],
        &["\"/2E=\""],
        "bytes.suffix",
    );
    bytes(
        "bytes.contains = \"\\xff\"",
        &["\"Yf9h\""],
        &["\"YWE=\""],
        "bytes.contains",
    );
    bytes("bytes.in = \"a\"", &["\"YQ==\""], &["\"Yg==\""], "bytes.in");
    bytes(
        "bytes.not_in = \"a\"",
        &["\"Yg==\""],
        &["\"YQ==\""],
        "bytes.not_in",
    );
    bytes(
        "bytes.ip = true",
        &["\"AAAAAA==\""],
        &["\"YQ==\"", "\"\""],
        "bytes.ip",
    );
    bytes(
        "bytes.ipv4 = true",
        &["\"AAAAAA==\""],
        &["\"YQ==\""],
        "bytes.ipv4",
    );
    bytes(
        "bytes.ipv6 = true",
        &["\"AAAAAAAAAAAAAAAAAAAAAA==\""],
        &["\"AAAAAA==\""],
        "bytes.ipv6",
    );
    bytes(
        "bytes.uuid = true",
        &["\"AAAAAAAAAAAAAAAAAAAAAA==\""],
        &["\"YQ==\""],
        "bytes.uuid",
    );
}

#[test]
fn rules_of_every_kind_of_number() {
    for kind in [
        "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
        "sfixed64", "float", "double",
    ] {
        let number = |rule: &str, right: &[&str], wrong: &[&str], id: &str| {
            let rule = rule.replace("K.", &format!("{kind}."));
            tell(kind, &rule, right, wrong, &format!("{kind}.{id}"));
        };
        number("K.const = 5", &["5"], &["0", "4"], "const");
        number("K.lt = 5", &["0", "4"], &["5", "6"], "lt");
        number("K.lte = 5", &["5"], &["6"], "lte");
        number("K.gt = 5", &["6"], &["0", "5"], "gt");
        number("K.gte = 5", &["5"], &["4"], "gte");
        number("K.gt = 5 & K.lt = 8", &["6", "7"], &["5", "8"], "gt_lt");
        number("K.gte = 5 & K.lte = 8", &["5", "8"], &["4", "9"], "gte_lte");
        number(
            "K.gt = 8 & K.lt = 5",
            &["4", "9"],
            &["5", "6", "8"],
            "gt_lt_exclusive",
        );
        number(
            "K.gte = 8 & K.lte = 5",
            &["5", "8"],
            &["6", "7"],
            "gte_lte_exclusive",
        );
        number("K.in = 1 & K.in = 2", &["1", "2"], &["0", "3"], "in");
        number("K.not_in = 1 & K.not_in = 2", &["0", "3"], &["1", "2"], "not_in");
    }
    tell("sint32", "sint32.lt = -5", &["-6"], &["-5", "0"], "sint32.lt");
    tell(
        "int64",
        "int64.gt = 9007199254740992",
        &["\"9007199254740993\""],
        &["\"9007199254740992\""],
        "int64.gt",
    );
    tell(
        "double",
        "double.finite = true",
        &["0", "1e300"],
        &["\"NaN\"", "\"-Infinity\""],
        "double.finite",
    );
    tell(
        "float",
        "float.finite = true",
        &["1"],
        &["\"Infinity\""],
        "float.finite",
    );
    tell(
        "double",
        "double.gt = 1",
        &["\"Infinity\""],
        &["\"NaN\""],
        "double.gt",
    );
    tell(
        "double",
        "double.gt = 8 & double.lt = 5",
        &["9"],
        &["\"NaN\""],
        "double.gt_lt_exclusive",
    );
    tell("float", "float.const = 0.1", &["0.1"], &["0.2"], "float.const");
}

#[test]
fn rules_of_truth_and_words() {
    tell("bool", "bool.const = true", &["true"], &["false"], "bool.const");
    tell(
        "E",
        "enum.const = 1",
        &["\"E_ONE\""],
        &["\"E_TWO\"", "0"],
        "enum.const",
    );
    tell(
        "E",
        "enum.defined_only = true",
        &["0", "2"],
        &["3", "-1"],
        "enum.defined_only",
    );
    tell("E", "enum.in = 1", &["1"], &["0", "2"], "enum.in");
    tell("E", "enum.not_in = 0", &["1", "7"], &["0"], "enum.not_in");
    tell(
        "repeated E",
        "repeated.items.enum.defined_only = true",
        &["[0, 1]"],
        &["[1, 9]"],
        "[1]: enum.defined_only",
    );
}

#[test]
fn rules_of_times_and_googles_other_messages() {
    let time = |rule: &str, right: &[&str], wrong: &[&str], id: &str| {
        tell("google.protobuf.Timestamp", rule, right, wrong, id);
    };
    time(
        "timestamp.const = {seconds: 1}",
        &["\"1970-01-01T00:00:01Z\""],
        &["\"1970-01-01T00:00:01.5Z\""],
        "timestamp.const",
    );
    time(
        "timestamp.lt = {seconds: 1}",
        &["\"1970-01-01T00:00:00.9Z\""],
        &["\"1970-01-01T00:00:01Z\""],
        "timestamp.lt",
    );
    time(
        "timestamp.gte = {seconds: 1}",
        &["\"1970-01-01T00:00:01Z\""],
        &["\"1969-12-31T00:00:00Z\""],
        "timestamp.gte",
    );
    time(
        "timestamp.lt_now = true",
        &["\"2027-01-15T08:00:00Z\""],
        &["\"2027-01-15T08:00:01Z\""],
        "timestamp.lt_now",
    );
    time(
        "timestamp.gt_now = true",
        &["\"2027-01-15T08:00:01Z\""],
        &["\"2026-01-15T08:00:00Z\""],
        "timestamp.gt_now",
    );
    time(
        "timestamp.within = {seconds: 60}",
        &["\"2027-01-15T08:00:59Z\""],
        &["\"2027-01-15T08:02:00Z\"", "\"2027-01-15T07:58:00Z\""],
        "timestamp.within",
    );
    let span = |rule: &str, right: &[&str], wrong: &[&str], id: &str| {
        tell("google.protobuf.Duration", rule, right, wrong, id);
    };
    span(
        "duration.gt = {seconds: 1} & duration.lte = {seconds: 2}",
        &["\"2s\""],
        &["\"1s\"", "\"2.1s\"", "\"-5s\""],
        "duration.gt_lte",
    );
    span(
        "duration.in = {seconds: 1}",
        &["\"1s\""],
        &["\"2s\""],
        "duration.in",
    );
    span(
        "duration.not_in = {seconds: 1}",
        &["\"2s\""],
        &["\"1s\""],
        "duration.not_in",
    );
    let any = |name: &str| format!("{{\"@type\": \"type.googleapis.com/t.{name}\"}}");
    let (bare, inner) = (any("Bare"), any("Inner"));
    tell(
        "google.protobuf.Any",
        "any.in = \"type.googleapis.com/t.Bare\"",
        &[&bare],
        &[&inner],
        "any.in",
    );
    tell(
        "google.protobuf.Any",
        "any.not_in = \"type.googleapis.com/t.Bare\"",
        &[&inner],
        &[&bare],
        "any.not_in",
    );
    tell(
        "google.protobuf.FieldMask",
        "field_mask.const = {paths: [\"a\"]}",
        &["\"a\""],
        &["\"\"", "\"a,b\""],
        "field_mask.const",
    );
    tell(
        "google.protobuf.FieldMask",
        "field_mask.in = \"a\"",
        &["\"\"", "\"a.b\""],
        &["\"ab\""],
        "field_mask.in",
    );
    tell(
        "google.protobuf.FieldMask",
        "field_mask.not_in = \"a\"",
        &["\"ab\""],
        &["\"b,a.b\""],
        "field_mask.not_in",
    );
    tell(
        "google.protobuf.StringValue",
        "string.min_len = 1",
        &["\"a\""],
        &["\"\""],
        "string.min_len",
    );
    tell(
        "google.protobuf.UInt64Value",
        "uint64.gt = 5",
        &["6"],
        &["5", "0"],
        "uint64.gt",
    );
}
