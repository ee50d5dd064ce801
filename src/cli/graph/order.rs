//! In which order the boxes of a column stand, so that few arrows cross: each as near as can be to the middle of its
//! neighbours, in sweeps from left to right and back, of which the best is kept.

/// How much work it may be, in places looked at: large pictures get fewer sweeps.
const WORK: usize = 400_000;

/// Orders the places of each column. `links`: from a place in one column to a place in the next.
pub(super) fn order(columns: &mut [Vec<usize>], links: &[Vec<usize>]) {
    let places: usize = columns.iter().map(Vec::len).sum();
    let mut before = vec![Vec::new(); links.len()];
    for (from, next) in links.iter().enumerate() {
        for &to in next {
            before[to].push(from);
        }
    }
    let sweeps = (WORK / places.max(1)).clamp(2, 24);
    let mut best = (crossings(columns, links), columns.to_vec());
    for sweep in 0..sweeps {
        let count = columns.len();
        if sweep % 2 == 0 {
            (1..count).for_each(|at| sort(columns, at, at - 1, &before));
        } else {
            (1..count).rev().for_each(|at| sort(columns, at - 1, at, links));
        }
        let crossings = crossings(columns, links);
        if crossings < best.0 {
            best = (crossings, columns.to_vec());
        }
        if crossings == 0 {
            break;
        }
    }
    columns.clone_from_slice(&best.1);
}

/// Sorts a column by where its neighbours stand in another; what has none stays where it is.
fn sort(columns: &mut [Vec<usize>], column: usize, other: usize, neighbours: &[Vec<usize>]) {
    let places = positions(&columns[other], neighbours.len());
    let mut middles: Vec<_> = columns[column]
        .iter()
        .enumerate()
        .map(|(at, place)| {
            let known = &neighbours[*place];
            let sum: usize = known.iter().map(|neighbour| places[*neighbour]).sum();
            let middle = if known.is_empty() {
                at as f64
            } else {
                sum as f64 / known.len() as f64
            };
            (middle, *place)
        })
        .collect();
    middles.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    columns[column] = middles.into_iter().map(|(_, place)| place).collect();
}

fn positions(column: &[usize], places: usize) -> Vec<usize> {
    let mut positions = vec![0; places];
    for (at, place) in column.iter().enumerate() {
        positions[*place] = at;
    }
    positions
}

/// How many pairs of links cross.
fn crossings(columns: &[Vec<usize>], links: &[Vec<usize>]) -> usize {
    let mut crossings = 0;
    for pair in columns.windows(2) {
        let [left, right] = pair else { continue };
        let positions = positions(right, links.len());
        // Counted from the top: every earlier link that ends further down is crossed.
        let mut tree = Sums::new(right.len());
        let mut seen = 0;
        for place in left {
            for to in &links[*place] {
                crossings += seen - tree.up_to(positions[*to]);
            }
            for to in &links[*place] {
                tree.add(positions[*to]);
                seen += 1;
            }
        }
    }
    crossings
}

/// How many of the numbers so far are at most another (a Fenwick tree).
struct Sums(Vec<usize>);

impl Sums {
    fn new(numbers: usize) -> Self {
        Self(vec![0; numbers + 1])
    }

    fn add(&mut self, number: usize) {
        let mut at = number + 1;
        while at < self.0.len() {
            self.0[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn up_to(&self, number: usize) -> usize {
        let (mut at, mut sum) = (number + 1, 0);
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_need_not_cross_do_not() {
        // given three links, all crossed
        let links = vec![vec![5], vec![4], vec![3], vec![], vec![], vec![]];
        let mut columns = vec![vec![0, 1, 2], vec![3, 4, 5]];
        assert_eq!(crossings(&columns, &links), 3);
        // when
        order(&mut columns, &links);
        // then
        assert_eq!(crossings(&columns, &links), 0);
        assert_eq!(columns[1], [5, 4, 3]);
    }
}
