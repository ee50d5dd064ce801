//! The macros over lists and maps, by their parts: for those who follow an expression without checking it.

use super::{Expr, ExprKind};

/// A macro over a list or map, rightly written.
#[derive(Clone, Copy)]
pub(crate) struct Macro<'e> {
    pub(crate) name: &'e str,
    pub(crate) range: &'e Expr,
    /// The item; with a second variable: its index or key.
    pub(crate) first: &'e str,
    /// The item.
    pub(crate) second: Option<&'e str>,
    /// What an item must pass.
    pub(crate) test: Option<&'e Expr>,
    pub(crate) body: &'e Expr,
}

impl<'e> Macro<'e> {
    /// The macro that this expression is.
    pub(crate) fn of(expr: &'e Expr) -> Option<Self> {
        let ExprKind::Call {
            target: Some(range),
            name,
            args,
        } = &expr.kind
        else {
            return None;
        };
        let is_known = matches!(
            name.as_str(),
            "all" | "exists" | "exists_one" | "existsOne" | "filter" | "map" | "sortBy"
        );
        let is_twofold = matches!(
            name.as_str(),
            "transformList" | "transformMap" | "transformMapEntry"
        );
        let (first, second, test, body) = match args.as_slice() {
            [first, body] if is_known => (first, None, None, body),
            [first, test, body] if name == "map" => (first, None, Some(test), body),
            [first, second, body] if is_known || is_twofold => (first, Some(second), None, body),
            [first, second, test, body] if is_twofold => (first, Some(second), Some(test), body),
            _ => return None,
        };
        Some(Self {
            name,
            range,
            first: word(first)?,
            second: match second {
                Some(second) => Some(word(second)?),
                None => None,
            },
            test,
            body,
        })
    }
}

/// The name of a variable.
pub(crate) fn word(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Ident(name) => Some(name),
        _ => None,
    }
}
