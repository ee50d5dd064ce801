//! What a sink will see of the messages of a type, told before any comes: the one place that says so.

use trunkline_sdk::Within;

use super::{
    Tree,
    form::{Field, Leaf, Shape},
};
use crate::canonical::scalar::Scalar;

impl Tree {
    /// What a sink will see: as [`Tree::read`] gives it.
    pub fn shape(&self) -> trunkline_sdk::Shape {
        // Objects stand where their messages do, and behind them the one that is no message.
        let money = self.messages.len();
        let mut objects: Vec<_> = self
            .messages
            .iter()
            .map(|message| {
                let field = |field: &Field| named(&field.name, self.within_field(field, money));
                message.fields.iter().map(field).collect()
            })
            .collect();
        objects.push(
            ["currency_code", "amount"]
                .map(|name| named(name, Within::Value))
                .to_vec(),
        );
        trunkline_sdk::Shape {
            name: self.messages[0].name.to_string(),
            whole: within(&self.root, money),
            objects,
        }
    }

    /// The fields of the message of which what stands at a path of the tree is made.
    pub(crate) fn fields_at(&self, path: &str) -> Vec<String> {
        let (before, name) = path.rsplit_once('.').unwrap_or(("", path));
        let shape = self.shape();
        let object = match before {
            "" => Ok(&shape.whole),
            before => shape.find(before),
        };
        match object {
            Ok(Within::Object(place)) if *place == self.messages.len() && name == "amount" => {
                let whole = path.strip_suffix(name).unwrap_or_default();
                ["units", "nanos"].map(|part| format!("{whole}{part}")).to_vec()
            }
            _ => vec![path.to_owned()],
        }
    }

    fn within_field(&self, field: &Field, money: usize) -> Within {
        match (field.shape, &field.kind) {
            (Shape::One { .. }, kind) => within(kind, money),
            (Shape::List, _) => Within::List,
            // The entry's two fields, in the order of the schema.
            (Shape::Map, Leaf::Message(entry)) => {
                let value = self.messages[*entry].fields.get(1);
                let each = value.map_or(Within::Unknown, |value| within(&value.kind, money));
                Within::Map(Box::new(each))
            }
            (Shape::Map, _) => Within::Unknown,
        }
    }
}

fn within(kind: &Leaf, money: usize) -> Within {
    match kind {
        Leaf::Message(place) => Within::Object(*place),
        Leaf::Money => Within::Object(money),
        Leaf::Of(Scalar::JsonObject) => Within::Map(Box::new(Within::Unknown)),
        Leaf::Of(Scalar::JsonList) => Within::List,
        Leaf::Of(Scalar::JsonValue) => Within::Unknown,
        Leaf::Of(_) | Leaf::Enum(_) | Leaf::Date => Within::Value,
    }
}

fn named(name: &str, within: Within) -> trunkline_sdk::Field {
    trunkline_sdk::Field {
        name: name.to_owned(),
        within,
    }
}
