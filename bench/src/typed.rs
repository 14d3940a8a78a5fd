//! Goals `typed_events_*`: what our client costs beside a bare tokio-tungstenite and serde_json
//! loop, in events per CPU second.
//!
//! A round measures both, one right after the other and in changing order, so that whatever else
//! the machine does falls on both; the goal is the median of the rounds' ratios.
//!
//! Events that are due together come in one frame, so the goals are of frames that hold several. One
//! event a frame is what a server sends that has nothing else to send: its figure is printed beside
//! them. It is what a frame costs to place, on top of reading it, where nothing shares that cost.

use crate::receivers::{bare, drain, staywire};
use crate::report::{self, Failure, Outcome, millions};
use crate::sender::Process;
use crate::stats::{Estimate, median};
use crate::workload::{Framing, Workload};

pub(crate) const EVENTS_PER_FRAME: [u64; 3] = [1, 16, 64];

/// Least share of the bare loop's events per CPU second, in frames of several events.
const NEEDS: f64 = 0.80;
/// How much faster than the fastest client the sender must be, or it is the sender that is
/// measured.
const SENDER_NEEDS: f64 = 2.0;

pub(crate) fn name(per_frame: u64) -> String {
    format!("typed_events_{per_frame}")
}

pub(crate) async fn measure(
    sender: &Process,
    per_frame: u64,
    quick: bool,
) -> Result<Outcome, Failure> {
    // Many short rounds: a core that changes its speed does so between two rounds, seldom in one.
    let (rounds, events) = if quick { (21, 20_000) } else { (101, 30_000) };
    let ours_sent = Workload { framing: Framing::Staywire, events, per_frame };
    let bare_sent = Workload { framing: Framing::Bare, ..ours_sent };
    // Caches, the allocator and the branch predictor have their first time once, uncounted.
    bare(sender, bare_sent).await?;
    staywire(sender, ours_sent).await?;

    let length = bare_sent.encode().len();

    let (mut ratios, mut ours, mut bares, mut drains) = (vec![], vec![], vec![], vec![]);
    for round in 0..rounds {
        let (our, their) = if round % 2 == 0 {
            let our = staywire(sender, ours_sent).await?;
            (our, bare(sender, bare_sent).await?)
        } else {
            let their = bare(sender, bare_sent).await?;
            (staywire(sender, ours_sent).await?, their)
        };
        ratios.push(our / their);
        ours.push(our);
        bares.push(their);
        drains.push(drain(sender, bare_sent, length).await?);
    }

    let ratio = Estimate::of(&ratios);
    let (our, their) = (median(&mut ours), median(&mut bares));
    let outcome = match per_frame {
        1 => report::note(&name(per_frame), &ratio),
        _ => report::goal(&name(per_frame), &ratio, NEEDS),
    };
    println!(
        "  {ratio}; {} events per CPU second beside {} bare; {rounds} rounds of {events} events, \
         {per_frame} a frame; {}",
        millions(our),
        millions(their),
        report::load(),
    );
    let sender_factor = median(&mut drains) / our.max(their);
    println!("  sender {sender_factor:.2} x the fastest client");
    if sender_factor < SENDER_NEEDS {
        return Err("the sender is too slow beside the clients to measure them".into());
    }
    Ok(outcome)
}
