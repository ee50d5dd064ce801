//! Runs a plan over one message or record. Lazy: only what is read is looked for, and nothing is copied that can
//! be borrowed.
//!
//! Promised: it ends (a [`Budget`] bounds every loop and every text), and it never panics, whatever the input.
//! `&&`, `||`, `exists` and `all` are commutative in their errors, as CEL wants it: `false && <fault>` is false.

use std::{cmp::Ordering, sync::Arc};

use trunkline_sdk::Value;

use super::{
    Facts, Input,
    functions::{self, Amount, Number, compare_numbers, digits_to_integer, encode_money},
    operators::{arithmetic, compare, negate},
    plan::{Evaluated, Key, Loop, LoopKind, Node},
    source::Span,
    value::{Blob, Text, Val},
};
use crate::canonical::{wire::Broken, words};

/// Why a step failed. Says kinds and shapes, never a value of the input.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
    /// Where, in the source; the innermost step that knows says it.
    pub(crate) at: Option<Span>,
    /// The budget is used up: there is no use in going on.
    pub(crate) exhausted: bool,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            what: what.into(),
            hint: None,
            at: None,
            exhausted: false,
        })
    }

    #[must_use]
    pub(crate) fn hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn at(mut self: Box<Self>, at: Span) -> Box<Self> {
        self.at.get_or_insert(at);
        self
    }
}

impl From<Broken> for Box<Failure> {
    fn from(broken: Broken) -> Self {
        Failure::new(broken.to_string())
    }
}

/// How much work one run may do: a step is an item of a loop, or some hundred bytes looked at or written.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

/// Enough for a message of 16 MiB and a mapping that looks at each of its parts some times; about 0.1 s.
const STEPS: u64 = 2_000_000;

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: STEPS }
    }

    #[inline]
    pub(crate) fn steps(&mut self, steps: usize) -> Result<(), Box<Failure>> {
        match self.left.checked_sub(steps as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.exhausted()),
        }
    }

    /// Bytes that are looked at or written.
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: usize) -> Result<(), Box<Failure>> {
        self.steps(bytes / 128)
    }

    #[cold]
    fn exhausted(&mut self) -> Box<Failure> {
        self.left = 0;
        let mut failure = Failure::new(format!("it takes more than {STEPS} steps for this record"))
            .hint("loops inside loops multiply; look at fewer items");
        failure.exhausted = true;
        failure
    }
}

/// One run: the input, and what loops and bindings hold.
pub(crate) struct Run<'a> {
    input: Val<'a>,
    facts: &'a dyn Facts,
    locals: Vec<Val<'a>>,
    pub(crate) budget: Budget,
}

impl<'a> Run<'a> {
    pub(crate) fn new(input: Input<'a>, facts: &'a dyn Facts, slots: usize) -> Self {
        Self {
            input: match input {
                Input::Message(bytes) => Val::Message(Blob::Borrowed(bytes)),
                Input::Record(value) => Val::record(value),
            },
            facts,
            locals: vec![Val::Null; slots],
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
            Node::Call { run, args, at } => {
                // Functions take at most three arguments.
                let mut values = [Val::Null, Val::Null, Val::Null];
                for (value, arg) in values.iter_mut().zip(args) {
                    *value = self.evaluate(arg)?;
                }
                let count = args.len().min(3);
                run(&mut values[..count], &mut self.budget).map_err(|failure| failure.at(*at))
            }
            _ => self.evaluate_rare(node),
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
                Val::Message(message) => {
                    self.budget.bytes(message.as_slice().len())?;
                    Ok(Val::Bool(field.is_set(&message)?))
                }
                _ => Ok(Val::Bool(false)),
            },
            Node::OptionalField(of, field) => match self.evaluate(of)? {
                Val::Message(message) => {
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
                let found = optional_member(&of, &key.name, &mut self.budget)
                    .map_err(|failure| failure.at(key.at))?;
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
                let index = self.evaluate(index)?;
                match element(&of, &index, &mut self.budget).map_err(|failure| failure.at(*at))? {
                    Some(Val::Null) if *optional => Ok(Val::Absent),
                    Some(value) => Ok(value),
                    None if *optional => Ok(Val::Absent),
                    None => Err(Failure::new(format!(
                        "{} has no such {}",
                        of.kind(),
                        if matches!(index, Val::Text(_)) {
                            "key"
                        } else {
                            "item"
                        }
                    ))
                    .at(*at)),
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
            Node::SameMessage {
                kind,
                sides,
                equal,
                at,
            } => {
                let one = self.evaluate(&sides[0])?;
                let two = self.evaluate(&sides[1])?;
                let (Val::Message(one), Val::Message(two)) = (one, two) else {
                    return Ok(Val::Bool(!equal));
                };
                self.budget
                    .bytes(8 * (one.as_slice().len() + two.as_slice().len()))?;
                let decode = |blob: &Blob<'_>| {
                    prost_reflect::DynamicMessage::decode(kind.clone(), blob.as_slice())
                        .map_err(|_| Failure::new("a message cannot be decoded").at(*at))
                };
                Ok(Val::Bool((decode(&one)? == decode(&two)?) == *equal))
            }
            Node::In(sides, at) => {
                let item = self.evaluate(&sides[0])?;
                let range = self.evaluate(&sides[1])?;
                contains(&item, &range, &mut self.budget)
                    .map(Val::Bool)
                    .map_err(|failure| failure.at(*at))
            }
            Node::Matches(of, pattern, at) => match self.evaluate(of)? {
                Val::Text(text) => {
                    self.budget.bytes(8 * text.as_str().len())?;
                    Ok(Val::Bool(pattern.is_match(text.as_str())))
                }
                other => Err(functions::unfit("text", &other).at(*at)),
            },
            Node::Lookup(lookup) => {
                let key = self.evaluate(&lookup.key)?;
                let digits;
                let code = match &key {
                    Val::Text(text) => text.as_str(),
                    Val::Number(digits) => digits,
                    Val::Int(number) => {
                        digits = number.to_string();
                        &digits
                    }
                    Val::Uint(number) => {
                        digits = number.to_string();
                        &digits
                    }
                    Val::Bool(true) => "true",
                    Val::Bool(false) => "false",
                    other => return Err(functions::unfit("code to look up", other).at(lookup.at)),
                };
                match lookup.table.get(code).and_then(|word| lookup.values.get(word)) {
                    Some(value) => Ok(constant(value)),
                    None => match &lookup.otherwise {
                        Some(otherwise) => self.evaluate(otherwise),
                        None => Err(Failure::new(format!(
                            "the lookup table has no entry for {}",
                            key.kind()
                        ))
                        .hint("add the code to the table, or give lookup(..) a third argument")
                        .at(lookup.at)),
                    },
                }
            }
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
            Node::HasValue(of) => Ok(Val::Bool(!matches!(self.evaluate(of)?, Val::Absent))),
            Node::Unwrap(of, at) => match self.evaluate(of)? {
                Val::Absent => Err(Failure::new("the optional holds nothing")
                    .hint("orValue(..) says what to take then")
                    .at(*at)),
                value => Ok(value),
            },
            Node::Word(kind, of) => Ok(match self.evaluate(of)? {
                Val::Int(number) => Val::text(
                    i32::try_from(number)
                        .ok()
                        .and_then(|number| kind.get_value(number))
                        .map_or_else(|| number.to_string(), |value| words::short(&value)),
                ),
                other => other,
            }),
            Node::Money { amount, currency, at } => {
                let mut bytes = Vec::with_capacity(24);
                self.put_money(amount, currency, &mut bytes)
                    .map_err(|failure| failure.at(*at))?;
                Ok(Val::Message(Blob::Shared(bytes.into())))
            }
            Node::Message(literal) => {
                let mut bytes = Vec::new();
                let mut faults = super::translate::Faults::default();
                self.put_message(literal, &mut bytes, &mut faults);
                match faults.first() {
                    Some(failure) => Err(failure),
                    None => Ok(Val::Message(Blob::Shared(bytes.into()))),
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
                let mut entries = Vec::with_capacity(map.len());
                for entry in map {
                    let key = self.evaluate(&entry.key)?;
                    match self.evaluate(&entry.value)? {
                        Val::Absent if entry.optional => {}
                        value => entries.push((key, value)),
                    }
                }
                Ok(Val::Map(Arc::new(entries)))
            }
            // The others were taken by `evaluate`.
            _ => Ok(Val::Null),
        }
    }

    pub(crate) fn put_money(
        &mut self,
        amount: &'a Node,
        currency: &'a Node,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Failure>> {
        let amount = self.evaluate(amount)?;
        let currency = self.evaluate(currency)?;
        encode_money(out, Amount::of_value(&amount)?, &currency)
    }

    fn find_key(&mut self, key: &'a Key) -> Result<Option<Val<'a>>, Box<Failure>> {
        let found = match &key.of {
            Node::This => member(&self.input, &key.name, &mut self.budget),
            Node::Local(slot) => member(&self.locals[*slot], &key.name, &mut self.budget),
            other => {
                let of = self.evaluate(other)?;
                member(&of, &key.name, &mut self.budget)
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

    fn run_loop(&mut self, node: &'a Loop) -> Evaluated<'a> {
        let range = self.evaluate(&node.range)?;
        // Conditions stop at the first item that decides, so the list is not gathered first.
        if let LoopKind::All | LoopKind::Exists = node.kind {
            let deciding = node.kind == LoopKind::Exists;
            let (mut decided, mut failed) = (false, None);
            self.each(&range, node.at, |run, item| {
                run.set(node.slot, item);
                match run.test(&node.body, node.at) {
                    Ok(flag) if flag == deciding => {
                        decided = true;
                        Ok(false)
                    }
                    Ok(_) => Ok(true),
                    Err(failure) if failure.exhausted => Err(failure),
                    Err(failure) => {
                        failed = failed.take().or(Some(failure));
                        Ok(true)
                    }
                }
            })?;
            return match failed {
                _ if decided => Ok(Val::Bool(deciding)),
                Some(failure) => Err(failure),
                None => Ok(Val::Bool(!deciding)),
            };
        }
        let (mut count, mut kept, mut keys) = (0, Vec::new(), Vec::new());
        self.each(&range, node.at, |run, item| {
            run.set(node.slot, item);
            if let Some(test) = &node.test
                && !run.test(test, node.at)?
            {
                return Ok(true);
            }
            match node.kind {
                LoopKind::ExistsOne => count += usize::from(run.test(&node.body, node.at)?),
                LoopKind::Filter => {
                    if run.test(&node.body, node.at)? {
                        kept.push(run.locals[node.slot].clone());
                    }
                }
                LoopKind::SortBy => {
                    keys.push(run.evaluate(&node.body)?);
                    kept.push(run.locals[node.slot].clone());
                }
                _ => kept.push(run.evaluate(&node.body)?),
            }
            Ok(true)
        })?;
        match node.kind {
            LoopKind::ExistsOne => Ok(Val::Bool(count == 1)),
            LoopKind::SortBy => sort(keys, kept, &mut self.budget).map_err(|failure| failure.at(node.at)),
            _ => Ok(Val::list(kept)),
        }
    }

    /// Calls `body` with each item of a list (each key of a map) until it says stop.
    pub(crate) fn each(
        &mut self,
        range: &Val<'a>,
        at: Span,
        mut body: impl FnMut(&mut Self, Val<'a>) -> Result<bool, Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        if let Val::Repeated(message, field) = range {
            self.budget.bytes(message.as_slice().len())?;
            let mut failed = None;
            let walked = field.each(message, |item| {
                let more = self.budget.steps(1).and_then(|()| body(self, item));
                match more {
                    Ok(more) => more,
                    Err(failure) => {
                        failed = Some(failure);
                        false
                    }
                }
            });
            walked?;
            return failed.map_or(Ok(()), Err);
        }
        if let Val::Record(Value::List(list)) = range {
            for item in list {
                self.budget.steps(1)?;
                if !body(self, Val::record(item))? {
                    break;
                }
            }
            return Ok(());
        }
        for item in items(range, &mut self.budget).map_err(|failure| failure.at(at))? {
            if !body(self, item)? {
                break;
            }
        }
        Ok(())
    }
}

/// A constant of the plan, borrowed.
#[inline]
fn constant<'a>(value: &'a Val<'static>) -> Val<'a> {
    match value {
        Val::Text(text) => Val::Text(Text::Borrowed(text.as_str())),
        Val::Bytes(bytes) => Val::Bytes(Blob::Borrowed(bytes.as_slice())),
        Val::List(list) => Val::Items(list),
        other => other.clone(),
    }
}

#[inline]
fn read<'a>(of: &Val<'a>, field: &'a super::field::Field, budget: &mut Budget) -> Evaluated<'a> {
    match of {
        Val::Message(message) => {
            budget.bytes(message.as_slice().len())?;
            Ok(field.read(message)?)
        }
        Val::Absent => Ok(Val::Absent),
        other => Err(functions::unfit("message", other)),
    }
}

/// The member of an object with this name.
#[inline]
fn member<'a>(of: &Val<'a>, name: &str, budget: &mut Budget) -> Result<Option<Val<'a>>, Box<Failure>> {
    match of {
        Val::Record(Value::Object(fields)) => {
            budget.steps(fields.len() / 32)?;
            Ok(fields
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, value)| Val::record(value)))
        }
        Val::Entries(..) | Val::Map(_) => {
            // The name lives shorter than the plan's texts: compare by hand.
            let all = entries(of, budget)?;
            Ok(all
                .into_iter()
                .find(|(key, _)| matches!(key, Val::Text(text) if text.as_str() == name))
                .map(|(_, value)| value))
        }
        other => Err(Failure::new(format!("{} has no `{name}`", other.kind()))),
    }
}

/// The same, where nothing may be there to have it.
fn optional_member<'a>(
    of: &Val<'a>,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<Val<'a>>, Box<Failure>> {
    match of {
        Val::Absent | Val::Null => Ok(None),
        of => Ok(member(of, name, budget)?.filter(|value| !matches!(value, Val::Null))),
    }
}

/// The item at an index, or the value under a key; `None` where there is none.
fn element<'a>(of: &Val<'a>, index: &Val<'a>, budget: &mut Budget) -> Result<Option<Val<'a>>, Box<Failure>> {
    match of {
        Val::Record(Value::Object(_)) => match index {
            Val::Text(name) => member(of, name.as_str(), budget),
            other => Err(functions::unfit("key of an object", other)),
        },
        Val::Entries(..) | Val::Map(_) => {
            for (key, value) in entries(of, budget)? {
                if equal(&key, index, budget)? {
                    return Ok(Some(value));
                }
            }
            Ok(None)
        }
        _ => {
            let at = match Number::of(index) {
                Some(Number::Int(at)) => usize::try_from(at).ok(),
                Some(Number::Uint(at)) => usize::try_from(at).ok(),
                Some(Number::Double(at)) if at.fract() == 0.0 && (0.0..1e15).contains(&at) => {
                    Some(at as usize)
                }
                _ => return Err(functions::unfit("index of a list", index)),
            };
            let Some(at) = at else { return Ok(None) };
            match of {
                Val::Record(Value::List(list)) => Ok(list.get(at).map(Val::record)),
                Val::List(list) => Ok(list.get(at).cloned()),
                Val::Items(list) => Ok(list.get(at).cloned()),
                Val::Repeated(message, field) => {
                    budget.bytes(message.as_slice().len())?;
                    let (mut left, mut found) = (at, None);
                    field.each(message, |item| {
                        if left == 0 {
                            found = Some(item);
                            return false;
                        }
                        left -= 1;
                        true
                    })?;
                    Ok(found)
                }
                other => Err(functions::unfit("list or map", other)),
            }
        }
    }
}

/// The items of a list, or the keys of a map.
pub(crate) fn items<'a>(of: &Val<'a>, budget: &mut Budget) -> Result<Vec<Val<'a>>, Box<Failure>> {
    let all = match of {
        Val::Record(Value::List(list)) => list.iter().map(Val::record).collect::<Vec<_>>(),
        Val::Record(Value::Object(fields)) => fields
            .iter()
            .map(|(name, _)| Val::Text(Text::Borrowed(name)))
            .collect(),
        Val::List(list) => list.to_vec(),
        Val::Items(list) => list.to_vec(),
        Val::Repeated(message, field) => {
            budget.bytes(message.as_slice().len())?;
            let mut all = Vec::new();
            field.each(message, |item| {
                all.push(item);
                true
            })?;
            all
        }
        Val::Entries(..) | Val::Map(_) => entries(of, budget)?.into_iter().map(|(key, _)| key).collect(),
        other => return Err(functions::unfit("list", other)),
    };
    budget.steps(all.len())?;
    Ok(all)
}

/// The entries of a map.
pub(crate) fn entries<'a>(
    of: &Val<'a>,
    budget: &mut Budget,
) -> Result<Vec<(Val<'a>, Val<'a>)>, Box<Failure>> {
    let all = match of {
        Val::Entries(message, field) => {
            budget.bytes(message.as_slice().len())?;
            field.entries(message)?
        }
        Val::Map(entries) => entries.to_vec(),
        Val::Record(Value::Object(fields)) => fields
            .iter()
            .map(|(name, value)| (Val::Text(Text::Borrowed(name)), Val::record(value)))
            .collect(),
        other => return Err(functions::unfit("map", other)),
    };
    budget.steps(all.len())?;
    Ok(all)
}

/// How many characters, bytes, items or entries.
pub(crate) fn size_of(of: &Val<'_>, budget: &mut Budget) -> Result<i64, Box<Failure>> {
    let size = match of {
        Val::Text(text) => {
            budget.bytes(text.as_str().len())?;
            text.as_str().chars().count()
        }
        Val::Bytes(bytes) => bytes.as_slice().len(),
        Val::Record(Value::Object(fields)) => fields.len(),
        Val::Record(Value::List(list)) => list.len(),
        Val::List(list) => list.len(),
        Val::Items(list) => list.len(),
        Val::Repeated(message, field) => {
            budget.bytes(message.as_slice().len())?;
            let mut count = 0;
            field.each(message, |_| {
                count += 1;
                true
            })?;
            count
        }
        Val::Entries(..) | Val::Map(_) => entries(of, budget)?.len(),
        other => return Err(functions::unfit("text, list or map", other)),
    };
    Ok(i64::try_from(size).unwrap_or(i64::MAX))
}

fn contains<'a>(item: &Val<'a>, range: &Val<'a>, budget: &mut Budget) -> Result<bool, Box<Failure>> {
    match range {
        // In a map: among its keys.
        Val::Record(Value::Object(fields)) => {
            budget.steps(fields.len() / 32)?;
            Ok(matches!(item, Val::Text(name) if fields.iter().any(|(key, _)| key == name.as_str())))
        }
        Val::Items(list) => {
            for other in *list {
                if equal(item, other, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => {
            for other in items(range, budget)? {
                if equal(item, &other, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// Equality: of numbers by their value, of lists and maps by their parts; unlike kinds are unequal.
pub(crate) fn equal<'a>(one: &Val<'a>, two: &Val<'a>, budget: &mut Budget) -> Result<bool, Box<Failure>> {
    Ok(match (one, two) {
        (Val::Text(one), Val::Text(two)) => one.as_str() == two.as_str(),
        (Val::Int(one), Val::Int(two)) => one == two,
        (Val::Bool(one), Val::Bool(two)) => one == two,
        (Val::Null, Val::Null) | (Val::Absent, Val::Absent) => true,
        (Val::Bytes(one), Val::Bytes(two)) => one.as_slice() == two.as_slice(),
        (Val::Timestamp(one), Val::Timestamp(two)) => one == two,
        (Val::Duration(one), Val::Duration(two)) => one == two,
        // Bytes that are the same are the same message; checked comparisons of messages have their own step.
        (Val::Message(one), Val::Message(two)) => one.as_slice() == two.as_slice(),
        (Val::Number(one), Val::Number(two)) if one == two => true,
        (Val::Number(one), Val::Number(two)) => match (digits_to_integer(one), digits_to_integer(two)) {
            (Some((one, false)), Some((two, false))) => one == two,
            _ => equal_numbers(&Val::Number(one), &Val::Number(two)),
        },
        _ if Number::of(one).is_some() => equal_numbers(one, two),
        (one, two) if is_list(one) && is_list(two) => {
            let (one, two) = (items(one, budget)?, items(two, budget)?);
            if one.len() != two.len() {
                return Ok(false);
            }
            for (one, two) in one.iter().zip(&two) {
                if !equal(one, two, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (one, two) if is_map(one) && is_map(two) => {
            let (one, two) = (entries(one, budget)?, entries(two, budget)?);
            if one.len() != two.len() {
                return Ok(false);
            }
            budget.steps(one.len().saturating_mul(two.len()) / 4)?;
            for (key, value) in &one {
                let mut found = false;
                for (other, other_value) in &two {
                    if equal(key, other, budget)? {
                        found = equal(value, other_value, budget)?;
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

fn equal_numbers(one: &Val<'_>, two: &Val<'_>) -> bool {
    match (Number::of(one), Number::of(two)) {
        (Some(one), Some(two)) => compare_numbers(one, two) == Some(Ordering::Equal),
        _ => false,
    }
}

fn is_list(value: &Val<'_>) -> bool {
    matches!(
        value,
        Val::Record(Value::List(_)) | Val::List(_) | Val::Items(_) | Val::Repeated(..)
    )
}

fn is_map(value: &Val<'_>) -> bool {
    matches!(
        value,
        Val::Record(Value::Object(_)) | Val::Map(_) | Val::Entries(..)
    )
}

/// The items in the order of their keys; keys of unlike kinds are a fault.
fn sort<'a>(keys: Vec<Val<'a>>, items: Vec<Val<'a>>, budget: &mut Budget) -> Evaluated<'a> {
    budget.steps(keys.len().saturating_mul(8))?;
    let mut pairs: Vec<_> = keys.into_iter().zip(items).collect();
    let mut failed = None;
    pairs.sort_by(|(one, _), (two, _)| match super::operators::order(one, two) {
        Ok(Some(order)) => order,
        Ok(None) => Ordering::Equal,
        Err(failure) => {
            failed.get_or_insert(failure);
            Ordering::Equal
        }
    });
    match failed {
        Some(failure) => Err(failure),
        None => Ok(Val::list(pairs.into_iter().map(|(_, item)| item).collect())),
    }
}
