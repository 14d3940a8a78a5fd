//! The provider as a caller meets it: its stream, its pace, its end.

use std::sync::LazyLock;

use futures_util::StreamExt;
use tokio::time::{Instant, advance};

use super::*;
use crate::services::ai::cancel::cancellation;
use crate::services::ai::provider::{ErrorCode, Message};
use crate::services::ai::registry::ProviderRegistry;

fn provider(token_delay: Duration) -> OfflineProvider {
    OfflineProvider::new(OfflineConfig { token_delay, ..OfflineConfig::default() }).unwrap()
}

async fn collect(provider: &OfflineProvider, prompt: Prompt) -> Vec<Result<Chunk, ProviderError>> {
    provider.stream(prompt, CancelSignal::never()).collect().await
}

fn text(chunks: &[Result<Chunk, ProviderError>]) -> String {
    chunks
        .iter()
        .filter_map(|chunk| match chunk {
            Ok(Chunk::Token(token)) => Some(token.as_str()),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn tokens_joined_are_the_answer_and_completion_is_last() {
    let provider = provider(Duration::ZERO);
    let chunks = collect(&provider, Prompt::question("What is coalescing?")).await;
    let joined = text(&chunks);
    assert!(joined.starts_with("Coalescing means that whatever is queued"), "{joined}");
    let expected = Librarian::new().unwrap().answer(Conversation {
        question: "What is coalescing?",
        earlier: &[],
        last_answer: None,
    });
    assert_eq!(joined, expected);
    assert_eq!(chunks[1], Ok(Chunk::Token(" means".to_owned())));
    let complete = Chunk::Complete { sql: None, chart_config: None };
    assert_eq!(chunks.last(), Some(&Ok(complete)));
    let completions = chunks.iter().filter(|c| matches!(c, Ok(Chunk::Complete { .. }))).count();
    assert_eq!(completions, 1);
}

#[tokio::test]
async fn a_data_answer_completes_with_sql_and_chart() {
    let chunks =
        collect(&provider(Duration::ZERO), Prompt::question("Revenue in Q2 by region?")).await;
    match chunks.last() {
        Some(Ok(Chunk::Complete { sql: Some(sql), chart_config: Some(chart) })) => {
            assert!(sql.starts_with("SELECT region, SUM(amount_usd)"), "{sql}");
            assert_eq!(chart["data"]["labels"][0], "Americas");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_same_conversation_has_the_same_answer() {
    for question in ["How do rooms work?", "connections by region", "who knows?", "tell me more"] {
        let prompt = Prompt {
            messages: vec![
                Message::user("What is a gap?"),
                Message::assistant("…"),
                Message::user(question),
            ],
        };
        let first = collect(&provider(Duration::ZERO), prompt.clone()).await;
        assert!(!text(&first).is_empty());
        assert_eq!(first, collect(&provider(Duration::ZERO), prompt).await, "{question}");
    }
}

#[tokio::test]
async fn earlier_turns_of_the_prompt_are_context() {
    let provider = provider(Duration::ZERO);
    let ask = |topic: &str| Prompt {
        messages: vec![
            Message::user(topic),
            Message::assistant("So it is."),
            Message::user("and how long does it wait?"),
        ],
    };
    let backoff = text(&collect(&provider, ask("How does reconnecting back off?")).await);
    assert!(backoff.contains("full jitter"), "{backoff}");
    let heartbeat = text(&collect(&provider, ask("What is the heartbeat for?")).await);
    assert!(heartbeat.contains("every 30 s"), "{heartbeat}");
}

#[tokio::test(start_paused = true)]
async fn tokens_keep_the_configured_pace() {
    let provider = provider(Duration::from_millis(15));
    let start = Instant::now();
    let chunks = collect(&provider, Prompt::question("What is coalescing?")).await;
    // The first comes at once; every other chunk, the completion too, after one delay.
    let pauses = u32::try_from(chunks.len() - 1).unwrap();
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(15) * pauses, "{elapsed:?} for {pauses}");
    assert!(elapsed < Duration::from_millis(17) * pauses, "{elapsed:?} for {pauses}");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_stops_production() {
    let provider = provider(Duration::from_millis(15));
    let mut stream = provider.stream(Prompt::question("What is a gap?"), CancelSignal::never());
    for _ in 0..3 {
        assert!(matches!(stream.next().await, Some(Ok(Chunk::Token(_)))));
    }
    assert_eq!((provider.answers_in_progress(), provider.tokens_made()), (1, 3));
    drop(stream);
    assert_eq!(provider.answers_in_progress(), 0);
    advance(Duration::from_secs(10)).await;
    tokio::task::yield_now().await;
    assert_eq!(provider.tokens_made(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_signal_ends_a_stream_in_the_middle_of_a_pause() {
    let provider = provider(Duration::from_secs(3600));
    let (handle, signal) = cancellation();
    let mut stream = provider.stream(Prompt::question("What is a gap?"), signal);
    assert!(matches!(stream.next().await, Some(Ok(Chunk::Token(_)))));
    let start = Instant::now();
    let (next, ()) = tokio::join!(stream.next(), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        handle.cancel();
    });
    assert_eq!(next, Some(Err(ProviderError::cancelled())));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(provider.answers_in_progress(), 0);
    assert_eq!(stream.next().await, None);
    assert_eq!(provider.tokens_made(), 1);
}

#[tokio::test]
async fn bad_prompts_are_refused_with_a_code() {
    let provider = provider(Duration::ZERO);
    for (prompt, code) in [
        (Prompt::default(), ErrorCode::EmptyPrompt),
        (Prompt::question("  \n"), ErrorCode::EmptyPrompt),
        (Prompt::question("x".repeat(16 * 1024 + 1)), ErrorCode::PromptTooLong),
    ] {
        let chunks = collect(&provider, prompt).await;
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].as_ref().unwrap_err().code, code);
    }
    let longest = collect(&provider, Prompt::question("gap ".repeat(4 * 1024))).await;
    assert!(longest.iter().all(Result::is_ok));
    assert_eq!(ErrorCode::PromptTooLong.to_string(), "PROMPT_TOO_LONG");
    assert_eq!(ErrorCode::EmptyPrompt.to_string(), "EMPTY_PROMPT");
}

#[test]
fn the_provider_is_found_by_its_name() {
    let mut registry = ProviderRegistry::new();
    registry.insert(Arc::new(provider(Duration::ZERO)));
    assert_eq!(registry.find("offline").unwrap().name(), OfflineProvider::NAME);
    let error = registry.find("oracle").err().unwrap();
    assert_eq!(error.to_string(), "no AI provider is called \"oracle\"; there are: offline");
}

#[test]
fn the_configuration_is_read_in_milliseconds() {
    let config: OfflineConfig = toml::from_str("token_delay_ms = 40").unwrap();
    assert_eq!(config.token_delay, Duration::from_millis(40));
    assert_eq!(config.limits, PromptLimits::default());
    assert_eq!(toml::from_str::<OfflineConfig>("").unwrap().token_delay, Duration::from_millis(15));
    assert!(toml::from_str::<OfflineConfig>("token_delay = 40").is_err());
}

proptest::proptest! {
    /// Whatever is asked, the answer comes, is not empty, and ends.
    #[test]
    fn any_question_gets_an_answer(
        words in proptest::collection::vec(
            "revenue|connections|per|day|between|may|2025|06|31|99|of|last|q2|average|and|it|\\PC{0,8}",
            1..12,
        )
    ) {
        static PROVIDER: LazyLock<OfflineProvider> = LazyLock::new(|| provider(Duration::ZERO));
        let question = format!("why {}", words.join(" "));
        let prompt = Prompt { messages: vec![Message::user("revenue by day"), Message::user(question)] };
        let answer = PROVIDER.answer(&prompt).unwrap();
        proptest::prop_assert!(!answer.text.trim().is_empty());
    }
}
