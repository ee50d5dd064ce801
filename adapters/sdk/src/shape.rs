//! What the records that reach a sink hold, as far as it is known before they come.

use crate::Place;

/// The records that reach a sink: canonical messages, or what a mapping makes.
///
/// Promised: what [`Shape::find`] does not find no record holds. Not promised: that every record holds what it finds;
/// a mapping may leave a field out, and what is optional in a message is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What it is the shape of: a full message name (`trunkline.commerce.v1.StockMove`) or a mapping's file.
    pub name: String,
    /// What a whole record is.
    pub whole: Within,
    /// The fields of each kind of object, to which [`Within::Object`] refers by its place: an object that holds its
    /// like refers to itself.
    pub objects: Vec<Vec<Field>>,
}

/// One field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: String,
    /// What it holds.
    pub within: Within,
}

/// What stands in a place of a record, where that is not null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// One value: a number, a text, bytes, a time, the word of an enum.
    Value,
    /// An object with the fields of this place in [`Shape::objects`].
    Object(usize),
    /// An object whose names only the data knows; each holds this.
    Map(Box<Within>),
    /// A list.
    List,
    /// It shows when the record comes.
    Unknown,
}

/// A path that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Astray<'s> {
    /// How much of the path leads somewhere, in bytes: of `buyer.nope` it is 5, of `nope` none.
    pub known: usize,
    /// What is there, which does not hold what the path goes on with: never [`Within::Map`] or [`Within::Unknown`].
    pub at: &'s Within,
}

impl Shape {
    /// What is at the end of a path of names with dots: `buyer.email`. It leads through objects only: the items of a
    /// list have no names.
    pub fn find(&self, path: &str) -> Result<&Within, Astray<'_>> {
        let (mut at, mut known) = (&self.whole, 0);
        for name in path.split('.') {
            at = match at {
                Within::Unknown => return Ok(at),
                Within::Map(each) => each,
                Within::Value | Within::List => return Err(Astray { known, at }),
                Within::Object(_) => {
                    let mut fields = self.fields(at).iter();
                    match fields.find(|field| field.name == name) {
                        Some(field) => &field.within,
                        None => return Err(Astray { known, at }),
                    }
                }
            };
            known += name.len() + usize::from(known > 0);
        }
        Ok(at)
    }

    /// The fields of an object; none of anything else.
    pub fn fields(&self, within: &Within) -> &[Field] {
        match within {
            Within::Object(place) => self.objects.get(*place).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}

/// A field of a message that a sink uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its path: `buyer.email`.
    pub path: String,
    /// What it is to the system, in the system's words: `:email`, `contacts.email`.
    pub name: String,
    /// Where the settings say so.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An animal with a name, a mother that is an animal, cubs, and pens by names of the data.
    fn animals() -> Shape {
        let field = |name: &str, within| Field {
            name: name.to_owned(),
            within,
        };
        Shape {
            name: "zoo.Animal".to_owned(),
            whole: Within::Object(0),
            objects: vec![vec![
                field("name", Within::Value),
                field("mother", Within::Object(0)),
                field("cubs", Within::List),
                field("pens", Within::Map(Box::new(Within::Object(0)))),
                field("notes", Within::Unknown),
            ]],
        }
    }

    #[test]
    fn a_path_leads_through_objects_however_often_they_hold_their_like() {
        let shape = animals();
        for (path, within) in [
            ("name", Within::Value),
            ("mother.mother.mother.name", Within::Value),
            ("mother", Within::Object(0)),
            ("cubs", Within::List),
            ("pens.north.name", Within::Value),
            ("notes.whatever.it.is", Within::Unknown),
        ] {
            assert_eq!(shape.find(path), Ok(&within), "{path}");
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_tells_how_far_it_led() {
        let shape = animals();
        for (path, known, at) in [
            ("nme", 0, Within::Object(0)),
            ("mother.nme", 6, Within::Object(0)),
            ("mother.name.first", 11, Within::Value),
            ("cubs.name", 4, Within::List),
            ("pens.north.nme", 10, Within::Object(0)),
            ("", 0, Within::Object(0)),
        ] {
            let astray = shape.find(path).expect_err(path);
            assert_eq!((astray.known, astray.at), (known, &at), "{path}");
        }
    }
}
