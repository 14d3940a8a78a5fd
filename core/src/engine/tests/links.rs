//! Links: opened, kept alive, lost, replaced.

use super::*;

#[test]
fn a_connection_comes_about_and_says_so() {
    let bench = Bench::connected();
    assert_eq!(bench.states(), [State::Connecting, State::Connected]);
    assert!(bench.outputs.contains(&Output::Open { link: FIRST, offer_staywire: true }));
}

#[test]
fn a_lost_link_is_dialled_again_after_a_wait() {
    let mut bench = Bench::connected();
    bench.take();
    bench.close(FIRST, FailureKind::Network);
    assert!(matches!(
        bench.states()[..],
        [State::Reconnecting { attempt: 1, cause: Cause::NetworkFailed, .. }]
    ));
    bench.run(500);
    bench.greet(SECOND);
    assert_eq!(bench.states().last(), Some(&State::Connected));
}

#[test]
fn waits_grow_and_never_end() {
    let mut bench = Bench::v1();
    bench.connect();
    for _ in 0..50 {
        let link = bench.opened();
        let failure = Failure { kind: FailureKind::Network, retry_after: None };
        bench.act(|engine, now| engine.handle_open_failed(link, failure, now));
        bench.run(20_000);
        assert_ne!(bench.opened(), link, "another attempt follows within the cap");
    }
}

#[test]
fn it_gives_up_when_asked_to() {
    let backoff = BackoffConfig { give_up_after: Some(1), ..BackoffConfig::default() };
    let mut bench = Bench::new(Config { backoff, ..Config::default() });
    bench.connect();
    bench.close(FIRST, FailureKind::Network);
    bench.run(1_000);
    bench.close(SECOND, FailureKind::Network);
    assert_eq!(bench.engine.state(), State::Closed { reason: Cause::GaveUp });
}

#[test]
fn the_servers_word_on_when_to_come_back_counts() {
    let mut bench = Bench::connected();
    let failure = Failure { kind: FailureKind::Unavailable, retry_after: Some(Millis(30_000)) };
    bench.act(|engine, now| engine.handle_closed(FIRST, failure, now));
    bench.run(29_999);
    assert_eq!(bench.opened(), FIRST);
    bench.run(600);
    assert_eq!(bench.opened(), SECOND);
}

#[test]
fn a_dial_that_hangs_is_given_up() {
    let mut bench = Bench::v1();
    bench.connect();
    bench.open(FIRST);
    bench.run(10_000);
    assert!(bench.outputs.contains(&Output::Close { link: FIRST, in_order: false }));
    bench.run(500);
    assert_eq!(bench.opened(), SECOND);
}

#[test]
fn a_silent_peer_is_pinged_and_then_dead() {
    let mut bench = Bench::connected();
    bench.take();
    bench.run(29_999);
    assert!(bench.sent(FIRST).is_empty());
    bench.run(1);
    assert_eq!(bench.sent(FIRST), [Outgoing::Ping]);
    bench.run(10_000);
    assert!(matches!(bench.engine.state(), State::Reconnecting { cause: Cause::PeerDead, .. }));
}

#[test]
fn a_peer_that_speaks_is_not_pinged() {
    let mut bench = Bench::connected();
    bench.take();
    for _ in 0..100 {
        bench.run(20_000);
        bench.act(|engine, now| engine.handle_heard(FIRST, now));
    }
    assert!(bench.sent(FIRST).is_empty());
}

#[test]
fn a_ping_is_answered_on_the_link_it_came_on() {
    let mut bench = Bench::connected();
    bench.take();
    bench.act(|engine, _| engine.handle_ping(FIRST));
    assert_eq!(bench.sent(FIRST), [Outgoing::Pong]);
}

#[test]
fn inputs_of_a_dead_link_change_nothing() {
    let mut bench = Bench::connected();
    bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.close(FIRST, FailureKind::Network);
    let before = bench.engine.state();
    bench.take();
    assert_eq!(bench.data(FIRST, 1, 1, 1), Verdict::Discard);
    bench.welcome(FIRST, "demo ada", "store", None);
    bench.close(FIRST, FailureKind::Forbidden);
    bench.act(|engine, now| engine.handle_goaway(FIRST, Millis(0), now));
    assert_eq!((bench.engine.state(), bench.take()), (before, Vec::new()));
}

#[test]
fn a_server_that_leaves_is_replaced_before_it_is_gone() {
    let mut bench = Bench::connected();
    bench.take();
    bench.act(|engine, now| engine.handle_goaway(FIRST, Millis(3_000), now));
    bench.run(2_999);
    assert!(bench.outputs.is_empty());
    bench.run(1);
    bench.greet(SECOND);
    assert!(bench.outputs.contains(&Output::Close { link: FIRST, in_order: true }));
    assert!(bench.states().is_empty(), "the application sees no outage");
}

#[test]
fn a_make_that_fails_keeps_the_old_link_and_is_tried_again() {
    let mut bench = Bench::connected();
    bench.goaway(FIRST);
    bench.take();
    bench.close(SECOND, FailureKind::Network);
    assert!(bench.states().is_empty());
    assert_eq!(bench.redial(), LinkId(3));
    assert_eq!(bench.engine.state(), State::Connected);
}

#[test]
fn when_the_old_link_dies_the_one_being_made_takes_its_place() {
    let mut bench = Bench::connected();
    bench.goaway(FIRST);
    bench.close(FIRST, FailureKind::Network);
    assert!(matches!(bench.engine.state(), State::Reconnecting { .. }));
    bench.greet(SECOND);
    assert_eq!(bench.engine.state(), State::Connected);
}

#[test]
fn a_link_that_slept_is_probed_and_raced() {
    let mut bench = Bench::connected();
    bench.take();
    bench.sleep(3_600_000);
    bench.act(|engine, now| engine.handle_wake(now));
    assert_eq!(bench.sent(FIRST), [Outgoing::Ping]);
    bench.run(1_000);
    assert_eq!(bench.opened(), SECOND);
    bench.greet(SECOND);
    assert_eq!(bench.engine.state(), State::Connected);
    assert!(bench.states().is_empty());
}

#[test]
fn a_probe_that_is_answered_changes_nothing() {
    let mut bench = Bench::connected();
    bench.act(|engine, now| engine.handle_wake(now));
    bench.take();
    bench.pass(1);
    bench.act(|engine, now| engine.handle_heard(FIRST, now));
    bench.run(5_000);
    assert!(bench.take().is_empty());
}

#[test]
fn sleep_is_noticed_without_the_platforms_word() {
    let mut bench = Bench::connected();
    bench.run(1_000);
    bench.act(|engine, now| engine.handle_timeout(now));
    bench.take();
    bench.sleep(60_000);
    bench.act(|engine, now| engine.handle_timeout(now));
    assert_eq!(bench.sent(FIRST), [Outgoing::Ping]);
}

#[test]
fn nothing_is_tried_without_a_network() {
    let mut bench = Bench::connected();
    bench.act(|engine, now| engine.handle_online(false, now));
    assert_eq!(bench.engine.state(), State::Connected, "the link may live on");
    bench.close(FIRST, FailureKind::Network);
    assert_eq!(bench.engine.state(), State::Offline);
    bench.take();
    bench.run(600_000);
    assert!(bench.take().is_empty());
    bench.act(|engine, now| engine.handle_online(true, now));
    assert_eq!(bench.opened(), SECOND, "at once");
}

#[test]
fn auto_falls_back_once_and_remembers() {
    let mut bench = Bench::new(Config::default());
    bench.connect();
    bench.close(FIRST, FailureKind::Subprotocol);
    assert!(bench.outputs.contains(&Output::Open { link: SECOND, offer_staywire: false }));
    bench.act(|engine, now| engine.handle_opened(SECOND, Wire::Plain, now));
    assert_eq!(bench.engine.state(), State::Connected);
    bench.close(SECOND, FailureKind::Network);
    bench.run(500);
    assert!(bench.outputs.contains(&Output::Open { link: LinkId(3), offer_staywire: false }));
}

#[test]
fn auto_offers_again_when_the_fall_back_met_nobody() {
    let mut bench = Bench::new(Config::default());
    bench.connect();
    bench.close(FIRST, FailureKind::Subprotocol);
    bench.close(SECOND, FailureKind::Network);
    bench.run(500);
    assert!(bench.outputs.contains(&Output::Open { link: LinkId(3), offer_staywire: true }));
}

#[test]
fn a_plain_server_leaves_a_gap_at_each_reconnect() {
    let mut bench = Bench::new(Config { protocol: ProtocolChoice::Plain, ..Config::default() });
    bench.connect();
    bench.act(|engine, now| engine.handle_opened(FIRST, Wire::Plain, now));
    assert!(bench.gaps().is_empty());
    for link in 2..5 {
        bench.take();
        bench.close(LinkId(link - 1), FailureKind::Network);
        assert_eq!(bench.redial(), LinkId(link));
        bench.act(|engine, now| engine.handle_opened(LinkId(link), Wire::Plain, now));
        let unprovable = Gap { room: None, from: 0, to: 0, reason: GapReason::Unprovable };
        assert_eq!(bench.gaps(), [unprovable]);
    }
}

#[test]
fn close_ends_everything_once() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    let call = bench.act(|engine, now| engine.call(true, None, now)).unwrap();
    let publish = bench.act(|engine, now| engine.publish(10, now)).unwrap();
    bench.take();
    bench.act(|engine, _| engine.close());
    let outputs = bench.take();
    assert!(outputs.contains(&Output::Close { link: FIRST, in_order: true }));
    assert!(outputs.contains(&Output::CallFailed { id: call, reason: CallFailure::Closed }));
    let reason = PublishFailure::Uncertain;
    assert!(outputs.contains(&Output::PublishFailed { id: publish, reason }));
    assert!(outputs.contains(&Output::RoomFailed { room, reason: RoomFailure::Closed }));
    bench.act(|engine, _| engine.close());
    bench.connect();
    assert_eq!((bench.take(), bench.next_wake()), (Vec::new(), None));
}

#[test]
fn a_week_of_heartbeats_is_quiet() {
    let mut bench = Bench::connected();
    bench.take();
    let mut pings = 0;
    let week = bench.now.time + Millis::from_secs(7 * 24 * 3_600);
    while bench.now.time < week {
        bench.run(30_000);
        for message in bench.sent(FIRST) {
            assert_eq!(message, Outgoing::Ping);
            pings += 1;
            bench.pass(20);
            bench.act(|engine, now| engine.handle_heard(FIRST, now));
        }
    }
    assert_eq!(bench.engine.state(), State::Connected);
    assert!((18_000..22_000).contains(&pings), "{pings} pings");
}

#[test]
fn an_answered_ping_is_a_sign_of_life_however_long_the_timeout() {
    let heartbeat = HeartbeatConfig { interval: Millis(5_000), timeout: Millis(10_000) };
    let mut bench = Bench::new(Config { heartbeat, ..Config::default() });
    bench.connect();
    bench.greet(FIRST);
    for _ in 0..20 {
        bench.run(5_000);
        bench.act(|engine, now| engine.handle_heard(FIRST, now));
    }
    assert_eq!(bench.engine.state(), State::Connected);
}

#[test]
fn what_refuses_a_second_link_does_not_end_the_first() {
    let mut bench = Bench::connected();
    bench.goaway(FIRST);
    bench.close(SECOND, FailureKind::Forbidden);
    assert_eq!(bench.engine.state(), State::Connected);
    bench.close(FIRST, FailureKind::Forbidden);
    assert_eq!(bench.engine.state(), State::Closed { reason: Cause::Forbidden });
}

#[test]
fn a_server_that_dies_after_sending_us_away_is_left_alone_until_then() {
    let mut bench = Bench::connected();
    bench.act(|engine, now| engine.handle_goaway(FIRST, Millis(8_000), now));
    bench.close(FIRST, FailureKind::Network);
    bench.run(7_999);
    assert_eq!(bench.opened(), FIRST);
    bench.run(501);
    assert_eq!(bench.opened(), SECOND);
}

#[test]
fn a_server_that_asks_for_years_of_patience_wedges_nobody() {
    let mut bench = Bench::connected();
    let failure = Failure { kind: FailureKind::Unavailable, retry_after: Some(Millis(u64::MAX)) };
    bench.act(|engine, now| engine.handle_closed(FIRST, failure, now));
    bench.run(3_601_000);
    assert_ne!(bench.opened(), FIRST);
}
