//! What the application sees of the connection, and why it changed.

use super::time::Time;

/// The state of the connection, as the application sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Made, and not asked to connect yet.
    Idle,
    /// The first connection is being opened.
    Connecting,
    /// A link is up, and greeted where the protocol has a greeting.
    Connected,
    /// There is no link; one is being opened, or will be at `retry_at`.
    Reconnecting {
        /// Failed attempts in a row.
        attempt: u32,
        /// When the next attempt starts, on the clock that the caller passes in.
        retry_at: Time,
        /// Why there is no link.
        cause: Cause,
    },
    /// The platform says that there is no network; nothing is tried until it says otherwise.
    Offline,
    /// Closed for good.
    Closed {
        /// Why.
        reason: Cause,
    },
}

/// Why the state changed. The number is stable, the same in every language, and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Cause {
    /// `connect` was called.
    Requested = 100,
    /// The link opened, and the server greeted it.
    Opened = 101,
    /// The platform reported that the network is back.
    CameOnline = 102,
    /// The platform woke up.
    Woke = 103,
    /// The network failed: name look-up, refused connection, reset, or an end without a close.
    NetworkFailed = 200,
    /// The connect deadline passed before the link was open and greeted.
    ConnectTimeout = 201,
    /// The TLS handshake failed.
    TlsFailed = 202,
    /// Nothing was heard for the heartbeat interval plus its timeout.
    PeerDead = 203,
    /// The server closed the link.
    ClosedByServer = 204,
    /// The server closes or moves its links: it drains, or has no room now.
    Unavailable = 205,
    /// The server limits the rate of connections.
    RateLimited = 206,
    /// The server doesn't speak the protocol that was asked for.
    ProtocolRefused = 207,
    /// The peer broke the protocol.
    ProtocolViolation = 208,
    /// The platform reported that the network is gone.
    WentOffline = 209,
    /// The server didn't accept the token.
    Unauthorized = 220,
    /// The token provider failed.
    TokenFailed = 221,
    /// The token provider didn't answer before its deadline.
    TokenTimeout = 222,
    /// `close` was called.
    ClosedByCaller = 300,
    /// The server refuses this client whatever token it shows.
    Forbidden = 301,
    /// A new token names another subject or tenant.
    IdentityChanged = 302,
    /// As many attempts failed in a row as the caller allowed.
    GaveUp = 303,
    /// The server told this client to go, and not to come back by itself (Socket.IO).
    Dismissed = 304,
}

impl Cause {
    /// The stable number of this cause.
    pub const fn code(self) -> u16 {
        self as u16
    }
}
