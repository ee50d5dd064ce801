//! `proto/**/*.proto`: the landscape's own message types, beside those of the embedded model.
//!
//! Promises: the files are compiled in process, at load; what is wrong is told per file, with its place; a file that
//! builds on a wrong one is not blamed for it. Imports find the landscape's files, the embedded model's and Google's,
//! and open nothing else. Bounded, whatever the files hold: their number, size, nesting, and what is told of them.
//! Not promised: services and options of others than `buf.validate` and ours; they are read and left aside.

mod imports;
mod refusal;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};
use prost_types::FileDescriptorProto;
use trunkline_sdk::{Place, Problem};

use super::Files;
use crate::{canonical::rules::Rules, mapping::Hidden};
use imports::Imports;

/// No landscape that people write has more files of its own.
const MOST_FILES: usize = 500;
/// Nor are they larger together.
const MOST_BYTES: usize = 8 << 20;
/// Nor is one: options are nested in it, and the parser of their values goes as deep as they do.
const DEEPEST: usize = 64;
/// Nor does it declare more: the compiler's time grows with the square of what is wrong. A field counts for five.
const MOST_DECLARED: usize = 25_000;
/// What is told of one file.
const TOLD: usize = 20;

/// What the embedded model owns, so that a later version of it breaks no landscape.
const TAKEN: [&str; 3] = ["trunkline", "google", "buf"];

/// A file of the landscape, parsed.
pub(super) struct Parsed<'f> {
    /// Its path in the landscape: `proto/acme/repair.proto`.
    pub(super) path: &'f Arc<str>,
    pub(super) text: &'f Arc<str>,
    /// Under the name that imports write: `acme/repair.proto`.
    pub(super) content: FileDescriptorProto,
}

impl Parsed<'_> {
    /// Where this stretch of its text stands.
    pub(super) fn place(&self, offset: usize, length: usize) -> Place {
        stretch(self.path, self.text, offset, length)
    }

    /// Where this piece of text stands first.
    pub(super) fn find(&self, piece: &str) -> Place {
        let at = self.text.find(piece);
        self.place(at.unwrap_or(0), at.map_or(1, |_| piece.len()))
    }
}

/// The embedded model with the landscape's own types.
pub(super) fn read(files: &Files, model: &DescriptorPool, problems: &mut Vec<Problem>) -> DescriptorPool {
    let texts: Vec<_> = files.in_folder("proto").collect();
    if texts.is_empty() {
        return model.clone();
    }
    if let Some(problem) = too_much(&texts) {
        problems.push(problem);
        return model.clone();
    }
    let mut parsed = BTreeMap::new();
    let mut wrong: BTreeSet<String> = files
        .unread()
        .filter_map(|path| name(path))
        .map(str::to_owned)
        .collect();
    for (path, text) in texts {
        let Some(name) = name(path) else { continue };
        match parse(name, path, text, model) {
            Ok(content) => drop(parsed.insert(name.to_owned(), Parsed { path, text, content })),
            Err(found) => {
                problems.extend(found);
                wrong.insert(name.to_owned());
            }
        }
    }
    let mut pool = model.clone();
    let order = Imports::of(&parsed, &mut wrong, &mut pool).order(problems);
    for name in order {
        let Some(file) = parsed.get(&name) else { continue };
        let imports = &file.content.dependency;
        // What is wrong there was told there.
        if wrong.contains(&name) || imports.iter().any(|import| wrong.contains(import)) {
            wrong.insert(name);
            continue;
        }
        if let Err(error) = pool.add_file_descriptor_proto(file.content.clone()) {
            problems.extend(refusal::of_types(error, file, &pool));
            wrong.insert(name);
        }
    }
    let mut own = Vec::new();
    for descriptor in parsed.keys().filter_map(|name| pool.get_file_by_name(name)) {
        let messages = all_messages(&descriptor);
        problems.extend(unfit(&messages, &descriptor, files));
        own.extend(messages);
    }
    for wrong in Rules::wrong(own).into_iter().take(TOLD) {
        let at = place(files, &wrong.file, &wrong.path).unwrap_or_else(|| super::files::start("proto"));
        let problem = Problem::new(&at, wrong.what);
        problems.push(match wrong.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }
    pool
}

/// The types that files with a mistake may declare.
pub(super) fn hidden(files: &Files, pool: &DescriptorPool) -> Hidden {
    let mut hidden = Hidden::default();
    let is_missing = |path: &str| name(path).is_some_and(|name| pool.get_file_by_name(name).is_none());
    for (_, text) in files.in_folder("proto").filter(|(path, _)| is_missing(path)) {
        hidden.text(text);
    }
    if files.unread().any(|path| path.starts_with("proto/")) {
        hidden.all();
    }
    hidden
}

/// Whether a type of this name may be one of the landscape's, and its declaration is wrong.
pub(super) fn hides_types(files: &Files, pool: &DescriptorPool) -> bool {
    let is_missing = |path: &str| name(path).is_some_and(|name| pool.get_file_by_name(name).is_none());
    files.in_folder("proto").any(|(path, _)| is_missing(path))
        || files.unread().any(|path| path.starts_with("proto/"))
}

/// The name that imports write.
fn name(path: &str) -> Option<&str> {
    path.strip_prefix("proto/")
}

fn too_much(texts: &[(&Arc<str>, &Arc<str>)]) -> Option<Problem> {
    let (first, _) = texts.first()?;
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let what = if texts.len() > MOST_FILES {
        format!("`proto/` holds more than {MOST_FILES} files")
    } else if bytes > MOST_BYTES {
        format!(
            "the files in `proto/` are larger than {} MiB together",
            MOST_BYTES >> 20
        )
    } else {
        return None;
    };
    let hint = "keep there what channels of this landscape carry, and what that imports";
    Some(Problem::new(&super::files::start(first), what).hint(hint))
}

/// Parses one file, by itself.
fn parse(
    name: &str,
    path: &Arc<str>,
    text: &str,
    model: &DescriptorPool,
) -> Result<FileDescriptorProto, Vec<Problem>> {
    let start = super::files::start(path);
    let top = name.split('/').next().unwrap_or_default();
    if model.get_file_by_name(name).is_some() || TAKEN.contains(&top) && name.contains('/') {
        let what = format!("`{name}` is a name of the embedded model");
        let hint =
            "its files are there without being copied; keep your own in a folder of your own: `proto/acme/…`";
        return Err(vec![Problem::new(&start, what).hint(hint)]);
    }
    if let Some(offset) = too_deep(text) {
        let what = format!("this is nested more than {DEEPEST} deep");
        return Err(vec![
            Problem::new(&stretch(path, text, offset, 1), what).hint("nest less"),
        ]);
    }
    let content = protox_parse::parse(name, text).map_err(|error| refusal::of_syntax(&error, path, text))?;
    if content.dependency.len() > MOST_FILES {
        let what = format!("this imports more than {MOST_FILES} files");
        return Err(vec![
            Problem::new(&start, what).hint("import what it needs, each once"),
        ]);
    }
    let declared = content
        .source_code_info
        .as_ref()
        .map_or(0, |info| info.location.len());
    if declared > MOST_DECLARED {
        let what = format!("this file declares too much: about {} fields", declared / 5);
        return Err(vec![Problem::new(&start, what).hint("make several files of it")]);
    }
    let package = content.package();
    if TAKEN.contains(&package.split('.').next().unwrap_or_default()) {
        let at = text.find(package).unwrap_or(0);
        let what = format!("package `{package}` belongs to the embedded model");
        let hint = "choose one of your own: `package acme.v1;`";
        return Err(vec![
            Problem::new(&stretch(path, text, at, package.len()), what).hint(hint),
        ]);
    }
    Ok(content)
}

/// Where brackets are open more than [`DEEPEST`] deep. What stands in texts and comments counts as well, for their
/// sake nobody nests so deep.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'<' | b'(' => depth += 1,
            b'}' | b']' | b'>' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Some(offset);
        }
    }
    None
}

/// The messages of a file, those in messages included.
fn all_messages(descriptor: &FileDescriptor) -> Vec<MessageDescriptor> {
    let mut all: Vec<_> = descriptor.messages().collect();
    let mut at = 0;
    while let Some(message) = all.get(at) {
        let inner: Vec<_> = message.child_messages().collect();
        all.extend(inner);
        at += 1;
    }
    all.retain(|message| !message.is_map_entry());
    all
}

/// What protobuf allows and a channel does not carry.
fn unfit(messages: &[MessageDescriptor], descriptor: &FileDescriptor, files: &Files) -> Vec<Problem> {
    let mut problems = Vec::new();
    for field in messages.iter().flat_map(MessageDescriptor::fields) {
        let (what, hint) = if field.is_group() {
            (
                "is a group",
                "make it a message of its own: groups are long gone from protobuf",
            )
        } else if field.field_descriptor_proto().default_value.is_some() {
            (
                "has a default of its own",
                "leave it out: an unset field is read as zero, whoever reads it",
            )
        } else {
            continue;
        };
        let what = format!("field `{}` {what}", field.full_name());
        let at = place(files, descriptor, field.path()).unwrap_or_else(|| super::files::start("proto"));
        problems.push(Problem::new(&at, what).hint(hint));
    }
    problems.truncate(TOLD);
    problems
}

/// Where an element stands, by its path in its file's descriptor; as near to it as the parser has told. `None`: its
/// file is none of the landscape's.
pub(super) fn place(files: &Files, descriptor: &FileDescriptor, path: &[i32]) -> Option<Place> {
    let file: Arc<str> = format!("proto/{}", descriptor.name()).into();
    let text = files.text(&file)?;
    let info = descriptor.file_descriptor_proto().source_code_info.as_ref()?;
    let near = (1..=path.len()).rev().find_map(|length| {
        info.location
            .iter()
            .find(|location| location.path == path[..length])
    });
    let Some(near) = near else {
        return Some(super::files::start(&file));
    };
    // Columns of the parser are bytes.
    let number = |at: usize| {
        near.span
            .get(at)
            .and_then(|number| usize::try_from(*number).ok())
            .unwrap_or(0)
    };
    let line_start = match number(0) {
        0 => 0,
        line => text.match_indices('\n').nth(line - 1).map_or(0, |(at, _)| at + 1),
    };
    let length = match near.span.len() {
        3 => number(2).saturating_sub(number(1)),
        _ => text.len(),
    };
    Some(stretch(&file, text, line_start + number(1), length))
}

/// Where a stretch of a file stands; of one that goes over several lines, its first.
fn stretch(path: &Arc<str>, text: &str, offset: usize, length: usize) -> Place {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let rest = text[at..].split('\n').next().unwrap_or_default().trim_end();
    let width = rest
        .char_indices()
        .take_while(|(index, _)| *index < length)
        .count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Place {
        file: path.clone(),
        line: count(before.bytes().filter(|byte| *byte == b'\n').count() + 1),
        column: count(before[line_start..].chars().count() + 1),
        width: count(width.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn told(files: &[(&str, &str)]) -> (DescriptorPool, Vec<Problem>) {
        let mut problems = Vec::new();
        let pool = read(
            &Files::of(files.iter().copied()),
            trunkline_proto::descriptor_pool(),
            &mut problems,
        );
        (pool, problems)
    }

    #[test]
    fn a_type_of_the_landscape_stands_beside_the_models_and_is_made_of_its_types() {
        // given
        let repair = "syntax = \"proto3\";\npackage acme.v1;\nimport \"acme/part.proto\";\n\
                      import \"trunkline/party/v1/address.proto\";\nimport \"google/protobuf/wrappers.proto\";\n\
                      import \"buf/validate/validate.proto\";\n\
                      message Repair {\n  string repair_id = 1 [(buf.validate.field).required = true];\n  Part part = 2;\n\
                      trunkline.party.v1.Address at = 3;\n  google.protobuf.StringValue note = 4;\n}\n";
        let part = "syntax = \"proto3\";\npackage acme.v1;\nmessage Part { string part_id = 1; }\n";
        // when
        let (pool, problems) = told(&[
            ("proto/acme/repair.proto", repair),
            ("proto/acme/part.proto", part),
        ]);
        // then
        assert_eq!(problems, []);
        let repair = pool
            .get_message_by_name("acme.v1.Repair")
            .expect("it was declared");
        let address = repair.get_field_by_name("at").expect("it was declared").kind();
        let model = pool.get_message_by_name("trunkline.party.v1.Address");
        assert_eq!(address.as_message(), model.as_ref());
        // the model itself is as it was
        let model = trunkline_proto::descriptor_pool();
        assert_eq!(model.get_message_by_name("acme.v1.Repair"), None);
    }

    #[test]
    fn what_is_meant_to_hang_the_compiler_is_refused_in_time() {
        let head = "syntax = \"proto3\";\npackage a;\n";
        let many = |count: usize, one: &dyn Fn(usize) -> String| {
            let all: String = (0..count).map(one).collect();
            format!("{head}{all}")
        };
        let field = |number: usize| format!("  string f{number} = {};\n", number % 7 + 1);
        let hostile = [
            ("nesting", many(3000, &|number| format!("message M{number} {{ "))),
            ("brackets", format!("{head}option a = {};", "(".repeat(100_000))),
            ("comments", format!("{head}{}", "/*".repeat(500_000))),
            (
                "one name",
                format!("{head}message M {{ {} f = 1; }}", "x".repeat(2_000_000)),
            ),
            (
                "unknown types",
                many(60_000, &|number| {
                    format!("message M{number} {{ T{number} f = 1; }}\n")
                }),
            ),
            (
                "numbers twice",
                format!(
                    "{head}message M {{\n{}}}\n",
                    (0..60_000).map(field).collect::<String>()
                ),
            ),
            (
                "imports",
                many(100_000, &|number| format!("import \"i{number}.proto\";\n")),
            ),
            ("no text at all", "\u{0}".repeat(1_000_000)),
        ];
        for (name, text) in hostile {
            let began = Instant::now();
            let (_, problems) = told(&[("proto/a.proto", &text)]);
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{name}: {:?}",
                began.elapsed()
            );
            assert!((1..=TOLD).contains(&problems.len()), "{name}: {}", problems.len());
            let length = problems.iter().map(|problem| problem.what.len()).max();
            assert!(length < Some(1000), "{name}");
        }
    }

    #[test]
    fn too_many_files_are_told_once() {
        let names: Vec<_> = (0..=MOST_FILES)
            .map(|number| format!("proto/f{number}.proto"))
            .collect();
        let files: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), "syntax = \"proto3\";"))
            .collect();
        let (_, problems) = told(&files);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].what.contains("more than 500 files"));
    }
}
