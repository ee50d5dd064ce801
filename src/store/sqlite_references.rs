//! Cross-references in the SQLite store.

use rusqlite::{OptionalExtension, TransactionBehavior, params};
use trunkline_sdk::Fault;

use super::{CrossReference, CrossReferences, Imported, Selection, SqliteStore};
use crate::mapping::{Direction, Found, Reference};

/// An id means one identity; an identity may have several ids in one system, until somebody mends that.
pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS xref (
        kind TEXT NOT NULL, system TEXT NOT NULL, id TEXT NOT NULL, identity TEXT NOT NULL,
        PRIMARY KEY (kind, system, id)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX IF NOT EXISTS xref_identity ON xref (kind, identity, system);";

impl CrossReferences for SqliteStore {
    fn find(&self, references: &[Reference]) -> Result<Vec<Found>, Fault> {
        self.with(|connection| {
            let mut identity = connection
                .prepare_cached("SELECT identity FROM xref WHERE kind = ?1 AND system = ?2 AND id = ?3")?;
            let mut local = connection.prepare_cached(
                "SELECT id FROM xref WHERE kind = ?1 AND system = ?2 AND identity = ?3 LIMIT 2",
            )?;
            let mut found = Vec::with_capacity(references.len());
            for reference in references {
                let statement = match reference.direction {
                    Direction::Identity => &mut identity,
                    Direction::Local => &mut local,
                };
                let key = params![&*reference.kind, &*reference.system, &*reference.id];
                let rows = statement.query_map(key, |row| row.get::<_, String>(0))?;
                let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
                found.push(match rows.as_slice() {
                    [] => Found::None,
                    [one] => Found::One(one.as_str().into()),
                    _ => Found::Several,
                });
            }
            Ok(found)
        })
    }

    fn set(&self, entries: &[CrossReference]) -> Result<Imported, Fault> {
        self.with(|connection| {
            let mut imported = Imported::default();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for entry in entries {
                let before = transaction
                    .prepare_cached("SELECT identity FROM xref WHERE kind = ?1 AND system = ?2 AND id = ?3")?
                    .query_row([&entry.kind, &entry.system, &entry.id], |row| {
                        row.get::<_, String>(0)
                    })
                    .optional()?;
                match before {
                    None => imported.added += 1,
                    Some(before) if before == entry.identity => {
                        imported.same += 1;
                        continue;
                    }
                    Some(_) => imported.changed += 1,
                }
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO xref (kind, system, id, identity) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute([&entry.kind, &entry.system, &entry.id, &entry.identity])?;
            }
            transaction.commit()?;
            Ok(imported)
        })
    }

    fn list(&self, selection: Selection<'_>, most: usize) -> Result<Vec<CrossReference>, Fault> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT system, kind, id, identity FROM xref
                 WHERE (?1 IS NULL OR system = ?1) AND (?2 IS NULL OR kind = ?2)
                   AND (?3 IS NULL OR id = ?3) AND (?4 IS NULL OR identity = ?4)
                 ORDER BY kind, identity, system, id LIMIT ?5",
            )?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let key = params![
                selection.system,
                selection.kind,
                selection.id,
                selection.identity,
                most
            ];
            let rows = statement.query_map(key, |row| {
                Ok(CrossReference {
                    system: row.get(0)?,
                    kind: row.get(1)?,
                    id: row.get(2)?,
                    identity: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    fn remove(&self, system: &str, kind: &str, id: &str) -> Result<bool, Fault> {
        self.with(|connection| {
            connection
                .prepare_cached("DELETE FROM xref WHERE kind = ?1 AND system = ?2 AND id = ?3")?
                .execute([kind, system, id])
                .map(|removed| removed > 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(system: &str, id: &str, identity: &str) -> CrossReference {
        CrossReference {
            system: system.to_owned(),
            kind: "customer".to_owned(),
            id: id.to_owned(),
            identity: identity.to_owned(),
        }
    }

    fn ask(direction: Direction, system: &str, id: &str) -> Reference {
        Reference {
            direction,
            system: system.into(),
            kind: "customer".into(),
            id: id.into(),
        }
    }

    #[test]
    fn an_id_finds_its_identity_and_the_identity_the_id_of_another_system() {
        // given
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        let entries = [
            entry("crm", "17", "c-1"),
            entry("erp", "K-0042", "c-1"),
            entry("erp", "K-0043", "c-2"),
        ];
        let imported = store.set(&entries).unwrap();
        assert_eq!((imported.added, imported.changed, imported.same), (3, 0, 0));
        // when
        let asked = [
            ask(Direction::Identity, "crm", "17"),
            ask(Direction::Local, "erp", "c-1"),
            ask(Direction::Identity, "crm", "18"),
        ];
        // then
        let one = |text: &str| Found::One(text.into());
        assert_eq!(
            store.find(&asked).unwrap(),
            [one("c-1"), one("K-0042"), Found::None]
        );
    }

    #[test]
    fn a_corrected_entry_replaces_the_wrong_one_and_several_ids_are_told() {
        // given
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        store
            .set(&[entry("erp", "K-1", "c-1"), entry("erp", "K-2", "c-2")])
            .unwrap();
        // when
        let imported = store
            .set(&[entry("erp", "K-1", "c-1"), entry("erp", "K-2", "c-1")])
            .unwrap();
        // then
        assert_eq!((imported.added, imported.changed, imported.same), (0, 1, 1));
        assert_eq!(
            store.find(&[ask(Direction::Local, "erp", "c-1")]).unwrap(),
            [Found::Several]
        );
        assert!(store.remove("erp", "customer", "K-2").unwrap());
        assert!(!store.remove("erp", "customer", "K-2").unwrap());
        assert_eq!(
            store.find(&[ask(Direction::Local, "erp", "c-1")]).unwrap(),
            [Found::One("K-1".into())]
        );
        let selection = Selection {
            identity: Some("c-1"),
            ..Selection::default()
        };
        assert_eq!(store.list(selection, 10).unwrap(), [entry("erp", "K-1", "c-1")]);
    }
}
