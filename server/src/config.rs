//! What an operator can set, read from one TOML file.
//!
//! Every key has a default that suits a single server; an unknown key, a wrong type and a value that
//! cannot work are each refused at start, with the key, the reason and the remedy. Lengths of time are
//! whole milliseconds and end in `_ms`, sizes are bytes and end in `_bytes`.
//!
//! Nothing here reads a key file or opens a socket: it never does more than say what was asked for.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

pub mod ai;
pub mod auth;
pub mod dashboards;
pub mod emit;
pub mod generation;
pub mod limits;
pub mod socketio;
pub mod tasks;

pub use ai::{AiConfig, AnthropicConfig, OpenAiConfig};
pub use auth::{AuthConfig, KeySource, PinnedAlgorithm, Secret, TicketsConfig, TokensConfig};
pub use dashboards::DashboardsConfig;
pub use emit::EmitConfig;
pub use generation::GenerationConfig;
pub use limits::{
    DedupConfig, DrainConfig, HeartbeatConfig, HistoryConfig, LimitsConfig, PresenceConfig,
};
pub use socketio::SocketIoConfig;
pub use tasks::TasksConfig;

/// The whole configuration of one server process.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address and port to listen on. Default `127.0.0.1:8000`.
    pub listen: SocketAddr,
    /// Whether this is a demonstration: `POST /auth/token` hands a token to whoever asks, and sessions
    /// without a credential are let in. Never for the open internet. Default `false`.
    pub demo: bool,
    /// Whether a connection without a credential gets an anonymous identity. Only possible with `demo`,
    /// where it is the default; read it through [`Config::anonymous_allowed`].
    pub anonymous: Option<bool>,
    /// The origins, beside the server's own, whose pages may connect, such as
    /// `https://app.example.com`. `*` alone lets every origin in. Default: none.
    pub allowed_origins: Vec<String>,
    /// The proxies (`10.0.0.7` or `10.0.0.0/8`) whose `X-Forwarded-For` is believed when attempts are
    /// counted per address. Default: none.
    pub trusted_proxies: Vec<String>,
    /// How tokens are verified.
    pub auth: AuthConfig,
    /// One-time tickets for browsers.
    pub tickets: TicketsConfig,
    /// Tokens that the demonstration hands out.
    pub tokens: TokensConfig,
    /// What one connection, one subject and one address may use.
    pub limits: LimitsConfig,
    /// When the server pings, and how long it waits for the answer.
    pub heartbeat: HeartbeatConfig,
    /// How much of a room's log is kept.
    pub history: HistoryConfig,
    /// How long a published message is recognised when it is sent again.
    pub dedup: DedupConfig,
    /// How the server takes leave of its clients.
    pub drain: DrainConfig,
    /// How it is told who is in a room.
    pub presence: PresenceConfig,
    /// Who answers questions.
    pub ai: AiConfig,
    /// Work in the background.
    pub tasks: TasksConfig,
    /// The generation of websites.
    pub generation: GenerationConfig,
    /// Dashboards that are kept up to date.
    pub dashboards: DashboardsConfig,
    /// Events from outside.
    pub emit: EmitConfig,
    /// How Socket.IO is served.
    pub socketio: SocketIoConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
            demo: false,
            anonymous: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            auth: AuthConfig::default(),
            tickets: TicketsConfig::default(),
            tokens: TokensConfig::default(),
            limits: LimitsConfig::default(),
            heartbeat: HeartbeatConfig::default(),
            history: HistoryConfig::default(),
            dedup: DedupConfig::default(),
            drain: DrainConfig::default(),
            presence: PresenceConfig::default(),
            ai: AiConfig::default(),
            tasks: TasksConfig::default(),
            generation: GenerationConfig::default(),
            dashboards: DashboardsConfig::default(),
            emit: EmitConfig::default(),
            socketio: SocketIoConfig::default(),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {path}: {source}; check the path given to --config")]
    Read {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML, or has a key or a type that is not known here.
    ///
    /// The offending line is named but not shown, since it may hold a secret.
    #[error("{place}, line {line}: {message}")]
    Parse {
        /// The file, or another name for where the text came from.
        place: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// A value that is well written but cannot work.
    #[error("configuration key `{key}`: {problem}; {remedy}")]
    Invalid {
        /// The key, in dotted form.
        key: Cow<'static, str>,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

impl ConfigError {
    /// A value that cannot work: which, why, and what to do.
    pub fn invalid(
        key: impl Into<Cow<'static, str>>,
        problem: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self::Invalid { key: key.into(), problem: problem.into(), remedy }
    }
}

impl Config {
    /// The configuration of a demonstration: everything at its default, with `demo` on.
    pub fn for_demo() -> Self {
        Self { demo: true, ..Self::default() }
    }

    /// Reads a file. Paths in it that are relative count from the file's own folder.
    ///
    /// The result is not validated yet, so that flags of the command line can still be laid over it:
    /// call [`Config::validate`] last.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut config = Self::from_toml(&text, &path.display().to_string())?;
        if let Some(folder) = path.parent() {
            config.auth.resolve_paths(folder);
            config.ai.resolve_paths(folder);
            config.dashboards.resolve_paths(folder);
            config.emit.resolve_paths(folder);
        }
        Ok(config)
    }

    /// Reads TOML text; `place` names where it came from in errors. Not validated yet.
    pub fn from_toml(text: &str, place: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
            ConfigError::Parse {
                place: place.to_owned(),
                line,
                message: error.message().to_owned(),
            }
        })
    }

    /// Checks what one key cannot know of another. The first fault is returned.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.anonymous == Some(true) && !self.demo {
            return Err(ConfigError::invalid(
                "anonymous",
                "anonymous sessions are only possible in a demonstration",
                "remove the key, or set `demo = true` (never on the open internet)",
            ));
        }
        self.auth.validate(self.demo)?;
        self.tickets.validate()?;
        self.tokens.validate()?;
        self.limits.validate()?;
        self.heartbeat.validate()?;
        self.history.validate()?;
        self.dedup.validate()?;
        self.ai.validate()?;
        self.tasks.validate()?;
        self.generation.validate()?;
        self.dashboards.validate()?;
        self.emit.validate()?;
        self.socketio.validate(&self.limits)
    }

    /// Whether a connection that presents no credential may come in.
    pub fn anonymous_allowed(&self) -> bool {
        self.demo && self.anonymous.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        Config::from_toml(text, "test.toml")
            .and_then(|config| config.validate())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = Config::from_toml("", "test.toml").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.limits.max_connections, 10_000);
        assert_eq!(config.limits.commands_burst.get(), 2_000);
        assert_eq!(config.heartbeat.interval_ms, 30_000);
        assert_eq!(config.history.events_per_room, 1_000);
        assert_eq!(config.auth.leeway_ms, 5_000);
        assert_eq!(config.auth.tenant_claim, "tenant_id");
    }

    #[test]
    fn an_unknown_key_names_its_line_and_what_was_expected() {
        let error = error_of("listen = '127.0.0.1:1'\n\n[heartbeat]\ninterval = 5\n");
        assert!(error.starts_with("test.toml, line 4: unknown field `interval`"), "{error}");
        assert!(error.contains("interval_ms"), "{error}");
    }

    #[test]
    fn a_parse_error_never_shows_the_secret_beside_it() {
        let error = error_of("[auth]\nhs256_secret = 'do-not-print-me' 'x'\n");
        assert!(error.contains("line 2") && !error.contains("do-not-print-me"), "{error}");
    }

    #[test]
    fn a_server_without_keys_is_refused_unless_it_is_a_demo() {
        let error = error_of("");
        assert!(error.contains("auth.hs256_secret") && error.contains("jwks_file"), "{error}");
        Config::for_demo().validate().unwrap();
    }

    #[test]
    fn anonymous_needs_the_demo() {
        let error = error_of(
            "anonymous = true\n[auth]\nhs256_secret = 'at least thirty-two bytes, so long'",
        );
        assert!(error.contains("`anonymous`"), "{error}");
        assert!(!Config::default().anonymous_allowed());
        assert!(Config::for_demo().anonymous_allowed());
        let closed = Config { anonymous: Some(false), ..Config::for_demo() };
        assert!(!closed.anonymous_allowed());
    }

    #[test]
    fn zero_is_refused_where_it_would_stop_the_server() {
        assert!(error_of("demo = true\n[limits]\nmax_connections = 0").contains("max_connections"));
        assert!(error_of("demo = true\n[limits]\ncommands_per_second = 0").contains("line 3"));
        assert!(
            error_of("demo = true\n[heartbeat]\ntimeout_ms = 0").contains("heartbeat.timeout_ms")
        );
    }

    #[test]
    fn a_frame_that_can_never_be_queued_is_refused() {
        let error = error_of("demo = true\n[limits]\nmax_frame_bytes = 2000000");
        assert!(error.contains("outbound_queue_bytes"), "{error}");
    }

    #[test]
    fn paths_count_from_the_file_that_names_them() {
        let folder = std::env::temp_dir().join(format!("staywire-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("server.toml");
        let text = "[auth]\njwks_file = 'keys.json'\nalgorithm = 'RS256'\n\
                    [ai.openai]\napi_key_file = 'key'\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&file).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(config.auth.jwks_file, Some(folder.join("keys.json")));
        assert_eq!(config.ai.openai.api_key_file, Some(folder.join("key")));
    }

    #[test]
    fn a_missing_file_says_so() {
        let error = Config::load(Path::new("no/such.toml")).unwrap_err().to_string();
        assert!(error.contains("no/such.toml") && error.contains("--config"), "{error}");
    }
}
