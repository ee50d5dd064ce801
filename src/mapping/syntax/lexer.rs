//! Text to tokens: CEL's literals, words, signs and `//` comments.

use super::Literal;
use crate::mapping::source::Span;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Literal(Literal),
    /// Digits too large for any integer, or another literal that is none; the problem was told.
    Word(String),
    /// `` `a-b` `` behind a dot.
    Quoted(String),
    Sign(&'static str),
    End,
}

/// Something in the text that is no token.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) span: Span,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

const SIGNS: [&str; 27] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ",", ".", "(", ")",
    "[", "]", "{", "}", "=", "&", "|",
];

/// All tokens with their spans; the last one is `End`.
pub(super) fn tokens(text: &str) -> (Vec<(Token, Span)>, Vec<Refused>) {
    let mut lexer = Lexer {
        text,
        at: 0,
        refused: Vec::new(),
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        if start >= text.len() {
            tokens.push((Token::End, span(start, start)));
            return (tokens, lexer.refused);
        }
        if let Some(token) = lexer.token() {
            tokens.push((token, span(start, lexer.at)));
        }
    }
}

fn span(start: usize, end: usize) -> Span {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span {
        start: offset(start),
        end: offset(end),
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    refused: Vec<Refused>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len()
                - rest
                    .trim_start_matches([' ', '\t', '\r', '\n', '\u{c}', '\u{feff}'])
                    .len();
            self.at += blank;
            if !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn refuse(&mut self, start: usize, what: impl Into<String>, hint: Option<&str>) {
        self.refused.push(Refused {
            span: span(start, self.at),
            what: what.into(),
            hint: hint.map(str::to_owned),
        });
    }

    fn token(&mut self) -> Option<Token> {
        let first = self.peek(0);
        match first {
            b'"' | b'\'' => self.quoted(0, false, false),
            b'0'..=b'9' => Some(self.number()),
            b'.' if self.peek(1).is_ascii_digit() => Some(self.number()),
            b'`' => self.quoted_word(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let is_quote = |byte| byte == b'"' || byte == b'\'';
                let (one, two) = (first.to_ascii_lowercase(), self.peek(1).to_ascii_lowercase());
                match (one, two) {
                    (b'r', _) if is_quote(self.peek(1)) => self.quoted(1, false, true),
                    (b'b', _) if is_quote(self.peek(1)) => self.quoted(1, true, false),
                    (b'b', b'r') | (b'r', b'b') if is_quote(self.peek(2)) => self.quoted(2, true, true),
                    _ => Some(self.word()),
                }
            }
            _ => self.sign(),
        }
    }

    fn word(&mut self) -> Token {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let word = rest[..end].to_owned();
        self.at += end;
        match word.as_str() {
            "true" => Token::Literal(Literal::Bool(true)),
            "false" => Token::Literal(Literal::Bool(false)),
            "null" => Token::Literal(Literal::Null),
            "in" => Token::Sign("in"),
            _ => Token::Word(word),
        }
    }

    fn quoted_word(&mut self) -> Option<Token> {
        let start = self.at;
        self.at += 1;
        match self.rest().find('`') {
            Some(end) => {
                let word = self.rest()[..end].to_owned();
                self.at += end + 1;
                Some(Token::Quoted(word))
            }
            None => {
                self.at = self.text.len();
                self.refuse(start, "a name in backticks does not end", None);
                None
            }
        }
    }

    fn sign(&mut self) -> Option<Token> {
        let start = self.at;
        if let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            self.at += sign.len();
            let hint = match *sign {
                "=" => "to compare, write `==`; to set a field, `field: value`",
                "&" => "write `&&`",
                "|" => "write `||`",
                _ => return Some(Token::Sign(sign)),
            };
            self.refuse(start, format!("`{sign}` is no operator"), Some(hint));
            // Read on as if the right one stood there, so that one slip is one problem.
            return match *sign {
                "=" => Some(Token::Sign("==")),
                "&" => Some(Token::Sign("&&")),
                _ => Some(Token::Sign("||")),
            };
        }
        let stranger = self.rest().chars().next().unwrap_or(' ');
        self.at += stranger.len_utf8();
        let hint = matches!(stranger, '“' | '”' | '‘' | '’').then_some("texts stand between straight quotes");
        self.refuse(start, format!("`{stranger}` does not belong here"), hint);
        None
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        if self.peek(0) == b'0' && self.peek(1).eq_ignore_ascii_case(&b'x') {
            self.at += 2;
            self.at += count(self.rest(), |byte| byte.is_ascii_hexdigit());
            let digits = self.text[start + 2..self.at].to_owned();
            return self.integer(start, &digits, 16);
        }
        self.at += count(self.rest(), |byte| byte.is_ascii_digit());
        let mut double = false;
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            double = true;
            self.at += 1;
            self.at += count(self.rest(), |byte| byte.is_ascii_digit());
        }
        if self.peek(0).eq_ignore_ascii_case(&b'e') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                double = true;
                self.at += 1 + sign;
                self.at += count(self.rest(), |byte| byte.is_ascii_digit());
            }
        }
        let digits = self.text[start..self.at].to_owned();
        if double {
            let value = digits.parse().unwrap_or(f64::NAN);
            return Token::Literal(Literal::Double(value, digits));
        }
        self.integer(start, &digits, 10)
    }

    fn integer(&mut self, start: usize, digits: &str, radix: u32) -> Token {
        let unsigned = self.peek(0).eq_ignore_ascii_case(&b'u');
        let number = u64::from_str_radix(digits, radix);
        if unsigned {
            self.at += 1;
        }
        match number {
            Ok(number) if unsigned => Token::Literal(Literal::Uint(number)),
            // 2^63 is no int, but `-9223372036854775808` is: the parser of `-` looks for it.
            Ok(number) => match i64::try_from(number) {
                Ok(number) => Token::Literal(Literal::Int(number)),
                Err(_) if number == 1 << 63 && self.text[..start].ends_with('-') => {
                    Token::Literal(Literal::Int(i64::MIN))
                }
                Err(_) => {
                    self.refuse(
                        start,
                        "the number does not fit int",
                        Some("write `u` behind it for uint"),
                    );
                    Token::Literal(Literal::Int(0))
                }
            },
            Err(_) => {
                self.refuse(start, "the number fits neither int nor uint", None);
                Token::Literal(Literal::Int(0))
            }
        }
    }

    /// A text or bytes literal; `prefix` bytes stand before its quote.
    fn quoted(&mut self, prefix: usize, bytes: bool, raw: bool) -> Option<Token> {
        let start = self.at;
        self.at += prefix;
        let quote = char::from(self.peek(0));
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let long = self.rest().starts_with(&triple);
        self.at += if long { 3 } else { 1 };
        let mut out = Vec::new();
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else {
                self.refuse(start, "a text does not end", Some("its closing quote is missing"));
                return None;
            };
            if long && rest.starts_with(&triple) {
                self.at += 3;
                break;
            }
            if !long && next == quote {
                self.at += 1;
                break;
            }
            if !long && next == '\n' {
                self.refuse(
                    start,
                    "a text does not end on its line",
                    Some("its closing quote is missing; a text of several lines stands between `\"\"\"`"),
                );
                return None;
            }
            if next == '\\' && !raw {
                self.escape(&mut out, bytes);
                continue;
            }
            let mut buffer = [0; 4];
            out.extend_from_slice(next.encode_utf8(&mut buffer).as_bytes());
            self.at += next.len_utf8();
        }
        Some(Token::Literal(if bytes {
            Literal::Bytes(out)
        } else {
            Literal::Text(String::from_utf8_lossy(&out).into_owned())
        }))
    }

    fn escape(&mut self, out: &mut Vec<u8>, bytes: bool) {
        let start = self.at;
        let letter = self.text[self.at + 1..].chars().next().unwrap_or(' ');
        let simple = match letter {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' | '?' | '"' | '\'' | '`' => u8::try_from(letter).ok(),
            _ => None,
        };
        if let Some(byte) = simple {
            self.at += 2;
            out.push(byte);
            return;
        }
        let (skip, length, radix) = match letter {
            'x' | 'X' => (2, 2, 16),
            'u' if !bytes => (2, 4, 16),
            'U' if !bytes => (2, 8, 16),
            '0'..='3' => (1, 3, 8),
            _ => (0, 0, 0),
        };
        let digits = self
            .text
            .get(self.at + skip..self.at + skip + length)
            .unwrap_or("");
        let code = u32::from_str_radix(digits, radix.max(2)).ok();
        let known = length > 0 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match code {
            Some(code) if known && bytes => {
                self.at += skip + length;
                out.push(u8::try_from(code & 0xff).unwrap_or(0));
            }
            Some(code) if known && char::from_u32(code).is_some() => {
                self.at += skip + length;
                let mut buffer = [0; 4];
                let decoded = char::from_u32(code).unwrap_or(' ');
                out.extend_from_slice(decoded.encode_utf8(&mut buffer).as_bytes());
            }
            _ => {
                self.at += 1 + letter.len_utf8().min(self.text.len() - self.at - 1);
                self.refuse(
                    start,
                    format!("`\\{letter}` is no escape"),
                    Some("a backslash itself is `\\\\`; `r'..'` takes everything as it stands"),
                );
            }
        }
    }
}

fn count(text: &str, wanted: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| wanted(*byte)).count()
}
