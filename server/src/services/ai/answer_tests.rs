//! Questions as people put them, and the passage that answers each.

use super::*;

fn alone(question: &str) -> Conversation<'_> {
    Conversation { question, earlier: &[], last_answer: None }
}

#[test]
fn natural_questions_find_their_passage() {
    let librarian = Librarian::new().unwrap();
    let cases = [
        ("What is Staywire?", "what-is-staywire"),
        ("hello, who are you?", "assistant"),
        ("What can I ask you?", "assistant"),
        ("Which languages and platforms are supported?", "platforms"),
        ("Can I use it on Android?", "platforms"),
        ("Why is the engine a state machine and not async?", "sans-io-engine"),
        ("Which states can a client be in?", "client-states"),
        ("Why are events handed over in batches?", "batches"),
        ("Do several browser tabs share a connection?", "shared-tabs"),
        ("How is a room modelled?", "rooms-are-logs"),
        ("what are an epoch and an offset for", "epoch-offset"),
        ("What happens if I miss events?", "gap"),
        ("What is a gap?", "gap"),
        ("How does a client catch up after it reconnects?", "resume"),
        ("how long is the history of a room kept", "history"),
        ("Is typing logged?", "presence-typing"),
        ("What if my app is too slow to read its events?", "slow-application"),
        ("What is coalescing and why does it make throughput better?", "coalescing"),
        ("How does reconnecting back off?", "backoff"),
        ("Which jitter is used between retries?", "backoff"),
        ("How often are pings sent?", "heartbeat"),
        ("When is a dead peer detected?", "heartbeat"),
        ("What happens when my token expires?", "token-refresh"),
        ("What if my token callback hangs?", "token-callback"),
        ("What happens after my laptop sleeps?", "wake"),
        ("what does goaway mean", "drain"),
        ("How do you deploy a new server without an outage?", "drain"),
        ("What happens if the server crashes?", "server-crash"),
        ("Are messages that I send while offline lost?", "outbox"),
        ("Can a message be published twice?", "idempotence"),
        ("When is a message uncertain?", "uncertain"),
        ("What becomes of a call whose link dies?", "calls"),
        ("Which protocols are there?", "protocols"),
        ("Does it work with Socket.IO servers?", "socketio"),
        ("What does the auto protocol do when the handshake fails?", "auto"),
        ("Which endpoints does the server have?", "endpoints"),
        ("Where are the Prometheus metrics?", "http-endpoints"),
        ("How are AI answers streamed?", "ai-streaming"),
        ("How do I cancel an AI answer?", "ai-cancel"),
        ("Can I use OpenAI or Anthropic models?", "ai-providers"),
        ("How can a Python service publish tokens through redis?", "ai-bridge"),
        ("How do notifications reach all devices of a user?", "notifications"),
        ("Is collaborative editing a CRDT?", "collaboration"),
        ("Do long tasks survive a disconnect?", "tasks"),
        ("How are clients authenticated?", "authentication"),
        ("How does a browser log in without headers?", "tickets"),
        ("How are tenants isolated?", "tenancy"),
        ("Are anonymous sessions allowed?", "anonymous"),
        ("What are the rate limits?", "rate-limits"),
        ("How do I run the demo?", "demo"),
        ("Which command runs the tests?", "xtask"),
        ("How does it scale to several servers?", "redis"),
        ("How are the guarantees proven?", "simulation"),
        ("Is there a command line tool to record a session?", "cli"),
        ("What is staywire.v1?", "staywire-v1"),
        ("How does Staywire avoid a thundering herd?", "storm"),
        ("Is my JWT ever put in the URL?", "tickets"),
        ("What happens to typing indicators after a reconnect?", "presence-typing"),
        ("Do I lose messages when the token is renewed?", "token-refresh"),
        ("Can Yjs clients connect?", "collaboration"),
        ("how do I write a client in Kotlin?", "platforms"),
        ("Which HTTP status do I get if I'm refused?", "refusals"),
        ("How does the server shut down gracefully?", "drain"),
        ("Where is the source code of the server?", "layout"),
        ("How is wasm kept small?", "wasm-size"),
        ("Can another tenant see my data?", "tenancy"),
        ("How are permissions checked?", "validation"),
        ("what happens when the wifi changes", "two-links"),
        ("Who are you?", "assistant"),
        ("thanks!", "assistant"),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(question, passage)| {
            let found = librarian.best(alone(question));
            (found != Some(passage)).then_some((question, passage, found))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_example_and_title_is_answered() {
    let librarian = Librarian::new().unwrap();
    for topic in &librarian.corpus.topics {
        assert!(librarian.best(alone(&topic.example)).is_some(), "{}", topic.example);
    }
    for passage in &librarian.corpus.passages {
        assert_eq!(librarian.best(alone(&passage.title)), Some(passage.id.as_str()));
    }
}

#[test]
fn a_follow_up_takes_its_topic_from_the_conversation() {
    let librarian = Librarian::new().unwrap();
    let best = |earlier: &[&str], question| {
        librarian.best(Conversation { question, earlier, last_answer: None })
    };
    let wait = "and how long does it wait?";
    assert_eq!(best(&["How does reconnecting back off?"], wait), Some("backoff"));
    assert_eq!(best(&["What is the heartbeat for?"], wait), Some("heartbeat"));

    let survive = "does it survive a reload on disk?";
    assert_eq!(best(&["What is the outbox?"], survive), Some("outbox"));
    assert_eq!(best(&["What is the outbox?", "Thanks. What is a gap?"], "why?"), Some("gap"));
    // The latest topic wins over an older one.
    let turns = ["What is the heartbeat for?", "How does reconnecting back off?"];
    assert_eq!(best(&turns, wait), Some("backoff"));
    // A question that stands alone isn't bent by what was asked before it.
    assert_eq!(best(&["What is the heartbeat?"], "How do I run the demo?"), Some("demo"));
    // Both "resume" and "validation" speak of permissions; only the context would prefer the former.
    let earlier = ["How does a client catch up after it reconnects?"];
    assert_eq!(best(&earlier, "How are permissions checked?"), Some("validation"));
}

#[test]
fn more_is_something_new() {
    let librarian = Librarian::new().unwrap();
    let earlier = ["How does a token refresh work?"];
    let first = librarian.answer(alone(earlier[0]));
    let more = librarian.answer(Conversation {
        question: "tell me more",
        earlier: &earlier,
        last_answer: Some(&first),
    });
    assert!(more.contains("token"), "{more}");
    assert_ne!(first, more);
    assert!(!more.contains(sentences(&first)[0]), "{more}");
}

#[test]
fn what_is_unknown_is_admitted() {
    let librarian = Librarian::new().unwrap();
    for question in [
        "What is the capital of France?",
        "Who won the world cup in 2018?",
        "How do I bake sourdough bread?",
        "Does Staywire support COBOL?",
        "What's the weather like tomorrow?",
        "Recommend a good restaurant near the office",
        "Write a poem about autumn leaves",
        "Does it run on Windows 95?",
        "Is there a GraphQL API?",
        "What is the best programming language?",
        "How do I reset my password?",
        "Tell me a joke",
        "What stock should I buy?",
        "Is the price in dollars?",
        "¿qué hora es?",
    ] {
        let answer = librarian.answer(alone(question));
        assert!(answer.starts_with("I don't know"), "{question} -> {answer}");
        assert!(answer.contains("rooms, offsets and gaps"), "{answer}");
    }
    let answer = librarian.answer(alone("Does Staywire support COBOL?"));
    assert!(answer.contains("“cobol”"), "{answer}");
    let context = ["What is the heartbeat?"];
    let off_topic = Conversation {
        question: "and what about the capital of France?",
        earlier: &context,
        last_answer: None,
    };
    assert!(librarian.answer(off_topic).starts_with("I don't know"));
}

#[test]
fn answers_have_two_to_five_sentences() {
    let librarian = Librarian::new().unwrap();
    for passage in &librarian.corpus.passages {
        let answer = librarian.answer(alone(&passage.title));
        let count = sentences(&answer).len();
        assert!((2..=MOST_SENTENCES).contains(&count), "{count}: {answer}");
    }
}
