//! Reads off an expression what its parts are made of.

use super::{Made, Part, computed};
use crate::mapping::{
    source::Source,
    syntax::{self, Expr, ExprKind, Literal, Macro, word},
};

/// What the parts of an expression are made of; `variables`: those that it stands among.
pub(super) fn made(source: &Source, variables: &[(String, Made)]) -> Made {
    // What was compiled can be parsed.
    let Ok(expr) = syntax::parse(source) else {
        return Made::Constant;
    };
    let mut reader = Reader {
        source,
        variables: variables.to_vec(),
    };
    reader.made(&expr)
}

struct Reader<'r> {
    source: &'r Source,
    variables: Vec<(String, Made)>,
}

impl Reader<'_> {
    fn made(&mut self, expr: &Expr) -> Made {
        match &expr.kind {
            ExprKind::Literal(_) => Made::Constant,
            ExprKind::Ident(name) => match self.variable(name) {
                Some(made) => made.clone(),
                None if name == "this" => Made::Copy(String::new()),
                // The name of an enum, or of a group of functions.
                None => Made::Constant,
            },
            ExprKind::Select { operand, field, .. } => match &operand.kind {
                ExprKind::Ident(name) if name == "attributes" && self.variable(name).is_none() => {
                    Made::Copy(format!("@{field}"))
                }
                _ => self.made(operand).member(field),
            },
            ExprKind::Index { operand, index, .. } => match (&operand.kind, &index.kind) {
                (ExprKind::Ident(name), ExprKind::Literal(Literal::Text(key)))
                    if name == "attributes" && self.variable(name).is_none() =>
                {
                    Made::Copy(format!("@{key}"))
                }
                (_, ExprKind::Literal(Literal::Text(key))) => self.made(operand).member(key),
                _ => {
                    let by = self.made(index).paths();
                    self.made(operand).item().decided_by(by)
                }
            },
            ExprKind::Call { target, name, args } => match Macro::of(expr) {
                Some(found) => self.each(found),
                None => self.call(target.as_deref(), name, args),
            },
            ExprKind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.made(&item.value)).collect();
                Made::List(Box::new(either(items)))
            }
            ExprKind::Map(entries) => {
                let parts = entries.iter().map(|entry| match &entry.key.kind {
                    ExprKind::Literal(Literal::Text(key)) => self.part(key, &entry.value),
                    _ => {
                        let by = self.made(&entry.key).paths();
                        let part = self.part("*", &entry.value);
                        Part {
                            made: part.made.decided_by(by),
                            ..part
                        }
                    }
                });
                Made::Parts(parts.collect())
            }
            ExprKind::Message { fields, .. } => {
                let parts = fields.iter().map(|field| self.part(&field.name, &field.value));
                Made::Parts(parts.collect())
            }
            ExprKind::Not(of) | ExprKind::Negate(of) => self.made(of).computed(),
            ExprKind::Binary(_, one, two) => {
                let sides = [self.made(one), self.made(two)];
                computed(&sides)
            }
            ExprKind::And(terms) | ExprKind::Or(terms) => {
                let terms: Vec<_> = terms.iter().map(|term| self.made(term)).collect();
                computed(&terms)
            }
            ExprKind::Ternary(condition, yes, no) => {
                let by = self.made(condition).paths();
                let branches = vec![self.made(yes), self.made(no)];
                either(branches).decided_by(by)
            }
        }
    }

    fn call(&mut self, target: Option<&Expr>, name: &str, args: &[Expr]) -> Made {
        match (target, name, args) {
            (Some(group), "bind", [variable, value, body]) if is(group, "cel") => {
                let value = self.made(value);
                self.with(word(variable), value, |reader| reader.made(body))
            }
            (Some(group), "of", [value]) if is(group, "optional") => self.made(value),
            (Some(of), "orValue" | "or", [other]) => {
                let of = self.made(of);
                let by = of.paths();
                either(vec![of, self.made(other)]).decided_by(by)
            }
            (Some(of), "value", []) => self.made(of),
            (Some(of), "optMap" | "optFlatMap", [variable, body]) => {
                let of = self.made(of);
                let body = self.with(word(variable), of.clone(), |reader| reader.made(body));
                listed(body, &of)
            }
            _ => {
                let all: Vec<_> = target
                    .into_iter()
                    .chain(args)
                    .map(|part| self.made(part))
                    .collect();
                computed(&all)
            }
        }
    }

    fn part(&mut self, name: &str, value: &Expr) -> Part {
        Part {
            name: name.to_owned(),
            made: self.made(value),
            place: self.source.place(value.span),
        }
    }

    fn variable(&self, name: &str) -> Option<&Made> {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, made)| made)
    }

    /// A macro over a list or map.
    fn each(&mut self, found: Macro<'_>) -> Made {
        let range = self.made(found.range);
        let item = range.item();
        let (first, second) = match found.second {
            // The place of an item says how many there are before it, and a key is a part of the map.
            Some(second) => (range.computed(), Some((second, item))),
            None => (item, None),
        };
        let (test, body) = self.with(Some(found.first), first, |reader| {
            let inside = |reader: &mut Self| {
                let test = found.test.map_or(Made::Constant, |test| reader.made(test));
                (test, reader.made(found.body))
            };
            match second {
                Some((name, item)) => reader.with(Some(name), item, inside),
                None => inside(reader),
            }
        });
        match found.name {
            "map" | "transformList" => listed(Made::List(Box::new(body.decided_by(test.paths()))), &range),
            "transformMap" => {
                let part = Part {
                    name: "*".to_owned(),
                    made: body.decided_by(test.paths()),
                    place: self.source.place(found.body.span),
                };
                listed(Made::Parts(vec![part]), &range)
            }
            "transformMapEntry" => listed(body.decided_by(test.paths()), &range),
            "filter" | "sortBy" => range.decided_by(body.paths()),
            // Without a read of an item there is still how many there are.
            _ if body.reads().is_empty() => range.computed(),
            _ => body.computed(),
        }
    }

    fn with<T>(&mut self, variable: Option<&str>, made: Made, body: impl FnOnce(&mut Self) -> T) -> T {
        self.variables
            .push((variable.unwrap_or_default().to_owned(), made));
        let done = body(self);
        self.variables.pop();
        done
    }
}

/// What is made of each item; how many there are, the list that it is made of says.
fn listed(made: Made, range: &Made) -> Made {
    match made.reads().is_empty() {
        true => made.decided_by(range.paths()),
        false => made,
    }
}

fn either(mut all: Vec<Made>) -> Made {
    all.dedup();
    match all.len() {
        0 => Made::Constant,
        1 => all.swap_remove(0),
        _ => Made::Either(all),
    }
}

fn is(expr: &Expr, name: &str) -> bool {
    matches!(&expr.kind, ExprKind::Ident(known) if known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{How, Leaf};

    /// Each leaf with what is read for it: `=` copied, `~` computed, `?` decided.
    fn told(text: &str) -> Vec<String> {
        let source = Source::file("a.cel", text);
        let sign = |how| match how {
            How::Copied => '=',
            How::Computed => '~',
            How::Decided => '?',
        };
        let leaf = |leaf: Leaf| {
            let reads: Vec<_> = leaf
                .reads
                .iter()
                .map(|read| format!("{}{}", sign(read.how), read.path))
                .collect();
            format!("{} {}", leaf.path, reads.join(" ")).trim().to_owned()
        };
        made(&source, &[]).leaves().into_iter().map(leaf).collect()
    }

    #[test]
    fn a_field_is_made_of_what_its_expression_reads() {
        assert_eq!(
            told(
                r#"Order{ order_id: string(this.id), order_number: this.name, currency_code: "DKK",
                     buyer: Customer{ email: this.customer.email },
                     lines: this.items.map(l, OrderLine{ sku: l.sku, unit_price: money(l.price, this.currency) }),
                     tags: [this.a, this["b-c"]], note: attributes.subject }"#
            ),
            [
                "order_id ~id",
                "order_number =name",
                "currency_code",
                "buyer.email =customer.email",
                "lines[].sku =items[].sku",
                "lines[].unit_price ~currency ~items[].price",
                "tags[] =a =b-c",
                "note =@subject",
            ]
        );
    }

    #[test]
    fn variables_choices_lookups_and_inner_lists_hide_nothing() {
        assert_eq!(
            told(
                r#"cel.bind(who, this.customer, Order{
                     order_id: has(who.no) ? who.no : this.?id.orValue("-"),
                     status: lookup("status", this.state, this.fallback),
                     lines: this.parcels.filter(p, p.sent).map(p, p.open, OrderLine{
                       sku: p.items.map(i, i.sku)[this.first],
                       quantity: uint(p.items.exists(i, i.ok) ? size(p.items) : 0) }),
                     buyer: who, note: cel.bind(c, Customer{ name: this.given + " " + this.family }, c.name) })"#
            ),
            [
                "order_id =customer.no ?customer.no =id ?id",
                "status ~fallback ~state",
                "lines[].sku ?first =parcels[].items[].sku ?parcels[].open ?parcels[].sent",
                "lines[].quantity ~parcels[].items ?parcels[].items[].ok ?parcels[].open ?parcels[].sent",
                "buyer =customer",
                "note ~family ~given",
            ]
        );
    }

    #[test]
    fn macros_with_two_variables_and_over_optionals_are_followed() {
        assert_eq!(
            told(
                r#"{ "a": this.items.transformList(i, item, item.ok, item.sku + string(i)),
                     "b": this.labels.transformMap(key, value, value.text),
                     "c": this.?note.optMap(n, n.text).orValue(this.other),
                     "d": this.items.exists(i, item, item.late && i > 0),
                     "e": this.items.transformMapEntry(i, item, { item.sku: item.name }) }"#
            ),
            [
                "a[] ~items ?items[].ok ~items[].sku",
                "b.* =labels[].text",
                "c =note.text ?note.text =other",
                "d ~items ~items[].late",
                "e.* =items[].name ?items[].sku",
            ]
        );
    }

    #[test]
    fn words_of_enums_and_groups_of_functions_are_nothing_that_is_read() {
        assert_eq!(
            told("{ \"a\": math.abs(this.n), \"b\": OrderStatus.PAID, \"c\": this.s == OrderStatus.PAID }"),
            ["a ~n", "b", "c ~s"]
        );
    }
}
