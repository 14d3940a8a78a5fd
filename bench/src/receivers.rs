//! What receives: our client, a bare loop, and a reader that looks at nothing.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use staywire::{Client, ProtocolChoice, RoomEvent};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use crate::report::Failure;
use crate::sender::{GO, Process};
use crate::workload::{Said, Workload};

/// Time that this process, with all its threads, spent on a core.
pub(crate) fn cpu_time() -> Duration {
    // Finer than getrusage, which some kernels round to their tick, and the same clock.
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Events per CPU second of the bare loop.
pub(crate) async fn bare(sender: &Process, workload: Workload) -> Result<f64, Failure> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        data: Said,
    }

    fn take(event: &Event<'_>, sum: &mut u64) {
        black_box(&event.kind);
        event.data.add_to(sum);
    }

    let (mut socket, _) = tokio_tungstenite::connect_async(sender.url(&workload.path())).await?;
    let before = cpu_time();
    socket.send(Message::text(GO)).await?;
    let (mut count, mut sum) = (0, 0);
    while count < workload.events {
        let Some(message) = socket.next().await else { break };
        let Message::Text(text) = message? else { continue };
        if workload.per_frame == 1 {
            take(&serde_json::from_str(text.as_str())?, &mut sum);
            count += 1;
        } else {
            let events: Vec<Event<'_>> = serde_json::from_str(text.as_str())?;
            for event in &events {
                take(event, &mut sum);
            }
            count += events.len() as u64;
        }
    }
    let spent = cpu_time() - before;
    proven(&workload, count, sum)?;
    // A sender in the middle of nothing has nothing to say goodbye to.
    let _ = socket.close(None).await;
    Ok(count as f64 / spent.as_secs_f64())
}

/// Events per CPU second of our client.
pub(crate) async fn staywire(sender: &Process, workload: Workload) -> Result<f64, Failure> {
    let client = client(sender, &workload)?;
    client.connect().await?;
    let mut room = client.join("bench").await?;
    let before = cpu_time();
    client.call::<_, ()>(GO, &()).await?;
    let (mut count, mut sum) = (0, 0);
    while count < workload.events {
        match room.next().await {
            Some(RoomEvent::Event(event)) => {
                event.data::<Said>()?.add_to(&mut sum);
                count += 1;
            }
            Some(RoomEvent::Gap(gap)) => return Err(format!("a gap: {gap:?}").into()),
            Some(RoomEvent::Snapshot(_)) => {}
            None => return Err("the room ended".into()),
        }
    }
    let spent = cpu_time() - before;
    proven(&workload, count, sum)?;
    client.close().await;
    Ok(count as f64 / spent.as_secs_f64())
}

/// Events per second of wall time that the sender can write to somebody who looks at nothing, for
/// a workload that is `left` bytes long.
pub(crate) async fn drain(
    sender: &Process,
    workload: Workload,
    mut left: usize,
) -> Result<f64, Failure> {
    let (mut socket, _) = tokio_tungstenite::connect_async(sender.url(&workload.path())).await?;
    let before = Instant::now();
    socket.send(Message::text(GO)).await?;
    let mut buffer = vec![0; 256 * 1024];
    while left > 0 {
        let read = socket.get_mut().read(&mut buffer).await?;
        if read == 0 {
            return Err("the sender stopped in the middle".into());
        }
        left = left.saturating_sub(read);
    }
    Ok(workload.events as f64 / before.elapsed().as_secs_f64())
}

/// Our client, as an application makes one.
pub(crate) fn client(sender: &Process, workload: &Workload) -> Result<Client, Failure> {
    let url = sender.url(&workload.path());
    Ok(Client::builder(&url).protocol(ProtocolChoice::StaywireV1).build()?)
}

fn proven(workload: &Workload, count: u64, sum: u64) -> Result<(), Failure> {
    if count == workload.events && sum == workload.checksum() {
        return Ok(());
    }
    Err(format!("{count} of {} events came, or not the right ones", workload.events).into())
}
