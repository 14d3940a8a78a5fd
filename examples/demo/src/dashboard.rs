//! The third scene: the server's own dashboard ticks while somebody chats.

use std::time::Duration;

use staywire::folds::{DashboardState, TileState};
use staywire::{Client, Event, JoinFrom, LiveEvent};

use crate::count::{Counted, Seen};
use crate::screen::Screen;
use crate::stage::{Error, Stage, note};

/// Ticks that are shown.
const TICKS: usize = 10;

/// Ticks after which the wire is cut.
const CUTS: [usize; 2] = [3, 7];

pub(crate) async fn play(stage: &Stage, screen: &mut Screen) -> Result<Counted, Error> {
    screen.line("ada", "watches the server's own dashboard while somebody chats");
    let mut dashboard = stage.phone.dashboard("server").await?;
    let room = dashboard.room().name().to_owned();
    let (epoch, offset) = dashboard.room().position();
    let last = offset + TICKS as u64;
    let is_last = move |event: &Event| event.offset() >= Some(last);
    let witness = stage.witness(&room, JoinFrom::Position { epoch, offset }, is_last).await?;
    let chat = tokio::spawn(chat(stage.laptop.clone()));

    let mut seen = Seen::default();
    while seen.count() < TICKS {
        match dashboard.next().await {
            None => return Err("the dashboard has ended".into()),
            Some(LiveEvent::Gap(gap)) => seen.gap(gap.from, gap.to),
            Some(LiveEvent::Changed(event) | LiveEvent::Other(event)) => {
                note(&event, &mut seen);
                screen.progress("board", &shown(dashboard.state()), true);
                if CUTS.contains(&seen.count()) {
                    let so_far = format!("after {} ticks", seen.count());
                    stage.cut(screen, &so_far).await?;
                }
            }
            Some(LiveEvent::Restored | LiveEvent::Unreadable(_)) => {}
        }
    }
    screen.end();
    chat.abort();
    Ok(seen.against(&witness.await??))
}

/// More and less, so that there is something to see.
async fn chat(client: Client) {
    for beat in 0_u64.. {
        for _ in 0..(beat * beat % 13) {
            // The scene may be over.
            let _ = client.publish("chat:lobby", "wave", &beat).await;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

fn shown(state: &DashboardState) -> String {
    let tile = |id: &str| state.tiles.iter().find(|tile| tile.tile_id == id);
    let value = |id: &str| tile(id).map_or_else(String::new, |tile| tile.value.to_string());
    let waves = tile("events").map_or_else(String::new, sparks);
    format!(
        "connections {}  rooms {}  memory {} MiB  events/s {:>5} {waves}",
        value("connections"),
        value("rooms"),
        value("memory"),
        value("events"),
    )
}

/// The latest points of a series, as a row of bars.
fn sparks(tile: &TileState) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    // Behind the first look: that one is the mean since the last watcher.
    let latest = tile.points.iter().skip(1).rev().take(TICKS).map(|point| point.1);
    let latest: Vec<f64> = latest.collect();
    let most = latest.iter().copied().fold(1.0, f64::max);
    let bar = |value: &f64| BARS[((value / most) * 7.0).round().clamp(0.0, 7.0) as usize];
    latest.iter().rev().map(bar).collect()
}
