//! A query of an SQLite file. The file is opened for reading alone, anew for each look, so that one
//! that was replaced is noticed; the query may read and do nothing else, within its time.

use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement};
use serde_json::Value;

use super::source::{Fault, Look, MAX_COLUMNS, Points, Reading, Source, fitting, number, text};
use crate::config::dashboards::{SqliteConfig, TileKind};

/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1_000;

/// The longest text or blob that a query may make, in bytes.
const MAX_VALUE_BYTES: i32 = 1 << 20;

/// Most rows that are read for a series; the latest of them are kept.
const MAX_POINTS_READ: usize = 10_000;

pub(super) struct SqliteFile {
    config: SqliteConfig,
    kind: TileKind,
    rows: usize,
}

impl SqliteFile {
    pub(super) fn new(config: SqliteConfig, kind: TileKind, rows: usize) -> Self {
        Self { config, kind, rows }
    }

    fn open(&self, timeout: Duration) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.config.file, flags)?;
        connection.busy_timeout(timeout)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
        connection.authorizer(Some(|context: rusqlite::hooks::AuthContext<'_>| {
            match context.action {
                AuthAction::Select
                | AuthAction::Read { .. }
                | AuthAction::Function { .. }
                | AuthAction::Recursive => Authorization::Allow,
                _ => Authorization::Deny,
            }
        }))?;
        let end = Instant::now() + timeout;
        connection.progress_handler(STEPS, Some(move || Instant::now() >= end))?;
        Ok(connection)
    }

    fn read(&self, statement: &mut Statement<'_>) -> Result<Reading, Wrong> {
        match self.kind {
            TileKind::Table => self.table(statement),
            TileKind::Series if statement.column_count() == 2 => series(statement),
            kind => {
                let mut rows = statement.query([])?;
                let value = match rows.next()? {
                    Some(row) => cell(row.get_ref(0)?)?,
                    None => Value::Null,
                };
                let points = match kind {
                    TileKind::Series => Points::Changes,
                    _ => Points::None,
                };
                Ok(Reading { value, points })
            }
        }
    }

    fn table(&self, statement: &mut Statement<'_>) -> Result<Reading, Wrong> {
        let columns = statement.column_count().min(MAX_COLUMNS);
        let names = statement.column_names().take(columns).map(text).collect();
        let mut table = vec![Value::Array(names)];
        let mut rows = statement.query([])?;
        while table.len() <= self.rows
            && let Some(row) = rows.next()?
        {
            let cells = (0..columns).map(|column| cell(row.get_ref(column)?));
            table.push(Value::Array(cells.collect::<Result<_, Wrong>>()?));
        }
        Ok(Reading { value: Value::Array(fitting(table.into_iter())), points: Points::None })
    }
}

impl Source for SqliteFile {
    fn look(&mut self, _: u64) -> Result<Look, Fault> {
        let timeout = Duration::from_millis(self.config.timeout_ms);
        let connection = self
            .open(timeout)
            .map_err(|error| Fault::new("its database can't be opened", error))?;
        let read = connection
            .prepare(&self.config.query)
            .map_err(Wrong::from)
            .and_then(|mut statement| self.read(&mut statement));
        read.map(Look::New).map_err(|wrong| match wrong {
            Wrong::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) => {
                    let limit = self.config.timeout_ms;
                    Fault::new(format!("its query takes longer than {limit} ms"), error)
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    Fault::new("its database is locked by another program", error)
                }
                Some(ErrorCode::AuthorizationForStatementDenied) => {
                    Fault::new("its query does more than read", error)
                }
                _ => Fault::new("its query fails", error),
            },
            Wrong::Value(what) => Fault::new(format!("its query gives {what}"), what),
        })
    }
}

enum Wrong {
    Sqlite(rusqlite::Error),
    Value(&'static str),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Times and numbers.
fn series(statement: &mut Statement<'_>) -> Result<Reading, Wrong> {
    let mut points = Vec::new();
    let mut rows = statement.query([])?;
    while points.len() < MAX_POINTS_READ
        && let Some(row) = rows.next()?
    {
        let at = match row.get_ref(0)? {
            ValueRef::Integer(at) => u64::try_from(at).ok(),
            _ => None,
        };
        let at = at.ok_or(Wrong::Value("a time that is not in ms since the Unix epoch"))?;
        let value = match row.get_ref(1)? {
            ValueRef::Integer(value) => value as f64,
            ValueRef::Real(value) if value.is_finite() => value,
            _ => return Err(Wrong::Value("a point that is no number")),
        };
        points.push((at, value));
    }
    let last = points.iter().max_by_key(|point| point.0);
    let value = last.and_then(|point| number(point.1)).unwrap_or(Value::Null);
    Ok(Reading { value, points: Points::given(points) })
}

fn cell(value: ValueRef<'_>) -> Result<Value, Wrong> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::from(value),
        ValueRef::Real(value) => number(value).ok_or(Wrong::Value("a number without an end"))?,
        ValueRef::Text(bytes) => text(&String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => Value::String(format!("({} bytes)", bytes.len())),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    /// A database of its own, gone at the end.
    struct Shop(PathBuf);

    impl Shop {
        fn new(name: &str) -> Self {
            let file = format!("staywire-{name}-{}.db", std::process::id());
            let shop = Self(std::env::temp_dir().join(file));
            let setup = "create table orders (at integer, amount real, who text);
                insert into orders values (1000, 2.5, 'ada'), (2000, 4.0, 'bob'), (3000, 6, null);";
            Connection::open(&shop.0).unwrap().execute_batch(setup).unwrap();
            shop
        }

        fn look(&self, kind: TileKind, query: &str) -> Result<Reading, Fault> {
            let config =
                SqliteConfig { file: self.0.clone(), query: query.to_owned(), timeout_ms: 200 };
            match SqliteFile::new(config, kind, 2).look(0)? {
                Look::New(reading) => Ok(reading),
                Look::Same => panic!("a query is always asked"),
            }
        }

        fn fault(&self, query: &str) -> String {
            self.look(TileKind::Number, query).unwrap_err().told
        }
    }

    impl Drop for Shop {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn each_kind_reads_what_it_shows() {
        let shop = Shop::new("kinds");
        let sum = shop.look(TileKind::Number, "select sum(amount) from orders").unwrap();
        assert_eq!((sum.value, sum.points), (json!(12.5), Points::None));
        let none = shop.look(TileKind::Number, "select 1 from orders where 0").unwrap();
        assert_eq!(none.value, Value::Null);
        let series = "select at, amount from orders order by at desc";
        let series = shop.look(TileKind::Series, series).unwrap();
        assert_eq!(series.value, json!(6));
        let points = vec![(1_000, 2.5), (2_000, 4.0), (3_000, 6.0)];
        assert_eq!(series.points, Points::Given(points));
        let table = shop.look(TileKind::Table, "select who, amount from orders").unwrap();
        assert_eq!(table.value, json!([["who", "amount"], ["ada", 2.5], ["bob", 4]]));
    }

    #[test]
    fn a_query_reads_and_does_nothing_else() {
        let shop = Shop::new("reads");
        for query in [
            "delete from orders",
            "attach ':memory:' as other",
            "pragma journal_mode = wal",
            "create temp table t (a)",
        ] {
            assert_eq!(shop.fault(query), "its query does more than read", "{query}");
        }
        assert_eq!(shop.fault("select 1; select 2"), "its query fails");
        assert_eq!(shop.fault("select nothing"), "its query fails");
        assert!(shop.look(TileKind::Series, "select 'x', 1").is_err());
    }

    #[test]
    fn a_query_without_end_is_ended() {
        let shop = Shop::new("endless");
        let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) \
                       select count(*) from n";
        let begun = Instant::now();
        assert_eq!(shop.fault(endless), "its query takes longer than 200 ms");
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(shop.fault("select hex(zeroblob(900000))"), "its query fails");
    }

    #[test]
    fn a_file_that_is_missing_is_not_made() {
        let shop = Shop::new("missing");
        std::fs::remove_file(&shop.0).unwrap();
        assert_eq!(shop.fault("select 1"), "its database can't be opened");
        assert!(!shop.0.exists());
    }
}
