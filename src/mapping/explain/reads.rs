//! What the expression that was arrived at reads, with the values that stand there.

use super::{
    Origin, path,
    walk::{Bound, Walk, is_bind},
};
use crate::mapping::{
    check::Checker,
    syntax::{Expr, ExprKind, Macro},
    value::Val,
};

/// How many things that were read are told.
const TOLD: usize = 12;

impl<'a> Walk<'a> {
    /// Tells everything that an expression reads.
    pub(super) fn collect(&mut self, checker: &mut Checker<'_>, expr: &'a Expr) {
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
        if let Some(found) = Macro::of(expr) {
            return self.collect_items(checker, found);
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

    /// What a macro reads, item by item.
    fn collect_items(&mut self, checker: &mut Checker<'_>, found: Macro<'a>) {
        if !self.is_list(checker, found.range) {
            return self.collect(checker, found.range);
        }
        match self.items(checker, found.range) {
            Ok((ty, all)) if !all.is_empty() => {
                for item in all.into_iter().enumerate() {
                    self.bind(checker, found, ty.clone(), item, |walk, checker| {
                        for part in found.test.into_iter().chain([found.body]) {
                            walk.collect(checker, part);
                        }
                    });
                }
            }
            _ => self.collect(checker, found.range),
        }
    }

    /// Where in the input an expression reads, if it does nothing else.
    pub(super) fn path(&mut self, checker: &mut Checker<'_>, expr: &'a Expr) -> Option<String> {
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
                    Ok(Val::Number(at)) => format!("{path}[{}]", at.as_str()),
                    _ => return None,
                })
            }
            _ => None,
        }
    }
}
