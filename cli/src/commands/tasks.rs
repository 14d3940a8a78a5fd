//! `staywire tasks`: work in the background.

use serde_json::{Value, json};
use staywire::events::{TaskState, TaskUpdated};
use staywire::{Client, LiveEvent, Task};

use crate::args::{ConnectionArgs, Tasks};
use crate::connect;
use crate::failure::Failure;
use crate::output::{Output, describe};

pub(crate) async fn run(
    connection: &ConnectionArgs,
    args: Tasks,
    output: Output,
) -> Result<(), Failure> {
    if let Tasks::Start { kind, input, detach } = args {
        let input: Value = serde_json::from_str(&input)
            .map_err(|error| Failure::Usage(format!("the input is not JSON: {error}")))?;
        let client = connect::client(connection).await?;
        let task = client.start_task(&kind, &input).await?;
        if detach {
            let object = json!({"kind": "started", "task_id": task.task_id()});
            output.result(task.task_id(), &object)?;
            client.close().await;
            return Ok(());
        }
        output.note(&format!("(task {})", task.task_id()));
        return follow(&client, task, output).await;
    }
    let client = connect::client(connection).await?;
    match args {
        Tasks::List => {
            for task in client.tasks().await? {
                show(&task, output)?;
            }
        }
        Tasks::Watch { id } => return follow(&client, client.task(&id).await?, output).await,
        Tasks::Cancel { id } => {
            let mut task = client.task(&id).await?;
            task.cancel().await?;
            let end = task.finish().await.task.clone();
            show(&end, output)?;
        }
        Tasks::Retry { id } => {
            let mut task = client.task(&id).await?;
            task.retry().await?;
            return follow(&client, task, output).await;
        }
        Tasks::Start { .. } => {}
    }
    client.close().await;
    Ok(())
}

/// Shows a task's changes until its end.
async fn follow(client: &Client, mut task: Task, output: Output) -> Result<(), Failure> {
    while let Some(event) = task.next().await {
        match event {
            LiveEvent::Changed(event) if event.kind().as_deref() == Ok("task:partial") => {
                if output.is_json() {
                    output.event(None, &event)?;
                }
            }
            LiveEvent::Changed(_) | LiveEvent::Restored => show(&task.state().task, output)?,
            LiveEvent::Gap(gap) => output.note(&format!("(missing: {})", describe(&gap))),
            LiveEvent::Unreadable(error) => output.note(&format!("(unreadable: {error})")),
            LiveEvent::Other(_) => {}
        }
    }
    let end = task.state().task.clone();
    client.close().await;
    match end.state {
        TaskState::Done => Ok(()),
        state => Err(Failure::Failed(match end.error {
            Some(error) => format!("the task is {state}: {}: {}", error.code, error.message),
            None => format!("the task is {state}"),
        })),
    }
}

fn show(task: &TaskUpdated, output: Output) -> Result<(), Failure> {
    let TaskUpdated { task_id, kind, state, progress, message, attempt, max_attempts, .. } = task;
    let line = format!(
        "{task_id} {kind} {state} {progress:>3} % attempt {attempt}/{max_attempts} {message}"
    );
    let mut object = serde_json::to_value(task).unwrap_or(Value::Null);
    if let Some(object) = object.as_object_mut() {
        object.insert("task_kind".into(), json!(kind));
        object.insert("kind".into(), json!("task"));
    }
    output.result(line.trim_end(), &object)
}
