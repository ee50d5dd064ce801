//! The SDK's sentences for sources, told by a shop that posts and, refused, posts again.

mod sender;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sender::{PATH, Peer, SECRET, order, read, settings};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};
use trunkline_sdk::{Adapter, Settings, Source, contract::source::SourcePeer, source_contract};
use trunkline_webhook::{Limits, Webhook};

const IN_FLIGHT: usize = 16;

source_contract!(Shop::new().await);

/// A shop with a sender per order; the system under test is opened anew, on the same port, for each source.
struct Shop {
    peer: Peer,
    senders: JoinSet<()>,
    offered: usize,
    told: Arc<AtomicUsize>,
}

impl Shop {
    async fn new() -> Self {
        Self {
            peer: Peer::open(&system("127.0.0.1:0"), limits()).await,
            senders: JoinSet::new(),
            offered: 0,
            told: Arc::default(),
        }
    }
}

#[async_trait]
impl SourcePeer for Shop {
    async fn offer(&mut self, records: usize) {
        for _ in 0..records {
            self.offered += 1;
            let request = order(&format!("w-{}", self.offered));
            let (address, told) = (self.peer.address, self.told.clone());
            self.senders.spawn(async move {
                loop {
                    if let Ok(mut stream) = TcpStream::connect(address).await {
                        let _ = stream.write_all(&request).await;
                        if read(&mut stream).await.status == 200 {
                            break;
                        }
                    }
                    // A sender's pause between two tries.
                    sleep(Duration::from_millis(20)).await;
                }
                told.fetch_add(1, Ordering::SeqCst);
            });
        }
    }

    async fn open(&mut self) -> Box<dyn Source> {
        self.peer.system.close().await;
        let system = system(&self.peer.address.to_string());
        self.peer.system = Webhook::with(limits())
            .open(&system, Path::new("."))
            .await
            .expect("the port was given back");
        let endpoint = Settings::of([("path", PATH)]);
        self.peer.system.source(&endpoint).await.expect("a path")
    }

    fn resumes(&self) -> bool {
        false
    }

    async fn told(&mut self) -> Option<usize> {
        Some(self.told.load(Ordering::SeqCst))
    }

    fn most_in_flight(&self) -> usize {
        IN_FLIGHT
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }
}

fn system(listen: &str) -> Settings {
    settings(&[("listen", listen), ("patience", "2s")], "shopify", &[SECRET])
}

fn limits() -> Limits {
    Limits {
        in_flight: IN_FLIGHT,
        ..Limits::default()
    }
}
