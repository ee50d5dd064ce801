//! The options of a mail server and of a flow that sends mail through it, as tables.

use trunkline_sdk::{Kind, Need, Opt};

/// `systems: { mail: { smtp: { … } } }`.
pub(crate) const SYSTEM: &[Opt] = &[
    Opt {
        name: "url",
        kind: Kind::Url,
        need: Need::Required,
        summary: "`smtp://user@host:587`, encrypted by STARTTLS, or `smtps://user@host:465`, encrypted from the start",
    },
    Opt {
        name: "password",
        kind: Kind::Secret,
        need: Need::Optional,
        summary: "the user's password, instead of one in `url`",
    },
    Opt {
        name: "from",
        kind: Kind::Text,
        need: Need::Required,
        summary: "who sends: `shop@acme.example` or `Acme Shop <shop@acme.example>`",
    },
    Opt {
        name: "tls",
        kind: Kind::Choice(&["required", "none"]),
        need: Need::Default("required"),
        summary: "`none` sends in the clear, and a password only to a loopback address",
    },
    Opt {
        name: "tls_ca",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "a PEM file of root certificates to trust instead of the system's, relative to the landscape's folder",
    },
    Opt {
        name: "timeout",
        kind: Kind::Duration,
        need: Need::Default("30s"),
        summary: "for a connection and for each answer, `100ms` to `10m`; for the answer to a whole mail four times as long",
    },
    Opt {
        name: "max_size",
        kind: Kind::Size,
        need: Need::Default("1MiB"),
        summary: "the largest mail, `1KiB` to `32MiB`; a larger one is parked",
    },
];

/// `to: { system: mail, … }`.
pub(crate) const SINK: &[Opt] = &[
    Opt {
        name: "to",
        kind: Kind::List(&Kind::Text),
        need: Need::Required,
        summary: "who gets it: `\"{{buyer.name}} <{{buyer.email}}>\"`, or a list of such",
    },
    Opt {
        name: "cc",
        kind: Kind::List(&Kind::Text),
        need: Need::Optional,
        summary: "who gets a copy; one whose address is null is left out",
    },
    Opt {
        name: "reply_to",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "where answers go",
    },
    Opt {
        name: "from",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "who sends, instead of the system's `from`",
    },
    Opt {
        name: "subject",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the subject, one line: `Your order {{order_id}}`",
    },
    Opt {
        name: "text",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the mail as plain text, with `{{path}}` for each value; this, `html` or both",
    },
    Opt {
        name: "html",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the mail as HTML, in which values are escaped",
    },
    Opt {
        name: "text_file",
        kind: Kind::File,
        need: Need::Optional,
        summary: "a file of the landscape, instead of `text`",
    },
    Opt {
        name: "html_file",
        kind: Kind::File,
        need: Need::Optional,
        summary: "a file of the landscape, instead of `html`",
    },
];
