//! What a tile is read from, and what a look at it gives.

use serde_json::{Number, Value};
use staywire::events::Tile;

/// Something that a tile shows.
pub(super) trait Source: Send + Sync + 'static {
    /// Looks at it. It may block, within bounds, and is asked one look at a time.
    fn look(&mut self, now_ms: u64) -> Result<Look, Fault>;
}

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Look {
    /// The same as the last time.
    Same,
    /// This.
    New(Reading),
}

/// What a tile shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) value: Value,
    pub(super) points: Points,
}

/// What a tile's series gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Points {
    /// Nothing: it has none.
    None,
    /// The value, whenever it is another.
    Changes,
    /// Those of these that are later than its last: at most [`Tile::MOST_POINTS`], oldest first.
    Given(Vec<(u64, f64)>),
}

impl Points {
    /// The latest of them, in order.
    pub(super) fn given(mut points: Vec<(u64, f64)>) -> Self {
        points.sort_by_key(|point| point.0);
        let surplus = points.len().saturating_sub(Tile::MOST_POINTS);
        points.drain(..surplus);
        Self::Given(points)
    }
}

/// Why there is no new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// For whoever watches; it gives nothing of the machine away.
    pub(super) told: String,
    /// For the operator.
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(told: impl Into<String>, detail: impl ToString) -> Self {
        Self { told: told.into(), detail: detail.to_string() }
    }
}

/// Longest text in a cell, in characters.
const MAX_CELL: usize = 200;

/// Most columns of a table.
pub(super) const MAX_COLUMNS: usize = 32;

/// Most bytes of a table: a dashboard's snapshot must fit into one message with all its tiles.
const MAX_TABLE_BYTES: usize = 64 << 10;

/// As many rows as fit into a tile.
pub(super) fn fitting(rows: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut bytes = 0;
    rows.take_while(|row| {
        bytes += row.to_string().len();
        bytes <= MAX_TABLE_BYTES
    })
    .collect()
}

/// A text, cut where it is too long for a tile.
pub(super) fn text(text: &str) -> Value {
    let mut cut: String = text.chars().take(MAX_CELL).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    Value::String(cut)
}

/// A number; none where it is not finite. Whole ones are written so.
pub(super) fn number(number: f64) -> Option<Value> {
    /// Beyond it not every whole number is one of these.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_bounded_and_numbers_are_numbers() {
        let Value::String(cut) = text(&"é".repeat(1_000)) else { panic!("no text") };
        assert_eq!(cut.chars().count(), MAX_CELL + 1);
        assert_eq!(text("short"), "short");
        assert_eq!(number(3.0), Some(3.into()));
        assert_eq!(number(2.5), Some(2.5.into()));
        assert_eq!(number(f64::NAN), None);
    }

    #[test]
    fn a_table_has_as_many_rows_as_fit() {
        let row = Value::Array(vec![text(&"x".repeat(200)); MAX_COLUMNS]);
        let rows = fitting(std::iter::repeat_n(row, 100));
        assert_eq!(rows.len(), MAX_TABLE_BYTES / (MAX_COLUMNS * 203 + 1));
    }

    #[test]
    fn the_latest_points_are_kept_in_order() {
        let points = (0..400_u64).rev().map(|at| (at, 1.0)).collect();
        let Points::Given(points) = Points::given(points) else { panic!("none") };
        assert_eq!((points.len(), points[0].0, points[299].0), (300, 100, 399));
    }
}
