//! Calls and publishes over links that come and go.

use super::*;

fn publish(bench: &mut Bench) -> u32 {
    bench.act(|engine, now| engine.publish(10, now)).expect("there is room")
}

fn call(bench: &mut Bench, idempotent: bool) -> u32 {
    bench.act(|engine, now| engine.call(idempotent, None, now)).expect("there is room")
}

fn reply(bench: &mut Bench, link: LinkId, id: u32) -> bool {
    bench.act(|engine, now| engine.handle_reply(link, id, now))
}

#[test]
fn what_is_published_offline_goes_out_in_order() {
    let mut bench = Bench::v1();
    let ids = [publish(&mut bench), publish(&mut bench), publish(&mut bench)];
    bench.connect();
    bench.take();
    bench.greet(FIRST);
    let sent = bench.sent(FIRST);
    let expected = [(ids[0], 1), (ids[1], 2), (ids[2], 3)]
        .map(|(id, sequence)| Outgoing::Publish { id, sequence });
    assert_eq!(sent[1..], expected);
}

#[test]
fn an_unanswered_publish_is_sent_again_under_its_number() {
    let mut bench = Bench::connected();
    let id = publish(&mut bench);
    bench.close(FIRST, FailureKind::Network);
    bench.run(500);
    bench.take();
    bench.greet(SECOND);
    assert!(bench.sent(SECOND).contains(&Outgoing::Publish { id, sequence: 1 }));
    assert!(reply(&mut bench, SECOND, id));
    assert!(!reply(&mut bench, SECOND, id), "a second answer is nobody's");
}

#[test]
fn a_publish_under_a_lost_store_is_uncertain() {
    let mut bench = Bench::connected();
    let id = publish(&mut bench);
    bench.close(FIRST, FailureKind::Network);
    bench.run(500);
    bench.take();
    bench.open(SECOND);
    bench.welcome(SECOND, "demo ada", "another store", None);
    let reason = PublishFailure::Uncertain;
    assert!(bench.outputs.contains(&Output::PublishFailed { id, reason }));
    assert_eq!(bench.engine.outbox_usage(), (0, 0));
}

#[test]
fn a_publish_older_than_the_servers_memory_is_uncertain() {
    let mut bench = Bench::connected();
    let id = publish(&mut bench);
    bench.act(|engine, now| engine.handle_online(false, now));
    bench.close(FIRST, FailureKind::Network);
    bench.run(600_000);
    bench.act(|engine, now| engine.handle_online(true, now));
    bench.greet(SECOND);
    let reason = PublishFailure::Uncertain;
    assert!(bench.outputs.contains(&Output::PublishFailed { id, reason }));
}

#[test]
fn a_switch_of_links_sends_the_unanswered_again() {
    let mut bench = Bench::connected();
    let id = publish(&mut bench);
    bench.goaway(FIRST);
    bench.take();
    bench.greet(SECOND);
    assert!(bench.sent(SECOND).contains(&Outgoing::Publish { id, sequence: 1 }));
}

#[test]
fn a_call_is_interrupted_unless_it_may_be_repeated() {
    let mut bench = Bench::connected();
    let (once, again) = (call(&mut bench, false), call(&mut bench, true));
    bench.take();
    bench.close(FIRST, FailureKind::Network);
    let reason = CallFailure::Interrupted;
    assert!(bench.outputs.contains(&Output::CallFailed { id: once, reason }));
    bench.run(500);
    bench.take();
    bench.greet(SECOND);
    assert!(bench.sent(SECOND).contains(&Outgoing::Call { id: again }));
}

#[test]
fn a_replaced_link_finishes_its_answers_for_five_seconds() {
    let mut bench = Bench::connected();
    let (answered, late) = (call(&mut bench, false), call(&mut bench, false));
    bench.goaway(FIRST);
    bench.greet(SECOND);
    bench.take();
    assert!(reply(&mut bench, FIRST, answered));
    bench.run(4_999);
    assert!(bench.take().is_empty());
    bench.run(1);
    let outputs = bench.take();
    assert!(outputs.contains(&Output::Close { link: FIRST, in_order: true }));
    let reason = CallFailure::Interrupted;
    assert!(outputs.contains(&Output::CallFailed { id: late, reason }));
}

#[test]
fn a_call_runs_out_of_time_with_and_without_a_link() {
    let mut bench = Bench::v1();
    let deadline = Some(bench.now.time + Millis(5_000));
    let id = bench.act(|engine, now| engine.call(false, deadline, now)).unwrap();
    bench.connect();
    bench.run(4_999);
    let reason = CallFailure::TimedOut;
    assert!(!bench.outputs.contains(&Output::CallFailed { id, reason }));
    bench.run(1);
    assert!(bench.outputs.contains(&Output::CallFailed { id, reason }));
    assert!(!reply(&mut bench, FIRST, id));
}

#[test]
fn calls_and_the_outbox_are_bounded() {
    let mut bench = Bench::new(Config { max_calls: 1, ..Config::default() });
    call(&mut bench, false);
    assert_eq!(bench.act(|engine, now| engine.call(false, None, now)), Err(TooMany));
    let whole = bench.act(|engine, now| engine.publish(1 << 20, now));
    assert!(whole.is_ok());
    assert_eq!(bench.act(|engine, now| engine.publish(1, now)), Err(OutboxFull { bytes: true }));
}

#[test]
fn an_event_is_sent_at_most_once() {
    let mut bench = Bench::connected();
    bench.take();
    let id = bench.act(|engine, now| engine.send_event(5, now)).unwrap();
    assert_eq!(bench.sent(FIRST), [Outgoing::Event { id }]);
    bench.close(FIRST, FailureKind::Network);
    bench.run(500);
    bench.take();
    bench.greet(SECOND);
    assert!(!bench.sent(SECOND).contains(&Outgoing::Event { id }));
}

#[test]
fn plain_servers_answer_neither_calls_nor_publishes() {
    let mut bench = Bench::new(Config { protocol: ProtocolChoice::Plain, ..Config::default() });
    let (asked, said) = (call(&mut bench, true), publish(&mut bench));
    bench.connect();
    bench.act(|engine, now| engine.handle_opened(FIRST, Wire::Plain, now));
    let reason = CallFailure::Unsupported;
    assert!(bench.outputs.contains(&Output::CallFailed { id: asked, reason }));
    let reason = PublishFailure::Unsupported;
    assert!(bench.outputs.contains(&Output::PublishFailed { id: said, reason }));
}

#[test]
fn another_store_counts_from_the_switch_on() {
    let mut bench = Bench::connected();
    bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    let early = publish(&mut bench);
    bench.goaway(FIRST);
    bench.open(SECOND);
    bench.welcome(SECOND, "demo ada", "another store", None);
    let late = publish(&mut bench);
    assert!(reply(&mut bench, FIRST, early), "the first link still answers");
    bench.bind(SECOND, 2, "a", 0, 0);
    let reason = PublishFailure::Uncertain;
    assert!(bench.outputs.contains(&Output::PublishFailed { id: late, reason }));
}

#[test]
fn no_more_is_on_the_way_than_the_server_remembers() {
    let mut bench = Bench::v1();
    let ids: Vec<u32> = (0..3).map(|_| publish(&mut bench)).collect();
    bench.connect();
    bench.open(FIRST);
    let welcome = Welcome {
        heartbeat: None,
        token_ends_in: None,
        identity: "demo ada".into(),
        store: "store".into(),
        window: Millis(600_000),
        entries: 2,
    };
    bench.take();
    bench.act(|engine, now| engine.handle_welcome(FIRST, welcome, now));
    assert_eq!(bench.sent(FIRST).len(), 2);
    reply(&mut bench, FIRST, ids[0]);
    assert_eq!(bench.sent(FIRST), [Outgoing::Publish { id: ids[2], sequence: 3 }]);
}

#[cfg(feature = "socketio")]
mod socketio {
    use super::*;

    fn emit(bench: &mut Bench) -> u32 {
        bench.act(|engine, now| engine.send_event(10, now)).expect("there is room")
    }

    fn open(bench: &mut Bench, link: LinkId, restored: bool) {
        let session = || Session {
            heartbeat: HeartbeatConfig { interval: Millis(25_000), timeout: Millis(20_000) },
            restored,
            name: "s".into(),
        };
        bench.act(|engine, now| engine.handle_session(link, session(), now));
    }

    fn opened() -> Bench {
        let mut bench = Bench::v1();
        bench.connect();
        bench.take();
        open(&mut bench, FIRST, false);
        bench.take();
        bench
    }

    fn failures(outputs: &[Output]) -> Vec<(u32, PublishFailure)> {
        let failure = |output: &Output| match output {
            Output::PublishFailed { id, reason } => Some((*id, *reason)),
            _ => None,
        };
        outputs.iter().filter_map(failure).collect()
    }

    #[test]
    fn an_event_waits_until_it_is_known_to_have_arrived() {
        let mut bench = opened();
        let ids = [emit(&mut bench), emit(&mut bench), emit(&mut bench)];
        assert_eq!(bench.sent(FIRST), ids.map(|id| Outgoing::Event { id }));
        assert!(reply(&mut bench, FIRST, ids[0]));
        // The last one never left: it is sent again, and the one in between is not.
        bench.act(|engine, _| engine.handle_unsent(ids[2]));
        bench.close(FIRST, FailureKind::Network);
        assert_eq!(failures(&bench.take()), [(ids[1], PublishFailure::Uncertain)]);
        bench.run(500);
        bench.take();
        open(&mut bench, SECOND, false);
        assert_eq!(bench.sent(SECOND), [Outgoing::Event { id: ids[2] }]);
    }

    #[test]
    fn a_reconnect_is_a_gap_unless_the_session_was_restored() {
        let gaps = |outputs: Vec<Output>| {
            outputs.iter().filter(|output| matches!(output, Output::Gap(_))).count()
        };
        for (restored, expected) in [(false, 1), (true, 0)] {
            let mut bench = opened();
            bench.close(FIRST, FailureKind::Network);
            bench.run(500);
            bench.take();
            open(&mut bench, SECOND, restored);
            assert_eq!(gaps(bench.take()), expected);
        }
    }

    #[test]
    fn a_server_that_sends_the_client_away_closes_it() {
        let mut bench = opened();
        bench.close(FIRST, FailureKind::Dismissed);
        let closed = State::Closed { reason: Cause::Dismissed };
        assert!(
            bench.take().contains(&Output::StateChanged { state: closed, cause: Cause::Dismissed })
        );
    }
}
