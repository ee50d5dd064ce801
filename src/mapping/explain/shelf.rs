//! Things that stay where they were put for as long as the shelf stands: what is evaluated borrows from its plan, and
//! an explanation makes a plan for each part it looks at.

use std::cell::OnceCell;

/// A shelf: things are put on it through a shared reference, and never taken off.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    first: OnceCell<Box<Place<T>>>,
}

#[derive(Debug)]
struct Place<T> {
    thing: T,
    next: OnceCell<Box<Place<T>>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            first: OnceCell::new(),
        }
    }
}

impl<T> Shelf<T> {
    /// Puts a thing into the first free place.
    pub(super) fn put(&self, thing: T) -> &T {
        let mut next = &self.first;
        while let Some(place) = next.get() {
            next = &place.next;
        }
        let place = Box::new(Place {
            thing,
            next: OnceCell::new(),
        });
        &next.get_or_init(|| place).thing
    }
}

/// One after the other: by itself, a long shelf would be dropped by recursion.
impl<T> Drop for Shelf<T> {
    fn drop(&mut self) {
        let mut next = self.first.take();
        while let Some(mut place) = next {
            next = place.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_a_shelf_stays_there() {
        let shelf = Shelf::default();
        let things: Vec<_> = (0..3).map(|number| shelf.put(number.to_string())).collect();
        assert_eq!(things, ["0", "1", "2"]);
    }
}
