//! The example's processes, each as a broker user with no more rights than its part needs.

use crate::{
    shop::{Shop, expected, taken},
    support::{process::output, services::Broker, shop},
};

const PASSWORD: &str = "s3cret-of-the-test";

#[tokio::test]
async fn two_processes_with_two_users_do_what_they_must() {
    const ORDERS: usize = 100;
    // given: the example's topology and users, made by an administrator
    let example = Shop::new().await;
    let vhost = example.vhost().name().to_owned();
    let broker = Broker::shared();
    let _accounts = broker.accounts(&vhost, &["shop", "stock", "operator", "topology"]);
    let (scheme, place) = example
        .amqp
        .split_once("guest:guest")
        .expect("the tests' user is guest");
    let amqp_of = |role: &str| format!("{scheme}{vhost}-{role}:{PASSWORD}{place}");
    let management = std::env::var("TRUNKLINE_TEST_MANAGEMENT").expect("`tests/run` has set it");
    let landscape = example.folder.path().to_str().expect("the path is text");
    let variables = [
        ("TRUNKLINE_BUS", example.amqp.as_str()),
        ("TRUNKLINE_MANAGEMENT", &management),
        ("TRUNKLINE_PASSWORD_SHOP", PASSWORD),
        ("TRUNKLINE_PASSWORD_STOCK", PASSWORD),
        ("TRUNKLINE_PASSWORD_OPERATOR", PASSWORD),
        ("TRUNKLINE_PASSWORD_TOPOLOGY", PASSWORD),
    ];
    let users = ["topology", "users", landscape, "--apply", "--prefix", &vhost];
    let (code, _, talk) = output(&users, &variables).await;
    assert_eq!(code, Some(0), "{talk}");
    // when nothing is there yet, and a process may not make it
    let shop = [("TRUNKLINE_BUS", amqp_of("shop"))];
    let shop: Vec<_> = shop.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (code, _, talk) = output(&["run", landscape, "--process", "shop"], &shop).await;
    // then it does not start, and names what is missing
    assert_eq!(code, Some(1), "{talk}");
    for missing in [
        "queue `orders.stock` is missing",
        "exchange `trunkline.orders` is missing",
    ] {
        assert!(talk.contains(missing), "{talk}");
    }
    assert!(talk.contains("topology apply"), "{talk}");
    assert!(!talk.contains(PASSWORD), "{talk}");
    // when it is made
    let (code, _, talk) = output(&["topology", "apply", landscape], &variables).await;
    assert_eq!(code, Some(0), "{talk}");
    let stock = example.start_as("stock", &amqp_of("stock")).await;
    let webhook = example.start_as("shop", &amqp_of("shop")).await;
    for index in 0..ORDERS {
        shop::deliver(&example.address, index).await;
    }
    // then every order arrives
    example.wait_for(ORDERS as i64, taken(ORDERS)).await;
    assert_eq!(example.stock().await, expected(ORDERS));
    // when an order cannot be mapped, then it is parked, and the operator sees it
    let body = r#"{"id": 7}"#;
    let signature = trunkline_webhook::signature::shopify(shop::SECRET, body.as_bytes());
    let answer = shop::send(&example.address, 7_000, body.as_bytes(), &signature).await;
    assert_eq!(answer.expect("it answers").status(), 200);
    let operator = amqp_of("operator");
    let (code, parked, talk) = output(
        &["dead-letters", "list", landscape],
        &[("TRUNKLINE_BUS", &operator)],
    )
    .await;
    assert_eq!(code, Some(0), "{talk}");
    assert!(parked.starts_with("shop.orders-in.dead  "), "{parked}{talk}");
    assert!(webhook.terminate().await.success());
    assert!(stock.terminate().await.success());
}
