//! `staywire generate`: a website, with a bar that shows how far it is.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use staywire::folds::{GenerationState, GenerationStatus, Preview};
use staywire::{Generation, LiveEvent};

use crate::args::{ConnectionArgs, Generate};
use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, describe};

pub(crate) async fn run(
    connection: &ConnectionArgs,
    args: Generate,
    output: Output,
) -> Result<(), Failure> {
    let client = connect::client(connection).await?;
    let mut generation = client.generate(&args.prompt.join(" ")).await?;
    let mut retries = args.retries;
    loop {
        follow(&mut generation, output).await?;
        let state = generation.state();
        let failed = state.status == GenerationStatus::Failed;
        let again = state.error.as_ref().is_some_and(|error| error.retry_available);
        if !(failed && again && retries > 0) {
            break;
        }
        retries -= 1;
        output.note("(trying the failed step again)");
        generation.retry().await?;
    }
    let state = generation.state();
    if state.status != GenerationStatus::Completed {
        return Err(Failure::Failed(failure(state)));
    }
    if let (Some(folder), Some(preview)) = (&args.out, &state.preview) {
        write(folder, preview)?;
        output.note(&format!("(written to {})", folder.display()));
    }
    let url = preview_url(&connection.url, state);
    let object = json!({
        "kind": "completed", "session_id": state.session_id, "preview_url": url,
        "steps": state.steps.len(),
    });
    output.result(&url, &object)?;
    client.close().await;
    Ok(())
}

/// Shows the progress until the end.
async fn follow(generation: &mut Generation, output: Output) -> Result<(), Failure> {
    let bar = match output.is_json() {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(100),
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos:>3} %  {msg}") {
        bar.set_style(style);
    }
    while let Some(event) = generation.next().await {
        match event {
            LiveEvent::Changed(event) if output.is_json() => output.event(None, &event)?,
            LiveEvent::Gap(gap) => bar.suspend(|| {
                output.note(&format!("(missing: {})", describe(&gap)));
            }),
            LiveEvent::Unreadable(error) => bar.suspend(|| {
                output.note(&format!("(unreadable: {error})"));
            }),
            _ => {}
        }
        let state = generation.state();
        bar.set_position(state.percent.clamp(0.0, 100.0) as u64);
        bar.set_message(match state.total_steps {
            0 => state.message.clone(),
            total => format!("{}/{total} {}", state.step_number, state.message),
        });
    }
    bar.finish();
    Ok(())
}

fn failure(state: &GenerationState) -> String {
    match &state.error {
        Some(error) => {
            let hint = if error.retry_available { " (--retries may help)" } else { "" };
            format!("{}: {}{hint}", error.error_code, error.error_message)
        }
        None => format!("the generation ended as {:?}", state.status),
    }
}

fn write(folder: &Path, preview: &Preview) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    // What was generated is the page's body; a file to open needs the rest too.
    let page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <link rel=\"stylesheet\" href=\"style.css\">\n{}\n\
         <script src=\"script.js\"></script>\n",
        preview.html_content
    );
    for (name, content) in [
        ("index.html", &page),
        ("style.css", &preview.css_content),
        ("script.js", &preview.js_content),
    ] {
        std::fs::write(folder.join(name), content)?;
    }
    Ok(())
}

/// The preview's address on the server that was dialled.
fn preview_url(server: &str, state: &GenerationState) -> String {
    let path = state.final_url.as_deref().unwrap_or_default();
    let secure = server.starts_with("wss:") || server.starts_with("https:");
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or(host);
    format!("{}://{host}{path}", if secure { "https" } else { "http" })
}
