//! The server you already have: anything that speaks `{"type", "data"}` JSON over WebSocket.

use staywire::{Client, ClientEvent, ProtocolChoice};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(&staywire_examples::server_url())
        .protocol(ProtocolChoice::Plain)
        .build()?;
    let mut events = client.events();
    client.connect().await?;
    client.send("greet", &serde_json::json!({"name": "Ada"})).await?;
    while let Some(event) = events.next().await {
        match event {
            ClientEvent::Event(event) => {
                println!("{}: {}", event.kind()?, event.data::<serde_json::Value>()?);
                break;
            }
            // Such a server can't prove that nothing was missed; after a lost link, this says so.
            ClientEvent::Gap(_) => println!("something may be missing"),
            other => println!("{other:?}"),
        }
    }
    client.close().await;
    Ok(())
}
