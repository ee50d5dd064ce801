//! What a message or enum promises never to use again.

use std::collections::BTreeSet;

use prost_reflect::{EnumDescriptor, MessageDescriptor};

/// Numbers and names that a message or enum must not use; ranges hold their first and last number.
pub(super) struct Reserved {
    pub(super) numbers: Vec<(i64, i64)>,
    pub(super) names: BTreeSet<String>,
}

impl Reserved {
    pub(super) fn of_message(message: &MessageDescriptor) -> Self {
        let ranges = message
            .reserved_ranges()
            .map(|range| (i64::from(range.start), i64::from(range.end) - 1));
        Self {
            numbers: ranges.collect(),
            names: message.reserved_names().map(str::to_owned).collect(),
        }
    }

    pub(super) fn of_enum(enumeration: &EnumDescriptor) -> Self {
        let ranges = enumeration
            .reserved_ranges()
            .map(|range| (i64::from(*range.start()), i64::from(*range.end())));
        Self {
            numbers: ranges.collect(),
            names: enumeration.reserved_names().map(str::to_owned).collect(),
        }
    }

    /// Whether all numbers from `first` to `last` are reserved, by one range or by several.
    pub(super) fn holds(&self, first: i64, last: i64) -> bool {
        let mut ranges = self.numbers.clone();
        ranges.sort_unstable();
        let next_open = ranges.into_iter().fold(
            first,
            |open, (start, end)| {
                if start <= open { open.max(end + 1) } else { open }
            },
        );
        next_open > last
    }
}
