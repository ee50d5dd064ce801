//! The real servers that tests talk to: RabbitMQ and PostgreSQL.
//!
//! `tests/run` starts one of each for the whole run and says in the environment where they are. There a
//! test takes a virtual host or a database of its own, so tests run in parallel and leave nothing behind.
//! A test that stops, freezes or kills a server starts a private one ([`Broker::own`], [`Postgres::own`]).
//!
//! Promised: a server accepts connections when the call that starts it returns; whatever is dropped is
//! removed, also when the test fails. Not promised: removal when the test process itself is killed; then
//! `tests/run` removes it.
//!
//! Needs only `tokio` and `tokio-postgres`, so that a crate of the workspace may take the file by path.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use tokio_postgres::NoTls;

/// A RabbitMQ node.
pub(crate) struct Broker {
    amqp: String,
    management: Management,
    tls: Option<(String, String)>,
    server: Option<Server>,
}

impl Broker {
    /// The node of this test run. It is everyone's: take a [`Vhost`] of it, and never stop it.
    pub(crate) fn shared() -> Self {
        Self {
            amqp: from_run("TRUNKLINE_TEST_AMQP"),
            management: Management::at(&from_run("TRUNKLINE_TEST_MANAGEMENT")),
            tls: None,
            server: None,
        }
    }

    /// A node of this test alone, which it may stop, freeze and kill; about 5 seconds.
    pub(crate) async fn own() -> Self {
        Self::own_with(&[]).await
    }

    /// As [`own`](Self::own), with TLS too, by this folder's `ca.pem`, `server.pem` and `server.key`; there it insists
    /// on a client's certificate, and takes the user from it.
    pub(crate) async fn own_with_tls(certificates: &Path) -> Self {
        Self::own_with(&["--tls", certificates.to_str().expect("the path is text")]).await
    }

    async fn own_with(arguments: &[&str]) -> Self {
        let (server, urls) = Server::start_new("rabbitmq", arguments).await;
        let tls = urls.get("AMQPS_URL").zip(urls.get("MANAGEMENT_TLS_URL"));
        Self {
            amqp: urls["AMQP_URL"].clone(),
            management: Management::at(&urls["MANAGEMENT_URL"]),
            tls: tls.map(|(amqps, management)| (amqps.clone(), management.clone())),
            server: Some(server),
        }
    }

    /// The URL of the default virtual host, as user guest with every right.
    pub(crate) fn amqp(&self) -> &str {
        &self.amqp
    }

    /// The URL of the default virtual host by TLS, without a user.
    pub(crate) fn amqps(&self) -> &str {
        &self.tls().0
    }

    /// The URL of the management API by TLS, without a user.
    pub(crate) fn management_tls(&self) -> &str {
        &self.tls().1
    }

    fn tls(&self) -> &(String, String) {
        self.tls
            .as_ref()
            .expect("a broker with TLS is made by `own_with_tls`")
    }

    /// An empty virtual host, removed with all that is in it when dropped.
    pub(crate) async fn fresh_vhost(&self) -> Vhost {
        let name = unique("test");
        let management = self.management.clone();
        let path = format!("/api/vhosts/{name}");
        let (status, answer) = blocking({
            let (management, path) = (management.clone(), path.clone());
            move || management.request("PUT", &path, "{}")
        })
        .await
        .unwrap_or_else(|error| {
            panic!(
                "RabbitMQ's management API at {}: {error}",
                self.management.address
            )
        });
        assert_eq!(status, 201, "RabbitMQ does not make a virtual host: {answer}");
        Vhost {
            amqp: with_last_segment(&self.amqp, &name),
            path,
            management,
        }
    }

    /// The users whose names begin with this, whoever makes them; removed when dropped.
    pub(crate) fn accounts(&self, prefix: &str, names: &[&str]) -> Accounts {
        Accounts {
            paths: names
                .iter()
                .map(|name| format!("/api/users/{prefix}-{name}"))
                .collect(),
            management: self.management.clone(),
        }
    }

    /// Asks the management API, e.g. `GET`, `/api/connections`; returns the status and the body.
    pub(crate) async fn manage(
        &self,
        method: &'static str,
        path: &str,
        body: &str,
    ) -> io::Result<(u16, String)> {
        let (management, path, body) = (self.management.clone(), path.to_owned(), body.to_owned());
        blocking(move || management.request(method, &path, &body)).await
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), on its old ports and data.
    pub(crate) async fn start(&self) {
        self.server().run("start", &[]).await;
    }

    /// Orderly, as an administrator would; about 6 seconds.
    pub(crate) async fn stop(&self) {
        self.server().run("stop", &[]).await;
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) {
        self.server().run("kill", &[]).await;
    }

    /// SIGSTOP: its connections stay open, nothing answers.
    pub(crate) async fn pause(&self) {
        self.server().run("pause", &[]).await;
    }

    /// SIGCONT, after [`pause`](Self::pause).
    pub(crate) async fn resume(&self) {
        self.server().run("resume", &[]).await;
    }

    /// `rabbitmqctl` on this node; returns what it prints.
    pub(crate) async fn ctl(&self, arguments: &[&str]) -> String {
        self.server().run("ctl", arguments).await
    }

    fn server(&self) -> &Server {
        self.server
            .as_ref()
            .expect("only a test's own broker may be disturbed: take `Broker::own`")
    }
}

/// Three RabbitMQ nodes that are one cluster, of this test alone; about 20 seconds.
pub(crate) struct Cluster {
    nodes: [Broker; 3],
    names: [String; 3],
    // Dropped after its nodes, whose folders are in its own.
    _server: Server,
}

impl Cluster {
    /// Forms one.
    pub(crate) async fn start() -> Self {
        let server = Server::new("rabbitmq");
        let urls = settings(&server.run("cluster", &[]).await);
        let node = |number: usize| Broker {
            amqp: urls[&format!("NODE_{number}_AMQP_URL")].clone(),
            management: Management::at(&urls[&format!("NODE_{number}_MANAGEMENT_URL")]),
            tls: None,
            server: Some(Server {
                script: server.script.clone(),
                folder: server.folder.join(number.to_string()),
            }),
        };
        Self {
            names: [1, 2, 3].map(|number| urls[&format!("NODE_{number}_NAME")].clone()),
            nodes: [node(1), node(2), node(3)],
            _server: server,
        }
    }

    /// Number `number` (0, 1, 2) of the nodes.
    pub(crate) fn node(&self, number: usize) -> &Broker {
        &self.nodes[number]
    }

    /// Its name in the cluster.
    pub(crate) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// An empty virtual host, removed when dropped, which the first node must be there for.
    pub(crate) async fn fresh_vhost(&self) -> Vhost {
        self.nodes[0].fresh_vhost().await
    }

    /// The URL of a virtual host with the nodes in this order.
    pub(crate) fn url(&self, vhost: &Vhost, order: [usize; 3]) -> String {
        let hosts = order.map(|node| {
            let (_, rest) = self.nodes[node].amqp.split_once('@').expect("it has a user");
            rest.split('/')
                .next()
                .expect("a split has at least one part")
                .to_owned()
        });
        format!("amqp://guest:guest@{}/{}", hosts.join(","), vhost.name())
    }

    /// Cuts a node off from the other two: they no longer have its cookie, and refuse each other. Its clients still
    /// reach it.
    pub(crate) async fn cut_off(&self, number: usize) {
        self.cookie_for_others(number, "'not the one'").await;
    }

    /// Undoes [`cut_off`](Self::cut_off).
    pub(crate) async fn rejoin(&self, number: usize) {
        self.cookie_for_others(number, "erlang:get_cookie()").await;
    }

    async fn cookie_for_others(&self, number: usize, cookie: &str) {
        let others = (0..3).filter(|other| *other != number);
        let others: Vec<_> = others.map(|other| format!("'{}'", self.names[other])).collect();
        let code = format!(
            "[begin erlang:set_cookie(Other, {cookie}), erlang:disconnect_node(Other) end || Other <- [{}]].",
            others.join(", ")
        );
        self.nodes[number].ctl(&["eval", &code]).await;
    }
}

/// A virtual host of the test's own.
pub(crate) struct Vhost {
    amqp: String,
    path: String,
    management: Management,
}

impl Vhost {
    /// The URL to connect with.
    pub(crate) fn amqp(&self) -> &str {
        &self.amqp
    }

    /// Its name, as the management API's paths want it.
    pub(crate) fn name(&self) -> &str {
        self.path
            .rsplit('/')
            .next()
            .expect("a split has at least one part")
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        // a broker that the test has killed took it along
        let _ = self.management.request("DELETE", &self.path, "");
    }
}

/// Broker users of the test's own.
pub(crate) struct Accounts {
    paths: Vec<String>,
    management: Management,
}

impl Drop for Accounts {
    fn drop(&mut self) {
        for path in &self.paths {
            // one that was never made
            let _ = self.management.request("DELETE", path, "");
        }
    }
}

/// A PostgreSQL server.
pub(crate) struct Postgres {
    url: String,
    server: Option<Server>,
}

impl Postgres {
    /// An empty database of this test run's server.
    pub(crate) async fn fresh_database() -> Database {
        Database::create(&from_run("TRUNKLINE_TEST_POSTGRES")).await
    }

    /// A server of this test alone, which it may stop and kill; about 1 second.
    pub(crate) async fn own() -> Self {
        let (server, urls) = Server::start_new("postgres", &[]).await;
        Self {
            url: urls["POSTGRES_URL"].clone(),
            server: Some(server),
        }
    }

    /// The URL of the database `postgres`, as a superuser.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), on its old port and data.
    pub(crate) async fn start(&self) {
        self.server().run("start", &[]).await;
    }

    /// Orderly: sessions are ended, then it.
    pub(crate) async fn stop(&self) {
        self.server().run("stop", &[]).await;
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) {
        self.server().run("kill", &[]).await;
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("a `Postgres` is made by `own` only")
    }
}

/// A database of the test's own, removed when dropped, whoever is still connected.
pub(crate) struct Database {
    url: String,
    administration: String,
    name: String,
}

impl Database {
    async fn create(administration: &str) -> Self {
        let name = unique("test");
        execute(administration, &format!("CREATE DATABASE \"{name}\""))
            .await
            .unwrap_or_else(|error| panic!("PostgreSQL does not make a database: {error:?}"));
        Self {
            url: with_last_segment(administration, &name),
            administration: administration.to_owned(),
            name,
        }
    }

    /// The URL to connect with.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let administration = std::mem::take(&mut self.administration);
        let statement = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        // a drop cannot await, and the test's runtime may be a single thread: a runtime of its own
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(execute(&administration, &statement)))
        });
        let _ = removal.join();
    }
}

async fn execute(url: &str, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let result = client.batch_execute(statement).await;
    drop(client);
    let _ = connection.await;
    result
}

/// A private server, run by its script in `tests/services`, removed when dropped.
struct Server {
    script: PathBuf,
    folder: PathBuf,
}

impl Server {
    async fn start_new(name: &str, arguments: &[&str]) -> (Self, HashMap<String, String>) {
        let server = Self::new(name);
        let urls = settings(&server.run("start", arguments).await);
        (server, urls)
    }

    /// One that was not started yet.
    fn new(name: &str) -> Self {
        let below = std::env::var_os("TRUNKLINE_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("tests/services").join(name))
            .find(|script| script.is_file())
            .expect("the workspace's root has tests/services");
        Self {
            script,
            folder: below.join(unique(name)),
        }
    }

    /// Runs a verb of the script to its end; returns what it prints.
    async fn run(&self, verb: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.script);
        command.arg(verb).arg(&self.folder).args(arguments);
        let output = blocking(move || command.output())
            .await
            .expect("the script can be run");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} {verb}: {complaint}",
            self.script.display()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new(&self.script)
            .arg("remove")
            .arg(&self.folder)
            .output();
    }
}

/// What a script has printed: `NAME=value` in each line.
fn settings(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// RabbitMQ's management API, by as much HTTP as it takes: a drop must ask it without a runtime.
#[derive(Clone)]
struct Management {
    address: String,
    authorization: String,
}

impl Management {
    fn at(url: &str) -> Self {
        let rest = url
            .strip_prefix("http://")
            .expect("TRUNKLINE_TEST_MANAGEMENT begins with http://");
        let (credentials, address) = rest
            .split_once('@')
            .expect("it is http://user:password@host:port");
        let address = address.trim_end_matches('/').to_owned();
        Self {
            address,
            authorization: base64(credentials.as_bytes()),
        }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: {}\r\nauthorization: Basic {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.authorization,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(malformed)?;
        Ok((status, body.to_owned()))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        (0..4).map(move |at| match at <= chunk.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]),
            false => '=',
        })
    });
    digits.collect()
}

/// What `tests/run` has set.
fn from_run(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: run the tests with `tests/run`, or set it as the head of that file says"
        )
    })
}

/// A name that no other test has, in this run or another.
fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("the clock is past 1970");
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{}-{count}", std::process::id(), now.as_micros())
}

/// The URL with another virtual host or database.
fn with_last_segment(url: &str, name: &str) -> String {
    let (url, query) = url
        .split_once('?')
        .map_or((url, String::new()), |(url, query)| (url, format!("?{query}")));
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find('/').map_or(url.len(), |at| authority + at);
    format!("{}/{name}{query}", &url[..end])
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("the work does not panic")
}
