//! What a tile shows of a file of comma-separated values. It reads bytes, and no file.

use std::collections::VecDeque;

use csv::StringRecord;
use serde_json::{Number, Value};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

use super::source::{Fault, MAX_COLUMNS, Points, Reading, fitting, number, text};
use crate::config::dashboards::{CsvConfig, Take, TileKind};

/// What of a file is shown, and how.
pub(super) struct Table {
    kind: TileKind,
    rows: usize,
    column: Option<String>,
    take: Take,
    time: Option<String>,
}

/// The numbers of a column, as far as they were read.
#[derive(Default)]
struct Sums {
    rows: u64,
    numbers: u64,
    last: Option<f64>,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
}

impl Table {
    pub(super) fn new(config: &CsvConfig, kind: TileKind, rows: usize) -> Self {
        let CsvConfig { column, take, time, .. } = config.clone();
        Self { kind, rows, column, take, time }
    }

    /// Reads a whole file; one bad line is a fault of it all.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Fault> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let names = reader.headers().map_err(|error| unlike(&error))?.clone();
        if names.is_empty() {
            return Err(told("its file has no first line with the columns' names"));
        }
        match self.kind {
            TileKind::Table => self.table(&mut reader, &names),
            TileKind::Number | TileKind::Series => self.numbers(&mut reader, &names),
        }
    }

    fn table(
        &self,
        reader: &mut csv::Reader<&[u8]>,
        names: &StringRecord,
    ) -> Result<Reading, Fault> {
        // The last rows: files grow at their end.
        let mut rows = VecDeque::new();
        for record in reader.records() {
            rows.push_back(record.map_err(|error| unlike(&error))?);
            if rows.len() > self.rows {
                rows.pop_front();
            }
        }
        let names = names.iter().take(MAX_COLUMNS).map(text).collect();
        let rows = rows.iter().rev();
        let rows = rows.map(|row| Value::Array(row.iter().take(MAX_COLUMNS).map(cell).collect()));
        let rows = fitting(rows).into_iter().rev();
        let value = std::iter::once(Value::Array(names)).chain(rows).collect();
        Ok(Reading { value: Value::Array(value), points: Points::None })
    }

    fn numbers(
        &self,
        reader: &mut csv::Reader<&[u8]>,
        names: &StringRecord,
    ) -> Result<Reading, Fault> {
        let place = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match names.iter().position(|known| known == name) {
                Some(place) => Ok(Some(place)),
                None => Err(told(format!("its file has no column `{name}`"))),
            },
        };
        let (column, time) = (place(&self.column)?, place(&self.time)?);
        let mut sums = Sums::default();
        let mut points = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| unlike(&error))?;
            sums.rows += 1;
            let Some(value) = self.number(&record, column)? else { continue };
            sums.add(value);
            if let Some(time) = time {
                points.push((self.moment(&record, time)?, value));
                if points.len() >= 100_000 {
                    return Err(told("its series has over 100000 points"));
                }
            }
        }
        let value = sums.take(self.take);
        let value = match value {
            Some(value) => number(value).ok_or_else(|| told("its numbers are beyond counting"))?,
            None => Value::Null,
        };
        let points = match (self.kind, time) {
            (TileKind::Series, Some(_)) => Points::given(points),
            (TileKind::Series, None) => Points::Changes,
            _ => Points::None,
        };
        Ok(Reading { value, points })
    }

    /// The number of a row; an empty cell has none.
    fn number(&self, record: &StringRecord, column: Option<usize>) -> Result<Option<f64>, Fault> {
        let Some(cell) = column.and_then(|column| record.get(column)) else { return Ok(None) };
        if cell.is_empty() {
            return Ok(None);
        }
        match cell.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.wrong("number", &self.column, record)),
        }
    }

    fn moment(&self, record: &StringRecord, column: usize) -> Result<u64, Fault> {
        let cell = record.get(column).unwrap_or_default();
        moment(cell).ok_or_else(|| self.wrong("time", &self.time, record))
    }

    fn wrong(&self, what: &str, column: &Option<String>, record: &StringRecord) -> Fault {
        let line = record.position().map_or(0, csv::Position::line);
        let column = column.as_deref().unwrap_or_default();
        told(format!("its line {line} has no {what} in `{column}`"))
    }
}

impl Sums {
    fn add(&mut self, value: f64) {
        self.numbers += 1;
        self.sum += value;
        self.last = Some(value);
        self.min = Some(self.min.map_or(value, |least| least.min(value)));
        self.max = Some(self.max.map_or(value, |most| most.max(value)));
    }

    fn take(&self, take: Take) -> Option<f64> {
        let any = self.numbers > 0;
        match take {
            Take::Last => self.last,
            Take::Sum => Some(self.sum),
            Take::Mean => any.then(|| self.sum / self.numbers as f64),
            Take::Min => self.min,
            Take::Max => self.max,
            Take::Count => Some(self.rows as f64),
        }
    }
}

/// RFC 3339, a date, or ms since the Unix epoch, in ms since the Unix epoch.
fn moment(cell: &str) -> Option<u64> {
    if let Ok(ms) = cell.parse() {
        return Some(ms);
    }
    let moment = OffsetDateTime::parse(cell, &Rfc3339)
        .or_else(|_| Date::parse(cell, &Iso8601::DATE).map(|date| date.midnight().assume_utc()))
        .ok()?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// What JSON would call a number is one; `007` is a text.
fn cell(cell: &str) -> Value {
    /// Longer ones may not be what they were once they are read as doubles.
    const MAX_DIGITS: usize = 15;
    match cell.parse::<Number>() {
        Ok(number) if cell.len() <= MAX_DIGITS => Value::Number(number),
        _ => text(cell),
    }
}

fn told(text: impl Into<String>) -> Fault {
    let text = text.into();
    Fault { detail: text.clone(), told: text }
}

fn unlike(error: &csv::Error) -> Fault {
    let told = match error.position() {
        Some(position) => format!("its line {} is not like the first", position.line()),
        None => "its file is no list of comma-separated values".to_owned(),
    };
    Fault::new(told, error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SALES: &str = "\u{feff}day, amount ,who\n2026-01-01,10,ada\n2026-01-02T12:00:00+01:00,,bob\n\
                         1767398400000,2.5,\"x, y\"\n";

    fn read(kind: TileKind, take: Take, text: &str) -> Result<Reading, String> {
        let column = (kind != TileKind::Table).then(|| "amount".to_owned());
        let time = (kind == TileKind::Series).then(|| "day".to_owned());
        Table { kind, rows: 2, column, take, time }
            .read(text.as_bytes())
            .map_err(|fault| fault.told)
    }

    #[test]
    fn each_way_to_take_a_column() {
        for (take, value) in [
            (Take::Last, json!(2.5)),
            (Take::Sum, json!(12.5)),
            (Take::Mean, json!(6.25)),
            (Take::Min, json!(2.5)),
            (Take::Max, json!(10)),
            (Take::Count, json!(3)),
        ] {
            assert_eq!(read(TileKind::Number, take, SALES).unwrap().value, value, "{take:?}");
        }
        let empty = read(TileKind::Number, Take::Mean, "amount\n").unwrap();
        assert_eq!(empty.value, Value::Null);
    }

    #[test]
    fn a_series_has_the_times_of_its_rows() {
        let reading = read(TileKind::Series, Take::Last, SALES).unwrap();
        let points = vec![(1_767_225_600_000, 10.0), (1_767_398_400_000, 2.5)];
        assert_eq!(reading.points, Points::Given(points));
        let wrong = read(TileKind::Series, Take::Last, "day,amount\nyesterday,1\n").unwrap_err();
        assert_eq!(wrong, "its line 2 has no time in `day`");
    }

    #[test]
    fn a_table_has_the_last_rows_under_the_columns_names() {
        let table = read(TileKind::Table, Take::Last, SALES).unwrap().value;
        assert_eq!(table[0], json!(["day", "amount", "who"]));
        assert_eq!(table[2], json!([1_767_398_400_000_u64, 2.5, "x, y"]));
        assert_eq!(table.as_array().map(Vec::len), Some(3));
        assert_eq!(cell("007"), "007");
    }

    #[test]
    fn what_is_no_number_is_named() {
        let nan = read(TileKind::Number, Take::Sum, "amount\nNaN\n").unwrap_err();
        assert_eq!(nan, "its line 2 has no number in `amount`");
        let huge = read(TileKind::Number, Take::Sum, "amount\n1e308\n1e308\n").unwrap_err();
        assert_eq!(huge, "its numbers are beyond counting");
    }
}
