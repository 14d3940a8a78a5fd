//! AI answers: what a provider is, the one that is built in, those that are asked over HTTP, and the
//! conversations that they answer in.
//!
//! Providers know no rooms, sessions or sockets; the service publishes what they stream.

mod answer;
mod anthropic;
mod ask;
mod cancel;
mod corpus;
mod figures;
mod figures_sql;
mod offline;
mod openai;
mod period;
mod provider;
mod registry;
mod retrieval;
mod service;
mod sums;
mod tables;
mod text;
mod upstream;

pub use anthropic::AnthropicProvider;
pub use cancel::{CancelHandle, CancelSignal, cancellation};
pub use corpus::CorpusError;
pub use offline::{OfflineConfig, OfflineProvider};
pub use openai::OpenAiProvider;
pub use provider::{
    Chunk, ChunkStream, ErrorCode, Message, Prompt, PromptLimits, Provider, ProviderError, Role,
};
pub use registry::{ProviderRegistry, UnknownProvider};
pub use service::{AiService, ROOM_PREFIX};
pub(super) use service::{ask, cancel as cancel_answer};
