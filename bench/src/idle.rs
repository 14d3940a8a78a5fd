//! Goal `idle_memory`: what a client costs that is connected, has joined a room, and waits.
//!
//! Counted are the bytes on the heap of this process. What the kernel keeps for a socket isn't
//! ours to choose; resident memory is printed beside it.

use std::time::Duration;

use crate::alloc;
use crate::receivers::client;
use crate::report::{self, Failure, Outcome};
use crate::sender::Process;
use crate::stats::Estimate;
use crate::workload::{Framing, Workload};

pub(crate) const NAME: &str = "idle_memory";

/// Most bytes for one client.
const BUDGET: f64 = 40.0 * 1024.0;

pub(crate) async fn measure(sender: &Process, quick: bool) -> Result<Outcome, Failure> {
    let (groups, clients) = if quick { (3, 100) } else { (5, 400) };
    raise_file_limit();
    let idle = Workload { framing: Framing::Staywire, events: 0, per_frame: 1 };
    // What is made once and shared by all must not count for the first.
    let _first = connect(sender, &idle, 8).await?;
    let mut kept = Vec::new();
    let (mut bytes, mut ratios) = (Vec::new(), Vec::new());
    let resident_before = resident();
    for _ in 0..groups {
        alloc::start();
        kept.push(connect(sender, &idle, clients).await?);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let each = alloc::growth() as f64 / clients as f64;
        alloc::stop();
        bytes.push(each);
        ratios.push(BUDGET / each);
    }
    let each = Estimate::of(&bytes).median / 1024.0;
    let outcome = report::goal(NAME, &Estimate::of(&ratios), 1.0);
    let resident = match (resident_before, resident()) {
        (Some(before), Some(after)) => {
            let each = after.saturating_sub(before) as f64 / f64::from(groups * clients);
            format!("{:.1} KiB resident", each / 1024.0)
        }
        _ => "resident memory unknown here".to_owned(),
    };
    println!(
        "  {each:.1} KiB of heap for each of {} clients in a room, {resident}; budget 40 KiB; {}",
        groups * clients,
        report::load(),
    );
    drop(kept);
    Ok(outcome)
}

async fn connect(
    sender: &Process,
    idle: &Workload,
    clients: u32,
) -> Result<Vec<(staywire::Client, staywire::Room)>, Failure> {
    let mut connected = Vec::with_capacity(clients as usize);
    for _ in 0..clients {
        let client = client(sender, idle)?;
        client.connect().await?;
        let room = client.join("bench").await?;
        connected.push((client, room));
    }
    Ok(connected)
}

/// Bytes of this process that are in memory, where the system says so.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size())
}

/// Each client is a file; many systems allow fewer than we need until asked.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused, connecting will say that files ran out.
    let _ = setrlimit(Resource::Nofile, limit);
}
