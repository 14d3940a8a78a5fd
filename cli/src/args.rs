//! What can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Examples:
  staywire ask \"What is a gap?\"
  staywire listen chat:42 --history 20
  staywire send chat:42 --text \"Hello\"
  staywire generate \"A shop for garden tools\" --out site/
  staywire dashboard server
  staywire --json listen chat:42 | jq .data
  staywire inspect chat:42

A server to try it on: `staywire-server --demo`. A token comes from the variable
STAYWIRE_TOKEN or from --token-file, never from the command line, where other users
of the machine could read it; it is never printed.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no connection, 4 events are missing
(with --strict), 130 interrupted.";

/// The real-time connection that stays, from a terminal.
#[derive(Debug, Parser)]
#[command(name = "staywire", version, about, after_help = AFTER_HELP, max_term_width = 90)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Print one JSON object per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to connect.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// The server: ws://, wss://, http:// or https://, with the endpoint's path.
    #[arg(
        long,
        global = true,
        env = "STAYWIRE_URL",
        default_value = "ws://127.0.0.1:8000/ws/ai/chat"
    )]
    pub(crate) url: String,

    /// Read the token from this file; it is read again for each new token.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// What to speak.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) protocol: Protocol,

    /// Give up if there is no connection for this long, in seconds; 0 never does.
    #[arg(long, global = true, default_value = "15", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) patience: Duration,

    /// Trust this certificate (DER) beside the platform's.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
}

/// What to speak.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Protocol {
    /// staywire.v1 where the server has it, else plain.
    Auto,
    /// The protocol with all guarantees.
    #[value(name = "staywire.v1")]
    StaywireV1,
    /// `{"type", "data"}` over WebSocket.
    Plain,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the events of rooms, or of a plain server.
    Listen(Listen),
    /// Publish an event in a room, or a chat message.
    Send(Send),
    /// Ask the AI, and print its answer as it comes.
    Ask(Ask),
    /// Generate a website, with its progress.
    Generate(Generate),
    /// Start, list, watch, cancel and retry tasks.
    #[command(subcommand)]
    Tasks(Tasks),
    /// Show a dashboard and each change of it, or list the dashboards there are.
    Dashboard(Dashboard),
    /// Print every frame and every change of state, with its time.
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// The rooms; none for all events of a plain server.
    pub(crate) rooms: Vec<String>,

    /// Begin with at most this many past events.
    #[arg(long, value_name = "COUNT", conflicts_with = "after")]
    pub(crate) history: Option<u32>,

    /// Begin after this place, as an earlier run printed it.
    #[arg(long, value_name = "EPOCH:OFFSET")]
    pub(crate) after: Option<String>,

    /// End after this many events.
    #[arg(long, value_name = "COUNT")]
    pub(crate) count: Option<u64>,

    /// End with exit code 4 when events are missing.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The room.
    pub(crate) room: String,

    /// The event's type, such as `order:placed`.
    #[arg(required_unless_present = "text", conflicts_with = "text")]
    pub(crate) event: Option<String>,

    /// The event's data as JSON; `-` reads it from standard input, one event per line.
    #[arg(conflicts_with = "text")]
    pub(crate) data: Option<String>,

    /// Say this as a chat message; the room's name begins with `chat:`.
    #[arg(long)]
    pub(crate) text: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The question.
    #[arg(required = true)]
    pub(crate) prompt: Vec<String>,

    /// Go on with this conversation.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// What to generate.
    #[arg(required = true)]
    pub(crate) prompt: Vec<String>,

    /// Write index.html, style.css and script.js to this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,

    /// Try a failed step again at most this often.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub(crate) retries: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// List your tasks, the latest first.
    List,
    /// Start a task and follow it to its end.
    Start {
        /// The kind of work, such as `answer`.
        kind: String,
        /// What it needs, as JSON.
        #[arg(default_value = "{}")]
        input: String,
        /// Print its id and end, instead of following it.
        #[arg(long)]
        detach: bool,
    },
    /// Follow a task to its end.
    Watch {
        /// The task.
        id: String,
    },
    /// Stop a task.
    Cancel {
        /// The task.
        id: String,
    },
    /// Go on with a failed task, and follow it to its end.
    Retry {
        /// The task.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Dashboard {
    /// The dashboard, such as `server`; none to list those there are.
    pub(crate) id: Option<String>,

    /// End after this many changes.
    #[arg(long, value_name = "COUNT", requires = "id")]
    pub(crate) count: Option<u64>,

    /// End with exit code 4 when changes are missing.
    #[arg(long, requires = "id")]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Rooms to join meanwhile.
    pub(crate) rooms: Vec<String>,

    /// End after this long, in seconds.
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
