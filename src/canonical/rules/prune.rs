//! What is left of compiled rules: what leads to none is dropped, so that it costs nothing to check.

use super::{
    Rules,
    plan::{Element, Field, Kind, Message, Shape, Test},
    quick::Outline,
};

/// Whether a field asks for anything itself, whatever is inside of it.
pub(super) fn asks(field: &Field) -> bool {
    let of_element = |element: &Element| element.required || !element.rules.is_empty();
    let of_shape = match &field.shape {
        Shape::One { .. } => false,
        Shape::List { least, most, unique } => *least > 0 || *most < u64::MAX || *unique,
        Shape::Map { least, most, key } => *least > 0 || *most < u64::MAX || of_element(key),
    };
    field.required || of_shape || of_element(&field.element) || !field.expressions.is_empty()
}

/// Whether nothing is asked of a field, nor of what is inside of it, and nothing counts it.
fn is_idle(message: &Message, at: usize) -> bool {
    let field = &message.fields[at];
    let is_counted = message.groups.iter().any(|group| group.members.contains(&at));
    !asks(field)
        && !is_counted
        && field.siblings.is_empty()
        && !matches!(field.element.kind, Kind::Message(Some(_)))
}

/// Drops what leads to no rule: messages without any are not looked into, and a type without any is checked by nobody.
pub(super) fn keep_ruled(mut messages: Vec<Message>) -> Option<Rules> {
    let inner = |field: &Field| match field.element.kind {
        Kind::Message(inner) => inner,
        _ => None,
    };
    let mut ruled: Vec<bool> = messages
        .iter()
        .map(|message| {
            !message.groups.is_empty() || !message.expressions.is_empty() || message.fields.iter().any(asks)
        })
        .collect();
    loop {
        let leads = |at: usize| {
            messages[at]
                .fields
                .iter()
                .filter_map(inner)
                .any(|inner| ruled[inner])
        };
        let Some(next) = (0..messages.len()).find(|at| !ruled[*at] && leads(*at)) else {
            break;
        };
        ruled[next] = true;
    }
    if !ruled.first().copied().unwrap_or(false) {
        return None;
    }
    for message in &mut messages {
        for field in &mut message.fields {
            if inner(field).is_some_and(|inner| !ruled[inner]) {
                field.element.kind = Kind::Message(None);
            }
        }
        message.outline = Outline::of(message);
        message.near = vec![0; 64];
        for (at, field) in message.fields.iter().enumerate() {
            if is_idle(message, at) {
                continue;
            }
            let place = u16::try_from(at).unwrap_or(u16::MAX);
            match message.near.get_mut(field.number as usize) {
                Some(near) => *near = place + 1,
                None => message.far.push((field.number, place)),
            }
        }
    }
    let is_timed = |element: &Element| {
        let tests = element.rules.iter().map(|rule| &rule.test);
        tests
            .into_iter()
            .any(|test| matches!(test, Test::Past | Test::Future | Test::Near(_)))
    };
    let mut fields = messages.iter().flat_map(|message| &message.fields);
    let is_timed = fields.any(|field| is_timed(&field.element));
    Some(Rules { messages, is_timed })
}
