//! Runs other programs: says what it runs, passes their output through while it comes, and turns a
//! bad end into a sentence. Never goes through a shell, so that nothing needs quoting.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// Runs to the end with the terminal's own input and output.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    announce(command);
    let status = command.status().map_err(|why| cannot_start(command, &why))?;
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
    let mut output = child.stdout.take().ok_or("the program's output was not captured")?;
    let mut screen = std::io::stdout();
    let mut chunk = [0; 8192];
    let mut line = Vec::new();
    loop {
        let count = output.read(&mut chunk).map_err(|why| format!("output was cut off: {why}"))?;
        if count == 0 {
            break;
        }
        let bytes = &chunk[..count];
        screen.write_all(bytes).and_then(|()| screen.flush()).map_err(|why| why.to_string())?;
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
    let output = command.output().map_err(|why| cannot_start(command, &why))?;
    ended_well(command, output.status)
        .map_err(|why| format!("{why}\n{}", String::from_utf8_lossy(&output.stderr).trim_end()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn announce(command: &Command) {
    println!("$ {}", spell(command));
}

/// As it could be typed again, paths shortened to the program's name.
fn spell(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let variables = command.get_envs().map(|(name, value)| {
        format!("{}={}", name.to_string_lossy(), quoted(value.unwrap_or_default()))
    });
    let words = std::iter::once(program).chain(command.get_args()).map(quoted);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains(' ') { format!("'{word}'") } else { word.into_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["clippy", "--features", "", "-p", "x"]).env("FLAGS", "-D warnings");
        assert_eq!(spell(&command), "FLAGS='-D warnings' cargo clippy --features '' -p x");
    }
}
