//! A small landscape in a folder, on a virtual host of the test's own.

use std::{fs, time::Duration};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use tempfile::TempDir;

use crate::support::{
    process::output,
    services::{Broker, Vhost},
};

/// The landscape: the drop folder's orders go to channel `orders`, read by flow `stock`, run as two processes.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) broker: Broker,
    pub(crate) vhost: Vhost,
    management: String,
}

/// What one call of the program said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) data: String,
    pub(crate) talk: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let broker = Broker::shared();
        let vhost = broker.fresh_vhost().await;
        let folder = TempDir::new().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        for part in ["flows", "maps"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        write(
            "trunkline.yaml",
            "bus: ${TRUNKLINE_BUS:-embedded:./data}\n\
             systems:\n  drop: { file: { folder: ./drop } }\n  db: { sql: { url: \"sqlite:./db\" } }\n\
             channels:\n  orders: { type: trunkline.commerce.v1.StockMove }\n\
             processes:\n  shop: [orders-in]\n  stock: [stock]\n",
        );
        write(
            "flows/orders-in.yaml",
            "flow: orders-in\nfrom: { system: drop, pattern: \"*.jsonl\" }\n\
             steps:\n  - translate: maps/order.cel\nto: orders\n",
        );
        write(
            "maps/order.cel",
            "StockMove{ sku: this.sku, quantity: uint(1), order_id: string(this.id) }\n",
        );
        write(
            "flows/stock.yaml",
            "flow: stock\nfrom: orders\nto: { system: db, statement: \"INSERT INTO orders (id) VALUES (:order_id)\" }\n",
        );
        let management = std::env::var("TRUNKLINE_TEST_MANAGEMENT").unwrap();
        Self {
            folder,
            broker,
            vhost,
            management,
        }
    }

    /// `trunkline topology VERB LANDSCAPE …` on the test's virtual host.
    pub(crate) async fn topology(&self, verb: &str, more: &[&str]) -> Said {
        self.topology_on(self.vhost.amqp(), verb, more).await
    }

    pub(crate) async fn topology_on(&self, bus: &str, verb: &str, more: &[&str]) -> Said {
        self.topology_with(&[("TRUNKLINE_BUS", bus)], verb, more).await
    }

    pub(crate) async fn topology_with(
        &self,
        more_variables: &[(&str, &str)],
        verb: &str,
        more: &[&str],
    ) -> Said {
        let landscape = self.landscape();
        let mut arguments = vec!["topology", verb, landscape];
        arguments.extend(more);
        let own = self.variables();
        let mut variables: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend(more_variables);
        let (code, data, talk) = output(&arguments, &variables).await;
        // Nobody's password, whatever was asked.
        assert!(
            !data.contains("guest:guest") && !talk.contains("guest:guest"),
            "{data}{talk}"
        );
        Said { code, data, talk }
    }

    /// Where its files are.
    pub(crate) fn landscape(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// Where its broker is, as the program reads it.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("TRUNKLINE_BUS", self.vhost.amqp().to_owned()),
            ("TRUNKLINE_MANAGEMENT", self.management.clone()),
        ]
    }

    /// The bus's URL as this user.
    pub(crate) fn amqp_as(&self, user: &str, password: &str) -> String {
        let place = self.vhost.amqp().split_once('@').unwrap().1;
        format!("amqp://{user}:{password}@{place}")
    }

    /// The management API's URL with this user and password.
    pub(crate) fn management_as(&self, credentials: &str) -> String {
        let place = self.management.split_once('@').unwrap().1;
        format!("http://{credentials}@{place}")
    }

    /// A bus of the landscape's own folder.
    pub(crate) fn embedded(&self) -> String {
        format!("embedded:{}", self.folder.path().join("data").display())
    }

    /// Gives the flow `stock` another name.
    pub(crate) fn rename_stock(&self, name: &str) {
        for file in ["trunkline.yaml", "flows/stock.yaml"] {
            let path = self.folder.path().join(file);
            let text = fs::read_to_string(&path).unwrap();
            let text = text
                .replace("[stock]", &format!("[{name}]"))
                .replace("flow: stock", &format!("flow: {name}"));
            fs::write(path, text).unwrap();
        }
    }

    /// A channel of some other program.
    pub(crate) async fn client(&self) -> (Connection, Channel) {
        let connection = Connection::connect(self.vhost.amqp(), ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// Publishes messages `m-0`, `m-1` …, and waits until they are confirmed.
    pub(crate) async fn publish(&self, channel: &Channel, exchange: &str, count: usize) {
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        for number in 0..count {
            let mut headers = FieldTable::default();
            headers.insert("trunkline_attempt".into(), AMQPValue::LongString("3".into()));
            headers.insert(
                "trunkline_fault".into(),
                AMQPValue::LongString("no such sku".into()),
            );
            let properties = BasicProperties::default()
                .with_message_id(format!("m-{number}").into())
                .with_delivery_mode(2)
                .with_headers(headers);
            let options = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let confirm = channel
                .basic_publish(exchange.into(), "any.t".into(), options, b"body", properties)
                .await
                .unwrap();
            assert_eq!(confirm.await.unwrap(), Confirmation::Ack(None));
        }
    }

    /// Puts a thing where the management API has it; its path begins behind the virtual host.
    pub(crate) async fn put(&self, kind: &str, name: &str, value: &str) {
        let path = format!("/api/{kind}/{}/{name}", self.vhost.name());
        let (status, answer) = self.broker.manage("PUT", &path, value).await.unwrap();
        assert!((200..300).contains(&status), "{status} {answer}");
    }
}

/// Asks until the program says it: for what the broker tells by counters only.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> Result<(), String>) {
    let began = std::time::Instant::now();
    while let Err(told) = holds().await {
        assert!(began.elapsed() < Duration::from_secs(90), "never:\n{told}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
