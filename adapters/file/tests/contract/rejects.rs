//! What stands beside a finished file of which records were rejected.

use std::fs;

use trunkline_formats::Encoding;
use trunkline_sdk::{Body, Record, Value, contract::Desk};

use crate::folder::{Folder, Format, body};

/// Rejects what has no `ok` in it, as a mapping would.
fn is_wrong(record: &Record) -> bool {
    let text = match &record.body {
        Body::Value(value) => trunkline_formats::json::write(value),
        Body::Bytes { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
    };
    record.unreadable.is_some() || !text.contains("ok")
}

async fn run(folder: &Folder) -> Desk {
    let desk = Desk::default();
    desk.park(is_wrong);
    folder.run_once(&desk, None).await.unwrap();
    desk
}

impl Folder {
    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.content(name)).unwrap()
    }
}

const UNSAID: &str = "parked; the dead letters say why";

#[tokio::test]
async fn rejected_rows_stand_beside_their_file_as_they_came_and_can_be_dropped_when_mended() {
    // given
    let folder = Folder::with(&[("once", "true"), ("delimiter", ";")]);
    folder.drop_file(
        "a.csv",
        "\u{feff}id;note\r\n1;ok\r\n\r\n2; \"as\" it  came\r\n3;too;many\r\n4;\"two\nlines\"\r\n5;ok\r\n6;last",
    );
    // when
    run(&folder).await;
    // then
    assert_eq!(
        folder.names("done"),
        ["a.csv", "a.csv.reasons.csv", "a.csv.rejected"]
    );
    assert_eq!(
        folder.text("done/a.csv.rejected"),
        "\u{feff}id;note\r\n2; \"as\" it  came\r\n3;too;many\r\n4;\"two\nlines\"\r\n6;last"
    );
    let reasons = format!(
        "record,line,reason\r\n2,4,{UNSAID}\r\n\
         3,5,\"line 5, column 1: expected 2 fields as in the header, found 3\"\r\n4,6,{UNSAID}\r\n6,9,{UNSAID}\r\n"
    );
    assert_eq!(folder.text("done/a.csv.reasons.csv"), reasons);
    // when mended
    let mended = folder.text("done/a.csv.rejected").replace("too;many", "ok");
    folder.drop_file("mended.csv", mended);
    let desk = run(&folder).await;
    // then
    let told: Vec<_> = desk.accepted().iter().map(body).collect();
    assert_eq!(told[1], r#"value {"id":"3","note":"ok"}"#);
    assert_eq!(told.len(), 4);
}

#[tokio::test]
async fn rejected_elements_stand_in_what_stood_around_them() {
    // given
    let folder = Folder::of(
        Format::Xml,
        r#"{"poll":"10ms","once":true,"record":"Orders/Order"}"#,
    );
    let text = "<?xml version=\"1.0\" encoding=\"windows-1252\"?>\n<o:Orders xmlns:o=\"urn:o\"><From>Käse</From>\n\
        <!-- one --><o:Order><n>ok</n></o:Order>\n<o:Order><n>5 €</n></o:Order><o:Order>&no;</o:Order>\n\
        <o:Order><n>ok</n></o:Order><To/>\n</o:Orders>\n";
    folder.drop_file("a.xml", Encoding::Windows1252.encode(text).unwrap());
    // when
    run(&folder).await;
    // then
    let expected = "<?xml version=\"1.0\" encoding=\"windows-1252\"?>\n<o:Orders xmlns:o=\"urn:o\"><From>Käse</From>\n\
        <!-- one --><o:Order><n>5 €</n></o:Order><o:Order>&no;</o:Order><To/>\n</o:Orders>\n";
    let rejected = folder.content("done/a.xml.rejected");
    assert_eq!(rejected, Encoding::Windows1252.encode(expected).unwrap().as_ref());
}

#[tokio::test]
async fn rejected_lines_and_columns_stand_beside_their_files_too() {
    // given
    let lines = Folder::with(&[("once", "true")]);
    lines.drop_file(
        "a.jsonl",
        "{\"a\":\"ok\"}\n\n {\"a\": 1}\n{wrong\n{\"b\":\"ok\"}\n",
    );
    let fixed = Folder::of(
        Format::Fixed,
        r#"{"poll":"10ms","once":true,"format":"fixed","pattern":"*.txt","line_ends":false,"record_length":4,
            "encoding":"cp500","fields":[{"name":"a","length":4}]}"#,
    );
    fixed.drop_file("a.txt", Encoding::Cp500.encode("ok 1bad2ok 3bad4").unwrap());
    let packed = Folder::with(&[("once", "true")]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let rows: String = (0..50_000)
        .map(|n| format!("{n},{}\n", if n % 20_000 == 7 { "bad" } else { "ok" }))
        .collect();
    std::io::Write::write_all(&mut encoder, format!("id,note\n{rows}").as_bytes()).unwrap();
    packed.drop_file("a.csv.gz", encoder.finish().unwrap());
    // when
    run(&lines).await;
    run(&fixed).await;
    run(&packed).await;
    // then
    assert_eq!(lines.text("done/a.jsonl.rejected"), " {\"a\": 1}\n{wrong\n");
    let bytes = fixed.content("done/a.txt.rejected");
    assert_eq!(bytes, Encoding::Cp500.encode("bad2bad4").unwrap().as_ref());
    assert_eq!(
        packed.text("done/a.csv.gz.rejected"),
        "id,note\n7,bad\n20007,bad\n40007,bad\n"
    );
}

#[tokio::test]
async fn a_file_of_which_nothing_is_accepted_is_set_aside_with_the_reasons() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("a.csv", "id,id\n1,2\n");
    folder.drop_file("b.csv", "id\nbad\nworse\n");
    folder.drop_file("c.csv", "id\n");
    // when
    run(&folder).await;
    // then: an empty file has nothing that could be wrong
    assert_eq!(folder.names("done"), ["c.csv"]);
    assert_eq!(
        folder.names("failed"),
        ["a.csv", "a.csv.reasons.csv", "b.csv", "b.csv.reasons.csv"]
    );
    assert_eq!(
        folder.text("failed/a.csv.reasons.csv"),
        "record,line,reason\r\n1,1,\"line 1, column 1: column 2 of the header has the name of an earlier one\"\r\n"
    );
}

#[tokio::test]
async fn what_was_rejected_before_a_crash_stands_there_after_it() {
    // given: killed behind record 6 of 10, of which 2 and 5 are wrong, as are 7 and 10
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file(
        "a.csv",
        "n\nok1\nbad2\nok3\nok4\nbad5\nok6\nbad7\nok8\nok9\nbad10\n",
    );
    let desk = Desk::default();
    desk.park(is_wrong);
    desk.close_after(6);
    let mut source = folder.source().await.unwrap();
    let outlet = desk.outlet();
    let run = tokio::spawn(async move { source.run(outlet, None).await });
    desk.wait_for(6).await;
    while !folder.notes("a.csv").1.contains("\"upto\":[6,") {
        tokio::task::yield_now().await;
    }
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    // and what the kill cut off
    let (path, noted) = folder.notes("a.csv");
    fs::write(path, noted + "{\"upto\":[7,8,0,4").unwrap();
    // when
    let again = Desk::default();
    again.park(is_wrong);
    let after = folder.run_once(&again, desk.safe_position()).await.unwrap();
    // then
    assert_eq!(after.len(), 4);
    assert_eq!(folder.text("done/a.csv.rejected"), "n\nbad2\nbad5\nbad7\nbad10\n");
    let reasons = folder.text("done/a.csv.reasons.csv");
    let numbers: Vec<_> = reasons
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(numbers, ["2", "5", "7", "10"]);
}

#[tokio::test]
async fn a_crash_while_a_file_is_moved_away_is_made_good_under_the_same_name() {
    // given: all was sent and noted, the name was kept, and one of the two was written in part
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("a.csv", "n\nok1\nbad2\n");
    let resume = run(&folder).await.safe_position();
    fs::rename(
        folder.path().join("done/a.csv"),
        folder.path().join("processing/a.csv"),
    )
    .unwrap();
    fs::remove_dir_all(folder.path().join("done")).unwrap();
    fs::create_dir(folder.path().join("done")).unwrap();
    for name in ["a.csv", "a.csv.rejected"] {
        fs::write(folder.path().join("done").join(name), "").unwrap();
    }
    let hash = blake3::hash(b"n\nok1\nbad2\n").to_hex()[..32].to_owned();
    let place = trunkline_formats::json::read(&resume.as_ref().unwrap().0)
        .unwrap()
        .into_owned();
    let number = |name: &str| match place.get(name) {
        Some(Value::Number(digits)) => digits.to_string(),
        _ => panic!("a position has `{name}`"),
    };
    let upto = ["records", "lines", "column", "offset"].map(number).join(",");
    let text = format!(
        "{{\"hash\":\"{hash}\"}}\n{{\"upto\":[{upto}],\"accepted\":1,\"rejected\":[[2,3,6,11,\"no\"]]}}\n\
         {{\"target\":\"done/a.csv\"}}\n"
    );
    let begun = fs::metadata(folder.path().join("processing/a.csv")).unwrap();
    let number = std::os::unix::fs::MetadataExt::ino(&begun);
    let notes = format!("processing/.a.csv.{number:x}.verdicts");
    fs::write(folder.path().join(notes), text).unwrap();
    // when
    let after = folder.run_once(&Desk::default(), resume).await.unwrap();
    // then
    assert!(after.is_empty());
    assert_eq!(
        folder.names("done"),
        ["a.csv", "a.csv.reasons.csv", "a.csv.rejected"]
    );
    assert_eq!(folder.text("done/a.csv.rejected"), "n\nbad2\n");
    assert_eq!(folder.text("done/a.csv"), "n\nok1\nbad2\n");
    assert_eq!(folder.names("processing"), [""; 0]);
}
