//! Runs patterns over texts. The engine takes time in proportion to the text, whatever the pattern.

use super::{
    evaluate::Run,
    failure::Failure,
    functions::unfit,
    plan::{Evaluated, Finding, Pattern},
    value::{Text, Val},
};

impl<'a> Run<'a> {
    pub(super) fn find(&mut self, pattern: &'a Pattern) -> Evaluated<'a> {
        let text = match self.evaluate(&pattern.of)? {
            Val::Text(text) => text,
            other => return Err(unfit("text", &other).at(pattern.at)),
        };
        self.budget.bytes(8 * text.as_str().len())?;
        match &pattern.finding {
            Finding::Matches => Ok(Val::Bool(pattern.regex.is_match(text.as_str()))),
            Finding::Extract => Ok(self.parts(pattern, &text, 1)?.pop().unwrap_or(Val::Absent)),
            Finding::ExtractAll => Ok(Val::list(self.parts(pattern, &text, usize::MAX)?)),
            Finding::Replace { with, most } => {
                let with = match self.evaluate(with)? {
                    Val::Text(with) => with,
                    other => return Err(unfit("text", &other).at(pattern.at)),
                };
                let most = match most {
                    Some(most) => match self.evaluate(most)? {
                        Val::Int(most) => usize::try_from(most).unwrap_or(usize::MAX),
                        Val::Uint(most) => usize::try_from(most).unwrap_or(usize::MAX),
                        other => return Err(unfit("int", &other).at(pattern.at)),
                    },
                    None => usize::MAX,
                };
                self.replace(pattern, text, with.as_str(), most)
                    .map_err(|failure| failure.at(pattern.at))
            }
        }
    }

    /// What the pattern finds, or its group.
    fn parts(
        &mut self,
        pattern: &Pattern,
        text: &Text<'a>,
        most: usize,
    ) -> Result<Vec<Val<'a>>, Box<Failure>> {
        let mut parts = Vec::new();
        for found in pattern.regex.captures_iter(text.as_str()).take(most) {
            self.budget.steps(1)?;
            let group = usize::from(pattern.regex.captures_len() > 1);
            if let Some(found) = found.get(group) {
                parts.push(Val::Text(text.part(found.range())));
            }
        }
        Ok(parts)
    }

    fn replace(&mut self, pattern: &Pattern, text: Text<'a>, with: &str, most: usize) -> Evaluated<'a> {
        let pieces = pieces(with, pattern.regex.captures_len()).map_err(Failure::new)?;
        let whole = text.as_str();
        let (mut out, mut since) = (String::with_capacity(whole.len()), 0);
        for found in pattern.regex.captures_iter(whole).take(most) {
            let before = out.len();
            let range = found.get(0).map(|found| found.range()).unwrap_or_default();
            out.push_str(&whole[since..range.start]);
            for piece in &pieces {
                out.push_str(match piece {
                    Piece::Text(text) => text,
                    Piece::Group(group) => found.get(*group).map_or("", |part| part.as_str()),
                });
            }
            since = range.end;
            self.budget.steps(1)?;
            self.budget.bytes(out.len() - before)?;
        }
        if since == 0 && out.is_empty() {
            return Ok(Val::Text(text));
        }
        out.push_str(&whole[since..]);
        Ok(Val::text(out))
    }
}

/// A part of a replacement.
enum Piece<'w> {
    Text(&'w str),
    /// What a group of the pattern has found.
    Group(usize),
}

impl Finding {
    /// Whether the groups that a replacement names are those of the pattern.
    pub(super) fn check_replacement(with: &str, groups: usize) -> Result<(), String> {
        pieces(with, groups).map(drop)
    }
}

fn pieces(with: &str, groups: usize) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = with;
    while let Some(at) = rest.find('\\') {
        pieces.push(Piece::Text(&rest[..at]));
        let behind = &rest[at + 1..];
        let sign = behind.chars().next().unwrap_or(' ');
        match sign.to_digit(10).map(|group| group as usize) {
            Some(group) if group < groups => pieces.push(Piece::Group(group)),
            Some(group) => return Err(format!("the pattern has no group {group}")),
            None if sign == '\\' => pieces.push(Piece::Text("\\")),
            None => return Err("a backslash of the replacement stands before no group".to_owned()),
        }
        rest = &behind[sign.len_utf8()..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}
