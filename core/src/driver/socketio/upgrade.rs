//! Proves a WebSocket for a connection that polls, before it goes on there.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::Target;
use super::websocket::{WsStream, connect};
use crate::driver::dial::DialFailure;
use crate::engine::FailureKind;

/// Opens a WebSocket to the connection of this name, and waits until the server has answered on it.
pub(super) async fn probe(target: Target, sid: String) -> Result<WsStream, DialFailure> {
    let mut socket = connect(&target, Some(&sid)).await?;
    let broken = |reason: &str| DialFailure::of(FailureKind::Network, reason);
    socket.send(WsMessage::text("2probe")).await.map_err(|error| broken(&error.to_string()))?;
    match socket.next().await {
        Some(Ok(WsMessage::Text(text))) if text.as_str() == "3probe" => Ok(socket),
        Some(Ok(_)) => Err(broken("the server answered the probe with something else")),
        Some(Err(error)) => Err(broken(&error.to_string())),
        None => Err(broken("the server closed the probe")),
    }
}
