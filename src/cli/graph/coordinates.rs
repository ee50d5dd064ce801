//! How far down each box of a column stands: as near to its neighbours as the distance to the next box allows.

/// How often all columns are gone through, from left to right and back.
const SWEEPS: usize = 8;

/// The middle of each place, from 0 down. `heights` of the places; between two of a column are `gap`.
pub(super) fn coordinates(
    columns: &[Vec<usize>],
    links: &[Vec<usize>],
    heights: &[f64],
    gap: f64,
) -> Vec<f64> {
    let mut middles = vec![0.0; heights.len()];
    let mut before = vec![Vec::new(); links.len()];
    for (from, next) in links.iter().enumerate() {
        for &to in next {
            before[to].push(from);
        }
    }
    for column in columns {
        let wanted = vec![0.0; column.len()];
        place(column, &wanted, heights, gap, &mut middles);
    }
    for sweep in 0..SWEEPS {
        let is_forward = sweep % 2 == 0;
        let neighbours = if is_forward { &before } else { links };
        let mut order: Vec<_> = columns.iter().collect();
        if !is_forward {
            order.reverse();
        }
        for column in order {
            let wanted: Vec<_> = column
                .iter()
                .map(|place| {
                    let known = &neighbours[*place];
                    if known.is_empty() {
                        return middles[*place];
                    }
                    known.iter().map(|neighbour| middles[*neighbour]).sum::<f64>() / known.len() as f64
                })
                .collect();
            place(column, &wanted, heights, gap, &mut middles);
        }
    }
    let tops = middles
        .iter()
        .zip(heights)
        .map(|(middle, height)| middle - height / 2.0);
    let top = tops.fold(f64::INFINITY, f64::min);
    middles.iter().map(|middle| (middle - top).round()).collect()
}

/// Places a column: in its order, apart, and all in all as near as can be (least squares) to where each wants to be.
/// Neighbours that want to overlap become a block, which goes to the mean of what its members want.
fn place(column: &[usize], wanted: &[f64], heights: &[f64], gap: f64, middles: &mut [f64]) {
    let mut offsets = Vec::with_capacity(column.len());
    let mut offset = 0.0;
    for (at, place) in column.iter().enumerate() {
        if at > 0 {
            offset += (heights[column[at - 1]] + heights[*place]) / 2.0 + gap;
        }
        offsets.push(offset);
    }
    // Blocks as (sum of what is wanted, how many).
    let mut blocks: Vec<(f64, usize)> = Vec::with_capacity(column.len());
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        let mut block = (wanted - offset, 1);
        while let Some((sum, count)) = blocks.last().copied()
            && sum / count as f64 >= block.0 / block.1 as f64
        {
            blocks.pop();
            block = (block.0 + sum, block.1 + count);
        }
        blocks.push(block);
    }
    let starts = blocks
        .into_iter()
        .flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    for ((place, offset), start) in column.iter().zip(offsets).zip(starts) {
        middles[*place] = start + offset;
    }
}
