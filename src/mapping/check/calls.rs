//! Function calls.

use std::collections::{BTreeMap, HashMap};

use regex::RegexBuilder;
use trunkline_sdk::nearest;

use super::{Checker, Expected, Typed, listed};
use crate::{
    canonical::words,
    mapping::{
        failure::{Budget, Failure},
        functions::{self, Amount, Function, Gives, encode_money},
        plan::{Lookup, Node},
        source::Span,
        syntax::{Expr, ExprKind, Literal},
        types::Type,
        value::{Text, Val},
    },
};

/// How large a compiled pattern may be, in bytes.
const PATTERN_LIMIT: usize = 1 << 20;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        expr: &Expr,
        target: Option<&Expr>,
        name: &str,
        args: &[Expr],
        expected: Option<Expected<'_>>,
    ) -> Typed {
        // `math.abs(x)` is a function of a group, not of a variable `math`.
        if let Some(target) = target
            && let ExprKind::Ident(group) = &target.kind
            && matches!(group.as_str(), "math" | "cel" | "optional")
            && !self.locals.iter().any(|local| local.name == *group)
        {
            let full = format!("{group}.{name}");
            return match full.as_str() {
                "cel.bind" => self.bind(expr, args, expected),
                "optional.of" | "optional.none" => self.optional(expr, &full, args, expected),
                _ => self.function(expr, None, &full, args),
            };
        }
        match (target, name) {
            (None, "has") => self.has(expr, args),
            (None, "lookup") => self.lookup(expr, args, expected),
            (None, "money") => self.money(expr, args),
            (Some(target), "matches") => self.matches(expr, target, args),
            (Some(target), _) => {
                if let Some(typed) = self.list_macro(expr, target, name, args, expected) {
                    return typed;
                }
                if let Some(typed) = self.optional_method(expr, target, name, args, expected) {
                    return typed;
                }
                self.function(expr, Some(target), name, args)
            }
            (None, _) => self.function(expr, None, name, args),
        }
    }

    fn function(&mut self, expr: &Expr, target: Option<&Expr>, name: &str, args: &[Expr]) -> Typed {
        let exprs: Vec<&Expr> = target.into_iter().chain(args).collect();
        let method = target.is_some();
        let named: Vec<_> = functions::all()
            .filter(|function| function.name == name && function.method == method)
            .collect();
        if named.is_empty() {
            let before = self.problems.len();
            for arg in exprs {
                // What stands inside may have problems of its own; a macro's variable is none of them.
                if !matches!(&arg.kind, ExprKind::Ident(_)) {
                    self.check(arg, None);
                }
            }
            if !method || self.problems.len() == before {
                self.unknown_function(expr, name, method);
            }
            return Typed::error();
        }
        let checked: Vec<_> = exprs.iter().map(|arg| self.check(arg, None)).collect();
        if checked.iter().any(|typed| typed.ty == Type::Error) {
            return Typed::new(Node::This, self.result_of(&named, &checked));
        }
        let checked = match of_enum(name, checked) {
            Ok(typed) => return typed,
            Err(checked) => checked,
        };
        let counted: Vec<_> = named
            .iter()
            .filter(|function| function.takes.len() == checked.len())
            .collect();
        let signatures = || listed_signatures(&named);
        if counted.is_empty() {
            let given = match args.len() {
                0 => "no argument".to_owned(),
                1 => "1 argument".to_owned(),
                count => format!("{count} arguments"),
            };
            let what = format!("`{name}` does not take {given}");
            self.refuse(expr.mark, what, Some(&signatures()));
            return Typed::new(Node::This, self.result_of(&named, &[]));
        }
        let fitting = counted.iter().find(|function| {
            function
                .takes
                .iter()
                .zip(&checked)
                .all(|(takes, typed)| takes.accepts(&typed.ty))
        });
        let Some(function) = fitting else {
            self.unfit_argument(name, &counted, &exprs, &checked, &signatures());
            return Typed::new(Node::This, self.result_of(&named, &[]));
        };
        let ty = self.gives(function, &checked, expr.mark);
        let (nodes, at) = (checked.into_iter().map(|typed| typed.node).collect(), expr.span);
        self.folded(function, nodes, ty, at)
    }

    /// A call whose arguments are all known is done now: what it does not like is told before it runs.
    fn folded(&mut self, function: &Function, nodes: Vec<Node>, ty: Type, at: Span) -> Typed {
        let known: Option<Vec<Val<'static>>> = nodes
            .iter()
            .map(|node| match node {
                Node::Const(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        if let Some(mut values) = known {
            return match (function.run)(&mut values, &mut Budget::new()) {
                Ok(value) => Typed::new(Node::Const(value), ty),
                Err(failure) => {
                    self.refuse_failure(&failure, at);
                    Typed::error()
                }
            };
        }
        let node = Node::Call {
            run: function.run,
            args: nodes,
            at,
        };
        Typed::new(node, ty)
    }

    fn refuse_failure(&mut self, failure: &Failure, at: Span) {
        self.refuse(at, failure.what.clone(), failure.hint.as_deref());
    }

    fn unfit_argument(
        &mut self,
        name: &str,
        counted: &[&&'static Function],
        exprs: &[&Expr],
        checked: &[Typed],
        signatures: &str,
    ) {
        for (at, (arg, typed)) in exprs.iter().zip(checked).enumerate() {
            let accepted = counted
                .iter()
                .any(|function| function.takes[at].accepts(&typed.ty));
            if accepted {
                continue;
            }
            let mut words: Vec<_> = counted.iter().map(|function| function.takes[at].word()).collect();
            words.dedup();
            let hint = match &typed.ty {
                Type::Optional(_) => "orValue(..) says what to take where nothing is there".to_owned(),
                Type::Dyn => format!("{}(..) makes one of a text", words.join(" or ")),
                _ => signatures.to_owned(),
            };
            let what = format!("is {}, but `{name}` takes {} here", typed.ty, words.join(" or "));
            self.refuse(arg.span, what, Some(&hint));
        }
    }

    fn unknown_function(&mut self, expr: &Expr, name: &str, method: bool) {
        let other_way = functions::names(!method).any(|known| known == name);
        let hint = if other_way && method {
            Some(format!("it is called as `{name}(..)`"))
        } else if other_way {
            Some(format!("it is called behind its value: `value.{name}(..)`"))
        } else {
            match (
                nearest(name, functions::names(method)),
                nearest(name, functions::names(!method)),
            ) {
                (Some(near), _) => Some(format!("did you mean `{near}`?")),
                (None, Some(near)) if method => Some(format!("did you mean `{near}(..)`?")),
                (None, Some(near)) => Some(format!("did you mean `value.{near}(..)`?")),
                (None, None) => None,
            }
        };
        self.refuse(
            expr.mark,
            format!("there is no function `{name}`"),
            hint.as_deref(),
        );
    }

    fn gives(&mut self, function: &Function, checked: &[Typed], at: Span) -> Type {
        let first = || checked.first().map_or(Type::Dyn, |typed| typed.ty.clone());
        match function.gives {
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Uint => Type::Uint,
            Gives::Double => Type::Double,
            Gives::Text => Type::Text,
            Gives::Bytes => Type::Bytes,
            Gives::Timestamp => Type::Timestamp,
            Gives::Duration => Type::Duration,
            Gives::Texts => Type::list(Type::Text),
            Gives::First => first(),
            Gives::Element => match first() {
                Type::List(item) => *item,
                _ => Type::Dyn,
            },
            Gives::Message(name) => match self.environment.pool.get_message_by_name(name) {
                Some(message) => Type::Message(message),
                None => {
                    self.refuse(
                        at,
                        format!("the schema has no type {name}"),
                        Some("import it in a .proto file"),
                    );
                    Type::Error
                }
            },
        }
    }

    /// What a call with problems gives all the same, so that they are told once.
    fn result_of(&mut self, named: &[&'static Function], checked: &[Typed]) -> Type {
        match named.first() {
            Some(function)
                if !matches!(function.gives, Gives::First | Gives::Element | Gives::Message(_)) =>
            {
                self.gives(function, checked, Span::default())
            }
            _ => Type::Error,
        }
    }

    fn matches(&mut self, expr: &Expr, target: &Expr, args: &[Expr]) -> Typed {
        let of = self.check(target, None);
        if !matches!(of.ty, Type::Text | Type::Dyn | Type::Error) {
            let what = format!("is {}, but `matches` takes string here", of.ty);
            self.refuse(target.span, what, None);
        }
        let [pattern] = args else {
            self.refuse(
                expr.mark,
                "`matches` takes one pattern",
                Some("text.matches(\"^[A-Z]+$\")"),
            );
            return Typed::new(Node::This, Type::Bool);
        };
        let ExprKind::Literal(Literal::Text(text)) = &pattern.kind else {
            let hint = "so that it is compiled once, and checked before it runs";
            self.refuse(
                pattern.span,
                "the pattern of `matches` must be a text literal",
                Some(hint),
            );
            return Typed::new(Node::This, Type::Bool);
        };
        match RegexBuilder::new(text).size_limit(PATTERN_LIMIT).build() {
            Ok(regex) => Typed::new(
                Node::Matches(of.node.boxed(), Box::new(regex), expr.span),
                Type::Bool,
            ),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ");
                self.refuse(
                    pattern.span,
                    format!("is no pattern: {reason}"),
                    Some("RE2 syntax, as CEL wants it"),
                );
                Typed::new(Node::This, Type::Bool)
            }
        }
    }

    fn money(&mut self, expr: &Expr, args: &[Expr]) -> Typed {
        let Some(kind) = self.environment.pool.get_message_by_name("google.type.Money") else {
            self.refuse(
                expr.mark,
                "the schema has no type google.type.Money",
                Some("import it in a .proto file"),
            );
            return Typed::error();
        };
        let ty = Type::Message(kind);
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
            Type::Text | Type::Int | Type::Uint | Type::Number | Type::Dyn | Type::Error => {}
            Type::Double => {
                let hint = "a double rounds; give the decimal text (\"10.50\") or the record's number itself";
                self.refuse(amount.span, "is double, which is no exact amount", Some(hint));
            }
            other => {
                let what = format!("is {other}, but the amount of `money` is a decimal text or number");
                self.refuse(amount.span, what, None);
            }
        }
        if !matches!(code.ty, Type::Text | Type::Dyn | Type::Error) {
            let what = format!("is {}, but the currency of `money` is string", code.ty);
            self.refuse(currency.span, what, None);
        }
        if let Node::Const(value) = &given.node
            && matches!(given.ty, Type::Text | Type::Int | Type::Uint)
            && let Err(failure) = Amount::of_value(value)
        {
            self.refuse_failure(&failure, amount.span);
        }
        if let (Node::Const(value), Type::Text) = (&code.node, &code.ty) {
            let none = Amount { units: 0, nanos: 0 };
            if let Err(failure) = encode_money(&mut Vec::new(), none, value) {
                self.refuse_failure(&failure, currency.span);
            }
        }
        let node = Node::Money {
            amount: given.node.boxed(),
            currency: code.node.boxed(),
            at: expr.span,
        };
        Typed::new(node, ty)
    }

    fn lookup(&mut self, expr: &Expr, args: &[Expr], expected: Option<Expected<'_>>) -> Typed {
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
            Type::Text | Type::Bool | Type::Number | Type::Dyn | Type::Error
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

/// `string(enum)` gives its word, `int(enum)` its number.
fn of_enum(name: &str, mut checked: Vec<Typed>) -> Result<Typed, Vec<Typed>> {
    let kind = match checked.as_slice() {
        [
            Typed {
                ty: Type::Enum(kind), ..
            },
        ] if matches!(name, "string" | "int") => kind.clone(),
        _ => return Err(checked),
    };
    let node = checked.swap_remove(0).node;
    Ok(match name {
        "string" => Typed::new(Node::Word(kind, node.boxed()), Type::Text),
        _ => Typed::new(node, Type::Int),
    })
}

fn listed_signatures(named: &[&'static Function]) -> String {
    let mut all: Vec<_> = named.iter().map(|function| function.signature()).collect();
    all.dedup();
    all.join(" or ")
}
