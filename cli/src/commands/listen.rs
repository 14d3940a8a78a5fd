//! `staywire listen`: what happens in rooms, or on a plain server.

use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use serde_json::{Value, json};
use staywire::{Client, ClientEvent, JoinFrom, Room, RoomEvent};

use crate::args::{ConnectionArgs, Listen};
use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, describe};

pub(crate) async fn run(
    connection: &ConnectionArgs,
    args: Listen,
    output: Output,
) -> Result<(), Failure> {
    let from = begin(&args)?;
    let client = connect::client(connection).await?;
    if args.rooms.is_empty() {
        return listen_to_all(&client, &args, output).await;
    }
    let mut rooms = SelectAll::new();
    for name in &args.rooms {
        let room = client.join_from(name, from.clone()).await?;
        rooms.push(named(room));
    }
    output.note(&format!("(listening to {}; Ctrl-C ends it)", args.rooms.join(", ")));
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some((room, told)) = rooms.next().await else {
            return Err(Failure::Failed("every room has ended".into()));
        };
        match told {
            Told::Event(RoomEvent::Event(event)) => {
                output.event(Some(&room), &event)?;
                left -= 1;
            }
            Told::Event(RoomEvent::Gap(gap)) => {
                output.gap(&gap, Some(&room))?;
                if args.strict {
                    return Err(Failure::Gap(format!("{room}: {}", describe(&gap))));
                }
            }
            Told::Event(RoomEvent::Snapshot(state)) => {
                let data: Value = serde_json::from_str(state.get()).unwrap_or(Value::Null);
                let object = json!({"kind": "snapshot", "room": room, "data": data});
                output.result(&format!("{room} state {data}"), &object)?;
            }
            Told::Ended(why) => output.note(&format!("({room} has ended: {why})")),
        }
    }
    client.close().await;
    Ok(())
}

async fn listen_to_all(client: &Client, args: &Listen, output: Output) -> Result<(), Failure> {
    let mut events = client.events();
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        match events.next().await {
            Some(ClientEvent::Event(event)) => {
                output.event(None, &event)?;
                left -= 1;
            }
            Some(ClientEvent::Gap(gap)) => {
                output.gap(&gap, None)?;
                if args.strict {
                    return Err(Failure::Gap(describe(&gap)));
                }
            }
            Some(ClientEvent::Unreadable(error)) => output.note(&format!("(unreadable: {error})")),
            Some(ClientEvent::ServerError(refusal)) => {
                output.note(&format!("(the server says {refusal})"));
            }
            None => return Err(Failure::NoConnection("the connection has ended".into())),
        }
    }
    Ok(())
}

fn begin(args: &Listen) -> Result<JoinFrom, Failure> {
    if let Some(most) = args.history {
        return Ok(JoinFrom::History(most));
    }
    let Some(place) = &args.after else { return Ok(JoinFrom::Tip) };
    let parsed = place.rsplit_once(':').and_then(|(epoch, offset)| {
        Some(JoinFrom::Position { epoch: epoch.to_owned(), offset: offset.parse().ok()? })
    });
    parsed.ok_or_else(|| {
        Failure::Usage(format!("--after {place:?} is no place; write it like EPOCH:OFFSET"))
    })
}

enum Told {
    Event(RoomEvent),
    Ended(String),
}

/// A room's events, and why they end, each with the room's name.
fn named(room: Room) -> std::pin::Pin<Box<dyn futures_util::Stream<Item = (String, Told)> + Send>> {
    let name = room.name().to_owned();
    Box::pin(futures_util::stream::unfold(Some(room), move |room| {
        let name = name.clone();
        async move {
            let mut room = room?;
            match room.next().await {
                Some(event) => Some(((name, Told::Event(event)), Some(room))),
                None => {
                    let why = room.error().map_or_else(String::new, |error| error.to_string());
                    Some(((name, Told::Ended(why)), None))
                }
            }
        }
    }))
}
