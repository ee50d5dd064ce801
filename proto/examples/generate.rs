//! Writes the generated files of this crate from its `.proto` files, without `protoc`:
//! `cargo run -p trunkline-proto --example generate`.
//!
//! With `-- release` it also makes the present model the released one, which later changes are compared with.
//! The tests include this file, so that what they compare is what it writes.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost_build::Module;
use prost_reflect::DescriptorPool;
use trunkline_proto::compatibility::breaking_changes;

/// The command that mends stale files, as people type it.
#[allow(dead_code, reason = "only the tests name it")]
pub(crate) const COMMAND: &str = "cargo run -p trunkline-proto --example generate";

/// The descriptor set of the last release, seen from the crate's root.
const RELEASED: &str = "released/descriptors.binpb";

/// The package of the field rules: read as options through descriptors, so no message of ours holds its types.
const RULES: &str = "buf.validate";

#[allow(dead_code, reason = "the tests include this file for what is below")]
fn main() -> Result<(), Box<dyn Error>> {
    let files = generated_files()?;
    for file in fs::read_dir(root().join("src/gen"))? {
        fs::remove_file(file?.path())?;
    }
    for (name, content) in &files {
        fs::write(root().join(name), content)?;
    }
    writeln!(io::stdout(), "wrote {} files in proto/src/gen", files.len())?;
    if env::args().nth(1).as_deref() == Some("release") {
        let broken = breaking_changes(&released()?, &compiler()?.descriptor_pool());
        if !broken.is_empty() {
            let lines: Vec<String> = broken.iter().map(ToString::to_string).collect();
            return Err(format!(
                "not released, {} breaking changes:\n{}",
                lines.len(),
                lines.join("\n")
            )
            .into());
        }
        fs::write(root().join(RELEASED), compiler()?.encode_file_descriptor_set())?;
        writeln!(io::stdout(), "released it as proto/{RELEASED}")?;
    }
    Ok(())
}

/// Content of all generated files by their path from the crate's root.
pub(crate) fn generated_files() -> Result<BTreeMap<PathBuf, Vec<u8>>, Box<dyn Error>> {
    let mut compiler = compiler()?;
    compiler.include_source_info(true);
    let requests: Vec<_> = compiler
        .file_descriptor_set()
        .file
        .into_iter()
        .filter(|file| file.package() != RULES)
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let mut modules: Vec<(Module, String)> = prost_build::Config::new()
        .enable_type_names()
        .generate(requests)?
        .into_iter()
        .collect();
    modules.sort_by(|(left, _), (right, _)| left.cmp(right));

    let generated = Path::new("src/gen");
    let mut files = BTreeMap::new();
    files.insert(generated.join("mod.rs"), module_tree(&modules)?.into_bytes());
    for (module, code) in modules {
        files.insert(generated.join(file_name(&module)), code.into_bytes());
    }
    compiler.include_source_info(false);
    files.insert(
        generated.join("descriptors.binpb"),
        compiler.encode_file_descriptor_set(),
    );
    Ok(files)
}

/// The model as last released.
pub(crate) fn released() -> Result<DescriptorPool, Box<dyn Error>> {
    Ok(DescriptorPool::decode(
        fs::read(root().join(RELEASED))?.as_slice(),
    )?)
}

/// A compiler that has opened every file of the model, imports included.
pub(crate) fn compiler() -> Result<protox::Compiler, Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([root()])?;
    compiler.include_imports(true);
    for file in proto_files(&root().join("trunkline"))? {
        compiler.open_file(file)?;
    }
    Ok(compiler)
}

/// The crate's root, which is also the root that imports are written from.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn proto_files(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.insert(path);
        }
    }
    Ok(files)
}

/// `google.type.rs` for the module `google::r#type`.
fn file_name(module: &Module) -> String {
    module.to_file_name_or("_").replace("r#", "")
}

/// The modules nested as the packages are: generated types name each other by such paths.
fn module_tree(modules: &[(Module, String)]) -> Result<String, std::fmt::Error> {
    let mut tree = String::from(
        "//! This file is @generated from the `.proto` files, like all in this folder.\n\
         #![allow(missing_docs, unreachable_pub, rustdoc::all, clippy::all)]\n\n",
    );
    let mut open: Vec<&str> = Vec::new();
    for (module, _) in modules {
        let parts: Vec<&str> = module.parts().collect();
        let shared = open
            .iter()
            .zip(&parts)
            .take_while(|(left, right)| left == right)
            .count();
        for depth in (shared..open.len()).rev() {
            writeln!(tree, "{}}}", "    ".repeat(depth))?;
        }
        open.truncate(shared);
        for part in &parts[shared..] {
            writeln!(tree, "{}pub mod {part} {{", "    ".repeat(open.len()))?;
            open.push(part);
        }
        writeln!(
            tree,
            "{}include!(\"{}\");",
            "    ".repeat(open.len()),
            file_name(module)
        )?;
    }
    for depth in (0..open.len()).rev() {
        writeln!(tree, "{}}}", "    ".repeat(depth))?;
    }
    Ok(tree)
}
