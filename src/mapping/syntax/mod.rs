//! The syntax of CEL: text to tree. What stands in the text, it keeps; what it means, `check` says.
//!
//! Macros (`has`, `map`, `exists` …) stay calls here, so that a problem can point at the word that was written.
//! Bounded: no tree is higher than [`MAX_HEIGHT`], whatever the text.

mod lexer;
mod macros;
mod parser;
mod primary;

pub(crate) use macros::{Macro, word};
pub(crate) use parser::parse;

use crate::mapping::source::Span;

/// How deep an expression may nest. Walking a tree of this height fits into a thread's stack.
pub(crate) const MAX_HEIGHT: u16 = 80;

/// An expression.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) span: Span,
    /// The word or operator to point at.
    pub(crate) mark: Span,
    pub(crate) height: u16,
    pub(crate) kind: ExprKind,
}

#[derive(Debug, Clone)]
pub(crate) enum ExprKind {
    Literal(Literal),
    Ident(String),
    Select {
        operand: Box<Expr>,
        field: String,
        optional: bool,
    },
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    Call {
        target: Option<Box<Expr>>,
        name: String,
        args: Vec<Expr>,
    },
    List(Vec<Item>),
    Map(Vec<Entry>),
    Message {
        name: String,
        fields: Vec<FieldSet>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a && b && c`, flat.
    And(Vec<Expr>),
    /// `a || b || c`, flat.
    Or(Vec<Expr>),
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// The value and the digits as written.
    Double(f64, String),
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) optional: bool,
    pub(crate) value: Expr,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) optional: bool,
    pub(crate) key: Expr,
    pub(crate) value: Expr,
}

#[derive(Debug, Clone)]
pub(crate) struct FieldSet {
    pub(crate) optional: bool,
    pub(crate) name: String,
    pub(crate) mark: Span,
    pub(crate) value: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl BinaryOp {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}
