//! How fast: attempts of one address and of one tenant, commands of one connection.
//!
//! Whoever goes too fast is told how long to wait. Nobody is queued, and nothing here sleeps.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::config::LimitsConfig;
use crate::gateway::refusal::Refusal;

/// Addresses or tenants that are told apart at a time.
const MAX_KEYS: usize = 65_536;

/// How often one address may try to connect or fetch a ticket.
///
/// An IPv6 caller is counted by its /64, which is what one subscriber gets.
#[derive(Debug)]
pub struct AttemptLimiter<C: Clock = DefaultClock>(Keyed<IpAddr, C>);

impl AttemptLimiter {
    /// With the pace of the configuration.
    pub fn new(config: &LimitsConfig) -> Self {
        Self::with_clock(config, DefaultClock::default(), MAX_KEYS)
    }
}

impl<C: Clock + Clone> AttemptLimiter<C> {
    fn with_clock(config: &LimitsConfig, clock: C, most: usize) -> Self {
        let (per_second, burst) = (config.attempts_per_second, config.attempts_burst);
        Self(Keyed::new(per_second, burst, clock, most))
    }

    /// Counts one attempt, or says when the next will pass.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        self.0.check(subscriber(address), "attempts from this address")
    }

    /// Forgets the addresses that have their whole allowance back. Call it about once a minute.
    pub fn clean(&self) {
        self.0.clean();
    }

    /// Addresses that are remembered.
    pub fn addresses(&self) -> usize {
        self.0.limiter.len()
    }
}

/// How often the users of one tenant may connect, all together.
#[derive(Debug)]
pub struct TenantLimiter<C: Clock = DefaultClock>(Keyed<String, C>);

impl TenantLimiter {
    /// With the pace of the configuration.
    pub fn new(config: &LimitsConfig) -> Self {
        Self::with_clock(config, DefaultClock::default())
    }
}

impl<C: Clock + Clone> TenantLimiter<C> {
    fn with_clock(config: &LimitsConfig, clock: C) -> Self {
        let (per_second, burst) = (config.tenant_attempts_per_second, config.tenant_attempts_burst);
        Self(Keyed::new(per_second, burst, clock, MAX_KEYS))
    }

    /// Counts one connection, or says when the next will pass.
    pub fn check(&self, tenant: &str) -> Result<(), Refusal> {
        self.0.check(tenant.to_owned(), "connections of this tenant")
    }

    /// Forgets the tenants that have their whole allowance back. Call it about once a minute.
    pub fn clean(&self) {
        self.0.clean();
    }
}

/// Has an allowance for each key, and one for all that have none.
type Allowances<K, C> =
    RateLimiter<Option<K>, HashMapStateStore<Option<K>>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// An allowance for each key. If more keys are active than can be told apart, the rest share one.
#[derive(Debug)]
struct Keyed<K: Hash + Eq + Clone, C: Clock> {
    limiter: Allowances<K, C>,
    clock: C,
    most: usize,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Keyed<K, C> {
    fn new(per_second: NonZeroU32, burst: NonZeroU32, clock: C, most: usize) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let limiter = RateLimiter::new(quota, HashMapStateStore::default(), clock.clone());
        Self { limiter, clock, most }
    }

    fn check(&self, key: K, what: &'static str) -> Result<(), Refusal> {
        if self.limiter.len() >= self.most {
            self.clean();
        }
        let room = self.limiter.len() < self.most;
        self.limiter.check_key(&room.then_some(key)).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now()).as_micros().div_ceil(1000);
            let retry_after_ms = u64::try_from(wait).unwrap_or(u64::MAX).max(1);
            Refusal::RateLimited { what, retry_after_ms }
        })
    }

    fn clean(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

/// The pace of one connection's commands: a bucket that fills at an even rate.
///
/// Plain arithmetic on a time that is passed in, so that a session runs the same in virtual time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLimiter {
    /// A thousandth of a command each, so that a rate per second is a whole number per ms.
    millis: u64,
    capacity: u64,
    per_ms: u64,
    filled_at_ms: u64,
}

impl CommandLimiter {
    /// A full bucket. `now_ms` is in ms of any clock that does not go back, here and below.
    pub fn new(config: &LimitsConfig, now_ms: u64) -> Self {
        let capacity = u64::from(config.commands_burst.get()) * 1000;
        let per_ms = u64::from(config.commands_per_second.get());
        Self { millis: capacity, capacity, per_ms, filled_at_ms: now_ms }
    }

    /// The same for signs of life, which are cheap: ten for each command.
    pub fn for_signs(config: &LimitsConfig, now_ms: u64) -> Self {
        let commands = Self::new(config, now_ms);
        let capacity = commands.capacity.saturating_mul(10);
        let per_ms = commands.per_ms.saturating_mul(10);
        Self { millis: capacity, capacity, per_ms, ..commands }
    }

    /// Counts one command, or says when the next will pass.
    pub fn check(&mut self, now_ms: u64) -> Result<(), Refusal> {
        let elapsed = now_ms.saturating_sub(self.filled_at_ms);
        self.filled_at_ms = self.filled_at_ms.max(now_ms);
        self.millis =
            elapsed.saturating_mul(self.per_ms).saturating_add(self.millis).min(self.capacity);
        match self.millis.checked_sub(1000) {
            Some(rest) => {
                self.millis = rest;
                Ok(())
            }
            None => Err(Refusal::RateLimited {
                what: "commands",
                retry_after_ms: (1000 - self.millis).div_ceil(self.per_ms),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn config() -> LimitsConfig {
        LimitsConfig {
            attempts_per_second: NonZeroU32::new(10).unwrap(),
            attempts_burst: NonZeroU32::new(3).unwrap(),
            commands_per_second: NonZeroU32::new(200).unwrap(),
            commands_burst: NonZeroU32::new(4).unwrap(),
            ..LimitsConfig::default()
        }
    }

    #[test]
    fn attempts_are_paced_per_address() {
        let clock = FakeRelativeClock::default();
        let attempts = AttemptLimiter::with_clock(&config(), clock.clone(), 100);
        let (one, two) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            attempts.check(one).unwrap();
        }
        let refusal = attempts.check(one).unwrap_err();
        assert_eq!((refusal.code(), refusal.retry_after_ms()), ("rate_limited", Some(100)));
        attempts.check(two).unwrap();
        clock.advance(Duration::from_millis(99));
        assert!(attempts.check(one).is_err());
        clock.advance(Duration::from_millis(1));
        assert!(attempts.check(one).is_ok());
    }

    #[test]
    fn signs_of_life_are_ten_for_a_command() {
        let mut signs = CommandLimiter::for_signs(&config(), 0);
        assert_eq!((0..100).filter(|_| signs.check(0).is_ok()).count(), 40);
        assert_eq!((0..100).filter(|_| signs.check(5).is_ok()).count(), 10);
    }

    #[test]
    fn a_subscriber_cannot_hide_behind_its_many_addresses() {
        let attempts = AttemptLimiter::with_clock(&config(), FakeRelativeClock::default(), 100);
        for end in 1..=3 {
            attempts.check(format!("2001:db8::{end}").parse().unwrap()).unwrap();
        }
        assert!(attempts.check("2001:db8::9".parse().unwrap()).is_err());
        assert!(attempts.check("2001:db8:0:1::9".parse().unwrap()).is_ok());
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(subscriber(mapped), "192.0.2.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn addresses_are_forgotten_and_never_more_than_the_bound() {
        let clock = FakeRelativeClock::default();
        let attempts = AttemptLimiter::with_clock(&config(), clock.clone(), 4);
        let from = |end: u8| attempts.check(IpAddr::from([192, 0, 2, end]));
        for end in 1..=4 {
            from(end).unwrap();
        }
        for end in 5..=7 {
            from(end).unwrap();
        }
        assert!(from(8).is_err(), "the strangers' shared allowance is used up");
        assert_eq!(attempts.addresses(), 5);
        clock.advance(Duration::from_secs(10));
        assert!(from(9).is_ok());
        assert_eq!(attempts.addresses(), 1);
    }

    #[test]
    fn a_tenant_has_one_allowance_for_all_its_users() {
        let clock = FakeRelativeClock::default();
        let (per_second, burst) = (NonZeroU32::new(10).unwrap(), NonZeroU32::new(2).unwrap());
        let config = LimitsConfig {
            tenant_attempts_per_second: per_second,
            tenant_attempts_burst: burst,
            ..LimitsConfig::default()
        };
        let tenants = TenantLimiter::with_clock(&config, clock.clone());
        tenants.check("acme").unwrap();
        tenants.check("acme").unwrap();
        let refusal = tenants.check("acme").unwrap_err();
        assert_eq!((refusal.code(), refusal.retry_after_ms()), ("rate_limited", Some(100)));
        tenants.check("other").unwrap();
        clock.advance(Duration::from_millis(100));
        tenants.check("acme").unwrap();
    }

    #[test]
    fn commands_are_paced_and_the_wait_is_exact() {
        let mut commands = CommandLimiter::new(&config(), 1_000);
        for _ in 0..4 {
            commands.check(1_000).unwrap();
        }
        let refusal = commands.check(1_000).unwrap_err();
        assert_eq!(refusal.retry_after_ms(), Some(5));
        assert_eq!(commands.check(1_004).unwrap_err().retry_after_ms(), Some(1));
        assert!(commands.check(1_005).is_ok());
        assert!(commands.check(1_005).is_err());
    }

    #[test]
    fn a_rest_earns_the_burst_and_no_more() {
        let mut commands = CommandLimiter::new(&config(), 0);
        assert!(commands.check(u64::MAX).is_ok());
        let passed = (0..10).filter(|_| commands.check(u64::MAX).is_ok()).count();
        assert_eq!(passed, 3);
        assert!(commands.check(0).is_err());
        assert!(commands.check(u64::MAX).is_err(), "going back and forth earns nothing");
    }

    #[test]
    fn whoever_waits_as_long_as_told_passes() {
        let thirds = NonZeroU32::new(3).unwrap();
        let config = LimitsConfig { commands_per_second: thirds, ..config() };
        let mut commands = CommandLimiter::new(&config, 0);
        let mut now_ms = 0;
        for _ in 0..20 {
            if let Err(refusal) = commands.check(now_ms) {
                now_ms += refusal.retry_after_ms().unwrap();
                commands.check(now_ms).unwrap();
            }
        }
        assert!((5_300..5_400).contains(&now_ms), "{now_ms}");
    }
}
