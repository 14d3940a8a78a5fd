//! Connections that break, and clients that come back.

use serde_json::json;

use crate::openv0::emit;
use crate::server::{SERVICE_TOKEN, Server};
use crate::stock::{BOTH, Maker, Stock};

fn server() -> Server {
    Server::with(&format!("[emit]\nservice_token = '{SERVICE_TOKEN}'\n"))
}

#[test]
fn what_was_said_while_a_client_was_away_is_delivered_when_it_is_back() {
    let server = server();
    for (maker, session_id) in BOTH.into_iter().zip(["away-n", "away-p"]) {
        let options = json!({"auth": {"session_id": session_id}});
        let mut stock = Stock::connect(maker, &server.url(""), &options);
        stock.ask("join", json!({"room": "chat:1"}));
        emit(&server, session_id, "tick", json!(1));
        assert_eq!(stock.event("tick"), 1);
        // It is killed: nobody takes leave.
        stock.kill();
        server.until("staywire_client_instances", 0.0);
        for number in 2..=40 {
            emit(&server, session_id, "tick", json!(number));
        }
        let mut back = Stock::connect(maker, &server.url(""), &options);
        emit(&server, session_id, "tick", json!(41));
        for number in 2..=41 {
            assert_eq!(back.event("tick"), number, "once each, and in order");
        }
        assert!(back.so_far().iter().all(|said| said["name"] != "tick"));
        // And nothing of it a second time.
        drop(back);
        server.until("staywire_client_instances", 0.0);
        let mut again = Stock::connect(maker, &server.url(""), &options);
        emit(&server, session_id, "tick", json!(42));
        assert_eq!(again.event("tick"), 42);
    }
}

#[test]
fn a_connection_that_breaks_is_made_again_by_the_client_itself() {
    let server = server();
    let options = json!({"query": {"session_id": "cut"}, "reconnectionDelay": 1_000});
    for transports in [["websocket"], ["polling"]] {
        let mut options = options.clone();
        options["transports"] = json!(transports);
        let mut stock = Stock::connect(Maker::Node, &server.url("/ws"), &options);
        stock.event("connected");
        for number in 1..=3 {
            stock.order("cut");
            stock.said("disconnect");
            // What is on its way when a connection breaks may be lost; from now on nothing is.
            server.until("staywire_client_instances", 0.0);
            emit(&server, "cut", "tick", json!(number));
            stock.said("connect");
            assert_eq!(stock.event("connected")["session_id"], "cut");
            assert_eq!(stock.event("tick"), number);
        }
    }
}

#[test]
fn who_leaves_is_not_waited_for() {
    let server = server();
    let options = json!({"query": {"session_id": "left"}, "forceNew": true});
    let mut stock = Stock::connect(Maker::Node, &server.url("/ws"), &options);
    stock.order("disconnect");
    assert_eq!(stock.said("disconnect")["reason"], "io client disconnect");
    server.until("staywire_client_instances", 0.0);
    assert_eq!(server.figure("staywire_socketio_away_kept"), 0.0);
    emit(&server, "left", "tick", json!(1));
    stock.order("connect");
    stock.said("connect");
    emit(&server, "left", "tick", json!(2));
    assert_eq!(stock.event("tick"), 2);
}

#[cfg(unix)]
#[test]
fn a_server_that_goes_sends_its_clients_to_the_next() {
    let config = "demo = true\n[drain]\nwindow_ms = 200\ngrace_ms = 2000\n";
    let mut server = Server::on("127.0.0.1:0", config);
    let address = server.address.to_string();
    let mut clients: Vec<Stock> = Vec::new();
    for transports in [["websocket"], ["polling"]] {
        let options = json!({"transports": transports, "reconnectionDelayMax": 100});
        clients.push(Stock::connect(Maker::Node, &server.url(""), &options));
    }
    let leaving = server.figure("staywire_connections");
    assert_eq!(leaving, 2.0);
    server.ask_to_stop();
    for client in &mut clients {
        let reason = client.said("disconnect")["reason"].as_str().unwrap().to_owned();
        assert!(reason.starts_with("transport"), "it comes back by itself: {reason}");
    }
    server.ended();
    let next = Server::on(&address, config);
    for client in &mut clients {
        client.said("connect");
        client.ask("get_stats", json!({}));
    }
    assert_eq!(next.figure("staywire_client_instances"), 2.0);
}
