//! The macros over lists, `cel.bind`, and optionals.

use super::{Checker, Expected, Typed, assign::fits};
use crate::mapping::{
    plan::{Loop, LoopKind, Node},
    syntax::{Expr, ExprKind},
    types::Type,
    value::Val,
};

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
            "map" => LoopKind::Map,
            "sortBy" => LoopKind::SortBy,
            _ => return None,
        };
        let range = self.check(target, None);
        let item = match &range.ty {
            Type::Error => Type::Error,
            Type::Dyn => Type::Dyn,
            Type::List(item) => (**item).clone(),
            Type::Map(key, _) => (**key).clone(),
            Type::Object(_) => Type::Text,
            other => {
                let hint = match other {
                    Type::Optional(_) => Some("orValue([]) gives an empty list where nothing is there"),
                    _ => None,
                };
                self.refuse(
                    target.span,
                    format!("`{name}` goes over a list, not over {other}"),
                    hint,
                );
                Type::Error
            }
        };
        let (variable, test, body) = match args {
            [variable, body] => (variable, None, body),
            [variable, test, body] if kind == LoopKind::Map => (variable, Some(test), body),
            _ => {
                let what = format!("`{name}` takes a variable and an expression");
                self.refuse(
                    expr.mark,
                    what,
                    Some(&format!("list.{name}(item, expression with item)")),
                );
                return Some(Typed::error());
            }
        };
        let ExprKind::Ident(variable) = &variable.kind else {
            let what = format!("the first argument of `{name}` must be the variable's name");
            self.refuse(
                variable.span,
                what,
                Some(&format!("list.{name}(item, expression with item)")),
            );
            return Some(Typed::error());
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
        Some(self.with_local(variable, item.clone(), |checker, slot| {
            let test = test.map(|test| checker.condition(test));
            let (body_node, ty) = match kind {
                LoopKind::Map => {
                    let mut typed = checker.check(body, wanted);
                    if let Some(Expected {
                        ty,
                        target: Some(target),
                    }) = wanted
                        && !matches!(typed.ty, Type::Optional(_))
                        && !fits(&typed.ty, ty)
                    {
                        checker.assign(&typed.ty, ty, &format!("an item of {target}"), body.span);
                        typed.ty = Type::Error;
                    }
                    (typed.node, Type::list(typed.ty))
                }
                LoopKind::SortBy => {
                    let typed = checker.check(body, None);
                    if !matches!(
                        typed.ty,
                        Type::Dyn | Type::Error | Type::Text | Type::Timestamp | Type::Duration | Type::Bool
                    ) && !typed.ty.is_number()
                    {
                        let what = format!("is {}, which stands in no order", typed.ty);
                        checker.refuse(body.span, what, None);
                    }
                    (typed.node, Type::list(item))
                }
                LoopKind::Filter => (checker.condition(body), Type::list(item)),
                _ => (checker.condition(body), Type::Bool),
            };
            let node = Loop {
                kind,
                range: range.node,
                slot,
                test,
                body: body_node,
                at: expr.span,
            };
            Typed::new(Node::Loop(Box::new(node)), ty)
        }))
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
                Typed::new(Node::Const(Val::Absent), Type::Optional(Box::new(Type::Null)))
            }
            ("optional.of", [value]) => {
                let typed = self.check(value, expected);
                Typed::new(typed.node, Type::Optional(Box::new(typed.ty)))
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
        if !matches!((name, args), ("orValue" | "or", [_]) | ("hasValue" | "value", [])) {
            return None;
        }
        let of = self.check(target, expected);
        let inner = match of.ty {
            Type::Error => return Some(Typed::error()),
            Type::Optional(inner) => *inner,
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
        let node = of.node.boxed();
        Some(match (name, args) {
            ("hasValue", _) => Typed::new(Node::HasValue(node), Type::Bool),
            ("value", _) => Typed::new(Node::Unwrap(node, expr.span), inner),
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
}
