//! Answers a question about the sample tables: the figures in words, the SQL for them, and a chart.
//!
//! All three come from one computation, so they can't disagree. It never answers for rows that aren't there.

use serde_json::Value;

use super::ask::{Ask, Fold, Slots};
use super::period::{Period, YEAR, day_key, month_key, pretty, quarter_key, when};
use super::sums::{Computed, Group};
use super::tables::{Metric, Row, Span, Tables};
use super::text::list;

/// Up to so many groups are all named in the text; of more, the extremes are.
const MOST_NAMED: usize = 6;

/// An answer with what it was computed by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figures {
    pub(super) text: String,
    pub(super) sql: Option<String>,
    pub(super) chart: Option<Value>,
}

/// Computes the answer.
pub(super) fn answer(tables: &Tables, ask: &Ask) -> Figures {
    let metric = ask.metric;
    if let Some(reason) = unanswerable(&ask.slots) {
        return apology(metric, &reason);
    }
    let (slots, note) = settle(metric, &ask.slots);
    let rows: Vec<&Row> = tables.rows(metric).iter().filter(|row| matches(row, &slots)).collect();
    if rows.is_empty() {
        return apology(metric, &format!("it has no rows {}", when(metric, &slots.period)));
    }
    let result = Computed::compute(metric, slots, &rows);
    let mut text = result.text();
    if let Some(note) = note {
        text = format!("{text} {note}");
    }
    if is_partial(&result.slots.period, &rows) {
        text = format!("{text} The table covers {} only.", metric.coverage());
    }
    text.push_str(" The figures come from the sample table that ships with the server.");
    Figures {
        text,
        sql: Some(super::figures_sql::select(metric, &result.slots)),
        chart: Some(result.chart()),
    }
}

/// The slots with the gaps filled: what the table can't group by is coarsened, and several named periods
/// or regions are told apart.
fn settle(metric: Metric, slots: &Slots) -> (Slots, Option<String>) {
    let mut slots = slots.clone();
    let mut note = None;
    let finest = metric.finest();
    if let (Period::Day { month, .. }, Span::Month) = (&slots.period, finest) {
        slots.period = Period::Months(vec![*month]);
        note = Some("The table is kept per month, so this is the whole month.".to_owned());
    }
    if slots.span.is_some_and(|span| span < finest) {
        slots.span = Some(finest);
        note = Some(format!("The table is kept per {0}, so it is by {0} here.", finest.column()));
    }
    if slots.span.is_none() && !slots.by_region {
        slots.span = match (&slots.period, slots.fold) {
            (Period::Quarters(named), _) if named.len() > 1 => Some(Span::Quarter),
            (Period::Months(named), _) if named.len() > 1 => Some(Span::Month),
            (_, Fold::Highest | Fold::Lowest) => Some(finest),
            _ => None,
        };
    } else if slots.span.is_none() && slots.fold == Fold::Total {
        slots.span = match &slots.period {
            Period::Quarters(named) if named.len() > 1 => Some(Span::Quarter),
            Period::Months(named) if named.len() > 1 => Some(Span::Month),
            _ => None,
        };
    }
    if slots.fold == Fold::Average {
        slots.span = Some(slots.span.unwrap_or(finest));
    }
    slots.by_region |= slots.regions.len() > 1;
    (slots, note)
}

fn unanswerable(slots: &Slots) -> Option<String> {
    match (slots.year, &slots.unresolved) {
        (Some(year), _) if year != YEAR => Some(format!("it has no rows for {year}")),
        (_, Some(words)) => Some(format!("“{words}” can't be told from it")),
        _ => None,
    }
}

fn apology(metric: Metric, reason: &str) -> Figures {
    let text = format!(
        "I can't answer that from the sample table of {}: {reason}. It covers {}.",
        metric.table(),
        metric.coverage()
    );
    Figures { text, sql: None, chart: None }
}

fn matches(row: &Row, slots: &Slots) -> bool {
    let in_period = match &slots.period {
        Period::All => true,
        Period::Quarters(named) => named.iter().any(|q| row.quarter == quarter_key(*q)),
        Period::Months(named) => named.iter().any(|m| row.month == month_key(*m)),
        Period::Day { month, day } => row.day == day_key(*month, *day),
    };
    in_period && (slots.regions.is_empty() || slots.regions.contains(&row.region.as_str()))
}

fn is_partial(period: &Period, rows: &[&Row]) -> bool {
    let missing = |key: &String, span: Span| !rows.iter().any(|row| span.of(row) == key);
    match period {
        Period::All | Period::Day { .. } => false,
        Period::Quarters(named) => named.iter().any(|q| missing(&quarter_key(*q), Span::Quarter)),
        Period::Months(named) => named.iter().any(|m| missing(&month_key(*m), Span::Month)),
    }
}

impl Computed {
    fn text(&self) -> String {
        let total = format!(
            "{} {}{} came to {}.",
            self.metric.label(),
            when(self.metric, &self.slots.period),
            match self.slots.regions.as_slice() {
                [] => String::new(),
                regions => format!(" for {}", list(regions)),
            },
            self.metric.amount(self.total)
        );
        match self.slots.fold {
            Fold::Average => format!("{} {total}", self.average()),
            Fold::Highest | Fold::Lowest => format!("{} {total}", self.extreme()),
            Fold::Total => [total, self.breakdown()].join(" ").trim_end().to_owned(),
        }
    }

    fn average(&self) -> String {
        let unit = self.slots.span.unwrap_or(self.metric.finest()).column();
        match self.groups.as_slice() {
            [(key, value)] if key.is_empty() => {
                format!("The average per {unit} was {}.", self.amount(*value))
            }
            groups => format!("The average per {unit} was {}.", self.named(groups)),
        }
    }

    fn extreme(&self) -> String {
        let word = if self.slots.fold == Fold::Highest { "highest" } else { "lowest" };
        if self.is_grid() {
            let Some(cell) = self.extreme_cell() else {
                return String::new();
            };
            return format!("The {word} single figure was {}.", self.told(cell));
        }
        let column = match self.slots.span {
            Some(span) if !self.slots.by_region => span.column(),
            _ => "region",
        };
        let Some((key, value)) = self.groups.first() else {
            return String::new();
        };
        let value = self.amount(*value);
        let noun = self.metric.noun();
        format!("The {column} with the {word} {noun} was {}, with {value}.", pretty(key))
    }

    fn told(&self, ((time, region), value): (&(String, String), &i64)) -> String {
        let preposition = if self.slots.span == Some(Span::Day) { "on" } else { "in" };
        format!("{}, for {region} {preposition} {}", self.metric.amount(*value), pretty(time))
    }

    fn breakdown(&self) -> String {
        let groups = self.groups.as_slice();
        match (self.slots.span, self.slots.by_region) {
            (None, false) => String::new(),
            (Some(span), false) => {
                let by = span.column();
                match groups {
                    [_] => String::new(),
                    [(from, a), (to, b)] if *a != 0.0 => format!(
                        "By {by}: {}. From {} to {} that is a {} of {:.1}%.",
                        self.named(groups),
                        pretty(from),
                        pretty(to),
                        if b >= a { "rise" } else { "fall" },
                        ((b - a) / a * 100.0).abs()
                    ),
                    _ if groups.len() <= MOST_NAMED => format!("By {by}: {}.", self.named(groups)),
                    _ => self.extremes(by),
                }
            }
            (None, true) => format!("By region: {}.", self.named(groups)),
            (Some(_), true) => {
                let Some(cell) = self.extreme_cell() else {
                    return String::new();
                };
                format!(
                    "By region: {}. The highest single figure was {}.",
                    self.named(groups),
                    self.told(cell)
                )
            }
        }
    }

    fn extremes(&self, by: &str) -> String {
        let order = |a: &&Group, b: &&Group| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) =
            (self.groups.iter().min_by(order), self.groups.iter().max_by(order))
        else {
            return String::new();
        };
        format!(
            "Over {} {by}s, the highest was {} with {} and the lowest {} with {}.",
            self.groups.len(),
            pretty(&high.0),
            self.amount(high.1),
            pretty(&low.0),
            self.amount(low.1)
        )
    }

    fn named(&self, groups: &[Group]) -> String {
        let named: Vec<_> = groups
            .iter()
            .map(|(key, value)| format!("{} {}", pretty(key), self.amount(*value)))
            .collect();
        list(&named.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn amount(&self, value: f64) -> String {
        self.metric.amount(value.round() as i64)
    }
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
