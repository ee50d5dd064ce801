//! The words under `verify`, and the schemes that they name.

use std::time::Duration;

use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Problem, Settings};

use crate::{
    scheme::{self, Encoding, Hash, Key, Row, Scheme, Written},
    signature::Keyring,
};

const SECRETS: Kind = Kind::List(&Kind::Secret);

/// One per row of [`scheme::ROWS`], in its order.
pub(super) const VERIFY: &[Opt] = &[
    secrets("shopify", "the client secret of a Shopify app"),
    secrets(
        "standard",
        "Standard Webhooks and Svix: `whsec_` and base64, or the secret's bytes as they are",
    ),
    secrets("github", "the secret of a GitHub webhook"),
    secrets(
        "stripe",
        "the signing secret of a Stripe endpoint, with its `whsec_`",
    ),
    secrets(
        "hubspot",
        "the client secret of a HubSpot app, signatures v3; needs `public_url`",
    ),
    secrets(
        "quickbooks",
        "the verifier token of an Intuit app; set `patience` below 3 s",
    ),
    secrets("xero", "the webhook key of a Xero app"),
    secrets("easypost", "the secret of an EasyPost webhook"),
    secrets("zendesk", "the signing secret of a Zendesk webhook"),
    Opt {
        name: "hmac",
        kind: Kind::Group(HMAC),
        need: Need::Optional,
        summary: "any other sender that signs with an HMAC",
    },
    secrets("bearer", "a token that comes as `Authorization: Bearer …`"),
    secrets("basic", "`user:password` that comes as `Authorization: Basic …`"),
    Opt {
        name: "token",
        kind: Kind::Group(TOKEN),
        need: Need::Optional,
        summary: "a token that comes in a header of its own",
    },
    Opt {
        name: "none",
        kind: Kind::Flag,
        need: Need::Optional,
        summary: "dangerous: `true` takes what anybody sends; only where `listen` is a loopback address",
    },
];

/// `verify: { hmac: { … } }`.
const HMAC: &[Opt] = &[
    SECRET,
    Opt {
        name: "header",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the header with the signature",
    },
    Opt {
        name: "prefix",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "what stands before a signature in it: `sha256=`",
    },
    Opt {
        name: "separator",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the character between several parts of it: `,`",
    },
    Opt {
        name: "signed",
        kind: Kind::Text,
        need: Need::Default("{body}"),
        summary: "what is signed: text with `{body}`, `{timestamp}`, `{method}`, `{url}` (of `public_url`) and `{<header>}` in it",
    },
    Opt {
        name: "hash",
        kind: Kind::Choice(&["sha256", "sha384", "sha512", "sha1"]),
        need: Need::Default("sha256"),
        summary: "the hash of the HMAC",
    },
    Opt {
        name: "encoding",
        kind: Kind::Choice(&["hex", "base64"]),
        need: Need::Default("hex"),
        summary: "how the signature is written",
    },
    Opt {
        name: "secret_encoding",
        kind: Kind::Choice(&["text", "base64", "hex"]),
        need: Need::Default("text"),
        summary: "what of the secret is the key: its bytes, or what they encode",
    },
    Opt {
        name: "timestamp",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the header with the time of signing; or, ending in `=`, what stands before it in the signature's header: `t=`",
    },
    Opt {
        name: "window",
        kind: Kind::Duration,
        need: Need::Default("5m"),
        summary: "how far the time of signing may be from now, before or after, 1s to 1d",
    },
    Opt {
        name: "id",
        kind: Kind::List(&Kind::Text),
        need: Need::Optional,
        summary: "what tells a delivery from all others: a header, a member of the JSON body (`/id`), or several of them",
    },
    Opt {
        name: "time",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "when the event happened: a header, or a member of the JSON body",
    },
    Opt {
        name: "subject",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "what becomes the subject: a header, or a member of the JSON body",
    },
];

/// `verify: { token: { … } }`.
const TOKEN: &[Opt] = &[
    SECRET,
    Opt {
        name: "header",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the header with the token",
    },
    Opt {
        name: "prefix",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "what stands before the token in it",
    },
];

const SECRET: Opt = Opt {
    name: "secret",
    kind: SECRETS,
    need: Need::Required,
    summary: "the secret, or a list of secrets while one is replaced",
};

const WINDOW: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

const fn secrets(name: &'static str, summary: &'static str) -> Opt {
    Opt {
        name,
        kind: SECRETS,
        need: Need::Optional,
        summary,
    }
}

/// The scheme and its keys. Faults: `Stop`, for what is told of them in [`problems`], and for secrets that are none.
pub(super) fn read(verify: &Settings) -> Result<(Scheme, Keyring), Fault> {
    let (word, value) = word(verify).ok_or_else(|| Fault::stop("`verify` names no scheme"))?;
    let options = group(word).map(|declared| Options::read(declared, value));
    let options = options.transpose().map_err(|problems| super::refuse(&problems))?;
    let scheme = match &options {
        Some(options) => filled(word, options),
        None => row(word).ok_or_else(String::new).and_then(Scheme::of),
    };
    let scheme = scheme.map_err(|what| Fault::stop(format!("webhook: `{word}`: {what}")))?;
    let secrets = match &options {
        Some(options) => options.texts("secret"),
        None if word == scheme::NONE.word => Vec::new(),
        None => texts(value),
    };
    let key = match &options {
        Some(options) => key(options),
        None => row(word)
            .and_then(|row| row.proof)
            .map_or(Key::Text, |proof| proof.key),
    };
    Ok((scheme, Keyring::new(word, key, &secrets)?))
}

/// The scheme alone, where it can be told.
pub(super) fn scheme(verify: &Settings) -> Option<Scheme> {
    let (word, value) = word(verify)?;
    match group(word) {
        Some(declared) => filled(word, &Options::read(declared, value).ok()?).ok(),
        None => Scheme::of(row(word)?).ok(),
    }
}

/// What a table cannot say of `verify`; `listens`: the address, how it is shown, and whether others reach it.
pub(super) fn problems(verify: &Settings, has_url: bool, listens: Option<(&str, bool)>) -> Vec<Problem> {
    let Some(entry) = verify.entries().and_then(|entries| entries.first()) else {
        return Vec::new();
    };
    let word = entry.key.as_str();
    let mut problems = Vec::new();
    if word == scheme::NONE.word {
        if entry.value.text() != Some("true") {
            problems.push(
                Problem::new(&entry.value.place, "`none` must be `true`")
                    .hint("it is spelled out because anybody may then send; else name a scheme"),
            );
        } else if let Some((shown, true)) = listens {
            problems.push(
                Problem::new(
                    &entry.place,
                    format!(
                        "`verify: {{ none: true }}` takes what anybody sends, and `{shown}` is open to others"
                    ),
                )
                .hint("listen on 127.0.0.1, or name the scheme that the sender signs with"),
            );
        }
        return problems;
    }
    let secrets = if group(word).is_some() {
        entry.value.get("secret").map(|secrets| ("secret", secrets))
    } else {
        Some((word, &entry.value))
    };
    if let Some((name, secrets)) = secrets
        && secrets.items().is_some_and(<[Settings]>::is_empty)
    {
        problems.push(Problem::new(
            &secrets.place,
            format!("`{name}` is an empty list, but needs a secret"),
        ));
    }
    let options = group(word).and_then(|declared| Options::read(declared, &entry.value).ok());
    let scheme = match &options {
        Some(options) => {
            problems.extend(template_problems(word, &entry.value, options));
            filled(word, options)
        }
        None => row(word).ok_or_else(String::new).and_then(Scheme::of),
    };
    match scheme {
        Ok(scheme) if scheme.signs_url() && !has_url => problems.push(
            Problem::new(&entry.place, format!("`{word}` signs the URL, and `public_url` is missing"))
                .hint("`public_url`: what the sender's URL has before the path, such as `https://hooks.acme.example`"),
        ),
        Err(what) if !what.is_empty() => problems.push(
            Problem::new(&entry.place, format!("`{word}`: {what}"))
                .hint("names of headers are letters, digits and `-`; a member of the JSON body is `/name`"),
        ),
        _ => {}
    }
    problems
}

/// What is wrong with the options of a scheme that the landscape fills in.
fn template_problems(word: &str, settings: &Settings, options: &Options<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if word != scheme::HMAC.word {
        return problems;
    }
    let place = |name: &str| &settings.get(name).unwrap_or(settings).place;
    let signed = options.text("signed").unwrap_or_default();
    let has_timestamp = options.get("timestamp").is_some();
    if !signed.contains("{body}") {
        problems.push(
            Problem::new(
                place("signed"),
                "`signed` does not hold `{body}`, so anybody could change the body",
            )
            .hint("such as `{body}` or `{timestamp}.{body}`"),
        );
    }
    if signed.contains("{timestamp}") != has_timestamp {
        problems.push(if has_timestamp {
            Problem::new(
                place("timestamp"),
                "the time of signing is not signed: `signed` does not hold `{timestamp}`",
            )
            .hint("anybody could change it; such as `signed: '{timestamp}.{body}'`, or leave `timestamp` out")
        } else {
            Problem::new(
                place("signed"),
                "`signed` holds `{timestamp}`, but `timestamp` does not say where it stands",
            )
            .hint("`timestamp`: the header with it, or `t=` where it is a part of the signature's header")
        });
    }
    if options
        .text("separator")
        .is_some_and(|text| text.chars().count() != 1)
    {
        problems.push(Problem::new(
            place("separator"),
            "`separator` must be one character",
        ));
    }
    if options
        .duration("window")
        .is_some_and(|window| !WINDOW.contains(&window))
    {
        problems.push(Problem::new(place("window"), "`window` must be from 1s to 1d"));
    }
    problems
}

/// The one word under `verify`, and what stands behind it.
fn word(verify: &Settings) -> Option<(&'static str, &Settings)> {
    let entry = verify.entries()?.first()?;
    Some((row(&entry.key)?.word, &entry.value))
}

fn row(word: &str) -> Option<&'static Row<'static>> {
    scheme::ROWS.iter().copied().find(|row| row.word == word)
}

/// The options behind a word that stands for more than secrets.
fn group(word: &str) -> Option<&'static [Opt]> {
    match VERIFY.iter().find(|option| option.name == word)?.kind {
        Kind::Group(options) => Some(options),
        _ => None,
    }
}

/// A list of texts, or one.
fn texts(value: &Settings) -> Vec<&str> {
    match value.items() {
        Some(items) => items.iter().filter_map(Settings::text).collect(),
        None => value.text().into_iter().collect(),
    }
}

/// The row `hmac` or `token` with these options in it. Error: what of them cannot be.
fn filled(word: &str, options: &Options<'_>) -> Result<Scheme, String> {
    let text = |name: &str| options.text(name);
    let base = if word == scheme::HMAC.word {
        &scheme::HMAC
    } else {
        &scheme::TOKEN
    };
    let Some((header, proof)) = text("header").zip(base.proof) else {
        return Err("`header` is missing".to_owned());
    };
    let required = [header];
    let id = options.texts("id");
    let written = Written {
        header,
        separator: text("separator").and_then(|text| text.chars().next()),
        tag: text("prefix").unwrap_or_default(),
        signed: text("signed").unwrap_or(proof.signed),
        encoding: match text("encoding") {
            Some("base64") => Encoding::Base64,
            Some(_) => Encoding::Hex,
            None => proof.encoding,
        },
        hash: match text("hash") {
            Some("sha1") => Hash::Sha1,
            Some("sha384") => Hash::Sha384,
            Some("sha512") => Hash::Sha512,
            Some(_) => Hash::Sha256,
            None => proof.hash,
        },
        key: key(options),
        timestamp: text("timestamp"),
        window: options.duration("window").unwrap_or(proof.window),
    };
    Scheme::of(&Row {
        spellings: &[("", &required)],
        proof: Some(written),
        id: &id,
        time: text("time"),
        subject: text("subject"),
        ..*base
    })
}

fn key(options: &Options<'_>) -> Key {
    match options.text("secret_encoding") {
        Some("base64") => Key::Base64,
        Some("hex") => Key::Hex,
        _ => Key::Text,
    }
}
