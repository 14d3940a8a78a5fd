//! `staywire dashboard`: what a dashboard shows, and each change of it.

use serde_json::{Value, json};
use staywire::events::DashboardUpdated;
use staywire::folds::{DashboardState, TileState};
use staywire::{Client, LiveEvent};

use crate::args::{ConnectionArgs, Dashboard};
use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, describe};

pub(crate) async fn run(
    connection: &ConnectionArgs,
    args: Dashboard,
    output: Output,
) -> Result<(), Failure> {
    let client = connect::client(connection).await?;
    match &args.id {
        None => list(&client, output).await?,
        Some(id) => follow(&client, id, &args, output).await?,
    }
    client.close().await;
    Ok(())
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let reply: Value = client.call("dashboards.list", &json!({})).await?;
    for listed in reply["dashboards"].as_array().into_iter().flatten() {
        let text = |name: &str| listed[name].as_str().unwrap_or_default();
        let (id, title) = (text("dashboard_id"), text("title"));
        let object = json!({"kind": "dashboard", "dashboard_id": id, "title": title});
        output.result(&format!("{id:<20} {title}"), &object)?;
    }
    Ok(())
}

async fn follow(
    client: &Client,
    id: &str,
    args: &Dashboard,
    output: Output,
) -> Result<(), Failure> {
    let mut dashboard = client.dashboard(id).await?;
    output.note(&format!("(watching {id}; Ctrl-C ends it)"));
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        match dashboard.next().await {
            None => {
                let why = dashboard.room().error().map_or_else(String::new, |e| e.to_string());
                return Err(Failure::Failed(format!("the dashboard has ended: {why}")));
            }
            Some(LiveEvent::Changed(event)) => {
                left -= 1;
                if output.is_json() {
                    output.event(Some(dashboard.room().name()), &event)?;
                } else if let Ok(updated) = event.data::<DashboardUpdated>() {
                    changed(dashboard.state(), &updated, output)?;
                }
            }
            Some(LiveEvent::Restored) => whole(dashboard.state(), output)?,
            Some(LiveEvent::Gap(gap)) => {
                output.gap(&gap, Some(dashboard.room().name()))?;
                if args.strict {
                    return Err(Failure::Gap(describe(&gap)));
                }
            }
            Some(LiveEvent::Unreadable(error)) => output.note(&format!("(unreadable: {error})")),
            Some(LiveEvent::Other(_)) => {}
        }
    }
    Ok(())
}

/// All tiles, each on a line of its own.
fn whole(state: &DashboardState, output: Output) -> Result<(), Failure> {
    if output.is_json() {
        let state = serde_json::to_value(state).unwrap_or(Value::Null);
        return output.result("", &json!({"kind": "snapshot", "data": state}));
    }
    output.note(&format!("{}:", state.title));
    for tile in &state.tiles {
        output.result(&format!("  {:<24} {}", tile.title, shown(tile)), &Value::Null)?;
    }
    Ok(())
}

/// The tiles that changed, on one line.
fn changed(
    state: &DashboardState,
    updated: &DashboardUpdated,
    output: Output,
) -> Result<(), Failure> {
    let named = |id: &str| state.tiles.iter().find(|tile| tile.tile_id == id);
    let tiles = updated.tiles.iter().filter_map(|tile| named(&tile.tile_id));
    let tiles: Vec<_> = tiles.map(|tile| format!("{} {}", tile.title, shown(tile))).collect();
    // The time of day is enough to watch by.
    let time = updated.timestamp.get(11..19).unwrap_or(&updated.timestamp);
    output.result(&format!("{time}  {}", tiles.join(" · ")), &Value::Null)
}

fn shown(tile: &TileState) -> String {
    let value = match &tile.value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        // The first row names the columns.
        Value::Array(rows) => format!("{} rows", rows.len().saturating_sub(1)),
        value => value.to_string(),
    };
    let unit = if tile.unit.is_empty() { String::new() } else { format!(" {}", tile.unit) };
    let fault = tile.fault.as_ref().map_or_else(String::new, |fault| format!(" (old: {fault})"));
    format!("{value}{unit}{fault}")
}
