//! The pass over two models: what became of each message, field, enum and extension.

use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor,
};

use super::required::{required, required_oneof};
use super::reserved::Reserved;
use super::{BreakingChange, ChangeKind};

/// Packages of the protobuf language and of its rules, not of a model.
const NOT_COMPARED: [&str; 2] = ["google.protobuf", "buf.validate"];

/// One pass over the old model, looking for each element in the new one.
pub(super) struct Comparison<'a> {
    new: &'a DescriptorPool,
    found: Vec<BreakingChange>,
}

impl<'a> Comparison<'a> {
    /// Compares everything in `old`; what is found is sorted by file and element.
    pub(super) fn of(old: &DescriptorPool, new: &'a DescriptorPool) -> Vec<BreakingChange> {
        let compared = |file: FileDescriptor| !NOT_COMPARED.contains(&file.package_name());
        let mut comparison = Comparison {
            new,
            found: Vec::new(),
        };
        let messages = old.all_messages().filter(|message| !message.is_map_entry());
        for message in messages.filter(|message| compared(message.parent_file())) {
            comparison.message(&message);
        }
        for enumeration in old
            .all_enums()
            .filter(|enumeration| compared(enumeration.parent_file()))
        {
            comparison.enumeration(&enumeration);
        }
        for extension in old
            .all_extensions()
            .filter(|extension| compared(extension.parent_file()))
        {
            comparison.extension(&extension);
        }
        comparison.found.sort();
        comparison.found
    }

    fn message(&mut self, old: &MessageDescriptor) {
        let Some(new) = self.new.get_message_by_name(old.full_name()) else {
            self.removed(
                &old.parent_file(),
                old.full_name(),
                old.parent_message(),
                "message",
            );
            return;
        };
        self.moved(&old.parent_file(), &new.parent_file(), old.full_name());
        for field in old.fields() {
            self.field_of(&field, &new);
        }
        for field in new.fields() {
            let known =
                old.get_field(field.number()).is_some() || old.get_field_by_name(field.name()).is_some();
            if !known && required(&field) {
                self.report(
                    &old.parent_file(),
                    field.full_name(),
                    ChangeKind::Required,
                    "is new and required".to_owned(),
                );
            }
        }
        for oneof in new.oneofs().filter(required_oneof) {
            if !old
                .oneofs()
                .any(|before| before.name() == oneof.name() && required_oneof(&before))
            {
                let what = "became required".to_owned();
                self.report(&old.parent_file(), oneof.full_name(), ChangeKind::Required, what);
            }
        }
        self.reserved(
            &Reserved::of_message(old),
            &Reserved::of_message(&new),
            &old.parent_file(),
            old.full_name(),
        );
    }

    /// Finds what became of one field, by number and by name.
    fn field_of(&mut self, old: &FieldDescriptor, message: &MessageDescriptor) {
        let same_number = message.get_field(old.number());
        if let Some(new) = message.get_field_by_name(old.name()) {
            if new.number() != old.number() {
                let what = format!("changed its number from {} to {}", old.number(), new.number());
                self.report(&old.parent_file(), old.full_name(), ChangeKind::Renumbered, what);
            }
            self.field(old, &new);
            return;
        }
        // A number taken over by a field that had another one before is no new name of this field.
        let renamed = same_number.filter(|new| old.parent_message().get_field_by_name(new.name()).is_none());
        if let Some(new) = renamed {
            let what = format!("is now called `{}`", new.name());
            self.report(&old.parent_file(), old.full_name(), ChangeKind::Renamed, what);
            self.field(old, &new);
            return;
        }
        let reserved = Reserved::of_message(message);
        let number = i64::from(old.number());
        let mut missing = Vec::new();
        if !reserved.holds(number, number) {
            missing.push(format!("`reserved {number};`"));
        }
        if !reserved.names.contains(old.name()) {
            missing.push(format!("`reserved \"{}\";`", old.name()));
        }
        let what = if required(old) {
            "is removed though it was required: readers of the old model refuse a message without it"
                .to_owned()
        } else if !missing.is_empty() {
            format!("is removed without {}", missing.join(" and "))
        } else {
            return;
        };
        self.report(&old.parent_file(), old.full_name(), ChangeKind::Removed, what);
    }

    /// Compares two fields that are the same one; the number is compared already.
    fn field(&mut self, old: &FieldDescriptor, new: &FieldDescriptor) {
        let mut changed = |kind, what: String| self.report(&old.parent_file(), old.full_name(), kind, what);
        let (before, now) = (
            shape(old.is_map(), old.is_list()),
            shape(new.is_map(), new.is_list()),
        );
        let (from, to) = (oneof_name(old), oneof_name(new));
        if before != now {
            changed(ChangeKind::Cardinality, format!("was {before} and is now {now}"));
        } else if type_of(old) != type_of(new) {
            changed(
                ChangeKind::Type,
                format!("changed its type from `{}` to `{}`", type_of(old), type_of(new)),
            );
        } else if from == to && old.supports_presence() != new.supports_presence() {
            let what = if new.supports_presence() {
                "became `optional`"
            } else {
                "is no longer `optional`"
            };
            changed(ChangeKind::Presence, what.to_owned());
        }
        if from != to {
            let place =
                |name: Option<String>| name.map_or("no oneof".to_owned(), |name| format!("oneof `{name}`"));
            changed(
                ChangeKind::Oneof,
                format!("moved from {} to {}", place(from), place(to)),
            );
        }
        if old.name() == new.name() && old.json_name() != new.json_name() {
            let what = format!(
                "is called `{}` in JSON and was `{}`",
                new.json_name(),
                old.json_name()
            );
            changed(ChangeKind::JsonName, what);
        }
        if required(new) && !required(old) {
            changed(ChangeKind::Required, "became required".to_owned());
        }
    }

    fn enumeration(&mut self, old: &EnumDescriptor) {
        let file = old.parent_file();
        let Some(new) = self.new.get_enum_by_name(old.full_name()) else {
            self.removed(&file, old.full_name(), old.parent_message(), "enum");
            return;
        };
        self.moved(&file, &new.parent_file(), old.full_name());
        for value in old.values() {
            // The language scopes a value beside its enum; people look for it inside.
            let element = format!("{}.{}", old.full_name(), value.name());
            let renamed = || {
                new.values().find(|other| {
                    other.number() == value.number() && old.get_value_by_name(other.name()).is_none()
                })
            };
            if let Some(same) = new.get_value_by_name(value.name()) {
                if same.number() != value.number() {
                    let what = format!("changed its number from {} to {}", value.number(), same.number());
                    self.report(&file, &element, ChangeKind::Renumbered, what);
                }
            } else if let Some(other) = renamed() {
                let what = format!("is now called `{}`", other.name());
                self.report(&file, &element, ChangeKind::Renamed, what);
            } else {
                let what = "is removed; a message that is parked or replayed may still hold it".to_owned();
                self.report(&file, &element, ChangeKind::Removed, what);
            }
        }
        self.reserved(
            &Reserved::of_enum(old),
            &Reserved::of_enum(&new),
            &file,
            old.full_name(),
        );
    }

    fn extension(&mut self, old: &ExtensionDescriptor) {
        let file = old.parent_file();
        let Some(new) = self.new.get_extension_by_name(old.full_name()) else {
            self.removed(&file, old.full_name(), old.parent_message(), "extension");
            return;
        };
        self.moved(&file, &new.parent_file(), old.full_name());
        if new.number() != old.number() {
            let what = format!("changed its number from {} to {}", old.number(), new.number());
            self.report(&file, old.full_name(), ChangeKind::Renumbered, what);
        }
        if new.is_list() != old.is_list() {
            let what = format!(
                "was {} and is now {}",
                shape(false, old.is_list()),
                shape(false, new.is_list())
            );
            self.report(&file, old.full_name(), ChangeKind::Cardinality, what);
        } else if type_name(&new.kind()) != type_name(&old.kind()) {
            let (from, to) = (type_name(&old.kind()), type_name(&new.kind()));
            let what = format!("changed its type from `{from}` to `{to}`");
            self.report(&file, old.full_name(), ChangeKind::Type, what);
        }
    }

    /// Reports a message, enum or extension that is gone, unless the message around it is gone too.
    fn removed(
        &mut self,
        file: &FileDescriptor,
        element: &str,
        around: Option<MessageDescriptor>,
        noun: &str,
    ) {
        if around.is_none_or(|message| self.new.get_message_by_name(message.full_name()).is_some()) {
            self.report(
                file,
                element,
                ChangeKind::Removed,
                format!("is removed: no such {noun} any more"),
            );
        }
    }

    fn moved(&mut self, old: &FileDescriptor, new: &FileDescriptor, element: &str) {
        if old.name() != new.name() {
            let what = format!(
                "moved to `{}`: who imports the old file no longer finds it",
                new.name()
            );
            self.report(old, element, ChangeKind::Moved, what);
        }
    }

    fn reserved(&mut self, old: &Reserved, new: &Reserved, file: &FileDescriptor, element: &str) {
        for &(first, last) in old
            .numbers
            .iter()
            .filter(|(first, last)| !new.holds(*first, *last))
        {
            let range = if first == last {
                first.to_string()
            } else {
                format!("{first} to {last}")
            };
            let what = format!("no longer says `reserved {range};`");
            self.report(file, element, ChangeKind::Unreserved, what);
        }
        for name in old.names.difference(&new.names) {
            let what = format!("no longer says `reserved \"{name}\";`");
            self.report(file, element, ChangeKind::Unreserved, what);
        }
    }

    fn report(&mut self, file: &FileDescriptor, element: &str, kind: ChangeKind, what: String) {
        let file = file.name().to_owned();
        self.found.push(BreakingChange {
            file,
            element: element.to_owned(),
            kind,
            what,
        });
    }
}

fn shape(map: bool, list: bool) -> &'static str {
    match (map, list) {
        (true, _) => "a map",
        (false, true) => "a list",
        (false, false) => "one value",
    }
}

fn type_of(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (
                entry.map_entry_key_field().kind(),
                entry.map_entry_value_field().kind(),
            );
            format!("map<{}, {}>", type_name(&key), type_name(&value))
        }
        kind => type_name(&kind),
    }
}

fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(enumeration) => enumeration.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    }
}

/// The oneof people wrote; `optional` is one to the compiler only.
fn oneof_name(field: &FieldDescriptor) -> Option<String> {
    field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic())
        .map(|oneof| oneof.name().to_owned())
}
