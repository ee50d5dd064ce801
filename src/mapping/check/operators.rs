//! Operators: what may be compared, added, looked for.

use std::sync::Arc;

use trunkline_sdk::nearest;

use super::{Checker, Expected, Typed, listed};
use crate::mapping::{
    This,
    failure::Budget,
    functions::whole_number,
    operators::{arithmetic, compare, negate},
    plan::Node,
    syntax::{BinaryOp, Expr, ExprKind, Literal},
    types::Type,
    value::Val,
};

impl Checker<'_> {
    pub(super) fn binary(&mut self, expr: &Expr, op: BinaryOp, one: &Expr, two: &Expr) -> Typed {
        match op {
            BinaryOp::In => self.within(expr, one, two),
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Remainder => self.arithmetic(expr, op, one, two),
            _ => self.comparison(expr, op, one, two),
        }
    }

    pub(super) fn negated(&mut self, expr: &Expr, of: &Expr) -> Typed {
        let mut typed = self.check(of, None);
        if typed.ty == Type::Int {
            typed.node = self.declared_whole(typed.node, of);
        }
        let ty = match typed.ty {
            ty @ (Type::Int
            | Type::Double
            | Type::Number
            | Type::Duration
            | Type::Dyn
            | Type::Any
            | Type::Error) => ty,
            other => {
                let hint = (other == Type::Uint).then_some("int(..) makes an int of it");
                self.refuse(expr.mark, format!("`-` does not go before {other}"), hint);
                Type::Error
            }
        };
        let done = typed.node.constant().map(negate);
        let node = Node::Negate(typed.node.boxed(), expr.span);
        match done {
            Some(done) if ty != Type::Error => self.settled(done, node, ty, expr.span),
            _ => Typed::new(node, ty),
        }
    }

    /// Two sides of which one may be a literal word of the other's enum.
    fn sides(&mut self, one: &Expr, two: &Expr) -> (Typed, Typed) {
        if is_text(one) && !is_text(two) {
            let two = self.check(two, None);
            let one = self.check(one, Some(wanting(&two.ty)));
            return (one, two);
        }
        let one = self.check(one, None);
        let two = self.check(two, Some(wanting(&one.ty)));
        (one, two)
    }

    /// A declared text compares with one of its words only.
    fn check_words(&mut self, words: &Option<Arc<[String]>>, other: &Expr) {
        if let (Some(words), ExprKind::Literal(Literal::Text(text))) = (words, &other.kind)
            && !words.contains(text)
        {
            let known = || words.iter().map(String::as_str);
            let hint = match nearest(text, known()) {
                Some(near) => format!("did you mean `{near}`? declared: {}", listed(known())),
                None => format!("declared: {}", listed(known())),
            };
            let what = format!("the record never has `{text}` here, by its schema");
            self.refuse(other.span, what, Some(&hint));
        }
    }

    fn comparison(&mut self, expr: &Expr, op: BinaryOp, one: &Expr, two: &Expr) -> Typed {
        let (left, right) = self.sides(one, two);
        let sides = Box::new([left.node, right.node]);
        let equality = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual);
        let allowed = if equality {
            self.check_words(&left.words, two);
            self.check_words(&right.words, one);
            comparable(&left.ty, &right.ty)
                || (left.nullable && right.ty == Type::Null)
                || (right.nullable && left.ty == Type::Null)
        } else {
            ordered(&left.ty, &right.ty)
        };
        if !allowed {
            let hint = hint_for_comparison(&left.ty, &right.ty, equality);
            let what = format!("`{}` cannot compare {} with {}", op.sign(), left.ty, right.ty);
            self.refuse(expr.mark, what, hint.as_deref());
        }
        let known = sides[0].constant().zip(sides[1].constant()).filter(|_| allowed);
        let done = known.map(|(one, two)| compare(op, one, two, &mut Budget::new()).map(Val::Bool));
        let node = Node::Compare(op, sides, expr.span);
        match done {
            Some(done) => self.settled(done, node, Type::Bool, expr.span),
            None => Typed::new(node, Type::Bool),
        }
    }

    fn within(&mut self, expr: &Expr, one: &Expr, two: &Expr) -> Typed {
        let (left, right) = if is_text(one) {
            let right = self.check(two, None);
            let item = match &right.ty {
                Type::List(item) => (**item).clone(),
                _ => Type::Dyn,
            };
            (self.check(one, Some(wanting(&item))), right)
        } else {
            let left = self.check(one, None);
            let list = Type::list(left.ty.clone());
            let right = self.check(two, Some(wanting(&list)));
            (left, right)
        };
        let allowed = match &right.ty {
            Type::Error | Type::Dyn | Type::Any => true,
            Type::List(item) => comparable(&left.ty, item),
            Type::Map(key, _) => comparable(&left.ty, key),
            Type::Object(_) => comparable(&left.ty, &Type::Text),
            _ => false,
        };
        if !allowed {
            let (what, hint) = match &right.ty {
                Type::List(_) | Type::Map(..) => (
                    format!("`in` cannot look for {} in {}", left.ty, right.ty),
                    hint_for_comparison(&left.ty, &right.ty, true),
                ),
                Type::Text => (
                    "`in` looks in a list or a map, not in string".to_owned(),
                    Some("text.contains(part)".to_owned()),
                ),
                other => (format!("`in` looks in a list or a map, not in {other}"), None),
            };
            self.refuse(expr.mark, what, hint.as_deref());
        }
        Typed::new(Node::In(Box::new([left.node, right.node]), expr.span), Type::Bool)
    }

    fn arithmetic(&mut self, expr: &Expr, op: BinaryOp, one: &Expr, two: &Expr) -> Typed {
        let left = self.check(one, None);
        let right = self.check(two, None);
        let ty = match result(op, &left.ty, &right.ty) {
            Some(ty) => ty,
            None => {
                let what = format!("`{}` does not go between {} and {}", op.sign(), left.ty, right.ty);
                let hint = hint_for_arithmetic(op, &left.ty, &right.ty);
                self.refuse(expr.mark, what, hint);
                Type::Error
            }
        };
        let whole = left.ty.is_integer() && right.ty.is_integer();
        let [left, right] = [(left.node, one), (right.node, two)].map(|(node, side)| match whole {
            true => self.declared_whole(node, side),
            false => node,
        });
        let known = left.constant().zip(right.constant());
        let known = known.filter(|_| ty != Type::Error);
        let done = known.map(|(one, two)| arithmetic(op, one.clone(), two.clone(), &mut Budget::new()));
        let node = Node::Arithmetic(op, Box::new([left, right]), expr.span);
        match done {
            Some(done) => self.settled(done, node, ty, expr.span),
            None => Typed::new(node, ty),
        }
    }

    /// What a schema declares to be whole is reckoned with as the int that it is, not as a record's number.
    fn declared_whole(&self, node: Node, expr: &Expr) -> Node {
        match (&self.environment.this, &node) {
            (_, Node::Const(_)) | (This::Message(_) | This::Record, _) => node,
            (This::Declared(_), _) => Node::Call {
                run: whole_number,
                args: vec![node],
                kind: None,
                at: expr.span,
            },
        }
    }
}

fn wanting(ty: &Type) -> Expected<'_> {
    Expected { ty, target: None }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Literal::Text(_)))
}

/// Whether `==` makes sense between the two: it must be able to give true.
pub(super) fn comparable(one: &Type, two: &Type) -> bool {
    match (one, two) {
        (Type::Error, _) | (_, Type::Error) => true,
        (Type::Any | Type::Open, _) | (_, Type::Any | Type::Open) => true,
        (Type::Optional(one), Type::Optional(two)) => comparable(one, two),
        (Type::Optional(_), _) | (_, Type::Optional(_)) => false,
        (Type::Dyn, other) | (other, Type::Dyn) => other.in_records(),
        (Type::Null, other) | (other, Type::Null) => *other == Type::Null,
        (Type::List(one), Type::List(two)) => comparable(one, two),
        (Type::Object(_), Type::Object(_) | Type::Map(..)) | (Type::Map(..), Type::Object(_)) => true,
        (Type::Map(key, one), Type::Map(other, two)) => comparable(key, other) && comparable(one, two),
        (Type::Enum(_), other) | (other, Type::Enum(_)) if other.is_number() => true,
        (one, two) => one == two || (one.is_number() && two.is_number()),
    }
}

/// Whether `<` makes sense between the two.
fn ordered(one: &Type, two: &Type) -> bool {
    let single = |ty: &Type| {
        matches!(
            ty,
            Type::Bool | Type::Text | Type::Bytes | Type::Timestamp | Type::Duration
        ) || ty.is_number()
            || matches!(ty, Type::Enum(_))
    };
    match (one, two) {
        (Type::Error, _) | (_, Type::Error) => true,
        (Type::Any, other) | (other, Type::Any) => matches!(other, Type::Any | Type::Dyn) || single(other),
        (Type::Dyn, Type::Dyn) => true,
        (Type::Dyn, other) | (other, Type::Dyn) => single(other) && other.in_records(),
        (Type::Enum(_), other) | (other, Type::Enum(_)) => {
            other.is_number() || matches!(other, Type::Enum(_))
        }
        (one, two) => single(one) && (one == two || (one.is_number() && two.is_number())),
    }
}

fn hint_for_comparison(one: &Type, two: &Type, equality: bool) -> Option<String> {
    let hint = match (one, two) {
        (Type::Optional(_), _) | (_, Type::Optional(_)) => {
            "orValue(..) says what counts where nothing is there"
        }
        (Type::Message(_), Type::Null) | (Type::Null, Type::Message(_)) => "whether a field is set: has(..)",
        (Type::Message(message), _) | (_, Type::Message(message)) => {
            return if message.full_name() == "google.type.Money" {
                Some("compare `.units`".to_owned())
            } else {
                Some("compare one of its fields".to_owned())
            };
        }
        (Type::Enum(_), _) | (_, Type::Enum(_)) if equality => {
            "an enum compares with a word of its own, written as a text"
        }
        (Type::Enum(_), _) | (_, Type::Enum(_)) => "the number of an enum: int(..)",
        (Type::Timestamp, _) | (_, Type::Timestamp) => "timestamp(..) makes an instant of a text",
        (Type::Duration, _) | (_, Type::Duration) => "duration(..) makes a duration of a text",
        (Type::Text, other) | (other, Type::Text) if other.is_number() => {
            "int(..) or string(..) makes them alike"
        }
        (_, Type::Null) | (Type::Null, _) => "whether something is there: has(..)",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn result(op: BinaryOp, one: &Type, two: &Type) -> Option<Type> {
    use BinaryOp::{Add, Remainder, Subtract};
    Some(match (one, two) {
        (Type::Error, _) | (_, Type::Error) => Type::Error,
        (Type::Any, _) | (_, Type::Any) => Type::Any,
        (Type::Enum(_), other) => return result(op, &Type::Int, other),
        (one, Type::Enum(_)) => return result(op, one, &Type::Int),
        (Type::Dyn, Type::Dyn) => Type::Dyn,
        (Type::Dyn, other) | (other, Type::Dyn) => match other {
            Type::Int | Type::Uint => Type::Dyn,
            Type::Double if op != Remainder => Type::Number,
            Type::Number => Type::Number,
            Type::Text if op == Add => Type::Text,
            Type::Bytes if op == Add => Type::Bytes,
            Type::List(_) if op == Add => Type::list(Type::Dyn),
            _ => return None,
        },
        (Type::Uint, Type::Uint) => Type::Uint,
        (one, two) if one.is_integer() && two.is_integer() => Type::Int,
        (Type::Number, Type::Double) | (Type::Double, Type::Number) if op != Remainder => Type::Number,
        (Type::Number, other) | (other, Type::Number) if other.is_number() && *other != Type::Double => {
            Type::Number
        }
        (Type::Double, Type::Double) if op != Remainder => Type::Double,
        (Type::Text, Type::Text) if op == Add => Type::Text,
        (Type::Bytes, Type::Bytes) if op == Add => Type::Bytes,
        (Type::List(_), Type::List(_)) if op == Add => return one.clone().join(two.clone()),
        (Type::Timestamp, Type::Duration) if matches!(op, Add | Subtract) => Type::Timestamp,
        (Type::Duration, Type::Timestamp) if op == Add => Type::Timestamp,
        (Type::Timestamp, Type::Timestamp) if op == Subtract => Type::Duration,
        (Type::Duration, Type::Duration) if matches!(op, Add | Subtract) => Type::Duration,
        _ => return None,
    })
}

fn hint_for_arithmetic(op: BinaryOp, one: &Type, two: &Type) -> Option<&'static str> {
    match (one, two) {
        (Type::Optional(_), _) | (_, Type::Optional(_)) => {
            Some("orValue(..) says what counts where nothing is there")
        }
        (Type::Text, other) | (other, Type::Text) if op == BinaryOp::Add && other.is_single() => {
            Some("string(..) makes a text of it")
        }
        (Type::Double, other) | (other, Type::Double) if other.is_number() => {
            Some("double(..) makes a double of a whole number, int(..) the reverse")
        }
        (Type::Message(_), _) | (_, Type::Message(_)) => Some("reckon with its fields"),
        _ => None,
    }
}
