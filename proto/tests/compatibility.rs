//! What breaks an old model is refused, each change by its name; what is harmless is not.

use std::path::Path;

use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
use trunkline_proto::compatibility::{BreakingChange, ChangeKind, breaking_changes};

/// A small model with one of each thing that can break.
const OLD: &str = r#"
syntax = "proto3";
package acme.v1;
import "buf/validate/validate.proto";
message Parcel {
  reserved 90 to 95;
  reserved "colour";
  string parcel_id = 1 [(buf.validate.field).required = true];
  uint32 weight_grams = 2;
  Carrier carrier = 3;
  repeated string notes = 4;
  map<string, int32> counts = 5;
  optional string floor = 6;
  oneof place { string shop = 7; string locker = 8; }
  Box box = 9;
  message Box { uint32 width = 1; }
}
message Pallet { string pallet_id = 1; }
enum Carrier {
  reserved 7;
  CARRIER_UNSPECIFIED = 0;
  CARRIER_POST = 1;
  CARRIER_BIKE = 2;
}
"#;

struct Planted {
    name: &'static str,
    source: String,
}

impl FileResolver for Planted {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == self.name {
            File::from_source(name, &self.source)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

fn pool_of(name: &'static str, source: &str) -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Planted {
        name,
        source: source.to_owned(),
    });
    resolver.add(IncludeFileResolver::new(
        Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(),
    ));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_file(name)
        .expect("the planted model compiles");
    compiler.descriptor_pool()
}

/// What breaks when each of `edits`, a text of the old model and what replaces it, is made.
fn broken_by(edits: &[(&str, &str)]) -> Vec<BreakingChange> {
    let mut new = OLD.to_owned();
    for (before, after) in edits {
        assert_eq!(
            new.matches(before).count(),
            1,
            "`{before}` must be in the old model once"
        );
        new = new.replace(before, after);
    }
    breaking_changes(&pool_of("acme.proto", OLD), &pool_of("acme.proto", &new))
}

/// Element and kind of each change, for comparing at a glance.
fn named(changes: &[BreakingChange]) -> Vec<(&str, ChangeKind)> {
    changes
        .iter()
        .map(|change| (change.element.as_str(), change.kind))
        .collect()
}

#[test]
fn the_same_model_breaks_nothing() {
    assert_eq!(broken_by(&[]), []);
}

#[test]
fn additions_comments_and_a_lifted_requirement_are_harmless() {
    // given
    let edits = [
        (
            "  Box box = 9;",
            "  Box box = 9; // the inner one\n  string label = 10;\n  repeated Parcel inner = 11;",
        ),
        ("  CARRIER_BIKE = 2;", "  CARRIER_BIKE = 2;\n  CARRIER_TRAIN = 3;"),
        (" [(buf.validate.field).required = true]", ""),
        ("string locker = 8;", "string locker = 8; string neighbour = 12;"),
        ("reserved 90 to 95;", "reserved 90 to 92, 93 to 99;"),
        (
            "message Pallet {",
            "message Truck { string plate = 1 [(buf.validate.field).required = true]; }\nmessage Pallet {",
        ),
    ];

    // when
    let broken = broken_by(&edits);

    // then
    assert_eq!(broken, []);
}

#[test]
fn a_removed_field_breaks_unless_its_number_and_name_are_reserved() {
    // given
    let field = "  uint32 weight_grams = 2;";

    // when
    let bare = broken_by(&[(field, "")]);
    let half = broken_by(&[(field, "  reserved 2;")]);
    let whole = broken_by(&[(field, "  reserved 2;\n  reserved \"weight_grams\";")]);

    // then
    assert_eq!(
        named(&bare),
        [("acme.v1.Parcel.weight_grams", ChangeKind::Removed)]
    );
    assert_eq!(
        bare[0].what,
        "is removed without `reserved 2;` and `reserved \"weight_grams\";`"
    );
    assert_eq!(half[0].what, "is removed without `reserved \"weight_grams\";`");
    assert_eq!(whole, []);
}

#[test]
fn a_required_field_can_not_be_removed_even_when_reserved() {
    let field = "  string parcel_id = 1 [(buf.validate.field).required = true];";
    let broken = broken_by(&[(field, "  reserved 1;\n  reserved \"parcel_id\";")]);
    assert_eq!(
        named(&broken),
        [("acme.v1.Parcel.parcel_id", ChangeKind::Removed)]
    );
}

#[test]
fn a_changed_number_is_refused() {
    let broken = broken_by(&[("weight_grams = 2;", "weight_grams = 12;")]);
    assert_eq!(
        named(&broken),
        [("acme.v1.Parcel.weight_grams", ChangeKind::Renumbered)]
    );
}

#[test]
fn a_changed_name_is_one_change_though_the_json_name_follows_it() {
    let broken = broken_by(&[("weight_grams = 2;", "weight = 2;")]);
    assert_eq!(
        named(&broken),
        [("acme.v1.Parcel.weight_grams", ChangeKind::Renamed)]
    );
}

#[test]
fn two_fields_that_swap_their_numbers_are_both_refused() {
    let broken = broken_by(&[
        ("string shop = 7;", "string shop = 8;"),
        ("string locker = 8;", "string locker = 7;"),
    ]);
    assert_eq!(
        named(&broken),
        [
            ("acme.v1.Parcel.locker", ChangeKind::Renumbered),
            ("acme.v1.Parcel.shop", ChangeKind::Renumbered)
        ]
    );
}

#[test]
fn a_number_taken_over_by_another_known_field_is_a_removal() {
    let broken = broken_by(&[
        ("  uint32 weight_grams = 2;", ""),
        ("Box box = 9;", "Box box = 2;"),
    ]);
    assert_eq!(
        named(&broken),
        [
            ("acme.v1.Parcel.box", ChangeKind::Renumbered),
            ("acme.v1.Parcel.weight_grams", ChangeKind::Removed)
        ]
    );
}

#[test]
fn a_changed_json_name_is_refused() {
    let broken = broken_by(&[("weight_grams = 2;", "weight_grams = 2 [json_name = \"grams\"];")]);
    assert_eq!(
        named(&broken),
        [("acme.v1.Parcel.weight_grams", ChangeKind::JsonName)]
    );
}

#[test]
fn a_changed_type_is_refused_for_scalars_messages_and_map_values() {
    // given
    let edits = [
        ("uint32 weight_grams", "uint64 weight_grams"),
        ("Box box = 9;", "Pallet box = 9;"),
        ("Carrier carrier = 3;", "uint32 carrier = 3;"),
        ("map<string, int32>", "map<string, int64>"),
    ];

    // when
    let broken = broken_by(&edits);

    // then
    assert_eq!(
        named(&broken),
        [
            ("acme.v1.Parcel.box", ChangeKind::Type),
            ("acme.v1.Parcel.carrier", ChangeKind::Type),
            ("acme.v1.Parcel.counts", ChangeKind::Type),
            ("acme.v1.Parcel.weight_grams", ChangeKind::Type),
        ]
    );
    assert_eq!(
        broken[0].what,
        "changed its type from `acme.v1.Parcel.Box` to `acme.v1.Pallet`"
    );
    assert_eq!(
        broken[2].what,
        "changed its type from `map<string, int32>` to `map<string, int64>`"
    );
}

#[test]
fn one_value_list_and_map_do_not_replace_each_other() {
    // given
    let edits = [
        ("repeated string notes", "string notes"),
        ("uint32 weight_grams", "repeated uint32 weight_grams"),
        ("map<string, int32> counts", "repeated int32 counts"),
    ];

    // when
    let broken = broken_by(&edits);

    // then
    assert_eq!(
        named(&broken),
        [
            ("acme.v1.Parcel.counts", ChangeKind::Cardinality),
            ("acme.v1.Parcel.notes", ChangeKind::Cardinality),
            ("acme.v1.Parcel.weight_grams", ChangeKind::Cardinality),
        ]
    );
}

#[test]
fn optional_is_neither_given_nor_taken() {
    let broken = broken_by(&[
        ("optional string floor", "string floor"),
        ("uint32 weight", "optional uint32 weight"),
    ]);
    assert_eq!(
        named(&broken),
        [
            ("acme.v1.Parcel.floor", ChangeKind::Presence),
            ("acme.v1.Parcel.weight_grams", ChangeKind::Presence)
        ]
    );
}

#[test]
fn a_field_neither_enters_nor_leaves_nor_changes_its_oneof() {
    // given
    let left = [("string locker = 8; }", "}\n  string locker = 8;")];
    let entered = [
        ("  Box box = 9;", ""),
        ("string locker = 8;", "string locker = 8; Box box = 9;"),
    ];
    let changed = [("oneof place", "oneof target")];

    // when, then
    assert_eq!(
        named(&broken_by(&left)),
        [("acme.v1.Parcel.locker", ChangeKind::Oneof)]
    );
    assert_eq!(
        named(&broken_by(&entered)),
        [("acme.v1.Parcel.box", ChangeKind::Oneof)]
    );
    assert_eq!(
        named(&broken_by(&changed)),
        [
            ("acme.v1.Parcel.locker", ChangeKind::Oneof),
            ("acme.v1.Parcel.shop", ChangeKind::Oneof)
        ]
    );
}

#[test]
fn nothing_becomes_required_by_rule_by_least_number_by_oneof_or_as_a_new_field() {
    // given
    let edits = [
        (
            "weight_grams = 2;",
            "weight_grams = 2 [(buf.validate.field).required = true];",
        ),
        (
            "notes = 4;",
            "notes = 4 [(buf.validate.field).repeated.min_items = 1];",
        ),
        (
            "counts = 5;",
            "counts = 5 [(buf.validate.field).map.min_pairs = 1];",
        ),
        (
            "oneof place {",
            "oneof place { option (buf.validate.oneof).required = true;",
        ),
        (
            "string pallet_id = 1;",
            "string pallet_id = 1; string owner = 2 [(buf.validate.field).required = true];",
        ),
    ];

    // when
    let broken = broken_by(&edits);

    // then
    assert_eq!(
        named(&broken),
        [
            ("acme.v1.Pallet.owner", ChangeKind::Required),
            ("acme.v1.Parcel.counts", ChangeKind::Required),
            ("acme.v1.Parcel.notes", ChangeKind::Required),
            ("acme.v1.Parcel.place", ChangeKind::Required),
            ("acme.v1.Parcel.weight_grams", ChangeKind::Required),
        ]
    );
}

#[test]
fn a_rule_that_is_ignored_requires_nothing() {
    let rules = "[(buf.validate.field).ignore = IGNORE_ALWAYS, (buf.validate.field).required = true]";
    let broken = broken_by(&[("weight_grams = 2;", &format!("weight_grams = 2 {rules};"))]);
    assert_eq!(broken, []);
}

#[test]
fn a_removed_message_is_one_change_with_all_that_is_in_it() {
    // given
    let nested = [(
        "  Box box = 9;\n  message Box { uint32 width = 1; }",
        "  reserved 9;\n  reserved \"box\";",
    )];
    let renamed = [("message Pallet", "message Skid")];

    // when, then
    assert_eq!(
        named(&broken_by(&nested)),
        [("acme.v1.Parcel.Box", ChangeKind::Removed)]
    );
    assert_eq!(
        named(&broken_by(&renamed)),
        [("acme.v1.Pallet", ChangeKind::Removed)]
    );
}

#[test]
fn a_message_around_another_takes_it_along() {
    let old = "syntax = \"proto3\"; package acme.v1; message A { message B { string c = 1; } enum D { D_NONE = 0; } }";
    let new = "syntax = \"proto3\"; package acme.v1;";
    let broken = breaking_changes(&pool_of("acme.proto", old), &pool_of("acme.proto", new));
    assert_eq!(named(&broken), [("acme.v1.A", ChangeKind::Removed)]);
}

#[test]
fn an_enum_value_is_not_removed_renamed_or_renumbered_even_when_reserved() {
    // given
    let removed = [(
        "  CARRIER_BIKE = 2;",
        "  reserved 2;\n  reserved \"CARRIER_BIKE\";",
    )];
    let renamed = [("CARRIER_BIKE", "CARRIER_BICYCLE")];
    let renumbered = [("CARRIER_BIKE = 2;", "CARRIER_BIKE = 3;")];

    // when, then
    let value = "acme.v1.Carrier.CARRIER_BIKE";
    assert_eq!(named(&broken_by(&removed)), [(value, ChangeKind::Removed)]);
    assert_eq!(named(&broken_by(&renamed)), [(value, ChangeKind::Renamed)]);
    assert_eq!(named(&broken_by(&renumbered)), [(value, ChangeKind::Renumbered)]);
}

#[test]
fn what_is_reserved_stays_reserved() {
    // given
    let edits = [
        ("  reserved 90 to 95;", "  reserved 90 to 93, 95;"),
        ("  reserved \"colour\";", ""),
        ("  reserved 7;", ""),
    ];

    // when
    let broken = broken_by(&edits);

    // then
    let said: Vec<(&str, &str)> = broken
        .iter()
        .map(|change| (change.element.as_str(), change.what.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("acme.v1.Carrier", "no longer says `reserved 7;`"),
            ("acme.v1.Parcel", "no longer says `reserved \"colour\";`"),
            ("acme.v1.Parcel", "no longer says `reserved 90 to 95;`"),
        ]
    );
    assert!(broken.iter().all(|change| change.kind == ChangeKind::Unreserved));
}

#[test]
fn a_message_that_moves_to_another_file_breaks_those_who_import_it() {
    // given
    let old = "syntax = \"proto3\"; package acme.v1; message A { string b = 1; } enum C { C_NONE = 0; }";

    // when
    let broken = breaking_changes(&pool_of("one.proto", old), &pool_of("two.proto", old));

    // then
    assert_eq!(
        named(&broken),
        [("acme.v1.A", ChangeKind::Moved), ("acme.v1.C", ChangeKind::Moved)]
    );
}

#[test]
fn an_option_of_our_own_keeps_its_number_and_type() {
    // given
    let model = |declaration: &str| {
        let head = "syntax = \"proto3\"; package acme.v1; import \"google/protobuf/descriptor.proto\";";
        let source = format!("{head} extend google.protobuf.FieldOptions {{ {declaration} }}");
        pool_of("acme.proto", &source)
    };

    // when, then
    let old = model("bool secret = 50200;");
    let element = "acme.v1.secret";
    assert_eq!(
        named(&breaking_changes(&old, &model("bool secret = 50201;"))),
        [(element, ChangeKind::Renumbered)]
    );
    assert_eq!(
        named(&breaking_changes(&old, &model("string secret = 50200;"))),
        [(element, ChangeKind::Type)]
    );
    assert_eq!(
        named(&breaking_changes(&old, &model("bool other = 50200;"))),
        [(element, ChangeKind::Removed)]
    );
}

#[test]
fn all_changes_are_told_at_once_each_with_its_file_and_a_hint() {
    // given
    let edits = [
        ("uint32 weight_grams", "uint64 weight_grams"),
        ("CARRIER_BIKE = 2;", "CARRIER_BIKE = 3;"),
        ("message Pallet { string pallet_id = 1; }", ""),
    ];

    // when
    let lines: Vec<String> = broken_by(&edits).iter().map(ToString::to_string).collect();

    // then
    assert_eq!(
        lines,
        [
            "acme.proto: `acme.v1.Carrier.CARRIER_BIKE` changed its number from 2 to 3; \
             hint: give it back its number; new elements take unused ones",
            "acme.proto: `acme.v1.Pallet` is removed: no such message any more; hint: keep it and mark it \
             `deprecated = true`; an optional field may go once its number and name are reserved",
            "acme.proto: `acme.v1.Parcel.weight_grams` changed its type from `uint32` to `uint64`; \
             hint: keep the field as it was and add one with a new name and number",
        ]
    );
}
