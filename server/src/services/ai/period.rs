//! Parts of the year that the sample tables cover: read from a question, written as keys and as words.
//!
//! It knows one calendar year and no clock, so "last week" means nothing here.

use super::tables::Metric;
use super::text::list;

/// The year that both tables are about.
pub(super) const YEAR: u16 = 2025;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A part of the year.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Period {
    #[default]
    All,
    /// 1 to 4, sorted.
    Quarters(Vec<u8>),
    /// 1 to 12, sorted.
    Months(Vec<u8>),
    /// One day.
    Day { month: u8, day: u8 },
}

/// The part of the year that the words name.
pub(super) fn read(words: &[&str]) -> Period {
    let mut months: Vec<(usize, u8)> = Vec::new();
    let mut quarters: Vec<u8> = Vec::new();
    for at in 0..words.len() {
        if let Some(month) = month(words, at) {
            if let Some(day) = day_beside(words, at) {
                return Period::Day { month, day };
            }
            months.push((at, month));
        }
        quarters.extend(quarters_at(words, at));
    }
    if !months.is_empty() {
        let mut named: Vec<u8> = months.iter().map(|(_, month)| *month).collect();
        if let [(first, from), (second, to)] = months.as_slice()
            && spans(words, *first, *second)
            && from < to
        {
            named = (*from..=*to).collect();
        }
        named.sort_unstable();
        named.dedup();
        return Period::Months(named);
    }
    quarters.sort_unstable();
    quarters.dedup();
    if quarters.is_empty() { Period::All } else { Period::Quarters(quarters) }
}

/// The year that the words name.
pub(super) fn year(words: &[&str]) -> Option<u16> {
    words
        .iter()
        .filter(|word| word.len() == 4)
        .filter_map(|word| word.parse().ok())
        .find(|year| (1990..=2100).contains(year))
}

/// The period as people say it: "in Q2 2025".
pub(super) fn when(metric: Metric, period: &Period) -> String {
    match period {
        Period::All if metric == Metric::Revenue => format!("in {YEAR}"),
        Period::All => format!("from April to June {YEAR}"),
        Period::Quarters(named) => {
            let names: Vec<_> = named.iter().map(|quarter| format!("Q{quarter}")).collect();
            format!("in {} {YEAR}", list(&names.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        Period::Months(named) => {
            let names: Vec<_> = named.iter().map(|month| month_name(*month)).collect();
            format!("in {} {YEAR}", list(&names))
        }
        Period::Day { month, day } => format!("on {day} {} {YEAR}", month_name(*month)),
    }
}

/// A key of the table as people write it.
pub(super) fn pretty(key: &str) -> String {
    let parts: Vec<&str> = key.split('-').collect();
    let month = |text: &str| text.parse().map_or("", month_name);
    match parts.as_slice() {
        [year, month_number, day] => {
            format!("{} {} {year}", day.trim_start_matches('0'), month(month_number))
        }
        [year, quarter] if quarter.starts_with('Q') => format!("{quarter} {year}"),
        [year, month_number] if year.parse::<u16>().is_ok() => {
            format!("{} {year}", month(month_number))
        }
        _ => key.to_owned(),
    }
}

/// A quarter as the tables write it.
pub(super) fn quarter_key(quarter: u8) -> String {
    format!("{YEAR}-Q{quarter}")
}

/// A month as the tables write it.
pub(super) fn month_key(month: u8) -> String {
    format!("{YEAR}-{month:02}")
}

/// A day as the tables write it.
pub(super) fn day_key(month: u8, day: u8) -> String {
    format!("{YEAR}-{month:02}-{day:02}")
}

/// Whether two months stand for all from the first to the second.
fn spans(words: &[&str], first: usize, second: usize) -> bool {
    let between = &words[first + 1..second];
    between.iter().any(|word| ["to", "through", "until", "till"].contains(word))
        || (between.contains(&"and") && first > 0 && words[first - 1] == "between")
}

fn month(words: &[&str], at: usize) -> Option<u8> {
    let word = words[at];
    let before = at.checked_sub(1).map_or("", |before| words[before]);
    // `2025-04`
    if before.len() == 4 && year(&[before]).is_some() && word.len() == 2 {
        return word.parse().ok().filter(|month| (1..=12).contains(month));
    }
    let place = MONTHS.iter().position(|month| {
        let month = month.to_lowercase();
        month == word || (month[..3] == *word) || (word == "sept" && month.starts_with("sept"))
    })?;
    // "may" and "mar" are words of their own where nothing beside them speaks of time.
    let is_plain_word = word == "may"
        && ![
            "in", "of", "for", "to", "and", "from", "since", "during", "between", "until", "april",
        ]
        .contains(&before)
        && year(words.get(at + 1..at + 2).unwrap_or_default()).is_none();
    if is_plain_word { None } else { u8::try_from(place + 1).ok() }
}

fn day_beside(words: &[&str], at: usize) -> Option<u8> {
    let number = |word: &&str| -> Option<u8> {
        let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let ending = &word[digits.len()..];
        let is_ordinal = ["", "st", "nd", "rd", "th"].contains(&ending);
        digits.parse().ok().filter(|day| is_ordinal && (1..=31).contains(day))
    };
    let before = at.checked_sub(1).and_then(|place| {
        let skipped = if words[place] == "of" { place.checked_sub(1)? } else { place };
        words.get(skipped)
    });
    words.get(at + 1).and_then(number).or_else(|| before.and_then(number))
}

fn quarters_at(words: &[&str], at: usize) -> Vec<u8> {
    let ordinal = at.checked_sub(1).and_then(|before| match words[before] {
        "first" | "1st" => Some(1),
        "second" | "2nd" => Some(2),
        "third" | "3rd" => Some(3),
        "fourth" | "4th" => Some(4),
        _ => None,
    });
    match (words[at], ordinal) {
        ("q1", _) => vec![1],
        ("q2", _) => vec![2],
        ("q3", _) => vec![3],
        ("q4", _) => vec![4],
        ("quarter", Some(quarter)) => vec![quarter],
        ("h1", _) | ("half", Some(1)) => vec![1, 2],
        ("h2", _) | ("half", Some(2)) => vec![3, 4],
        _ => Vec::new(),
    }
}

fn month_name(month: u8) -> &'static str {
    MONTHS.get(usize::from(month).wrapping_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::ai::text::words;

    #[test]
    fn periods_are_read_in_many_forms() {
        for (text, period) in [
            ("in Q2", Period::Quarters(vec![2])),
            ("in the second quarter of 2025", Period::Quarters(vec![2])),
            ("for 2025-Q3", Period::Quarters(vec![3])),
            ("Q1 vs Q4", Period::Quarters(vec![1, 4])),
            ("in the first half", Period::Quarters(vec![1, 2])),
            ("in May", Period::Months(vec![5])),
            ("which may surprise", Period::All),
            ("from April to June", Period::Months(vec![4, 5, 6])),
            ("between march and may", Period::Months(vec![3, 4, 5])),
            ("in April and June", Period::Months(vec![4, 6])),
            ("in 2025-04", Period::Months(vec![4])),
            ("on June 3rd", Period::Day { month: 6, day: 3 }),
            ("on the 3rd of June 2025", Period::Day { month: 6, day: 3 }),
            ("on 2025-06-03", Period::Day { month: 6, day: 3 }),
            ("in June 2025", Period::Months(vec![6])),
        ] {
            let words = words(&format!("revenue {text}"));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert_eq!(read(&words), period, "{text}");
        }
    }
}
