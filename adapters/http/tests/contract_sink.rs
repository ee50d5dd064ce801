//! The SDK's sentences for sinks, with a peer that knows idempotency keys, and one that is told what to put where.

mod peer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use peer::{Asked, Peer, Say, TOKEN, answer, open};
use trunkline_sdk::{
    Body, Effect, Record, Sink, Value,
    contract::{
        Cable, sink,
        sink::{PRIVATE, SinkPeer},
    },
    sink_contract,
};

sink_contract!(by_key, Shop::new(Manner::Key));
sink_contract!(by_method, Shop::new(Manner::Put));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_repeat_acts_twice_all_else_holds() {
    let shop = Shop::new(Manner::Plain).await;
    sink::a_batch_gets_one_outcome_per_message_in_its_order(&shop).await;
    let shop = Shop::new(Manner::Plain).await;
    sink::a_large_batch_is_applied_whole(&shop).await;
    let shop = Shop::new(Manner::Plain).await;
    sink::a_refused_message_is_not_remembered_as_applied(&shop).await;
    let shop = Shop::new(Manner::Plain).await;
    sink::the_same_id_in_another_flow_is_another_effect(&shop).await;
    let shop = Shop::new(Manner::Plain).await;
    sink::parts_of_one_message_take_effect_together_or_not_at_all(&shop).await;
    let shop = Shop::new(Manner::Plain).await;
    sink::while_the_peer_is_away_nothing_is_applied_and_then_it_goes_on(&shop).await;
    let shop = Shop::new(Manner::Plain).await;
    sink::no_fault_shows_a_secret_or_a_value(&shop).await;
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// POST, with a key that the shop knows again.
    Key,
    /// PUT.
    Put,
    /// POST, and that is all.
    Plain,
}

/// What has been done in the shop, by the order's number.
type Orders = Arc<Mutex<HashMap<String, usize>>>;

/// Takes orders; without the right token none.
struct Shop {
    manner: Manner,
    _peer: Peer,
    cable: Cable,
    orders: Orders,
}

impl Shop {
    async fn new(manner: Manner) -> Self {
        let peer = Peer::start().await;
        let orders = Orders::default();
        let known = Mutex::new(HashMap::new());
        peer.rule({
            let orders = orders.clone();
            move |asked| Some(take(manner, &orders, &known, asked))
        });
        let cable = Cable::to(peer.address.to_string()).await.expect("a port");
        Self {
            manner,
            _peer: peer,
            cable,
            orders,
        }
    }

    fn record(&self, id: &str, quantity: &'static str) -> Record {
        let text = |text: &str| Value::Text(text.to_owned().into());
        Record::new(
            id,
            Body::Value(Value::Object(vec![
                ("number".into(), text(id)),
                ("quantity".into(), Value::Number(quantity.into())),
                ("note".into(), text(PRIVATE)),
            ])),
        )
    }
}

fn take(manner: Manner, orders: &Orders, known: &Mutex<HashMap<String, Say>>, asked: &Asked) -> Say {
    if asked
        .headers
        .get("authorization")
        .is_none_or(|value| value != &format!("Bearer {TOKEN}"))
    {
        return answer(401, &format!(r#"{{"error":"{TOKEN} is expected"}}"#));
    }
    let key = asked
        .headers
        .get("idempotency-key")
        .map(|key| key.to_str().expect("text").to_owned());
    if manner == Manner::Key {
        let key = key.as_deref().expect("a key");
        if let Some(said) = known.lock().expect("no panic").get(key) {
            return said.clone();
        }
    }
    let number = asked.target.strip_prefix("/orders/").expect("the path");
    if asked.body.contains(r#""quantity":-1"#) {
        return answer(
            422,
            &format!(r#"{{"code":"bad_quantity","detail":"{PRIVATE} {number}"}}"#),
        );
    }
    let mut orders = orders.lock().expect("no panic");
    let count = orders.entry(number.to_owned()).or_default();
    *count = if manner == Manner::Put { 1 } else { *count + 1 };
    let said = answer(201, &format!(r#"{{"id":"{number}"}}"#));
    if let Some(key) = key {
        known.lock().expect("no panic").insert(key, said.clone());
    }
    said
}

#[async_trait]
impl SinkPeer for Shop {
    fn effect(&self) -> Effect {
        match self.manner {
            Manner::Key | Manner::Put => Effect::Idempotent,
            Manner::Plain => Effect::Plain,
        }
    }

    async fn sink(&self, flow: &str) -> Box<dyn Sink> {
        let settings = peer::map(
            &[
                ("base_url", &format!("http://{}", self.cable.address())),
                ("allow_private", "true"),
                ("bearer", TOKEN),
            ],
            &[],
        );
        let manner = match self.manner {
            Manner::Key => ("idempotency_key", "Idempotency-Key"),
            Manner::Put => ("method", "PUT"),
            Manner::Plain => ("method", "POST"),
        };
        let endpoint = peer::map(&[("path", "/orders/{number}"), manner], &[]);
        let system = open(&settings).await.expect("it opens");
        system.sink(flow, &endpoint).await.expect("it opens")
    }

    fn accepted(&self, id: &str) -> Record {
        self.record(id, "2")
    }

    fn refused(&self, id: &str) -> Record {
        self.record(id, "-1")
    }

    async fn effects(&self, id: &str) -> usize {
        self.orders
            .lock()
            .expect("no panic")
            .get(id)
            .copied()
            .unwrap_or_default()
    }

    async fn leave(&self) {
        self.cable.cut();
    }

    async fn come_back(&self) {
        self.cable.mend();
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }
}
