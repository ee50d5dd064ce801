//! `matches` and `regex`: their patterns are literals, compiled once and within bounds. What they find takes time in
//! proportion to the text, whatever the pattern.

use regex::{Regex, RegexBuilder};

use super::{Checker, Typed};
use crate::mapping::{
    plan::{Finding, Node, Pattern},
    syntax::{Expr, ExprKind, Literal},
    types::Type,
};

/// How large a compiled pattern may be, in bytes.
const PATTERN_LIMIT: usize = 1 << 20;

impl Checker<'_> {
    pub(super) fn pattern_missing(&mut self, expr: &Expr, hint: &str) -> Typed {
        self.refuse(expr.mark, "`matches` takes one pattern", Some(hint));
        Typed::new(Node::This, Type::Bool)
    }

    pub(super) fn regex(&mut self, expr: &Expr, name: &str, args: &[Expr]) -> Typed {
        match (name, args) {
            ("extract" | "extractAll", [text, pattern]) => self.pattern(expr, name, text, pattern, &[]),
            ("replace", [text, pattern, rest @ ..]) if matches!(rest.len(), 1 | 2) => {
                self.pattern(expr, name, text, pattern, rest)
            }
            _ => {
                let hint = match name {
                    "replace" => "regex.replace(text, \"pattern\", replacement)",
                    _ => "regex.extract(text, \"pattern\")",
                };
                self.refuse(
                    expr.mark,
                    format!("`regex.{name}` has other arguments"),
                    Some(hint),
                );
                Typed::error()
            }
        }
    }

    pub(super) fn pattern(
        &mut self,
        expr: &Expr,
        name: &str,
        text: &Expr,
        pattern: &Expr,
        rest: &[Expr],
    ) -> Typed {
        let ty = match name {
            "matches" => Type::Bool,
            "extract" => Type::Optional(Box::new(Type::Text)),
            "extractAll" => Type::list(Type::Text),
            _ => Type::Text,
        };
        let of = self.check(text, None);
        if !matches!(of.ty, Type::Text | Type::Dyn | Type::Any | Type::Error) {
            let what = format!("is {}, but `{name}` takes string here", of.ty);
            self.refuse(text.span, what, None);
        }
        let ExprKind::Literal(Literal::Text(written)) = &pattern.kind else {
            let hint = "so that it is compiled once, and checked before it runs";
            let what = format!("the pattern of `{name}` must be a text literal");
            self.refuse(pattern.span, what, Some(hint));
            return Typed::new(Node::This, ty);
        };
        let regex = match RegexBuilder::new(written).size_limit(PATTERN_LIMIT).build() {
            Ok(regex) => regex,
            Err(error) => {
                let reason = error.to_string();
                let reason = reason
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ");
                let hint = Some("RE2 syntax, as CEL wants it");
                self.refuse(pattern.span, format!("is no pattern: {reason}"), hint);
                return Typed::new(Node::This, ty);
            }
        };
        if name.starts_with("extract") && regex.captures_len() > 2 {
            let hint = "write the others as `(?:…)`";
            self.refuse(
                pattern.span,
                format!("`regex.{name}` takes a pattern with one group at most"),
                Some(hint),
            );
        }
        let finding = match name {
            "matches" => Finding::Matches,
            "extract" => Finding::Extract,
            "extractAll" => Finding::ExtractAll,
            _ => self.replacement(&regex, rest),
        };
        let node = Pattern {
            of: of.node,
            regex,
            finding,
            at: expr.span,
        };
        Typed::new(Node::Pattern(Box::new(node)), ty)
    }

    fn replacement(&mut self, regex: &Regex, rest: &[Expr]) -> Finding {
        let mut nodes = Vec::with_capacity(rest.len());
        for (expr, wanted) in rest.iter().zip([Type::Text, Type::Int]) {
            let typed = self.check(expr, None);
            if typed.ty != wanted && !matches!(typed.ty, Type::Dyn | Type::Any | Type::Error) {
                let what = format!("is {}, but `regex.replace` takes {wanted} here", typed.ty);
                self.refuse(expr.span, what, None);
            }
            if let ExprKind::Literal(Literal::Text(text)) = &expr.kind
                && let Err(what) = Finding::check_replacement(text, regex.captures_len())
            {
                self.refuse(
                    expr.span,
                    what,
                    Some("`\\\\1` is the first group, `\\\\0` all that was found"),
                );
            }
            nodes.push(typed.node);
        }
        let mut nodes = nodes.into_iter();
        Finding::Replace {
            with: nodes.next().unwrap_or(Node::This),
            most: nodes.next(),
        }
    }
}
