//! The first scene: a question, and an answer that comes token by token.

use serde_json::{Value, json};
use staywire::events::AiToken;
use staywire::{Event, JoinFrom};

use crate::count::{Counted, Seen};
use crate::screen::Screen;
use crate::stage::{Error, Stage, take};

const QUESTION: &str = "How does a client resume a room after its connection was lost?";

/// Events after which the wire is cut.
const CUTS: [usize; 2] = [15, 32];

pub(crate) async fn play(stage: &Stage, screen: &mut Screen) -> Result<Counted, Error> {
    let session_id = format!("demo-{}", std::process::id());
    let name = format!("ai:{session_id}");
    let mut room = stage.phone.join(&name).await?;
    let (epoch, offset) = room.position();
    let witness = stage.witness(&name, JoinFrom::Position { epoch, offset }, is_last).await?;
    screen.line("ada", QUESTION);
    let ask = json!({"prompt": QUESTION, "session_id": session_id});
    let _: Value = stage.phone.call("ai.ask", &ask).await?;

    let mut seen = Seen::default();
    screen.begin("ai");
    loop {
        let Some(event) = take(&mut room, &mut seen).await? else { continue };
        if let Ok(AiToken { token, .. }) = event.data() {
            screen.piece(&token);
        }
        if is_last(&event) {
            screen.end();
            return Ok(seen.against(&witness.await??));
        }
        if CUTS.contains(&seen.count()) {
            stage.cut(screen, &format!("after {} events", seen.count())).await?;
        }
    }
}

fn is_last(event: &Event) -> bool {
    event.kind().is_ok_and(|kind| kind == "complete" || kind == "error")
}
