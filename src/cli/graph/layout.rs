//! Where everything stands in a picture: columns from left to right, in the direction in which messages go.
//!
//! Promises: boxes do not overlap, and no arrow passes through a box: one that leads over several columns has a lane of
//! its own in each; the same picture is always drawn in the same way; a landscape of hundreds of flows takes
//! milliseconds. Not promised: the fewest crossings there could be, which nobody can compute.

use super::{
    coordinates::coordinates,
    layers::Layers,
    order::order,
    picture::{Box, Picture},
};

/// Of a letter of a name and of a note: what the widest of the usual monospaced fonts needs.
const NAME_LETTER: f64 = 7.9;
const NOTE_LETTER: f64 = 6.7;
const PADDING: f64 = 14.0;
const HEIGHT: f64 = 44.0;
/// Between two boxes of a column, and around all.
const GAP: f64 = 14.0;
/// Between two columns; wider where many arrows must be told apart.
const AISLE: f64 = 64.0;
const WIDEST_AISLE: f64 = 220.0;
const LANE: f64 = 2.0;

/// A picture with places.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// One for each box.
    pub(super) boxes: Vec<Rectangle>,
    /// One for each arrow.
    pub(super) arrows: Vec<Arrow>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rectangle {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where an arrow begins and ends; between them, pairs of points between which it runs straight through a column.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) points: Vec<(f64, f64)>,
    /// Whether it leads back, from right to left.
    pub(super) is_back: bool,
}

impl Layout {
    pub(super) fn of(picture: &Picture) -> Self {
        let layers = Layers::of(picture);
        let count = picture.boxes.len();
        let mut columns = vec![Vec::new(); layers.of.iter().max().map_or(0, |last| last + 1)];
        for (at, column) in layers.of.iter().enumerate() {
            columns[*column].push(at);
        }
        // Behind the boxes, the places of lanes.
        let mut links = vec![Vec::new(); count];
        let mut lanes: Vec<Vec<usize>> = Vec::with_capacity(picture.arrows.len());
        for (&(from, to), is_back) in picture.arrows.iter().zip(&layers.is_back) {
            let (left, right) = if *is_back { (to, from) } else { (from, to) };
            let mut way = vec![left];
            for column in &mut columns[layers.of[left] + 1..layers.of[right]] {
                column.push(links.len());
                way.push(links.len());
                links.push(Vec::new());
            }
            way.push(right);
            for pair in way.windows(2) {
                links[pair[0]].push(pair[1]);
            }
            lanes.push(way);
        }
        order(&mut columns, &links);
        let mut heights = vec![LANE; links.len()];
        heights[..count].fill(HEIGHT);
        let middles = coordinates(&columns, &links, &heights, GAP);
        let mut column_of = layers.of;
        column_of.resize(links.len(), 0);
        let mut edges = Vec::with_capacity(columns.len());
        let mut x = GAP;
        for (at, column) in columns.iter().enumerate() {
            let boxes = column.iter().filter_map(|place| picture.boxes.get(*place));
            let width = boxes.map(width).fold(LANE, f64::max);
            edges.push((x, x + width));
            let leaving: usize = column.iter().map(|place| links[*place].len()).sum();
            x += width + (AISLE + 2.0 * leaving as f64).min(WIDEST_AISLE);
            column.iter().for_each(|place| column_of[*place] = at);
        }
        let boxes: Vec<_> = (0..count)
            .map(|at| {
                let (left, right) = edges[column_of[at]];
                Rectangle {
                    x: left,
                    y: GAP + middles[at] - HEIGHT / 2.0,
                    width: right - left,
                    height: HEIGHT,
                }
            })
            .collect();
        let arrows = lanes
            .into_iter()
            .zip(layers.is_back)
            .map(|(way, is_back)| {
                let mut points = Vec::with_capacity(2 * way.len());
                for (step, place) in way.iter().enumerate() {
                    let (left, right) = edges[column_of[*place]];
                    let y = GAP + middles[*place];
                    if step > 0 {
                        points.push((left, y));
                    }
                    if step + 1 < way.len() {
                        points.push((right, y));
                    }
                }
                if is_back {
                    points.reverse();
                }
                Arrow { points, is_back }
            })
            .collect();
        let lowest = middles
            .iter()
            .zip(&heights)
            .map(|(middle, height)| middle + height / 2.0);
        Self {
            width: edges.last().map_or(0.0, |(_, right)| *right) + GAP,
            height: lowest.fold(0.0, f64::max) + 2.0 * GAP,
            boxes,
            arrows,
        }
    }
}

fn width(each: &Box) -> f64 {
    let letters = |text: &str| text.chars().count() as f64;
    let text = (letters(&each.name) * NAME_LETTER).max(letters(&each.note) * NOTE_LETTER);
    (text + 2.0 * PADDING).round()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{super::picture::Kind, *};

    /// A house with this many flows: some read systems, some channels, some write systems; and one ring.
    fn house(flows: usize) -> Picture {
        let mut picture = Picture::default();
        let mut add = |kind, name: String| {
            picture.boxes.push(Box {
                kind,
                name,
                note: "translate, filter".to_owned(),
            });
            picture.boxes.len() - 1
        };
        let part = (flows / 5).max(1);
        let sources: Vec<_> = (0..part)
            .map(|n| add(Kind::Source, format!("source-{n}")))
            .collect();
        let channels: Vec<_> = (0..2 * part)
            .map(|n| add(Kind::Channel, format!("a-channel-{n}")))
            .collect();
        let sinks: Vec<_> = (0..part).map(|n| add(Kind::Sink, format!("sink-{n}"))).collect();
        let flows: Vec<_> = (0..flows)
            .map(|n| add(Kind::Flow, format!("flow-number-{n}")))
            .collect();
        for (n, flow) in flows.into_iter().enumerate() {
            let channel = |n: usize| channels[n * 7919 % channels.len()];
            let (from, to) = match n % 5 {
                0 => (sources[n % part], channel(n)),
                1 | 2 => (channel(n), channel(n + 3)),
                _ => (channel(n), sinks[n * 31 % part]),
            };
            picture.arrows.extend([(from, flow), (flow, to)]);
        }
        let mut seen = std::collections::HashSet::new();
        picture.arrows.retain(|arrow| seen.insert(*arrow));
        picture
    }

    fn is_within(layout: &Layout, rectangle: &Rectangle) -> bool {
        rectangle.x >= 0.0
            && rectangle.y >= 0.0
            && rectangle.x + rectangle.width <= layout.width
            && rectangle.y + rectangle.height <= layout.height
    }

    #[test]
    fn boxes_do_not_overlap_arrows_end_at_boxes_and_pass_through_none() {
        for flows in [1, 5, 60, 200] {
            // given
            let picture = house(flows);
            // when
            let began = Instant::now();
            let layout = Layout::of(&picture);
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{flows}: {:?}",
                began.elapsed()
            );
            // then
            for (at, a) in layout.boxes.iter().enumerate() {
                assert!(is_within(&layout, a), "{a:?}");
                for b in &layout.boxes[at + 1..] {
                    let is_apart = a.x + a.width < b.x
                        || b.x + b.width < a.x
                        || a.y + a.height < b.y
                        || b.y + b.height < a.y;
                    assert!(is_apart, "{flows}: {a:?} {b:?}");
                }
            }
            for ((from, to), Arrow { points, is_back }) in picture.arrows.iter().zip(&layout.arrows) {
                let (from, to) = (&layout.boxes[*from], &layout.boxes[*to]);
                let (left, right) = if *is_back { (to, from) } else { (from, to) };
                let mut points = points.clone();
                if *is_back {
                    points.reverse();
                }
                assert_eq!(
                    points.first(),
                    Some(&(left.x + left.width, left.y + HEIGHT / 2.0))
                );
                assert_eq!(points.last(), Some(&(right.x, right.y + HEIGHT / 2.0)));
                assert!(
                    points.is_sorted_by(|(a, _), (b, _)| a < b),
                    "it goes on: {points:?}"
                );
                for lane in points[1..points.len() - 1].chunks(2) {
                    let [(from, y), (to, _)] = lane else {
                        panic!("{lane:?}")
                    };
                    let through = |each: &&Rectangle| {
                        each.x < *to
                            && each.x + each.width > *from
                            && each.y <= *y
                            && *y <= each.y + each.height
                    };
                    assert_eq!(
                        layout.boxes.iter().filter(through).count(),
                        0,
                        "{flows}: {lane:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_ring_leads_back_once_and_a_picture_of_nothing_is_one() {
        let mut picture = house(5);
        picture.arrows = vec![(0, 1), (1, 2), (2, 3), (3, 1)];
        let back = |layout: &Layout| layout.arrows.iter().filter(|arrow| arrow.is_back).count();
        assert_eq!(back(&Layout::of(&picture)), 1);
        let nothing = Layout::of(&Picture::default());
        assert!(nothing.boxes.is_empty() && nothing.width > 0.0);
    }

    #[test]
    fn a_chain_of_hundreds_that_all_end_in_one_system_is_drawn_in_bounded_time() {
        let mut picture = house(400);
        let count = 400;
        picture.arrows = (1..count).flat_map(|n| [(n - 1, n), (n, count)]).collect();
        let began = Instant::now();
        let layout = Layout::of(&picture);
        assert_eq!(layout.arrows.len(), picture.arrows.len());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
