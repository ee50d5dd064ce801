//! One request of each sender, signed by somebody else: by the sender's own published example, by its library
//! (stripe 16.1 and standardwebhooks 1.1 of PyPI, hubspot-api-client 12.0; easypost 10.7 has checked its own), or by
//! `openssl dgst -sha256 -hmac`.

use trunkline_sdk::Settings;

use super::{Example, SIGNED, group, secret};

/// All of them.
pub(super) fn all() -> Vec<Example> {
    let plain = || Example {
        verify: Settings::of([]),
        target: "/in",
        headers: &[],
        body: "",
        ids: &[],
        subject: None,
        attribute: None,
        time: None,
    };
    vec![
        Example {
            verify: secret("shopify", "hush"),
            headers: &[
                (
                    "x-shopify-hmac-sha256",
                    "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=",
                ),
                ("x-shopify-topic", "orders/create"),
                ("x-shopify-shop-domain", "acme.myshopify.com"),
                ("x-shopify-api-version", "2026-10"),
                ("x-shopify-webhook-id", "w-1"),
                ("x-shopify-triggered-at", "2026-11-25T10:00:00.5Z"),
            ],
            body: r#"{"id":1}"#,
            ids: &["acme.myshopify.com w-1 orders/create"],
            subject: Some("orders/create"),
            attribute: Some(("shop_domain", "acme.myshopify.com")),
            time: Some(SIGNED * 1000 + 500),
            ..plain()
        },
        Example {
            verify: secret("shopify", "hush"),
            headers: &[
                (
                    "shopify-hmac-sha256",
                    "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=",
                ),
                ("shopify-topic", "orders/create"),
                ("shopify-shop-domain", "acme.myshopify.com"),
                ("shopify-api-version", "unstable"),
                ("shopify-webhook-id", "w-2"),
                ("shopify-event-id", "e-2"),
                ("shopify-action", "create"),
            ],
            body: r#"{"id":1}"#,
            ids: &["acme.myshopify.com w-2 orders/create"],
            subject: Some("orders/create"),
            attribute: Some(("action", "create")),
            ..plain()
        },
        // The example of the Standard Webhooks reference libraries, at another time.
        Example {
            verify: secret("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            headers: &[
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1795600800"),
                (
                    "webhook-signature",
                    "v1a,AAAA v1,AAAA v1,iRnhF1m/FoXSObiDBGQclVp+mO0k7yEkaDWi3DZU+wc=",
                ),
            ],
            body: r#"{"id":"evt_1","type":"charge.succeeded","created":1795600800,"note":"café"}"#,
            ids: &["msg_1"],
            attribute: Some(("webhook_id", "msg_1")),
            ..plain()
        },
        Example {
            verify: secret("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            headers: &[
                ("svix-id", "msg_1"),
                ("svix-timestamp", "1795600800"),
                (
                    "svix-signature",
                    "v1,iRnhF1m/FoXSObiDBGQclVp+mO0k7yEkaDWi3DZU+wc=",
                ),
            ],
            body: r#"{"id":"evt_1","type":"charge.succeeded","created":1795600800,"note":"café"}"#,
            ids: &["msg_1"],
            ..plain()
        },
        Example {
            verify: secret("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            headers: &[
                ("webhook-id", "msg_2"),
                ("webhook-timestamp", "1795600800"),
                (
                    "webhook-signature",
                    "v1,thcU3YXCS4J2DFrrZ0jOg5s5TaprpxjvVwydtPnU+kI=",
                ),
                ("content-type", "application/cloudevents-batch+json"),
            ],
            body: r#"[{"specversion":"1.0","id":"1","source":"/till/3","type":"sale","data":{"n":1}}]"#,
            ids: &["/till/3 1"],
            attribute: Some(("topic", "sale")),
            ..plain()
        },
        // The published example.
        Example {
            verify: secret("github", "It's a Secret to Everybody"),
            headers: &[
                (
                    "x-hub-signature-256",
                    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                ),
                ("x-github-event", "ping"),
                ("x-github-delivery", "72d3162e"),
            ],
            body: "Hello, World!",
            ids: &["72d3162e"],
            subject: Some("ping"),
            ..plain()
        },
        Example {
            verify: secret("stripe", "whsec_stripe-secret"),
            headers: &[(
                "stripe-signature",
                "t=1795600800,v1=00,v1=b16868db83d292d15df9adbe459c8ed04a6c71c70f49fac94ae0700be975f6eb,v0=11",
            )],
            body: r#"{"id":"evt_1","type":"charge.succeeded","created":1795600700,"account":"acct_1","livemode":false,"data":{"object":{"id":"ch_1"}}}"#,
            ids: &["evt_1"],
            subject: Some("charge.succeeded"),
            attribute: Some(("livemode", "false")),
            time: Some(SIGNED * 1000 - 100_000),
            ..plain()
        },
        Example {
            verify: secret("hubspot", "hubspot-secret"),
            target: "/in?to=a%40b&q=%20x",
            headers: &[
                (
                    "x-hubspot-signature-v3",
                    "j+wFwZtYMh2Aj1++3URyD4EKJO68G4PqhJ/5herMYkw=",
                ),
                ("x-hubspot-request-timestamp", "1795600800000"),
            ],
            body: r#"[{"eventId":100,"subscriptionId":3606,"portalId":62515,"appId":7,"occurredAt":1795600800500,"subscriptionType":"contact.propertyChange","attemptNumber":0,"objectId":1246965},{"eventId":101,"subscriptionId":3606,"portalId":62515,"occurredAt":1795600800600,"subscriptionType":"contact.propertyChange","attemptNumber":2,"objectId":1246966}]"#,
            ids: &["62515 3606 100 1795600800500", "62515 3606 101 1795600800600"],
            subject: Some("contact.propertyChange"),
            attribute: Some(("object_id", "1246965")),
            time: Some(SIGNED * 1000 + 500),
        },
        Example {
            verify: secret("quickbooks", "verifier-token"),
            headers: &[("intuit-signature", "Iwr68cLs5OYhWRjhJ4GINZxWAf5HHnNk+Lqopxf6Gy0=")],
            body: r#"[{"specversion":"1.0","id":"88cd52aa","source":"intuit.dsnBgbseACLL=","type":"qbo.invoice.created.v1","datacontenttype":"application/json","time":"2026-11-25T10:00:00.5Z","intuitentityid":"95","intuitaccountid":"310687","data":{}},{"specversion":"1.0","id":"99","source":"intuit.dsnBgbseACLL=","type":"qbo.customer.updated.v1","time":"2026-11-25T10:00:01Z","intuitentityid":"7","intuitaccountid":"310687","data":{}}]"#,
            ids: &["intuit.dsnBgbseACLL= 88cd52aa", "intuit.dsnBgbseACLL= 99"],
            subject: Some("qbo.invoice.created.v1"),
            attribute: Some(("entity_id", "95")),
            time: Some(SIGNED * 1000 + 500),
            ..plain()
        },
        Example {
            verify: secret("xero", "xero-key"),
            headers: &[("x-xero-signature", "Y3XMh/3ZKuqwf75ppLvwEYbkrx7F7LBu+NIg41Hl6t0=")],
            body: r#"{"events":[{"resourceId":"r-1","eventDateUtc":"2026-11-25T10:00:00.500","eventType":"UPDATE","eventCategory":"INVOICE","tenantId":"t-1"},{"resourceId":"r-2","eventDateUtc":"2026-11-25T10:00:01","eventType":"CREATE","eventCategory":"CONTACT","tenantId":"t-1"}],"firstEventSequence":1,"lastEventSequence":2,"entropy":"ABC"}"#,
            ids: &[
                "t-1 r-1 UPDATE 2026-11-25T10:00:00.500",
                "t-1 r-2 CREATE 2026-11-25T10:00:01",
            ],
            subject: Some("INVOICE"),
            attribute: Some(("resource_id", "r-1")),
            time: Some(SIGNED * 1000 + 500),
            ..plain()
        },
        // What Xero sends to prove a subscription.
        Example {
            verify: secret("xero", "xero-key"),
            headers: &[("x-xero-signature", "YY7SXLbNAUYqMsbrsKP7PpIzfcO9n+XO1ijcIKaqRd8=")],
            body: r#"{"events":[],"lastEventSequence":0,"firstEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}"#,
            ..plain()
        },
        Example {
            verify: secret("xero", "xero-key"),
            headers: &[("x-xero-signature", "PEEe0Fy4Xdh8s2WAO9nVy6AovmytAS8g9f8XunXemvY=")],
            ..plain()
        },
        Example {
            verify: secret("easypost", "Schlüsselﬁ"),
            headers: &[(
                "x-hmac-signature",
                "hmac-sha256-hex=1aaa164115344d61f76bdf8ff1d90e55fdb9ce404c365b654740fb4b3a910912",
            )],
            body: r#"{"id":"evt_9","description":"tracker.updated","created_at":"2026-11-25T10:00:00Z","mode":"test"}"#,
            ids: &["evt_9"],
            subject: Some("tracker.updated"),
            attribute: Some(("mode", "test")),
            time: Some(SIGNED * 1000),
            ..plain()
        },
        Example {
            verify: secret("zendesk", "zendesk-secret"),
            headers: &[
                (
                    "x-zendesk-webhook-signature",
                    "9aO6eFfY8tL9823Ykr42vsjOZEKG9rpIoIkeBx04HWs=",
                ),
                ("x-zendesk-webhook-signature-timestamp", "2026-11-25T10:00:00Z"),
                ("x-zendesk-webhook-invocation-id", "i-1"),
                ("x-zendesk-account-id", "17"),
            ],
            body: r#"{"id":"e-1","type":"zen:event-type:ticket.created","time":"2026-11-25T10:00:00Z"}"#,
            ids: &["i-1"],
            subject: Some("zen:event-type:ticket.created"),
            attribute: Some(("account_id", "17")),
            time: Some(SIGNED * 1000),
            ..plain()
        },
        Example {
            verify: group(
                "hmac",
                &[
                    ("secret", "00ff10"),
                    ("secret_encoding", "hex"),
                    ("header", "X-Signature"),
                    ("prefix", "v0="),
                    ("separator", ";"),
                    ("timestamp", "ts="),
                    ("signed", "v0:{timestamp}:{body}"),
                    ("hash", "sha512"),
                    ("id", "/a"),
                ],
            ),
            headers: &[(
                "x-signature",
                "ts=1795600800;v0=6b31e08a6af47a2f6ecc56df2f38ee3a9706a9065a570660465ad97bb4886fc3d42d8e0265c063857478a36d9efc0b26b8650ce2b4ba74a5da0d4f0760bee8df",
            )],
            body: r#"{"a":1}"#,
            ids: &["1"],
            ..plain()
        },
        Example {
            verify: group(
                "hmac",
                &[
                    ("secret", "hush"),
                    ("header", "X-Hub-Signature"),
                    ("encoding", "base64"),
                    ("signed", "{method} {url} {X-Id} {body}"),
                    ("hash", "sha1"),
                    ("id", "X-Id"),
                    ("subject", "X-Topic"),
                ],
            ),
            target: "/in?to=%40",
            headers: &[
                ("x-hub-signature", "XvEX1dMIVt3dIcjxzfFsLycYNqY="),
                ("x-id", "e-7"),
                ("x-topic", "sale"),
            ],
            body: r#"{"a":1}"#,
            ids: &["e-7"],
            subject: Some("sale"),
            ..plain()
        },
        Example {
            verify: group(
                "hmac",
                &[
                    ("secret", "hush"),
                    ("header", "X-Sig"),
                    ("encoding", "base64"),
                    ("hash", "sha384"),
                    ("id", "/a"),
                ],
            ),
            headers: &[(
                "x-sig",
                "rNdTLPnn+M92lzICgq7UNtc+P9J72/pHHeW/IHe2uoDm4BGzJRL31LkD+YW7uojd",
            )],
            body: r#"{"a":1}"#,
            ids: &["1"],
            ..plain()
        },
        Example {
            verify: secret("bearer", "a-token"),
            headers: &[
                ("authorization", "bearer a-token"),
                ("ce-id", "17"),
                ("ce-source", "/till/3"),
            ],
            ids: &["/till/3 17"],
            ..plain()
        },
        Example {
            // The example of RFC 7617.
            verify: secret("basic", "Aladdin:open sesame"),
            headers: &[
                ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
                ("ce-id", "17"),
                ("ce-source", "/till/3"),
            ],
            ids: &["/till/3 17"],
            ..plain()
        },
        Example {
            verify: group(
                "token",
                &[("secret", "a-token"), ("header", "X-Api-Key"), ("prefix", "Key ")],
            ),
            headers: &[
                ("x-api-key", "Key a-token"),
                ("ce-id", "17"),
                ("ce-source", "/till/3"),
            ],
            ids: &["/till/3 17"],
            ..plain()
        },
    ]
}
