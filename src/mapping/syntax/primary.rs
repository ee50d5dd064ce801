//! What operators stand between: literals, names, calls, fields, lists, maps and message literals.

use super::{
    Entry, Expr, ExprKind, FieldSet, Item, MAX_HEIGHT,
    lexer::Token,
    parser::{Parsed, Parser, Stumbled},
};
use crate::mapping::source::Span;

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
    pub(super) fn member(&mut self) -> Parsed {
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
}
