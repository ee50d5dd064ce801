//! How private a field is, read from its descriptor: of this model or of a landscape's own `.proto` files.

use prost_reflect::FieldDescriptor;

use crate::options::v1::Privacy;

/// How private the value of `field` is, as `(trunkline.options.v1.privacy)` states it; a mark this version does not
/// know counts as sensitive. A marked message field stands for all that is in it: who descends keeps the stronger mark.
/// Not promised: that an unmarked field of free text holds nothing personal.
pub fn privacy(field: &FieldDescriptor) -> Privacy {
    let Some(extension) = field
        .parent_pool()
        .get_extension_by_name("trunkline.options.v1.privacy")
    else {
        return Privacy::Unspecified;
    };
    let options = field.options();
    let mark = options
        .get_extension(&extension)
        .as_enum_number()
        .unwrap_or_default();
    Privacy::try_from(mark).unwrap_or(Privacy::Sensitive)
}
