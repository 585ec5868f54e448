//! Memory as a treemap: a rectangle for each process, and in it one for each of its mappings, as large as what they hold.

#![forbid(unsafe_code)]

use std::fmt::Write as _;

use crutils::checkpoint::inspect::Process;

use super::{Page, escape};
use crate::text::size;

/// The size of the picture. It is drawn as wide as the page.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 420.0;
/// Room for a process's name.
const TITLE: f64 = 16.0;
/// How many processes, and mappings of each, have rectangles of their own; the others have one together.
const MOST_PROCESSES: usize = 60;
const MOST_MAPPINGS: usize = 60;
/// The narrowest rectangle that a text is written into.
const NARROWEST: f64 = 46.0;

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Area {
    fn inset(self, top: f64) -> Self {
        Area {
            x: self.x + 2.0,
            y: self.y + top,
            width: (self.width - 4.0).max(0.0),
            height: (self.height - top - 2.0).max(0.0),
        }
    }
}

/// What a rectangle stands for.
struct Item {
    bytes: u64,
    class: &'static str,
    label: String,
    title: String,
}

/// Draws the memory that processes hold; nothing if they hold none.
pub(super) fn draw(processes: &[Process], page: &mut Page) {
    let held = |process: &Process| {
        let memory = process.memory;
        memory
            .present
            .saturating_add(memory.parent)
            .saturating_add(memory.lazy)
    };
    let mut all: Vec<_> = processes
        .iter()
        .map(|process| (held(process), process))
        .collect();
    all.retain(|(bytes, _)| *bytes > 0);
    all.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    if all.is_empty() {
        return;
    }
    all.truncate(MOST_PROCESSES);
    page.raw(&format!(
        "<svg id=treemap viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img>\n"
    ));
    let whole = Area {
        x: 0.0,
        y: 0.0,
        width: WIDTH,
        height: HEIGHT,
    };
    let sizes: Vec<_> = all.iter().map(|(bytes, _)| *bytes).collect();
    for (area, (bytes, process)) in areas(&sizes, whole).into_iter().zip(all) {
        let name = format!("{} {}", process.pid, process.comm);
        let title = format!("{name}: {}", size(bytes));
        rectangle(area, "frame", &title, page);
        if area.width >= NARROWEST {
            label(area, &name, "", page);
        }
        draw_mappings(process, area.inset(TITLE), page);
    }
    page.raw("</svg>\n");
    legend(page);
}

fn draw_mappings(process: &Process, area: Area, page: &mut Page) {
    let mut items: Vec<_> = process
        .mappings
        .iter()
        .map(|mapping| {
            let what = match &mapping.path {
                Some(path) => path.to_string(),
                None => mapping.kind.to_owned(),
            };
            let bytes = mapping
                .present
                .saturating_add(mapping.parent)
                .saturating_add(mapping.lazy);
            Item {
                bytes,
                class: mapping.kind,
                title: format!("{what} at 0x{:x}: {}", mapping.start, size(bytes)),
                label: what.rsplit('/').next().unwrap_or_default().to_owned(),
            }
        })
        .filter(|item| item.bytes > 0)
        .collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.bytes));
    let others = items.split_off(items.len().min(MOST_MAPPINGS));
    if !others.is_empty() {
        let bytes = others
            .iter()
            .fold(0_u64, |sum, item| sum.saturating_add(item.bytes));
        items.push(Item {
            bytes,
            class: "others",
            label: "others".to_owned(),
            title: format!("{} smaller mappings: {}", others.len(), size(bytes)),
        });
    }
    let sizes: Vec<_> = items.iter().map(|item| item.bytes).collect();
    for (area, item) in areas(&sizes, area).into_iter().zip(items) {
        rectangle(area, item.class, &item.title, page);
        if area.width >= NARROWEST && area.height >= TITLE {
            label(area, &item.label, " class=on", page);
        }
    }
}

fn rectangle(area: Area, class: &str, title: &str, page: &mut Page) {
    let Area {
        x,
        y,
        width,
        height,
    } = area;
    let title = escape(title);
    // Writing to a String doesn't fail.
    let _ = writeln!(
        page.0,
        "<rect class=\"{class}\" x={x:.1} y={y:.1} width={width:.1} height={height:.1}><title>{title}</title></rect>"
    );
}

/// Writes a text into a rectangle, cut to its width.
fn label(area: Area, text: &str, class: &str, page: &mut Page) {
    const LETTER: f64 = 6.6;
    let room = ((area.width - 6.0) / LETTER).max(0.0);
    // A number of letters on a screen: small, and not negative.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "see above"
    )]
    let text = crate::text::fit(text, room as usize, true);
    let (x, y) = (area.x + 3.0, area.y + 12.0);
    let text = escape(&text);
    let _ = writeln!(page.0, "<text{class} x={x:.1} y={y:.1}>{text}</text>");
}

fn legend(page: &mut Page) {
    page.raw("<p class=dim>");
    for (class, what) in [
        ("heap", "anonymous memory"),
        ("stack", "stacks"),
        ("file", "files that were written to"),
        ("shared", "shared memory"),
        ("others", "others"),
    ] {
        page.raw(&format!(
            "<svg class=key viewBox=\"0 0 10 10\" width=10 height=10><rect class={class} width=10 height=10 /></svg> {what} &nbsp; "
        ));
    }
    page.raw("</p>\n");
}

/// Divides an area among sizes, which descend, into rectangles that are as square as can be: rows are filled along the
/// shorter side for as long as that makes them squarer.
fn areas(sizes: &[u64], mut area: Area) -> Vec<Area> {
    #[allow(clippy::cast_precision_loss, reason = "pixels")]
    let number = |bytes: u64| bytes as f64;
    let mut left: f64 = sizes.iter().map(|bytes| number(*bytes)).sum();
    let mut areas = Vec::with_capacity(sizes.len());
    let mut begin = 0;
    while let Some(rest) = sizes.get(begin..).filter(|rest| !rest.is_empty()) {
        let side = area.width.min(area.height);
        let scale = if left > 0.0 {
            area.width * area.height / left
        } else {
            0.0
        };
        let (mut count, mut sum, mut worst) = (0, 0.0, f64::INFINITY);
        let first = rest.first().map_or(0.0, |bytes| number(*bytes)) * scale;
        for bytes in rest {
            let last = number(*bytes) * scale;
            let ratio = worst_ratio(sum + last, first, last, side);
            if count > 0 && ratio > worst {
                break;
            }
            (count, sum, worst) = (count + 1, sum + last, ratio);
        }
        let row = rest.get(..count).unwrap_or_default();
        let depth = if side > 0.0 { sum / side } else { 0.0 };
        let is_column = area.width >= area.height;
        let mut at = 0.0;
        for bytes in row {
            let len = if depth > 0.0 {
                number(*bytes) * scale / depth
            } else {
                0.0
            };
            areas.push(match is_column {
                true => Area {
                    x: area.x,
                    y: area.y + at,
                    width: depth,
                    height: len,
                },
                false => Area {
                    x: area.x + at,
                    y: area.y,
                    width: len,
                    height: depth,
                },
            });
            at += len;
        }
        match is_column {
            true => (area.x, area.width) = (area.x + depth, (area.width - depth).max(0.0)),
            false => (area.y, area.height) = (area.y + depth, (area.height - depth).max(0.0)),
        }
        left -= row.iter().map(|bytes| number(*bytes)).sum::<f64>();
        begin += count;
    }
    areas
}

/// How far the worst rectangle of a row is from a square.
fn worst_ratio(sum: f64, first: f64, last: f64, side: f64) -> f64 {
    let (side, sum) = (side * side, sum * sum);
    (side * first / sum).max(sum / (side * last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: Area = Area {
        x: 0.0,
        y: 0.0,
        width: 100.0,
        height: 100.0,
    };

    #[test]
    fn rectangles_are_as_large_as_what_they_stand_for() {
        let sizes = [600, 300, 60, 40, 1];
        let all = areas(&sizes, SQUARE);
        let sum: u64 = sizes.iter().sum();
        for (area, bytes) in all.iter().zip(sizes) {
            let expected = bytes as f64 / sum as f64 * 10_000.0;
            assert!(
                (area.width * area.height - expected).abs() < 0.01,
                "{area:?}"
            );
            assert!(area.x >= 0.0 && area.y >= 0.0);
            assert!(area.x + area.width <= 100.01 && area.y + area.height <= 100.01);
        }
        // None covers another.
        for (index, a) in all.iter().enumerate() {
            for b in all.iter().skip(index + 1) {
                let apart = a.x + a.width <= b.x + 0.01
                    || b.x + b.width <= a.x + 0.01
                    || a.y + a.height <= b.y + 0.01
                    || b.y + b.height <= a.y + 0.01;
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn sizes_at_the_edges_of_their_range_are_drawn() {
        assert!(areas(&[], SQUARE).is_empty());
        for sizes in [&[0, 0][..], &[u64::MAX, u64::MAX, 1], &[1; 500]] {
            let all = areas(sizes, SQUARE);
            assert_eq!(all.len(), sizes.len());
            assert!(
                all.iter()
                    .all(|area| area.width.is_finite() && area.height.is_finite())
            );
        }
        let flat = Area {
            height: 0.0,
            ..SQUARE
        };
        assert!(
            areas(&[5, 3], flat)
                .iter()
                .all(|area| area.width.is_finite())
        );
    }
}
