//! What clients cost: those that come and go, and one that never reads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::openv0::emit;
use crate::server::{PATIENCE, SERVICE_TOKEN, Server};
use crate::stock::{Maker, Stock};

const MIB: u64 = 1024 * 1024;

/// A connection over a bare socket: Engine.IO's handshake, and CONNECT to `/`.
fn bare(server: &Server, session_id: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "GET /socket.io/?EIO=4&transport=websocket&session_id={session_id} HTTP/1.1\r\n\
         Host: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    )
    .unwrap();
    until(&mut socket, "pingInterval");
    // A masked text frame with `40`, whose mask is 0.
    socket.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).unwrap();
    until(&mut socket, "\"connected\"");
    socket
}

fn until(socket: &mut TcpStream, wanted: &str) {
    let (mut read, mut piece) = (Vec::new(), [0; 1_024]);
    while !String::from_utf8_lossy(&read).contains(wanted) {
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..count]);
    }
}

fn server(more: &str) -> Server {
    Server::with(&format!("[emit]\nservice_token = '{SERVICE_TOKEN}'\n{more}"))
}

#[test]
fn five_hundred_connections_that_come_and_go_leave_nothing() {
    let server = server("[socketio]\naway_ms = 1000\n");
    let come_and_go = |round: u32| {
        let sockets: Vec<TcpStream> =
            (0..500).map(|number| bare(&server, &format!("r{round}-{number}"))).collect();
        assert_eq!(server.figure("staywire_connections"), 500.0);
        assert_eq!(server.figure("staywire_client_instances"), 500.0);
        assert_eq!(server.figure("staywire_rooms_occupied"), 500.0);
        drop(sockets);
        for figure in
            ["staywire_connections", "staywire_client_instances", "staywire_rooms_occupied"]
        {
            server.until(figure, 0.0);
        }
    };
    come_and_go(0);
    let Some(base) = server.memory() else { return };
    for round in 1..=3 {
        come_and_go(round);
    }
    let after = server.memory().unwrap();
    // The sessions' rooms are kept for a while: some bytes each, and no connections.
    assert!(after < base + 8 * MIB, "from {base} to {after} bytes");
}

#[test]
fn one_that_never_reads_is_given_up_and_costs_what_may_wait_for_it() {
    let server = server(
        "[socketio]\nping_interval_ms = 1000\nping_timeout_ms = 3000\n\
         [heartbeat]\ninterval_ms = 1000\ntimeout_ms = 3000\n[history]\nbytes_per_room = 1000000\n",
    );
    let clogged = bare(&server, "clogged");
    let base = server.memory();
    let data = json!("x".repeat(100_000));
    // 60 MB are said to somebody who reads none of it.
    for _ in 0..600 {
        emit(&server, "clogged", "load", data.clone());
    }
    if let (Some(base), Some(now)) = (base, server.memory()) {
        assert!(now < base + 24 * MIB, "from {base} to {now} bytes");
    }
    // It holds the connection open, and is found out nevertheless.
    let began = Instant::now();
    server.until("staywire_connections", 0.0);
    assert!(began.elapsed() < Duration::from_secs(20));
    drop(clogged);
}

#[test]
fn one_that_reads_slowly_gets_everything_or_is_told() {
    let server = server("");
    let mut stock =
        Stock::connect(Maker::Node, &server.url(""), &json!({"auth": {"session_id": "s"}}));
    let data = "x".repeat(50_000);
    for number in 0..200 {
        emit(&server, "s", "load", json!([number, data]));
    }
    for number in 0..200 {
        assert_eq!(stock.event("load")[0], number);
    }
}
