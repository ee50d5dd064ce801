//! Names that stand by themselves: variables, `this`, types, the words of enums.

use prost_reflect::EnumDescriptor;
use trunkline_sdk::nearest;

use super::{Checker, Typed, listed};
use crate::{
    canonical::words,
    mapping::{This, plan::Node, schema::RecordKind, source::Span, syntax::Expr, types::Type},
};

/// The names of the types that are no messages.
const TYPES: [&str; 11] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

impl Checker<'_> {
    pub(super) fn no_such_word(&mut self, at: Span, kind: &EnumDescriptor, word: &str) {
        let values: Vec<_> = kind.values().collect();
        let short: Vec<_> = values.iter().map(words::short).collect();
        let near = nearest(word, values.iter().map(prost_reflect::EnumValueDescriptor::name))
            .or_else(|| nearest(word, short.iter().map(String::as_str)));
        let known = listed(short.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`? values: {known}"),
            None => format!("values: {known}"),
        };
        self.refuse(
            at,
            format!("enum {} has no value `{word}`", kind.full_name()),
            Some(&hint),
        );
    }

    pub(super) fn ident(&mut self, expr: &Expr, name: &str) -> Typed {
        if let Some(local) = self.locals.iter().rev().find(|local| local.name == name) {
            return Typed {
                nullable: local.nullable,
                ..Typed::new(Node::Local(local.slot), local.ty.clone())
            };
        }
        match name {
            "this" => match &self.environment.this {
                This::Message(message) => Typed::new(Node::This, Type::of_message(message)),
                This::Record => Typed::new(Node::This, Type::Dyn),
                This::Declared(schema) => Typed::declared(Node::This, &schema.root),
            },
            "attributes" => {
                let hint = "read one of them: `attributes.subject`";
                self.refuse(expr.span, "`attributes` is no value by itself", Some(hint));
                Typed::error()
            }
            _ if TYPES.contains(&name) => Typed::named(name),
            _ if self.is_hidden(name) => Typed::error(),
            _ => {
                let hint = self.hint_for_name(name);
                self.refuse(expr.span, format!("`{name}` is not known here"), Some(&hint));
                Typed::error()
            }
        }
    }

    fn hint_for_name(&self, name: &str) -> String {
        let is_field = match &self.environment.this {
            This::Message(message) => message.get_field_by_name(name).is_some(),
            This::Declared(schema) => {
                matches!(&schema.root.kind, RecordKind::Object(object) if object.field(name).is_some())
            }
            This::Record => false,
        };
        if is_field {
            return format!("fields are read off `this`: `this.{name}`");
        }
        let known = self
            .locals
            .iter()
            .map(|local| local.name.as_str())
            .chain(["this", "attributes"]);
        match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}; texts stand between quotes", listed(known)),
        }
    }
}
