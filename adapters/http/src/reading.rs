//! What a flow reads from a system: read from its settings.

use std::time::Duration;

use trunkline_sdk::{Options, Problem, Settings, parse_duration};

use crate::{
    graphql::Operation,
    job::read_path,
    mark::{Mark, Overlap},
    options,
    page::Paging,
    site::text,
    template::is_path,
};

/// One source's questions.
pub(crate) struct Reading {
    /// Path and query.
    pub(crate) path: String,
    pub(crate) every: Duration,
    /// Where the records are in an answer; `None`: the answer is the list.
    pub(crate) records: Option<String>,
    pub(crate) id: String,
    /// The field that changes with a record.
    pub(crate) version: Option<String>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) page: Option<Paging>,
    pub(crate) operation: Option<Operation>,
}

/// How to ask for what has changed.
pub(crate) struct Cursor {
    pub(crate) field: String,
    pub(crate) parameter: String,
    pub(crate) start: Option<String>,
    pub(crate) overlap: Option<Overlap>,
}

const EVERY: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(7 * 86_400);

impl Reading {
    /// What the tables cannot say.
    pub(crate) fn check(settings: &Settings) -> Vec<Problem> {
        if Options::read(options::SOURCE, settings).is_err() {
            return Vec::new();
        }
        Self::read(settings).err().unwrap_or_default()
    }

    /// Reads the settings of a source; all that is wrong at once.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let options = Options::read(options::SOURCE, settings)?;
        let mut problems = Vec::new();
        let path = read_path(settings.get("path"), &mut problems);
        if let (Some(template), Some(value)) = (&path, settings.get("path"))
            && let Some(slot) = template.slots.first()
        {
            let place = value.within(slot.place.clone());
            problems.push(Problem::new(
                &place,
                "a source has no message whose fields could come in here",
            ));
        }
        let every = options.duration("every").unwrap_or(Duration::from_secs(60));
        if let (Some(value), false) = (settings.get("every"), EVERY.contains(&every)) {
            problems.push(Problem::new(&value.place, "`every` must be from 100ms to 7d"));
        }
        for name in ["records", "id", "version"] {
            check_path(settings.get(name), name, &mut problems);
        }
        let cursor = settings
            .get("cursor")
            .map(|group| read_cursor(group, &mut problems));
        let page = settings
            .get("page")
            .and_then(|group| read_page(group, &mut problems));
        let operation = settings.get("graphql").and_then(|value| {
            let read = Operation::read(text(value));
            let read = read.map_err(|what| {
                problems
                    .push(Problem::new(&value.place, format!("`graphql` {what}")).hint(
                        "one query, with its variables declared: `query Orders($after: String) { … }`",
                    ));
            });
            read.ok()
        });
        if let (Some(operation), Some(value)) = (&operation, settings.get("graphql")) {
            let mut wanted: Vec<&str> = cursor.iter().map(|cursor| cursor.parameter.as_str()).collect();
            match &page {
                Some(
                    Paging::Number { parameter, .. }
                    | Paging::Offset { parameter, .. }
                    | Paging::Cursor { parameter, .. },
                ) => {
                    wanted.push(parameter);
                }
                Some(_) => {
                    let place = &settings.get("page").unwrap_or(settings).place;
                    problems.push(
                        Problem::new(place, "a GraphQL query has no such pages")
                            .hint("`by: cursor` for connections, or `by: offset` or `number` where the schema has such arguments"),
                    );
                }
                None => {}
            }
            for name in wanted {
                if !operation.variables.iter().any(|variable| variable.name == name) {
                    problems.push(
                        Problem::new(&value.place, format!("`graphql` declares no variable `${name}`"))
                            .hint("the parameters of `cursor` and `page` are variables of the query"),
                    );
                }
            }
        }
        let Some(path) = path.filter(|_| problems.is_empty()) else {
            return Err(problems);
        };
        let of_cursor = cursor.as_ref().map(|cursor| cursor.field.clone());
        Ok(Self {
            path: path.text,
            every,
            records: options.text("records").map(str::to_owned),
            id: options.text("id").unwrap_or_default().to_owned(),
            version: options.text("version").map(str::to_owned).or(of_cursor),
            cursor,
            page,
            operation,
        })
    }

    /// The path, without its query: for people.
    pub(crate) fn shown(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

fn read_cursor(group: &Settings, problems: &mut Vec<Problem>) -> Cursor {
    check_path(group.get("field"), "field", problems);
    let overlap = group.get("overlap").and_then(|value| {
        let read = parse_duration(text(value)).map(Overlap::Time);
        let number = || {
            text(value)
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .map(Overlap::Number)
        };
        let read = read.or_else(number);
        if read.is_none() {
            problems.push(
                Problem::new(&value.place, "`overlap` is neither a time nor a number")
                    .hint("such as `2m` for times, `100` for numbers"),
            );
        }
        read
    });
    if let Some(value) = group.get("start")
        && Mark::read(text(value)).is_none()
    {
        problems.push(
            Problem::new(&value.place, "`start` is neither a time nor a whole number")
                .hint("as the system writes it: `2026-01-01T00:00:00Z`, `2026-01-01 00:00:00`, `0`"),
        );
    }
    let get = |name: &str| group.get(name).map(|value| text(value).to_owned());
    Cursor {
        field: get("field").unwrap_or_default(),
        parameter: get("parameter").unwrap_or_default(),
        start: get("start"),
        overlap,
    }
}

fn read_page(group: &Settings, problems: &mut Vec<Problem>) -> Option<Paging> {
    let options = Options::read(options::PAGE, group).ok()?;
    check_path(group.get("at"), "at", problems);
    let by = options.text("by")?;
    let takes: &[&str] = match by {
        "number" => &["parameter", "first", "size"],
        "offset" | "range" => &["parameter", "size"],
        "cursor" => &["parameter", "at"],
        "next" => &["at"],
        _ => &[],
    };
    for entry in group.entries().unwrap_or_default() {
        if entry.key != "by" && !takes.contains(&entry.key.as_str()) {
            let takes: Vec<_> = takes.iter().map(|name| format!("`{name}`")).collect();
            let takes = if takes.is_empty() {
                "nothing else".to_owned()
            } else {
                takes.join(", ")
            };
            problems.push(
                Problem::new(
                    &entry.place,
                    format!("`{}` means nothing to `by: {by}`", entry.key),
                )
                .hint(format!("it takes {takes}")),
            );
        }
    }
    let mut need = |name: &str| {
        let value = options.get(name).map(|value| text(value).to_owned());
        if value.is_none() {
            problems.push(
                Problem::new(&group.place, format!("`by: {by}` needs `{name}`"))
                    .hint("`trunkline adapters http` says what it is"),
            );
        }
        value
    };
    let number = |name: &str| options.number(name).and_then(|number| u64::try_from(number).ok());
    let parameter = |default: &str| options.text("parameter").unwrap_or(default).to_owned();
    Some(match by {
        "number" => Paging::Number {
            parameter: parameter("page"),
            first: number("first").unwrap_or(1),
            size: number("size"),
        },
        "offset" => Paging::Offset {
            parameter: parameter("offset"),
            size: number("size"),
        },
        "cursor" => {
            let (parameter, at) = (need("parameter"), need("at"));
            Paging::Cursor {
                parameter: parameter?,
                at: at?,
            }
        }
        "next" => Paging::Next { at: need("at")? },
        "range" => {
            need("size")?;
            Paging::Range {
                unit: parameter("records"),
                size: number("size")?,
            }
        }
        _ => Paging::Link,
    })
}

fn check_path(value: Option<&Settings>, name: &str, problems: &mut Vec<Problem>) {
    if let Some(value) = value
        && !is_path(text(value))
    {
        problems.push(
            Problem::new(&value.place, format!("`{name}` is no path of names"))
                .hint("such as `id` or `data.items`"),
        );
    }
}
