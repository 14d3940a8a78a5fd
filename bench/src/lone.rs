//! Goal `lone_event`: an event that comes alone is delivered at once. Coalescing must never wait
//! for company.
//!
//! A round trip through our client (publish, and the event comes back in the room) beside one
//! through a bare socket, both to the same sender, which answers at once; in wall time, since it
//! is waiting that would show.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use staywire::RoomEvent;
use tokio_tungstenite::tungstenite::Message;

use crate::receivers::client;
use crate::report::{self, Failure, Outcome};
use crate::sender::Process;
use crate::stats::{Estimate, median};
use crate::workload::{Framing, Workload};

pub(crate) const NAME: &str = "lone_event";

/// Least share of the bare socket's round trips per second. A timer that waits for company would
/// cost a millisecond at least, ten times a round trip; decoding and hand-over cost a fraction.
const NEEDS: f64 = 0.33;

const TEXT: &str = "a lone event";

pub(crate) async fn measure(sender: &Process, quick: bool) -> Result<Outcome, Failure> {
    let (rounds, trips) = if quick { (7, 200) } else { (25, 400) };
    let workload = Workload { framing: Framing::Staywire, events: 0, per_frame: 1 };
    let client = client(sender, &workload)?;
    client.connect().await?;
    let mut room = client.join("bench").await?;
    let path = Workload { framing: Framing::Bare, ..workload }.path();
    let (mut socket, _) = tokio_tungstenite::connect_async(sender.url(&path)).await?;

    let (mut ratios, mut ours, mut bares) = (vec![], vec![], vec![]);
    for round in 0..=rounds {
        let (mut our, mut bare) = (Vec::with_capacity(trips), Vec::with_capacity(trips));
        for _ in 0..trips {
            let start = Instant::now();
            // The answer may come after the event: both are one frame.
            let (published, event) =
                tokio::join!(client.publish("bench", "said", TEXT), room.next());
            our.push(micros(start.elapsed()));
            published?;
            if !matches!(event, Some(RoomEvent::Event(_))) {
                return Err("no event came back".into());
            }

            let start = Instant::now();
            socket.send(Message::text(TEXT)).await?;
            socket.next().await.ok_or("the sender is gone")??;
            bare.push(micros(start.elapsed()));
        }
        // The first is for warming up.
        if round > 0 {
            let (our, bare) = (median(&mut our), median(&mut bare));
            ratios.push(bare / our);
            ours.push(our);
            bares.push(bare);
        }
    }
    let ratio = Estimate::of(&ratios);
    let outcome = report::goal(NAME, &ratio, NEEDS);
    println!(
        "  {ratio}; a round trip takes {:.0} µs beside {:.0} µs bare, at the median; {rounds} \
         rounds of {trips}; {}",
        median(&mut ours),
        median(&mut bares),
        report::load(),
    );
    client.close().await;
    Ok(outcome)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
