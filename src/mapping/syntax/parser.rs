//! Tokens to tree, by CEL's grammar; after a problem it goes on behind the next comma or closing bracket.

use trunkline_sdk::Problem;

use super::{
    BinaryOp, Entry, Expr, ExprKind, FieldSet, Item, Literal, MAX_HEIGHT,
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
            let what = format!("{} cannot follow the expression before it", parser.found());
            parser.refuse(
                parser.here(),
                &what,
                Some("an operator or a comma may be missing"),
            );
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
struct Stumbled;

type Parsed = Result<Expr, Stumbled>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Binary(BinaryOp),
}

struct Parser<'s> {
    source: &'s Source,
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: u16,
    problems: Vec<Problem>,
}

const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

impl Parser<'_> {
    fn token(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn here(&self) -> Span {
        self.tokens[self.at].1
    }

    fn before(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.token(), Token::Sign(found) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    fn found(&self) -> String {
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

    fn refuse(&mut self, span: Span, what: &str, hint: Option<&str>) {
        let problem = Problem::new(&self.source.place(span), what);
        self.problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }

    fn too_deep(&mut self, span: Span) {
        self.refuse(
            span,
            &format!("the expression nests more than {MAX_HEIGHT} deep"),
            Some("write a shorter one"),
        );
    }

    fn expect(&mut self, sign: &str, opened: Option<(&str, Span)>) -> Result<(), Stumbled> {
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
    fn recover(&mut self, close: &str) {
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

    fn expression(&mut self) -> Parsed {
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

    fn member(&mut self) -> Parsed {
        let mut operand = self.primary()?;
        loop {
            let span = operand.span;
            let height = operand.height;
            if height > MAX_HEIGHT {
                self.too_deep(operand.mark);
                self.at = self.tokens.len() - 1;
                return Err(Stumbled);
            }
            if self.take(".") {
                let optional = self.take("?");
                let mark = self.here();
                let (field, quoted) = match self.token() {
                    Token::Word(word) => (word.clone(), false),
                    Token::Quoted(word) => (word.clone(), true),
                    // `in` may be a field behind a dot in no grammar, but `this.in` says what is meant.
                    _ => {
                        let what = format!("a field or function must follow `.`, found {}", self.found());
                        self.refuse(mark, &what, Some("a field with other characters: this[\"a-b\"]"));
                        return Err(Stumbled);
                    }
                };
                self.advance();
                if !optional && !quoted && self.is("(") {
                    let args = self.arguments()?;
                    let height = args.iter().map(|arg| arg.height).fold(height, u16::max);
                    let kind = ExprKind::Call {
                        target: Some(Box::new(operand)),
                        name: field,
                        args,
                    };
                    operand = self.made(span, mark, height, kind);
                } else if !optional && self.is("{") && self.is_type_name(&operand) {
                    operand = self.message(operand, &field)?;
                } else {
                    let kind = ExprKind::Select {
                        operand: Box::new(operand),
                        field,
                        optional,
                    };
                    operand = self.made(span, mark, height, kind);
                }
            } else if self.is("[") {
                let open = self.here();
                self.advance();
                let optional = self.take("?");
                let index = self.expression()?;
                self.expect("]", Some(("[", open)))?;
                let height = height.max(index.height);
                let mark = index.span;
                let kind = ExprKind::Index {
                    operand: Box::new(operand),
                    index: Box::new(index),
                    optional,
                };
                operand = self.made(span, mark, height, kind);
            } else {
                return Ok(operand);
            }
        }
    }

    fn is_type_name(&self, operand: &Expr) -> bool {
        let mut part = operand;
        loop {
            match &part.kind {
                ExprKind::Ident(_) => return true,
                ExprKind::Select {
                    operand,
                    optional: false,
                    ..
                } => part = operand,
                _ => return false,
            }
        }
    }

    fn message(&mut self, operand: Expr, last: &str) -> Parsed {
        let start = operand.span;
        let mut parts = vec![last.to_owned()];
        let mut part = operand;
        loop {
            match part.kind {
                ExprKind::Ident(name) => {
                    parts.push(name);
                    break;
                }
                ExprKind::Select { operand, field, .. } => {
                    parts.push(field);
                    part = *operand;
                }
                _ => break,
            }
        }
        parts.reverse();
        self.message_literal(start.to(self.before()), parts.join("."))
    }

    fn message_literal(&mut self, mark: Span, name: String) -> Parsed {
        let open = self.here();
        self.expect("{", None)?;
        let mut fields = Vec::new();
        let mut height = 0;
        self.sequence("}", ("{", open), |parser| {
            let optional = parser.take("?");
            let mark = parser.here();
            let name = match parser.token() {
                Token::Word(word) | Token::Quoted(word) => word.clone(),
                _ => {
                    let what = format!("a field name must stand here, found {}", parser.found());
                    parser.refuse(
                        mark,
                        &what,
                        Some("fields are set as `name: value`, with commas between"),
                    );
                    return Err(Stumbled);
                }
            };
            parser.advance();
            parser.expect(":", None)?;
            let value = parser.expression()?;
            height = height.max(value.height);
            fields.push(FieldSet {
                optional,
                name,
                mark,
                value,
            });
            Ok(())
        })?;
        Ok(self.made(mark, mark, height, ExprKind::Message { name, fields }))
    }

    /// Items with commas between (one may trail) up to `close`; goes on after a bad one.
    fn sequence(
        &mut self,
        close: &str,
        opened: (&str, Span),
        mut item: impl FnMut(&mut Self) -> Result<(), Stumbled>,
    ) -> Result<(), Stumbled> {
        let mut stumbled = false;
        while !self.is(close) && !matches!(self.token(), Token::End) {
            if item(self).is_err() {
                stumbled = true;
                self.recover(close);
            }
            if !self.take(",") && !self.is(close) {
                if !matches!(self.token(), Token::End) {
                    let what = format!("a comma or `{close}` is missing before {}", self.found());
                    self.refuse(self.here(), &what, None);
                    stumbled = true;
                    self.recover(close);
                    self.take(",");
                } else {
                    break;
                }
            }
        }
        if stumbled && matches!(self.token(), Token::End) {
            return Err(Stumbled);
        }
        self.expect(close, Some(opened))?;
        if stumbled { Err(Stumbled) } else { Ok(()) }
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, Stumbled> {
        let open = self.here();
        self.expect("(", None)?;
        let mut args = Vec::new();
        self.sequence(")", ("(", open), |parser| {
            args.push(parser.expression()?);
            Ok(())
        })?;
        Ok(args)
    }

    fn primary(&mut self) -> Parsed {
        let mark = self.here();
        match self.token().clone() {
            Token::Literal(literal) => {
                self.advance();
                Ok(self.made(mark, mark, 0, ExprKind::Literal(literal)))
            }
            Token::Word(word) => self.word(word, mark),
            Token::Sign(".") => {
                // `.a.b` names from the root; names here are from the root anyway.
                self.advance();
                self.primary()
            }
            Token::Sign("(") => {
                self.advance();
                let mut inner = self.expression()?;
                self.expect(")", Some(("(", mark)))?;
                inner.height += 1;
                Ok(inner)
            }
            Token::Sign("[") => {
                self.advance();
                let mut items = Vec::new();
                let mut height = 0;
                self.sequence("]", ("[", mark), |parser| {
                    let optional = parser.take("?");
                    let value = parser.expression()?;
                    height = height.max(value.height);
                    items.push(Item { optional, value });
                    Ok(())
                })?;
                Ok(self.made(mark, mark, height, ExprKind::List(items)))
            }
            Token::Sign("{") => {
                self.advance();
                let mut entries = Vec::new();
                let mut height = 0;
                self.sequence("}", ("{", mark), |parser| {
                    let optional = parser.take("?");
                    let key = parser.expression()?;
                    parser.expect(":", None)?;
                    let value = parser.expression()?;
                    height = height.max(key.height).max(value.height);
                    entries.push(Entry { optional, key, value });
                    Ok(())
                })?;
                Ok(self.made(mark, mark, height, ExprKind::Map(entries)))
            }
            _ => {
                let what = format!("a value must stand here, found {}", self.found());
                self.refuse(mark, &what, None);
                Err(Stumbled)
            }
        }
    }

    fn word(&mut self, word: String, mark: Span) -> Parsed {
        if RESERVED.contains(&word.as_str()) {
            let hint = match word.as_str() {
                "if" | "else" => Some("write `condition ? then : otherwise`"),
                "let" | "var" | "const" => Some("write `cel.bind(name, value, expression)`"),
                "for" | "while" | "loop" => Some("write `list.map(item, expression)`"),
                _ => None,
            };
            self.refuse(mark, &format!("`{word}` is a reserved word"), hint);
            return Err(Stumbled);
        }
        self.advance();
        if self.is("(") {
            let args = self.arguments()?;
            let height = args.iter().map(|arg| arg.height).max().unwrap_or(0);
            let kind = ExprKind::Call {
                target: None,
                name: word,
                args,
            };
            return Ok(self.made(mark, mark, height, kind));
        }
        if self.is("{") {
            return self.message_literal(mark, word);
        }
        Ok(self.made(mark, mark, 0, ExprKind::Ident(word)))
    }

    /// A node from `start` to the last token read; higher than its highest part.
    fn made(&self, start: Span, mark: Span, height: u16, kind: ExprKind) -> Expr {
        Expr {
            span: start.to(self.before()),
            mark,
            height: height.saturating_add(1),
            kind,
        }
    }
}
