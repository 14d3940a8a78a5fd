//! A token provider of your own: it is asked before the old token ends, and the fresh one is used
//! on a second link before the first is closed. Nobody notices.

use staywire::{Client, Token};

/// Any way to get a token; here the demo server's, by HTTP.
fn fetch(issuer: &str) -> Result<Token, Box<dyn std::error::Error + Send + Sync>> {
    let user = serde_json::json!({"user": "ada", "tenant": "acme"});
    let mut response = ureq::post(issuer).send_json(&user)?;
    let issued: serde_json::Value = response.body_mut().read_json()?;
    Ok(Token::from(issued["token"].as_str().unwrap_or_default()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = staywire_examples::server_url();
    let issuer = url.replacen("ws", "http", 1).replace("/ws/ai/chat", "/auth/token");
    let client = Client::builder(&url)
        .token(move || {
            let issuer = issuer.clone();
            async move { tokio::task::spawn_blocking(move || fetch(&issuer)).await? }
        })
        .build()?;
    client.connect().await?;
    println!("connected as {}", client.identity().map_or_else(String::new, |me| me.subject));
    client.close().await;
    Ok(())
}
