//! Every rule, with values that keep it and values that break it. A value is the JSON of field `v`; what is broken is
//! told as `path: rule`, without `v` where it is the field itself.

mod messages;
mod quick;
mod values;

use prost_reflect::{DescriptorPool, DynamicMessage, prost::Message as _};
use std::time::{Duration, SystemTime};

use super::{Rules, Wrong, nanos, walk};

/// The file around a message `M` of these lines.
fn compile(lines: &str) -> Result<(DescriptorPool, Option<Rules>), Vec<Wrong>> {
    let text = format!(
        "syntax = \"proto3\";\npackage t;\nimport \"buf/validate/validate.proto\";\n\
         import \"google/protobuf/timestamp.proto\";\nimport \"google/protobuf/duration.proto\";\n\
         import \"google/protobuf/any.proto\";\nimport \"google/protobuf/wrappers.proto\";\n\
         import \"google/protobuf/field_mask.proto\";\n\
         enum E {{ E_UNSPECIFIED = 0; E_ONE = 1; E_TWO = 2; }}\n\
         message Inner {{ string a = 1 [(buf.validate.field).string.min_len = 2]; Inner deeper = 2; }}\n\
         message Bare {{ string a = 1; Bare deeper = 2; }}\n\
         message M {{\n{lines}\n}}\n"
    );
    let mut pool = trunkline_proto::descriptor_pool().clone();
    for name in ["any", "wrappers", "field_mask"] {
        let known = DescriptorPool::global().get_file_by_name(&format!("google/protobuf/{name}.proto"));
        let file = known.expect("it is Google's").file_descriptor_proto().clone();
        pool.add_file_descriptor_proto(file)
            .expect("it builds on nothing");
    }
    let file = protox_parse::parse("t.proto", &text).unwrap_or_else(|error| panic!("{error:?}\n{lines}"));
    pool.add_file_descriptor_proto(file)
        .unwrap_or_else(|error| panic!("{error:?}\n{lines}"));
    let message = pool.get_message_by_name("t.M").expect("it is there");
    Rules::compile(&message).map(|rules| (pool.clone(), rules))
}

/// A message in JSON, encoded.
fn encode(pool: &DescriptorPool, json: &str) -> Vec<u8> {
    let message = pool.get_message_by_name("t.M").expect("it is there");
    let mut reader = serde_json::Deserializer::from_str(json);
    let message =
        DynamicMessage::deserialize(message, &mut reader).unwrap_or_else(|error| panic!("{error}: {json}"));
    message.encode_to_vec()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn broken(lines: &str, json: &str) -> Vec<String> {
    let (pool, rules) = compile(lines).unwrap_or_else(|wrong| panic!("{wrong:?}\n{lines}"));
    let rules = rules.unwrap_or_else(|| panic!("there are no rules in {lines}"));
    let bytes = encode(&pool, json);
    let violations = rules.check(&bytes, now).expect("it was encoded here");
    // What comes twice is one message too; the quick look passes nothing that the walk finds.
    for bytes in [bytes.clone(), bytes.repeat(2)] {
        let checked = rules.check(&bytes, now);
        assert_eq!(
            checked,
            walk::check(&rules.messages, &bytes, nanos(now())),
            "{json}"
        );
    }
    let told = violations.told.iter().map(|violation| {
        let path = violation.path.strip_prefix('v').unwrap_or(&violation.path);
        format!(
            "{path}{}{}",
            if path.is_empty() { "" } else { ": " },
            violation.rule
        )
    });
    told.collect()
}

/// Of `type v = 1 [(buf.validate.field).rule]`: values that keep it, and values that break just it.
fn tell(declared: &str, rule: &str, right: &[&str], wrong: &[&str], id: &str) {
    let lines = format!("  {declared} v = 1 [{}];", options(rule));
    for value in right {
        assert_eq!(
            broken(&lines, &format!("{{\"v\": {value}}}")),
            [""; 0],
            "{lines} {value}"
        );
    }
    for value in wrong {
        assert_eq!(
            broken(&lines, &format!("{{\"v\": {value}}}")),
            [id],
            "{lines} {value}"
        );
    }
}

fn options(rules: &str) -> String {
    let all: Vec<_> = rules
        .split(" & ")
        .map(|rule| format!("(buf.validate.field).{rule}"))
        .collect();
    all.join(", ")
}
