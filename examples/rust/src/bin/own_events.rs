//! Events of your own: typed, in order, and once, over lost links too.

use serde::{Deserialize, Serialize};
use staywire::events::{self, EventData};
use staywire::{Client, Payload, RoomEvent};

#[derive(Debug, Serialize, Deserialize)]
struct Moved {
    piece: String,
    to: String,
}

impl EventData for Moved {
    const TYPE: &'static str = "chess:moved";
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(&staywire_examples::server_url()).build()?;
    client.connect().await?;
    let mut game = client.join("game:42").await?;
    let opening = Moved { piece: "knight".into(), to: "f3".into() };
    let place = client.publish("game:42", Moved::TYPE, &opening).await?;
    println!("the server has it at {}", place.offset);
    while let Some(RoomEvent::Event(event)) = game.next().await {
        if let (Moved::TYPE, Payload::Json(data)) = (&*event.kind()?, event.payload()?) {
            let Moved { piece, to } = events::decode(data)?;
            println!("{piece} to {to}");
            break;
        }
    }
    client.close().await;
    Ok(())
}
