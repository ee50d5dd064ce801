//! The SDK's sentences for sources, with a system that knows orders and when each was changed.

mod peer;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use peer::{Asked, Peer, TOKEN, answer, answer_with, map};
use trunkline_sdk::{Source, contract::source::SourcePeer, source_contract};

mod by_cursor_and_offset {
    use super::*;
    source_contract!(
        Orders::new(&[
            ("cursor.field", "changed"),
            ("cursor.parameter", "since"),
            ("page.by", "offset"),
        ])
        .await
    );
}

mod whole_by_link {
    use super::*;
    source_contract!(Orders::new(&[("version", "changed"), ("page.by", "link")]).await);
}

mod by_cursor_on_one_page {
    use super::*;
    source_contract!(
        Orders::new(&[
            ("cursor.field", "changed"),
            ("cursor.parameter", "since"),
            ("cursor.overlap", "1m"),
        ])
        .await
    );
}

/// How many orders a page has.
const PAGE: usize = 17;

/// Keeps orders: the number of each, and the second of its last change.
struct Orders {
    peer: Peer,
    settings: Vec<(&'static str, &'static str)>,
    kept: Arc<Mutex<usize>>,
    is_shut: Arc<Mutex<bool>>,
}

impl Orders {
    async fn new(settings: &[(&'static str, &'static str)]) -> Self {
        let peer = Peer::start().await;
        let (kept, is_shut) = (Arc::<Mutex<usize>>::default(), Arc::<Mutex<bool>>::default());
        let has_pages = settings.iter().any(|(name, _)| *name == "page.by");
        peer.rule({
            let (kept, is_shut) = (kept.clone(), is_shut.clone());
            move |asked| {
                if *is_shut.lock().expect("no panic")
                    || asked.headers["authorization"] != format!("Bearer {TOKEN}")
                {
                    return Some(answer(401, &format!(r#"{{"error":"{TOKEN}"}}"#)));
                }
                Some(list(asked, *kept.lock().expect("no panic"), has_pages))
            }
        });
        Self {
            peer,
            settings: settings.to_vec(),
            kept,
            is_shut,
        }
    }
}

fn list(asked: &Asked, kept: usize, has_pages: bool) -> peer::Say {
    let parameter = |name: &str| {
        let query = asked.target.split_once('?')?.1;
        let value = query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.replace("%3A", ":"))
    };
    let since = parameter("since").unwrap_or_default();
    let changed = |number: usize| format!("2026-07-01T{:02}:{:02}:00Z", number / 240, number / 4 % 60);
    let orders: Vec<_> = (0..kept).filter(|number| changed(*number) >= since).collect();
    let offset = parameter("offset").map_or(0, |offset| offset.parse().expect("a number"));
    let count = if has_pages { PAGE } else { usize::MAX };
    let page: Vec<_> = orders
        .iter()
        .skip(offset)
        .take(count)
        .map(|number| format!(r#"{{"id":{number},"changed":"{}"}}"#, changed(*number)))
        .collect();
    let body = format!(r#"{{"data":{{"orders":[{}]}}}}"#, page.join(","));
    let next = offset + page.len();
    if has_pages && next < orders.len() {
        let link = format!(r#"</v1/orders?offset={next}>; rel="next""#);
        return answer_with(200, &[("link", &link), ("etag", "\"never\"")], &body);
    }
    let tag = format!("\"{kept}-{since}\"");
    if asked
        .headers
        .get("if-none-match")
        .is_some_and(|known| known == tag.as_str())
    {
        return answer_with(304, &[("etag", &tag)], "");
    }
    answer_with(200, &[("etag", &tag)], &body)
}

#[async_trait]
impl SourcePeer for Orders {
    async fn offer(&mut self, records: usize) {
        *self.kept.lock().expect("no panic") += records;
    }

    async fn open(&mut self) -> Box<dyn Source> {
        let base = format!("{}/v1", self.peer.url());
        let system = self.peer.system(&[("base_url", &base), ("bearer", TOKEN)]).await;
        let endpoint = map(
            &[
                ("path", "/orders"),
                ("records", "data.orders"),
                ("id", "id"),
                ("every", "100ms"),
            ],
            &self.settings,
        );
        system.source(&endpoint).await.expect("it opens")
    }

    fn most_in_flight(&self) -> usize {
        256
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    async fn spoil(&mut self) -> bool {
        *self.is_shut.lock().expect("no panic") = true;
        true
    }
}
