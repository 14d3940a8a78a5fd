//! Runs other programs: says what it runs, passes their output through while it comes, and turns a
//! bad end into a sentence. Never goes through a shell, so that nothing needs quoting.

use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};

/// Runs to the end with the terminal's own input and output.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    announce(command);
    let status = command
        .status()
        .map_err(|why| cannot_start(command, &why))?;
    ended_well(command, status)
}

/// Runs to the end and hands each line of standard output to `on_line`, while all of it is still shown
/// as it comes: a suite that is silent for minutes looks like one that hangs.
pub(crate) fn run_watched(
    command: &mut Command,
    mut on_line: impl FnMut(&str),
) -> Result<(), String> {
    announce(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|why| cannot_start(command, &why))?;
    let mut output = child
        .stdout
        .take()
        .ok_or("the program's output was not captured")?;
    let mut screen = std::io::stdout();
    let mut chunk = [0; 8192];
    let mut line = Vec::new();
    loop {
        let count = output
            .read(&mut chunk)
            .map_err(|why| format!("output was cut off: {why}"))?;
        if count == 0 {
            break;
        }
        let bytes = &chunk[..count];
        screen
            .write_all(bytes)
            .and_then(|()| screen.flush())
            .map_err(|why| why.to_string())?;
        for &byte in bytes {
            if byte == b'\n' {
                on_line(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    on_line(&String::from_utf8_lossy(&line));
    let status = child.wait().map_err(|why| why.to_string())?;
    ended_well(command, status)
}

/// Runs silently and returns standard output; standard error comes back in the sentence of a failure.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|why| cannot_start(command, &why))?;
    ended_well(command, output.status).map_err(|why| {
        format!(
            "{why}\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        )
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn announce(command: &Command) {
    println!("$ {}", spell(command));
}

fn spell(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    ];
    words.extend(
        command
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    let mut spelled = String::new();
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default();
        spelled += &format!("{}={:?} ", name.to_string_lossy(), value.to_string_lossy());
    }
    spelled + &words.join(" ")
}

fn cannot_start(command: &Command, why: &std::io::Error) -> String {
    format!("`{}` did not start: {why}", spell(command))
}

fn ended_well(command: &Command, status: ExitStatus) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    Err(format!("`{}` ended with {status}", spell(command)))
}
