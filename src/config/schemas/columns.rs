//! The columns of a table, a CSV file: `column,type,nullable`, a line each, with the types as the database names them.

use std::sync::Arc;

use trunkline_formats::csv::{HeaderError, Rows};
use trunkline_sdk::{Place, Problem, Value};

use crate::mapping::{RecordField, RecordKind, RecordObject, RecordType};

/// A column is a line.
const MOST: usize = 64 << 10;

const HEADER: &str = "begin with the line `column,type,nullable`, then one column per line";

pub(super) fn read(file: &Arc<str>, text: &str, problems: &mut Vec<Problem>) -> Option<RecordType> {
    let before = problems.len();
    let mut wrong = |line: u64, what: String, hint: &str| {
        let place = Place {
            file: file.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: 1,
            width: 1,
        };
        problems.push(Problem::new(&place, what).hint(hint));
    };
    let mut rows = match Rows::new(text.as_bytes(), b',', MOST) {
        Ok(rows) => rows,
        Err(HeaderError::NoHeader(unframed)) => {
            wrong(unframed.why.line, unframed.why.what.to_string(), HEADER);
            return None;
        }
        // A text in memory can always be read.
        Err(HeaderError::Io(_)) => return None,
    };
    if rows.names() != ["column", "type", "nullable"] {
        let what = "the columns of a table are told as `column`, `type` and `nullable`";
        wrong(1, what.to_owned(), HEADER);
        return None;
    }
    let mut fields: Vec<RecordField> = Vec::new();
    while let Ok(Some(row)) = rows.read() {
        let value = match row.content {
            Ok(value) => value,
            Err(unframed) => {
                wrong(unframed.why.line, unframed.why.what.to_string(), HEADER);
                continue;
            }
        };
        let cell = |name: &str| match value.get(name) {
            Some(Value::Text(text)) => text.trim(),
            _ => "",
        };
        let (name, nullable) = (cell("column"), cell("nullable"));
        if name.is_empty() {
            wrong(row.line, "this column has no name".to_owned(), HEADER);
            continue;
        }
        if fields.iter().any(|field| field.name == name) {
            wrong(
                row.line,
                format!("column `{name}` stands here a second time"),
                "keep one of the two lines",
            );
            continue;
        }
        let nullable = match nullable {
            "true" => true,
            "false" => false,
            _ => {
                let what = format!("`nullable` of column `{name}` is neither `true` nor `false`");
                wrong(row.line, what, "whether the column may be NULL");
                continue;
            }
        };
        let named = cell("type");
        let Some(kind) = kind(named) else {
            let near = trunkline_sdk::nearest(
                word(named),
                TYPES.iter().flat_map(|(words, _)| words.iter().copied()),
            );
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            let hint = format!("{near}a type that only your database knows is written `any`");
            wrong(
                row.line,
                format!("column `{name}` is of no type that is known"),
                &hint,
            );
            continue;
        };
        let ty = RecordType::of(kind);
        fields.push(RecordField {
            name: name.to_owned(),
            ty: if nullable { ty.or_null() } else { ty },
            required: true,
        });
    }
    if fields.is_empty() && problems.len() == before {
        let place = super::super::files::start(file);
        problems.push(Problem::new(&place, "these are no columns").hint(HEADER));
    }
    (problems.len() == before)
        .then(|| RecordType::of(RecordKind::Object(Arc::new(RecordObject { fields, rest: None }))))
}

/// The names of types, lower-case, and what a column of such a type comes as.
const TYPES: &[(&[&str], RecordKind)] = &[
    (
        &[
            "int",
            "integer",
            "bigint",
            "smallint",
            "tinyint",
            "mediumint",
            "int2",
            "int4",
            "int8",
            "serial",
            "bigserial",
            "smallserial",
            "year",
            "oid",
        ],
        RecordKind::Int,
    ),
    (
        &[
            "numeric", "decimal", "dec", "fixed", "number", "real", "double", "float", "float4", "float8",
        ],
        RecordKind::Number,
    ),
    (&["bool", "boolean"], RecordKind::Bool),
    (
        &[
            "bytea",
            "blob",
            "binary",
            "varbinary",
            "tinyblob",
            "mediumblob",
            "longblob",
        ],
        RecordKind::Bytes,
    ),
    (
        &[
            "text",
            "varchar",
            "char",
            "character",
            "bpchar",
            "uuid",
            "date",
            "time",
            "timetz",
            "timestamp",
            "timestamptz",
            "datetime",
            "interval",
            "citext",
            "nvarchar",
            "nchar",
            "tinytext",
            "mediumtext",
            "longtext",
            "clob",
            "name",
        ],
        RecordKind::Text,
    ),
    (
        &[
            "any",
            "json",
            "jsonb",
            "xml",
            "bit",
            "varbit",
            "enum",
            "set",
            "money",
            "inet",
            "inet4",
            "inet6",
            "cidr",
            "macaddr",
            "macaddr8",
            "hstore",
            "tsvector",
            "tsquery",
            "point",
            "line",
            "lseg",
            "box",
            "path",
            "polygon",
            "circle",
            "geometry",
            "geography",
            "int4range",
            "int8range",
            "numrange",
            "tsrange",
            "tstzrange",
            "daterange",
            "array",
            "user-defined",
        ],
        RecordKind::Any,
    ),
];

/// The first word of a type's name: `double` of `double precision`, `varchar` of `varchar(20)`.
fn word(of: &str) -> &str {
    of.split(['(', ' ', '[']).next().unwrap_or_default()
}

/// What a column of this type comes as; `None`: no such type is known.
fn kind(of: &str) -> Option<RecordKind> {
    let of = of.to_ascii_lowercase();
    if let Some(items) = of.strip_suffix("[]") {
        let items = RecordType::of(kind(items.trim_end_matches("[]"))?);
        return Some(RecordKind::List(Arc::new(items.or_null())));
    }
    let found = TYPES.iter().find(|(words, _)| words.contains(&word(&of)));
    found.map(|(_, kind)| kind.clone())
}
