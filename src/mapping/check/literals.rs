//! Lists, maps and message literals.

use std::sync::Arc;

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use trunkline_sdk::nearest;

use super::{Checker, Expected, Typed, listed};
use crate::{
    canonical::rules,
    mapping::{
        entries::Entries,
        field::Field,
        kind::Kind,
        plan::{self, Literal, Node, Setter},
        scalar::Scalar,
        source::Span,
        syntax::{Entry, Expr, FieldSet, Item},
        types::Type,
        value::Val,
    },
};

impl Checker<'_> {
    pub(super) fn list(&mut self, items: &[Item], expected: Option<Expected<'_>>) -> Typed {
        let wanted = match expected {
            Some(Expected {
                ty: Type::List(item),
                target,
            }) => Some(Expected { ty: item, target }),
            _ => None,
        };
        let mut common: Option<Type> = None;
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let typed = self.check(&item.value, wanted);
            let ty = self.unwrapped(typed.ty, item.optional, item.value.span);
            let form = self.form(&ty);
            if let Some(Expected {
                ty: wanted,
                target: Some(target),
            }) = wanted
            {
                let target = format!("an item of {target}");
                if !self.assign(&ty, wanted, &target, item.value.span) {
                    common = Some(Type::Error);
                }
            }
            nodes.push(plan::Item {
                value: typed.node,
                form,
                optional: item.optional,
            });
            common = Some(match common {
                None => ty,
                // What has no type in common is of any.
                Some(before) => before.join(ty).unwrap_or(Type::Any),
            });
        }
        let item = common
            .or_else(|| wanted.map(|wanted| wanted.ty.clone()))
            .unwrap_or(Type::Open);
        // A list of literals is made once.
        if nodes
            .iter()
            .all(|item| item.value.constant().is_some() && !item.optional)
        {
            let values = nodes
                .iter()
                .filter_map(|item| item.value.constant().cloned())
                .collect();
            return Typed::new(Node::Const(Val::list(values)), Type::list(item));
        }
        Typed::new(Node::List(nodes), Type::list(item))
    }

    pub(super) fn map(&mut self, expr: &Expr, entries: &[Entry], expected: Option<Expected<'_>>) -> Typed {
        let wanted = match expected {
            Some(Expected {
                ty: Type::Map(key, value),
                target,
            }) => Some((
                Expected {
                    ty: key,
                    target: None,
                },
                Expected { ty: value, target },
            )),
            _ => None,
        };
        let (mut keys, mut values): (Option<Type>, Option<Type>) = (None, None);
        let mut known_keys = Entries::default();
        let mut nodes = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = self.check(&entry.key, wanted.map(|(key, _)| key));
            if !matches!(
                key.ty,
                Type::Text | Type::Int | Type::Uint | Type::Bool | Type::Dyn | Type::Any | Type::Error
            ) {
                let what = format!(
                    "is {}, but a key of a map must be string, int, uint or bool",
                    key.ty
                );
                self.refuse(entry.key.span, what, None);
            }
            if let Some(known) = key.node.constant()
                && key.ty != Type::Error
                && let Err(failure) = known_keys.insert(known.clone(), Val::Null)
            {
                self.fails(&failure, entry.key.span);
            }
            let value = self.check(&entry.value, wanted.map(|(_, value)| value));
            let mut ty = self.unwrapped(value.ty, entry.optional, entry.value.span);
            if let Some((
                _,
                Expected {
                    ty: wanted,
                    target: Some(target),
                },
            )) = wanted
            {
                let target = format!("a value of {target}");
                if !self.assign(&ty, wanted, &target, entry.value.span) {
                    ty = Type::Error;
                }
            }
            nodes.push(plan::Entry {
                form: self.form(&ty),
                key: key.node,
                value: value.node,
                optional: entry.optional,
                at: entry.value.span,
            });
            let join = |common: Option<Type>, ty: Type| match common {
                None => ty,
                Some(before) => before.join(ty).unwrap_or(Type::Any),
            };
            keys = Some(join(keys, key.ty));
            values = Some(join(values, ty));
        }
        let known = |found: Option<Type>, wanted: Option<&Type>| {
            found.or_else(|| wanted.cloned()).unwrap_or(Type::Open)
        };
        let ty = Type::Map(
            Box::new(known(keys, wanted.map(|(key, _)| key.ty))),
            Box::new(known(values, wanted.map(|(_, value)| value.ty))),
        );
        Typed::new(Node::Map(nodes, expr.span), ty)
    }

    /// What an optional entry (`?field: value`) holds.
    fn unwrapped(&mut self, ty: Type, optional: bool, at: Span) -> Type {
        match (optional, ty) {
            (true, Type::Optional(inner)) => *inner,
            (true, Type::Error) => Type::Error,
            (true, Type::Any) => Type::Any,
            (true, other) => {
                let hint = "without `?`; or read it as an optional: `this.?field`";
                self.refuse(
                    at,
                    format!("is {other}, but behind `?` an optional must stand"),
                    Some(hint),
                );
                Type::Error
            }
            (false, ty) => ty,
        }
    }

    pub(super) fn message(&mut self, expr: &Expr, name: &str, fields: &[FieldSet]) -> Typed {
        let Some(message) = self.find_message(name, expr.mark) else {
            // What stands inside may have problems of its own.
            for field in fields {
                self.check(&field.value, None);
            }
            return Typed::error();
        };
        let before = self.problems.len();
        let mut set: Vec<(FieldDescriptor, &FieldSet)> = Vec::new();
        let mut setters = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(descriptor) = message.get_field_by_name(&field.name) else {
                self.no_such_field(field.mark, &message, &field.name);
                self.check(&field.value, None);
                continue;
            };
            if set.iter().any(|(known, _)| *known == descriptor) {
                self.refuse(field.mark, format!("field `{}` is set twice", field.name), None);
            } else if let Some(oneof) = descriptor.containing_oneof()
                && let Some((other, _)) = set
                    .iter()
                    .find(|(known, _)| known.containing_oneof().is_some_and(|other| other == oneof))
            {
                let what = format!("oneof `{}` already has `{}`", oneof.name(), other.name());
                self.refuse(
                    field.mark,
                    what,
                    Some("set one of the two, or choose with `condition ? A{…} : A{…}`"),
                );
            }
            setters.push(self.setter(&descriptor, field));
            set.push((descriptor, field));
        }
        self.check_required(&message, &set, expr.mark);
        setters.sort_by_key(|setter| setter.field.number);
        let ty = Type::of_message(&message);
        if self.problems.len() > before {
            // The type is known all the same: what takes the message need not be told about it.
            return Typed::new(Node::This, ty);
        }
        let nullable = matches!(Scalar::of_message(&message), Scalar::Wrapper(_));
        let literal = Literal {
            kind: Kind::new(&message),
            setters,
        };
        self.check_times(&literal, expr.span);
        Typed {
            nullable,
            ..Typed::new(Node::Message(Arc::new(literal)), ty)
        }
    }

    fn setter(&mut self, descriptor: &FieldDescriptor, field: &FieldSet) -> Setter {
        let wanted = Type::of_field(descriptor);
        let target = descriptor.full_name();
        let expected = Expected {
            ty: &wanted,
            target: Some(target),
        };
        let typed = self.check(&field.value, Some(expected));
        let ty = self.unwrapped(typed.ty, field.optional, field.value.span);
        let compiled = Field::new(descriptor);
        let cleared = ty == Type::Null && compiled.takes_null();
        if !cleared && self.assign(&ty, &wanted, target, field.value.span) {
            self.check_set(descriptor, &compiled, &field.value, &typed.node);
        }
        Setter {
            name: descriptor.name().into(),
            field: compiled,
            value: typed.node,
            required: rules::is_required(descriptor),
            at: field.value.span,
        }
    }

    fn check_required(
        &mut self,
        message: &MessageDescriptor,
        set: &[(FieldDescriptor, &FieldSet)],
        at: Span,
    ) {
        for field in message.fields() {
            let is_set = set.iter().any(|(known, _)| *known == field);
            if !is_set && rules::is_required(&field) {
                let what = format!("required field `{}` is never set", field.full_name());
                self.refuse(at, what, Some(&super::assign::line(&field)));
            } else if !is_set {
                self.check_unset(&field, at);
            }
        }
        for oneof in message.oneofs() {
            let is_set = set
                .iter()
                .any(|(known, _)| known.containing_oneof().is_some_and(|other| other == oneof));
            if !is_set && rules::is_required_oneof(&oneof) {
                let members: Vec<_> = oneof.fields().map(|field| field.name().to_owned()).collect();
                let what = format!("required oneof `{}` is never set", oneof.full_name());
                let hint = format!("one of {}", listed(members.iter().map(String::as_str)));
                self.refuse(at, what, Some(&hint));
            }
        }
    }

    /// A message type by its full name, or by the end of it where only one ends so.
    fn find_message(&mut self, name: &str, at: Span) -> Option<MessageDescriptor> {
        let pool = self.environment.pool;
        if let Some(message) = pool.get_message_by_name(name) {
            return Some(message);
        }
        let ends = |known: &MessageDescriptor| {
            known
                .full_name()
                .strip_suffix(name)
                .is_some_and(|before| before.ends_with('.'))
        };
        let mut found: Vec<_> = pool
            .all_messages()
            .filter(|known| !known.is_map_entry() && ends(known))
            .collect();
        // A landscape's own types come before the words of the schema language itself.
        if found.len() > 1 && found.iter().any(|known| !is_builtin(known)) {
            found.retain(|known| !is_builtin(known));
        }
        match found.as_slice() {
            [message] => return Some(message.clone()),
            [] if self.is_hidden(name) => {}
            [] => {
                let names: Vec<_> = pool
                    .all_messages()
                    .filter(|known| !known.is_map_entry() && !is_builtin(known))
                    .map(|known| (known.name().to_owned(), known.full_name().to_owned()))
                    .collect();
                let near = nearest(name, names.iter().map(|(short, _)| short.as_str()))
                    .or_else(|| nearest(name, names.iter().map(|(_, full)| full.as_str())));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                self.refuse(at, format!("there is no message type `{name}`"), hint.as_deref());
            }
            several => {
                let names = listed(several.iter().map(MessageDescriptor::full_name));
                let hint = format!("write its name in full: {names}");
                self.refuse(
                    at,
                    format!("several message types are called `{name}`"),
                    Some(&hint),
                );
            }
        }
        None
    }
}

fn is_builtin(message: &MessageDescriptor) -> bool {
    let name = message.full_name();
    name.starts_with("google.protobuf.") || name.starts_with("buf.validate.")
}
