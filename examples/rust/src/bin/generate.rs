//! Generates a website, and shows how far it is.

use staywire::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(&staywire_examples::server_url()).build()?;
    client.connect().await?;
    let mut generation = client.generate("A shop for garden tools with a contact form").await?;
    while generation.next().await.is_some() {
        // Where it stands is kept for you: after a lost link, and on a device that comes late.
        let state = generation.state();
        println!("{:>3.0} %  {}", state.percent, state.message);
    }
    let state = generation.state();
    match &state.final_url {
        Some(url) => println!("see {url}"),
        None => println!("it is {:?}: {:?}", state.status, state.error),
    }
    client.close().await;
    Ok(())
}
