//! Times in the zone that is declared for what comes in or goes out.

use trunkline::mapping::{Environment, Input, Mapping, NoFacts, Source, This, Translated};
use trunkline_sdk::Fault;

use crate::{environment, json};

const RECORD: &str = r#"{"at": "2026-07-01 12:00", "german": "01.07.2026 12:00", "z": "2026-03-01T12:30:00+01:00",
  "seconds": 1782900000}"#;

/// What an expression gives of the record, as text.
fn given(zone: Option<&str>, expression: &str) -> Result<String, Fault> {
    let environment = Environment {
        zone,
        ..environment(This::Record)
    };
    let source = Source::file("a.cel", format!("{{'x': {expression}}}"));
    let mapping = Mapping::compile(&source, &environment, None).expect("it is right");
    match mapping.run(Input::Record(&json(RECORD)), &NoFacts)? {
        Translated::Record(record) => Ok(trunkline_formats::json::write(&record)),
        Translated::Message(_) => panic!("a map is a record"),
    }
}

#[test]
fn a_function_that_is_given_no_zone_takes_the_declared_one() {
    for (expression, expected) in [
        // A text without an offset is a time there; one that has its offset keeps it, and so do seconds.
        ("timestamp(this.at)", "2026-07-01T10:00:00Z"),
        ("timestamp('2026-01-01 12:00')", "2026-01-01T11:00:00Z"),
        (
            "timestamp(this.german, 'DD.MM.YYYY hh:mm')",
            "2026-07-01T10:00:00Z",
        ),
        ("timestamp(this.z)", "2026-03-01T11:30:00Z"),
        ("timestamp(this.seconds)", "2026-07-01T10:00:00Z"),
        ("timestamp(1782900000)", "2026-07-01T10:00:00Z"),
        // Another zone goes before.
        ("timestamp(this.at, 'UTC')", "2026-07-01T12:00:00Z"),
        (
            "timestamp(this.german, 'DD.MM.YYYY hh:mm', '+03:00')",
            "2026-07-01T09:00:00Z",
        ),
        // The day of an instant is the day there; a day in a text is no instant.
        ("date(timestamp('2026-01-31T23:30:00Z'))", "2026-02-01"),
        ("date(timestamp('2026-01-31T23:30:00Z'), 'UTC')", "2026-01-31"),
        ("date('2026-01-31')", "2026-01-31"),
        ("date(this.german.substring(0, 10), 'DD.MM.YYYY')", "2026-07-01"),
    ] {
        let told = given(Some("Europe/Copenhagen"), expression).expect(expression);
        assert_eq!(told, format!("{{\"x\":\"{expected}\"}}"), "{expression}");
    }
    let hour = given(Some("Europe/Copenhagen"), "timestamp(this.z).getHours()");
    assert_eq!(hour.expect("it has one"), "{\"x\":12}");
    let hours = given(Some("Europe/Copenhagen"), "duration('90m').getHours()");
    assert_eq!(hours.expect("it has some"), "{\"x\":1}");
}

#[test]
fn without_a_declared_zone_a_time_says_its_own() {
    assert!(given(None, "timestamp(this.at)").is_err());
    let day = given(None, "date(timestamp('2026-01-31T23:30:00Z'))");
    assert_eq!(day.expect("it is a day in UTC"), "{\"x\":\"2026-01-31\"}");
}
