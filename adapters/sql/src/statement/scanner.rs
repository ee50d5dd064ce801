//! Walks over the text of a statement, and tells what it passes: words, literals, comments, parameters.
//!
//! Promises: what stands in a literal, a quoted name or a comment is no parameter; any text is walked to its end.
//! Every byte that means something here is ASCII.

use super::Dialect;

/// A place in a text, and whose grammar holds there.
pub(super) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    dialect: Dialect,
    at: usize,
}

/// What was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// White space or a comment.
    Blank,
    /// `;`
    Semicolon,
    /// `:name`, `:name.within`.
    Parameter,
    /// A parameter in a notation that names no field.
    Foreign(&'static str),
    /// Something that never ends.
    Unended(&'static str),
    /// Everything else, a word or a literal or a sign.
    Text,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str, dialect: Dialect) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            dialect,
            at: 0,
        }
    }

    /// Where the next piece begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes one piece; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Piece> {
        use Dialect::{MariaDb, Postgres, Sqlite};
        let byte = *self.bytes.get(self.at)?;
        let follower = self.bytes.get(self.at + 1).copied();
        Some(match (byte, self.dialect) {
            _ if byte.is_ascii_whitespace() => self.pass(1, Piece::Blank),
            // Elsewhere than in MariaDB `--1` is a comment, too.
            (b'-', dialect)
                if self.follows("--")
                    && (dialect != MariaDb
                        || self.bytes.get(self.at + 2).is_none_or(|byte| *byte <= b' ')) =>
            {
                self.line()
            }
            (b'#', MariaDb) => self.line(),
            (b'/', _) if follower == Some(b'*') => self.comment(),
            (b';', _) => self.pass(1, Piece::Semicolon),
            (b'\'', dialect) => self.quoted(b'\'', dialect == MariaDb, LITERAL),
            (b'"', MariaDb) => self.quoted(b'"', true, LITERAL),
            (b'"', _) => self.quoted(b'"', false, NAME),
            (b'`', Sqlite | MariaDb) => self.quoted(b'`', false, NAME),
            (b'[', Sqlite) => self.bracketed(),
            (b'e' | b'E', Postgres) if follower == Some(b'\'') => {
                self.at += 1;
                self.quoted(b'\'', true, LITERAL)
            }
            (b'$', _) => self.dollar(),
            (b':', _) => self.colon(),
            (b'?', Sqlite | MariaDb) | (b'@', Sqlite) => self.pass(
                1,
                Piece::Foreign("`?` and `@` parameters have no name that a message knows"),
            ),
            _ if is_word_start(byte) => self.word(),
            _ => self.pass(1, Piece::Text),
        })
    }

    fn pass(&mut self, length: usize, piece: Piece) -> Piece {
        self.at += length;
        piece
    }

    fn follows(&self, word: &str) -> bool {
        self.bytes[self.at..].starts_with(word.as_bytes())
    }

    /// The rest of the text is inside something that never ends.
    fn unended(&mut self, what: &'static str) -> Piece {
        self.at = self.bytes.len();
        Piece::Unended(what)
    }

    fn line(&mut self) -> Piece {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.pass(length, Piece::Blank)
    }

    fn comment(&mut self) -> Piece {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            // Only PostgreSQL's comments nest.
            if self.follows("/*") && (depth == 0 || self.dialect == Dialect::Postgres) {
                depth += 1;
                self.at += 2;
            } else if self.follows("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Piece::Blank;
                }
            } else {
                self.at += 1;
            }
        }
        self.unended("a comment is not closed")
    }

    /// A doubled quote inside is one quote of the content, and so needs no case of its own: it ends one quoted
    /// piece and begins the next.
    fn quoted(&mut self, quote: u8, escapes: bool, what: &'static str) -> Piece {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if byte == quote {
                // Behind E'…'' the escapes go on.
                if escapes && self.bytes.get(self.at) == Some(&quote) {
                    self.at += 1;
                    continue;
                }
                return Piece::Text;
            }
            if escapes && byte == b'\\' {
                self.at += 1;
            }
        }
        self.unended(what)
    }

    fn bracketed(&mut self) -> Piece {
        match self.bytes[self.at..].iter().position(|byte| *byte == b']') {
            Some(length) => self.pass(length + 1, Piece::Text),
            None => self.unended(NAME),
        }
    }

    fn word(&mut self) -> Piece {
        // `$` may stand inside a name in PostgreSQL and MariaDB, where it then opens no dollar quote.
        let is_in_it = |byte: &&u8| is_word(**byte) || **byte == b'$';
        let length = self.bytes[self.at..].iter().take_while(is_in_it).count();
        self.pass(length, Piece::Text)
    }

    /// `$$ … $$`, `$tag$ … $tag$`; `$1` belongs to us.
    fn dollar(&mut self) -> Piece {
        let start = self.at;
        let rest = &self.text[start + 1..];
        let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
        let is_quote = self.dialect == Dialect::Postgres
            && rest.as_bytes().get(length) == Some(&b'$')
            && !rest.as_bytes()[0].is_ascii_digit();
        if is_quote {
            let tag = &self.text[start..start + length + 2];
            let inside = start + tag.len();
            return match self.text[inside..].find(tag) {
                Some(found) => self.pass(2 * tag.len() + found, Piece::Text),
                None => self.unended("a dollar-quoted text is not closed"),
            };
        }
        let piece = match length {
            0 => Piece::Text,
            _ => Piece::Foreign("`$` parameters have no name that a message knows"),
        };
        self.pass(1 + length, piece)
    }

    fn colon(&mut self) -> Piece {
        if self.follows("::") || self.follows(":=") {
            return self.pass(2, Piece::Text);
        }
        self.at += 1;
        let begins_word =
            |scanner: &Self, at: usize| scanner.bytes.get(at).is_some_and(|byte| is_word_start(*byte));
        if !begins_word(self, self.at) {
            return Piece::Text;
        }
        loop {
            while self.bytes.get(self.at).is_some_and(|byte| is_word(*byte)) {
                self.at += 1;
            }
            if self.bytes.get(self.at) != Some(&b'.') || !begins_word(self, self.at + 1) {
                return Piece::Parameter;
            }
            self.at += 1;
        }
    }
}

const LITERAL: &str = "a text literal is not closed";
const NAME: &str = "a quoted name is not closed";

pub(super) fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

pub(super) fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}
