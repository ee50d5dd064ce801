//! Why a field of a translation has the value it has: which expression gave it, on which way through the mapping it
//! was reached, and what the expression read.
//!
//! Promises: the mapping is walked as it runs, over the one record at hand: of a choice the branch that was taken, of a
//! list the item that was asked for. It works where the mapping itself fails, for that is when one asks.
//! Not promised: speed; and it shows values, so only to a person who has the record in their hands anyway.

mod path;
mod reads;
mod shelf;
mod walk;

use prost_reflect::MessageDescriptor;
use trunkline_sdk::{Fault, Place, Value};

use self::{shelf::Shelf, walk::Walk};
use super::{Environment, Facts, Input, Mapping, Produces, References, check::Checker, syntax, types::Type};

/// What a field of a translation is, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The field that was asked for: `lines[0].unit_price`.
    pub path: String,
    /// The expression that it comes of, as it is written, and where: the last one on the way to it.
    pub expression: String,
    /// Where that stands.
    pub place: Place,
    /// What it is, in the form that a sink would see; `None`: it is not set.
    pub value: Option<Value<'static>>,
    /// Why it is not set.
    pub unset: Option<String>,
    /// What was decided on the way.
    pub reasons: Vec<Reason>,
    /// What the expression read, in its order.
    pub origins: Vec<Origin>,
    /// How many more things it read than are told.
    pub more: usize,
}

/// A choice on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The condition as it is written.
    pub condition: String,
    /// What it came to: `true`, `false`, `nothing there`.
    pub was: String,
    /// Where it stands.
    pub place: Place,
}

/// Something that an expression read.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Where in the record or message: `this.line_items[0].price`.
    pub path: String,
    /// What stood there; `None`: nothing.
    pub value: Option<Value<'static>>,
}

/// Explains one field of what a mapping makes of this input. The environment is the one that the mapping was compiled
/// in; `references` are those that it needs for this input, as [`Mapping::gather`] fetches them.
///
/// Faults: the type that the mapping gives has no such field, or the path is none.
pub fn explain(
    mapping: &Mapping,
    environment: &Environment<'_>,
    input: Input<'_>,
    facts: &dyn Facts,
    references: &References,
    field: &str,
) -> Result<Explanation, Fault> {
    let steps = path::parse(field).ok_or_else(|| {
        Fault::stop(format!("`{field}` is no path of a field")).hint("as in `buyer.email` or `lines[0].sku`")
    })?;
    let kind = match mapping.produces() {
        Produces::Message(message) => {
            path::check(message, &steps)?;
            Some(message.clone())
        }
        Produces::Record(_) => None,
    };
    // It was compiled, so it can be parsed.
    let Ok(expr) = syntax::parse(mapping.source()) else {
        return Err(Fault::stop("the mapping cannot be read"));
    };
    let shelf = Shelf::default();
    let mut checker = Checker::new(environment, mapping.source()).with_references();
    let mut walk = Walk::new(
        field,
        mapping.source(),
        input,
        mapping.this.as_deref(),
        facts,
        references,
        &shelf,
    );
    walk.walk(&mut checker, &expr, &steps, expected(kind));
    Ok(walk.finish())
}

fn expected(kind: Option<MessageDescriptor>) -> Option<Type> {
    kind.map(|message| Type::of_message(&message))
}
