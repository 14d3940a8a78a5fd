//! The life of a token: asked for once at a time, renewed before it ends, never sent again after
//! it ended or was refused.
//!
//! The token's text never comes here; the driver holds it.

use super::config::CredentialsMode;
use super::time::{Millis, Now, Time, WallTime};

/// Names one question to the token provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRequest(pub u32);

/// Whether a link may be dialled with what is held.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// The provider has been asked already.
    Pending,
    /// Ask the provider this.
    Ask(TokenRequest),
}

/// When a token ends, by both clocks: one of them may stop in sleep, the other may jump. One that
/// doesn't end, as far as it says, ends [`Time::NEVER`].
#[derive(Debug, Clone, Copy)]
struct Held {
    wall: WallTime,
    time: Time,
}

impl Held {
    fn left(self, now: Now) -> Millis {
        self.time.since(now.time).min(self.wall.since(now.wall))
    }
}

#[derive(Debug)]
pub(crate) struct Credentials {
    mode: CredentialsMode,
    held: Option<Held>,
    renew: bool,
    request: Option<TokenRequest>,
    requests: u32,
}

impl Credentials {
    pub(crate) fn new(mode: CredentialsMode) -> Self {
        Self { mode, held: None, renew: false, request: None, requests: 0 }
    }

    pub(crate) fn readiness(&mut self, now: Now) -> Readiness {
        if self.mode != CredentialsMode::Provider {
            return Readiness::Ready;
        }
        if self.request.is_some() {
            return Readiness::Pending;
        }
        if !self.renew && self.usable(now) {
            return Readiness::Ready;
        }
        self.requests = self.requests.wrapping_add(1);
        let request = TokenRequest(self.requests);
        self.request = Some(request);
        Readiness::Ask(request)
    }

    /// The provider answered. False if that question is no longer open.
    pub(crate) fn answered(
        &mut self,
        request: TokenRequest,
        ends_wall: Option<WallTime>,
        now: Now,
    ) -> bool {
        if self.request != Some(request) {
            return false;
        }
        self.request = None;
        self.renew = false;
        // A token that seems to have ended as it arrives may only mean that this machine's clock
        // is wrong: the server is the judge, and says in its greeting how long the token lives.
        let believable = ends_wall.filter(|ends| *ends > now.wall);
        self.held = Some(match believable {
            Some(wall) => Held { wall, time: now.time + Millis(wall.0 - now.wall.0) },
            None => Held { wall: WallTime::NEVER, time: Time::NEVER },
        });
        true
    }

    /// The provider failed or ran out of time. False if that question is no longer open.
    pub(crate) fn failed(&mut self, request: TokenRequest) -> bool {
        if self.request != Some(request) {
            return false;
        }
        self.request = None;
        true
    }

    /// The question that is open, if any.
    pub(crate) fn open_request(&self) -> Option<TokenRequest> {
        self.request
    }

    /// The server refused the token.
    pub(crate) fn reject(&mut self) {
        self.held = None;
    }

    /// A newer token is wanted while the held one may still do.
    pub(crate) fn want_newer(&mut self) {
        self.renew = self.mode == CredentialsMode::Provider;
    }

    /// Gives up on a newer token if the held one still does; true if it does.
    pub(crate) fn settle_for_held(&mut self, now: Now) -> bool {
        let usable = self.usable(now);
        if usable {
            self.renew = false;
        }
        usable
    }

    /// The server said how long the token lives: its clock counts, not ours.
    pub(crate) fn ends_in(&mut self, left: Millis, now: Now) {
        if self.mode == CredentialsMode::Provider {
            let wall = WallTime(now.wall.0.saturating_add(left.0));
            self.held = Some(Held { wall, time: now.time + left });
        }
    }

    /// When to renew: `margin` before the end, or at 80 % of what is left where that is later.
    ///
    /// Never where nothing ends, or it has ended already: the server will say so.
    pub(crate) fn refresh_at(&self, margin: Millis, now: Now) -> Time {
        // A provider that keeps answering with the same token must not be asked without pause.
        const LEAST: u64 = 500;
        let ends = self.held.filter(|held| held.time != Time::NEVER);
        let left = ends.map_or(0, |held| held.left(now).0);
        if left == 0 {
            return Time::NEVER;
        }
        let wait = left - margin.0.min(left / 5);
        now.time + Millis(wait.max(LEAST))
    }

    fn usable(&self, now: Now) -> bool {
        self.held.is_some_and(|held| held.left(now) > Millis(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: u64, wall: u64) -> Now {
        Now { time: Time(time), wall: WallTime(wall) }
    }

    fn with_token(life: u64) -> Credentials {
        let mut credentials = Credentials::new(CredentialsMode::Provider);
        let Readiness::Ask(request) = credentials.readiness(at(0, 1_000)) else {
            panic!("it must ask");
        };
        assert!(credentials.answered(request, Some(WallTime(1_000 + life)), at(0, 1_000)));
        credentials
    }

    #[test]
    fn a_provider_is_asked_once_at_a_time() {
        let mut credentials = Credentials::new(CredentialsMode::Provider);
        let Readiness::Ask(first) = credentials.readiness(at(0, 0)) else { panic!() };
        assert_eq!(credentials.readiness(at(0, 0)), Readiness::Pending);
        assert!(credentials.failed(first));
        let Readiness::Ask(second) = credentials.readiness(at(0, 0)) else { panic!() };
        assert!(!credentials.answered(first, None, at(0, 0)), "a late answer changes nothing");
        assert!(credentials.answered(second, None, at(0, 0)));
        assert_eq!(credentials.readiness(at(0, 0)), Readiness::Ready);
    }

    #[test]
    fn a_token_that_ended_in_sleep_is_not_sent_again() {
        let mut credentials = with_token(60_000);
        assert_eq!(credentials.readiness(at(1, 2_000)), Readiness::Ready);
        // The monotonic clock stood still for an hour.
        assert!(matches!(credentials.readiness(at(2, 3_600_000)), Readiness::Ask(_)));
    }

    #[test]
    fn a_wall_clock_set_back_does_not_prolong_a_token() {
        let mut credentials = with_token(60_000);
        assert!(matches!(credentials.readiness(at(60_001, 1_000)), Readiness::Ask(_)));
    }

    #[test]
    fn renewal_comes_a_minute_before_the_end_or_at_four_fifths() {
        let margin = Millis::from_secs(60);
        let hour = with_token(3_600_000);
        assert_eq!(hour.refresh_at(margin, at(0, 1_000)), Time(3_540_000));
        let short = with_token(10_000);
        assert_eq!(short.refresh_at(margin, at(0, 1_000)), Time(8_000));
    }

    #[test]
    fn a_token_that_arrives_ended_is_left_to_the_server_to_judge() {
        let mut credentials = Credentials::new(CredentialsMode::Provider);
        let Readiness::Ask(request) = credentials.readiness(at(0, 9_000)) else { panic!() };
        assert!(credentials.answered(request, Some(WallTime(8_000)), at(0, 9_000)));
        assert_eq!(credentials.readiness(at(0, 9_000)), Readiness::Ready);
        assert_eq!(credentials.refresh_at(Millis(60_000), at(0, 9_000)), Time::NEVER);
        credentials.ends_in(Millis(1_000), at(0, 9_000));
        assert_eq!(credentials.refresh_at(Millis(60_000), at(0, 9_000)), Time(800));
    }
}
