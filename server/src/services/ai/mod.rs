//! AI answers: what a provider is and the providers there are.
//!
//! Nothing here knows rooms, sessions or sockets; what a provider streams is published by its caller.

mod cancel;
mod provider;
mod registry;

pub use cancel::{CancelHandle, CancelSignal, cancellation};
pub use provider::{
    Chunk, ChunkStream, ErrorCode, Message, Prompt, PromptLimits, Provider, ProviderError, Role,
};
pub use registry::{ProviderRegistry, UnknownProvider};
