//! The sums behind an answer about the sample tables, and their chart.
//!
//! It adds up the rows that it is given and never chooses them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ask::{Fold, Slots};
use super::period::when;
use super::tables::{Metric, Row, Span};

/// One group's key and its sum or mean.
pub(super) type Group = (String, f64);

/// The sums behind an answer, in the order of the SQL's result.
pub(super) struct Computed {
    pub(super) metric: Metric,
    pub(super) slots: Slots,
    pub(super) total: i64,
    /// By time, by region, or empty where nothing is grouped.
    pub(super) groups: Vec<Group>,
    /// By time, then region, where both are grouped.
    pub(super) cells: BTreeMap<(String, String), i64>,
}

impl Computed {
    pub(super) fn compute(metric: Metric, slots: Slots, rows: &[&Row]) -> Self {
        let total = rows.iter().map(|row| row.value).sum();
        let mut cells: BTreeMap<(String, String), i64> = BTreeMap::new();
        for row in rows {
            let time = slots.span.map_or("", |span| span.of(row));
            let region = if slots.by_region { row.region.as_str() } else { "" };
            *cells.entry((time.to_owned(), region.to_owned())).or_default() += row.value;
        }
        let times = cells.keys().map(|(time, _)| time).collect::<BTreeSet<_>>().len();
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for ((time, region), value) in &cells {
            let key = if slots.by_region { region } else { time };
            *sums.entry(key.clone()).or_default() += *value as f64;
        }
        if slots.fold == Fold::Average {
            if !slots.by_region {
                sums = BTreeMap::from([(String::new(), total as f64)]);
            }
            sums.values_mut().for_each(|sum| *sum /= times as f64);
        }
        let mut groups: Vec<Group> = sums.into_iter().collect();
        match slots.fold {
            Fold::Lowest => groups.sort_by(|a, b| a.1.total_cmp(&b.1)),
            Fold::Highest => groups.sort_by(|a, b| b.1.total_cmp(&a.1)),
            _ if slots.by_region => groups.sort_by(|a, b| b.1.total_cmp(&a.1)),
            _ => {}
        }
        Self { metric, slots, total, groups, cells }
    }

    pub(super) fn extreme_cell(&self) -> Option<(&(String, String), &i64)> {
        match self.slots.fold {
            Fold::Lowest => self.cells.iter().min_by_key(|(_, value)| **value),
            _ => self.cells.iter().max_by_key(|(_, value)| **value),
        }
    }

    /// Whether both time and region are columns of the result; a mean has no time left.
    pub(super) fn is_grid(&self) -> bool {
        self.slots.by_region && self.slots.span.is_some() && self.slots.fold != Fold::Average
    }

    pub(super) fn chart(&self) -> Value {
        let over_time = self.slots.span.filter(|_| self.slots.fold != Fold::Average);
        let (labels, datasets) = if self.is_grid() {
            self.grid()
        } else {
            let name = |key: &String| match key.as_str() {
                "" => when(self.metric, &self.slots.period),
                key => key.to_owned(),
            };
            let data: Vec<Value> = self.groups.iter().map(|(_, value)| number(*value)).collect();
            let labels = self.groups.iter().map(|(key, _)| name(key)).collect();
            (labels, vec![json!({"label": self.series(), "data": data})])
        };
        let kind = match over_time {
            Some(Span::Day | Span::Month) if self.slots.fold == Fold::Total && labels.len() > 2 => {
                "line"
            }
            _ => "bar",
        };
        let title = format!("{} {}", self.series(), when(self.metric, &self.slots.period));
        let title = json!({"display": true, "text": title});
        // Chart.js 2 reads the title beside the plugins, later ones among them.
        json!({
            "type": kind,
            "data": {"labels": labels, "datasets": datasets},
            "options": {"title": title, "plugins": {"title": title}},
        })
    }

    /// One series for each region over the times that there are.
    fn grid(&self) -> (Vec<String>, Vec<Value>) {
        let labels: BTreeSet<&String> = self.cells.keys().map(|(time, _)| time).collect();
        let regions: BTreeSet<&String> = self.cells.keys().map(|(_, region)| region).collect();
        let datasets = regions
            .into_iter()
            .map(|region| {
                let data: Vec<_> = labels
                    .iter()
                    .map(|time| self.cells.get(&((*time).clone(), region.clone())).copied())
                    .collect();
                json!({"label": region, "data": data})
            })
            .collect();
        (labels.into_iter().cloned().collect(), datasets)
    }

    fn series(&self) -> String {
        let unit = if self.metric == Metric::Revenue { " (USD)" } else { "" };
        match (self.slots.fold, self.slots.span) {
            (Fold::Average, Some(span)) => {
                format!("{} per {}, average{unit}", self.metric.label(), span.column())
            }
            _ => format!("{}{unit}", self.metric.label()),
        }
    }
}

/// Whole where it is, so that sums stay integers in JSON.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!((value * 100.0).round() / 100.0) }
}
