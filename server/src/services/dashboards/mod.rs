//! Dashboards: tiles that follow their sources, for whoever watches.

mod board;
mod csv_file;
mod csv_table;
mod figures;
mod reader;
mod source;
mod sqlite;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use staywire::events::Tile;

use super::monitor::Monitor;
use super::payload;
use crate::config::DashboardsConfig;
use crate::config::dashboards::{SERVER_DASHBOARD, ServerDashboardConfig, TileConfig, TileKind};
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::session::Caller;
use board::{Board, TileReader};
use csv_file::CsvFile;
use figures::{Figure, Figures};
use reader::Reader;
use source::Source;
use sqlite::SqliteFile;

/// Of the rooms in which dashboards are told.
pub(crate) const ROOM_PREFIX: &str = "dashboard:";

/// How long a look is waited for, beyond what its source may take.
const SPARE: Duration = Duration::from_secs(1);

/// The dashboards of one server.
pub(crate) struct Dashboards {
    boards: BTreeMap<String, Arc<Board>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct List<'a> {
    dashboards: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    dashboard_id: &'a str,
    title: &'a str,
}

impl Dashboards {
    pub(super) fn new(hub: &Arc<Hub>, monitor: &Monitor, config: &DashboardsConfig) -> Self {
        let mut boards: Vec<_> = config
            .boards
            .iter()
            .map(|board| {
                let tiles = board.tiles.iter();
                let tiles = tiles.filter_map(|tile| configured(&board.id, tile)).collect();
                let name = (board.id.as_str(), board.title.as_str());
                Board::new(hub.clone(), name, &board.tenants, board.interval_ms, tiles)
            })
            .collect();
        if config.server.enabled {
            boards.push(built_in(hub, monitor, &config.server));
        }
        let boards = boards.into_iter().map(|board| (board.id().to_owned(), board)).collect();
        Self { boards }
    }

    /// Whether a tenant may watch a dashboard: one of others is as if it were not there.
    pub(crate) fn check(&self, tenant: &str, id: &str) -> Result<(), Refusal> {
        self.find(tenant, id).map(drop)
    }

    /// Brings a dashboard up to date for somebody who is about to watch it.
    pub(super) async fn open(&self, tenant: &str, id: &str) -> Result<(), Refusal> {
        let board = self.find(tenant, id)?.clone();
        let tenant = tenant.to_owned();
        // To the end, even if the one who comes is gone meanwhile: what is told is told once.
        let opened = tokio::spawn(async move { board.open(&tenant).await });
        opened.await.unwrap_or(Err(Refusal::Internal))
    }

    /// `dashboards.list {}` -> `{dashboards: [{dashboard_id, title}]}`: those that the caller may
    /// watch.
    pub(super) fn list(
        &self,
        caller: &Caller,
        data: Option<&RawValue>,
    ) -> Result<Box<RawValue>, Refusal> {
        let Nothing {} = payload::read("dashboards.list", data)?;
        let dashboards = self
            .boards
            .values()
            .filter(|board| board.is_for(&caller.identity.tenant))
            .map(|board| Listed { dashboard_id: board.id(), title: board.title() });
        payload::reply(&List { dashboards: dashboards.collect() })
    }

    /// Rooms that somebody watches.
    pub(crate) fn watched(&self) -> usize {
        self.boards.values().map(|board| board.watched()).sum()
    }

    fn find(&self, tenant: &str, id: &str) -> Result<&Arc<Board>, Refusal> {
        self.boards.get(id).filter(|board| board.is_for(tenant)).ok_or_else(|| {
            Refusal::NotFound(format!(
                "there is no dashboard {:?}; `dashboards.list` names those there are",
                payload::shorten(id)
            ))
        })
    }
}

fn built_in(hub: &Arc<Hub>, monitor: &Monitor, config: &ServerDashboardConfig) -> Arc<Board> {
    let figures = Figures::new(hub, monitor.clone());
    let tiles = Figure::ALL.map(|figure| {
        let (id, title, unit, series) = figure.shown();
        let kind = if series { TileKind::Series } else { TileKind::Number };
        TileReader {
            tile: blank(id, title, kind, unit),
            reader: Reader::new(format!("{SERVER_DASHBOARD}/{id}"), figures.source(figure), SPARE),
        }
    });
    let name = (SERVER_DASHBOARD, "This server");
    Board::new(hub.clone(), name, &config.tenants, config.interval_ms, tiles.into())
}

/// A tile of the configuration; one without a source was refused there.
fn configured(board: &str, config: &TileConfig) -> Option<TileReader> {
    let TileConfig { id, title, kind, unit, rows, csv, sqlite } = config;
    let (source, allowed_ms): (Box<dyn Source>, _) = match (csv, sqlite) {
        (Some(csv), _) => (Box::new(CsvFile::new(csv.clone(), *kind, *rows)), csv.settle_ms),
        (None, Some(sqlite)) => {
            (Box::new(SqliteFile::new(sqlite.clone(), *kind, *rows)), sqlite.timeout_ms)
        }
        (None, None) => return None,
    };
    let patience = Duration::from_millis(allowed_ms) + SPARE;
    let reader = Reader::new(format!("{board}/{id}"), source, patience);
    Some(TileReader { tile: blank(id, title, *kind, unit), reader })
}

fn blank(id: &str, title: &str, kind: TileKind, unit: &str) -> Tile {
    Tile {
        tile_id: id.to_owned(),
        title: title.to_owned(),
        kind: kind.name().to_owned(),
        unit: unit.to_owned(),
        ..Tile::default()
    }
}
