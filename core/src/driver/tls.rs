//! TLS by rustls with ring, trusting what the platform trusts.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A TLS configuration, made once and shared by all links, its resumable sessions too.
#[derive(Clone)]
pub(crate) struct TlsConfig(Arc<ClientConfig>);

impl std::fmt::Debug for TlsConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("TlsConfig")
    }
}

impl TlsConfig {
    /// Trusts the platform's certificates, and these roots beside them.
    ///
    /// Clients without roots of their own share one configuration while any of them lives.
    pub(crate) fn new(roots: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        static SHARED: Mutex<Weak<ClientConfig>> = Mutex::new(Weak::new());
        if !roots.is_empty() {
            return Self::trusting(roots);
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = shared.upgrade() {
            return Ok(Self(config));
        }
        let config = Self::trusting(roots)?;
        *shared = Arc::downgrade(&config.0);
        Ok(config)
    }

    fn trusting(roots: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = if roots.is_empty() {
            Verifier::new(provider.clone())?
        } else {
            Verifier::new_with_extra_roots(roots, provider.clone())?
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    pub(super) async fn handshake(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(self.0.clone()).connect(name, stream).await
    }
}
