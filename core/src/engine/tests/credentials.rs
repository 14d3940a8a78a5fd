//! Tokens: fetched, renewed without an outage, and never a wedge.

use super::*;

fn bench() -> Bench {
    Bench::new(Config {
        protocol: ProtocolChoice::StaywireV1,
        credentials: CredentialsMode::Provider,
        ..Config::default()
    })
}

fn asked(bench: &mut Bench) -> Option<TokenRequest> {
    bench.take().into_iter().find_map(|output| match output {
        Output::NeedToken { request } => Some(request),
        _ => None,
    })
}

/// Lets time pass until the provider is asked.
fn asked_soon(bench: &mut Bench) -> TokenRequest {
    for _ in 0..300 {
        if let Some(request) = asked(bench) {
            return request;
        }
        bench.run(100);
    }
    panic!("the provider was not asked in 30 s");
}

fn give(bench: &mut Bench, request: TokenRequest, life: u64) {
    let ends = Some(WallTime(bench.now.wall.0 + life));
    bench.act(|engine, now| engine.handle_token(request, TokenAnswer::Token { ends }, now));
}

/// Connected with a token of this life, in ms.
fn connected(life: u64) -> Bench {
    let mut bench = bench();
    bench.connect();
    let request = asked(&mut bench).expect("a token is needed");
    give(&mut bench, request, life);
    bench.open(FIRST);
    bench.welcome(FIRST, "demo ada", "store", Some(life));
    bench.take();
    bench
}

#[test]
fn no_link_is_dialled_without_a_token() {
    let mut bench = bench();
    bench.connect();
    assert!(!bench.outputs.iter().any(|output| matches!(output, Output::Open { .. })));
    let request = asked(&mut bench).expect("a token is needed");
    give(&mut bench, request, 3_600_000);
    assert_eq!(bench.opened(), FIRST);
}

#[test]
fn a_token_is_renewed_over_a_second_link() {
    let mut bench = connected(300_000);
    // The server speaks now and then, so that the link lives.
    for _ in 0..10 {
        bench.act(|engine, now| engine.handle_heard(FIRST, now));
        bench.run(24_000);
    }
    let request = asked(&mut bench).expect("renewed a minute before the end");
    give(&mut bench, request, 300_000);
    assert_eq!(bench.opened(), SECOND);
    bench.open(SECOND);
    bench.welcome(SECOND, "demo ada", "store", Some(300_000));
    assert!(bench.outputs.contains(&Output::Close { link: FIRST, in_order: true }));
    assert!(bench.states().is_empty(), "the application sees no outage");
}

#[test]
fn a_provider_that_fails_or_hangs_is_asked_again() {
    let mut bench = bench();
    bench.connect();
    for round in 0..20 {
        let request = asked_soon(&mut bench);
        if round % 2 == 0 {
            bench.act(|engine, now| engine.handle_token(request, TokenAnswer::Failed, now));
        } else {
            bench.run(10_000);
            assert!(bench.outputs.contains(&Output::DropToken { request }));
        }
        assert!(matches!(bench.engine.state(), State::Reconnecting { .. }));
    }
    let request = asked_soon(&mut bench);
    give(&mut bench, request, 60_000);
    bench.greet(bench.opened());
    assert_eq!(bench.engine.state(), State::Connected);
}

#[test]
fn a_failing_renewal_keeps_the_link() {
    let mut bench = connected(10_000);
    bench.run(8_000);
    let request = asked(&mut bench).expect("renewal");
    bench.act(|engine, now| engine.handle_token(request, TokenAnswer::Failed, now));
    assert_eq!(bench.engine.state(), State::Connected);
    bench.run(500);
    assert!(asked(&mut bench).is_some(), "tried again soon");
}

#[test]
fn a_refused_token_is_not_shown_again() {
    let mut bench = connected(3_600_000);
    bench.close(FIRST, FailureKind::Unauthorized);
    bench.run(500);
    assert!(bench.outputs.iter().any(|output| matches!(output, Output::NeedToken { .. })));
    assert!(!bench.outputs.iter().any(|output| matches!(output, Output::Open { .. })));
}

#[test]
fn a_fixed_token_that_is_refused_closes_the_client() {
    let mut bench = Bench::new(Config {
        protocol: ProtocolChoice::StaywireV1,
        credentials: CredentialsMode::Fixed,
        ..Config::default()
    });
    bench.connect();
    bench.close(FIRST, FailureKind::Unauthorized);
    assert_eq!(bench.engine.state(), State::Closed { reason: Cause::Unauthorized });
}

#[test]
fn another_identity_closes_the_client() {
    let mut bench = connected(3_600_000);
    bench.close(FIRST, FailureKind::Network);
    bench.run(500);
    bench.open(SECOND);
    bench.welcome(SECOND, "demo eve", "store", None);
    assert_eq!(bench.engine.state(), State::Closed { reason: Cause::IdentityChanged });
}

#[test]
fn a_token_that_ended_in_sleep_is_fetched_anew() {
    let mut bench = connected(600_000);
    bench.close(FIRST, FailureKind::Network);
    bench.take();
    bench.sleep(3_600_000);
    bench.act(|engine, now| engine.handle_timeout(now));
    assert!(asked(&mut bench).is_some());
}

#[test]
fn a_provider_that_repeats_one_token_is_not_asked_without_pause() {
    let mut bench = connected(10_000);
    let end = bench.now.wall.0 + 10_000;
    let mut asked_times = 0;
    for _ in 0..20 {
        bench.run(500);
        if let Some(request) = asked(&mut bench) {
            asked_times += 1;
            let ends = Some(WallTime(end));
            bench.act(|engine, now| engine.handle_token(request, TokenAnswer::Token { ends }, now));
            let link = bench.opened();
            bench.open(link);
            let left = end.saturating_sub(bench.now.wall.0);
            bench.welcome(link, "demo ada", "store", Some(left));
        }
    }
    assert!(asked_times <= 8, "{asked_times} times in ten seconds");
}
