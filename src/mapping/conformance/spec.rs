//! The unpacked package: the cases, and the schema of the messages they speak of.

use std::{collections::HashSet, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use prost_reflect::{DescriptorPool, prost::Message, prost_types::FileDescriptorProto};
use serde_json::Value as Json;

/// The package.
pub(super) struct Spec {
    files: Vec<Json>,
    /// With the messages of proto2, of proto3, and of both: names are short where only one has them.
    two: DescriptorPool,
    three: DescriptorPool,
    both: DescriptorPool,
}

/// One case: `file/section/name`, and what it says.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) test: Json,
}

impl Spec {
    /// The package that `TRUNKLINE_TEST_CEL_SPEC` names.
    pub(super) fn open() -> Self {
        let folder = std::env::var_os("TRUNKLINE_TEST_CEL_SPEC").expect("`tests/run` has set it");
        let folder = PathBuf::from(folder);
        let folder = folder.join("dist/esm");
        let text =
            fs::read_to_string(folder.join("testdata-json.js")).expect("the package carries the cases");
        let (_, text) = text.split_once("testdataJson = ").expect("they are one constant");
        let files = serde_json::from_str(text.trim_end().trim_end_matches(';')).expect("which is JSON");
        let names = [
            "any",
            "duration",
            "empty",
            "field_mask",
            "struct",
            "timestamp",
            "wrappers",
        ];
        let names = names.map(|name| format!("google/protobuf/{name}.proto"));
        let mut compiler = protox::Compiler::with_file_resolver(protox::file::GoogleFileResolver::new());
        compiler.open_files(names).expect("they are well known");
        let well_known = compiler.file_descriptor_set().file;
        let descriptor = |name: &str| {
            let path = folder.join("gen/cel/expr/conformance").join(name);
            let text = fs::read_to_string(path).expect("the package carries the schema");
            let (_, text) = text.split_once("fileDesc(\"").expect("as an encoded descriptor");
            let (text, _) = text.split_once('"').expect("between quotes");
            let bytes = STANDARD_NO_PAD
                .decode(text.trim_end_matches('='))
                .expect("in base64");
            let mut file = FileDescriptorProto::decode(&*bytes).expect("of a file");
            // The package keeps imports apart from the descriptors.
            file.dependency = well_known.iter().map(|file| file.name().to_owned()).collect();
            file
        };
        let three = descriptor("proto3/test_all_types_pb.js");
        let two = descriptor("proto2/test_all_types_pb.js");
        let mut extensions = descriptor("proto2/test_all_types_extensions_pb.js");
        extensions.dependency.push(two.name().to_owned());
        let pool = |files: &[&FileDescriptorProto]| {
            let mut pool = trunkline_proto::descriptor_pool().clone();
            for file in &well_known {
                if pool.get_file_by_name(file.name()).is_none() {
                    pool.add_file_descriptor_proto(file.clone())
                        .expect("it is well known");
                }
            }
            for file in files {
                pool.add_file_descriptor_proto((*file).clone())
                    .expect("the schema is complete");
            }
            pool
        };
        Self {
            files,
            two: pool(&[&two, &extensions]),
            three: pool(&[&three]),
            both: pool(&[&three, &two, &extensions]),
        }
    }

    /// The messages that an expression in this container speaks of.
    pub(super) fn pool(&self, container: &str, text: &str) -> &DescriptorPool {
        let foreign = text.contains("conformance.proto2") && container.ends_with("proto3");
        match container {
            _ if foreign => &self.both,
            "cel.expr.conformance.proto2" => &self.two,
            "cel.expr.conformance.proto3" => &self.three,
            _ => &self.both,
        }
    }

    pub(super) fn cases(&self) -> Vec<Case> {
        let list = |json: &Json, key: &str| json[key].as_array().cloned().unwrap_or_default();
        let name = |json: &Json| json["name"].as_str().unwrap_or_default().to_owned();
        let (mut cases, mut known) = (Vec::new(), HashSet::new());
        for file in &self.files {
            for section in list(file, "section") {
                for test in list(&section, "test") {
                    let mut name = format!("{}/{}/{}", name(file), name(&section), name(&test));
                    // Some names come twice.
                    if !known.insert(name.clone()) {
                        name += "-again";
                    }
                    cases.push(Case { name, test });
                }
            }
        }
        cases
    }
}
