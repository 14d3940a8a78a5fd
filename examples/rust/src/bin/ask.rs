//! Asks the AI, and prints its answer as it comes: `cargo run -p staywire-examples --bin ask`.

use std::io::Write;

use staywire::{AnswerEvent, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(&staywire_examples::server_url()).build()?;
    client.connect().await?;
    let mut answer = client.ask("What is a gap?").await?;
    while let Some(piece) = answer.next().await {
        match piece {
            AnswerEvent::Token(token) => {
                print!("{}", token.token);
                std::io::stdout().flush()?;
            }
            AnswerEvent::Complete(_) => println!(),
            AnswerEvent::Error(error) => eprintln!("\n{}: {}", error.code, error.message),
            // Never silence: if pieces are gone for good, this says so.
            AnswerEvent::Gap(gap) => eprintln!("\nmissing: {} to {}", gap.from, gap.to),
            AnswerEvent::Other(_) | AnswerEvent::Unreadable(_) => {}
        }
    }
    client.close().await;
    Ok(())
}
