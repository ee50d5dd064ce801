//! The parts of lists, maps and objects, whichever way they came: from a record, from encoded bytes, from the
//! expression itself.

use std::sync::atomic::Ordering;

use trunkline_sdk::Value;

use super::{
    failure::{Budget, Failure},
    functions::{self, Number},
    operators::equal,
    plan::Key,
    value::{Text, Val},
};

/// The member of an object with this name.
#[inline]
pub(super) fn member<'a>(
    of: &Val<'a>,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<Val<'a>>, Box<Failure>> {
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
        Val::Message(message, Some(kind)) => match kind.field(name) {
            Some(field) => {
                budget.bytes(message.as_slice().len())?;
                Ok(Some(field.read(message)?))
            }
            None => Err(Failure::new(format!(
                "{} has no field `{name}`",
                kind.descriptor.full_name()
            ))),
        },
        other => Err(Failure::new(format!("{} has no `{name}`", other.kind()))),
    }
}

/// The member that a step of the plan reads: it is looked for first where it stood in the record before.
#[inline]
pub(super) fn keyed<'a>(
    of: &Val<'a>,
    key: &Key,
    budget: &mut Budget,
) -> Result<Option<Val<'a>>, Box<Failure>> {
    let Val::Record(Value::Object(fields)) = of else {
        return member(of, &key.name, budget);
    };
    if let Some((name, value)) = fields.get(key.last.load(Ordering::Relaxed))
        && *name == *key.name
    {
        return Ok(Some(Val::record(value)));
    }
    budget.steps(fields.len() / 32)?;
    let Some(at) = fields.iter().position(|(name, _)| *name == *key.name) else {
        return Ok(None);
    };
    key.last.store(at, Ordering::Relaxed);
    Ok(Some(Val::record(&fields[at].1)))
}

/// The same, where nothing may be there to have it.
pub(super) fn optional_member<'a>(
    of: &Val<'a>,
    Key { name, lenient, .. }: &Key,
    budget: &mut Budget,
) -> Result<Option<Val<'a>>, Box<Failure>> {
    match of {
        Val::Absent => Ok(None),
        Val::Null if *lenient => Ok(None),
        Val::Record(_) => Ok(member(of, name, budget)?.filter(|value| !matches!(value, Val::Null))),
        Val::Message(message, Some(kind)) => {
            if let Some(field) = kind.field(name)
                && !field.is_set(message)?
            {
                return Ok(None);
            }
            member(of, name, budget)
        }
        of => member(of, name, budget),
    }
}

/// The item at an index, or the value under a key; `None` where there is none.
pub(super) fn element<'a>(
    of: &Val<'a>,
    index: &Val<'a>,
    budget: &mut Budget,
) -> Result<Option<Val<'a>>, Box<Failure>> {
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
            let Some(at) = Number::of(index).and_then(Number::as_integer) else {
                return Err(functions::unfit("index of a list", index));
            };
            let Ok(at) = usize::try_from(at) else {
                return Ok(None);
            };
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

pub(crate) fn contains<'a>(
    item: &Val<'a>,
    range: &Val<'a>,
    budget: &mut Budget,
) -> Result<bool, Box<Failure>> {
    match range {
        // In a map: among its keys.
        Val::Record(Value::Object(fields)) => {
            budget.steps(fields.len() / 32)?;
            Ok(matches!(item, Val::Text(name) if fields.iter().any(|(key, _)| key == name.as_str())))
        }
        Val::Items(list) => {
            budget.steps(list.len() / 32)?;
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
