//! Runs a plan over one message or record. Lazy: only what is read is looked for, and nothing is copied that can
//! be borrowed.
//!
//! Promised: it ends (a [`Budget`] bounds every loop and every text), and it never panics, whatever the input.
//! `&&`, `||`, `exists` and `all` are commutative in their errors, as CEL wants it: `false && <fault>` is false.

use trunkline_sdk::Value;

use super::{
    Facts, Input,
    entries::{Entries, is_zero},
    failure::{Budget, Failure},
    functions::{self, Number},
    kind::Kind,
    operators::{arithmetic, compare, negate},
    parts::{contains, element, keyed, optional_member},
    plan::{Evaluated, Key, Node},
    references::{Reference, References},
    scalar::Scalar,
    source::Span,
    value::{Blob, Text, Val},
};
use crate::canonical::words;

/// One run: the input, and what loops and bindings hold.
pub(crate) struct Run<'a> {
    input: Val<'a>,
    facts: &'a dyn Facts,
    pub(super) locals: Vec<Val<'a>>,
    /// The cross-references that were fetched, and those that were missed.
    pub(crate) references: Option<&'a References>,
    pub(super) missed: Vec<Reference>,
    pub(crate) budget: Budget,
}

impl<'a> Run<'a> {
    /// `kind`: the type of the message that comes in.
    pub(crate) fn new(input: Input<'a>, kind: Option<&'a Kind>, facts: &'a dyn Facts, slots: usize) -> Self {
        Self {
            input: match input {
                Input::Message(bytes) => Val::Message(Blob::Borrowed(bytes), kind),
                Input::Record(value) => Val::record(value),
            },
            facts,
            locals: vec![Val::Null; slots],
            references: None,
            missed: Vec::new(),
            budget: Budget::new(),
        }
    }

    pub(crate) fn set(&mut self, slot: usize, value: Val<'a>) {
        self.locals[slot] = value;
    }

    pub(crate) fn evaluate(&mut self, node: &'a Node) -> Evaluated<'a> {
        match node {
            Node::Const(value) => Ok(constant(value)),
            Node::This => Ok(self.input.clone()),
            Node::Local(slot) => Ok(self.locals[*slot].clone()),
            Node::Field(of, field) => match &**of {
                // Without a copy of the operand: most fields are read off `this` or a loop's variable.
                Node::This => read(&self.input, field, &mut self.budget),
                Node::Local(slot) => read(&self.locals[*slot], field, &mut self.budget),
                other => {
                    let of = self.evaluate(other)?;
                    read(&of, field, &mut self.budget)
                }
            },
            Node::Key(key) => match self.find_key(key)? {
                Some(value) => Ok(value),
                None => Err(Failure::new(format!("the record has no `{}`", key.written))
                    .hint(format!("where it may be missing: has({})", key.written))
                    .at(key.at)),
            },
            Node::Compare(op, sides, at) => {
                let one = self.evaluate(&sides[0])?;
                let two = self.evaluate(&sides[1])?;
                compare(*op, &one, &two, &mut self.budget)
                    .map(Val::Bool)
                    .map_err(|failure| failure.at(*at))
            }
            Node::And(terms, at) => self.commutative(terms, false, *at),
            Node::Or(terms, at) => self.commutative(terms, true, *at),
            Node::Not(of, at) => Ok(Val::Bool(!self.test(of, *at)?)),
            Node::Choose(parts, at) => {
                let [condition, yes, no] = &**parts;
                let chosen = if self.test(condition, *at)? { yes } else { no };
                self.evaluate(chosen)
            }
            Node::Call { .. } => self.call(node),
            _ => self.evaluate_rare(node),
        }
    }

    #[inline(never)]
    fn call(&mut self, node: &'a Node) -> Evaluated<'a> {
        let Node::Call { run, args, kind, at } = node else {
            return Ok(Val::Null);
        };
        // Functions take at most four arguments.
        let mut values = [Val::Null, Val::Null, Val::Null, Val::Null];
        for (value, arg) in values.iter_mut().zip(args) {
            *value = self.evaluate(arg)?;
        }
        let count = args.len().min(4);
        match run(&mut values[..count], &mut self.budget) {
            Ok(Val::Message(message, _)) => Ok(Val::Message(message, kind.as_deref())),
            Ok(value) => Ok(value),
            Err(failure) => Err(failure.at(*at)),
        }
    }

    /// The steps that are not on the way of every message; apart, so that the frame above stays small.
    #[inline(never)]
    fn evaluate_rare(&mut self, node: &'a Node) -> Evaluated<'a> {
        match node {
            Node::Attribute { name, at, optional } => match self.facts.get(name) {
                Some(text) => Ok(Val::Text(Text::Borrowed(text))),
                None if *optional => Ok(Val::Absent),
                None => Err(Failure::new(format!("the message has no attribute `{name}`"))
                    .hint(format!("where it may be missing: has(attributes.{name})"))
                    .at(*at)),
            },
            Node::HasAttribute(name) => Ok(Val::Bool(self.facts.get(name).is_some())),
            Node::HasField(of, field) => match self.evaluate(of)? {
                Val::Message(message, _) => {
                    self.budget.bytes(message.as_slice().len())?;
                    Ok(Val::Bool(field.is_set(&message)?))
                }
                _ => Ok(Val::Bool(false)),
            },
            Node::OptionalField(of, field) => match self.evaluate(of)? {
                Val::Message(message, _) => {
                    self.budget.bytes(message.as_slice().len())?;
                    if field.is_set(&message)? {
                        Ok(field.read(&message)?)
                    } else {
                        Ok(Val::Absent)
                    }
                }
                _ => Ok(Val::Absent),
            },
            Node::HasKey(key) | Node::OptionalKey(key) => {
                let of = self.evaluate(&key.of)?;
                let found =
                    optional_member(&of, key, &mut self.budget).map_err(|failure| failure.at(key.at))?;
                Ok(match node {
                    Node::HasKey(_) => Val::Bool(found.is_some()),
                    _ => found.unwrap_or(Val::Absent),
                })
            }
            Node::Index {
                of,
                index,
                optional,
                at,
            } => {
                let of = self.evaluate(of)?;
                if *optional && matches!(of, Val::Absent | Val::Null) {
                    return Ok(Val::Absent);
                }
                let written = index;
                let index = self.evaluate(index)?;
                match element(&of, &index, &mut self.budget).map_err(|failure| failure.at(*at))? {
                    // In a record null is nothing there; in a map of the expression it is a value.
                    Some(Val::Null) if *optional && matches!(of, Val::Record(_)) => Ok(Val::Absent),
                    Some(value) => Ok(value),
                    None if *optional => Ok(Val::Absent),
                    None => Err(missing(&of, &index, written).at(*at)),
                }
            }
            Node::Negate(of, at) => {
                let value = self.evaluate(of)?;
                negate(&value).map_err(|failure| failure.at(*at))
            }
            Node::Arithmetic(op, sides, at) => {
                let one = self.evaluate(&sides[0])?;
                let two = self.evaluate(&sides[1])?;
                arithmetic(*op, one, two, &mut self.budget).map_err(|failure| failure.at(*at))
            }
            Node::In(sides, at) => {
                let item = self.evaluate(&sides[0])?;
                let range = self.evaluate(&sides[1])?;
                contains(&item, &range, &mut self.budget)
                    .map(Val::Bool)
                    .map_err(|failure| failure.at(*at))
            }
            Node::Pattern(pattern) => self.find(pattern),
            Node::Lookup(lookup) => self.look_up(lookup),
            Node::Xref(xref) => self.refer(xref).map_err(|failure| failure.at(xref.at)),
            Node::Loop(node) => self.run_loop(node),
            Node::Bind { slot, value, body } => {
                let value = self.evaluate(value)?;
                self.locals[*slot] = value;
                self.evaluate(body)
            }
            Node::OrValue(sides) | Node::Or2(sides) => match self.evaluate(&sides[0])? {
                Val::Absent => self.evaluate(&sides[1]),
                value => Ok(value),
            },
            Node::OptMap { of, slot, body } => match self.evaluate(of)? {
                Val::Absent => Ok(Val::Absent),
                value => {
                    self.locals[*slot] = value;
                    self.evaluate(body)
                }
            },
            Node::NonZero(of) => {
                let value = self.evaluate(of)?;
                Ok(if is_zero(&value, &mut self.budget)? {
                    Val::Absent
                } else {
                    value
                })
            }
            Node::HasValue(of) => Ok(Val::Bool(!matches!(self.evaluate(of)?, Val::Absent))),
            Node::Unwrap(of, at) => match self.evaluate(of)? {
                Val::Absent => Err(Failure::new("the optional holds nothing")
                    .hint("orValue(..) says what to take then")
                    .at(*at)),
                value => Ok(value),
            },
            Node::TypeOf(of, known) => {
                let value = self.evaluate(of)?;
                Ok(Val::Type(Text::Borrowed(match known {
                    Some(known) => known,
                    None => type_of(&value),
                })))
            }
            Node::Word(kind, of) => Ok(match self.evaluate(of)? {
                Val::Int(number) => Val::text(
                    i32::try_from(number)
                        .ok()
                        .and_then(|number| kind.get_value(number))
                        .map_or_else(|| number.to_string(), |value| words::short(&value)),
                ),
                other => other,
            }),
            Node::Money {
                amount,
                currency,
                kind,
                at,
            } => {
                let mut bytes = Vec::with_capacity(24);
                self.put_money(amount, currency, &mut bytes)
                    .map_err(|failure| failure.at(*at))?;
                Ok(Val::Message(Blob::Shared(bytes.into()), Some(kind)))
            }
            Node::Message(literal) => {
                let mut bytes = Vec::new();
                let mut faults = super::faults::Faults::default();
                self.put_message(literal, &mut bytes, &mut faults);
                match faults.first() {
                    Some(failure) => Err(failure),
                    None if literal.kind.scalar == Scalar::Any && bytes.is_empty() => {
                        Err(Failure::new("an empty google.protobuf.Any holds nothing"))
                    }
                    None => Ok(literal.kind.open(&Blob::Shared(bytes.into()))?),
                }
            }
            Node::List(list) => {
                let mut values = Vec::with_capacity(list.len());
                for item in list {
                    match self.evaluate(&item.value)? {
                        Val::Absent if item.optional => {}
                        value => values.push(value),
                    }
                }
                Ok(Val::list(values))
            }
            Node::Map(map, _) => {
                let mut made = Entries::default();
                for entry in map {
                    let key = self.evaluate(&entry.key)?;
                    match self.evaluate(&entry.value)? {
                        Val::Absent if entry.optional => {}
                        value => made.insert(key, value).map_err(|failure| failure.at(entry.at))?,
                    }
                }
                Ok(made.into_map())
            }
            // The others were taken by `evaluate`.
            _ => Ok(Val::Null),
        }
    }

    fn find_key(&mut self, key: &'a Key) -> Result<Option<Val<'a>>, Box<Failure>> {
        let found = match &key.of {
            Node::This => keyed(&self.input, key, &mut self.budget),
            Node::Local(slot) => keyed(&self.locals[*slot], key, &mut self.budget),
            other => {
                let of = self.evaluate(other)?;
                keyed(&of, key, &mut self.budget)
            }
        };
        found.map_err(|failure| failure.at(key.at))
    }

    /// A condition: a boolean, or a fault.
    #[inline]
    pub(crate) fn test(&mut self, node: &'a Node, at: Span) -> Result<bool, Box<Failure>> {
        match self.evaluate(node)? {
            Val::Bool(flag) => Ok(flag),
            other => Err(functions::unfit("boolean", &other).at(at)),
        }
    }

    /// `&&` (deciding: false) and `||` (deciding: true): one deciding term decides, whatever the others do.
    fn commutative(&mut self, terms: &'a [Node], deciding: bool, at: Span) -> Evaluated<'a> {
        let mut failed = None;
        for term in terms {
            match self.test(term, at) {
                Ok(flag) if flag == deciding => return Ok(Val::Bool(deciding)),
                Ok(_) => {}
                Err(failure) if failure.exhausted => return Err(failure),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(Val::Bool(!deciding)), Err)
    }
}

/// A constant of the plan, borrowed.
#[inline]
pub(super) fn constant<'a>(value: &'a Val<'static>) -> Val<'a> {
    match value {
        Val::Text(text) => Val::Text(Text::Borrowed(text.as_str())),
        Val::Bytes(bytes) => Val::Bytes(Blob::Borrowed(bytes.as_slice())),
        Val::List(list) => Val::Items(list),
        Val::Type(name) => Val::Type(Text::Borrowed(name.as_str())),
        other => other.clone(),
    }
}

#[inline]
fn read<'a>(of: &Val<'a>, field: &'a super::field::Field, budget: &mut Budget) -> Evaluated<'a> {
    match of {
        Val::Message(message, _) => {
            budget.bytes(message.as_slice().len())?;
            Ok(field.read(message)?)
        }
        Val::Absent => Ok(Val::Absent),
        other => Err(functions::unfit("message", other)),
    }
}

/// The name of a value's type.
fn type_of<'a>(value: &Val<'a>) -> &'a str {
    match value {
        Val::Null => "null_type",
        Val::Absent => "optional_type",
        Val::Bool(_) => "bool",
        Val::Int(_) => "int",
        Val::Uint(_) => "uint",
        Val::Double(_) => "double",
        // The kinds of CEL in which it has room.
        Val::Number(_) => match Number::of(value).and_then(Number::as_integer) {
            Some(number) if i64::try_from(number).is_ok() => "int",
            Some(number) if u64::try_from(number).is_ok() => "uint",
            _ => "double",
        },
        Val::Text(_) => "string",
        Val::Bytes(_) => "bytes",
        Val::Timestamp(_) => "google.protobuf.Timestamp",
        Val::Duration(_) => "google.protobuf.Duration",
        Val::Message(_, kind) => kind.map_or("message", |kind| kind.descriptor.full_name()),
        Val::Type(_) => "type",
        Val::Record(Value::List(_)) | Val::Repeated(..) | Val::List(_) | Val::Items(_) => "list",
        Val::Record(_) | Val::Entries(..) | Val::Map(_) => "map",
    }
}
/// What is told where nothing is under an index. A key is named only where the mapping itself says it: one that is
/// computed is a value of the record.
#[cold]
fn missing(of: &Val<'_>, index: &Val<'_>, written: &Node) -> Box<Failure> {
    let what = match (written, index) {
        (Node::Const(_), Val::Text(name)) => format!("{} has no `{}`", of.kind(), name.as_str()),
        (_, Val::Text(_)) => format!("{} has no such key", of.kind()),
        (Node::Const(_), Val::Int(at)) => format!("{} has no item [{at}]", of.kind()),
        _ => format!("{} has no such item", of.kind()),
    };
    Failure::new(what)
        .hint("where it may be missing: `[?…]` instead of `[…]` gives an optional, as in `[?0].orValue(…)`")
}
