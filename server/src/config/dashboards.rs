//! Which dashboards there are, for whom, and where their tiles get their values from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;

/// The id of the dashboard that is built in.
pub const SERVER_DASHBOARD: &str = "server";

/// The shortest time between two looks at a dashboard's sources, in ms.
const MIN_INTERVAL_MS: u64 = 100;
const MAX_BOARDS: usize = 100;
const MAX_TILES: usize = 50;
const MAX_ROWS: usize = 100;
const MAX_TITLE_BYTES: usize = 200;
const MAX_TIMEOUT_MS: u64 = 10_000;
const MAX_SETTLE_MS: u64 = 5_000;

/// Dashboards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DashboardsConfig {
    /// The built-in one, with the server's own figures.
    pub server: ServerDashboardConfig,
    /// Further ones: `[[dashboards.board]]`. Default: none.
    #[serde(rename = "board")]
    pub boards: Vec<BoardConfig>,
}

/// The built-in dashboard `server`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerDashboardConfig {
    /// Whether it is there. Default `true`.
    pub enabled: bool,
    /// The tenants that may watch it. Default: none named, so all.
    pub tenants: Vec<String>,
    /// Time between two looks at the figures while somebody watches, in ms. Default 1,000.
    pub interval_ms: u64,
}

impl Default for ServerDashboardConfig {
    fn default() -> Self {
        Self { enabled: true, tenants: Vec::new(), interval_ms: default_interval_ms() }
    }
}

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardConfig {
    /// Names it in its room, `dashboard:{id}`: 1 to 64 of `A-Z a-z 0-9 - _ .`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The tenants that may watch it. Default: none named, so all.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Time between two looks at its sources while somebody watches, in ms. Default 1,000, at
    /// least 100.
    #[serde(default = "default_interval_ms")]
    pub interval_ms: u64,
    /// Its tiles, `[[dashboards.board.tile]]`, in the order to show them in.
    #[serde(rename = "tile")]
    pub tiles: Vec<TileConfig>,
}

/// A tile of a dashboard: it has either `csv` or `sqlite`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileConfig {
    /// Names it within its dashboard, in the same letters as a dashboard's.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How to show it.
    pub kind: TileKind,
    /// The unit of its numbers. Default: none.
    #[serde(default)]
    pub unit: String,
    /// Rows that a table shows, 1 to 100. Default 20.
    #[serde(default = "default_rows")]
    pub rows: usize,
    /// A file of comma-separated values that is watched.
    #[serde(default)]
    pub csv: Option<CsvConfig>,
    /// A query of an SQLite file.
    #[serde(default)]
    pub sqlite: Option<SqliteConfig>,
}

/// How a tile is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TileKind {
    /// One value.
    Number,
    /// A value over time.
    Series,
    /// Rows.
    Table,
}

impl TileKind {
    /// As clients are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Series => "series",
            Self::Table => "table",
        }
    }
}

/// A file of comma-separated values, the columns' names in its first line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file.
    pub file: PathBuf,
    /// The column of the numbers; needed but for tables and `take = "count"`.
    #[serde(default)]
    pub column: Option<String>,
    /// What of the column is the value. Default `last`.
    #[serde(default)]
    pub take: Take,
    /// The column of times, for a series with a point for each row: RFC 3339, a date, or ms since
    /// the Unix epoch. Without it a series gets a point whenever its value changes.
    #[serde(default)]
    pub time: Option<String>,
    /// How long the file must be left alone before a change is believed, in ms, unless whole lines
    /// were appended. Default 300, at most 5,000.
    #[serde(default = "default_settle_ms")]
    pub settle_ms: u64,
    /// The largest file that is read, in bytes. Default 16 MiB.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
}

/// What of a column is a tile's value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    /// The last one.
    #[default]
    Last,
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many rows there are.
    Count,
}

/// A query of an SQLite file, which is opened for reading alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// The file.
    pub file: PathBuf,
    /// One `select`. A number is the first column of the first row; a series likewise, or its
    /// points if there are two columns: the time in ms since the Unix epoch, and the number.
    pub query: String,
    /// How long the query may take, in ms. Default 1,000, at most 10,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

const fn default_interval_ms() -> u64 {
    1_000
}

const fn default_rows() -> usize {
    20
}

const fn default_settle_ms() -> u64 {
    300
}

const fn default_max_bytes() -> u64 {
    16 << 20
}

const fn default_timeout_ms() -> u64 {
    1_000
}

impl DashboardsConfig {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for tile in self.boards.iter_mut().flat_map(|board| &mut board.tiles) {
            let csv = tile.csv.as_mut().map(|csv| &mut csv.file);
            let sqlite = tile.sqlite.as_mut().map(|sqlite| &mut sqlite.file);
            for file in [csv, sqlite].into_iter().flatten() {
                *file = folder.join(&*file);
            }
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let server = &self.server;
        interval("dashboards.server.interval_ms".into(), server.interval_ms)?;
        tenants("dashboards.server.tenants".into(), &server.tenants)?;
        let boards: Vec<_> = self.boards.iter().map(|board| board.id.as_str()).collect();
        few("dashboards.board".into(), boards.len(), 0, MAX_BOARDS)?;
        ids("dashboards.board.id", &boards)?;
        if server.enabled && boards.contains(&SERVER_DASHBOARD) {
            return Err(ConfigError::invalid(
                "dashboards.board.id",
                format!("{SERVER_DASHBOARD:?} is the dashboard that is built in"),
                "take another id, or set `dashboards.server.enabled = false`",
            ));
        }
        self.boards.iter().try_for_each(BoardConfig::validate)
    }
}

impl BoardConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let key = format!("dashboards.board.{}", self.id);
        title(format!("{key}.title"), &self.title)?;
        interval(format!("{key}.interval_ms"), self.interval_ms)?;
        tenants(format!("{key}.tenants"), &self.tenants)?;
        let tiles: Vec<_> = self.tiles.iter().map(|tile| tile.id.as_str()).collect();
        few(format!("{key}.tile"), tiles.len(), 1, MAX_TILES)?;
        ids(&format!("{key}.tile.id"), &tiles)?;
        self.tiles.iter().try_for_each(|tile| tile.validate(&key))
    }
}

impl TileConfig {
    fn validate(&self, board: &str) -> Result<(), ConfigError> {
        let key = format!("{board}.tile.{}", self.id);
        title(format!("{key}.title"), &self.title)?;
        if self.unit.len() > MAX_TITLE_BYTES {
            return Err(too_long(format!("{key}.unit")));
        }
        few(format!("{key}.rows"), self.rows, 1, MAX_ROWS)?;
        match (&self.csv, &self.sqlite) {
            (Some(csv), None) => csv.validate(&key, self.kind),
            (None, Some(sqlite)) => sqlite.validate(&key),
            _ => Err(ConfigError::invalid(
                key,
                "a tile has one source",
                "give it either `csv = {…}` or `sqlite = {…}`",
            )),
        }
    }
}

impl CsvConfig {
    fn validate(&self, tile: &str, kind: TileKind) -> Result<(), ConfigError> {
        let table = kind == TileKind::Table;
        if self.column.is_none() && !table && self.take != Take::Count {
            return Err(ConfigError::invalid(
                format!("{tile}.csv.column"),
                "it is not said which column has the numbers",
                "name it as the first line of the file does",
            ));
        }
        if self.settle_ms > MAX_SETTLE_MS {
            return Err(ConfigError::invalid(
                format!("{tile}.csv.settle_ms"),
                format!("{} ms is longer than anybody would wait", self.settle_ms),
                "set 5000 or less",
            ));
        }
        if self.time.is_some() && (kind != TileKind::Series || self.column.is_none()) {
            return Err(ConfigError::invalid(
                format!("{tile}.csv.time"),
                "times are for a series of a column",
                "remove it, or set `kind = \"series\"` and `column`",
            ));
        }
        Ok(())
    }
}

impl SqliteConfig {
    fn validate(&self, tile: &str) -> Result<(), ConfigError> {
        if !(1..=MAX_TIMEOUT_MS).contains(&self.timeout_ms) {
            return Err(ConfigError::invalid(
                format!("{tile}.sqlite.timeout_ms"),
                format!("{} is out of range", self.timeout_ms),
                "set 1 to 10000",
            ));
        }
        Ok(())
    }
}

fn interval(key: String, interval_ms: u64) -> Result<(), ConfigError> {
    if interval_ms < MIN_INTERVAL_MS {
        return Err(ConfigError::invalid(
            key,
            format!("{interval_ms} ms would do little but look"),
            "set 100 or more",
        ));
    }
    Ok(())
}

fn tenants(key: String, tenants: &[String]) -> Result<(), ConfigError> {
    match tenants.iter().find(|tenant| !is_name(tenant)) {
        Some(bad) => Err(ConfigError::invalid(
            key,
            format!("{bad:?} is no tenant's name"),
            "name tenants as their tokens do",
        )),
        None => Ok(()),
    }
}

fn title(key: String, title: &str) -> Result<(), ConfigError> {
    match title.len() {
        0 => Err(ConfigError::invalid(key, "it is empty", "say what is shown")),
        1..=MAX_TITLE_BYTES => Ok(()),
        _ => Err(too_long(key)),
    }
}

fn too_long(key: String) -> ConfigError {
    ConfigError::invalid(key, "it is over 200 bytes", "shorten it")
}

fn few(key: String, count: usize, least: usize, most: usize) -> Result<(), ConfigError> {
    match (least..=most).contains(&count) {
        true => Ok(()),
        false => Err(ConfigError::invalid(
            key,
            format!("{count} is out of range: {least} to {most}"),
            "set it within the range",
        )),
    }
}

/// As tenants are called, and what becomes part of rooms' names and addresses.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn ids(key: &str, ids: &[&str]) -> Result<(), ConfigError> {
    let mut known = BTreeSet::new();
    for id in ids {
        if !is_name(id) {
            return Err(ConfigError::invalid(
                key.to_owned(),
                format!("{id:?} can't be one"),
                "use 1 to 64 of A-Z a-z 0-9 - _ .",
            ));
        }
        if !known.insert(id) {
            return Err(ConfigError::invalid(
                key.to_owned(),
                format!("{id:?} is there twice"),
                "take another id",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const GOOD: &str = "demo = true
        [[dashboards.board]]
        id = 'sales'
        title = 'Sales'
        [[dashboards.board.tile]]
        id = 'day'
        title = 'Today'
        kind = 'number'
        csv = { file = 'sales.csv', column = 'amount', take = 'sum' }
        [[dashboards.board.tile]]
        id = 'open'
        title = 'Open orders'
        kind = 'table'
        sqlite = { file = 'shop.db', query = 'select * from orders' }";

    fn error_of(text: &str) -> String {
        Config::from_toml(text, "test.toml")
            .and_then(|config| config.validate())
            .map_or_else(|error| error.to_string(), |()| panic!("nothing wrong with {text}"))
    }

    #[test]
    fn a_good_one_is_read() {
        let config = Config::from_toml(GOOD, "test.toml").unwrap();
        config.validate().unwrap();
        let board = &config.dashboards.boards[0];
        assert_eq!((board.interval_ms, board.tiles.len()), (1_000, 2));
        assert_eq!(board.tiles[1].sqlite.as_ref().map(|sqlite| sqlite.timeout_ms), Some(1_000));
    }

    #[test]
    fn each_fault_names_its_key() {
        for (from, to, key) in [
            ("id = 'sales'", "id = 'a/b'", "dashboards.board.id"),
            ("id = 'sales'", "id = 'server'", "built in"),
            ("id = 'open'", "id = 'day'", "there twice"),
            ("title = 'Sales'", "title = ''", "dashboards.board.sales.title"),
            ("title = 'Sales'", "title = 'S'\ninterval_ms = 99", "interval_ms"),
            ("title = 'Sales'", "title = 'S'\ntenants = ['a b']", "no tenant's name"),
            ("column = 'amount', ", "", "tile.day.csv.column"),
            ("'sum' }", "'sum', settle_ms = 5001 }", "tile.day.csv.settle_ms"),
            (", column = 'amount', take = 'sum'", "", "tile.day.csv.column"),
            ("'sum' }", "'sum', time = 'at' }", "tile.day.csv.time"),
            ("kind = 'table'", "kind = 'table'\nrows = 101", "tile.open.rows"),
            ("orders' }", "orders', timeout_ms = 0 }", "tile.open.sqlite.timeout_ms"),
            ("sqlite = ", "colour = 'red'\nsqlite = ", "unknown field `colour`"),
            ("kind = 'number'", "kind = 'pie'", "unknown variant `pie`"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = error_of(&GOOD.replacen(from, to, 1));
            assert!(error.contains(key), "{to}: {error}");
        }
        let both = GOOD.replacen("csv = ", "sqlite = { file = 'x', query = 'y' }\ncsv = ", 1);
        assert!(error_of(&both).contains("either `csv"), "{}", error_of(&both));
    }
}
