//! Whose the folder is, and whose the file.

use std::fs;

use tempfile::TempDir;
use trunkline_sdk::Remedy;

use super::*;

#[tokio::test]
async fn a_second_process_is_told_who_holds_the_folder() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    // when
    let fault = refused(&folder);
    // then
    assert_eq!(fault.remedy, Remedy::Stop);
    let holder = format!("process {} since 20", std::process::id());
    assert!(fault.what.contains(&holder), "{fault}");
    assert!(fault.hint.is_some());
    // when
    bus.close().await;
    // then
    opened(&folder).await.close().await;
}

#[tokio::test]
async fn a_bus_dropped_without_a_word_leaves_its_folder_free() {
    let folder = TempDir::new().unwrap();
    drop(opened(&folder).await);
    opened(&folder).await.close().await;
}

#[tokio::test]
async fn a_file_of_a_newer_version_or_another_program_is_refused_and_left_as_it_is() {
    // given
    let folder = TempDir::new().unwrap();
    opened(&folder).await.close().await;
    for (pragma, told) in [
        ("user_version = 7", "its form is 7, this one knows 4"),
        ("application_id = 42", "not one of trunkline's"),
    ] {
        file(&folder).execute_batch(&format!("PRAGMA {pragma}")).unwrap();
        let before = fs::read(Store::path(folder.path())).unwrap();
        // when
        let fault = refused(&folder);
        // then
        assert_eq!(fault.remedy, Remedy::Stop);
        assert!(fault.what.contains(told), "{fault}");
        assert_eq!(fs::read(Store::path(folder.path())).unwrap(), before);
    }
}

#[tokio::test]
async fn what_is_no_database_or_no_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(Store::path(folder.path()), "a letter to my aunt ".repeat(1000)).unwrap();
    let fault = refused(&folder);
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(fault.what.contains("is no database"), "{fault}");
    let inside_a_file = Store::path(folder.path()).join("bus");
    let fault = EmbeddedBus::open(&inside_a_file).expect_err("a file is in the way");
    assert_eq!(fault.remedy, Remedy::Stop);
}

#[tokio::test]
async fn the_folder_and_the_file_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    // given
    let place = TempDir::new().unwrap();
    let folder = place.path().join("a/b");
    // when
    let bus = EmbeddedBus::open(&folder).unwrap();
    bus.declare(&landscape()).await.unwrap();
    // then
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&Store::path(&folder)), 0o600);
    assert_eq!(mode(&folder.join("bus.db-wal")), 0o600);
    bus.close().await;
}

#[tokio::test]
async fn a_file_of_an_earlier_form_is_carried_over() {
    let earlier = [
        "DROP TABLE memory; DROP TABLE suspects; DROP TABLE process; ALTER TABLE queues DROP COLUMN takes; \
         PRAGMA user_version = 1;",
        "DROP TABLE memory; ALTER TABLE queues DROP COLUMN takes; PRAGMA user_version = 2;",
        "DROP TABLE memory; PRAGMA user_version = 3;",
    ];
    for form in earlier {
        // given
        let folder = TempDir::new().unwrap();
        let bus = opened(&folder).await;
        publish(&bus, 10).await;
        bus.close().await;
        file(&folder).execute_batch(form).unwrap();
        assert_eq!(differences(folder.path(), &landscape()).unwrap(), [], "{form}");
        // when
        let bus = opened(&folder).await;
        // then
        let mut subscription = bus.subscribe(&queue(), 10).await.unwrap();
        let received = receive(&mut subscription, 10).await;
        settle(&bus, received).await;
        subscription.close().await;
        bus.close().await;
        opened(&folder).await.close().await;
    }
}
