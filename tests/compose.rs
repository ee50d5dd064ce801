//! The files of `compose/` fit each other and the landscape that they run; no container is started for it.

#![allow(clippy::unwrap_used, reason = "what fails to unwrap here fails its test")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};
use support::process::output;
use tempfile::TempDir;

const FILES: [&str; 2] = ["compose.yaml", "cluster.yaml"];
const ROLES: [&str; 4] = ["shop", "stock", "operator", "topology"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compose")
}

/// A YAML file as a tree; every single value is a text.
fn tree(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap();
    let mut events = Parser::new_from_str(&text);
    let mut next = || events.next_event().unwrap().unwrap().0;
    loop {
        match next() {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return node(event, &mut next),
        }
    }
}

fn node<'t>(event: Event<'t>, next: &mut impl FnMut() -> Event<'t>) -> Value {
    match event {
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match next() {
                    Event::SequenceEnd => return Value::Array(list),
                    event => list.push(node(event, next)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                match next() {
                    Event::MappingEnd => return Value::Object(map),
                    key => {
                        let key = node(key, next).as_str().unwrap().to_owned();
                        assert!(!map.contains_key(&key), "`{key}` stands there twice");
                        map.insert(key, node(next(), next));
                    }
                }
            }
        }
        other => panic!("compose files have no {other:?}"),
    }
}

/// The services of both files, by name; what the second adds to one of the first stands beside it.
fn services() -> BTreeMap<String, Vec<Value>> {
    let mut services: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for file in FILES {
        for (name, service) in tree(&folder().join(file))["services"].as_object().unwrap() {
            services.entry(name.clone()).or_default().push(service.clone());
        }
    }
    services
}

fn words(value: &Value) -> Vec<&str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

fn names(files: &[&str], what: &str) -> BTreeSet<String> {
    let trees = files.iter().map(|file| tree(&folder().join(file)));
    trees
        .flat_map(|tree| tree[what].as_object().cloned().unwrap_or_default())
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn every_image_is_pinned_and_every_file_is_there() {
    let (secrets, volumes) = (names(&FILES, "secrets"), names(&FILES, "volumes"));
    let services = services();
    for (name, parts) in &services {
        let image = parts[0]["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').expect("an image has a tag");
        assert!(
            tag.matches('.').count() >= 1 && tag != "latest",
            "{name}: {image}"
        );
        for part in parts {
            for secret in words(&part["secrets"]) {
                assert!(secrets.contains(secret), "{name}: no secret `{secret}`");
            }
            for volume in words(&part["volumes"]) {
                let source = volume.split(':').next().unwrap();
                let is_there = match source.starts_with('.') {
                    true => folder().join(source).exists(),
                    false => volumes.contains(source),
                };
                assert!(is_there, "{name}: `{source}` is not there");
            }
            for other in part["depends_on"].as_object().into_iter().flat_map(Map::keys) {
                assert!(services.contains_key(other), "{name}: no service `{other}`");
            }
            // What is published is everyone's who reaches the machine.
            for port in words(&part["ports"]) {
                assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            }
        }
    }
    for line in fs::read_to_string(folder().join("Dockerfile")).unwrap().lines() {
        if let Some(image) = line.strip_prefix("FROM ") {
            assert!(image.split(' ').next().unwrap().contains([':']), "{image}");
        }
        if let Some(copied) = line
            .strip_prefix("COPY ")
            .filter(|copied| !copied.contains("--from"))
        {
            let source = copied.split(' ').find(|word| !word.starts_with("--")).unwrap();
            assert!(folder().join("..").join(source).exists(), "{source}");
        }
    }
}

/// The nodes of a cluster differ in their names, and in nothing else.
#[test]
fn the_nodes_of_the_cluster_are_alike_and_know_each_other() {
    let services = services();
    let nodes = ["rabbitmq", "rabbitmq-2", "rabbitmq-3"];
    let conf = fs::read_to_string(folder().join("rabbitmq/cluster.conf")).unwrap();
    for (number, node) in nodes.iter().enumerate() {
        let service = &services[*node][0];
        assert_eq!(service["hostname"], *node);
        for alike in [
            "image",
            "entrypoint",
            "secrets",
            "healthcheck",
            "stop_grace_period",
        ] {
            assert_eq!(service[alike], services["rabbitmq"][0][alike], "{node}: {alike}");
        }
        let line = format!("classic_config.nodes.{} = rabbit@{node}\n", number + 1);
        assert!(conf.contains(&line), "{line}");
        let mounts = services[*node].iter().flat_map(|part| words(&part["volumes"]));
        let mounts: Vec<_> = mounts.filter(|mount| mount.contains("/etc/rabbitmq")).collect();
        assert_eq!(mounts.len(), 3, "{node}: {mounts:?}");
    }
    for process in ["shop", "stock"] {
        let known = services[process][1]["environment"]["NODES"].as_str().unwrap();
        let known: BTreeSet<_> = known.split(',').collect();
        assert_eq!(known, BTreeSet::from(nodes), "{process}");
    }
}

#[tokio::test]
async fn every_process_of_the_landscape_runs_as_the_user_that_topology_makes_for_it() {
    // given
    let shop = folder().join("../examples/shop");
    let passwords = ROLES.map(|role| format!("TRUNKLINE_PASSWORD_{}", role.to_uppercase()));
    let mut variables: Vec<_> = passwords.iter().map(|name| (name.as_str(), "s3cret")).collect();
    variables.push(("TRUNKLINE_BUS", "amqp://rabbitmq"));
    let arguments = ["topology", "users", shop.to_str().unwrap(), "--json"];
    // when
    let (code, users, told) = output(&arguments, &variables).await;
    // then
    assert_eq!(code, Some(0), "{told}");
    let users: Value = serde_json::from_str(&users).unwrap();
    let users: BTreeSet<_> = users["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        users,
        ROLES
            .map(|role| format!("trunkline-{role}"))
            .iter()
            .map(String::as_str)
            .collect()
    );
    let services = services();
    let makes = words(&services["topology"][0]["secrets"]);
    assert!(ROLES.iter().all(|role| makes.contains(role)), "{makes:?}");
    let landscape = tree(&shop.join("trunkline.yaml"));
    for process in landscape["processes"].as_object().unwrap().keys() {
        let service = &services[process][0];
        assert_eq!(
            words(&service["command"]),
            ["run", "/landscape", "--process", process]
        );
        assert_eq!(service["environment"]["ROLE"], *process);
        let secrets = words(&service["secrets"]);
        let others = ROLES.iter().filter(|role| *role != process);
        assert!(secrets.contains(&process.as_str()), "{process}: {secrets:?}");
        assert_eq!(
            others.filter(|role| secrets.contains(role)).count(),
            0,
            "{process}: {secrets:?}"
        );
    }
}

#[test]
fn passwords_are_made_once_and_reach_whom_they_are_for() {
    // given: the folder, and containers' secrets in it
    let place = TempDir::new().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(folder())
        .arg(place.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let compose = place.path().join("compose");
    let _ = fs::remove_dir_all(compose.join("secrets"));
    let make = || {
        let made = Command::new(compose.join("secrets.sh")).status().unwrap();
        assert!(made.success());
    };
    let secret = |name: &str| fs::read_to_string(compose.join("secrets").join(name)).unwrap();
    // when
    make();
    let first = secret("shop");
    make();
    // then
    assert_eq!(secret("shop"), first, "it is not made anew");
    assert_eq!(first.len(), 48);
    let mode = fs::metadata(compose.join("secrets"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else may enter");
    for name in names(&FILES, "secrets") {
        assert_eq!(secret(&name).len(), 48, "{name}");
    }
    // when
    let script = fs::read_to_string(compose.join("with-secrets.sh")).unwrap();
    let here = script.replace("/run/secrets", compose.join("secrets").to_str().unwrap());
    let environment = |role: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &here, "with-secrets", "env"]);
        let output = command.env("ROLE", role).env("NODES", "a,b").output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    // then
    let stock = environment("stock");
    let url = format!("TRUNKLINE_BUS=amqp://trunkline-stock:{}@a,b/\n", secret("stock"));
    assert!(stock.contains(&url), "{stock}");
    assert!(stock.contains(&format!("ERP_URL=postgres://erp:{}@erp/erp\n", secret("erp"))));
    assert!(stock.contains(&format!("SHOP_SECRET={}\n", secret("webhook"))));
    let admin = environment("admin");
    for role in ROLES {
        let line = format!("TRUNKLINE_PASSWORD_{}={}\n", role.to_uppercase(), secret(role));
        assert!(admin.contains(&line), "{role}");
    }
}
