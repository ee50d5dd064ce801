//! What holds for the whole canonical model, so that it reads as if one person had written it.

use std::collections::BTreeMap;
use std::fs;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, FileDescriptor, Kind, Value};
use prost_types::Timestamp;
use trunkline_proto::commerce::v1::{Order, OrderLine, OrderStatus, StockMove};
use trunkline_proto::google::r#type::Money;
use trunkline_proto::options::v1::Privacy;
use trunkline_proto::party::v1::{Address, Customer};
use trunkline_proto::{descriptor_pool, privacy};

#[path = "../examples/generate.rs"]
mod generate;

/// Words that CEL or Rust keeps for itself: a field of such a name could not be written in a mapping or a program.
const RESERVED_WORDS: [&str; 43] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
    "async",
    "await",
    "crate",
    "dyn",
    "enum",
    "extern",
    "fn",
    "gen",
    "impl",
    "match",
    "mod",
    "move",
    "mut",
    "pub",
    "ref",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "type",
    "where",
];

fn our_files(pool: &DescriptorPool) -> Vec<FileDescriptor> {
    pool.files()
        .filter(|file| file.package_name().starts_with("trunkline."))
        .collect()
}

fn our_fields(pool: &DescriptorPool) -> Vec<FieldDescriptor> {
    our_files(pool)
        .iter()
        .flat_map(|file| file.messages().collect::<Vec<_>>())
        .flat_map(|message| message.fields().collect::<Vec<_>>())
        .collect()
}

/// The rule at `path` below `buf.validate.field`, such as `["string", "max_len"]`. None: not stated.
fn rule(field: &FieldDescriptor, path: &[&str]) -> Option<Value> {
    let extension = field.parent_pool().get_extension_by_name("buf.validate.field")?;
    let options = field.options();
    let mut value = options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).into_owned())?;
    for name in path {
        let message = value.as_message()?;
        let inner = message
            .has_field_by_name(name)
            .then(|| message.get_field_by_name(name))??
            .into_owned();
        value = inner;
    }
    Some(value)
}

fn states(field: &FieldDescriptor, path: &[&str]) -> bool {
    rule(field, path) == Some(Value::Bool(true))
}

#[test]
fn every_message_field_enum_and_value_has_a_comment() {
    // given
    let mut compiler = generate::compiler().expect("the .proto files compile");
    compiler.include_source_info(true);
    let set = compiler.file_descriptor_set();

    // when
    let mut silent = Vec::new();
    for file in set
        .file
        .iter()
        .filter(|file| file.package().starts_with("trunkline."))
    {
        let info = file.source_code_info.as_ref().expect("source info was asked for");
        let mut expect = |path: &[i32], name: String| {
            let place = info.location.iter().find(|location| location.path == path);
            if place.is_none_or(|place| place.leading_comments().trim().is_empty()) {
                silent.push(format!("{}: {name}", file.name()));
            }
        };
        for (index, message) in (0..).zip(&file.message_type) {
            expect(&[4, index], message.name().to_owned());
            for (inner, field) in (0..).zip(&message.field) {
                expect(
                    &[4, index, 2, inner],
                    format!("{}.{}", message.name(), field.name()),
                );
            }
        }
        for (index, enumeration) in (0..).zip(&file.enum_type) {
            expect(&[5, index], enumeration.name().to_owned());
            for (inner, value) in (0..).zip(&enumeration.value) {
                expect(&[5, index, 2, inner], value.name().to_owned());
            }
        }
        for (index, extension) in (0..).zip(&file.extension) {
            expect(&[7, index], extension.name().to_owned());
        }
    }

    // then
    assert!(silent.is_empty(), "without a comment:\n{}", silent.join("\n"));
}

#[test]
fn a_package_is_named_as_its_folder_and_has_a_version() {
    for file in our_files(descriptor_pool()) {
        let folder = file
            .name()
            .rsplit_once('/')
            .expect("no file lies at the root")
            .0
            .replace('/', ".");
        assert_eq!(file.package_name(), folder, "{}", file.name());
        assert!(folder.ends_with(".v1"), "{}", file.name());
    }
}

#[test]
fn a_message_is_known_by_its_short_name_alone() {
    // given
    let mut full_names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in descriptor_pool().all_messages() {
        let package = message.package_name();
        if package.starts_with("trunkline.") || package.starts_with("google.") {
            full_names
                .entry(message.name().to_owned())
                .or_default()
                .push(message.full_name().to_owned());
        }
    }

    // when
    full_names.retain(|_, names| names.len() > 1 && names.iter().any(|name| name.starts_with("trunkline.")));

    // then
    assert_eq!(full_names, BTreeMap::new());
}

#[test]
fn a_field_can_be_written_in_a_mapping_and_in_a_program() {
    for field in our_fields(descriptor_pool()) {
        let name = field.name();
        let snake = name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        assert!(
            snake && !name.contains("__"),
            "{} is not snake_case",
            field.full_name()
        );
        assert!(
            !RESERVED_WORDS.contains(&name),
            "{} is a reserved word",
            field.full_name()
        );
    }
}

#[test]
fn numbers_follow_the_order_of_writing_and_a_gap_is_reserved() {
    for file in our_files(descriptor_pool()) {
        for message in file.messages() {
            let mut next = 1;
            for field in &message.descriptor_proto().field {
                let number = u32::try_from(field.number()).unwrap();
                let reserved = |gap: u32| message.reserved_ranges().any(|range| range.contains(&gap));
                let in_order = number >= next && (next..number).all(reserved);
                assert!(in_order, "{}.{}", message.full_name(), field.name());
                next = number + 1;
            }
        }
        for enumeration in file.enums() {
            let numbers = enumeration.values().map(|value| value.number());
            assert!(
                numbers.eq((0..).take(enumeration.values().len())),
                "{}",
                enumeration.full_name()
            );
        }
    }
}

#[test]
fn an_enum_value_starts_with_its_enums_name_and_zero_is_unspecified() {
    for file in our_files(descriptor_pool()) {
        for enumeration in file.enums() {
            let mut prefix = String::new();
            for letter in enumeration.name().chars() {
                if letter.is_uppercase() && !prefix.is_empty() {
                    prefix.push('_');
                }
                prefix.push(letter.to_ascii_uppercase());
            }
            for value in enumeration.values() {
                assert!(
                    value.name().starts_with(&format!("{prefix}_")),
                    "{}",
                    value.full_name()
                );
                assert_eq!(
                    value.number() == 0,
                    value.name() == format!("{prefix}_UNSPECIFIED"),
                    "{}",
                    value.full_name()
                );
            }
        }
    }
}

#[test]
fn an_enum_field_takes_only_values_the_model_knows() {
    for field in our_fields(descriptor_pool())
        .iter()
        .filter(|field| matches!(field.kind(), Kind::Enum(_)))
    {
        assert!(states(field, &["enum", "defined_only"]), "{}", field.full_name());
    }
}

#[test]
fn an_id_is_text_of_at_most_255_characters() {
    for field in our_fields(descriptor_pool())
        .iter()
        .filter(|field| field.name().ends_with("_id"))
    {
        assert_eq!(field.kind(), Kind::String, "{}", field.full_name());
        let limit = if field.name() == "tax_id" { 40 } else { 255 };
        assert_eq!(
            rule(field, &["string", "max_len"]),
            Some(Value::U64(limit)),
            "{}",
            field.full_name()
        );
    }
}

#[test]
fn a_message_that_a_channel_carries_requires_its_own_id() {
    for (message, id) in [
        ("commerce.v1.Order", "order_id"),
        ("commerce.v1.Product", "product_id"),
        ("commerce.v1.StockLevel", "sku"),
        ("commerce.v1.StockMove", "sku"),
        ("finance.v1.Invoice", "invoice_id"),
        ("finance.v1.LedgerEntry", "entry_id"),
        ("finance.v1.Payment", "payment_id"),
        ("logistics.v1.Shipment", "shipment_id"),
        ("marketing.v1.Consent", "consent_id"),
        ("marketing.v1.Segment", "segment_id"),
        ("marketing.v1.SegmentMembership", "segment_id"),
        ("party.v1.Customer", "customer_id"),
        ("sales.v1.Contract", "contract_id"),
        ("sales.v1.Opportunity", "opportunity_id"),
        ("service.v1.Ticket", "ticket_id"),
    ] {
        let message = descriptor_pool()
            .get_message_by_name(&format!("trunkline.{message}"))
            .unwrap();
        let field = message.get_field(1).unwrap();
        assert_eq!(field.name(), id, "{}", message.full_name());
        assert!(states(&field, &["required"]), "{}", field.full_name());
    }
}

#[test]
fn a_rule_on_the_form_of_an_optional_text_leaves_it_optional() {
    for field in our_fields(descriptor_pool()) {
        let formed = ["pattern", "email", "uri", "ip"]
            .iter()
            .any(|form| rule(&field, &["string", form]).is_some());
        let if_zero = rule(&field, &["ignore"]) == Some(Value::EnumNumber(1));
        assert_eq!(
            formed && !states(&field, &["required"]),
            if_zero,
            "{}",
            field.full_name()
        );
    }
}

#[test]
fn the_inventory_of_personal_data_is_this() {
    // when
    let marked = |wanted: Privacy| -> Vec<String> {
        let fields = our_fields(descriptor_pool());
        let mut names: Vec<String> = fields
            .iter()
            .filter(|field| privacy(field) == wanted)
            .map(|field| format!("{}.{}", field.parent_message().name(), field.name()))
            .collect();
        names.sort();
        names
    };

    // then
    assert_eq!(
        marked(Privacy::Sensitive),
        ["Customer.birth_date", "Customer.tax_id", "Payment.iban"]
    );
    assert_eq!(
        marked(Privacy::Personal),
        [
            "Address.address_lines",
            "Address.email",
            "Address.name",
            "Address.phone",
            "Consent.contact",
            "Consent.ip_address",
            "Customer.email",
            "Customer.family_name",
            "Customer.given_name",
            "Customer.name",
            "Customer.phone",
            "Opportunity.owner_email",
            "Order.note",
            "Parcel.tracking_url",
            "Payment.card_last_digits",
            "Ticket.assignee_email",
            "Ticket.description",
            "Ticket.subject",
            "TicketComment.author",
            "TicketComment.text",
        ]
    );
}

#[test]
fn an_order_written_by_a_program_is_read_by_its_descriptor() {
    // given
    let crowns = |units| {
        Some(Money {
            currency_code: "DKK".into(),
            units,
            nanos: 500_000_000,
        })
    };
    let order = Order {
        order_id: "1001".into(),
        placed_at: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        status: OrderStatus::Paid.into(),
        buyer: Some(Customer {
            customer_id: "17".into(),
            email: "ada@acme.example".into(),
            ..Customer::default()
        }),
        lines: vec![OrderLine {
            sku: "BOOT-42".into(),
            quantity: 2,
            unit_price: crowns(199),
            ..OrderLine::default()
        }],
        ship_to: Some(Address {
            country_code: "DK".into(),
            ..Address::default()
        }),
        total: crowns(398),
        ..Order::default()
    };

    // when
    let descriptor = descriptor_pool()
        .get_message_by_name(&Order::full_name())
        .unwrap();
    let read = DynamicMessage::decode(descriptor, order.encode_to_vec().as_slice()).unwrap();

    // then
    let ship_to = read.get_field_by_name("ship_to").unwrap().into_owned();
    let country = ship_to
        .as_message()
        .unwrap()
        .get_field_by_name("country_code")
        .unwrap()
        .into_owned();
    assert_eq!(country, Value::String("DK".into()));
    assert_eq!(
        read.get_field_by_name("status").unwrap().into_owned(),
        Value::EnumNumber(4)
    );
    assert_eq!(read.transcode_to::<Order>().unwrap(), order);
    assert_eq!(read.unknown_fields().count(), 0);
}

#[test]
fn a_stock_move_of_an_order_line_needs_no_more_than_article_quantity_and_order() {
    // given
    let stock_move = descriptor_pool()
        .get_message_by_name(&StockMove::full_name())
        .unwrap();

    // when
    let required: Vec<String> = stock_move
        .fields()
        .filter(|field| states(field, &["required"]))
        .map(|field| field.name().to_owned())
        .collect();

    // then
    assert_eq!(required, ["sku", "quantity"]);
    assert_eq!(
        stock_move.get_field_by_name("order_id").unwrap().kind(),
        Kind::String
    );
}

#[test]
fn the_readme_names_every_message() {
    // given
    let readme = fs::read_to_string(generate::root().join("README.md")).expect("the README is committed");

    // when
    let missing: Vec<String> = our_files(descriptor_pool())
        .iter()
        .flat_map(|file| file.messages().collect::<Vec<_>>())
        .map(|message| format!("`{}`", message.name()))
        .filter(|name| !readme.contains(name))
        .collect();

    // then
    assert_eq!(missing, Vec::<String>::new());
}
