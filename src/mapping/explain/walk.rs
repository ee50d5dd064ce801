//! The way through a mapping to one of its fields.

use trunkline_sdk::Value;

use super::{
    Explanation, Origin, Reason,
    path::{self, Step},
    shelf::Shelf,
};
use crate::mapping::{
    Facts, Input,
    check::{Checker, Expected},
    evaluate::Run,
    failure::Failure,
    faults::Faults,
    kind::Kind,
    parts::items,
    plan::Node,
    source::{Source, Span},
    syntax::{Expr, ExprKind, Literal},
    types::Type,
    value::Val,
};

/// No mapping nests more variables: each takes a step of the tree's height.
const SLOTS: usize = 256;

/// How many things that were read are told.
const TOLD: usize = 12;

/// One walk.
pub(super) struct Walk<'a> {
    run: Run<'a>,
    shelf: &'a Shelf<Node>,
    source: &'a Source,
    bound: Vec<Bound<'a>>,
    found: Explanation,
}

/// A variable, beside what the checker knows of it.
struct Bound<'a> {
    name: String,
    /// Where its value stands in the input.
    origin: Option<String>,
    /// The expression that it stands for.
    expr: Option<&'a Expr>,
}

/// An item of a list, and where it stands in the input.
type Item<'a> = (Val<'a>, String);

impl<'a> Walk<'a> {
    pub(super) fn new(
        field: &str,
        source: &'a Source,
        input: Input<'a>,
        kind: Option<&'a Kind>,
        facts: &'a dyn Facts,
        shelf: &'a Shelf<Node>,
    ) -> Self {
        Self {
            run: Run::new(input, kind, facts, SLOTS),
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
            (
                ExprKind::Call {
                    target: Some(range),
                    name,
                    args,
                },
                [Step::Item(at), rest @ ..],
            ) if name == "map" => {
                self.item(checker, range, args, *at, rest, element(wanted));
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

    /// The item number `at` of `range.map(variable, [test,] body)`.
    fn item(
        &mut self,
        checker: &mut Checker<'_>,
        range: &'a Expr,
        args: &'a [Expr],
        at: usize,
        rest: &[Step],
        wanted: Option<Type>,
    ) {
        let (variable, test, body) = match args {
            [variable, body] => (variable, None, body),
            [variable, test, body] => (variable, Some(test), body),
            _ => return,
        };
        let (ty, all) = match self.items(checker, range) {
            Ok(all) => all,
            Err(failure) => return self.failed(&failure),
        };
        let name = self.text(variable.span);
        let mut passed = 0;
        for (item, origin) in all {
            let bound = Bound {
                name: name.clone(),
                origin: Some(origin),
                expr: None,
            };
            let wanted = wanted.clone();
            let is_done = self.with(checker, ty.clone(), item, bound, |walk, checker| {
                if let Some(test) = test {
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
                walk.walk(checker, body, rest, wanted);
                true
            });
            if is_done {
                return;
            }
        }
        self.collect(checker, range);
        self.unset(short_list(passed));
    }

    /// The items of a list, and the type of each.
    fn items(
        &mut self,
        checker: &mut Checker<'_>,
        range: &'a Expr,
    ) -> Result<(Type, Vec<Item<'a>>), Box<Failure>> {
        if let ExprKind::Call {
            target: Some(of),
            name,
            args,
        } = &range.kind
            && name == "filter"
            && let [variable, test] = args.as_slice()
        {
            let (ty, all) = self.items(checker, of)?;
            let name = self.text(variable.span);
            let mut kept = Vec::new();
            for (item, origin) in all {
                let bound = Bound {
                    name: name.clone(),
                    origin: Some(origin.clone()),
                    expr: None,
                };
                let keeps = self.with(checker, ty.clone(), item.clone(), bound, |walk, checker| {
                    walk.evaluate(checker, test, None).1
                })?;
                if matches!(keeps, Val::Bool(true)) {
                    kept.push((item, origin));
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
    fn shown(
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

    fn evaluate(
        &mut self,
        checker: &mut Checker<'_>,
        expr: &Expr,
        wanted: Option<&Type>,
    ) -> (Type, Result<Val<'a>, Box<Failure>>) {
        let typed = checker.check(expr, wanted.map(|ty| Expected { ty, target: None }));
        let node = self.shelf.put(typed.node);
        (typed.ty, self.run.evaluate(node))
    }

    /// Tells everything that an expression reads.
    fn collect(&mut self, checker: &mut Checker<'_>, expr: &'a Expr) {
        if let ExprKind::Ident(name) = &expr.kind
            && let Some(bound) = self.bound.iter().rev().find(|bound| bound.name == *name)
            && let (None, Some(expr)) = (&bound.origin, bound.expr)
        {
            return self.collect(checker, expr);
        }
        if let Some(path) = self.path(checker, expr) {
            if self.found.origins.iter().any(|known| known.path == path) {
                return;
            }
            if self.found.origins.len() >= TOLD {
                self.found.more += 1;
                return;
            }
            let value = self.shown(checker, expr, None).ok().flatten();
            return self.found.origins.push(Origin { path, value });
        }
        match &expr.kind {
            ExprKind::Literal(_) | ExprKind::Ident(_) => {}
            // What is no path, and no part of one, is a word of an enum.
            ExprKind::Select { operand, .. } => self.collect(checker, operand),
            ExprKind::Index { operand, index, .. } => {
                self.collect(checker, operand);
                self.collect(checker, index);
            }
            ExprKind::Call {
                target: Some(range),
                name,
                args,
            } if is_loop(name, args) => {
                let Ok((ty, all)) = self.items(checker, range) else {
                    return self.collect(checker, range);
                };
                if all.is_empty() {
                    return self.collect(checker, range);
                }
                let name = self.text(args[0].span);
                for (item, origin) in all {
                    let bound = Bound {
                        name: name.clone(),
                        origin: Some(origin),
                        expr: None,
                    };
                    self.with(checker, ty.clone(), item, bound, |walk, checker| {
                        for body in &args[1..] {
                            walk.collect(checker, body);
                        }
                    });
                }
            }
            ExprKind::Call {
                target: Some(group),
                name,
                args,
            } if is_bind(group, name) && args.len() == 3 => {
                let (ty, value) = self.evaluate(checker, &args[1], None);
                let bound = Bound {
                    name: self.text(args[0].span),
                    origin: self.path(checker, &args[1]),
                    expr: Some(&args[1]),
                };
                match value {
                    Ok(value) => self.with(checker, ty, value, bound, |walk, checker| {
                        walk.collect(checker, &args[2]);
                    }),
                    Err(_) => self.collect(checker, &args[1]),
                }
            }
            ExprKind::Call { target, args, .. } => {
                for part in target.as_deref().into_iter().chain(args) {
                    self.collect(checker, part);
                }
            }
            ExprKind::List(list) => list.iter().for_each(|item| self.collect(checker, &item.value)),
            ExprKind::Map(entries) => {
                for entry in entries {
                    self.collect(checker, &entry.key);
                    self.collect(checker, &entry.value);
                }
            }
            ExprKind::Message { fields, .. } => {
                fields
                    .iter()
                    .for_each(|field| self.collect(checker, &field.value));
            }
            ExprKind::Not(of) | ExprKind::Negate(of) => self.collect(checker, of),
            ExprKind::Binary(_, one, two) => {
                self.collect(checker, one);
                self.collect(checker, two);
            }
            ExprKind::And(terms) | ExprKind::Or(terms) => {
                terms.iter().for_each(|term| self.collect(checker, term));
            }
            ExprKind::Ternary(condition, yes, no) => {
                for part in [condition, yes, no] {
                    self.collect(checker, part);
                }
            }
        }
    }

    /// Where in the input an expression reads, if it does nothing else.
    fn path(&mut self, checker: &mut Checker<'_>, expr: &'a Expr) -> Option<String> {
        match &expr.kind {
            ExprKind::Ident(name) => {
                let bound = self.bound.iter().rev().find(|bound| bound.name == *name);
                match bound {
                    Some(bound) => bound.origin.clone(),
                    None => matches!(name.as_str(), "this" | "attributes").then(|| name.clone()),
                }
            }
            ExprKind::Select { operand, field, .. } => {
                Some(self.path(checker, operand)? + &path::named(field))
            }
            ExprKind::Index { operand, index, .. } => {
                let path = self.path(checker, operand)?;
                Some(match self.evaluate(checker, index, None).1 {
                    Ok(Val::Text(key)) => path + &path::named(key.as_str()),
                    Ok(Val::Int(at)) => format!("{path}[{at}]"),
                    Ok(Val::Uint(at)) => format!("{path}[{at}]"),
                    Ok(Val::Number(at)) => format!("{path}[{at}]"),
                    _ => return None,
                })
            }
            _ => None,
        }
    }

    /// Does something with a variable bound.
    fn with<T>(
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
    fn text(&self, span: Span) -> String {
        let text = self.source.text();
        let text = text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn is_bind(group: &Expr, name: &str) -> bool {
    name == "bind" && matches!(&group.kind, ExprKind::Ident(group) if group == "cel")
}

fn is_loop(name: &str, args: &[Expr]) -> bool {
    matches!(
        name,
        "map" | "filter" | "all" | "exists" | "exists_one" | "existsOne" | "sortBy"
    ) && args.len() >= 2
        && matches!(args[0].kind, ExprKind::Ident(_))
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
