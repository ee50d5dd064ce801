//! Which parts of what comes in each part of what goes out is made of: read off the expressions, without running them.
//!
//! Promises: every part of the input that an expression can read is told, whatever the input; nothing that it cannot.
//! Not promised: which of several branches is taken, and which items of a list: an item is an item, `lines[].sku`.

use std::collections::BTreeSet;

use trunkline_sdk::Place;

use super::{
    Mapping, Predicate, Split,
    source::{Source, Span},
    syntax::{self, Expr, ExprKind, Literal},
};

/// What a value is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// Of nothing that comes in: what stands in the expression itself.
    Constant,
    /// It is the part of the input at this path: ``, `buyer.email`, `lines[].sku`, `@subject` (an attribute).
    Copy(String),
    /// It is reckoned from these.
    Of(BTreeSet<Read>),
    /// An object or message of parts.
    Parts(Vec<Part>),
    /// A list of such items.
    List(Box<Made>),
    /// One of these.
    Either(Vec<Made>),
    /// This, if at all, as the parts of the input at these paths say.
    Decided(Box<Made>, BTreeSet<String>),
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name; `*`: names that show only at run time.
    pub name: String,
    /// What it is made of.
    pub made: Made,
    /// Where the expression stands that it is set to.
    pub place: Place,
}

/// Something that is read, and what for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// Where in the input.
    pub path: String,
    /// What for.
    pub how: How,
}

/// What something is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is passed on as it is.
    Copied,
    /// Something is reckoned from it.
    Computed,
    /// It decides what becomes of something else.
    Decided,
}

/// A part that has no parts of its own, as far as is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Where in what is made.
    pub path: String,
    /// What was read for it; none: it is constant.
    pub reads: BTreeSet<Read>,
    /// Where its expression stands; `None`: all of what comes in is passed on.
    pub place: Option<Place>,
}

impl Mapping {
    /// What the parts of its result are made of.
    pub fn made(&self) -> Made {
        made(self.source(), &[])
    }
}

impl Split {
    /// What the parts of each of its messages are made of.
    pub fn made(&self) -> Made {
        let (each, emit, variable) = self.texts();
        let item = made(each, &[]).item();
        made(emit, &[(variable.to_owned(), item)])
    }
}

impl Predicate {
    /// What it reads.
    pub fn reads(&self) -> BTreeSet<String> {
        made(self.source(), &[]).paths()
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        let whole = Span {
            start: 0,
            end: u32::try_from(self.text().len()).unwrap_or(u32::MAX),
        };
        self.source().place(whole)
    }
}

fn made(source: &Source, variables: &[(String, Made)]) -> Made {
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

impl Made {
    /// All that is read for it.
    pub fn reads(&self) -> BTreeSet<Read> {
        match self {
            Made::Constant => BTreeSet::new(),
            Made::Copy(path) => BTreeSet::from([Read {
                path: path.clone(),
                how: How::Copied,
            }]),
            Made::Of(reads) => reads.clone(),
            Made::Parts(parts) => parts.iter().flat_map(|part| part.made.reads()).collect(),
            Made::List(item) => item.reads(),
            Made::Either(all) => all.iter().flat_map(Made::reads).collect(),
            Made::Decided(made, by) => made.reads().into_iter().chain(decided(by)).collect(),
        }
    }

    /// The paths of all that is read for it.
    pub fn paths(&self) -> BTreeSet<String> {
        self.reads().into_iter().map(|read| read.path).collect()
    }

    /// Its parts, down to those that have none.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.collect("", None, &BTreeSet::new(), &mut leaves);
        let mut merged: Vec<Leaf> = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            match merged
                .iter_mut()
                .find(|known| known.path == leaf.path && known.place == leaf.place)
            {
                Some(known) => known.reads.extend(leaf.reads),
                None => merged.push(leaf),
            }
        }
        merged
    }

    fn collect(&self, path: &str, place: Option<&Place>, by: &BTreeSet<String>, leaves: &mut Vec<Leaf>) {
        match self {
            Made::Parts(parts) if !parts.is_empty() => {
                for part in parts {
                    part.made
                        .collect(&join(path, &part.name), Some(&part.place), by, leaves);
                }
            }
            Made::List(item) => item.collect(&format!("{path}[]"), place, by, leaves),
            Made::Either(all) if !all.is_empty() => {
                all.iter().for_each(|made| made.collect(path, place, by, leaves));
            }
            Made::Decided(made, more) => {
                let by = by.union(more).cloned().collect();
                made.collect(path, place, &by, leaves);
            }
            simple => leaves.push(Leaf {
                path: path.to_owned(),
                reads: simple.reads().into_iter().chain(decided(by)).collect(),
                place: place.cloned(),
            }),
        }
    }

    fn member(&self, name: &str) -> Made {
        match self {
            Made::Constant | Made::List(_) => Made::Constant,
            Made::Copy(path) => Made::Copy(join(path, name)),
            Made::Of(reads) => Made::Of(reads.clone()),
            Made::Parts(parts) => match parts.iter().find(|part| part.name == name) {
                Some(part) => part.made.clone(),
                None => {
                    let any = parts.iter().filter(|part| part.name == "*");
                    Made::Either(any.map(|part| part.made.clone()).collect())
                }
            },
            Made::Either(all) => Made::Either(all.iter().map(|made| made.member(name)).collect()),
            Made::Decided(made, by) => Made::Decided(Box::new(made.member(name)), by.clone()),
        }
    }

    fn item(&self) -> Made {
        match self {
            Made::Constant => Made::Constant,
            Made::Copy(path) => Made::Copy(format!("{path}[]")),
            Made::Of(reads) => Made::Of(reads.clone()),
            Made::Parts(parts) => Made::Either(parts.iter().map(|part| part.made.clone()).collect()),
            Made::List(item) => (**item).clone(),
            Made::Either(all) => Made::Either(all.iter().map(Made::item).collect()),
            Made::Decided(made, by) => Made::Decided(Box::new(made.item()), by.clone()),
        }
    }

    fn decided_by(self, by: BTreeSet<String>) -> Made {
        match by.is_empty() {
            true => self,
            false => Made::Decided(Box::new(self), by),
        }
    }

    /// Reckoned from all that this reads.
    fn computed(&self) -> Made {
        computed([self])
    }
}

fn computed<'m>(all: impl IntoIterator<Item = &'m Made>) -> Made {
    let reads = all.into_iter().flat_map(Made::reads).map(|read| Read {
        how: read.how.max(How::Computed),
        ..read
    });
    let reads: BTreeSet<_> = reads.collect();
    match reads.is_empty() {
        true => Made::Constant,
        false => Made::Of(reads),
    }
}

fn decided(by: &BTreeSet<String>) -> impl Iterator<Item = Read> {
    by.iter().map(|path| Read {
        path: path.clone(),
        how: How::Decided,
    })
}

/// A path with one more name.
pub(crate) fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
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
            ExprKind::Call { target, name, args } => self.call(target.as_deref(), name, args),
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
                self.with(variable, value, |reader| reader.made(body))
            }
            (Some(group), "of", [value]) if is(group, "optional") => self.made(value),
            (Some(of), "orValue" | "or", [other]) => {
                let of = self.made(of);
                let by = of.paths();
                either(vec![of, self.made(other)]).decided_by(by)
            }
            (Some(of), "value", []) => self.made(of),
            (Some(range), "map", [variable, body]) => {
                let range = self.made(range);
                let body = self.with(variable, range.item(), |reader| reader.made(body));
                listed(body, &range)
            }
            (Some(range), "map", [variable, test, body]) => {
                let range = self.made(range);
                let (test, body) = self.with(variable, range.item(), |reader| {
                    (reader.made(test), reader.made(body))
                });
                listed(body.decided_by(test.paths()), &range)
            }
            (Some(range), "filter" | "sortBy", [variable, test]) => {
                let range = self.made(range);
                let by = self
                    .with(variable, range.item(), |reader| reader.made(test))
                    .paths();
                range.decided_by(by)
            }
            (Some(range), "all" | "exists" | "exists_one" | "existsOne", [variable, test]) => {
                let range = self.made(range);
                let test = self.with(variable, range.item(), |reader| reader.made(test));
                // Without a read of an item there is still how many there are.
                match test.reads().is_empty() {
                    true => range.computed(),
                    false => test.computed(),
                }
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

    fn with<T>(&mut self, variable: &Expr, made: Made, body: impl FnOnce(&mut Self) -> T) -> T {
        let name = match &variable.kind {
            ExprKind::Ident(name) => name.clone(),
            _ => String::new(),
        };
        self.variables.push((name, made));
        let done = body(self);
        self.variables.pop();
        done
    }
}

/// A list of such items; how many there are, the list that it is made of says.
fn listed(item: Made, range: &Made) -> Made {
    let list = Made::List(Box::new(item));
    match list.reads().is_empty() {
        true => list.decided_by(range.paths()),
        false => list,
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
    fn words_of_enums_and_groups_of_functions_are_nothing_that_is_read() {
        assert_eq!(
            told("{ \"a\": math.abs(this.n), \"b\": OrderStatus.PAID, \"c\": this.s == OrderStatus.PAID }"),
            ["a ~n", "b", "c ~s"]
        );
    }
}
