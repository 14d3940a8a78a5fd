//! Dashboards: the state on coming, what changes after, over cuts; files that change, or are only
//! half there; and who may see what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use staywire::folds::{DashboardState, TileState};
use staywire::{Client, JoinError, JoinFrom, LiveEvent, LiveRoom, RoomEvent};
use staywire_chaos::Proxy;
use staywire_server::Server;
use staywire_server::bus::RoomKey;
use staywire_server::config::Config;

use crate::peer::{End, Peer, dial};
use crate::support::{
    PATIENCE, TENANT, builder, config, connect, now_ms, publish, serve, token, token_for, until,
    within,
};

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("staywire-dashboards-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server whose dashboards are those of a configuration's text.
async fn serve_boards(toml: &str) -> Server {
    let mut config = config();
    config.dashboards = Config::from_toml(toml, "test.toml").unwrap().dashboards;
    config.dashboards.server.interval_ms = 100;
    serve(config).await
}

fn sales(csv: &Path) -> String {
    format!(
        "[[dashboards.board]]
        id = 'sales'
        title = 'Sales'
        interval_ms = 100
        [[dashboards.board.tile]]
        id = 'sum'
        title = 'Sum'
        unit = 'EUR'
        kind = 'number'
        csv = {{ file = {csv:?}, column = 'amount', take = 'sum', settle_ms = 20 }}
        [[dashboards.board.tile]]
        id = 'orders'
        title = 'Orders'
        kind = 'table'
        csv = {{ file = {csv:?}, settle_ms = 20 }}"
    )
}

async fn watch(client: &Client, id: &str) -> LiveRoom<DashboardState> {
    within("watching", client.dashboard(id)).await.unwrap()
}

fn tile<'a>(state: &'a DashboardState, id: &str) -> &'a TileState {
    static NONE: std::sync::OnceLock<TileState> = std::sync::OnceLock::new();
    let tile = state.tiles.iter().find(|tile| tile.tile_id == id);
    tile.unwrap_or_else(|| NONE.get_or_init(TileState::default))
}

async fn shows(room: &mut LiveRoom<DashboardState>, id: &str, value: Value) {
    let shown = room.until(|state| tile(state, id).value == value);
    let shown = tokio::time::timeout(PATIENCE, shown).await.map(|state| state.is_some());
    assert_eq!(shown, Ok(true), "{id} should show {value}: {:?}", room.state());
}

#[tokio::test]
async fn a_dashboard_begins_with_its_state_and_goes_on_with_what_changes() {
    let folder = Folder::new("changes");
    folder.write("sales.csv", "day,amount\nmon,10\ntue,20\n");
    let server = serve_boards(&sales(&folder.path("sales.csv"))).await;
    let ada = connect(&server, server.address(), "ada").await;
    let mut room = within("joining", ada.join("dashboard:sales")).await.unwrap();
    let first = within("the state", room.next()).await;
    let Some(RoomEvent::Snapshot(state)) = first else { panic!("no state: {first:?}") };
    let state: Value = serde_json::from_str(state.get()).unwrap();
    assert_eq!(
        state,
        json!({"dashboard_id": "sales", "title": "Sales", "tiles": [
            {"tile_id": "sum", "title": "Sum", "kind": "number", "unit": "EUR", "value": 30,
                "points": []},
            {"tile_id": "orders", "title": "Orders", "kind": "table", "unit": "",
                "value": [["day", "amount"], ["mon", 10], ["tue", 20]], "points": []}]})
    );
    // The sum stays, so its tile is not told.
    folder.write("sales.csv", "day,amount\nmon,20\ntue,10\n");
    let Some(RoomEvent::Event(event)) = within("what changed", room.next()).await else {
        panic!("no event");
    };
    assert_eq!(event.kind().unwrap(), "dashboard:updated");
    let updated: Value = event.data().unwrap();
    let table = json!([["day", "amount"], ["mon", 20], ["tue", 10]]);
    assert_eq!(updated["tiles"], json!([{"tile_id": "orders", "value": table}]));
    assert_eq!(updated["dashboard_id"], "sales");
    assert!(updated["timestamp"].is_string());
    let listed: Value = within("a list", ada.call("dashboards.list", &json!({}))).await.unwrap();
    let sales = json!({"dashboard_id": "sales", "title": "Sales"});
    let server = json!({"dashboard_id": "server", "title": "This server"});
    assert_eq!(listed, json!({"dashboards": [sales, server]}));
}

#[tokio::test]
async fn a_file_that_is_half_written_gives_no_nonsense() {
    let folder = Folder::new("torn");
    folder.write("sales.csv", "day,amount\nmon,10\ntue,20\n");
    let server = serve_boards(&sales(&folder.path("sales.csv"))).await;
    let ada = connect(&server, server.address(), "ada").await;
    let mut room = watch(&ada, "sales").await;
    shows(&mut room, "sum", json!(30)).await;
    for torn in ["", "day,amo", "day,amount\nmon,10\ntu", "day,amount\nmon,1x\n"] {
        folder.write("sales.csv", torn);
        let told = room.until(|state| tile(state, "sum").fault.is_some());
        let state = within("a fault", told).await.unwrap();
        assert_eq!(tile(state, "sum").value, json!(30), "{torn:?}");
        let late = connect(&server, server.address(), "bob").await;
        let mut late = watch(&late, "sales").await;
        shows(&mut late, "sum", json!(30)).await;
        assert!(tile(late.state(), "sum").fault.is_some(), "whoever comes late is told too");
        folder.write("sales.csv", "day,amount\nmon,10\ntue,20\n");
        let mended = room.until(|state| tile(state, "sum").fault.is_none());
        assert_eq!(tile(within("no fault", mended).await.unwrap(), "sum").value, json!(30));
    }
    std::fs::remove_file(folder.path("sales.csv")).unwrap();
    let gone = room.until(|state| tile(state, "sum").fault.is_some());
    let gone = within("a fault", gone).await.unwrap();
    let fault = tile(gone, "sum").fault.clone().unwrap();
    assert_eq!((fault.as_str(), &tile(gone, "sum").value), ("its file can't be read", &json!(30)));
}

#[tokio::test]
async fn a_database_is_asked_and_never_written() {
    let folder = Folder::new("sqlite");
    let file = folder.path("shop.db");
    let shop = Connection::open(&file).unwrap();
    shop.execute_batch("create table orders (amount integer); insert into orders values (7);")
        .unwrap();
    let boards = format!(
        "[[dashboards.board]]
        id = 'shop'
        title = 'Shop'
        interval_ms = 100
        [[dashboards.board.tile]]
        id = 'sum'
        title = 'Sum'
        kind = 'series'
        sqlite = {{ file = {file:?}, query = 'select sum(amount) from orders' }}
        [[dashboards.board.tile]]
        id = 'bad'
        title = 'Bad'
        kind = 'number'
        sqlite = {{ file = {file:?}, query = 'delete from orders' }}"
    );
    let server = serve_boards(&boards).await;
    let ada = connect(&server, server.address(), "ada").await;
    let mut room = watch(&ada, "shop").await;
    shows(&mut room, "sum", json!(7)).await;
    assert_eq!(
        tile(room.state(), "bad").fault.as_deref(),
        Some("its query does more than read"),
        "{:?}",
        room.state()
    );
    shop.execute("insert into orders values (5)", ()).unwrap();
    shows(&mut room, "sum", json!(12)).await;
    let values: Vec<f64> = tile(room.state(), "sum").points.iter().map(|point| point.1).collect();
    assert_eq!(values, [7.0, 12.0], "a point for each change");
}

#[tokio::test]
async fn nobody_watches_what_is_not_there_or_of_another_tenant() {
    let folder = Folder::new("tenants");
    folder.write("sales.csv", "day,amount\nmon,10\n");
    let boards = sales(&folder.path("sales.csv")).replacen(
        "title = 'Sales'",
        "title = 'Sales'\ntenants = ['acme']",
        1,
    );
    let server = serve_boards(&boards).await;
    let ada = connect(&server, server.address(), "ada").await;
    let foreign = token_for(&server, "eve", "other", Duration::from_secs(600));
    let eve = builder(server.address()).token(foreign.clone()).build().unwrap();
    within("connecting", eve.connect()).await.unwrap();
    shows(&mut watch(&ada, "sales").await, "sum", json!(10)).await;
    for (client, id) in [(&ada, "nothing"), (&ada, ""), (&eve, "sales"), (&eve, "Sales")] {
        let refused = within("a refusal", client.dashboard(id)).await.map(drop).unwrap_err();
        assert!(
            matches!(&refused, JoinError::Refused(refusal) if refusal.code == "not_found"),
            "{id}: {refused:?}"
        );
    }
    let listed: Value = within("a list", eve.call("dashboards.list", &json!({}))).await.unwrap();
    assert_eq!(listed["dashboards"].as_array().map(Vec::len), Some(1), "{listed}");
    let lie = json!({"dashboard_id": "sales", "tiles": [], "timestamp": "now"});
    let lied = within("lying", ada.publish("dashboard:sales", "dashboard:updated", &lie)).await;
    assert!(lied.is_err(), "what a dashboard shows is for the server to say");
    // The same at the endpoint: 404 to a program, a close to a page, whatever it speaks.
    let path = "/ws/bi/dashboards/sales";
    for headers in [vec![], vec![("sec-websocket-protocol", "staywire.v1")]] {
        let bearer = format!("Bearer {foreign}");
        let with = [&headers[..], &[("authorization", bearer.as_str())]].concat();
        let refused = dial(server.address(), path, &with).await.map(drop).unwrap_err();
        assert_eq!(refused.status(), 404);
    }
    let origin = format!("http://{}", server.address());
    let mut page = Peer::open(server.address(), path, &[("origin", &origin)]).await;
    let (error, end) = page.refusal().await;
    assert_eq!(error["code"], "not_found", "a guest is of another tenant");
    assert_eq!(end, End::Closed { code: 4404, reason: "not_found".into() });
}

#[tokio::test]
async fn a_plain_client_gets_the_state_and_then_what_changes() {
    let server = serve_boards("").await;
    let bearer = format!("Bearer {}", token(&server, "ada"));
    let path = "/ws/bi/dashboards/server";
    let mut peer = Peer::open(server.address(), path, &[("authorization", &bearer)]).await;
    let first = peer.receive().await.unwrap();
    assert_eq!(first["type"], "dashboard:snapshot", "{first}");
    assert_eq!(first["data"]["dashboard_id"], "server");
    let ids = first["data"]["tiles"].as_array().unwrap().iter();
    let ids: Vec<_> = ids.map(|tile| tile["tile_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["connections", "rooms", "events", "memory", "uptime"]);
    assert_eq!(first["data"]["tiles"][0]["value"], 1);
    assert!(first["data"]["tiles"][3]["value"].as_f64().unwrap() > 1.0, "{first}");
    publish(&server, "chat:1", 1..=50).await;
    loop {
        let next = peer.receive_kind("dashboard:updated").await;
        let tiles = next["data"]["tiles"].as_array().unwrap();
        let events = tiles.iter().find(|tile| tile["tile_id"] == "events");
        if events.is_some_and(|tile| tile["value"].as_f64().unwrap() > 1.0) {
            break;
        }
    }
}

#[tokio::test]
async fn a_cut_in_the_middle_loses_nothing() {
    let server = serve_boards("").await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let ada = connect(&server, proxy.address(), "ada").await;
    let mut through = watch(&ada, "server").await;
    within("its state", through.next()).await;
    let from = through.room().position();
    let direct = connect(&server, server.address(), "ada").await;
    let position = JoinFrom::Position { epoch: from.0.clone(), offset: from.1 };
    let witness = within("joining", direct.join_from("dashboard:server", position)).await.unwrap();
    let mut witness = LiveRoom::<DashboardState>::new(witness);
    let last = from.1 + 12;
    let mut told = Vec::new();
    while through.room().position().1 < last {
        match within("an event", through.next()).await.unwrap() {
            LiveEvent::Changed(event) => {
                told.push((event.offset().unwrap(), event.raw().to_vec()));
                if told.len() % 4 == 2 {
                    proxy.cut();
                }
            }
            other => panic!("neither a gap nor a state is due: {other:?}"),
        }
    }
    let mut said = Vec::new();
    while witness.room().position().1 < last {
        if let LiveEvent::Other(event) = within("an event", witness.next()).await.unwrap() {
            // It was never told the state, so these change nothing that it has.
            said.push((event.offset().unwrap(), event.raw().to_vec()));
        }
    }
    assert_eq!(told, said, "every one once, in order, as it was said");
    assert!(proxy.accepted() >= 3, "it was cut, and came back");
    let points = &tile(through.state(), "events").points;
    assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
}

/// The last offset of a dashboard's log.
async fn tip(server: &Server, room: &str) -> u64 {
    let key = RoomKey::new(TENANT, room);
    server.hub().bus().read(&key, u64::MAX - 1, 0, now_ms()).await.unwrap().tip
}

#[tokio::test]
async fn nothing_is_told_while_nobody_watches() {
    let folder = Folder::new("unwatched");
    folder.write("sales.csv", "day,amount\nmon,10\n");
    let server = serve_boards(&sales(&folder.path("sales.csv"))).await;
    let ada = connect(&server, server.address(), "ada").await;
    let mut room = watch(&ada, "sales").await;
    shows(&mut room, "sum", json!(10)).await;
    drop(room);
    let key = RoomKey::new(TENANT, "dashboard:sales");
    until("nobody watches", || server.hub().members(&key) == 0).await;
    let before = tip(&server, "dashboard:sales").await;
    folder.write("sales.csv", "day,amount\nmon,11\n");
    // Ticks pass on another dashboard, and would have passed on this one.
    let mut other = watch(&ada, "server").await;
    for _ in 0..9 {
        within("a tick", other.next()).await;
    }
    assert_eq!(tip(&server, "dashboard:sales").await, before, "told to nobody");
}

#[tokio::test]
async fn who_comes_or_comes_back_is_brought_up_to_date_before() {
    let folder = Folder::new("back");
    folder.write("sales.csv", "day,amount\nmon,10\n");
    // No tick comes while this test lasts.
    let boards = sales(&folder.path("sales.csv")).replace("= 100\n", "= 3600000\n");
    let server = serve_boards(&boards).await;
    let ada = connect(&server, server.address(), "ada").await;
    let mut room = watch(&ada, "sales").await;
    shows(&mut room, "sum", json!(10)).await;
    let (epoch, offset) = room.room().position();
    drop(room);
    let key = RoomKey::new(TENANT, "dashboard:sales");
    until("nobody watches", || server.hub().members(&key) == 0).await;
    folder.write("sales.csv", "day,amount\nmon,11\n");
    // What was seen a moment ago is not looked at again; these ticks are 100 ms apart.
    let mut other = watch(&ada, "server").await;
    for _ in 0..4 {
        within("a tick", other.next()).await;
    }
    let back = JoinFrom::Position { epoch, offset };
    let mut back = within("joining", ada.join_from("dashboard:sales", back)).await.unwrap();
    let Some(RoomEvent::Event(event)) = within("what changed", back.next()).await else {
        panic!("no event");
    };
    let updated: Value = event.data().unwrap();
    assert_eq!(updated["tiles"][0], json!({"tile_id": "sum", "value": 11}));
    let mut new = within("joining", ada.join("dashboard:sales")).await.unwrap();
    let Some(RoomEvent::Snapshot(state)) = within("the state", new.next()).await else {
        panic!("no state");
    };
    assert!(state.get().contains(r#""value":11"#), "{state}");
}
