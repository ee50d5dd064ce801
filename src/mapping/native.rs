//! A canonical message or a record, translated to a native record: the tree of a map literal.
//!
//! Values that a native record has no kind for take a form of their own: enums their short word, timestamps and
//! durations their text, messages the tree of [`crate::canonical::Tree`].

use std::borrow::Cow;

use trunkline_sdk::Value;

use super::{
    evaluate::Run,
    failure::Failure,
    faults::Faults,
    functions::unfit,
    parts::{entries, items},
    plan::{Form, LoopKind, Node},
    value::Val,
};
use crate::canonical::{Tree, words};

impl<'a> Run<'a> {
    /// The native tree of a map literal, or of whatever else a native mapping gives.
    pub(crate) fn native(&mut self, node: &'a Node, form: &Form, faults: &mut Faults) -> Value<'static> {
        match node {
            Node::Map(map, at) => {
                let mut fields: Vec<(Cow<'static, str>, Value<'static>)> = Vec::with_capacity(map.len());
                for entry in map {
                    let since = faults.len();
                    let name = match self.evaluate(&entry.key) {
                        Ok(Val::Text(name)) => name.as_str().to_owned(),
                        Ok(other) => {
                            faults.push(unfit("text, as the name of a field must be", &other).at(*at));
                            continue;
                        }
                        Err(failure) => {
                            faults.push(failure.at(*at));
                            continue;
                        }
                    };
                    let value = if entry.optional {
                        match self.evaluate(&entry.value) {
                            Ok(Val::Absent) => continue,
                            Ok(value) => self.native_value(&value, &entry.form, faults),
                            Err(failure) => {
                                faults.push(failure);
                                Value::Null
                            }
                        }
                    } else {
                        self.native(&entry.value, &entry.form, faults)
                    };
                    if faults.len() > since {
                        faults.place(since, entry.at);
                        faults.prefix(since, &name);
                    }
                    if faults.is_exhausted() {
                        break;
                    }
                    if fields.iter().any(|(field, _)| *field == name) {
                        faults.push(Failure::new("a name comes twice in one object").at(entry.at));
                        continue;
                    }
                    fields.push((Cow::Owned(name), value));
                }
                Value::Object(fields)
            }
            Node::Loop(inner) if inner.kind == LoopKind::Map => {
                let mut all = Vec::new();
                let inner_form = match form {
                    Form::List(inner) => inner,
                    other => other,
                };
                let walked = self.evaluate(&inner.range).and_then(|range| {
                    self.each_of(inner, &range, |run| {
                        if let Some(test) = &inner.test
                            && !run.test(test, inner.at)?
                        {
                            return Ok(true);
                        }
                        let since = faults.len();
                        let value = run.native(&inner.body, inner_form, faults);
                        if faults.len() > since {
                            faults.prefix(since, &format!("[{}]", all.len()));
                        }
                        all.push(value);
                        Ok(!faults.is_exhausted())
                    })
                });
                if let Err(failure) = walked {
                    faults.push(failure);
                }
                Value::List(all)
            }
            Node::List(list) => {
                let mut all = Vec::with_capacity(list.len());
                for item in list {
                    if item.optional {
                        match self.evaluate(&item.value) {
                            Ok(Val::Absent) => {}
                            Ok(value) => all.push(self.native_value(&value, &item.form, faults)),
                            Err(failure) => faults.push(failure),
                        }
                    } else {
                        all.push(self.native(&item.value, &item.form, faults));
                    }
                }
                Value::List(all)
            }
            Node::Choose(parts, at) => {
                let [condition, yes, no] = &**parts;
                match self.test(condition, *at) {
                    Ok(true) => self.native(yes, form, faults),
                    Ok(false) => self.native(no, form, faults),
                    Err(failure) => {
                        faults.push(failure);
                        Value::Null
                    }
                }
            }
            Node::Bind { slot, value, body } => match self.evaluate(value) {
                Ok(value) => {
                    self.set(*slot, value);
                    self.native(body, form, faults)
                }
                Err(failure) => {
                    faults.push(failure);
                    Value::Null
                }
            },
            _ => match self.evaluate(node) {
                Ok(value) => self.native_value(&value, form, faults),
                Err(failure) => {
                    faults.push(failure);
                    Value::Null
                }
            },
        }
    }

    fn native_value(&mut self, value: &Val<'a>, form: &Form, faults: &mut Faults) -> Value<'static> {
        let shown = match (value, form) {
            (Val::Absent | Val::Null, _) => Ok(Value::Null),
            (Val::Int(number), Form::Enum(kind)) => {
                let known = i32::try_from(*number)
                    .ok()
                    .and_then(|number| kind.get_value(number));
                Ok(match known {
                    Some(value) => Value::Text(words::short(&value).into()),
                    None => Value::Number(number.to_string().into()),
                })
            }
            (Val::Bool(flag), _) => Ok(Value::Bool(*flag)),
            (Val::Int(number), _) => Ok(Value::Number(number.to_string().into())),
            (Val::Uint(number), _) => Ok(Value::Number(number.to_string().into())),
            (Val::Double(number), _) if number.is_finite() => Ok(Value::Number(number.to_string().into())),
            (Val::Double(_), _) => Err(Failure::new("the result is not a finite number")),
            (Val::Number(digits), _) => Ok(Value::Number(digits.as_str().to_owned().into())),
            (Val::Text(text), _) => self
                .budget
                .bytes(text.as_str().len())
                .map(|()| Value::Text(text.as_str().to_owned().into())),
            (Val::Bytes(bytes), _) => self
                .budget
                .bytes(bytes.as_slice().len())
                .map(|()| Value::Bytes(bytes.as_slice().to_owned().into())),
            (Val::Timestamp(instant), _) => instant
                .to_text()
                .map(|text| Value::Text(text.into()))
                .ok_or_else(|| Failure::new("the timestamp lies outside the years 1 to 9999")),
            (Val::Duration(span), _) => Ok(Value::Text(span.to_text().into())),
            (Val::Message(bytes, _), Form::Message(tree)) => self
                .budget
                .bytes(8 * bytes.as_slice().len())
                .and_then(|()| Ok(tree.read(bytes.as_slice())?.into_owned())),
            (Val::Message(bytes, Some(kind)), _) => self
                .budget
                .bytes(8 * bytes.as_slice().len())
                .and_then(|()| Ok(Tree::new(&kind.descriptor).read(bytes.as_slice())?.into_owned())),
            (Val::Type(name), _) => Ok(Value::Text(name.as_str().to_owned().into())),
            (Val::Message(_, None), _) => Err(Failure::new("a message of unknown type cannot be shown")),
            (Val::Record(tree), _) => self
                .budget
                .steps(weight(tree))
                .map(|()| (*tree).clone().into_owned()),
            (Val::Entries(..) | Val::Map(_), form) => {
                let inner = match form {
                    Form::Map(inner) => inner,
                    other => other,
                };
                entries(value, &mut self.budget).map(|all| {
                    let mut fields = Vec::with_capacity(all.len());
                    for (key, value) in &all {
                        let name = match key {
                            Val::Text(text) => text.as_str().to_owned(),
                            Val::Int(number) => number.to_string(),
                            Val::Uint(number) => number.to_string(),
                            Val::Bool(flag) => flag.to_string(),
                            other => {
                                faults.push(unfit("name of a field", other));
                                continue;
                            }
                        };
                        fields.push((name.into(), self.native_value(value, inner, faults)));
                    }
                    Value::Object(fields)
                })
            }
            (Val::Repeated(..) | Val::List(_) | Val::Items(_), form) => {
                let inner = match form {
                    Form::List(inner) => inner,
                    other => other,
                };
                items(value, &mut self.budget).map(|all| {
                    Value::List(
                        all.iter()
                            .map(|item| self.native_value(item, inner, faults))
                            .collect(),
                    )
                })
            }
        };
        shown.unwrap_or_else(|failure| {
            faults.push(failure);
            Value::Null
        })
    }
}

/// How many values a tree holds. It is as deep as its decoder let it be.
fn weight(tree: &Value<'_>) -> usize {
    match tree {
        Value::List(items) => items.iter().map(weight).sum::<usize>() + 1,
        Value::Object(fields) => fields.iter().map(|(_, value)| weight(value)).sum::<usize>() + 1,
        Value::Text(text) => text.len() / 128 + 1,
        Value::Bytes(bytes) => bytes.len() / 128 + 1,
        _ => 1,
    }
}
