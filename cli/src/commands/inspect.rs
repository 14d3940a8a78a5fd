//! `staywire inspect`: every frame and every change of state, with its time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use staywire::{JoinFrom, State, Trace, Traced};

use crate::args::{ConnectionArgs, Inspect};
use crate::connect;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(
    connection: &ConnectionArgs,
    args: Inspect,
    output: Output,
) -> Result<(), Failure> {
    let (builder, mut traces) = connect::builder(connection)?.trace();
    let client = builder.build().map_err(|error| Failure::Usage(error.to_string()))?;
    let start = Instant::now();
    let end = tokio::time::sleep(args.duration.unwrap_or(Duration::MAX));
    tokio::pin!(end);
    let mut state = client.state();
    let rooms = tokio::spawn({
        let client = client.clone();
        async move {
            // Why there is none is among what is shown.
            let _ = client.connect().await;
            let mut joined = Vec::new();
            for room in args.rooms {
                joined.push(client.join_from(&room, JoinFrom::Tip).await);
            }
            // They are read, or they would stop at some point.
            let reading = joined
                .into_iter()
                .flatten()
                .map(|mut room| async move { while room.next().await.is_some() {} });
            futures_util::future::join_all(reading).await;
        }
    });
    loop {
        tokio::select! {
            () = &mut end => break,
            changed = state.changed() => match changed {
                Some(state) => show_state(state, start.elapsed(), output)?,
                None => break,
            },
            trace = traces.recv() => match trace {
                Some(trace) => show(&trace, start.elapsed(), output)?,
                None => break,
            },
        }
    }
    rooms.abort();
    client.close().await;
    Ok(())
}

fn show_state(state: State, at: Duration, output: Output) -> Result<(), Failure> {
    let (name, cause) = match state {
        State::Idle => ("idle", None),
        State::Connecting => ("connecting", None),
        State::Connected => ("connected", None),
        State::Reconnecting { cause, .. } => ("reconnecting", Some(cause)),
        State::Offline => ("offline", None),
        State::Closed { reason } => ("closed", Some(reason)),
    };
    let why = cause.map_or_else(String::new, |cause| format!(": {cause:?} ({})", cause.code()));
    let object = json!({
        "kind": "state", "at_ms": millis(at), "state": name,
        "cause": cause.map(staywire::Cause::code),
    });
    output.result(&format!("{} ==== {name}{why}", clock(at)), &object)
}

fn show(trace: &Trace, at: Duration, output: Output) -> Result<(), Failure> {
    if trace.missed > 0 {
        output.note(&format!("({} frames were not shown)", trace.missed));
    }
    let link = trace.link;
    let (sign, what, detail) = match &trace.what {
        Traced::Opening => ("....", "opening", Value::Null),
        Traced::Opened => ("....", "opened", Value::Null),
        Traced::Failed(why) => ("....", "failed", json!(why)),
        Traced::Closed(code) => ("....", "closed", json!(code)),
        Traced::Dropped => ("....", "dropped", Value::Null),
        Traced::ReceivedText(text) => ("<---", "received", read(text)),
        Traced::SentText(text) => ("--->", "sent", read(text)),
        Traced::ReceivedBinary(bytes) => ("<---", "received_binary", json!(bytes.len())),
        Traced::SentBinary(bytes) => ("--->", "sent_binary", json!(bytes.len())),
        _ => return Ok(()),
    };
    // A frame is shown to the letter.
    let shown = match (&trace.what, &detail) {
        (Traced::ReceivedText(text) | Traced::SentText(text), _) => {
            String::from_utf8_lossy(text).into_owned()
        }
        (_, Value::Null) => what.to_owned(),
        (_, detail) => format!("{what} {detail}"),
    };
    let object = json!({
        "kind": "frame", "at_ms": millis(at), "link": link, "what": what, "detail": detail,
    });
    output.result(&format!("{} {sign} {link} {shown}", clock(at)), &object)
}

fn read(text: &[u8]) -> Value {
    serde_json::from_slice(text)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()))
}

fn millis(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since the start.
fn clock(at: Duration) -> String {
    format!("{:>9.3}", at.as_secs_f64())
}
