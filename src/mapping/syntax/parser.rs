//! Tokens to tree, by CEL's grammar; after a problem it goes on behind the next comma or closing bracket.

use trunkline_sdk::Problem;

use super::{
    BinaryOp, Expr, ExprKind, Literal, MAX_HEIGHT,
    lexer::{self, Token},
};
use crate::mapping::source::{Source, Span};

/// The tree of a text, or everything that is wrong with its form.
pub(crate) fn parse(source: &Source) -> Result<Expr, Vec<Problem>> {
    let (tokens, refused) = lexer::tokens(source.text());
    let mut parser = Parser {
        source,
        tokens,
        at: 0,
        depth: 0,
        problems: Vec::new(),
    };
    for refused in refused {
        let problem = Problem::new(&source.place(refused.span), refused.what);
        parser.problems.push(match refused.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }
    if parser.tokens.len() == 1 && parser.problems.is_empty() {
        parser.refuse(Span::default(), "there is no expression", None);
    }
    let lexed = parser.problems.len();
    let tree = parser.expression();
    if let Ok(tree) = &tree {
        if !matches!(parser.token(), Token::End) {
            let found = parser.found();
            let hint = match &*found {
                "`and`" => "CEL writes it `&&`",
                "`or`" => "CEL writes it `||`",
                _ => "an operator or a comma may be missing",
            };
            let what = format!("{found} cannot follow the expression before it");
            parser.refuse(parser.here(), &what, Some(hint));
        }
        if tree.height > MAX_HEIGHT {
            parser.too_deep(tree.span);
        }
    }
    // What the lexer refused leaves holes, over which the parser stumbles: tell only the first cause.
    if lexed > 0 {
        parser.problems.truncate(lexed);
    }
    match tree {
        Ok(tree) if parser.problems.is_empty() => Ok(tree),
        _ => Err(parser.problems),
    }
}

/// The problem was told; the caller goes on behind the next comma or bracket, or gives up too.
pub(super) struct Stumbled;

pub(super) type Parsed = Result<Expr, Stumbled>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Binary(BinaryOp),
}

pub(super) struct Parser<'s> {
    pub(super) source: &'s Source,
    pub(super) tokens: Vec<(Token, Span)>,
    pub(super) at: usize,
    pub(super) depth: u16,
    pub(super) problems: Vec<Problem>,
}

impl Parser<'_> {
    pub(super) fn token(&self) -> &Token {
        &self.tokens[self.at].0
    }

    pub(super) fn here(&self) -> Span {
        self.tokens[self.at].1
    }

    pub(super) fn before(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1
    }

    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.token(), Token::Sign(found) if *found == sign)
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn found(&self) -> String {
        let span = self.here();
        match self.token() {
            Token::End => "the end".to_owned(),
            Token::Literal(Literal::Text(_)) => "a text".to_owned(),
            _ => format!(
                "`{}`",
                &self.source.text()[span.start as usize..span.end as usize]
            ),
        }
    }

    pub(super) fn refuse(&mut self, span: Span, what: &str, hint: Option<&str>) {
        let problem = Problem::new(&self.source.place(span), what);
        self.problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }

    pub(super) fn too_deep(&mut self, span: Span) {
        self.refuse(
            span,
            &format!("the expression nests more than {MAX_HEIGHT} deep"),
            Some("write a shorter one"),
        );
    }

    pub(super) fn expect(&mut self, sign: &str, opened: Option<(&str, Span)>) -> Result<(), Stumbled> {
        if self.take(sign) {
            return Ok(());
        }
        let what = format!("`{sign}` is missing before {}", self.found());
        let hint = opened.map(|(open, span)| {
            let place = self.source.place(span);
            format!(
                "it closes the `{open}` at line {}, column {}",
                place.line, place.column
            )
        });
        self.refuse(self.here(), &what, hint.as_deref());
        Err(Stumbled)
    }

    /// Skips to the next `,` or to `close` of the list we are in; inner brackets are skipped whole.
    pub(super) fn recover(&mut self, close: &str) {
        let mut depth = 0_usize;
        loop {
            match self.token() {
                Token::End => return,
                Token::Sign("(" | "[" | "{") => depth += 1,
                Token::Sign(sign) if depth == 0 && (*sign == "," || *sign == close) => return,
                Token::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.advance();
        }
    }

    pub(super) fn expression(&mut self) -> Parsed {
        self.depth += 1;
        let parsed = if self.depth > MAX_HEIGHT {
            self.too_deep(self.here());
            // No sense in reading on: skip to the end.
            self.at = self.tokens.len() - 1;
            Err(Stumbled)
        } else {
            self.ternary()
        };
        self.depth -= 1;
        parsed
    }

    #[inline]
    fn ternary(&mut self) -> Parsed {
        let condition = self.operators(0)?;
        let mark = self.here();
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.operators(0)?;
        self.expect(":", None)?;
        let no = self.expression()?;
        let height = condition.height.max(yes.height).max(no.height);
        let span = condition.span;
        let kind = ExprKind::Ternary(Box::new(condition), Box::new(yes), Box::new(no));
        Ok(self.made(span, mark, height, kind))
    }

    /// Operators of at least this rank, from the left. `&&` and `||` make flat lists.
    fn operators(&mut self, least: u8) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let Some((rank, op)) = self.operator().filter(|(rank, _)| *rank >= least) else {
                return Ok(left);
            };
            let mark = self.here();
            self.advance();
            let right = self.operators(rank + 1)?;
            let span = left.span;
            left = match (op, left.kind) {
                (Operator::Or, ExprKind::Or(terms)) => {
                    self.longer(span, left.mark, left.height, terms, right, op)
                }
                (Operator::And, ExprKind::And(terms)) => {
                    self.longer(span, left.mark, left.height, terms, right, op)
                }
                (op, kind) => {
                    let height = left.height.max(right.height);
                    let left = Expr { kind, ..left };
                    let kind = match op {
                        Operator::Or => ExprKind::Or(vec![left, right]),
                        Operator::And => ExprKind::And(vec![left, right]),
                        Operator::Binary(op) => ExprKind::Binary(op, Box::new(left), Box::new(right)),
                    };
                    self.made(span, mark, height, kind)
                }
            };
            if left.height > MAX_HEIGHT {
                self.too_deep(left.mark);
                self.at = self.tokens.len() - 1;
                return Err(Stumbled);
            }
        }
    }

    /// One more term in a flat list.
    fn longer(
        &self,
        span: Span,
        mark: Span,
        height: u16,
        mut terms: Vec<Expr>,
        term: Expr,
        op: Operator,
    ) -> Expr {
        let height = (height - 1).max(term.height);
        terms.push(term);
        let kind = match op {
            Operator::Or => ExprKind::Or(terms),
            _ => ExprKind::And(terms),
        };
        self.made(span, mark, height, kind)
    }

    /// The operator that stands here, with its rank.
    fn operator(&self) -> Option<(u8, Operator)> {
        let Token::Sign(sign) = self.token() else {
            return None;
        };
        Some(match *sign {
            "||" => (1, Operator::Or),
            "&&" => (2, Operator::And),
            "==" => (3, Operator::Binary(BinaryOp::Equal)),
            "!=" => (3, Operator::Binary(BinaryOp::NotEqual)),
            "<" => (3, Operator::Binary(BinaryOp::Less)),
            "<=" => (3, Operator::Binary(BinaryOp::LessEqual)),
            ">" => (3, Operator::Binary(BinaryOp::Greater)),
            ">=" => (3, Operator::Binary(BinaryOp::GreaterEqual)),
            "in" => (3, Operator::Binary(BinaryOp::In)),
            "+" => (4, Operator::Binary(BinaryOp::Add)),
            "-" => (4, Operator::Binary(BinaryOp::Subtract)),
            "*" => (5, Operator::Binary(BinaryOp::Multiply)),
            "/" => (5, Operator::Binary(BinaryOp::Divide)),
            "%" => (5, Operator::Binary(BinaryOp::Remainder)),
            _ => return None,
        })
    }

    fn unary(&mut self) -> Parsed {
        let mark = self.here();
        if !(self.is("!") || self.is("-")) {
            return self.member();
        }
        let negate = self.is("-");
        let mut times = 0_usize;
        while self.take(if negate { "-" } else { "!" }) {
            times += 1;
        }
        let operand = self.member()?;
        if negate && times % 2 == 1 {
            let folded = match &operand.kind {
                // The lexer reads the digits of the least int as that itself; once negated it has no opposite.
                ExprKind::Literal(Literal::Int(i64::MIN)) if !self.is_digit(operand.span) => None,
                ExprKind::Literal(Literal::Int(number)) => Some(Literal::Int(number.wrapping_neg())),
                ExprKind::Literal(Literal::Double(number, digits)) => {
                    Some(Literal::Double(-number, format!("-{digits}")))
                }
                _ => None,
            };
            if let Some(literal) = folded {
                return Ok(self.made(mark, mark, 0, ExprKind::Literal(literal)));
            }
        }
        let height = operand.height;
        let kind = match (negate, times % 2) {
            (true, 1) => ExprKind::Negate(Box::new(operand)),
            (false, 1) => ExprKind::Not(Box::new(operand)),
            // Twice is not at all, but the operand must still be a bool or a number.
            (true, _) => {
                let inner = self.made(mark, mark, height, ExprKind::Negate(Box::new(operand)));
                ExprKind::Negate(Box::new(inner))
            }
            (false, _) => {
                let inner = self.made(mark, mark, height, ExprKind::Not(Box::new(operand)));
                ExprKind::Not(Box::new(inner))
            }
        };
        Ok(self.made(mark, mark, height + 1, kind))
    }

    fn is_digit(&self, at: Span) -> bool {
        let first = self.source.text().as_bytes().get(at.start as usize);
        first.is_some_and(u8::is_ascii_digit)
    }

    /// A node from `start` to the last token read; higher than its highest part.
    pub(super) fn made(&self, start: Span, mark: Span, height: u16, kind: ExprKind) -> Expr {
        Expr {
            span: start.to(self.before()),
            mark,
            height: height.saturating_add(1),
            kind,
        }
    }
}
