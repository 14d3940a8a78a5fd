//! Tokens and where they come from.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::driver::{Credential, ProviderError};
use crate::engine::WallTime;

/// A token, and the end of its life where that is known.
///
/// From a text, the end is read out of it if it is a JWT (RFC 7519, claim `exp`). The server's
/// word on how long a token lives counts more than either, since clocks differ.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    value: String,
    expires_at: Option<SystemTime>,
}

impl Token {
    /// A token.
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        let expires_at = expiry_of(&value);
        Self { value, expires_at }
    }

    /// Says when it ends, for tokens that don't say it themselves.
    #[must_use]
    pub fn expires_at(mut self, end: SystemTime) -> Self {
        self.expires_at = Some(end);
        self
    }

    pub(super) fn text(&self) -> &str {
        &self.value
    }

    pub(super) fn into_credential(self) -> Credential {
        let ends = self.expires_at.map(|end| {
            let since = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        });
        Credential { value: self.value, ends }
    }
}

/// Never shows the token.
impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Token").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl From<String> for Token {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Token {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

fn expiry_of(token: &str) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let payload = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let seconds = Duration::try_from_secs_f64(claims.exp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(seconds)
}

type Provider = dyn Fn() -> BoxFuture<'static, Result<Credential, ProviderError>> + Send + Sync;

/// Where tokens come from: made from a text, a [`Token`], or an async function.
///
/// The function is asked before the first link and again before each token ends, never twice at a
/// time, in a task of its own. If it fails, panics or takes longer than its deadline, it is asked
/// again after a wait; its future is dropped then. It must not block its thread, as no async function
/// may.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use staywire::{Client, Token};
///
/// let fixed = Client::builder("wss://example.com/ws").token("a token").build()?;
/// let renewed = Client::builder("wss://example.com/ws")
///     .token(|| async { fetch_token().await })
///     .build()?;
/// # async fn fetch_token() -> Result<Token, std::io::Error> { Ok(Token::new("fresh")) }
/// # Ok(())
/// # }
/// ```
pub trait TokenSource: source::Sealed {}

pub(super) enum Source {
    Fixed(Token),
    Provider(Arc<Provider>),
}

mod source {
    /// Keeps [`TokenSource`](super::TokenSource) to the kinds that are documented.
    pub trait Sealed {
        #[doc(hidden)]
        fn into_source(self) -> Into;
    }

    /// An opaque source.
    #[doc(hidden)]
    pub struct Into(pub(in crate::client) super::Source);
}

pub(super) fn source_of(source: impl TokenSource) -> Source {
    source.into_source().0
}

macro_rules! fixed {
    ($($kind:ty),*) => {$(
        impl TokenSource for $kind {}
        impl source::Sealed for $kind {
            fn into_source(self) -> source::Into {
                source::Into(Source::Fixed(Token::from(self)))
            }
        }
    )*};
}

fixed!(&str, String, Token);

impl<F, Fut, T, E> TokenSource for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Into<Token>,
    E: Into<ProviderError>,
{
}

impl<F, Fut, T, E> source::Sealed for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Into<Token>,
    E: Into<ProviderError>,
{
    fn into_source(self) -> source::Into {
        let provider = move || {
            self()
                .map(|answer| match answer {
                    Ok(token) => Ok(token.into().into_credential()),
                    Err(error) => Err(error.into()),
                })
                .boxed()
        };
        source::Into(Source::Provider(Arc::new(provider)))
    }
}

impl Source {
    /// The token that never changes.
    pub(super) fn fixed(&self) -> Option<Credential> {
        match self {
            Self::Fixed(token) => Some(token.clone().into_credential()),
            Self::Provider(_) => None,
        }
    }

    /// Asks for a token. The application's function runs in a task of its own, which ends with the
    /// future: it may panic there, and a slow one keeps no connection waiting.
    pub(super) fn ask(&self) -> BoxFuture<'static, Result<Credential, ProviderError>> {
        let provider = match self {
            Self::Fixed(token) => {
                return std::future::ready(Ok(token.clone().into_credential())).boxed();
            }
            Self::Provider(provider) => provider.clone(),
        };
        apart("the token provider panicked", async move { provider().await })
    }
}

/// Runs a function of the application in a task of its own, which ends with the future.
pub(super) fn apart<T: Send + 'static>(
    panicked: &'static str,
    asked: impl Future<Output = Result<T, ProviderError>> + Send + 'static,
) -> BoxFuture<'static, Result<T, ProviderError>> {
    let mut task = AbortOnDrop(tokio::spawn(asked));
    async move {
        match (&mut task.0).await {
            Ok(answer) => answer,
            Err(_) => Err(panicked.into()),
        }
    }
    .boxed()
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_jwt_is_read_and_never_shown_with_the_token() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"ada","exp":1900000000}"#);
        let token = Token::new(format!("e30.{claims}.c2ln"));
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        assert_eq!(token.expires_at, Some(end));
        assert!(!format!("{token:?}").contains(&claims));
    }

    #[test]
    fn what_is_no_jwt_has_no_known_end() {
        for text in ["", "opaque", "a.b.c", "a.e30.c", "a.eyJleHAiOi0xfQ.c"] {
            assert_eq!(Token::new(text).expires_at, None, "{text}");
        }
    }
}
