//! Optionals: `optional.of(x)`, `a.?b.orValue(x)` and their like.

use super::{Checker, Expected, Typed};
use crate::mapping::{
    plan::Node,
    syntax::{Expr, ExprKind},
    types::Type,
    value::Val,
};

impl Checker<'_> {
    /// `optional.of(x)`, `optional.none()`.
    pub(super) fn optional(
        &mut self,
        expr: &Expr,
        name: &str,
        args: &[Expr],
        expected: Option<Expected<'_>>,
    ) -> Typed {
        match (name, args) {
            ("optional.none", []) => {
                Typed::new(Node::Const(Val::Absent), Type::Optional(Box::new(Type::Open)))
            }
            ("optional.of", [value]) => {
                let typed = self.check(value, expected);
                Typed::new(typed.node, Type::Optional(Box::new(typed.ty)))
            }
            ("optional.ofNonZeroValue", [value]) => {
                let typed = self.check(value, expected);
                Typed::new(
                    Node::NonZero(typed.node.boxed()),
                    Type::Optional(Box::new(typed.ty)),
                )
            }
            _ => {
                self.refuse(
                    expr.mark,
                    format!("`{name}` has other arguments"),
                    Some("optional.of(x), optional.none()"),
                );
                Typed::error()
            }
        }
    }

    /// `a.?b.orValue(x)` and its like; `None`: it is none of them.
    pub(super) fn optional_method(
        &mut self,
        expr: &Expr,
        target: &Expr,
        name: &str,
        args: &[Expr],
        expected: Option<Expected<'_>>,
    ) -> Option<Typed> {
        if !matches!(
            (name, args),
            ("orValue" | "or", [_]) | ("hasValue" | "value", []) | ("optMap" | "optFlatMap", [_, _])
        ) {
            return None;
        }
        let of = self.check(target, expected);
        let inner = match of.ty {
            Type::Error => return Some(Typed::error()),
            Type::Optional(inner) => *inner,
            Type::Any => Type::Any,
            other => {
                let what = format!("is {other}, but `{name}` goes behind an optional");
                self.refuse(
                    target.span,
                    what,
                    Some("`this.?field` reads a field as an optional"),
                );
                return Some(Typed::error());
            }
        };
        if let ("optMap" | "optFlatMap", [variable, body]) = (name, args) {
            return Some(self.optional_map(name, (of.node, inner), variable, body));
        }
        let node = of.node.boxed();
        Some(match (name, args) {
            ("hasValue", _) => Typed::new(Node::HasValue(node), Type::Bool),
            ("value", _) => Typed::new(Node::Unwrap(node, expr.span), inner.settled()),
            (_, args) => {
                // `optional_method` was entered with one argument.
                let Some(arg) = args.first() else {
                    return Some(Typed::error());
                };
                let other_expected = Expected {
                    ty: &inner,
                    target: None,
                };
                let other = self.check(arg, expected.or(Some(other_expected)));
                let (other_ty, optional) = match other.ty {
                    Type::Optional(ty) if name == "or" => (*ty, true),
                    ty if name == "or" && ty != Type::Error => {
                        self.refuse(
                            arg.span,
                            format!("is {ty}, but `or` takes an optional"),
                            Some("orValue(..)"),
                        );
                        return Some(Typed::error());
                    }
                    ty => (ty, false),
                };
                let unlike = (inner.clone(), other_ty.clone());
                let Some(ty) = inner.join(other_ty) else {
                    let what = format!("is {}, but the optional before it holds {}", unlike.1, unlike.0);
                    self.refuse(arg.span, what, None);
                    return Some(Typed::error());
                };
                let sides = Box::new([*node, other.node]);
                if optional {
                    Typed::new(Node::Or2(sides), Type::Optional(Box::new(ty)))
                } else {
                    Typed::new(Node::OrValue(sides), ty)
                }
            }
        })
    }

    /// `optional.optMap(x, expression)`, `optional.optFlatMap(x, optional)`.
    fn optional_map(&mut self, name: &str, (of, held): (Node, Type), variable: &Expr, body: &Expr) -> Typed {
        let ExprKind::Ident(variable) = &variable.kind else {
            let what = format!("the first argument of `{name}` must be the variable's name");
            self.refuse(
                variable.span,
                what,
                Some(&format!("optional.{name}(x, expression with x)")),
            );
            return Typed::error();
        };
        self.with_local(variable, held.settled(), |checker, slot| {
            let typed = checker.check(body, None);
            let ty = match (name, typed.ty) {
                (_, Type::Error) => return Typed::error(),
                ("optMap", ty) => Type::Optional(Box::new(ty)),
                (_, ty @ (Type::Optional(_) | Type::Any)) => ty,
                (_, other) => {
                    let hint = "optMap makes an optional of the expression itself";
                    checker.refuse(
                        body.span,
                        format!("is {other}, but `optFlatMap` wants an optional"),
                        Some(hint),
                    );
                    return Typed::error();
                }
            };
            let node = Node::OptMap {
                of: of.boxed(),
                slot,
                body: typed.node.boxed(),
            };
            Typed::new(node, ty)
        })
    }
}
