//! What senders' requests look like, as data: a further sender of the same family is a row here and a word
//! in `options.rs`.
//!
//! A row says which headers there must be, what is signed, how the signature is written, and what of the
//! headers becomes the record. It does not say where secrets are: see [`crate::signature`].

/// One kind of sender.
#[derive(Debug)]
pub(crate) struct Scheme {
    /// The word under `verify`.
    pub(crate) word: &'static str,
    /// The spellings of its headers, the usual one first. All other header names in a row lack the prefix.
    pub(crate) families: &'static [Family],
    /// How a request is proven; `None`: not at all.
    pub(crate) proof: Option<Proof>,
    /// The headers that tell one delivery from all others, the same when it is sent again: their values make
    /// the record's id. Where one is absent, path and body make it.
    pub(crate) id: &'static [&'static str],
    /// The header with the time of the event (not of the attempt), RFC 3339.
    pub(crate) time: Option<&'static str>,
    /// The header that becomes the record's subject.
    pub(crate) subject: Option<&'static str>,
    /// The attributes of the record, each with its header; absent ones are left out.
    pub(crate) attributes: &'static [(&'static str, &'static str)],
}

/// One spelling of a scheme's headers.
#[derive(Debug)]
pub(crate) struct Family {
    /// What all its names start with.
    pub(crate) prefix: &'static str,
    /// The headers without which a request is refused; the signature's is the first.
    pub(crate) required: &'static [&'static str],
}

/// How a request is proven: HMAC-SHA256.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The header with the signature.
    pub(crate) header: &'static str,
    /// What stands between several signatures in it.
    pub(crate) separator: Option<char>,
    /// What stands before a signature; what lacks it is no signature of ours.
    pub(crate) tag: &'static str,
    /// What is signed, in this order.
    pub(crate) signed: &'static [Part],
    /// How the signature is written.
    pub(crate) encoding: Encoding,
    /// How the key is made of the secret.
    pub(crate) key: Key,
    /// When it was signed, in Unix seconds, and for how long that is good.
    pub(crate) signed_at: Option<Window>,
}

/// A part of what is signed.
#[derive(Debug)]
pub(crate) enum Part {
    /// The value of this header.
    Header(&'static str),
    /// This text.
    Text(&'static str),
    /// The body, as it came.
    Body,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Encoding {
    /// RFC 4648 base64, padded.
    Base64,
    /// Two digits a byte.
    Hex,
}

/// How the key is made of the secret.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// The secret's bytes.
    Text,
    /// Base64 behind `whsec_`; without that prefix the secret's bytes.
    Whsec,
}

/// How far the time of signing may be from ours, either way.
#[derive(Debug)]
pub(crate) struct Window {
    /// The header with the time.
    pub(crate) header: &'static str,
    /// How far, in seconds.
    pub(crate) seconds: u64,
}

/// All of them, in the order in which they are documented.
pub(crate) const ALL: &[&Scheme] = &[&SHOPIFY, &STANDARD, &GITHUB, &NONE];

/// Shopify signs the body alone, so its headers, and with them the id, are only as safe as the way to us.
pub(crate) static SHOPIFY: Scheme = Scheme {
    word: "shopify",
    families: &[
        Family {
            prefix: "x-shopify-",
            required: &["hmac-sha256", "topic", "shop-domain", "api-version", "webhook-id"],
        },
        // The newer "Events" subscriptions.
        Family {
            prefix: "shopify-",
            required: &[
                "hmac-sha256",
                "topic",
                "shop-domain",
                "api-version",
                "webhook-id",
                "event-id",
            ],
        },
    ],
    proof: Some(Proof {
        header: "hmac-sha256",
        separator: None,
        tag: "",
        signed: &[Part::Body],
        encoding: Encoding::Base64,
        key: Key::Text,
        signed_at: None,
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
};

/// Standard Webhooks. Its timestamp is that of the attempt, so it is not the record's time.
pub(crate) static STANDARD: Scheme = Scheme {
    word: "standard",
    families: &[Family {
        prefix: "webhook-",
        required: &["signature", "id", "timestamp"],
    }],
    proof: Some(Proof {
        header: "signature",
        separator: Some(' '),
        tag: "v1,",
        signed: &[
            Part::Header("id"),
            Part::Text("."),
            Part::Header("timestamp"),
            Part::Text("."),
            Part::Body,
        ],
        encoding: Encoding::Base64,
        key: Key::Whsec,
        signed_at: Some(Window {
            header: "timestamp",
            seconds: 300,
        }),
    }),
    id: &["id"],
    time: None,
    subject: None,
    attributes: &[("webhook_id", "id")],
};

/// GitHub.
pub(crate) static GITHUB: Scheme = Scheme {
    word: "github",
    families: &[Family {
        prefix: "x-",
        required: &["hub-signature-256", "github-event", "github-delivery"],
    }],
    proof: Some(Proof {
        header: "hub-signature-256",
        separator: None,
        tag: "sha256=",
        signed: &[Part::Body],
        encoding: Encoding::Hex,
        key: Key::Text,
        signed_at: None,
    }),
    id: &["github-delivery"],
    time: None,
    subject: Some("github-event"),
    attributes: &[("topic", "github-event"), ("webhook_id", "github-delivery")],
};

/// Nobody proves anything. The headers of CloudEvents in binary mode are read where they are sent.
pub(crate) static NONE: Scheme = Scheme {
    word: "none",
    families: &[Family {
        prefix: "ce-",
        required: &[],
    }],
    proof: None,
    id: &["source", "id"],
    time: Some("time"),
    subject: Some("subject"),
    attributes: &[("topic", "type"), ("event_id", "id"), ("source", "source")],
};
