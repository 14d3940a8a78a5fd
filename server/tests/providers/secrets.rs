//! The key: where it comes from, and that it goes nowhere but to the provider.

use std::io;
use std::sync::{Arc, Mutex};

use staywire_server::config::{Config, OpenAiConfig};
use staywire_server::services::ai::{AnthropicProvider, OpenAiProvider};
use tracing_subscriber::fmt::MakeWriter;

use crate::stub::Stub;
use crate::support::{FORMATS, KEY, KeyFile, Settings, answered, anthropic, ask, openai, whole};

/// A log that can be looked at.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_key_is_in_no_log_and_no_error_even_where_the_provider_repeats_it() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let parrot = format!(r#"{{"error":{{"type":"x","message":"your key {KEY} is odd"}}}}"#);
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        for status in [400, 401, 404] {
            stub.status(status, &[], &parrot);
            let error = whole(ask(&provider)).await.1.unwrap_err();
            assert!(!format!("{error} {error:?}").contains(KEY));
        }
        stub.status(200, &[("content-type", "application/json")], &parrot);
        whole(ask(&provider)).await.1.unwrap_err();
        stub.body(&format!("data: {parrot}\n\n"));
        whole(ask(&provider)).await.1.unwrap_err();
        stub.body(&format!("{}data: \"{KEY}\"\n\n", format.token("A")));
        whole(ask(&provider)).await.1.unwrap_err();
    }
    let text = log.text();
    assert!(!text.contains(KEY), "{text}");
    assert!(text.contains("your key [key] is odd"), "the rest of its words is told: {text}");
    assert!(text.contains("HTTP 401") && text.contains("HTTP 404"), "{text}");
}

#[tokio::test]
async fn debug_never_shows_the_key() {
    let stub = Stub::start().await;
    let key = KeyFile::new();
    let config = openai(&stub, &key, Settings::default());
    let other = anthropic(&stub, &key, Settings::default());
    let shown = format!("{config:?} {other:?}");
    let provider = OpenAiProvider::new(config).unwrap();
    let second = AnthropicProvider::new(other).unwrap();
    assert!(!format!("{shown} {provider:?} {second:#?}").contains(KEY));
}

#[test]
fn a_key_that_is_not_there_is_named_by_its_key_in_the_configuration() {
    let text = "demo = true\n[ai]\nprovider = 'openai'\n[ai.openai]\nmodel = 'm'\n\
                api_key_env = 'STAYWIRE_TEST_NO_SUCH_KEY'";
    let config = Config::from_toml(text, "test.toml").unwrap();
    config.validate().unwrap();
    let error = OpenAiProvider::new(config.ai.openai).unwrap_err().to_string();
    assert!(error.contains("`ai.openai.api_key_env`"), "{error}");
    assert!(error.contains("STAYWIRE_TEST_NO_SUCH_KEY"), "{error}");

    let config = OpenAiConfig {
        model: "m".to_owned(),
        api_key_file: Some("no/such/key".into()),
        ..OpenAiConfig::default()
    };
    let error = OpenAiProvider::new(config).unwrap_err().to_string();
    assert!(error.contains("`ai.openai.api_key_file`") && error.contains("no/such"), "{error}");
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_refused_and_not_repeated() {
    let stub = Stub::start().await;
    let key = KeyFile::new();
    std::fs::write(key.path(), "hush\nhush").unwrap();
    let error = OpenAiProvider::new(openai(&stub, &key, Settings::default())).unwrap_err();
    assert!(!error.to_string().contains("hush"), "{error}");
    std::fs::write(key.path(), " \n").unwrap();
    let error = OpenAiProvider::new(openai(&stub, &key, Settings::default())).unwrap_err();
    assert!(error.to_string().contains("empty"), "{error}");
}

#[tokio::test]
async fn the_key_may_come_from_the_environment() {
    let stub = Stub::start().await;
    let mut config = openai(&stub, &KeyFile::new(), Settings::default());
    // A variable that every test has.
    (config.api_key_file, config.api_key_env) = (None, Some("CARGO_PKG_NAME".to_owned()));
    let provider: Arc<dyn staywire_server::services::ai::Provider> =
        Arc::new(OpenAiProvider::new(config).unwrap());
    stub.body(&crate::support::Format::OpenAi.whole(&["yes"]));
    answered(ask(&provider)).await;
    let expected = format!("Bearer {}", env!("CARGO_PKG_NAME"));
    assert_eq!(stub.asked()[0].headers["authorization"], expected);
}
