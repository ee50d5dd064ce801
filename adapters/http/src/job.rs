//! What a flow sends for each message: read from its settings, made for a message.

use bytes::Bytes;
use hyper::{
    HeaderMap, Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue},
};
use trunkline_formats::json;
use trunkline_sdk::{
    Astray, Body, Delivered, Effect, Fault, Options, Problem, Settings, Shape, Used, Within, nearest,
};

use crate::{
    graphql::{self, Operation},
    key::key,
    options,
    site::{header_name, text},
    template::{Message, Template, is_path},
    url::Url,
    wire::Call,
};

/// Accepts what says whether an operation was executed, and the older form.
pub(crate) const GRAPHQL: &str = "application/graphql-response+json, application/json;q=0.9";

/// One sink's request.
pub(crate) struct Job {
    pub(crate) flow: String,
    method: Method,
    path: Template,
    headers: Vec<(HeaderName, Template)>,
    pub(crate) content: Content,
    key_header: Option<HeaderName>,
    pub(crate) already_there: Vec<String>,
    /// Whether it acts once however often it is sent.
    pub(crate) is_repeatable: bool,
}

/// What a request carries.
pub(crate) enum Content {
    Nothing,
    /// All of the message.
    Whole,
    /// A field of it.
    Field(String),
    /// An operation, with variables from the message or from a field of it.
    Operation(Operation, Option<String>),
}

impl Job {
    /// Reads the settings of a sink; all that is wrong at once.
    pub(crate) fn read(flow: &str, settings: &Settings) -> Result<Self, Vec<Problem>> {
        let options = Options::read(options::SINK, settings)?;
        let mut problems = Vec::new();
        let path = read_path(settings.get("path"), &mut problems);
        let mut headers = Vec::new();
        for entry in settings
            .get("headers")
            .and_then(Settings::entries)
            .unwrap_or_default()
        {
            let name = header_name(&entry.key, &entry.place, &mut problems);
            let value = read_template(&entry.value, &mut problems);
            headers.extend(name.zip(value));
        }
        let method = options
            .text("method")
            .and_then(|word| word.parse().ok())
            .unwrap_or(Method::POST);
        let content = read_content(settings, &method, &mut problems);
        let key_header = settings
            .get("idempotency_key")
            .and_then(|value| header_name(text(value), &value.place, &mut problems));
        let already_there: Vec<_> = options
            .texts("already_there")
            .into_iter()
            .map(str::to_owned)
            .collect();
        if let Some(value) = settings.get("already_there") {
            let each = value.items().unwrap_or(std::slice::from_ref(value));
            for wrong in each.iter().filter(|word| !is_verdict(text(word))) {
                let what = format!(
                    "`{}` is no answer that can mean that it was done before",
                    text(wrong)
                );
                problems.push(
                    Problem::new(&wrong.place, what)
                        .hint("a status such as `409`, or the code of a GraphQL error such as `TAKEN`"),
                );
            }
        }
        let Some(path) = path.filter(|_| problems.is_empty()) else {
            return Err(problems);
        };
        let is_repeatable = options.flag("idempotent")
            || key_header.is_some()
            || path.has_key()
            || headers
                .iter()
                .any(|(_, template): &(_, Template)| template.has_key())
            || matches!(method, Method::PUT | Method::DELETE | Method::GET)
            || matches!(&content, Content::Operation(operation, _) if operation.has_key());
        Ok(Self {
            flow: flow.to_owned(),
            method,
            path,
            headers,
            content,
            key_header,
            already_there,
            is_repeatable,
        })
    }

    /// What is wrong with a sink's settings, also with regard to what arrives.
    pub(crate) fn check(settings: &Settings, shape: Option<&Shape>) -> Vec<Problem> {
        if Options::read(options::SINK, settings).is_err() {
            return Vec::new();
        }
        let job = match Self::read("", settings) {
            Ok(job) => job,
            Err(problems) => return problems,
        };
        let Some(shape) = shape else { return Vec::new() };
        job.uses(settings)
            .iter()
            .filter_map(|used| unknown(used, shape))
            .collect()
    }

    /// How a sink with these settings keeps a repeat from acting twice.
    pub(crate) fn effect(settings: &Settings) -> Effect {
        match Self::read("", settings) {
            Ok(job) if !job.is_repeatable => Effect::Plain,
            // What is wrong with the settings is told elsewhere, and is no matter of `in_doubt`.
            _ => Effect::Idempotent,
        }
    }

    /// The fields that are named in the settings.
    fn uses(&self, settings: &Settings) -> Vec<Used> {
        let mut used = Vec::new();
        let mut add = |value: Option<&Settings>, template: &Template, name: &dyn Fn(&str) -> String| {
            let Some(value) = value else { return };
            used.extend(template.fields().map(|slot| Used {
                path: slot.path.clone(),
                name: name(&slot.path),
                place: value.within(slot.place.clone()),
            }));
        };
        add(settings.get("path"), &self.path, &|path| format!("{{{path}}}"));
        for (name, template) in &self.headers {
            let entries = settings
                .get("headers")
                .and_then(Settings::entries)
                .unwrap_or_default();
            let entry = entries
                .iter()
                .find(|entry| entry.key.eq_ignore_ascii_case(name.as_str()));
            add(entry.map(|entry| &entry.value), template, &|_| name.to_string());
        }
        if let (Some(value), Content::Field(path) | Content::Operation(_, Some(path))) =
            (settings.get("body"), &self.content)
        {
            used.push(Used {
                path: path.clone(),
                name: "body".to_owned(),
                place: value.place.clone(),
            });
        }
        if let (Some(value), Content::Operation(operation, None)) = (settings.get("graphql"), &self.content) {
            let named = operation
                .variables
                .iter()
                .filter(|variable| variable.name != graphql::KEY);
            used.extend(
                named
                    .filter(|variable| variable.is_required)
                    .map(|variable| Used {
                        path: variable.name.clone(),
                        name: format!("${}", variable.name),
                        place: value.within(variable.offset..variable.offset + variable.name.len() + 1),
                    }),
            );
        }
        used
    }

    /// What of a message is used; `None`: all of it.
    pub(crate) fn all_uses(settings: &Settings) -> Option<Vec<Used>> {
        let job = Self::read("", settings).ok()?;
        match &job.content {
            Content::Whole => None,
            // Optional variables are taken where they are there.
            Content::Operation(operation, None) if operation.variables.iter().any(|v| !v.is_required) => None,
            _ => Some(job.uses(settings)),
        }
    }

    /// The method and the path, as they stand in the settings: for people.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.method, self.path.text)
    }

    /// The request for a message. Faults: `DeadLetter` when the message does not hold what it takes.
    pub(crate) fn call(&self, base: &Url, message: &Delivered) -> Result<Call, Fault> {
        let refuse = |what: String| Fault::dead_letter(format!("{}: {what}", self.shown()));
        let key = key(&self.flow, &message.context.message_id);
        let needs_tree = self.path.fields().next().is_some()
            || self
                .headers
                .iter()
                .any(|(_, template)| template.fields().next().is_some())
            || matches!(self.content, Content::Field(_) | Content::Operation(..));
        let fields = Message::new(&message.record, needs_tree);
        let target = self.path.target(&fields, &key).map_err(refuse)?;
        let mut headers = HeaderMap::new();
        for (name, template) in &self.headers {
            let value = template.plain(&fields, &key).map_err(refuse)?;
            let value = HeaderValue::try_from(value).map_err(|_| {
                refuse(format!(
                    "a field that is part of header `{name}` cannot stand in a header"
                ))
            })?;
            headers.insert(name, value);
        }
        if let Some(name) = &self.key_header {
            headers.insert(
                name,
                HeaderValue::try_from(key.as_str()).expect("a UUID is fit for a header"),
            );
        }
        let (content_type, body) = self.body(&fields, &key).map_err(refuse)?;
        if let Some(content_type) = content_type {
            let content_type = HeaderValue::try_from(content_type)
                .map_err(|_| refuse("the message's media type cannot stand in a header".to_owned()))?;
            headers.entry(CONTENT_TYPE).or_insert(content_type);
        }
        if matches!(self.content, Content::Operation(..)) {
            headers.insert(ACCEPT, HeaderValue::from_static(GRAPHQL));
        }
        Ok(Call {
            method: self.method.clone(),
            url: Url {
                origin: base.origin.clone(),
                target: format!("{}{target}", base.target),
            },
            headers,
            body,
            is_repeatable: self.is_repeatable,
        })
    }

    fn body(&self, message: &Message<'_>, key: &str) -> Result<(Option<String>, Bytes), String> {
        let json = |text: String| (Some("application/json".to_owned()), Bytes::from(text));
        match &self.content {
            Content::Nothing => Ok((None, Bytes::new())),
            Content::Whole => match message.body() {
                Body::Bytes { content_type, bytes } => Ok((Some(content_type.clone()), bytes.clone())),
                Body::Value(value) => Ok(json(json::write(value))),
            },
            Content::Field(path) => Ok(json(json::write(message.find(path)?))),
            Content::Operation(operation, path) => {
                let fields = match path {
                    Some(path) => message.find(path)?,
                    None => message.whole()?,
                };
                let mut variables = Vec::new();
                for variable in &operation.variables {
                    let name = &variable.name;
                    if name == graphql::KEY {
                        variables.push((name.clone(), trunkline_sdk::Value::Text(key.to_owned().into())));
                    } else if let Some(value) = fields.get(name) {
                        variables.push((name.clone(), value.clone()));
                    } else if variable.is_required {
                        return Err(format!("the message has no field for variable `${name}`"));
                    }
                }
                Ok(json(operation.request(variables)))
            }
        }
    }
}

/// Whether it is a status or a code that can mean that something was done before.
fn is_verdict(word: &str) -> bool {
    match word.parse::<u16>() {
        Ok(status) => (400..600).contains(&status) && ![401, 403, 407, 429].contains(&status),
        Err(_) => word
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_'),
    }
}

/// A path of a flow, with fields where a sink's message has them.
pub(crate) fn read_path(value: Option<&Settings>, problems: &mut Vec<Problem>) -> Option<Template> {
    let value = value?;
    let template = read_template(value, problems)?;
    let mut plain = template.text.clone();
    for slot in template.slots.iter().rev() {
        plain.replace_range(slot.place.clone(), "x");
    }
    let what = if !plain.starts_with('/') {
        "`path` does not begin with `/`"
    } else if plain.contains('#')
        || plain.bytes().any(|byte| !(0x21..0x7f).contains(&byte))
        || plain.parse::<hyper::Uri>().is_err()
    {
        "`path` holds what must be percent-encoded there"
    } else {
        return Some(template);
    };
    problems.push(
        Problem::new(&value.place, what).hint("as it follows `base_url`: `/orders/{order_id}?expand=lines`"),
    );
    None
}

fn read_template(value: &Settings, problems: &mut Vec<Problem>) -> Option<Template> {
    Template::read(text(value))
        .map_err(|(place, what)| {
            problems.push(
                Problem::new(&value.within(place), what)
                    .hint("`{order_id}` is a field of the message, `{buyer.id}` one within a field, `{$key}` the idempotency key"),
            );
        })
        .ok()
}

fn read_content(settings: &Settings, method: &Method, problems: &mut Vec<Problem>) -> Content {
    let field = settings.get("body").map(|value| (value, text(value)));
    if let Some((value, path)) = field
        && !is_path(path)
    {
        problems.push(
            Problem::new(&value.place, "`body` names no field")
                .hint("`none`, or a field such as `order` or `order.lines`"),
        );
    }
    let field = field.map(|(_, path)| path);
    if let Some(value) = settings.get("graphql") {
        if *method != Method::POST {
            problems.push(
                Problem::new(&value.place, "a GraphQL operation is sent by POST").hint("leave `method` out"),
            );
        }
        return match Operation::read(text(value)) {
            Ok(operation) => Content::Operation(operation, field.map(str::to_owned)),
            Err(what) => {
                problems.push(
                    Problem::new(&value.place, format!("`graphql` {what}"))
                        .hint("one operation, with its variables declared: `mutation Save($id: ID!) { … }`"),
                );
                Content::Nothing
            }
        };
    }
    match field {
        Some("none") => Content::Nothing,
        Some(path) => Content::Field(path.to_owned()),
        None if matches!(*method, Method::GET | Method::DELETE) => Content::Nothing,
        None => Content::Whole,
    }
}

/// A field that is named, but is not there, or is more than a single value where one is needed.
fn unknown(used: &Used, shape: &Shape) -> Option<Problem> {
    let path = &used.path;
    let problem = |what: String| Problem::new(&used.place, what);
    let Astray { known, at } = match shape.find(path) {
        Ok(Within::Object(_) | Within::Map(_) | Within::List) if !takes_all(used) => {
            let what = format!("`{path}` is an object or a list, not a single value");
            return Some(problem(what).hint("name a field of it"));
        }
        Ok(_) => return None,
        Err(astray) => astray,
    };
    let parent = &path[..known];
    let (owner, prefix) = if parent.is_empty() {
        (shape.name.as_str(), String::new())
    } else {
        (parent, format!("{parent}."))
    };
    Some(match at {
        Within::Value => problem(format!(
            "`{parent}` is a single value and has no fields within it"
        ))
        .hint(format!("write `{parent}`")),
        Within::List => problem(format!("`{parent}` is a list, and its items have no names"))
            .hint("split it first, or send all of it"),
        _ => {
            let names = || shape.fields(at).iter().map(|field| field.name.as_str());
            let name = path[known..]
                .trim_start_matches('.')
                .split('.')
                .next()
                .unwrap_or_default();
            let near = nearest(name, names())
                .map(|near| format!("did you mean `{prefix}{near}`? "))
                .unwrap_or_default();
            let all: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            problem(format!("`{path}` is no field of `{owner}`"))
                .hint(format!("{near}fields: {}", all.join(", ")))
        }
    })
}

/// Whether whatever the field holds is sent as JSON.
fn takes_all(used: &Used) -> bool {
    used.name == "body" || used.name.starts_with('$')
}
