//! The options of an HTTP system and of the flows that use it.

use trunkline_sdk::{Kind, Need, Opt};

const fn option(name: &'static str, kind: Kind, need: Need, summary: &'static str) -> Opt {
    Opt {
        name,
        kind,
        need,
        summary,
    }
}

/// `systems: { carrier: { http: { … } } }`.
pub(crate) const SYSTEM: &[Opt] = &[
    option(
        "base_url",
        Kind::Url,
        Need::Required,
        "where the system is: `https://api.example/v1`; the paths of its flows follow it",
    ),
    option(
        "bearer",
        Kind::Secret,
        Need::Optional,
        "a token, sent as `Authorization: Bearer …`",
    ),
    option(
        "basic",
        Kind::Group(BASIC),
        Need::Optional,
        "user and password (RFC 7617)",
    ),
    option(
        "api_key",
        Kind::Group(API_KEY),
        Need::Optional,
        "a secret in a header of the system's choice",
    ),
    option(
        "oauth2",
        Kind::Group(OAUTH2),
        Need::Optional,
        "a token fetched from `token_url`, and anew when it expires",
    ),
    option(
        "headers",
        Kind::Map(&Kind::Text),
        Need::Optional,
        "headers of every request, without secrets: `X-Api-Version: 2`",
    ),
    option(
        "rate",
        Kind::Text,
        Need::Optional,
        "how many requests all flows together may send: `5/s`, `300/m`, `5000/h`; evenly spread",
    ),
    option(
        "concurrency",
        Kind::Number(1, 64),
        Need::Default("4"),
        "how many requests of all flows together may wait for an answer at once",
    ),
    option(
        "timeout",
        Kind::Duration,
        Need::Default("30s"),
        "how long a request and its answer may take, 100ms to 10m",
    ),
    option(
        "max_answer",
        Kind::Size,
        Need::Default("16MiB"),
        "the largest answer taken, at most 64MiB",
    ),
    option(
        "tls_ca",
        Kind::Text,
        Need::Optional,
        "a file of root certificates (PEM), instead of the system's, that the server's certificate must lead to",
    ),
    option(
        "allow_private",
        Kind::Flag,
        Need::Default("false"),
        "whether the system may be at a loopback, private or link-local address",
    ),
];

/// `basic: { user: …, password: … }`.
pub(crate) const BASIC: &[Opt] = &[
    option("user", Kind::Text, Need::Required, "the user's name, without `:`"),
    option("password", Kind::Secret, Need::Required, "the password"),
];

/// `api_key: { header: …, value: … }`.
pub(crate) const API_KEY: &[Opt] = &[
    option(
        "header",
        Kind::Text,
        Need::Default("X-Api-Key"),
        "the header's name",
    ),
    option(
        "value",
        Kind::Secret,
        Need::Required,
        "the secret, with whatever must stand in front of it",
    ),
];

/// `oauth2: { token_url: …, … }`.
pub(crate) const OAUTH2: &[Opt] = &[
    option(
        "token_url",
        Kind::Url,
        Need::Required,
        "where tokens are asked for",
    ),
    option("client_id", Kind::Text, Need::Required, "the client's id"),
    option(
        "client_secret",
        Kind::Secret,
        Need::Optional,
        "the client's secret",
    ),
    option(
        "refresh_token",
        Kind::Secret,
        Need::Optional,
        "asks for tokens with this (grant `refresh_token`); without it the client asks for itself (`client_credentials`)",
    ),
    option(
        "scope",
        Kind::Text,
        Need::Optional,
        "what the token is for, as the system calls it",
    ),
    option(
        "parameters",
        Kind::Map(&Kind::Text),
        Need::Optional,
        "further parameters of the request: `audience: …`",
    ),
    option(
        "client_auth",
        Kind::Choice(&["header", "body"]),
        Need::Default("header"),
        "where the client's secret is sent",
    ),
];

/// `to: { system: carrier, path: /shipments, … }`.
pub(crate) const SINK: &[Opt] = &[
    option(
        "path",
        Kind::Text,
        Need::Required,
        "path and query behind `base_url`; `{order_id}` is a field of the message, `{buyer.id}` one within a field, \
         `{$key}` the idempotency key",
    ),
    option(
        "method",
        Kind::Choice(&["POST", "PUT", "PATCH", "DELETE", "GET"]),
        Need::Default("POST"),
        "the request's method; PUT and DELETE act once however often they come",
    ),
    option(
        "headers",
        Kind::Map(&Kind::Text),
        Need::Optional,
        "further headers, which may hold fields of the message as `path` may",
    ),
    option(
        "body",
        Kind::Text,
        Need::Optional,
        "the field of the message that is sent as JSON; left out: all of it; `none`: no body. GET and DELETE have none",
    ),
    option(
        "graphql",
        Kind::Text,
        Need::Optional,
        "a GraphQL operation to send instead; its variables are the fields of the message (or of `body`) of these names, \
         `$idempotencyKey` is the idempotency key",
    ),
    option(
        "idempotency_key",
        Kind::Text,
        Need::Optional,
        "the header that tells the system a repeat from a new request, where it knows one: `Idempotency-Key`",
    ),
    option(
        "idempotent",
        Kind::Flag,
        Need::Default("false"),
        "`true` where the request acts once however often it comes: an upsert, a `{$key}` in `path`",
    ),
    option(
        "already_there",
        Kind::List(&Kind::Text),
        Need::Optional,
        "answers that mean that it had been done before: `409`, or a code of a GraphQL error such as `TAKEN`",
    ),
];
/// `from: { system: crm, path: /customers, … }`.
pub(crate) const SOURCE: &[Opt] = &[
    option(
        "path",
        Kind::Text,
        Need::Required,
        "path and query behind `base_url`, such as `/orders?limit=100&sort=updated_at`",
    ),
    option(
        "every",
        Kind::Duration,
        Need::Default("1m"),
        "how long to wait between two readings, at least 100ms",
    ),
    option(
        "records",
        Kind::Text,
        Need::Optional,
        "where the list of records is in an answer: `data.items`; left out: the answer is the list",
    ),
    option(
        "id",
        Kind::Text,
        Need::Required,
        "the field of a record that names it: `id`",
    ),
    option(
        "version",
        Kind::Text,
        Need::Optional,
        "the field that changes with the record; left out: that of `cursor`, or else a hash of the record",
    ),
    option(
        "cursor",
        Kind::Group(CURSOR),
        Need::Optional,
        "asks only for what has changed; left out: all is read each time",
    ),
    option(
        "page",
        Kind::Group(PAGE),
        Need::Optional,
        "how an answer leads to the next; left out: there is one",
    ),
    option(
        "graphql",
        Kind::Text,
        Need::Optional,
        "a GraphQL query to ask with; the parameters of `cursor` and `page` are its variables",
    ),
];

/// `cursor: { field: updated_at, parameter: updated_since }`.
pub(crate) const CURSOR: &[Opt] = &[
    option(
        "field",
        Kind::Text,
        Need::Required,
        "the field by which the system tells what has changed: a time, or a whole number",
    ),
    option(
        "parameter",
        Kind::Text,
        Need::Required,
        "the parameter that asks for what has changed since then",
    ),
    option(
        "start",
        Kind::Text,
        Need::Optional,
        "what the parameter is at first; left out: it is not sent",
    ),
    option(
        "overlap",
        Kind::Text,
        Need::Optional,
        "how far to go back each time, for what came late: a duration (`2m`, the default for times) or a number (0)",
    ),
];

/// `page: { by: next, at: links.next }`.
pub(crate) const PAGE: &[Opt] = &[
    option(
        "by",
        Kind::Choice(&["number", "offset", "cursor", "next", "link", "range"]),
        Need::Required,
        "a page's `number`, the `offset` of its first record, a `cursor` or the `next` URL in the answer, the `Link` \
         header (RFC 8288), or a `Range` header",
    ),
    option(
        "parameter",
        Kind::Text,
        Need::Optional,
        "the parameter's name (`page`, `offset`, `after`), or the unit of the range (`records`)",
    ),
    option(
        "first",
        Kind::Number(0, 1),
        Need::Default("1"),
        "the number of the first page",
    ),
    option(
        "size",
        Kind::Number(1, 100_000),
        Need::Optional,
        "how many records a full page has: one with fewer is the last; required by `range`",
    ),
    option(
        "at",
        Kind::Text,
        Need::Optional,
        "where in the answer the cursor or the next URL is: `paging.next.after`",
    ),
];
