//! The peers that this suite needs are there.

use std::process::Command;

#[test]
fn the_peers_are_installed() {
    let node = Command::new("node")
        .args(["--input-type=module", "-e", "import 'socket.io'; import 'socket.io-client';"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(node.unwrap().success(), "run `cargo xtask test --only interop`, which installs them");
    let python = Command::new("python3").args(["-c", "import socketio, uvicorn"]).status();
    assert!(
        python.unwrap().success(),
        "run `cargo xtask test --only interop`, which installs them"
    );
}

#[test]
fn a_peer_starts_answers_and_ends_with_its_input() {
    let mut peer = staywire_interop::Peer::node("servers.mjs", &[]);
    assert_ne!(peer.address().port(), 0);
    peer.tell(r#"{"do":"arrived"}"#);
    assert_eq!(peer.hear(), "[]");
}
