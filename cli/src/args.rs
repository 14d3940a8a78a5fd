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

const LISTEN_HELP: &str = "\
Rooms of the reference server: chat:NAME for everybody, user:ID your notices,
ai:SESSION a conversation, session:ID a generation, task:ID a task, presence:ROOM who
is in a room, dashboard:ID a dashboard. Any other name is a room of your own.

Examples:
  staywire listen chat:42 presence:chat:42
  staywire --json listen orders --history 100 | jq -r .data.id
  staywire listen chat:42 --after 9f3c2a5b8d1e4f60.7:12 --strict";

const SEND_HELP: &str = "\
Each event is confirmed by its place, EPOCH:OFFSET, once the server has it.

Examples:
  staywire send chat:42 --text \"Hello\"
  staywire send orders order:placed '{\"id\": 7}'
  tail -f orders.jsonl | staywire send orders order:placed -";

const ASK_HELP: &str = "\
Examples:
  staywire ask \"What is a gap?\"
  staywire ask --session 5f0c \"And what comes after it?\"";

const GENERATE_HELP: &str = "\
The last line is the address of the preview.

Examples:
  staywire generate \"A shop for garden tools\" --out site/
  open $(staywire generate \"A blog about slow travel\")";

const TASKS_HELP: &str = "\
Examples:
  staywire tasks start answer '{\"prompt\": \"What is a gap?\"}'
  staywire tasks start generation '{\"prompt\": \"A shop\"}' --detach
  staywire tasks watch 0c1f6a0d9e3b4c5d8a7b6e5f4d3c2b1a";

const DASHBOARD_HELP: &str = "\
Examples:
  staywire dashboard                  list them
  staywire dashboard server           what the server is doing now, and each change
  staywire --json dashboard server --count 10";

const INSPECT_HELP: &str = "\
Each line has the seconds since the start, the direction, the number of the link and
the frame to the letter. Tokens travel in headers, which are not shown.

Examples:
  staywire inspect chat:42 --for 60
  staywire --json inspect | jq 'select(.kind == \"state\")'";

/// The real-time connection that stays, from a terminal.
#[derive(Debug, Parser)]
#[command(name = "staywire", version, after_help = AFTER_HELP, max_term_width = 90)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Print one JSON object per line.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to connect.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The server: ws://, wss://, http:// or https://, with the endpoint's path.
    #[arg(
        long,
        global = true,
        env = "STAYWIRE_URL",
        hide_env_values = true,
        default_value = "ws://127.0.0.1:8000/ws/ai/chat"
    )]
    pub(crate) url: String,

    /// Read the token from this file; it is read again for each new token.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// What to speak: staywire.v1 has all guarantees, plain is `{"type", "data"}` over WebSocket,
    /// auto takes the first where the server has it.
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
    Auto,
    #[value(name = "staywire.v1")]
    StaywireV1,
    Plain,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the events of rooms, or of a plain server.
    #[command(after_help = LISTEN_HELP)]
    Listen(Listen),
    /// Publish an event in a room, or a chat message.
    #[command(after_help = SEND_HELP)]
    Send(Send),
    /// Ask the AI, and print its answer as it comes.
    #[command(after_help = ASK_HELP)]
    Ask(Ask),
    /// Generate a website, with its progress.
    #[command(after_help = GENERATE_HELP)]
    Generate(Generate),
    /// Start, list, watch, cancel and retry tasks.
    #[command(subcommand, after_help = TASKS_HELP)]
    Tasks(Tasks),
    /// Show a dashboard and each change of it, or list the dashboards there are.
    #[command(after_help = DASHBOARD_HELP)]
    Dashboard(Dashboard),
    /// Print every frame and every change of state, with its time.
    #[command(after_help = INSPECT_HELP)]
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// The rooms. Leave them out on a plain server, which has none: all its events are printed.
    pub(crate) rooms: Vec<String>,

    /// Begin with at most this many past events.
    #[arg(long, value_name = "COUNT", conflicts_with = "after")]
    pub(crate) history: Option<u32>,

    /// Begin after this place, as `staywire send` prints it.
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
        /// The kind of work; the reference server has `answer` and `generation`.
        kind: String,
        /// What it needs, as JSON, such as '{"prompt": "What is a gap?"}'.
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
