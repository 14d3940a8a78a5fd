//! Watches the server's own dashboard, and prints each change.

use staywire::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(&staywire_examples::server_url()).build()?;
    client.connect().await?;
    let mut dashboard = client.dashboard("server").await?;
    for _ in 0..5 {
        if dashboard.next().await.is_none() {
            return Err("the dashboard has ended".into());
        }
        let state = dashboard.state();
        let tiles: Vec<_> = state
            .tiles
            .iter()
            .map(|tile| format!("{} {}{}", tile.title, tile.value, tile.unit))
            .collect();
        println!("{}: {}", state.title, tiles.join(", "));
    }
    client.close().await;
    Ok(())
}
