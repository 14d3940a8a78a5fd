//! The way to a provider over TLS: whom it trusts with a key.

use std::net::SocketAddr;
use std::sync::Arc;

use staywire_server::config::OpenAiConfig;
use staywire_server::services::ai::{ErrorCode, OpenAiProvider, Provider};

use crate::stub::Stub;
use crate::support::{Format, KeyFile, Settings, ask, openai, token, whole};
use crate::terminator::terminate;

/// The stub behind TLS, and the certificate to trust in PEM.
async fn behind_tls(stub: &Stub) -> (SocketAddr, String) {
    let (address, certificate) = terminate(stub.address, "127.0.0.1").await;
    let lines = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate);
    (address, format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"))
}

fn provider(config: &OpenAiConfig) -> Arc<dyn Provider> {
    Arc::new(OpenAiProvider::new(config.clone()).unwrap())
}

#[tokio::test]
async fn tokens_come_over_tls_from_whom_the_configuration_trusts() {
    let stub = Stub::start().await;
    let (address, pem) = behind_tls(&stub).await;
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

    let (_, stranger) = behind_tls(&stub).await;
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
