//! Rooms over links: joined, resumed, refused, overflowed.

use super::*;

fn position(epoch: &str, offset: u64) -> From {
    From::Position { epoch: epoch.into(), offset }
}

#[test]
fn a_room_is_joined_and_resumed_from_where_it_stands() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    assert_eq!(bench.subscribed(), [Subscribe { subscription: 1, room, from: From::Tip }]);
    bench.bind(FIRST, 1, "a", 10, 10);
    assert!(bench.outputs.contains(&Output::Joined { room }));
    assert_eq!(bench.data(FIRST, 1, 11, 3), Verdict::Deliver { room, skip: 0, gap: None });
    bench.close(FIRST, FailureKind::Network);
    bench.run(500);
    bench.take();
    bench.open(SECOND);
    assert_eq!(bench.subscribed(), [Subscribe { subscription: 2, room, from: position("a", 13) }]);
}

#[test]
fn a_quiet_room_is_resumed_too() {
    let mut bench = Bench::connected();
    bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.close(FIRST, FailureKind::Network);
    bench.run(500);
    bench.take();
    bench.open(SECOND);
    assert_eq!(bench.subscribed()[0].from, position("a", 0));
}

#[test]
fn a_join_that_was_not_answered_is_asked_again_as_it_was() {
    let mut bench = Bench::connected();
    bench.join(From::History(5));
    bench.close(FIRST, FailureKind::Network);
    bench.run(500);
    bench.take();
    bench.open(SECOND);
    assert_eq!(bench.subscribed()[0].from, From::History(5));
}

#[test]
fn two_links_deliver_each_event_once() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.data(FIRST, 1, 1, 5);
    bench.goaway(FIRST);
    bench.open(SECOND);
    bench.welcome(SECOND, "demo ada", "store", None);
    assert_eq!(bench.data(FIRST, 1, 6, 2), Verdict::Deliver { room, skip: 0, gap: None });
    bench.bind(SECOND, 2, "a", 5, 7);
    assert_eq!(bench.data(SECOND, 2, 6, 3), Verdict::Deliver { room, skip: 2, gap: None });
    assert!(bench.gaps().is_empty() && bench.engine.state() == State::Connected);
}

#[test]
fn the_old_link_stays_until_every_room_goes_on() {
    let mut bench = Bench::connected();
    bench.join(From::Tip);
    bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.bind(FIRST, 2, "b", 0, 0);
    bench.goaway(FIRST);
    bench.greet(SECOND);
    bench.bind(SECOND, 3, "a", 0, 0);
    assert!(!bench.outputs.contains(&Output::Close { link: FIRST, in_order: true }));
    bench.bind(SECOND, 4, "b", 0, 0);
    assert!(bench.outputs.contains(&Output::Close { link: FIRST, in_order: true }));
}

#[test]
fn unlogged_events_come_over_the_primary_alone() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.goaway(FIRST);
    bench.open(SECOND);
    bench.welcome(SECOND, "demo ada", "store", None);
    assert_eq!(bench.data(SECOND, 2, 0, 1), Verdict::Discard);
    assert_eq!(bench.data(FIRST, 1, 0, 1), Verdict::Deliver { room, skip: 0, gap: None });
}

#[test]
fn a_room_that_began_anew_says_a_gap_and_goes_on() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 10, 10);
    bench.bind(FIRST, 1, "b", 0, 2);
    let gap = Gap { room: Some(room), from: 0, to: 0, reason: GapReason::NewEpoch };
    assert_eq!(bench.gaps(), [gap]);
    assert_eq!(bench.data(FIRST, 1, 1, 2), Verdict::Deliver { room, skip: 0, gap: None });
}

#[test]
fn a_gap_of_the_server_moves_the_position() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 10, 30);
    bench.act(|engine, now| engine.handle_gap(FIRST, 1, 20, GapReason::Expired, now));
    let gap = Gap { room: Some(room), from: 11, to: 20, reason: GapReason::Expired };
    assert_eq!(bench.gaps(), [gap]);
    assert_eq!(bench.data(FIRST, 1, 21, 1), Verdict::Deliver { room, skip: 0, gap: None });
}

#[test]
fn a_refused_room_ends_and_one_refused_for_a_while_is_asked_again() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.act(|engine, now| engine.handle_refused(FIRST, 1, Some(Millis(2_000)), now));
    bench.take();
    bench.run(2_000);
    assert_eq!(bench.subscribed(), [Subscribe { subscription: 2, room, from: From::Tip }]);
    bench.act(|engine, now| engine.handle_refused(FIRST, 2, None, now));
    assert!(bench.take().contains(&Output::RoomFailed { room, reason: RoomFailure::Refused }));
}

#[test]
fn a_link_that_was_replaced_has_no_say_in_a_room() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    // An answer that is still to come keeps the old link.
    bench.act(|engine, now| engine.call(false, None, now)).expect("there is room");
    bench.goaway(FIRST);
    bench.greet(SECOND);
    bench.bind(SECOND, 2, "a", 0, 0);
    bench.take();
    bench.act(|engine, now| engine.handle_refused(FIRST, 1, None, now));
    assert_eq!(bench.take(), []);
    assert_eq!(bench.data(SECOND, 2, 1, 1), Verdict::Deliver { room, skip: 0, gap: None });
}

#[test]
fn a_slow_application_goes_on_where_it_stopped() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.data(FIRST, 1, 1, 100);
    bench.take();
    bench.act(|engine, _| engine.room_overflowed(room, "a".into(), 40));
    assert_eq!(bench.sent(FIRST), [Outgoing::Leave { subscription: 1 }]);
    assert_eq!(bench.data(FIRST, 1, 101, 5), Verdict::Discard);
    bench.act(|engine, _| engine.room_caught_up(room));
    assert_eq!(bench.subscribed(), [Subscribe { subscription: 2, room, from: position("a", 40) }]);
    bench.bind(FIRST, 2, "a", 40, 105);
    assert_eq!(bench.data(FIRST, 2, 41, 65), Verdict::Deliver { room, skip: 0, gap: None });
}

#[test]
fn lies_about_offsets_cost_the_link_not_the_client() {
    type Lie = fn(&mut Engine, Now);
    let lies: [Lie; 4] = [
        |engine, now| {
            let lie = DataFrame { subscription: 1, first: u64::MAX, count: 9 };
            engine.handle_data(FIRST, lie, now);
        },
        |engine, now| {
            let lie = Binding { subscription: 1, epoch: "a".into(), offset: OFFSET_LIMIT, tip: 0 };
            engine.handle_bound(FIRST, lie, now);
        },
        |engine, now| engine.handle_gap(FIRST, 1, OFFSET_LIMIT, GapReason::Expired, now),
        |engine, now| {
            // Events before the room's place in its log is known.
            engine.handle_data(FIRST, DataFrame { subscription: 2, first: 1, count: 1 }, now);
        },
    ];
    for lie in lies {
        let mut bench = Bench::connected();
        bench.join(From::Tip);
        bench.bind(FIRST, 1, "a", 0, 0);
        bench.join(From::Tip);
        bench.act(lie);
        assert!(matches!(
            bench.engine.state(),
            State::Reconnecting { cause: Cause::ProtocolViolation, .. }
        ));
        bench.run(500);
        bench.greet(SECOND);
        assert_eq!(bench.engine.state(), State::Connected);
    }
}

#[test]
fn frames_of_left_rooms_are_discarded() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.act(|engine, _| engine.leave(room));
    assert_eq!(bench.data(FIRST, 1, 1, 1), Verdict::Discard);
    assert_eq!(bench.data(FIRST, 99, 1, 1), Verdict::Discard);
    assert_eq!(bench.engine.state(), State::Connected);
}

#[test]
fn a_plain_server_has_no_rooms() {
    let mut bench = Bench::new(Config { protocol: ProtocolChoice::Plain, ..Config::default() });
    let early = bench.join(From::Tip);
    bench.connect();
    bench.act(|engine, now| engine.handle_opened(FIRST, Wire::Plain, now));
    let late = bench.join(From::Tip);
    for room in [early, late] {
        let reason = RoomFailure::Unsupported;
        assert!(bench.outputs.contains(&Output::RoomFailed { room, reason }));
    }
}

#[test]
fn a_log_trimmed_under_a_second_link_costs_nothing_that_the_first_still_brings() {
    let mut bench = Bench::connected();
    let room = bench.join(From::Tip);
    bench.bind(FIRST, 1, "a", 0, 0);
    bench.data(FIRST, 1, 1, 10);
    bench.goaway(FIRST);
    bench.open(SECOND);
    bench.welcome(SECOND, "demo ada", "store", None);
    bench.take();
    // The log keeps only what follows 15 by now.
    bench.bind(SECOND, 2, "a", 15, 20);
    assert!(bench.gaps().is_empty());
    assert_eq!(bench.data(FIRST, 1, 11, 8), Verdict::Deliver { room, skip: 0, gap: None });
    bench.bind(SECOND, 3, "a", 18, 20);
    assert_eq!(bench.data(SECOND, 3, 19, 2), Verdict::Deliver { room, skip: 0, gap: None });
    assert!(bench.gaps().is_empty());
    // What is gone for both is said.
    bench.bind(SECOND, 3, "a", 30, 30);
    assert_eq!(bench.gaps().len(), 1);
}
