//! TLS with an authority of one's own, to a broker that insists on a client's certificate and takes the user from it.

use std::path::Path;

use tempfile::TempDir;
use trunkline::bus::{Bus, rabbitmq::Inspector};
use trunkline_sdk::{Fault, Remedy};

use crate::{
    authority::Authority,
    scene::{billing, connect, landscape, opened, order, publish, receive_until, until},
    support::services::Broker,
};

const GOOD: i32 = 2040;
const EXPIRED: i32 = 2021;

/// A broker whose authority and certificates are in a folder: those of the client `stock`, too.
struct Guarded {
    broker: Broker,
    folder: TempDir,
    authority: Authority,
}

impl Guarded {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new("the shop's authority");
        authority.write(folder.path());
        authority.issue_server(folder.path(), "localhost", GOOD);
        authority.issue_client(folder.path(), "stock", GOOD);
        let broker = Broker::own_with_tls(folder.path()).await;
        let all = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
        for (path, body) in [
            (
                "/api/users/stock",
                r#"{"password": "s3cret", "tags": "administrator"}"#,
            ),
            ("/api/permissions/%2f/stock", all),
        ] {
            assert_eq!(broker.manage("PUT", path, body).await.unwrap().0, 201);
        }
        Self {
            broker,
            folder,
            authority,
        }
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    /// As user `stock` with a password, and with these options; `@/` stands for the folder.
    fn url(&self, options: &str) -> String {
        let url = self.broker.amqps().replace("amqps://", "amqps://stock:s3cret@");
        format!(
            "{url}?{}",
            options.replace("@/", &format!("{}/", self.home().display()))
        )
    }

    /// The broker shows another certificate from now on.
    async fn show(&self, host: &str, until: i32) {
        self.authority.issue_server(self.home(), host, until);
        self.broker.ctl(&["eval", "ssl:clear_pem_cache()."]).await;
    }

    async fn refusal(&self, options: &str) -> Fault {
        let url = self.url(options);
        let Err(fault) = connect(&url).await else {
            panic!("{options}: nobody minds");
        };
        let told = fault.to_string();
        assert_eq!(fault.remedy, Remedy::Stop, "{options}: {told}");
        assert!(!told.contains("s3cret"), "{told}");
        fault
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_takes_the_place_of_a_password() {
    // given
    let guarded = Guarded::new().await;
    let by_certificate = guarded
        .url("cacertfile=@/ca.pem&certfile=@/stock.pem&keyfile=@/stock.key&auth_mechanism=external")
        .replace("stock:s3cret@", "stock@");
    // when
    let scene = opened(&by_certificate).await;
    publish(&*scene.bus, order("1001"))
        .await
        .expect("it is confirmed");
    // then
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    receive_until(&*scene.bus, &mut subscription, "1001").await;
    until("the broker knows us by our certificate", || async {
        let (_, connections) = guarded
            .broker
            .manage("GET", "/api/connections", "")
            .await
            .unwrap();
        connections.contains(r#""auth_mechanism":"EXTERNAL""#)
    })
    .await;
    subscription.close().await;
    scene.bus.close().await;
    // then: the management API is asked over the same TLS, by password
    let by_password = guarded.url("cacertfile=@/ca.pem&certfile=@/stock.pem&keyfile=@/stock.key");
    let inspector = Inspector::new(&by_password, Some(guarded.broker.management_tls())).unwrap();
    let differences = inspector.differences(&landscape()).await.expect("it answers");
    assert_eq!(differences.len(), 0, "{differences:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_certificate_is_said_by_its_name_with_the_mend() {
    // given
    let guarded = Guarded::new().await;
    let home = guarded.home();
    guarded.authority.issue_client(home, "old", EXPIRED);
    let stranger = Authority::new("a stranger");
    stranger.issue_client(home, "strange", GOOD);
    let strangers = TempDir::new_in(home).unwrap();
    stranger.write(strangers.path());
    let of_stranger = format!("cacertfile={}/ca.pem", strangers.path().display());
    std::fs::write(home.join("empty.pem"), "").unwrap();
    for (options, what, hint) in [
        ("", "an authority that we do not trust", "?cacertfile=ca.pem"),
        (
            of_stranger.as_str(),
            "an authority that we do not trust",
            "/ca.pem must hold",
        ),
        (
            "cacertfile=@/ca.pem",
            "wants a certificate of ours",
            "?certfile=client.pem&keyfile=client.key",
        ),
        (
            "cacertfile=@/ca.pem&certfile=@/strange.pem&keyfile=@/strange.key",
            "refuses our certificate",
            "ssl_options.cacertfile",
        ),
        (
            "cacertfile=@/ca.pem&certfile=@/old.pem&keyfile=@/old.key",
            "refuses our certificate",
            "renew it",
        ),
        (
            "cacertfile=@/ca.pem&certfile=@/stock.pem&keyfile=@/old.key",
            "is not the key of",
            "made together",
        ),
        (
            "cacertfile=@/none.pem",
            "none.pem of the bus's URL cannot be read: entity not found",
            "relative to",
        ),
        (
            "cacertfile=@/empty.pem",
            "empty.pem of the bus's URL holds no certificate",
            "-----BEGIN CERTIFICATE-----",
        ),
        (
            "certfile=@/stock.pem&keyfile=@/stock.pem",
            "stock.pem of the bus's URL holds no private key",
            "-----BEGIN PRIVATE KEY-----",
        ),
    ] {
        // when
        let fault = guarded.refusal(options).await;
        // then
        assert!(fault.what.contains(what), "{options}: {fault}");
        let told = fault.hint.as_deref().unwrap_or_default();
        assert!(told.contains(hint), "{options}: {fault}");
    }
    // then: a user whom the certificate does not name is told like a wrong password
    guarded.authority.issue_client(home, "nobody", GOOD);
    let fault = guarded
        .refusal("cacertfile=@/ca.pem&certfile=@/nobody.pem&keyfile=@/nobody.key&auth_mechanism=external")
        .await;
    assert!(
        fault.what.contains("refused the credentials of user `stock`"),
        "{fault}"
    );
    // then: TLS where there is none
    let plainly = guarded.broker.amqp().replace("amqp://", "amqps://");
    let Err(fault) = connect(&plainly).await else {
        panic!("that port speaks no TLS");
    };
    assert!(fault.what.contains("does not speak TLS"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_certificate_is_not_in_order_is_not_trusted_until_it_is() {
    // given
    let guarded = Guarded::new().await;
    let options = "cacertfile=@/ca.pem&certfile=@/stock.pem&keyfile=@/stock.key";
    for (host, until, what, hint) in [
        (
            "rabbit.shop.example",
            GOOD,
            "is for another host",
            "as the certificate names it",
        ),
        ("localhost", EXPIRED, "has expired", "renew it on the broker"),
    ] {
        // when
        guarded.show(host, until).await;
        // then
        let fault = guarded.refusal(options).await;
        assert!(fault.what.contains(what), "{fault}");
        assert!(
            fault.hint.as_deref().unwrap_or_default().contains(hint),
            "{fault}"
        );
    }
    // when
    guarded.show("localhost", GOOD).await;
    // then
    opened(&guarded.url(options)).await.bus.close().await;
}
