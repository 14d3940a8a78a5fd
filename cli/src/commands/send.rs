//! `staywire send`: events, each confirmed by the server.

use serde_json::{Value, json};
use staywire::{Client, Published};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::args::{ConnectionArgs, Send};
use crate::connect;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(
    connection: &ConnectionArgs,
    args: Send,
    output: Output,
) -> Result<(), Failure> {
    let Send { room, event, data, text } = args;
    // Read before anything is sent or dialled.
    let value = match data.as_deref() {
        Some("-") => None,
        Some(data) => Some(parse(data)?),
        None => Some(Value::Null),
    };
    let client = connect::client(connection).await?;
    match (text, event, value) {
        (Some(text), _, _) => {
            let message = json!({"room": room, "text": text});
            let sent: Published = client.call("chat.send", &message).await?;
            confirm(output, &room, &sent)?;
        }
        (None, Some(event), Some(value)) => {
            publish(&client, output, &room, &event, &value).await?;
        }
        (None, Some(event), None) => {
            let mut lines = BufReader::new(tokio::io::stdin()).lines();
            while let Some(line) = lines.next_line().await? {
                if !line.trim().is_empty() {
                    publish(&client, output, &room, &event, &parse(&line)?).await?;
                }
            }
        }
        // The command line asks for one or the other.
        (None, None, _) => {}
    }
    client.close().await;
    Ok(())
}

async fn publish(
    client: &Client,
    output: Output,
    room: &str,
    event: &str,
    data: &Value,
) -> Result<(), Failure> {
    let published = client.publish(room, event, data).await?;
    confirm(output, room, &published)
}

fn confirm(output: Output, room: &str, published: &Published) -> Result<(), Failure> {
    let Published { epoch, offset, .. } = published;
    let object = json!({"kind": "published", "room": room, "epoch": epoch, "offset": offset});
    output.result(&format!("{room} has it at {epoch}:{offset}"), &object)
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::Usage(format!("the data is not JSON ({error}); quote a text like '\"this\"'"))
    })
}
