//! Which column each box stands in: behind everything that leads to it.

use super::picture::Picture;

/// The columns of a picture.
pub(super) struct Layers {
    /// The column of each box.
    pub(super) of: Vec<usize>,
    /// Whether an arrow closes a ring, and so leads back to a column before.
    pub(super) is_back: Vec<bool>,
}

impl Layers {
    pub(super) fn of(picture: &Picture) -> Self {
        let is_back = back(picture);
        let forward: Vec<_> = picture
            .arrows
            .iter()
            .zip(&is_back)
            .map(|(&(from, to), is_back)| if *is_back { (to, from) } else { (from, to) })
            .collect();
        let count = picture.boxes.len();
        let (mut next, mut before) = (vec![Vec::new(); count], vec![0_usize; count]);
        for (from, to) in forward {
            next[from].push(to);
            before[to] += 1;
        }
        let starts: Vec<_> = (0..count).filter(|at| before[*at] == 0).collect();
        let (mut of, mut open) = (vec![0; count], starts.clone());
        while let Some(from) = open.pop() {
            for &to in &next[from] {
                of[to] = of[to].max(of[from] + 1);
                before[to] -= 1;
                if before[to] == 0 {
                    open.push(to);
                }
            }
        }
        // What nothing leads to stands right before what it leads to.
        for at in starts {
            if let Some(first) = next[at].iter().map(|to| of[*to]).min() {
                of[at] = first - 1;
            }
        }
        Self { of, is_back }
    }
}

/// The arrows that close a ring, found on a walk along all of them.
fn back(picture: &Picture) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        OnTheWay,
        Done,
    }
    let count = picture.boxes.len();
    let mut next = vec![Vec::new(); count];
    for (arrow, (from, to)) in picture.arrows.iter().enumerate() {
        next[*from].push((arrow, *to));
    }
    let mut is_back = vec![false; picture.arrows.len()];
    let mut states = vec![State::New; count];
    let is_start = |at: &usize| picture.arrows.iter().all(|(_, to)| to != at);
    // From where messages come first.
    let starts: Vec<_> = (0..count).filter(is_start).chain(0..count).collect();
    for start in starts {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::OnTheWay;
        let mut way = vec![(start, 0)];
        while let Some((at, tried)) = way.last_mut() {
            let Some(&(arrow, to)) = next[*at].get(*tried) else {
                states[*at] = State::Done;
                way.pop();
                continue;
            };
            *tried += 1;
            match states[to] {
                State::New => {
                    states[to] = State::OnTheWay;
                    way.push((to, 0));
                }
                State::OnTheWay => is_back[arrow] = true,
                State::Done => {}
            }
        }
    }
    is_back
}
