//! What the source does with its files, and what `check` says of its options.

use std::{fs, path::Path};

use trunkline_file::File;
use trunkline_formats::Encoding;
use trunkline_sdk::{Adapter, Endpoint, Position, Record, Remedy, Settings, contract::Desk};

use crate::folder::{Folder, Format, attribute, body, settings};

#[tokio::test]
async fn files_are_read_in_name_order_and_moved_and_what_is_not_ours_stays() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("b.csv", "id,name\n7,Ann\n");
    folder.drop_file("a.ndjson", "{\"id\":10.10}\n\n{\"id\":2}");
    folder.drop_file("c.JSON", "{\"id\":\n3}");
    for name in [".hidden.csv", "half.csv.part", "half.csv.tmp", "sheet.xlsx"] {
        fs::write(folder.path().join(name), "id\n1\n").unwrap();
    }
    fs::create_dir(folder.path().join("folder.csv")).unwrap();
    let outside = folder.home.path().join("outside.csv");
    fs::write(&outside, "id\n1\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, folder.path().join("link.csv")).unwrap();
    // when
    let records = folder.run_once(&Desk::default(), None).await.unwrap();
    // then
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.subject.as_deref().unwrap(), body(record)))
        .collect();
    let expected = [
        ("a.ndjson#1", r#"application/json {\"id\":10.10}"#),
        ("a.ndjson#2", r#"application/json {\"id\":2}"#),
        ("b.csv#1", r#"value {"id":"7","name":"Ann"}"#),
        ("c.JSON#1", r#"application/json {\"id\":\n3}"#),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(subject, body)| (*subject, (*body).to_owned()))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(attribute(&records[1], "file.name"), Some("a.ndjson"));
    assert_eq!(attribute(&records[1], "file.record"), Some("2"));
    assert_eq!(attribute(&records[1], "file.line"), Some("3"));
    let modified = fs::metadata(folder.path().join("done/b.csv"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(records[2].time, Some(modified));
    assert_eq!(folder.names("done"), ["a.ndjson", "b.csv", "c.JSON"]);
    assert!(
        folder.names("").contains(&"sheet.xlsx".to_owned())
            && folder.names("").contains(&".hidden.csv".to_owned())
    );
    assert!(outside.exists());
}

#[tokio::test]
async fn what_cannot_be_framed_is_sent_raw_with_its_fault_and_the_rest_goes_on() {
    // given
    let folder = Folder::with(&[("once", "true"), ("max_record", "20B"), ("delimiter", ";")]);
    folder.drop_file(
        "a.csv",
        b"id;name\n1;Ann\n2\n3;\xff\n4;a name that is too long\n5;Bob\n",
    );
    folder.drop_file("b.csv", "id;id\n1;2\n");
    folder.drop_file("c.jsonl", "{\"a\":\"123456789012345\"}\n{}\n");
    folder.drop_file("d.json", "[1,2,3,4,5,6,7,8,9,10]");
    // when
    let records = folder.run_once(&Desk::default(), None).await.unwrap();
    // then
    let told: Vec<_> = records
        .iter()
        .map(|record| (body(record), record.unreadable.clone().unwrap_or_default()))
        .collect();
    let expected = [
        (r#"value {"id":"1","name":"Ann"}"#, ""),
        (
            "text/csv 2",
            "line 3, column 1: expected 2 fields as in the header, found 1",
        ),
        ("text/csv 3;\u{fffd}", "line 4, column 3: expected UTF-8"),
        (
            "application/octet-stream 4;a name that is too",
            "line 5, column 1: the line is longer than 20 B",
        ),
        (r#"value {"id":"5","name":"Bob"}"#, ""),
        (
            "text/csv id;id",
            "line 1, column 1: column 2 of the header has the name of an earlier one",
        ),
        (
            r#"application/octet-stream {\"a\":\"12345678901234"#,
            "line 1, column 1: the line is longer than 20 B",
        ),
        ("application/json {}", ""),
        (
            "application/octet-stream [1,2,3,4,5,6,7,8,9,1",
            "line 1, column 1: the file is larger than `max_record`",
        ),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(body, fault)| ((*body).to_owned(), (*fault).to_owned()))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(folder.names("done").len(), 4);
}

#[tokio::test]
async fn xml_and_fixed_width_are_read_as_their_options_say() {
    // given
    let options = r#"{"poll":"10ms","once":true,"record":"Orders/Order","lists":["Line"]}"#;
    let xml = Folder::of(Format::Xml, options);
    let text = "<?xml version=\"1.0\" encoding=\"windows-1252\"?>\n<Orders>\n<Order id=\"7\"><Line>5 €</Line></Order>\n\
                <Order>&nbsp;</Order>\n</Orders>\n";
    xml.drop_file("a.xml", Encoding::Windows1252.encode(text).unwrap());
    xml.drop_file("b.xml", "<!DOCTYPE x><Orders/>");
    xml.drop_file("c.xml", "<?xml version=\"1.0\" encoding=\"koi8-r\"?><Orders/>");
    let options = r#"{"poll":"10ms","once":true,"format":"fixed","pattern":"*.txt","encoding":"iso-8859-1",
        "types":{"H":[{"name":"kind","length":1},{"name":"date","length":8}],
                 "D":[{"name":"kind","length":1},{"name":"sku","length":5,"start":3},{"name":"price","length":6,"decimals":2}]},
        "type_columns":{"start":1,"length":1},"short_lines":true}"#;
    let fixed = Folder::of(Format::Fixed, options);
    fixed.drop_file("a.txt", b"H20261125\r\nD K\xe4se 001250\r\nD Milk xx\r\nX\r\n");
    // when
    let told = |records: Vec<Record>| -> Vec<(String, String)> {
        let tell = |record: &Record| (body(record), record.unreadable.clone().unwrap_or_default());
        records.iter().map(tell).collect()
    };
    let elements = told(xml.run_once(&Desk::default(), None).await.unwrap());
    let lines = told(fixed.run_once(&Desk::default(), None).await.unwrap());
    // then
    let expected = [
        (r#"value {"@id":"7","Line":["5 €"]}"#, ""),
        (
            "application/xml <Order>&nbsp;</Order>",
            "line 4, column 8: this `&` begins no entity that is known: `&lt;`, `&gt;`, `&amp;`, `&apos;`, `&quot;`, \
             or a number as in `&#233;`; a `&` by itself is written `&amp;`, in `Order`",
        ),
        (
            "application/octet-stream <!D",
            "line 1, column 1: document types are not read: what they declare could be anything",
        ),
        (
            r#"application/octet-stream <?xml version=\"1.0\" encoding=\"koi8-r\"?><Orders/>"#,
            "line 1, column 1: the declared encoding is none of those that are read",
        ),
    ];
    let owned = |(body, fault): &(&str, &str)| ((*body).to_owned(), (*fault).to_owned());
    assert_eq!(elements, expected.iter().map(owned).collect::<Vec<_>>());
    let expected = [
        (r#"value {"kind":"H","date":"20261125"}"#, ""),
        (r#"value {"kind":"D","sku":"Käse","price":12.50}"#, ""),
        (
            "text/plain D Milk xx",
            "line 3, column 8: `price` is no number: expected digits, with a sign before or behind them or none",
        ),
        (
            "text/plain X",
            "line 4, column 1: expected the word of a record type",
        ),
    ];
    assert_eq!(lines, expected.iter().map(owned).collect::<Vec<_>>());
    assert_eq!(xml.names("done").len(), 3);
}

#[tokio::test]
async fn a_finished_file_is_never_overwritten() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    // when
    for content in ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"] {
        folder.drop_file("orders.jsonl", content);
        folder.run_once(&Desk::default(), None).await.unwrap();
    }
    // then
    assert_eq!(
        folder.names("done"),
        ["orders.2.jsonl", "orders.3.jsonl", "orders.jsonl"]
    );
    let second = fs::read_to_string(folder.path().join("done/orders.2.jsonl")).unwrap();
    assert_eq!(second, "{\"n\":2}");
}

#[tokio::test]
async fn a_file_that_was_sent_before_the_crash_is_only_moved() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("orders.jsonl", "{}\n{}\n");
    let desk = Desk::default();
    folder.run_once(&desk, None).await.unwrap();
    fs::rename(
        folder.path().join("done/orders.jsonl"),
        folder.path().join("orders.jsonl"),
    )
    .unwrap();
    // when
    let again = folder
        .run_once(&Desk::default(), desk.safe_position())
        .await
        .unwrap();
    // then
    assert!(again.is_empty());
    assert_eq!(folder.names("done"), ["orders.jsonl"]);
}

#[tokio::test]
async fn a_file_that_was_changed_in_the_middle_stops_the_flow_and_a_new_one_of_its_name_does_not() {
    // given: a file of which a part was sent
    let folder = Folder::with(&[("once", "true")]);
    let desk = Desk::default();
    folder.drop_file("orders.jsonl", "{}\n{}\n{}\n");
    let all = folder.run_once(&desk, None).await.unwrap();
    let [middle, end] = [1, 2].map(|index: usize| all[index].position.clone());
    let begun = folder.path().join("processing/orders.jsonl");
    fs::write(&begun, "{}\n[]\n{}\n").unwrap();
    // when, then
    let fault = folder.run_once(&Desk::default(), middle).await.unwrap_err();
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(begun.exists());
    // when, then: the one before had been sent to its end
    fs::rename(begun, folder.path().join("orders.jsonl")).unwrap();
    let records = folder.run_once(&Desk::default(), end).await.unwrap();
    assert_eq!(records.len(), 3);
    assert!(
        records
            .iter()
            .all(|record| all.iter().all(|other| other.id != record.id))
    );
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_stops_the_flow_and_is_not_moved() {
    // given
    let folder = Folder::new();
    let desk = Desk::default();
    desk.close_after(1);
    folder.drop_file("orders.jsonl", "{}\n".repeat(1_000));
    let mut source = folder.source().await.unwrap();
    let outlet = desk.outlet();
    let run = tokio::spawn(async move { source.run(outlet, None).await });
    desk.wait_for(1).await;
    // when
    let path = folder.path().join("processing/orders.jsonl");
    let mut grown = fs::read(&path).unwrap();
    grown.extend_from_slice(b"{}\n");
    fs::write(&path, grown).unwrap();
    desk.open();
    // then
    let fault = run.await.unwrap().unwrap_err();
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(path.exists());
}

#[tokio::test]
async fn a_file_larger_than_all_buffers_arrives_whole_and_in_order() {
    // given: 40 MB in records of 10 kB
    let folder = Folder::with(&[("once", "true")]);
    let text = "x".repeat(10_000);
    let content: String = (0..4_000)
        .map(|n| format!("{{\"n\":{n},\"t\":\"{text}\"}}\n"))
        .collect();
    folder.drop_file("large.jsonl", content);
    // when
    let records = folder.run_once(&Desk::default(), None).await.unwrap();
    // then
    assert_eq!(records.len(), 4_000);
    assert!(
        records
            .iter()
            .enumerate()
            .all(|(n, record)| record.id.ends_with(&format!(":{}", n + 1)))
    );
}

#[tokio::test]
async fn a_missing_folder_and_a_foreign_position_stop_the_flow() {
    let opened = File
        .open(&Settings::of([("folder", "nowhere")]), Path::new("/"))
        .await;
    let fault = opened.err().unwrap();
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(fault.what.contains("/nowhere") && fault.hint.is_some(), "{fault}");

    let folder = Folder::new();
    let foreign = Position("{\"lsn\":17}".into());
    let fault = folder
        .run_once(&Desk::default(), Some(foreign))
        .await
        .unwrap_err();
    assert_eq!(fault.remedy, Remedy::Stop);
}

#[test]
fn check_refuses_two_flows_that_read_the_same_files() {
    // given
    let system = Settings::of([("folder", "in")]);
    let orders = Settings::of([("pattern", "orders-*.csv")]);
    let stock = Settings::of([("pattern", "stock-*.csv")]);
    let source = |settings| Endpoint::Source { settings };
    // when, then
    assert!(File.check(&system, &[source(&orders), source(&stock)]).is_empty());
    let problems = File.check(&system, &[source(&orders), source(&stock), source(&orders)]);
    assert_eq!(problems.len(), 1);
}

#[test]
fn check_refuses_options_that_make_no_sense_for_their_format() {
    let system = Settings::of([("folder", "in")]);
    let field = r#"{"name":"a","length":3}"#;
    let fixed = |more: &str| format!(r#"{{"format":"fixed","pattern":"*.txt",{more}}}"#);
    for (options, told) in [
        (r#"{"format":"xml"}"#.to_owned(), &["XML files need `record`"][..]),
        (
            r#"{"pattern":"a-*.xml"}"#.to_owned(),
            &["XML files need `record`"],
        ),
        (
            r#"{"lists":["Line"]}"#.to_owned(),
            &["`lists` is for XML files, which need `record`"],
        ),
        (
            r#"{"format":"xml","record":"a//b"}"#.to_owned(),
            &["`record`: `` is not the name of an element"],
        ),
        (
            r#"{"format":"xml","record":"n:a"}"#.to_owned(),
            &["`record`: `n:a` has a prefix: names are local names"],
        ),
        (
            r#"{"format":"csv","record":"a","lists":["b"]}"#.to_owned(),
            &[
                "`record` means nothing to the format `csv`",
                "`lists` means nothing to the format `csv`",
            ],
        ),
        (
            r#"{"pattern":"*.jsonl","encoding":"iso-8859-1"}"#.to_owned(),
            &["`encoding` means nothing to the format `json-lines`"],
        ),
        (
            r#"{"format":"csv","encoding":"cp037"}"#.to_owned(),
            &["this format is not read in EBCDIC"],
        ),
        (
            format!(r#"{{"fields":[{field}]}}"#),
            &["`fields` is for files of fixed width"],
        ),
        (
            r#"{"format":"fixed"}"#.to_owned(),
            &[
                "files of fixed width need `pattern`, for no extension tells them",
                "files of fixed width need `fields`",
            ],
        ),
        (
            fixed(r#""fields":[{"name":"a"}]"#),
            &["option `length` is missing"],
        ),
        (fixed(r#""fields":[]"#), &["there are no fields"]),
        (
            fixed(
                r#""fields":[{"name":"a","length":3},{"name":"b","start":3,"length":2},{"name":"a","length":1}]"#,
            ),
            &[
                "`b` (columns 3 to 4) overlaps `a` (1 to 3)",
                "there are two fields `a`",
            ],
        ),
        (
            fixed(
                r#""fields":[{"name":"a","length":3,"pad":"--"},{"name":"b","length":3,"type":"text","decimals":2}]"#,
            ),
            &["`pad` must be one character", "a text has no `decimals`"],
        ),
        (
            fixed(r#""fields":[{"name":"a","length":3,"type":"number","align":"left","pad":"0"}]"#),
            &["this `pad` could be taken for a part of the number"],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"record_length":2"#)),
            &["`record_length` is 2, but fields reach column 3"],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"record_length":2000000"#)),
            &["`record_length` is more than `max_record`"],
        ),
        (
            fixed(&format!(
                r#""fields":[{field}],"line_ends":false,"short_lines":true"#
            )),
            &[
                "records without line ends need `record_length`",
                "`short_lines` means nothing without line ends",
            ],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"encoding":"cp1047""#)),
            &["records in EBCDIC have no line ends"],
        ),
        (
            fixed(&format!(
                r#""fields":[{field}],"encoding":"utf-16le","columns":"bytes""#
            )),
            &["in UTF-16 columns are not bytes"],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"types":{{"a":[{field}]}}"#)),
            &["`fields` and `types` exclude each other"],
        ),
        (
            fixed(&format!(r#""types":{{"a":[{field}]}}"#)),
            &["`types` needs `type_columns`"],
        ),
        (
            fixed(&format!(
                r#""fields":[{field}],"type_columns":{{"start":1,"length":1}}"#
            )),
            &["`type_columns` needs `types`"],
        ),
        (
            fixed(&format!(
                r#""types":{{"a":[{field}]}},"type_columns":{{"start":1,"length":1}}"#
            )),
            &["type `a` has no field in the columns 1 to 1, which tell the type"],
        ),
    ] {
        let settings = settings(&options);
        let problems = File.check(&system, &[Endpoint::Source { settings: &settings }]);
        let problems = match trunkline_sdk::Options::read(File.describe().source.unwrap(), &settings) {
            Ok(_) => problems,
            // What the table of options says itself.
            Err(said) => said,
        };
        let whats: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(whats, told, "{options}");
        assert!(problems.iter().all(|problem| problem.hint.is_some()), "{options}");
    }
    let right = settings(&fixed(
        r#""types":{"a":[{"name":"t","length":1},{"name":"x","length":4}]},"type_columns":{"start":1,"length":1}"#,
    ));
    assert!(
        File.check(&system, &[Endpoint::Source { settings: &right }])
            .is_empty()
    );
}
