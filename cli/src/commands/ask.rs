//! `staywire ask`: an answer, token by token.

use serde_json::json;
use staywire::{AnswerEvent, AskOptions};

use crate::args::{Ask, ConnectionArgs};
use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, describe};

pub(crate) async fn run(
    connection: &ConnectionArgs,
    args: &Ask,
    output: Output,
) -> Result<(), Failure> {
    let client = connect::client(connection).await?;
    let options = AskOptions { session_id: args.session.clone() };
    let mut answer = client.ask_with(&args.prompt.join(" "), options).await?;
    output.note(&format!("(conversation {})", answer.session_id()));
    let mut text = String::new();
    while let Some(piece) = answer.next().await {
        match piece {
            AnswerEvent::Token(token) => {
                if output.is_json() {
                    let object =
                        json!({"kind": "token", "token": token.token, "index": token.index});
                    output.result("", &object)?;
                } else {
                    output.piece(&token.token)?;
                }
                text.push_str(&token.token);
            }
            AnswerEvent::Complete(complete) => {
                let object = json!({
                    "kind": "complete", "text": text, "session_id": answer.session_id(),
                    "sql": complete.sql, "chartConfig": complete.chart_config,
                });
                output.result("", &object)?;
                if let Some(sql) = complete.sql {
                    output.note(&format!("(sql: {sql})"));
                }
                client.close().await;
                return Ok(());
            }
            AnswerEvent::Error(error) => {
                output.note("");
                return Err(Failure::Failed(format!("{}: {}", error.code, error.message)));
            }
            AnswerEvent::Gap(gap) => {
                output.note(&format!("\n(missing: {})", describe(&gap)));
            }
            AnswerEvent::Unreadable(error) => {
                output.note(&format!("\n(unreadable: {error})"));
            }
            AnswerEvent::Other(_) => {}
        }
    }
    Err(Failure::Failed("the answer ended in the middle".into()))
}
