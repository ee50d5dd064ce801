//! The checker: gives every part of an expression its type, against the descriptors, and makes the plan of it.
//!
//! Promised: all problems at once, each where it stands, with a hint where one is known; a problem is told once,
//! what is built on it is not told again; what constants alone give is known here, and so is what they fail at. Not
//! promised: what shows only at run time, such as the fields of a record without a schema, ranges of numbers that are
//! computed of it, and the content of its texts.

mod assign;
mod calls;
mod constants;
mod literals;
mod macros;
mod names;
mod operators;
mod optionals;
mod pattern;
mod select;
mod tables;

use std::sync::Arc;

use prost_reflect::MessageDescriptor;
use trunkline_sdk::Problem;

use super::{
    Environment,
    plan::{Form, Node},
    references::ReferenceUse,
    schema::{RecordKind, RecordType},
    source::{Source, Span},
    syntax::{Expr, ExprKind, Literal},
    types::Type,
    value::{Blob, Text, Val},
};
use crate::canonical::{Tree, words};

/// What the place where an expression stands wants of it.
#[derive(Clone, Copy)]
pub(super) struct Expected<'x> {
    pub(super) ty: &'x Type,
    /// The field it is set into, in full; where there is one, items of lists are held to it one by one.
    pub(super) target: Option<&'x str>,
}

/// A checked expression.
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) ty: Type,
    /// Null, too, may be its value: a wrapper, or a part of a record that is declared so.
    pub(super) nullable: bool,
    /// The only texts that it may be.
    pub(super) words: Option<Arc<[String]>>,
}

impl Typed {
    pub(super) fn new(node: Node, ty: Type) -> Self {
        Self {
            node,
            ty,
            nullable: false,
            words: None,
        }
    }

    /// A part of a record, as it is declared.
    pub(super) fn declared(node: Node, part: &RecordType) -> Self {
        Self {
            nullable: part.nullable,
            words: match &part.kind {
                RecordKind::Words(words) => Some(words.clone()),
                _ => None,
            },
            ..Self::new(node, Type::of_record(part))
        }
    }

    /// A type by its name.
    pub(super) fn named(name: &str) -> Self {
        Self::new(Node::Const(Val::Type(Text::Shared(name.into()))), Type::Named)
    }

    /// The problem was told. What stands in for the plan is no constant, so that nothing is reckoned with it.
    pub(super) fn error() -> Self {
        Self::new(Node::This, Type::Error)
    }
}

pub(super) struct Local {
    name: String,
    slot: usize,
    ty: Type,
    nullable: bool,
}

/// Checks one or several expressions of one plan.
pub(crate) struct Checker<'c> {
    pub(super) environment: &'c Environment<'c>,
    pub(super) source: &'c Source,
    pub(super) problems: Vec<Problem>,
    /// What constants fail at, so far as nothing hides it.
    failing: Vec<Problem>,
    rules: constants::KnownRules,
    pub(super) locals: Vec<Local>,
    slots: usize,
    /// What is read by xref(..); `None`: nobody could fetch it here.
    pub(super) references: Option<Vec<ReferenceUse>>,
    /// It builds on a type that could not be read, which was told: there is no plan, and nothing to tell.
    pub(super) is_unclear: bool,
}

impl<'c> Checker<'c> {
    pub(crate) fn new(environment: &'c Environment<'c>, source: &'c Source) -> Self {
        Self {
            environment,
            source,
            problems: Vec::new(),
            failing: Vec::new(),
            rules: Vec::new(),
            locals: Vec::new(),
            slots: 0,
            references: None,
            is_unclear: false,
        }
    }

    /// Cross-references may be read: who runs the plan fetches them.
    pub(crate) fn with_references(mut self) -> Self {
        self.references = Some(Vec::new());
        self
    }

    /// The cross-references that are read, each once.
    pub(crate) fn references(&mut self) -> Vec<ReferenceUse> {
        let mut all = self.references.take().unwrap_or_default();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// How many variables the plan holds at once.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    pub(crate) fn source(&mut self, source: &'c Source) {
        self.source = source;
    }

    /// What was made, or all problems; none: what it builds on is wrong, and that was told.
    pub(crate) fn finish<T>(mut self, made: T) -> Result<T, Vec<Problem>> {
        self.problems.append(&mut self.failing);
        if self.problems.is_empty() && !self.is_unclear {
            Ok(made)
        } else {
            let mut problems = self.problems;
            problems.sort_by(|one, two| one.place.cmp(&two.place));
            Err(problems)
        }
    }

    /// An expression of any type.
    #[cfg(test)]
    pub(crate) fn expression(&mut self, expr: &Expr) -> Typed {
        self.check(expr, None)
    }

    /// A variable that is bound before it runs: its slot.
    pub(crate) fn declare(&mut self, name: &str, ty: Type) -> usize {
        let slot = self.locals.len();
        self.slots = self.slots.max(slot + 1);
        self.locals.push(Local {
            name: name.to_owned(),
            slot,
            ty,
            nullable: false,
        });
        slot
    }

    /// A whole predicate.
    pub(crate) fn predicate(&mut self, expr: &Expr) -> Node {
        self.condition(expr)
    }

    /// One value of one of these types, or (`wanted`) it is told what it must be.
    pub(crate) fn formula(&mut self, expr: &Expr, may_be: impl Fn(&Type) -> bool, wanted: &str) -> Node {
        let typed = self.check(expr, None);
        if typed.ty != Type::Error && !may_be(&typed.ty) {
            self.refuse(
                expr.mark,
                format!("gives {}, but must give {wanted}", typed.ty),
                None,
            );
        }
        typed.node
    }

    /// A whole mapping: a message of the expected type, or anything native where none is expected.
    pub(crate) fn mapping(&mut self, expr: &Expr, expects: Option<&MessageDescriptor>) -> Typed {
        let typed = self.check(expr, None);
        let expected = expects.map(Type::of_message);
        match (&typed.ty, &expected) {
            (Type::Error, _) => {}
            (ty, Some(expected)) if ty == expected => {}
            (ty, Some(Type::Message(expected))) => {
                let hint = format!("{}{{ … }}", expected.name());
                let what = format!("gives {ty}, but must give message {}", expected.full_name());
                self.refuse(expr.mark, what, Some(&hint));
            }
            (Type::Message(_) | Type::Map(..) | Type::Object(_) | Type::Dyn | Type::Any, None) => {}
            (ty, _) => {
                let hint = "a message literal `Type{ … }`, or a map literal `{ \"name\": … }`";
                self.refuse(
                    expr.mark,
                    format!("gives {ty}, but must give a message or a record"),
                    Some(hint),
                );
            }
        }
        typed
    }

    /// A rule about a variable: its slot and plan. It gives a boolean, or a text that is empty where it holds.
    pub(crate) fn rule(&mut self, variable: &str, of: Type, expr: &Expr) -> (usize, Node) {
        self.with_local(variable, of, |checker, slot| {
            let typed = checker.check(expr, None);
            if !matches!(typed.ty, Type::Bool | Type::Text | Type::Error) {
                let what = format!(
                    "is {}, but a rule must be bool, or string where it says what is wrong",
                    typed.ty
                );
                checker.refuse(expr.span, what, None);
            }
            (slot, typed.node)
        })
    }

    /// A list to split, and the type of its items.
    pub(crate) fn range(&mut self, expr: &Expr) -> (Node, Type) {
        let typed = self.check(expr, None);
        let item = match typed.ty {
            Type::List(item) => *item,
            Type::Dyn => Type::Dyn,
            Type::Any => Type::Any,
            Type::Error => Type::Error,
            other => {
                let hint = match other {
                    Type::Optional(_) => "orValue([]) gives an empty list where nothing is there",
                    _ => "a list of the message: `this.lines`",
                };
                self.refuse(
                    expr.span,
                    format!("is {other}, but only a list can be split"),
                    Some(hint),
                );
                Type::Error
            }
        };
        (typed.node, item)
    }

    /// What is made of each item of a list: the variable's slot, the plan and its type.
    pub(crate) fn part(
        &mut self,
        variable: &str,
        item: Type,
        expr: &Expr,
        expects: Option<&MessageDescriptor>,
    ) -> (usize, Node, Option<MessageDescriptor>) {
        self.with_local(variable, item, |checker, slot| {
            let typed = checker.mapping(expr, expects);
            let produces = match typed.ty {
                Type::Message(message) => Some(message),
                Type::Error => None,
                other => {
                    if expects.is_none() {
                        let what = format!("gives {other}, but the parts of a split must be messages");
                        checker.refuse(expr.mark, what, Some("a message literal: `Type{ … }`"));
                    }
                    None
                }
            };
            (slot, typed.node, produces)
        })
    }

    /// The type and the plan of an expression.
    pub(super) fn check(&mut self, expr: &Expr, expected: Option<Expected<'_>>) -> Typed {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(expr, literal, expected),
            ExprKind::Ident(name) => self.ident(expr, name),
            ExprKind::Select {
                operand,
                field,
                optional,
            } => self.select(expr, operand, field, *optional),
            ExprKind::Index {
                operand,
                index,
                optional,
            } => self.index(expr, operand, index, *optional),
            ExprKind::Call { target, name, args } => self.call(expr, target.as_deref(), name, args, expected),
            ExprKind::List(items) => self.list(items, expected),
            ExprKind::Map(entries) => self.map(expr, entries, expected),
            ExprKind::Message { name, fields } => self.message(expr, name, fields),
            ExprKind::Not(of) => {
                let node = match self.condition(of) {
                    Node::Const(Val::Bool(flag)) => Node::Const(Val::Bool(!flag)),
                    node => Node::Not(node.boxed(), of.span),
                };
                Typed::new(node, Type::Bool)
            }
            ExprKind::Negate(of) => self.negated(expr, of),
            ExprKind::Binary(op, one, two) => self.binary(expr, *op, one, two),
            ExprKind::And(terms) => Typed::new(self.terms(terms, false, expr.span), Type::Bool),
            ExprKind::Or(terms) => Typed::new(self.terms(terms, true, expr.span), Type::Bool),
            ExprKind::Ternary(condition, yes, no) => self.ternary(expr, [condition, yes, no], expected),
        }
    }

    /// An expression that must be true or false.
    pub(super) fn condition(&mut self, expr: &Expr) -> Node {
        let typed = self.check(expr, None);
        if !matches!(typed.ty, Type::Bool | Type::Dyn | Type::Any | Type::Error) {
            let hint = match typed.ty {
                Type::Optional(_) => "hasValue() or orValue(false) makes a condition of it",
                Type::Text => "compare it: `… == \"\"`",
                _ => "compare it with something",
            };
            let what = format!("is {}, but a condition must be bool", typed.ty);
            self.refuse(expr.span, what, Some(hint));
        }
        typed.node
    }

    /// Whether the name may be that of a type that could not be read.
    pub(super) fn is_hidden(&mut self, name: &str) -> bool {
        let is_hidden = self.environment.tables.hides_type(name);
        self.is_unclear |= is_hidden;
        is_hidden
    }

    fn literal(&mut self, expr: &Expr, literal: &Literal, expected: Option<Expected<'_>>) -> Typed {
        let (value, ty) = match literal {
            Literal::Null => (Val::Null, Type::Null),
            Literal::Bool(flag) => (Val::Bool(*flag), Type::Bool),
            Literal::Int(number) => (Val::Int(*number), Type::Int),
            Literal::Uint(number) => (Val::Uint(*number), Type::Uint),
            Literal::Double(number, _) => (Val::Double(*number), Type::Double),
            Literal::Bytes(bytes) => (Val::Bytes(Blob::Shared(bytes.as_slice().into())), Type::Bytes),
            Literal::Text(text) => {
                if let Some(Type::Enum(kind)) = expected.map(|expected| expected.ty) {
                    return match words::value(kind, text) {
                        Some(value) => Typed::new(
                            Node::Const(Val::Int(i64::from(value.number()))),
                            Type::Enum(kind.clone()),
                        ),
                        None => {
                            self.no_such_word(expr.span, kind, text);
                            Typed::error()
                        }
                    };
                }
                (Val::Text(Text::Shared(text.as_str().into())), Type::Text)
            }
        };
        Typed::new(Node::Const(value), ty)
    }

    fn ternary(&mut self, expr: &Expr, parts: [&Expr; 3], expected: Option<Expected<'_>>) -> Typed {
        let condition = self.condition(parts[0]);
        let chosen = condition.constant().cloned();
        let before = self.failing.len();
        let yes = self.check(parts[1], expected);
        if matches!(chosen, Some(Val::Bool(false))) {
            self.failing.truncate(before);
        }
        let before = self.failing.len();
        let no = self.check(parts[2], expected);
        if matches!(chosen, Some(Val::Bool(true))) {
            self.failing.truncate(before);
        }
        let nodes = Box::new([condition, yes.node, no.node]);
        let unlike = (yes.ty.clone(), no.ty.clone());
        let Some(ty) = yes.ty.join(no.ty) else {
            let what = format!("gives {} or {}; both must be of one type", unlike.0, unlike.1);
            self.refuse(expr.mark, what, None);
            return Typed::error();
        };
        Typed {
            nullable: yes.nullable || no.nullable,
            ..Typed::new(Node::Choose(nodes, parts[0].span), ty)
        }
    }

    /// Runs `body` with a variable of this name; variables inside hide those outside.
    pub(super) fn with_local<T>(
        &mut self,
        name: &str,
        ty: Type,
        body: impl FnOnce(&mut Self, usize) -> T,
    ) -> T {
        let slot = self.locals.len();
        self.slots = self.slots.max(slot + 1);
        self.locals.push(Local {
            name: name.to_owned(),
            slot,
            ty,
            nullable: false,
        });
        let made = body(self, slot);
        self.locals.pop();
        made
    }

    pub(super) fn refuse(&mut self, at: Span, what: impl Into<String>, hint: Option<&str>) {
        let problem = self.problem(at, what, hint);
        self.problems.push(problem);
    }

    fn problem(&self, at: Span, what: impl Into<String>, hint: Option<&str>) -> Problem {
        let problem = Problem::new(&self.source.place(at), what);
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// How a value of this type is shown in a native tree.
    pub(super) fn form(&self, ty: &Type) -> Form {
        match ty {
            Type::Enum(kind) => Form::Enum(kind.clone()),
            Type::Message(message) => Form::Message(Arc::new(Tree::new(message))),
            Type::List(of) => Form::List(Box::new(self.form(of))),
            Type::Map(_, of) => Form::Map(Box::new(self.form(of))),
            Type::Optional(of) => self.form(of),
            Type::Object(object) => Form::Object(object.clone()),
            Type::Dyn | Type::Open | Type::Any | Type::Null | Type::Error => Form::Open,
            _ => Form::Plain,
        }
    }
}

/// Names in backticks, with commas, at most a dozen.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    if names.len() > 12 {
        names.truncate(12);
        names.push("…".to_owned());
    }
    names.join(", ")
}
