//! One provider's address, key and connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::Verifier;

use crate::config::ConfigError;
use crate::config::ai::{AnswerLimits, ApiKeySource, UpstreamConfig, UpstreamTimeouts};

/// How long a connection is kept for the next question.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// A provider on the other side of a network.
pub(in crate::services::ai) struct Upstream {
    pub(super) provider: &'static str,
    pub(super) retries: u32,
    pub(super) timeouts: UpstreamTimeouts,
    pub(super) limits: AnswerLimits,
    http: reqwest::Client,
    endpoint: Url,
    headers: HeaderMap,
    /// Kept to take it out of what the other side says, before that is logged.
    key: Option<String>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_str();
        f.debug_struct("Upstream").field("endpoint", &endpoint).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Reads the key and prepares to connect. `authorize` puts the key into the headers.
    pub(in crate::services::ai) fn new(
        config: &UpstreamConfig<'_>,
        authorize: impl FnOnce(&mut HeaderMap, HeaderValue),
        key_prefix: &str,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let endpoint = config.endpoint()?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let key = read_key(config)?;
        if let Some(key) = &key {
            let mut value = HeaderValue::try_from(format!("{key_prefix}{key}")).map_err(|_| {
                key_fault(config, "the key has a character that no header can carry")
            })?;
            value.set_sensitive(true);
            authorize(&mut headers, value);
            if endpoint.scheme() == "http" && !is_loopback(&endpoint) {
                tracing::warn!(
                    provider = config.provider,
                    "the key travels unencrypted: `base_url` begins with http"
                );
            }
        }
        Ok(Self {
            provider: config.provider,
            retries: config.retries,
            timeouts: config.timeouts,
            limits: config.answer,
            http: connect(config, &endpoint)?,
            endpoint,
            headers,
            key,
        })
    }

    /// A header for every request.
    pub(in crate::services::ai) fn add_header(&mut self, name: &'static str, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// Sends a request, and returns when the head of the answer is there.
    pub(super) async fn send(&self, body: Bytes) -> Result<reqwest::Response, reqwest::Error> {
        let request = self.http.post(self.endpoint.clone()).headers(self.headers.clone());
        // The address is the operator's affair, and of no use in every line of a log.
        request.body(body).send().await.map_err(reqwest::Error::without_url)
    }

    /// What the other side said, fit for a log: short, on one line, without the key.
    pub(super) fn quote(&self, said: &str) -> String {
        const MOST_CHARS: usize = 500;
        let said = match &self.key {
            Some(key) => said.replace(key.as_str(), "[key]"),
            None => said.to_owned(),
        };
        said.chars().take(MOST_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

fn read_key(config: &UpstreamConfig<'_>) -> Result<Option<String>, ConfigError> {
    let text = match config.api_key()? {
        ApiKeySource::Nowhere => return Ok(None),
        ApiKeySource::Variable(name) => std::env::var(name).map_err(|_| {
            key_fault(config, format!("the environment variable {name:?} is not set to a text"))
        })?,
        ApiKeySource::File(path) => std::fs::read_to_string(path).map_err(|error| {
            key_fault(config, format!("the file {} can't be read: {error}", path.display()))
        })?,
    };
    let key = text.trim();
    if key.is_empty() {
        return Err(key_fault(config, "the key is empty"));
    }
    Ok(Some(key.to_owned()))
}

fn key_fault(config: &UpstreamConfig<'_>, problem: impl Into<String>) -> ConfigError {
    let name = match config.api_key() {
        Ok(ApiKeySource::File(_)) => "api_key_file",
        _ => "api_key_env",
    };
    ConfigError::invalid(
        config.key(name),
        problem,
        "set that variable, name another with `api_key_env`, or a file with `api_key_file`; \
         `api_key_env = \"\"` sends no key",
    )
}

fn connect(config: &UpstreamConfig<'_>, endpoint: &Url) -> Result<reqwest::Client, ConfigError> {
    let fault = |error: &dyn fmt::Display| {
        ConfigError::invalid(
            config.key("base_url"),
            format!("no connection can be prepared: {error}"),
            "see that the system has a set of trusted certificates, or name one with `ca_file`",
        )
    };
    let tls = match endpoint.scheme() {
        "https" => trusting(roots(config)?),
        _ => trusting_nobody(),
    };
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.map_err(|error| fault(&error))?)
        // A key goes where the configuration says, and nowhere that the other side says.
        .redirect(Policy::none())
        .connect_timeout(Duration::from_millis(config.timeouts.connect_ms))
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("staywire-server/", env!("CARGO_PKG_VERSION")));
    let builder = if is_loopback(endpoint) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| fault(&error))
}

/// The certificates of `ca_file`.
fn roots(config: &UpstreamConfig<'_>) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let Some(path) = config.ca_file else { return Ok(Vec::new()) };
    let fault = |problem: String| {
        ConfigError::invalid(
            config.key("ca_file"),
            format!("{}: {problem}", path.display()),
            "name a file with certificates in PEM",
        )
    };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(fault("it has no certificate".into())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(fault(error.to_string())),
    }
}

/// ring, set by hand: a program that embeds this server may have chosen another for itself.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions()
}

/// What the platform trusts, and these.
fn trusting(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let builder = builder()?;
    let ring = builder.crypto_provider().clone();
    let verifier = match roots.is_empty() {
        true => Verifier::new(ring)?,
        false => Verifier::new_with_extra_roots(roots, ring)?,
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

/// For an address without TLS, so that a system without certificates can still reach it.
fn trusting_nobody() -> Result<ClientConfig, rustls::Error> {
    let builder = builder()?.with_root_certificates(RootCertStore::empty());
    Ok(builder.with_no_client_auth())
}

fn is_loopback(endpoint: &Url) -> bool {
    let host = endpoint.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
