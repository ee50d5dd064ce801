//! What constants alone tell: an expression of constants is done now, and what it fails at is told before it runs; a
//! constant that is set into a field must fit it, and keep the field's rules.
//!
//! A failure that CEL lets pass, beside a term that decides or in a branch that is never taken, is not told.

use std::sync::Arc;

use prost_reflect::{FieldDescriptor, MessageDescriptor};

use super::{Checker, Typed};
use crate::{
    canonical::{
        rules::{Rules, has_rules},
        time::RANGE,
    },
    mapping::{
        Input, NoFacts,
        encode::constant_fits,
        evaluate::Run,
        failure::{Budget, Failure},
        faults::Faults,
        field::{Field, Shape},
        kind::Kind,
        operators::equal,
        parts::element,
        plan::{Item, Literal, Node, Setter},
        scalar::Scalar,
        source::Span,
        syntax::{Expr, ExprKind},
        types::Type,
        value::Val,
    },
};

/// The rules of the message types whose constants were looked at.
pub(super) type KnownRules = Vec<(MessageDescriptor, Option<Arc<Rules>>)>;

impl Node {
    pub(super) fn constant(&self) -> Option<&Val<'static>> {
        match self {
            Node::Const(value) => Some(value),
            _ => None,
        }
    }
}

impl Checker<'_> {
    /// An expression of constants, of which `done` is what it gives.
    pub(super) fn settled(
        &mut self,
        done: Result<Val<'static>, Box<Failure>>,
        node: Node,
        ty: Type,
        at: Span,
    ) -> Typed {
        match done {
            Ok(value) => Typed::new(Node::Const(value), ty),
            Err(failure) => {
                self.fails(&failure, at);
                Typed::new(node, ty)
            }
        }
    }

    /// It fails whatever comes, unless nobody asks for it.
    pub(super) fn fails(&mut self, failure: &Failure, at: Span) {
        let problem = self.problem(at, failure.what.clone(), failure.hint.as_deref());
        self.failing.push(problem);
    }

    /// `&&` (deciding: false) or `||` (deciding: true): a constant that decides hides what the others fail at.
    pub(super) fn terms(&mut self, terms: &[Expr], deciding: bool, at: Span) -> Node {
        let before = self.failing.len();
        let terms: Vec<_> = terms.iter().map(|term| self.condition(term)).collect();
        let is = |node: &Node, wanted: bool| matches!(node, Node::Const(Val::Bool(flag)) if *flag == wanted);
        if terms.iter().any(|node| is(node, deciding)) {
            self.failing.truncate(before);
            return Node::Const(Val::Bool(deciding));
        }
        match deciding {
            _ if terms.iter().all(|node| is(node, !deciding)) => Node::Const(Val::Bool(!deciding)),
            true => Node::Or(terms, at),
            false => Node::And(terms, at),
        }
    }

    /// `list[index]` and `map[key]` of what stands in the expression.
    pub(super) fn check_element(&mut self, of: &Node, index: &Node, at: Span) -> Option<Val<'static>> {
        let index = index.constant()?;
        let mut budget = Budget::new();
        let found = match of {
            Node::Const(of) => element(of, index, &mut budget),
            Node::List(items) if items.iter().all(|item| !item.optional) => {
                // Only how many there are is known.
                let places = Val::list(vec![Val::Null; items.len()]);
                return match element(&places, index, &mut budget) {
                    Ok(Some(_)) => None,
                    other => self.no_element(other.err(), "list", items.len(), at),
                };
            }
            Node::Map(entries, _) if entries.iter().all(|entry| !entry.optional) => {
                for entry in entries {
                    if equal(entry.key.constant()?, index, &mut budget).unwrap_or(true) {
                        return None;
                    }
                }
                return self.no_element(None, "map", entries.len(), at);
            }
            _ => return None,
        };
        match found {
            Ok(Some(value)) => Some(value),
            other => {
                let length = match of {
                    Node::Const(Val::List(items)) => items.len(),
                    _ => 0,
                };
                self.no_element(other.err(), "list", length, at)
            }
        }
    }

    fn no_element(
        &mut self,
        failure: Option<Box<Failure>>,
        what: &str,
        length: usize,
        at: Span,
    ) -> Option<Val<'static>> {
        let failure = failure.unwrap_or_else(|| {
            Failure::new(match (what, length) {
                ("list", 1) => "the list has no such item: it has 1".to_owned(),
                ("list", _) => format!("the list has no such item: it has {length}"),
                _ => "the map has no such key".to_owned(),
            })
        });
        self.fails(&failure, at);
        None
    }

    /// Constants that are set into a field, by themselves or as parts of what is: they fit, and keep its rules.
    pub(super) fn check_set(
        &mut self,
        descriptor: &FieldDescriptor,
        field: &Field,
        expr: &Expr,
        node: &Node,
    ) {
        match (&expr.kind, node) {
            (ExprKind::Ternary(_, yes, no), Node::Choose(parts, _)) => {
                self.check_set(descriptor, field, yes, &parts[1]);
                self.check_set(descriptor, field, no, &parts[2]);
            }
            (ExprKind::List(items), Node::Const(Val::List(values)))
                if matches!(field.shape, Shape::List { .. }) && items.len() == values.len() =>
            {
                let mut all_fit = true;
                for (item, value) in items.iter().zip(values.iter()) {
                    all_fit &= self.check_fits(descriptor, field.scalar, &item.value, value);
                }
                if all_fit {
                    self.check_rules(descriptor, node, expr.span, &[]);
                }
            }
            (ExprKind::List(items), Node::List(nodes)) if matches!(field.shape, Shape::List { .. }) => {
                for (item, node) in items.iter().zip(nodes) {
                    if let Some(value) = node.value.constant()
                        && self.check_fits(descriptor, field.scalar, &item.value, value)
                    {
                        let alone = Node::List(vec![Item {
                            value: Node::Const(value.clone()),
                            form: node.form.clone(),
                            optional: false,
                        }]);
                        self.check_rules(descriptor, &alone, item.value.span, &["[0]"]);
                    }
                }
            }
            (ExprKind::Map(entries), Node::Map(nodes, _)) => {
                let Some([key, held]) = field.entry() else { return };
                for (entry, node) in entries.iter().zip(nodes) {
                    if let Some(value) = node.key.constant() {
                        self.check_fits(descriptor, key.scalar, &entry.key, value);
                    }
                    if let Some(value) = node.value.constant() {
                        self.check_fits(descriptor, held.scalar, &entry.value, value);
                    }
                }
            }
            (_, Node::Const(Val::Absent | Val::Null)) => {}
            (_, Node::Const(value))
                if matches!(field.shape, Shape::One { .. })
                    && self.check_fits(descriptor, field.scalar, expr, value) =>
            {
                self.check_rules(descriptor, node, expr.span, &[]);
            }
            _ => {}
        }
    }

    fn check_fits(
        &mut self,
        descriptor: &FieldDescriptor,
        scalar: Scalar,
        expr: &Expr,
        value: &Val<'_>,
    ) -> bool {
        let fits = constant_fits(scalar, value);
        if !fits {
            let span = expr.span.start as usize..expr.span.end as usize;
            let written = self.source.text().get(span).unwrap_or_default();
            let what = format!(
                "{written} does not fit {}, which {} is",
                scalar.word(),
                descriptor.full_name()
            );
            self.refuse(expr.span, what, None);
        }
        fits
    }

    /// The rules of the field, asked of a message in which it alone is set. `below`: only of this part of it.
    fn check_rules(&mut self, descriptor: &FieldDescriptor, node: &Node, at: Span, below: &[&str]) {
        if !has_rules(descriptor) {
            return;
        }
        let Some(rules) = self.rules_of(descriptor.parent_message()) else {
            return;
        };
        let Some(value) = copied(node) else { return };
        let literal = Literal {
            kind: Kind::new(descriptor.parent_message()),
            setters: vec![Setter {
                name: descriptor.name().into(),
                field: Field::new(descriptor),
                value,
                required: false,
                at,
            }],
        };
        let (mut bytes, mut faults) = (Vec::new(), Faults::default());
        let nothing = trunkline_sdk::Value::Null;
        Run::new(Input::Record(&nothing), None, &NoFacts, 0).put_message(&literal, &mut bytes, &mut faults);
        if !faults.is_empty() {
            return;
        }
        let Ok(found) = rules.check(&bytes, std::time::SystemTime::now) else {
            return;
        };
        let path = format!("{}{}", descriptor.name(), below.concat());
        for violation in found.told {
            let rest = violation.path.strip_prefix(path.as_str());
            let ours = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            // What is early today is late tomorrow.
            let timed = violation.rule.ends_with("_now") || violation.rule.ends_with(".within");
            if ours && !timed {
                let what = format!(
                    "breaks the rule `{}` of {}: {}",
                    violation.rule,
                    descriptor.full_name(),
                    violation.what
                );
                self.refuse(at, what, None);
            }
        }
    }

    /// The rules of a field that is never set and then counts as zero or empty, asked of an empty message.
    pub(super) fn check_unset(&mut self, descriptor: &FieldDescriptor, at: Span) {
        if descriptor.supports_presence() || !has_rules(descriptor) {
            return;
        }
        let Some(rules) = self.rules_of(descriptor.parent_message()) else {
            return;
        };
        let Ok(found) = rules.check(&[], std::time::SystemTime::now) else {
            return;
        };
        let ours = found
            .told
            .into_iter()
            .find(|violation| violation.path == descriptor.name());
        if let Some(violation) = ours {
            let what = format!(
                "`{}` is never set and breaks the rule `{}`: {}",
                descriptor.full_name(),
                violation.rule,
                violation.what
            );
            self.refuse(at, what, Some(&super::assign::line(descriptor)));
        }
    }

    fn rules_of(&mut self, message: &MessageDescriptor) -> Option<Arc<Rules>> {
        if let Some((_, rules)) = self.rules.iter().find(|(known, _)| known == message) {
            return rules.clone();
        }
        // What is wrong with the rules themselves is told where they stand.
        let rules = Rules::compile(message).ok().flatten().map(Arc::new);
        self.rules.push((message.clone(), rules.clone()));
        rules
    }

    /// `Timestamp{…}` and `Duration{…}` of constants lie in the range that there is.
    pub(super) fn check_times(&mut self, literal: &Literal, at: Span) {
        let number = |name: &str| {
            let setter = literal.setters.iter().find(|setter| &*setter.name == name);
            match setter.map(|setter| setter.value.constant()) {
                None => Some(0),
                Some(Some(Val::Int(number))) => Some(*number),
                Some(_) => None,
            }
        };
        let (Some(seconds), Some(nanos)) = (number("seconds"), number("nanos")) else {
            return;
        };
        let what = match literal.kind.scalar {
            Scalar::Timestamp if !RANGE.contains(&seconds) => {
                "the timestamp lies outside the years 1 to 9999"
            }
            Scalar::Timestamp if !(0..1_000_000_000).contains(&nanos) => {
                "`nanos` of a timestamp go from 0 to 999,999,999"
            }
            Scalar::Duration if seconds.unsigned_abs() > 315_576_000_000 => {
                "the duration is longer than 10,000 years"
            }
            Scalar::Duration
                if nanos.unsigned_abs() > 999_999_999 || seconds.signum() * nanos.signum() < 0 =>
            {
                "`nanos` of a duration go up to 999,999,999, with the sign of `seconds`"
            }
            _ => return,
        };
        self.fails(&Failure::new(what), at);
    }
}

/// A plan of nothing but constants, once more.
fn copied(node: &Node) -> Option<Node> {
    Some(match node {
        Node::Const(value) => Node::Const(value.clone()),
        Node::List(items) => Node::List(
            items
                .iter()
                .map(|item| {
                    Some(Item {
                        value: copied(&item.value)?,
                        form: item.form.clone(),
                        optional: item.optional,
                    })
                })
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}
