//! The senders that are known by name. A further one is a row here, and a word in `options/verify.rs`.

use std::time::Duration;

use super::{Encoding, Events, Hash, Key, Row, Written};

/// All of them, in the order in which they are documented. [`HMAC`] and [`TOKEN`] are filled in from the landscape.
pub(crate) static ROWS: &[&Row<'static>] = &[
    &SHOPIFY,
    &STANDARD,
    &GITHUB,
    &STRIPE,
    &HUBSPOT,
    &QUICKBOOKS,
    &XERO,
    &EASYPOST,
    &ZENDESK,
    &HMAC,
    &BEARER,
    &BASIC,
    &TOKEN,
    &NONE,
];

/// How long a signature with a time is good, before and after.
const WINDOW: Duration = Duration::from_secs(300);

/// The hex HMAC-SHA256 of the body.
const HEX: Written<'static> = Written {
    header: "signature",
    separator: None,
    tag: "",
    signed: "{body}",
    encoding: Encoding::Hex,
    hash: Hash::Sha256,
    key: Key::Text,
    timestamp: None,
    window: WINDOW,
};

/// The base64 HMAC-SHA256 of the body.
const BASE64: Written<'static> = Written {
    encoding: Encoding::Base64,
    ..HEX
};

/// The secret itself.
const SECRET: Written<'static> = Written {
    header: "authorization",
    signed: "",
    encoding: Encoding::Plain,
    hash: Hash::Secret,
    ..HEX
};

/// A sender of which nothing is known.
const ANYBODY: Row<'static> = Row {
    word: "",
    spellings: &[("", &[])],
    proof: None,
    id: &[],
    time: None,
    subject: None,
    attributes: &[],
    events: Events::One,
    cloud_events: false,
    is_silent: false,
};

/// Shopify signs the body alone, so its headers, and with them the id, are only as safe as the way to us.
pub(crate) static SHOPIFY: Row<'static> = Row {
    word: "shopify",
    spellings: &[
        (
            "x-shopify-",
            &["hmac-sha256", "topic", "shop-domain", "api-version", "webhook-id"],
        ),
        // The newer "Events" subscriptions.
        (
            "shopify-",
            &[
                "hmac-sha256",
                "topic",
                "shop-domain",
                "api-version",
                "webhook-id",
                "event-id",
            ],
        ),
    ],
    proof: Some(Written {
        header: "hmac-sha256",
        ..BASE64
    }),
    id: &["shop-domain", "webhook-id", "topic"],
    time: Some("triggered-at"),
    subject: Some("topic"),
    attributes: &[
        ("topic", "topic"),
        ("shop_domain", "shop-domain"),
        ("api_version", "api-version"),
        ("webhook_id", "webhook-id"),
        ("event_id", "event-id"),
        ("triggered_at", "triggered-at"),
        ("sub_topic", "sub-topic"),
        ("action", "action"),
        ("handle", "handle"),
        ("resource_id", "resource-id"),
    ],
    ..ANYBODY
};

/// Standard Webhooks, and Svix, whose names they had before. The timestamp is that of the attempt, so it is not the
/// record's time.
pub(crate) static STANDARD: Row<'static> = Row {
    word: "standard",
    spellings: &[
        ("webhook-", &["signature", "id", "timestamp"]),
        ("svix-", &["signature", "id", "timestamp"]),
    ],
    proof: Some(Written {
        separator: Some(' '),
        tag: "v1,",
        signed: "{id}.{timestamp}.{body}",
        key: Key::Whsec,
        timestamp: Some("timestamp"),
        ..BASE64
    }),
    id: &["id"],
    attributes: &[("webhook_id", "id")],
    cloud_events: true,
    ..ANYBODY
};

/// GitHub signs the body alone, as Shopify does.
pub(crate) static GITHUB: Row<'static> = Row {
    word: "github",
    spellings: &[("x-", &["hub-signature-256", "github-event", "github-delivery"])],
    proof: Some(Written {
        header: "hub-signature-256",
        tag: "sha256=",
        ..HEX
    }),
    id: &["github-delivery"],
    subject: Some("github-event"),
    attributes: &[("topic", "github-event"), ("webhook_id", "github-delivery")],
    ..ANYBODY
};

/// Stripe: an event says its own id.
pub(crate) static STRIPE: Row<'static> = Row {
    word: "stripe",
    spellings: &[("stripe-", &["signature"])],
    proof: Some(Written {
        separator: Some(','),
        tag: "v1=",
        signed: "{timestamp}.{body}",
        timestamp: Some("t="),
        ..HEX
    }),
    id: &["/id"],
    time: Some("/created"),
    subject: Some("/type"),
    attributes: &[
        ("topic", "/type"),
        ("event_id", "/id"),
        ("account", "/account"),
        ("api_version", "/api_version"),
        ("livemode", "/livemode"),
    ],
    ..ANYBODY
};

/// HubSpot, version 3 of its signatures. A notification that is sent again has another `attemptNumber`, so that its
/// bytes say nothing; its `eventId` alone is not unique.
pub(crate) static HUBSPOT: Row<'static> = Row {
    word: "hubspot",
    spellings: &[("x-hubspot-", &["signature-v3", "request-timestamp"])],
    proof: Some(Written {
        header: "signature-v3",
        signed: "{method}{hubspot-url}{body}{timestamp}",
        timestamp: Some("request-timestamp"),
        ..BASE64
    }),
    id: &["/portalId", "/subscriptionId", "/eventId", "/occurredAt"],
    time: Some("/occurredAt"),
    subject: Some("/subscriptionType"),
    attributes: &[
        ("topic", "/subscriptionType"),
        ("event_id", "/eventId"),
        ("portal_id", "/portalId"),
        ("object_id", "/objectId"),
    ],
    events: Events::List,
    ..ANYBODY
};

/// QuickBooks: since May 2026 a list of CloudEvents. What it sent before is one record.
pub(crate) static QUICKBOOKS: Row<'static> = Row {
    word: "quickbooks",
    spellings: &[("intuit-", &["signature"])],
    proof: Some(BASE64),
    id: &["/source", "/id"],
    time: Some("/time"),
    subject: Some("/type"),
    attributes: &[
        ("topic", "/type"),
        ("event_id", "/id"),
        ("entity_id", "/intuitentityid"),
        ("account_id", "/intuitaccountid"),
    ],
    events: Events::List,
    ..ANYBODY
};

/// Xero. To prove a subscription it sends bodies without an event, rightly and wrongly signed.
pub(crate) static XERO: Row<'static> = Row {
    word: "xero",
    spellings: &[("x-xero-", &["signature"])],
    proof: Some(BASE64),
    id: &["/tenantId", "/resourceId", "/eventType", "/eventDateUtc"],
    time: Some("/eventDateUtc"),
    subject: Some("/eventCategory"),
    attributes: &[
        ("topic", "/eventCategory"),
        ("event_type", "/eventType"),
        ("tenant_id", "/tenantId"),
        ("resource_id", "/resourceId"),
    ],
    events: Events::In("events"),
    is_silent: true,
    ..ANYBODY
};

/// EasyPost.
pub(crate) static EASYPOST: Row<'static> = Row {
    word: "easypost",
    spellings: &[("x-hmac-", &["signature"])],
    proof: Some(Written {
        tag: "hmac-sha256-hex=",
        key: Key::Nfkd,
        ..HEX
    }),
    id: &["/id"],
    time: Some("/created_at"),
    subject: Some("/description"),
    attributes: &[("topic", "/description"), ("event_id", "/id"), ("mode", "/mode")],
    ..ANYBODY
};

/// Zendesk. What it sends is of the user's making; an event subscription's has `id`, `type` and `time`.
pub(crate) static ZENDESK: Row<'static> = Row {
    word: "zendesk",
    spellings: &[(
        "x-zendesk-",
        &["webhook-signature", "webhook-signature-timestamp"],
    )],
    proof: Some(Written {
        header: "webhook-signature",
        signed: "{timestamp}{body}",
        timestamp: Some("webhook-signature-timestamp"),
        ..BASE64
    }),
    id: &["webhook-invocation-id"],
    time: Some("/time"),
    subject: Some("/type"),
    attributes: &[
        ("topic", "/type"),
        ("event_id", "/id"),
        ("webhook_id", "webhook-id"),
        ("account_id", "account-id"),
    ],
    ..ANYBODY
};

/// Any other sender that signs with an HMAC: the landscape fills the row in.
pub(crate) static HMAC: Row<'static> = Row {
    word: "hmac",
    spellings: &[("", &["signature"])],
    proof: Some(HEX),
    cloud_events: true,
    ..ANYBODY
};

/// A token in `Authorization: Bearer …`.
pub(crate) static BEARER: Row<'static> = Row {
    word: "bearer",
    spellings: &[("", &["authorization"])],
    proof: Some(Written {
        tag: "Bearer ",
        ..SECRET
    }),
    cloud_events: true,
    ..ANYBODY
};

/// `user:password` in `Authorization: Basic …`.
pub(crate) static BASIC: Row<'static> = Row {
    word: "basic",
    proof: Some(Written {
        tag: "Basic ",
        encoding: Encoding::Base64,
        ..SECRET
    }),
    ..BEARER
};

/// A token in a header of the landscape's choice.
pub(crate) static TOKEN: Row<'static> = Row {
    word: "token",
    proof: Some(SECRET),
    ..BEARER
};

/// Nobody proves anything.
pub(crate) static NONE: Row<'static> = Row {
    word: "none",
    cloud_events: true,
    ..ANYBODY
};
