//! AI answers: what a provider is, the providers there are, and the one that is built in.
//!
//! Nothing here knows rooms, sessions or sockets; what a provider streams is published by its caller.

mod answer;
mod ask;
mod cancel;
mod corpus;
mod figures;
mod figures_sql;
mod offline;
mod period;
mod provider;
mod registry;
mod retrieval;
mod sums;
mod tables;
mod text;

pub use cancel::{CancelHandle, CancelSignal, cancellation};
pub use corpus::CorpusError;
pub use offline::{OfflineConfig, OfflineProvider};
pub use provider::{
    Chunk, ChunkStream, ErrorCode, Message, Prompt, PromptLimits, Provider, ProviderError, Role,
};
pub use registry::{ProviderRegistry, UnknownProvider};
