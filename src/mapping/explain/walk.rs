//! The way through a mapping to one of its fields.

use trunkline_sdk::Value;

use super::{
    Explanation, Reason,
    path::{self, Step},
    shelf::Shelf,
};
use crate::mapping::{
    Facts, Input, References,
    check::{Checker, Expected},
    evaluate::Run,
    failure::Failure,
    faults::Faults,
    kind::Kind,
    parts::items,
    plan::Node,
    source::{Source, Span},
    syntax::{Expr, ExprKind, Literal, Macro},
    types::Type,
    value::Val,
};

/// No mapping nests more variables: each takes a step of the tree's height.
const SLOTS: usize = 256;

/// One walk.
pub(super) struct Walk<'a> {
    run: Run<'a>,
    shelf: &'a Shelf<Node>,
    source: &'a Source,
    pub(super) bound: Vec<Bound<'a>>,
    pub(super) found: Explanation,
}

/// A variable, beside what the checker knows of it.
pub(super) struct Bound<'a> {
    pub(super) name: String,
    /// Where its value stands in the input.
    pub(super) origin: Option<String>,
    /// The expression that it stands for.
    pub(super) expr: Option<&'a Expr>,
}

/// An item of a list, and where it stands in the input.
pub(super) type Item<'a> = (Val<'a>, String);

impl<'a> Walk<'a> {
    pub(super) fn new(
        field: &str,
        source: &'a Source,
        input: Input<'a>,
        kind: Option<&'a Kind>,
        facts: &'a dyn Facts,
        references: &'a References,
        shelf: &'a Shelf<Node>,
    ) -> Self {
        let mut run = Run::new(input, kind, facts, SLOTS);
        run.references = Some(references);
        Self {
            run,
            shelf,
            source,
            bound: Vec::new(),
            found: Explanation {
                path: field.to_owned(),
                expression: String::new(),
                place: source.place(Span::default()),
                value: None,
                unset: None,
                reasons: Vec::new(),
                origins: Vec::new(),
                more: 0,
            },
        }
    }

    pub(super) fn finish(self) -> Explanation {
        self.found
    }

    /// Goes from this expression to the part of it that the steps name. `wanted`: the type of the field it is set into.
    pub(super) fn walk(
        &mut self,
        checker: &mut Checker<'_>,
        expr: &'a Expr,
        steps: &[Step],
        wanted: Option<Type>,
    ) {
        self.at(expr);
        if let [Step::Item(at), rest @ ..] = steps
            && let Some(found) = Macro::of(expr)
            && matches!(found.name, "map" | "transformList")
            && self.is_list(checker, found.range)
        {
            return self.item(checker, found, *at, rest, element(wanted));
        }
        match (&expr.kind, steps) {
            (ExprKind::Message { fields, .. }, [Step::Name(name), rest @ ..]) => {
                let wanted = match &wanted {
                    Some(Type::Message(message)) => message.get_field_by_name(name),
                    _ => None,
                };
                match fields.iter().find(|field| field.name == *name) {
                    Some(field) => {
                        let wanted = wanted.map(|field| Type::of_field(&field));
                        self.walk(checker, &field.value, rest, wanted);
                    }
                    None => {
                        self.found.expression = format!("{}{{ … }}", self.text(expr.mark));
                        self.unset(format!("the mapping does not set `{name}`"));
                    }
                }
            }
            (ExprKind::Map(entries), [Step::Name(name), rest @ ..]) => {
                let entry = entries.iter().find(|entry| match &entry.key.kind {
                    ExprKind::Literal(Literal::Text(key)) => key == name,
                    _ => matches!(self.evaluate(checker, &entry.key, None).1, Ok(Val::Text(key)) if key.as_str() == name),
                });
                match entry {
                    Some(entry) => self.walk(checker, &entry.value, rest, element(wanted)),
                    None => {
                        self.found.expression = "{ … }".to_owned();
                        self.unset(format!("the mapping does not set `{name}`"));
                    }
                }
            }
            (ExprKind::List(list), [Step::Item(at), rest @ ..]) => {
                let mut left = *at;
                for item in list {
                    if item.optional && matches!(self.evaluate(checker, &item.value, None).1, Ok(Val::Absent))
                    {
                        continue;
                    }
                    if left == 0 {
                        return self.walk(checker, &item.value, rest, element(wanted));
                    }
                    left -= 1;
                }
                self.unset(short_list(at - left));
            }
            (ExprKind::Ternary(condition, yes, no), _) => {
                let chosen = match self.evaluate(checker, condition, None).1 {
                    Ok(Val::Bool(flag)) => {
                        self.because(condition, flag.to_string());
                        if flag { yes } else { no }
                    }
                    Ok(_) => return self.unset("the condition is neither true nor false".to_owned()),
                    Err(failure) => return self.failed(&failure),
                };
                self.walk(checker, chosen, steps, wanted);
            }
            (
                ExprKind::Call {
                    target: Some(of),
                    name,
                    args,
                },
                _,
            ) if matches!(name.as_str(), "orValue" | "or") && args.len() == 1 => {
                match self.evaluate(checker, of, None).1 {
                    Ok(Val::Absent) => {
                        self.because(of, "nothing there".to_owned());
                        self.walk(checker, &args[0], steps, wanted);
                    }
                    Ok(_) => self.walk(checker, of, steps, wanted),
                    Err(failure) => self.failed(&failure),
                }
            }
            (
                ExprKind::Call {
                    target: Some(of),
                    name,
                    args,
                },
                _,
            ) if matches!(name.as_str(), "optMap" | "optFlatMap") && args.len() == 2 => {
                let (ty, given) = self.evaluate(checker, of, None);
                let bound = Bound {
                    name: self.text(args[0].span),
                    origin: self.path(checker, of),
                    expr: Some(of),
                };
                let inner = match ty {
                    Type::Optional(inner) => *inner,
                    other => other,
                };
                match given {
                    Ok(Val::Absent) => {
                        self.collect(checker, of);
                        self.unset("nothing is there".to_owned());
                    }
                    Ok(given) => self.with(checker, inner, given, bound, |walk, checker| {
                        walk.walk(checker, &args[1], steps, wanted);
                    }),
                    Err(failure) => self.failed(&failure),
                }
            }
            (
                ExprKind::Call {
                    target: Some(group),
                    name,
                    args,
                },
                _,
            ) if is_bind(group, name) => {
                let [variable, value, body] = args.as_slice() else {
                    return;
                };
                let (ty, given) = self.evaluate(checker, value, None);
                let bound = Bound {
                    name: self.text(variable.span),
                    origin: self.path(checker, value),
                    expr: Some(value),
                };
                match given {
                    Ok(given) => self.with(checker, ty, given, bound, |walk, checker| {
                        walk.walk(checker, body, steps, wanted);
                    }),
                    Err(failure) => self.failed(&failure),
                }
            }
            // A variable that stands for a literal: the way goes on in that.
            (ExprKind::Ident(name), [_, ..]) => {
                let bound = self.bound.iter().rev().find(|bound| bound.name == *name);
                match bound.and_then(|bound| bound.expr) {
                    Some(expr) => self.walk(checker, expr, steps, wanted),
                    None => self.arrived(checker, expr, steps, wanted.as_ref()),
                }
            }
            _ => self.arrived(checker, expr, steps, wanted.as_ref()),
        }
    }

    /// The item number `at` of what a macro makes of each item.
    fn item(
        &mut self,
        checker: &mut Checker<'_>,
        found: Macro<'a>,
        at: usize,
        rest: &[Step],
        wanted: Option<Type>,
    ) {
        let (ty, all) = match self.items(checker, found.range) {
            Ok(all) => all,
            Err(failure) => return self.failed(&failure),
        };
        let mut passed = 0;
        for (index, item) in all.into_iter().enumerate() {
            let wanted = wanted.clone();
            let is_done = self.bind(checker, found, ty.clone(), (index, item), |walk, checker| {
                if let Some(test) = found.test {
                    match walk.evaluate(checker, test, None).1 {
                        Ok(Val::Bool(true)) => {}
                        Ok(_) => return false,
                        Err(failure) => {
                            walk.failed(&failure);
                            return true;
                        }
                    }
                }
                passed += 1;
                if passed <= at {
                    return false;
                }
                walk.walk(checker, found.body, rest, wanted);
                true
            });
            if is_done {
                return;
            }
        }
        self.collect(checker, found.range);
        self.unset(short_list(passed));
    }

    /// Does something with the variables of a macro bound to an item.
    pub(super) fn bind<T>(
        &mut self,
        checker: &mut Checker<'_>,
        found: Macro<'a>,
        ty: Type,
        (index, (item, origin)): (usize, Item<'a>),
        body: impl FnOnce(&mut Self, &mut Checker<'_>) -> T,
    ) -> T {
        let bound = |name: &str, origin| Bound {
            name: name.to_owned(),
            origin,
            expr: None,
        };
        let Some(second) = found.second else {
            return self.with(checker, ty, item, bound(found.first, Some(origin)), body);
        };
        let index = Val::Int(i64::try_from(index).unwrap_or(i64::MAX));
        self.with(
            checker,
            Type::Int,
            index,
            bound(found.first, None),
            |walk, checker| walk.with(checker, ty, item, bound(second, Some(origin)), body),
        )
    }

    /// Whether this comes to a list, and not to a map or to nothing.
    pub(super) fn is_list(&mut self, checker: &mut Checker<'_>, expr: &Expr) -> bool {
        let value = self.evaluate(checker, expr, None).1;
        matches!(
            value,
            Ok(Val::Record(Value::List(_)) | Val::Repeated(..) | Val::List(_) | Val::Items(_))
        )
    }

    /// The items of a list, and the type of each.
    pub(super) fn items(
        &mut self,
        checker: &mut Checker<'_>,
        range: &'a Expr,
    ) -> Result<(Type, Vec<Item<'a>>), Box<Failure>> {
        if let Some(found) = Macro::of(range)
            && found.name == "filter"
        {
            let (ty, all) = self.items(checker, found.range)?;
            let mut kept = Vec::new();
            for (index, item) in all.into_iter().enumerate() {
                let keeps = self.bind(
                    checker,
                    found,
                    ty.clone(),
                    (index, item.clone()),
                    |walk, checker| walk.evaluate(checker, found.body, None).1,
                )?;
                if matches!(keeps, Val::Bool(true)) {
                    kept.push(item);
                }
            }
            return Ok((ty, kept));
        }
        let (ty, of) = self.evaluate(checker, range, None);
        let prefix = self.path(checker, range).unwrap_or_else(|| self.text(range.span));
        let all = items(&of?, &mut self.run.budget)?;
        let all = all.into_iter().enumerate();
        let item = match ty {
            Type::List(item) => *item,
            Type::Map(key, _) => *key,
            _ => Type::Dyn,
        };
        Ok((
            item,
            all.map(|(at, item)| (item, format!("{prefix}[{at}]"))).collect(),
        ))
    }

    /// This expression gives the value: what it is, and what it read.
    fn arrived(&mut self, checker: &mut Checker<'_>, expr: &'a Expr, rest: &[Step], wanted: Option<&Type>) {
        self.collect(checker, expr);
        match self.shown(checker, expr, wanted.filter(|_| rest.is_empty())) {
            Ok(Some(value)) => match path::part(&value, rest) {
                Some(Value::Null) => self.unset(format!("what is read there has no `{}`", trimmed(rest))),
                Some(part) => self.found.value = Some(part.clone()),
                None => self.unset(format!("what is read there has no `{}`", trimmed(rest))),
            },
            Ok(None) => self.unset("nothing is there".to_owned()),
            Err(failure) => self.failed(&failure),
        }
    }

    /// What an expression comes to, as a sink would see it; `None`: nothing.
    pub(super) fn shown(
        &mut self,
        checker: &mut Checker<'_>,
        expr: &Expr,
        wanted: Option<&Type>,
    ) -> Result<Option<Value<'static>>, Box<Failure>> {
        let typed = checker.check(expr, wanted.map(|ty| Expected { ty, target: None }));
        let form = checker.form(&typed.ty);
        let node = self.shelf.put(typed.node);
        if let Val::Absent = self.run.evaluate(node)? {
            return Ok(None);
        }
        let mut faults = Faults::default();
        let value = self.run.native(node, &form, &mut faults);
        match faults.first() {
            Some(failure) => Err(failure),
            None => Ok(Some(value)),
        }
    }

    pub(super) fn evaluate(
        &mut self,
        checker: &mut Checker<'_>,
        expr: &Expr,
        wanted: Option<&Type>,
    ) -> (Type, Result<Val<'a>, Box<Failure>>) {
        let typed = checker.check(expr, wanted.map(|ty| Expected { ty, target: None }));
        let node = self.shelf.put(typed.node);
        (typed.ty, self.run.evaluate(node))
    }

    /// Does something with a variable bound.
    pub(super) fn with<T>(
        &mut self,
        checker: &mut Checker<'_>,
        ty: Type,
        value: Val<'a>,
        bound: Bound<'a>,
        body: impl FnOnce(&mut Self, &mut Checker<'_>) -> T,
    ) -> T {
        let name = bound.name.clone();
        checker.with_local(&name, ty, |checker, slot| {
            self.run.set(slot, value);
            self.bound.push(bound);
            let made = body(self, checker);
            self.bound.pop();
            made
        })
    }

    fn at(&mut self, expr: &Expr) {
        self.found.expression = self.text(expr.span);
        self.found.place = self.source.place(expr.span);
    }

    fn because(&mut self, condition: &Expr, was: String) {
        self.found.reasons.push(Reason {
            condition: self.text(condition.span),
            was,
            place: self.source.place(condition.span),
        });
    }

    fn unset(&mut self, why: String) {
        self.found.unset = Some(why);
    }

    fn failed(&mut self, failure: &Failure) {
        self.found.unset = Some(match &failure.hint {
            Some(hint) => format!("{}; hint: {hint}", failure.what),
            None => failure.what.clone(),
        });
    }

    /// As it is written, on one line.
    pub(super) fn text(&self, span: Span) -> String {
        let text = self.source.text();
        let text = text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

pub(super) fn is_bind(group: &Expr, name: &str) -> bool {
    name == "bind" && matches!(&group.kind, ExprKind::Ident(group) if group == "cel")
}

/// What a list or map of this type holds.
fn element(ty: Option<Type>) -> Option<Type> {
    match ty? {
        Type::List(item) => Some(*item),
        Type::Map(_, value) => Some(*value),
        _ => None,
    }
}

fn short_list(length: usize) -> String {
    match length {
        0 => "the list is empty".to_owned(),
        1 => "the list has 1 item".to_owned(),
        more => format!("the list has {more} items"),
    }
}

fn trimmed(steps: &[Step]) -> String {
    path::write(steps).trim_start_matches('.').to_owned()
}
