//! Why the program ends, and the exit code that says so.

use std::process::ExitCode;

use staywire::{CallError, JoinError, PublishError, SendError, StartError};

/// Why the program ends without having done what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It was tried, and failed.
    #[error("{0}")]
    Failed(String),
    /// The command line contradicts itself, or what it names can't be used.
    #[error("{0}")]
    Usage(String),
    /// There is no connection.
    #[error("{0}")]
    NoConnection(String),
    /// Events are missing, and `--strict` was asked for.
    #[error("events are missing: {0}")]
    Gap(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// As `staywire help` tells.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NoConnection(_) => 3,
            Self::Gap(_) => 4,
            // As shells have it: 128 and the signal's number.
            Self::Interrupted => 130,
        })
    }
}

macro_rules! failed {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        }
    )*};
}

failed!(CallError, JoinError, PublishError, SendError, StartError, std::io::Error);
