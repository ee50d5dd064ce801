//! `lookup` and `money`: calls whose arguments are checked for more than their types.

use std::collections::{BTreeMap, HashMap};

use trunkline_sdk::nearest;

use super::{Checker, Expected, Typed, listed};
use crate::{
    canonical::words,
    mapping::{
        functions::{Amount, encode_money},
        kind::Kind,
        plan::{Lookup, Node, Xref},
        references::{Direction, ReferenceUse},
        source::Span,
        syntax::{Expr, ExprKind, Literal},
        types::Type,
        value::{Text, Val},
    },
};

impl Checker<'_> {
    pub(super) fn money(&mut self, expr: &Expr, args: &[Expr]) -> Typed {
        let Some(kind) = self.environment.pool.get_message_by_name("google.type.Money") else {
            self.refuse(
                expr.mark,
                "the schema has no type google.type.Money",
                Some("import it in a .proto file"),
            );
            return Typed::error();
        };
        let ty = Type::Message(kind.clone());
        let [amount, currency] = args else {
            self.refuse(
                expr.mark,
                "`money` takes an amount and a currency",
                Some("money(amount, currency)"),
            );
            return Typed::new(Node::This, ty);
        };
        let (given, code) = (self.check(amount, None), self.check(currency, None));
        match &given.ty {
            Type::Text | Type::Int | Type::Uint | Type::Number | Type::Dyn | Type::Any | Type::Error => {}
            Type::Double => {
                let hint = "a double rounds; give the decimal text (\"10.50\") or the record's number itself";
                self.refuse(amount.span, "is double, which is no exact amount", Some(hint));
            }
            other => {
                let what = format!("is {other}, but the amount of `money` is a decimal text or number");
                self.refuse(amount.span, what, None);
            }
        }
        if !matches!(code.ty, Type::Text | Type::Dyn | Type::Any | Type::Error) {
            let what = format!("is {}, but the currency of `money` is string", code.ty);
            self.refuse(currency.span, what, None);
        }
        if let Node::Const(value) = &given.node
            && matches!(given.ty, Type::Text | Type::Int | Type::Uint)
            && let Err(failure) = Amount::of_value(value)
        {
            self.fails(&failure, amount.span);
        }
        if let (Node::Const(value), Type::Text) = (&code.node, &code.ty) {
            let none = Amount { units: 0, nanos: 0 };
            if let Err(failure) = encode_money(&mut Vec::new(), none, value) {
                self.fails(&failure, currency.span);
            }
        }
        let node = Node::Money {
            amount: given.node.boxed(),
            currency: code.node.boxed(),
            kind: Box::new(Kind::new(&kind)),
            at: expr.span,
        };
        Typed::new(node, ty)
    }

    pub(super) fn lookup(&mut self, expr: &Expr, args: &[Expr], expected: Option<Expected<'_>>) -> Typed {
        let (table, key, otherwise) = match args {
            [table, key] => (table, key, None),
            [table, key, otherwise] => (table, key, Some(otherwise)),
            _ => {
                let hint = "lookup(\"table\", code) or lookup(\"table\", code, otherwise)";
                self.refuse(expr.mark, "`lookup` takes a table and a code", Some(hint));
                return Typed::error();
            }
        };
        let code = self.check(key, None);
        if !matches!(
            code.ty,
            Type::Text | Type::Bool | Type::Number | Type::Dyn | Type::Any | Type::Error
        ) && !code.ty.is_integer()
        {
            let what = format!("is {}, but a code is string, int or bool", code.ty);
            self.refuse(key.span, what, None);
        }
        let ty = match expected.map(|expected| expected.ty) {
            Some(Type::Enum(kind)) => Type::Enum(kind.clone()),
            _ => Type::Text,
        };
        let ExprKind::Literal(Literal::Text(name)) = &table.kind else {
            let hint = "so that its words can be checked";
            self.refuse(
                table.span,
                "the table of `lookup` must be a text literal",
                Some(hint),
            );
            return Typed::new(Node::This, ty);
        };
        let tables = self.environment.tables;
        let Some(found) = tables.get(name) else {
            let hint = match nearest(name, tables.names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("tables: {}", listed(tables.names())),
            };
            self.refuse(
                table.span,
                format!("there is no lookup table `{name}`"),
                Some(&hint),
            );
            return Typed::new(Node::This, ty);
        };
        let mut meant: BTreeMap<&str, Option<Val<'static>>> = BTreeMap::new();
        for (_, word) in found.entries() {
            meant.entry(word).or_insert_with(|| match &ty {
                Type::Enum(kind) => words::value(kind, word).map(|value| Val::Int(i64::from(value.number()))),
                _ => Some(Val::Text(Text::Shared(word.into()))),
            });
        }
        if let Type::Enum(kind) = &ty {
            for (word, _) in meant.iter().filter(|(_, value)| value.is_none()) {
                self.wrong_word(table.span, name, kind, word);
            }
        }
        let values: HashMap<Box<str>, Val<'static>> = found
            .entries()
            .filter_map(|(code, word)| Some((code.into(), meant.get(word)?.clone()?)))
            .collect();
        let otherwise = otherwise.map(|otherwise| {
            let wanted = Expected {
                ty: &ty,
                target: None,
            };
            let typed = self.check(otherwise, Some(wanted));
            self.assign(&typed.ty, &ty, "what the table gives", otherwise.span);
            typed.node
        });
        let node = Lookup {
            key: code.node,
            values,
            otherwise,
            at: expr.span,
        };
        Typed::new(Node::Lookup(Box::new(node)), ty)
    }

    /// `xref("system", "kind", id)` and its like.
    pub(super) fn xref(&mut self, expr: &Expr, name: &str, args: &[Expr]) -> Typed {
        let (direction, optional) = match name {
            "xref" => (Direction::Identity, false),
            "xref.find" => (Direction::Identity, true),
            "xref.to" => (Direction::Local, false),
            _ => (Direction::Local, true),
        };
        let ty = if optional {
            Type::Optional(Box::new(Type::Text))
        } else {
            Type::Text
        };
        let [system, kind, id] = args else {
            let hint = match direction {
                Direction::Identity => format!("{name}(\"shop\", \"customer\", id)"),
                Direction::Local => format!("{name}(\"erp\", \"customer\", identity)"),
            };
            self.refuse(
                expr.mark,
                format!("`{name}` takes a system, a kind and an id"),
                Some(&hint),
            );
            return Typed::new(Node::This, ty);
        };
        let typed = self.check(id, None);
        let id_type = match &typed.ty {
            Type::Optional(inner) if optional => inner,
            other => other,
        };
        if !matches!(id_type, Type::Text | Type::Dyn | Type::Any | Type::Error) {
            let hint = if typed.ty.is_number() {
                "string(..) makes a text of it"
            } else {
                "an id is a text"
            };
            self.refuse(
                id.span,
                format!("is {}, but an id is string", typed.ty),
                Some(hint),
            );
        }
        let mut words = [system, kind].into_iter().map(|word| match &word.kind {
            ExprKind::Literal(Literal::Text(text)) => Some(text.as_str()),
            _ => {
                let what = format!("the system and the kind of `{name}` must be text literals");
                self.refuse(word.span, what, Some("so that they can be checked"));
                None
            }
        });
        let (system_name, kind_name) = (words.next().flatten(), words.next().flatten());
        drop(words);
        let (Some(system_name), Some(kind_name)) = (system_name, kind_name) else {
            return Typed::new(Node::This, ty);
        };
        let tables = self.environment.tables;
        if !tables.has_system(system_name) {
            let hint = match nearest(system_name, tables.systems()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("systems: {}", listed(tables.systems())),
            };
            self.refuse(
                system.span,
                format!("there is no system `{system_name}`"),
                Some(&hint),
            );
        }
        let used = ReferenceUse {
            direction,
            system: system_name.into(),
            kind: kind_name.into(),
        };
        match &mut self.references {
            Some(references) => references.push(used.clone()),
            None => {
                let hint = "write the reference into the message by a step `translate` before";
                self.refuse(expr.mark, format!("`{name}` works only in a mapping"), Some(hint));
            }
        }
        let node = Xref {
            used,
            optional,
            id: typed.node,
            at: expr.span,
        };
        Typed::new(Node::Xref(Box::new(node)), ty)
    }

    fn wrong_word(&mut self, at: Span, table: &str, kind: &prost_reflect::EnumDescriptor, word: &str) {
        let short: Vec<_> = kind.values().map(|value| words::short(&value)).collect();
        let known = listed(short.iter().map(String::as_str));
        let hint = match nearest(word, short.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? values: {known}"),
            None => format!("values: {known}"),
        };
        let what = format!(
            "lookup table `{table}` gives `{word}`, which is no value of enum {}",
            kind.full_name()
        );
        self.refuse(at, what, Some(&hint));
    }
}
