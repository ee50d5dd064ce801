//! What the records of a native mapping look like, as far as its text says so.
//!
//! Promised: what is not told here is in none of them. Not promised: that all of it is in each; of two branches a
//! record is one.

use std::{collections::HashMap, sync::Arc};

use trunkline_sdk::{Field, Shape, Within};

use super::{
    plan::{Form, LoopKind, Node},
    schema::{RecordKind, RecordObject, RecordType},
    value::Val,
};
use crate::canonical::Tree;

/// The shape of what a mapping gives; `name` is the mapping's.
pub(super) fn of(name: &str, node: &Node, form: &Form) -> Shape {
    let mut draft = Draft::default();
    let whole = draft.node(node, form);
    Shape {
        name: name.to_owned(),
        whole,
        objects: draft.objects,
    }
}

/// The objects that have been told so far.
#[derive(Default)]
struct Draft {
    objects: Vec<Vec<Field>>,
    /// Those of message types, by their names.
    messages: HashMap<String, Within>,
    /// Those of declared records: a schema that refers to itself tells the same ones often.
    records: HashMap<*const RecordObject, Within>,
    /// Those of map literals: no others are ever joined, so a join ends where the text does.
    literals: Vec<usize>,
}

impl Draft {
    fn node(&mut self, node: &Node, form: &Form) -> Within {
        match node {
            Node::Map(entries, _) => {
                let mut fields = Vec::with_capacity(entries.len());
                for entry in entries {
                    let Node::Const(Val::Text(name)) = &entry.key else {
                        return Within::Map(Box::new(Within::Unknown));
                    };
                    fields.push(Field {
                        name: name.as_str().to_owned(),
                        within: self.node(&entry.value, &entry.form),
                    });
                }
                self.literal(fields)
            }
            Node::List(_) => Within::List,
            Node::Loop(inner) if inner.kind == LoopKind::Map => Within::List,
            Node::Choose(parts, _) => match &**parts {
                // Null is no shape of its own.
                [_, Node::Const(Val::Null), other] | [_, other, Node::Const(Val::Null)] => {
                    self.node(other, form)
                }
                [_, yes, no] => {
                    let (yes, no) = (self.node(yes, form), self.node(no, form));
                    self.either(yes, no)
                }
            },
            Node::Bind { body, .. } => self.node(body, form),
            _ => self.form(form),
        }
    }

    fn form(&mut self, form: &Form) -> Within {
        match form {
            Form::Plain | Form::Enum(_) => Within::Value,
            Form::Open => Within::Unknown,
            Form::List(_) => Within::List,
            Form::Map(each) => Within::Map(Box::new(self.form(each))),
            Form::Message(tree) => self.message(tree),
            Form::Object(object) => self.record(object),
        }
    }

    fn message(&mut self, tree: &Tree) -> Within {
        let shape = tree.shape();
        if let Some(known) = self.messages.get(&shape.name) {
            return known.clone();
        }
        let before = self.objects.len();
        for mut fields in shape.objects {
            for field in &mut fields {
                field.within = moved(&field.within, before);
            }
            self.objects.push(fields);
        }
        let whole = moved(&shape.whole, before);
        self.messages.insert(shape.name, whole.clone());
        whole
    }

    fn record(&mut self, object: &Arc<RecordObject>) -> Within {
        if object.rest.is_some() {
            return Within::Unknown;
        }
        if let Some(known) = self.records.get(&Arc::as_ptr(object)) {
            return known.clone();
        }
        let fields = object.fields.iter().map(|field| Field {
            name: field.name.clone(),
            within: self.part(&field.ty),
        });
        let fields = fields.collect();
        let within = self.object(fields);
        self.records.insert(Arc::as_ptr(object), within.clone());
        within
    }

    fn part(&mut self, ty: &RecordType) -> Within {
        match &ty.kind {
            RecordKind::Any => Within::Unknown,
            RecordKind::List(_) => Within::List,
            RecordKind::Object(inner) => self.record(inner),
            RecordKind::Bool
            | RecordKind::Int
            | RecordKind::Number
            | RecordKind::Text
            | RecordKind::Words(_)
            | RecordKind::Bytes => Within::Value,
        }
    }

    fn object(&mut self, fields: Vec<Field>) -> Within {
        self.objects.push(fields);
        Within::Object(self.objects.len() - 1)
    }

    fn literal(&mut self, fields: Vec<Field>) -> Within {
        self.literals.push(self.objects.len());
        self.object(fields)
    }

    /// What is the one or the other.
    fn either(&mut self, one: Within, other: Within) -> Within {
        match (&one, &other) {
            _ if one == other => one,
            (Within::Object(a), Within::Object(b))
                if self.literals.contains(a) && self.literals.contains(b) =>
            {
                let mut fields = self.objects[*a].clone();
                for field in self.objects[*b].clone() {
                    match fields.iter_mut().find(|known| known.name == field.name) {
                        Some(known) => {
                            let before = std::mem::replace(&mut known.within, Within::Unknown);
                            known.within = self.either(before, field.within);
                        }
                        None => fields.push(field),
                    }
                }
                self.literal(fields)
            }
            _ => Within::Unknown,
        }
    }
}

/// The same where other objects stand before its own.
fn moved(within: &Within, by: usize) -> Within {
    match within {
        Within::Object(place) => Within::Object(place + by),
        Within::Map(each) => Within::Map(Box::new(moved(each, by))),
        other => other.clone(),
    }
}
