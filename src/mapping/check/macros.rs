//! The macros over lists and maps, and bindings.

use super::{Checker, Expected, Typed, assign::fits};
use crate::mapping::{
    plan::{Loop, LoopKind, Node},
    syntax::{Entry, Expr, ExprKind, Literal, MAX_HEIGHT},
    types::Type,
};

/// A macro as it is written: its variables, its condition, its expression.
struct Written<'e> {
    kind: LoopKind,
    first: String,
    second: Option<String>,
    test: Option<&'e Expr>,
    body: &'e Expr,
}

impl Checker<'_> {
    /// `list.map(x, …)` and its like; `None`: it is none of them.
    pub(super) fn list_macro(
        &mut self,
        expr: &Expr,
        target: &Expr,
        name: &str,
        args: &[Expr],
        expected: Option<Expected<'_>>,
    ) -> Option<Typed> {
        let kind = match name {
            "all" => LoopKind::All,
            "exists" => LoopKind::Exists,
            "exists_one" | "existsOne" => LoopKind::ExistsOne,
            "filter" => LoopKind::Filter,
            "map" | "transformList" => LoopKind::Map,
            "transformMap" => LoopKind::TransformMap,
            "transformMapEntry" => LoopKind::TransformMapEntry,
            "sortBy" => LoopKind::SortBy,
            _ => return None,
        };
        let range = self.check(target, None);
        // What one variable stands for, and what two do.
        let (one, two) = match &range.ty {
            Type::Error => (Type::Error, (Type::Error, Type::Error)),
            Type::Dyn => (Type::Dyn, (Type::Any, Type::Dyn)),
            Type::Any => (Type::Any, (Type::Any, Type::Any)),
            Type::List(item) => {
                let item = (**item).clone().settled();
                (item.clone(), (Type::Int, item))
            }
            Type::Map(key, value) => {
                let key = (**key).clone().settled();
                (key.clone(), (key, (**value).clone().settled()))
            }
            Type::Object(_) => (Type::Text, (Type::Text, Type::Dyn)),
            other => {
                let hint = match other {
                    Type::Optional(_) => Some("orValue([]) gives an empty list where nothing is there"),
                    _ => None,
                };
                let what = format!("`{name}` goes over a list, not over {other}");
                self.refuse(target.span, what, hint);
                (Type::Error, (Type::Error, Type::Error))
            }
        };
        let Some(written) = self.written(expr, kind, name, args) else {
            return Some(Typed::error());
        };
        let (first, second) = match &written.second {
            Some(_) => (two.0, Some(two.1)),
            None => (one, None),
        };
        let wanted = match (kind, expected) {
            (
                LoopKind::Map,
                Some(Expected {
                    ty: Type::List(item),
                    target,
                }),
            ) => Some(Expected { ty: item, target }),
            _ => None,
        };
        let item = first.clone();
        Some(self.with_local(&written.first, first, |checker, slot| {
            let inside = |checker: &mut Self, second_slot| {
                let test = written.test.map(|test| checker.condition(test));
                let (body, ty) = checker.body(&written, item, wanted);
                let node = Loop {
                    kind,
                    range: range.node,
                    slot,
                    second: second_slot,
                    test,
                    body,
                    at: expr.span,
                };
                Typed::new(Node::Loop(Box::new(node)), ty)
            };
            match (&written.second, second) {
                (Some(name), Some(ty)) => checker.with_local(name, ty, |checker, second_slot| {
                    inside(checker, Some(second_slot))
                }),
                _ => inside(checker, None),
            }
        }))
    }

    /// The parts of a macro; `None`: they are not right, and that was told.
    fn written<'e>(
        &mut self,
        expr: &Expr,
        kind: LoopKind,
        name: &str,
        args: &'e [Expr],
    ) -> Option<Written<'e>> {
        let twofold = name.starts_with("transform");
        let condition = matches!(kind, LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne);
        let form = match kind {
            _ if twofold => format!("list.{name}(i, item, expression with both)"),
            _ => format!("list.{name}(item, expression with item)"),
        };
        let (first, second, test, body) = match args {
            [first, body] if !twofold => (first, None, None, body),
            [first, test, body] if name == "map" => (first, None, Some(test), body),
            [first, second, body] if twofold || condition => (first, Some(second), None, body),
            [first, second, test, body] if twofold => (first, Some(second), Some(test), body),
            _ => {
                let what = if twofold {
                    format!("`{name}` takes two variables and an expression")
                } else {
                    format!("`{name}` takes a variable and an expression")
                };
                self.refuse(expr.mark, what, Some(&form));
                return None;
            }
        };
        let mut variable = |expr: &Expr| {
            let found = variable(expr);
            if found.is_none() {
                let which = if second.is_some() {
                    format!("the first two arguments of `{name}` must be the variables' names")
                } else {
                    format!("the first argument of `{name}` must be the variable's name")
                };
                self.refuse(expr.span, which, Some(&form));
            }
            found
        };
        Some(Written {
            kind,
            first: variable(first)?,
            second: match second {
                Some(second) => Some(variable(second)?),
                None => None,
            },
            test,
            body,
        })
    }

    /// The expression of a macro, and what the macro gives.
    fn body(&mut self, written: &Written<'_>, first: Type, wanted: Option<Expected<'_>>) -> (Node, Type) {
        let body = written.body;
        match written.kind {
            LoopKind::Map => {
                let mut typed = self.check(body, wanted);
                if let Some(Expected {
                    ty,
                    target: Some(target),
                }) = wanted
                    && !matches!(typed.ty, Type::Optional(_))
                    && !fits(&typed.ty, ty)
                {
                    self.assign(&typed.ty, ty, &format!("an item of {target}"), body.span);
                    typed.ty = Type::Error;
                }
                (typed.node, Type::list(typed.ty))
            }
            LoopKind::TransformMap => {
                let typed = self.check(body, None);
                (typed.node, Type::Map(Box::new(first), Box::new(typed.ty)))
            }
            LoopKind::TransformMapEntry => {
                if !matches!(&body.kind, ExprKind::Map(entries) if matches!(entries.as_slice(), [Entry { .. }]))
                {
                    let what = "`transformMapEntry` makes a map of one entry for each item";
                    self.refuse(body.span, what, Some("{key: value}"));
                    return (Node::This, Type::Error);
                }
                let typed = self.check(body, None);
                (typed.node, typed.ty)
            }
            LoopKind::SortBy => {
                let typed = self.check(body, None);
                let ordered = matches!(
                    typed.ty,
                    Type::Dyn
                        | Type::Any
                        | Type::Error
                        | Type::Text
                        | Type::Timestamp
                        | Type::Duration
                        | Type::Bool
                        | Type::Enum(_)
                );
                if !ordered && !typed.ty.is_number() {
                    let what = format!("is {}, which stands in no order", typed.ty);
                    self.refuse(body.span, what, None);
                }
                (typed.node, Type::list(first))
            }
            LoopKind::Filter => (self.condition(body), Type::list(first)),
            _ => (self.condition(body), Type::Bool),
        }
    }

    /// `cel.block([a, b], expression)`: `cel.index(0)` stands for the first of them. Optimizers of CEL write it.
    pub(super) fn block(&mut self, expr: &Expr, args: &[Expr], expected: Option<Expected<'_>>) -> Typed {
        let [list, body] = args else {
            self.refuse(expr.mark, "`cel.block` takes a list and an expression", None);
            return Typed::error();
        };
        let ExprKind::List(items) = &list.kind else {
            self.refuse(
                list.span,
                "the first argument of `cel.block` must be a list",
                None,
            );
            return Typed::error();
        };
        let items: Vec<_> = items.iter().map(|item| &item.value).collect();
        self.block_item(&items, 0, body, expected)
    }

    fn block_item(
        &mut self,
        items: &[&Expr],
        at: usize,
        body: &Expr,
        expected: Option<Expected<'_>>,
    ) -> Typed {
        // Each item may read those before it, so they nest; as deep as an expression may.
        let Some(item) = items.get(at) else {
            return self.check(body, expected);
        };
        if at >= usize::from(MAX_HEIGHT) {
            self.refuse(
                item.span,
                format!("`cel.block` takes at most {MAX_HEIGHT} items"),
                None,
            );
            return Typed::error();
        }
        let value = self.check(item, None);
        self.with_local(&format!("@{at}"), value.ty, |checker, slot| {
            let body = checker.block_item(items, at + 1, body, expected);
            let node = Node::Bind {
                slot,
                value: value.node.boxed(),
                body: body.node.boxed(),
            };
            Typed::new(node, body.ty)
        })
    }

    /// `cel.index(0)`, `cel.iterVar(0, 1)`.
    pub(super) fn block_variable(&mut self, expr: &Expr) -> Typed {
        match variable(expr) {
            Some(name) => self.ident(expr, &name),
            None => {
                self.refuse(expr.span, "its arguments must be whole numbers", None);
                Typed::error()
            }
        }
    }

    /// `cel.bind(name, value, expression)`.
    pub(super) fn bind(&mut self, expr: &Expr, args: &[Expr], expected: Option<Expected<'_>>) -> Typed {
        let [name, value, body] = args else {
            self.refuse(
                expr.mark,
                "`cel.bind` takes a name, a value and an expression",
                None,
            );
            return Typed::error();
        };
        let ExprKind::Ident(name) = &name.kind else {
            self.refuse(name.span, "the first argument of `cel.bind` must be a name", None);
            return Typed::error();
        };
        let value = self.check(value, None);
        self.with_local(name, value.ty, |checker, slot| {
            let body = checker.check(body, expected);
            let node = Node::Bind {
                slot,
                value: value.node.boxed(),
                body: body.node.boxed(),
            };
            Typed::new(node, body.ty)
        })
    }
}

/// The name of a variable: a word, or the place of one in `cel.block`.
fn variable(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(name) => Some(name.clone()),
        ExprKind::Call {
            target: Some(target),
            name,
            args,
        } if matches!(&target.kind, ExprKind::Ident(group) if group == "cel") => {
            let numbers: Option<Vec<_>> = args
                .iter()
                .map(|arg| match &arg.kind {
                    ExprKind::Literal(Literal::Int(number)) => Some(number.to_string()),
                    _ => None,
                })
                .collect();
            match (name.as_str(), numbers?.as_slice()) {
                ("index", [at]) => Some(format!("@{at}")),
                ("iterVar", [depth, at]) => Some(format!("@{depth}:{at}")),
                _ => None,
            }
        }
        _ => None,
    }
}
