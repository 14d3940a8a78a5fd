//! Reads a question about the sample tables: which figures, of when, of where, grouped and folded how.
//!
//! It understands words and never computes; a question that isn't about the tables is left to the corpus.

use super::period::{self, Period};
use super::tables::{Metric, REGIONS, Span};
use super::text::words;

/// A question about one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) metric: Metric,
    pub(super) slots: Slots,
}

/// Everything about a question except what is measured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Slots {
    /// Which rows by time.
    pub(super) period: Period,
    /// Which rows by region; empty for all.
    pub(super) regions: Vec<&'static str>,
    /// The time to group by.
    pub(super) span: Option<Span>,
    /// Whether to group by region.
    pub(super) by_region: bool,
    /// What to make of the groups.
    pub(super) fold: Fold,
    /// A year that was named.
    pub(super) year: Option<u16>,
    /// Words for a time that the tables can't resolve, such as "last week".
    pub(super) unresolved: Option<String>,
}

/// What to make of the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fold {
    #[default]
    Total,
    Average,
    Highest,
    Lowest,
}

/// The question about a table that the conversation ends in, if it does. A follow-up ("and in Q3?") keeps
/// what it doesn't say from the questions before it.
pub(super) fn resolve(earlier: &[&str], question: &str) -> Option<Ask> {
    earlier.iter().chain([&question]).fold(None, |before, turn| {
        let words = words(turn);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (metric, slots) = (metric(&words), slots(&words));
        match before {
            Some(before)
                if follows_up(&words) && (metric.is_some() || slots != Slots::default()) =>
            {
                Some(Ask {
                    metric: metric.unwrap_or(before.metric),
                    slots: slots.over(before.slots),
                })
            }
            _ => metric
                .filter(|metric| is_about_figures(*metric, &slots, &words))
                .map(|metric| Ask { metric, slots }),
        }
    })
}

impl Slots {
    fn over(self, before: Self) -> Self {
        let regroups = self.span.is_some() || self.by_region;
        Self {
            period: if self.period == Period::All { before.period } else { self.period },
            regions: if self.regions.is_empty() { before.regions } else { self.regions },
            span: if regroups { self.span } else { before.span },
            by_region: if regroups { self.by_region } else { before.by_region },
            fold: if self.fold == Fold::Total { before.fold } else { self.fold },
            year: self.year.or(before.year),
            unresolved: self.unresolved,
        }
    }
}

fn follows_up(words: &[&str]) -> bool {
    words.len() <= 6
        || matches!(words, ["and" | "or" | "now" | "then" | "but" | "only" | "just" | "same", ..])
        || matches!(words, ["what" | "how", "about", ..])
}

fn metric(words: &[&str]) -> Option<Metric> {
    words.iter().enumerate().find_map(|(at, word)| match (*word, words.get(at + 1)) {
        ("revenue" | "revenues" | "turnover" | "sales" | "income" | "earnings", _) => {
            Some(Metric::Revenue)
        }
        ("connections", _)
        | ("connection", Some(&("count" | "counts" | "numbers" | "figures" | "totals"))) => {
            Some(Metric::Connections)
        }
        _ => None,
    })
}

/// Connections are also what the corpus is about, so a question about figures has to say so.
fn is_about_figures(metric: Metric, slots: &Slots, words: &[&str]) -> bool {
    if metric == Metric::Revenue {
        return true;
    }
    let about_limits = words.iter().any(|word| {
        matches!(
            *word,
            "limit"
                | "limits"
                | "limited"
                | "allowed"
                | "allow"
                | "can"
                | "could"
                | "support"
                | "supported"
                | "handle"
                | "hold"
                | "quota"
                | "tenant"
                | "survive"
                | "kept"
        )
    });
    let counted = words.windows(3).any(|three| {
        matches!(three, ["how", "many", "connections"] | ["number", "of", "connections"])
    });
    let placed = slots.period != Period::All
        || slots.unresolved.is_some()
        || slots.year.is_some()
        || slots.span.is_some()
        || slots.by_region
        || !slots.regions.is_empty();
    !about_limits && (placed || counted)
}

fn slots(words: &[&str]) -> Slots {
    let mut slots =
        Slots { period: period::read(words), year: period::year(words), ..Slots::default() };
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| words[before]);
        if let Some(region) = region(word)
            && !slots.regions.contains(&region)
        {
            slots.regions.push(region);
        }
        if let Some(fold) = fold(word).filter(|_| before != "at") {
            slots.fold = fold;
        }
        if let Some(unresolved) = unresolved(words, at) {
            slots.unresolved.get_or_insert(unresolved);
        } else if let Some(column) = grouping(words, at) {
            match column {
                Column::Time(span) => slots.span = Some(slots.span.map_or(span, |s| s.min(span))),
                Column::Region => slots.by_region = true,
            }
        }
    }
    slots
}

fn region(word: &str) -> Option<&'static str> {
    match word {
        "americas" | "america" => Some(REGIONS[0]),
        "europe" | "european" => Some(REGIONS[1]),
        "asia" | "pacific" | "apac" => Some(REGIONS[2]),
        _ => None,
    }
}

fn fold(word: &str) -> Option<Fold> {
    match word {
        "average" | "mean" | "avg" => Some(Fold::Average),
        "highest" | "most" | "best" | "top" | "biggest" | "largest" | "greatest" | "maximum"
        | "max" | "peak" | "strongest" | "busiest" => Some(Fold::Highest),
        "lowest" | "least" | "worst" | "fewest" | "smallest" | "minimum" | "min" | "weakest"
        | "quietest" => Some(Fold::Lowest),
        _ => None,
    }
}

enum Column {
    Time(Span),
    Region,
}

fn grouping(words: &[&str], at: usize) -> Option<Column> {
    let word = words[at];
    let singular = match word {
        "day" | "month" | "quarter" | "region" => {
            let before = at.checked_sub(1).map(|before| words[before])?;
            let grouped = matches!(
                before,
                "by" | "per" | "each" | "every" | "which" | "what" | "a" | "across"
            ) || fold(before).is_some()
                || (before == "and" && at > 1 && grouping(words, at - 2).is_some());
            grouped.then_some(word)?
        }
        "daily" | "days" => "day",
        "monthly" | "months" => "month",
        "quarterly" | "quarters" => "quarter",
        "regional" | "regions" => "region",
        _ => return None,
    };
    Some(match singular {
        "day" => Column::Time(Span::Day),
        "month" => Column::Time(Span::Month),
        "quarter" => Column::Time(Span::Quarter),
        _ => Column::Region,
    })
}

fn unresolved(words: &[&str], at: usize) -> Option<String> {
    let is_unit = |word: &str| {
        ["day", "week", "month", "quarter", "year", "hour"]
            .contains(&word.strip_suffix('s').unwrap_or(word))
    };
    let is_relative =
        |word: &str| ["last", "past", "this", "current", "previous", "next"].contains(&word);
    match words[at] {
        word @ ("today" | "yesterday" | "tomorrow" | "weekly" | "hourly") => Some(word.to_owned()),
        word if is_unit(word) => {
            let start = at.saturating_sub(2);
            let relative = (start..at).find(|before| is_relative(words[*before]));
            match relative {
                Some(start) => Some(words[start..=at].join(" ")),
                None if word.starts_with("week") || word.starts_with("hour") => {
                    Some(word.to_owned())
                }
                None => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots_of(question: &str) -> (Metric, Slots) {
        let ask = resolve(&[], question).unwrap_or_else(|| panic!("no figures: {question}"));
        (ask.metric, ask.slots)
    }

    #[test]
    fn groupings_and_folds_are_read() {
        let (metric, slots) = slots_of("What was the revenue by month and region?");
        assert_eq!(metric, Metric::Revenue);
        assert!(slots.by_region && slots.span == Some(Span::Month));
        let (metric, slots) = slots_of("average daily connections in Europe");
        assert_eq!((metric, slots.fold), (Metric::Connections, Fold::Average));
        assert_eq!((slots.span, slots.regions), (Some(Span::Day), vec!["Europe"]));
        let (_, slots) = slots_of("Which region had the fewest connections in May?");
        assert!(slots.by_region && slots.fold == Fold::Lowest);
        assert!(slots_of("revenue last quarter").1.unresolved.is_some());
    }

    #[test]
    fn questions_about_the_project_are_left_alone() {
        for question in [
            "How many connections can one server hold?",
            "What is the limit of connections per day?",
            "Are connections encrypted?",
            "How are connections counted per tenant?",
            "What is a gap?",
        ] {
            assert_eq!(resolve(&[], question), None, "{question}");
        }
        // Another topic in between ends the talk about figures.
        assert_eq!(resolve(&["revenue in Q2", "What is a gap in a room's log?"], "in Q3?"), None);
    }
}
