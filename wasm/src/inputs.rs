//! JavaScript's numbers as the engine's types.
//!
//! Nothing here fails: a double that is no such number becomes the nearest one that is, or `None`.

use staywire::engine::{Failure, FailureKind, From, GapReason, Millis, Now, Time, WallTime, Wire};

/// A whole number; `None` for a negative one and for NaN.
pub(crate) fn whole(number: f64) -> Option<u64> {
    (number >= 0.0).then_some(number as u64)
}

pub(crate) fn millis(number: f64) -> Option<Millis> {
    whole(number).map(Millis)
}

pub(crate) fn now(time: f64, wall: f64) -> Now {
    Now { time: Time(time as u64), wall: WallTime(wall as u64) }
}

/// 0: the next event; 1: at most `number` past ones; 2: after the offset `number` of `epoch`.
pub(crate) fn from(begin: u32, number: f64, epoch: u32) -> From<u32> {
    match begin {
        0 => From::Tip,
        1 => From::History(number as u32),
        _ => From::Position { epoch, offset: number as u64 },
    }
}

/// 0: plain; 1: `staywire.v1`.
pub(crate) fn wire(number: u32) -> Wire {
    if number == 0 { Wire::Plain } else { Wire::StaywireV1 }
}

/// In the order of [`FailureKind`], from 0; anything else is a failure of the network.
pub(crate) fn failure(kind: u32, retry_after: f64) -> Failure {
    let kind = match kind {
        1 => FailureKind::Tls,
        2 => FailureKind::Closed,
        3 => FailureKind::Unauthorized,
        4 => FailureKind::Forbidden,
        5 => FailureKind::RateLimited,
        6 => FailureKind::Unavailable,
        7 => FailureKind::Subprotocol,
        8 => FailureKind::Violation,
        _ => FailureKind::Network,
    };
    Failure { kind, retry_after: millis(retry_after) }
}

/// By its stable number; an unknown one is a hole.
pub(crate) fn gap_reason(number: u32) -> GapReason {
    match number {
        1 => GapReason::Unprovable,
        2 => GapReason::Expired,
        3 => GapReason::NewEpoch,
        5 => GapReason::Overflow,
        _ => GapReason::Hole,
    }
}
