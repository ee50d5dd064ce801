//! What a run looks up beside the message: code tables, cross-references; and money, which is written as it is made.

use super::{
    evaluate::{Run, constant},
    failure::Failure,
    functions::{self, Amount, encode_money},
    plan::{Evaluated, Lookup, Node, Xref},
    references::{Direction, Found, Reference},
    value::{Text, Val},
};

/// What stands for a reference that is not known yet; no id is such a text.
const PENDING: &str = "\u{0}pending";

impl<'a> Run<'a> {
    /// The cross-references that the run missed.
    pub(crate) fn needs(&mut self) -> Vec<Reference> {
        let mut missed = std::mem::take(&mut self.missed);
        missed.sort_unstable();
        missed.dedup();
        missed
    }

    pub(super) fn refer(&mut self, xref: &'a Xref) -> Evaluated<'a> {
        let id = match self.evaluate(&xref.id)? {
            Val::Text(id) => id,
            Val::Absent if xref.optional => return Ok(Val::Absent),
            other => {
                return Err(functions::unfit("id: it must be a text", &other)
                    .hint("string(..) makes one of a number"));
            }
        };
        // The answer to a reference that is not there yet is no key to ask for.
        if id.as_str() == PENDING {
            return Ok(Val::Text(Text::Borrowed(PENDING)));
        }
        let used = &xref.used;
        let reference = Reference {
            direction: used.direction,
            system: used.system.clone(),
            kind: used.kind.clone(),
            id: id.as_str().into(),
        };
        let (system, kind) = (&used.system, &used.kind);
        match self.references.and_then(|known| known.get(&reference)) {
            Some(Found::One(found)) => Ok(Val::Text(Text::Borrowed(found))),
            Some(Found::None) if xref.optional => Ok(Val::Absent),
            Some(Found::None) => Err(match used.direction {
                Direction::Identity => Failure::new(format!("no cross-reference for this {kind} of `{system}`"))
                    .hint(format!("add it with `trunkline xref set {system} {kind} ID IDENTITY`, then replay; xref.find(..) gives an optional")),
                Direction::Local => Failure::new(format!("`{system}` has no id for this {kind}"))
                    .hint(format!("add it with `trunkline xref set {system} {kind} ID IDENTITY`, then replay; xref.findTo(..) gives an optional")),
            }),
            Some(Found::Several) => Err(Failure::new(format!("`{system}` has several ids for this {kind}"))
                .hint("remove all but one with `trunkline xref remove`")),
            None => {
                self.budget.steps(1)?;
                self.missed.push(reference);
                Ok(Val::Text(Text::Borrowed(PENDING)))
            }
        }
    }

    pub(super) fn look_up(&mut self, lookup: &'a Lookup) -> Evaluated<'a> {
        let key = self.evaluate(&lookup.key)?;
        let digits;
        let code = match &key {
            Val::Text(text) => text.as_str(),
            Val::Number(digits) => digits.as_str(),
            Val::Int(number) => {
                digits = number.to_string();
                &digits
            }
            Val::Uint(number) => {
                digits = number.to_string();
                &digits
            }
            Val::Bool(true) => "true",
            Val::Bool(false) => "false",
            other => return Err(functions::unfit("code to look up", other).at(lookup.at)),
        };
        match lookup.values.get(code) {
            Some(value) => Ok(constant(value)),
            None => match &lookup.otherwise {
                Some(otherwise) => self.evaluate(otherwise),
                None => Err(
                    Failure::new(format!("the lookup table has no entry for {}", key.kind()))
                        .hint("add the code to the table, or give lookup(..) a third argument")
                        .at(lookup.at),
                ),
            },
        }
    }

    pub(crate) fn put_money(
        &mut self,
        amount: &'a Node,
        currency: &'a Node,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Failure>> {
        let amount = self.evaluate(amount)?;
        let currency = self.evaluate(currency)?;
        encode_money(out, Amount::of_value(&amount)?, &currency)
    }
}
