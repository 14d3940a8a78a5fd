//! The SELECT for a question about the sample tables, in SQL that any database takes.
//!
//! Every literal in it is one of the tables' own keys; a user's words never reach it.

use super::ask::{Fold, Slots};
use super::period::{Period, day_key, month_key, quarter_key};
use super::tables::Metric;

/// The query whose result the answer states, rows in the answer's order.
pub(super) fn select(metric: Metric, slots: &Slots) -> String {
    if slots.fold == Fold::Average { average(metric, slots) } else { sums(metric, slots) }
}

fn sums(metric: Metric, slots: &Slots) -> String {
    let columns = columns(slots);
    let alias = metric.alias();
    let keys = columns.join(", ");
    // Equal sums are told apart by their keys, as in the answer.
    let order = match (slots.fold, slots.span) {
        (Fold::Lowest, _) => format!("{alias}, {keys}"),
        (Fold::Highest, _) | (_, None) => format!("{alias} DESC, {keys}"),
        _ => keys.clone(),
    };
    let mut sql = format!(
        "SELECT {}SUM({}) AS {alias} FROM {}{}",
        prefix(&columns),
        metric.column(),
        metric.table(),
        condition(slots)
    );
    if !columns.is_empty() {
        sql.push_str(&format!(" GROUP BY {} ORDER BY {order}", columns.join(", ")));
    }
    sql
}

/// A mean of sums: the rows of one day or month are added up before the mean is taken.
fn average(metric: Metric, slots: &Slots) -> String {
    let columns = columns(slots);
    let alias = format!("average_{}", metric.alias());
    let (outer, end) = if slots.by_region {
        ("region, ", format!(" GROUP BY region ORDER BY {alias} DESC, region"))
    } else {
        ("", String::new())
    };
    format!(
        "SELECT {outer}AVG(total) AS {alias} FROM (SELECT {}SUM({}) AS total FROM {}{} GROUP BY {}) \
         AS totals{end}",
        prefix(&columns),
        metric.column(),
        metric.table(),
        condition(slots),
        columns.join(", ")
    )
}

fn columns(slots: &Slots) -> Vec<&'static str> {
    let time = slots.span.map(super::tables::Span::column);
    time.into_iter().chain(slots.by_region.then_some("region")).collect()
}

fn prefix(columns: &[&str]) -> String {
    columns.iter().map(|column| format!("{column}, ")).collect()
}

fn condition(slots: &Slots) -> String {
    let time = match &slots.period {
        Period::All => None,
        Period::Quarters(named) => {
            Some(("quarter", named.iter().map(|q| quarter_key(*q)).collect()))
        }
        Period::Months(named) => Some(("month", named.iter().map(|m| month_key(*m)).collect())),
        Period::Day { month, day } => Some(("day", vec![day_key(*month, *day)])),
    };
    let regions: Vec<String> = slots.regions.iter().map(|region| (*region).to_owned()).collect();
    let place = (!regions.is_empty()).then_some(("region", regions));
    let conditions: Vec<_> =
        time.into_iter().chain(place).map(|(column, values)| one_of(column, &values)).collect();
    match conditions.as_slice() {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    }
}

fn one_of(column: &str, values: &[String]) -> String {
    match values {
        [value] => format!("{column} = '{value}'"),
        values => format!("{column} IN ('{}')", values.join("', '")),
    }
}
