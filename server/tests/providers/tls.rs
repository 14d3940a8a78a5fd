//! The way to a provider over TLS: whom it trusts with a key.

use std::net::SocketAddr;
use std::sync::Arc;

use staywire_server::config::OpenAiConfig;
use staywire_server::services::ai::{ErrorCode, OpenAiProvider, Provider};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::stub::Stub;
use crate::support::{Format, KeyFile, Settings, ask, openai, token, whole};

/// Ends TLS in front of a stub; returns the certificate to trust, in PEM.
async fn terminate(upstream: SocketAddr) -> (SocketAddr, String) {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever doesn't trust us ends here.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Ok(mut upstream) = TcpStream::connect(upstream).await else { return };
                let _ = copy_bidirectional(&mut stream, &mut upstream).await;
            });
        }
    });
    let der = issued.cert.der();
    let lines = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    (address, format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"))
}

fn provider(config: &OpenAiConfig) -> Arc<dyn Provider> {
    Arc::new(OpenAiProvider::new(config.clone()).unwrap())
}

#[tokio::test]
async fn tokens_come_over_tls_from_whom_the_configuration_trusts() {
    let stub = Stub::start().await;
    let (address, pem) = terminate(stub.address).await;
    let (ca, key) = (KeyFile::of(&pem), KeyFile::new());
    let mut config = openai(&stub, &key, Settings::default());
    config.base_url = format!("https://{address}/v1");
    config.ca_file = Some(ca.path().to_owned());

    let writer = stub.stream();
    let mut stream = ask(&provider(&config));
    writer.write(&Format::OpenAi.token("A")).await;
    assert_eq!(token(&mut stream).await, "A");
    drop(stream);
    writer.abandoned().await;
    assert_eq!(stub.asked().len(), 1);

    let (_, stranger) = terminate(stub.address).await;
    let ca = KeyFile::of(&stranger);
    config.ca_file = Some(ca.path().to_owned());
    config.retries = 0;
    let error = whole(ask(&provider(&config))).await.1.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(stub.asked().len(), 1, "a stranger is told nothing");
}

#[tokio::test]
async fn a_file_without_certificates_is_named() {
    let stub = Stub::start().await;
    let (key, empty) = (KeyFile::new(), KeyFile::of("nothing\n"));
    let mut config = openai(&stub, &key, Settings::default());
    config.base_url = "https://127.0.0.1:1".to_owned();
    for path in [empty.path(), "no/such/file".as_ref()] {
        config.ca_file = Some(path.to_owned());
        let error = OpenAiProvider::new(config.clone()).unwrap_err().to_string();
        assert!(error.contains("`ai.openai.ca_file`"), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}
