//! A chat: prints what is said in a room, and says each line of standard input there.

use serde_json::{Value, json};
use staywire::events::ChatMessage;
use staywire::{Client, JoinFrom, RoomEvent};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(&staywire_examples::server_url()).build()?;
    client.connect().await?;
    let mut room = client.join_from("chat:lobby", JoinFrom::History(20)).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            biased;
            event = room.next() => match event {
                Some(RoomEvent::Event(event)) if event.kind()? == "chat:message" => {
                    let message: ChatMessage = event.data()?;
                    println!("{}: {}", message.user, message.text);
                }
                Some(RoomEvent::Gap(gap)) => println!("({} to {} are gone)", gap.from, gap.to),
                Some(_) => {}
                None => return Err("the room has ended".into()),
            },
            line = lines.next_line() => match line? {
                Some(text) => {
                    let message = json!({"room": "chat:lobby", "text": text});
                    client.call::<_, Value>("chat.send", &message).await?;
                }
                None => break,
            },
        }
    }
    client.close().await;
    Ok(())
}
