//! The second scene: a website grows out of a prompt, step by step, to a page that can be opened.

use std::net::SocketAddr;

use serde_json::{Value, json};
use staywire::events::{
    self, EventData, GenerationCompleted, GenerationError, GenerationStep, StepStatus,
};
use staywire::{Event, JoinFrom, Payload};

use crate::count::{Counted, Seen};
use crate::screen::{Ink, Screen};
use crate::stage::{Error, Stage, take};

const PROMPT: &str =
    "A teal shop called \"Clay & Co\" that sells handmade ceramics, with a gallery";

/// Events after which the wire is cut.
const CUTS: [usize; 2] = [6, 15];

/// Characters of the bar.
const BAR: usize = 24;

pub(crate) async fn play(
    stage: &Stage,
    server: SocketAddr,
    screen: &mut Screen,
) -> Result<Counted, Error> {
    screen.line("ada", PROMPT);
    let started: Value = stage.phone.call("generation.start", &json!({"prompt": PROMPT})).await?;
    let text = |field: &str| started[field].as_str().unwrap_or_default().to_owned();
    let offset = started["offset"].as_u64().unwrap_or_default();
    let from = JoinFrom::Position { epoch: text("epoch"), offset };
    let witness = stage.witness(&text("room"), from.clone(), is_last).await?;
    let mut room = stage.phone.join_from(&text("room"), from).await?;

    let mut seen = Seen::default();
    let mut percent = 0.0;
    loop {
        let Some(event) = take(&mut room, &mut seen).await? else { continue };
        if let Some(step) = read::<GenerationStep>(&event) {
            percent = step.progress;
            let whole = step.status == StepStatus::Completed;
            screen.progress("site", &bar(&step), whole);
        }
        if is_last(&event) {
            match read::<GenerationCompleted>(&event) {
                Some(done) => {
                    let url = format!("http://{server}{}", done.final_url);
                    let url = screen.ink(Ink::Bold, &url);
                    screen.line("preview", &url);
                }
                None => screen.line("site", "it could not be made"),
            }
            return Ok(seen.against(&witness.await??));
        }
        if CUTS.contains(&seen.count()) {
            stage.cut(screen, &format!("at {percent:.0} %")).await?;
        }
    }
}

fn bar(step: &GenerationStep) -> String {
    let GenerationStep { step_number, total_steps, progress, message, .. } = step;
    let full = (progress.clamp(0.0, 100.0) / 100.0 * BAR as f64).round() as usize;
    let (full, rest) = ("━".repeat(full), "╌".repeat(BAR - full));
    format!("{full}{rest} {progress:>3.0} %  {step_number}/{total_steps} {message}")
}

fn is_last(event: &Event) -> bool {
    event
        .kind()
        .is_ok_and(|kind| kind == GenerationCompleted::TYPE || kind == GenerationError::TYPE)
}

/// The event's data, if it is of this type.
fn read<E: EventData>(event: &Event) -> Option<E> {
    match (event.kind(), event.payload()) {
        (Ok(kind), Ok(Payload::Json(data))) if kind == E::TYPE => events::decode(data).ok(),
        _ => None,
    }
}
