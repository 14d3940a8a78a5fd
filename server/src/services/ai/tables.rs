//! The two sample tables that data questions are answered from.
//!
//! The figures are invented and ship with the server; nothing here is ever measured or written.

use super::corpus::CorpusError;

/// What a table measures. Each has one table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    /// US dollars, per month and region.
    Revenue,
    /// Connections opened, per day and region.
    Connections,
}

/// A column that rows can be grouped by, finest time first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Span {
    /// `2025-04-01`
    Day,
    /// `2025-04`
    Month,
    /// `2025-Q2`
    Quarter,
}

/// The regions, as they are written in the tables.
pub(super) const REGIONS: [&str; 3] = ["Americas", "Europe", "Asia-Pacific"];

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Empty in a table that is kept per month.
    pub(super) day: String,
    /// `2025-04`
    pub(super) month: String,
    /// `2025-Q2`
    pub(super) quarter: String,
    /// One of [`REGIONS`].
    pub(super) region: String,
    /// In the metric's unit.
    pub(super) value: i64,
}

/// All rows of both tables.
pub(super) struct Tables {
    revenue: Vec<Row>,
    connections: Vec<Row>,
}

impl Metric {
    /// The table's name in SQL.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Revenue => "revenue",
            Self::Connections => "connections",
        }
    }

    /// The measured column's name in SQL.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Revenue => "amount_usd",
            Self::Connections => "opened",
        }
    }

    /// The name of a sum of that column.
    pub(super) fn alias(self) -> &'static str {
        match self {
            Self::Revenue => "revenue_usd",
            Self::Connections => "connections_opened",
        }
    }

    /// How people call it, at the start of a sentence.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Revenue => "Revenue",
            Self::Connections => "Connections opened",
        }
    }

    /// What is measured, in the middle of a sentence.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Revenue => "revenue",
            Self::Connections => "number of connections opened",
        }
    }

    /// The finest time that the table is kept for.
    pub(super) fn finest(self) -> Span {
        match self {
            Self::Revenue => Span::Month,
            Self::Connections => Span::Day,
        }
    }

    /// What the table covers.
    pub(super) fn coverage(self) -> &'static str {
        match self {
            Self::Revenue => "January to December 2025, per month and region",
            Self::Connections => "April to June 2025, per day and region",
        }
    }

    /// A value with its unit and thousands separators.
    pub(super) fn amount(self, value: i64) -> String {
        let digits = value.unsigned_abs().to_string();
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let sign = if value < 0 { "-" } else { "" };
        match self {
            Self::Revenue => format!("{sign}${grouped}"),
            Self::Connections => format!("{sign}{grouped}"),
        }
    }
}

impl Span {
    /// The column's name in SQL, and the word for it.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Quarter => "quarter",
        }
    }

    /// The row's value in that column.
    pub(super) fn of(self, row: &Row) -> &str {
        match self {
            Self::Day => &row.day,
            Self::Month => &row.month,
            Self::Quarter => &row.quarter,
        }
    }
}

impl Tables {
    /// Reads the tables that are compiled in.
    pub(super) fn load() -> Result<Self, CorpusError> {
        Ok(Self {
            revenue: parse("revenue.csv", include_str!("corpus/revenue.csv"), false)?,
            connections: parse("connections.csv", include_str!("corpus/connections.csv"), true)?,
        })
    }

    /// The rows of the metric's table, oldest first.
    pub(super) fn rows(&self, metric: Metric) -> &[Row] {
        match metric {
            Metric::Revenue => &self.revenue,
            Metric::Connections => &self.connections,
        }
    }
}

fn parse(file: &'static str, text: &str, has_day: bool) -> Result<Vec<Row>, CorpusError> {
    let fail = |line: usize, reason| CorpusError::Table { file, line: line + 1, reason };
    let mut rows = Vec::new();
    for (line, record) in text.lines().enumerate().skip(1) {
        let mut fields = record.split(',');
        let mut field = || fields.next().ok_or_else(|| fail(line, "a field is missing"));
        let row = Row {
            day: if has_day { field()?.to_owned() } else { String::new() },
            month: field()?.to_owned(),
            quarter: field()?.to_owned(),
            region: field()?.to_owned(),
            value: field()?.parse().map_err(|_| fail(line, "the value is not a whole number"))?,
        };
        if !REGIONS.contains(&row.region.as_str()) {
            return Err(fail(line, "the region is unknown"));
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_whole() {
        let tables = Tables::load().unwrap();
        assert_eq!(tables.rows(Metric::Revenue).len(), 12 * 3);
        assert_eq!(tables.rows(Metric::Connections).len(), 91 * 3);
    }

    #[test]
    fn bad_lines_are_named() {
        let error = parse("t.csv", "h\n2025-01,2025-Q1,Europe,1\n2025-01,2025-Q1,Mars,1", false);
        assert_eq!(error.unwrap_err().to_string(), "t.csv:3: the region is unknown");
        assert!(parse("t.csv", "h\n2025-01,2025-Q1,Europe,1.5", false).is_err());
        assert!(parse("t.csv", "h\n2025-01,2025-Q1", false).is_err());
    }

    #[test]
    fn amounts_are_grouped() {
        assert_eq!(Metric::Revenue.amount(1_234_567), "$1,234,567");
        assert_eq!(Metric::Connections.amount(999), "999");
        assert_eq!(Metric::Revenue.amount(-1_000), "-$1,000");
    }
}
