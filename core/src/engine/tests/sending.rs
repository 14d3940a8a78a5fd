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
