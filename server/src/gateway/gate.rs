//! The gate: everything a request must pass before its session begins, in order.
//!
//! Attempts of the address, then the origin of the page, then the credential, then whether there is
//! room. The first refusal stands. The gate keeps no sessions; what it admits is the caller's to run.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, Uri};
use thiserror::Error;

use super::client_ip::TrustedProxies;
use super::credentials::{Credential, RefuseBy};
use super::identity::Identity;
use super::jwt::{Verifier, VerifierError};
use super::limits::{AttemptLimiter, ConnectionPermit, Places, TenantLimiter};
use super::origin::OriginPolicy;
use super::refusal::Refusal;
use super::service_token::ServiceToken;
use super::subprotocol::Offered;
use super::ticket::Tickets;
use crate::config::{Config, ConfigError};

/// Not draining.
const OPEN: u64 = u64::MAX;

/// What stands between the network and the sessions. One per process, shared.
#[derive(Debug)]
pub struct Gate {
    verifier: Verifier,
    tickets: Tickets,
    origins: OriginPolicy,
    proxies: TrustedProxies,
    attempts: AttemptLimiter,
    tenants: TenantLimiter,
    places: Places,
    service_token: Option<ServiceToken>,
    anonymous: bool,
    drain_retry_ms: AtomicU64,
}

/// Why there is no gate.
#[derive(Debug, Error)]
pub enum GateError {
    /// A key of the configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are no keys to verify tokens with.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}

/// The parts of an upgrade request that decide.
#[derive(Clone, Copy)]
pub struct Upgrade<'a> {
    /// The other end of the socket.
    pub peer: IpAddr,
    /// The request's target.
    pub uri: &'a Uri,
    /// The request's headers.
    pub headers: &'a HeaderMap,
}

/// A caller who may come in.
#[derive(Debug)]
pub struct Admission {
    /// Who it is.
    pub identity: Identity,
    /// The subprotocol to echo, or none: then the plain frames of the documents are spoken.
    pub subprotocol: Option<&'static str>,
    /// The connection's place; to be kept for as long as the connection.
    pub permit: ConnectionPermit,
    /// How to turn it away after all.
    pub by: RefuseBy,
}

/// A caller who may not, and how to say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub refusal: Refusal,
    /// Whether to answer in HTTP, or to accept and close.
    pub by: RefuseBy,
    /// The subprotocol to echo if the upgrade is accepted to be closed: a browser reads nothing from a
    /// connection whose offer was not met.
    pub subprotocol: Option<&'static str>,
}

impl Gate {
    /// From a configuration that was validated.
    pub fn new(config: &Config) -> Result<Self, GateError> {
        Ok(Self {
            verifier: Verifier::new(&config.auth, config.demo)?,
            tickets: Tickets::new(config.tickets.clone()),
            origins: OriginPolicy::new(&config.allowed_origins)?,
            proxies: TrustedProxies::new(&config.trusted_proxies)?,
            attempts: AttemptLimiter::new(&config.limits),
            tenants: TenantLimiter::new(&config.limits),
            places: Places::new(&config.limits),
            service_token: ServiceToken::new(&config.emit)?,
            anonymous: config.anonymous_allowed(),
            drain_retry_ms: AtomicU64::new(OPEN),
        })
    }

    /// Decides on an upgrade. `now_ms` is in ms since the Unix epoch.
    pub fn admit(&self, upgrade: Upgrade<'_>, now_ms: u64) -> Result<Admission, Denial> {
        let Upgrade { peer, uri, headers } = upgrade;
        let http = |refusal| Denial { refusal, by: RefuseBy::Http, subprotocol: None };
        // A flood and a foreign page get no more than a status: an upgrade costs more than they are worth.
        self.attempt(peer, headers).map_err(http)?;
        self.origins.check(headers).map_err(http)?;
        let offered = Offered::from_headers(headers).map_err(http)?;
        let by = RefuseBy::of(headers, &offered);
        let subprotocol = offered.picked();
        self.admit_offer(uri, headers, &offered, now_ms)
            .map(|(identity, permit)| Admission { identity, subprotocol, permit, by })
            .map_err(|refusal| Denial { refusal, by, subprotocol })
    }

    /// Whom a credential stands for, if their tenant is not in too great a hurry; for transports that
    /// carry it in a message of their own. A ticket is used up by it. `now_ms` is in ms since the Unix
    /// epoch.
    pub fn identify(&self, credential: &Credential, now_ms: u64) -> Result<Identity, Refusal> {
        let identity = match credential {
            Credential::Bearer(token) => self.verifier.verify(token, now_ms)?,
            Credential::Ticket(ticket) => self.tickets.redeem(ticket, now_ms)?,
            Credential::None if self.anonymous => Identity::anonymous()?,
            Credential::None => return Err(Refusal::Unauthorized),
        };
        self.tenants.check(&identity.tenant)?;
        Ok(identity)
    }

    /// Counts an attempt of whoever is behind `peer`.
    pub fn attempt(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
        self.attempts.check(self.proxies.client_ip(peer, headers))
    }

    /// Lets nobody in from now on, and sends everyone away for `retry_after_ms`.
    pub fn drain(&self, retry_after_ms: u64) {
        self.drain_retry_ms.store(retry_after_ms.min(OPEN - 1), Ordering::Relaxed);
    }

    /// Refuses if the server is going away.
    pub fn check_open(&self) -> Result<(), Refusal> {
        match self.drain_retry_ms.load(Ordering::Relaxed) {
            OPEN => Ok(()),
            retry_after_ms => Err(Refusal::Draining { retry_after_ms }),
        }
    }

    /// Forgets what nobody needs any more. Call it about once a minute.
    pub fn clean(&self) {
        self.attempts.clean();
        self.tenants.clean();
    }

    /// The tokens' verifier.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The tickets that are out.
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// The rule for origins.
    pub fn origins(&self) -> &OriginPolicy {
        &self.origins
    }

    /// The places that are taken and free.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// What another service proves itself with; `None` if there is none.
    pub fn service_token(&self) -> Option<&ServiceToken> {
        self.service_token.as_ref()
    }

    fn admit_offer(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        offered: &Offered,
        now_ms: u64,
    ) -> Result<(Identity, ConnectionPermit), Refusal> {
        self.check_open()?;
        let credential = Credential::find(headers, uri.query(), offered)?;
        // The place is taken first, so that a full server does not use up a ticket.
        let permit = self.places.connect()?;
        let identity = self.identify(&credential, now_ms)?;
        Ok((identity, permit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn gate(demo: bool, change: impl FnOnce(&mut Config)) -> Gate {
        let mut config = Config { demo, ..Config::default() };
        config.auth.hs256_secret =
            Some(crate::config::Secret::new("a shared secret of no less than 32 bytes"));
        change(&mut config);
        config.validate().unwrap();
        Gate::new(&config).unwrap()
    }

    fn token(gate: &Gate) -> String {
        gate.verifier().issue("ada", "acme", &[], 60_000, NOW_MS).unwrap().token
    }

    fn ticket(gate: &Gate) -> String {
        let identity = gate.verifier().verify(&token(gate), NOW_MS).unwrap();
        gate.tickets().issue(identity, NOW_MS).unwrap().ticket
    }

    fn admit(
        gate: &Gate,
        path: &str,
        request: &[(&'static str, String)],
    ) -> Result<Admission, Denial> {
        let mut headers = HeaderMap::new();
        headers.insert("host", "localhost:8000".parse().unwrap());
        for (name, value) in request {
            headers.append(*name, value.parse().unwrap());
        }
        let uri = path.parse().unwrap();
        let peer = IpAddr::from([127, 0, 0, 1]);
        gate.admit(Upgrade { peer, uri: &uri, headers: &headers }, NOW_MS)
    }

    fn bearer(token: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {token}"))
    }

    fn offer(ticket: &str) -> (&'static str, String) {
        ("sec-websocket-protocol", format!("staywire.v1, staywire.ticket.{ticket}"))
    }

    #[test]
    fn a_program_comes_in_by_its_token() {
        let gate = gate(false, |_| ());
        let admission = admit(&gate, "/ws/ai/chat", &[bearer(&token(&gate))]).unwrap();
        assert_eq!((admission.identity.tenant.as_str(), admission.subprotocol), ("acme", None));
        assert_eq!(gate.places().connections(), 1);
        drop(admission);
        assert_eq!(gate.places().connections(), 0);
    }

    #[test]
    fn a_tenant_in_a_hurry_waits_and_others_do_not() {
        let one = std::num::NonZeroU32::MIN;
        let gate = gate(false, |config| {
            (config.limits.tenant_attempts_per_second, config.limits.tenant_attempts_burst) =
                (one, one);
        });
        let of = |tenant: &str| {
            let token = gate.verifier().issue("ada", tenant, &[], 60_000, NOW_MS).unwrap().token;
            admit(&gate, "/ws", &[bearer(&token)]).map_err(|denial| denial.refusal.code())
        };
        let first = of("acme").unwrap();
        assert_eq!(of("acme").unwrap_err(), "rate_limited");
        assert!(of("other").is_ok());
        drop(first);
        assert_eq!(gate.places().connections(), 0);
    }

    #[test]
    fn a_browser_comes_in_by_its_ticket_once() {
        let gate = gate(false, |_| ());
        let origin = ("origin", "http://localhost:8000".to_owned());
        let request = [offer(&ticket(&gate)), origin];
        let admission = admit(&gate, "/ws", &request).unwrap();
        assert_eq!(admission.subprotocol, Some("staywire.v1"));
        let denial = admit(&gate, "/ws", &request).unwrap_err();
        assert_eq!((denial.refusal, denial.by), (Refusal::TicketInvalid, RefuseBy::Close));
        assert_eq!(denial.subprotocol, Some("staywire.v1"), "else the browser hides the close");
    }

    #[test]
    fn guests_need_the_demo() {
        let denial = admit(&gate(false, |_| ()), "/ws", &[]).unwrap_err();
        assert_eq!((denial.refusal, denial.by), (Refusal::Unauthorized, RefuseBy::Http));
        let guest = admit(&gate(true, |_| ()), "/ws", &[]).unwrap().identity;
        assert!(guest.anonymous && guest.tenant == "demo");
        let closed = gate(true, |config| config.anonymous = Some(false));
        assert!(admit(&closed, "/ws", &[]).is_err());
    }

    #[test]
    fn a_bad_credential_never_falls_back_to_a_guest() {
        let gate = gate(true, |_| ());
        let code = |request: &[(&'static str, String)]| {
            admit(&gate, "/ws", request).unwrap_err().refusal.code()
        };
        assert_eq!(code(&[bearer("x.y.z")]), "token_invalid");
        assert_eq!(code(&[offer("guess")]), "ticket_invalid");
        assert_eq!(code(&[("authorization", "Basic dTpw".to_owned())]), "unauthorized");
        assert_eq!(gate.places().connections(), 0, "a refused caller holds no place");
    }

    #[test]
    fn a_foreign_page_is_refused_in_http_before_its_ticket_is_looked_at() {
        let gate = gate(false, |_| ());
        let ticket = ticket(&gate);
        let foreign = [offer(&ticket), ("origin", "http://localhost:3000".to_owned())];
        let denial = admit(&gate, "/ws", &foreign).unwrap_err();
        assert_eq!((denial.refusal.code(), denial.by), ("origin_forbidden", RefuseBy::Http));
        assert!(admit(&gate, "/ws", &[offer(&ticket)]).is_ok());
    }

    #[test]
    fn a_token_in_the_url_is_refused() {
        let gate = gate(true, |_| ());
        let denial = admit(&gate, "/ws?token=abc", &[]).unwrap_err();
        assert_eq!(denial.refusal.code(), "token_in_url");
    }

    #[test]
    fn a_flood_is_refused_with_the_time_to_wait() {
        let one = std::num::NonZeroU32::MIN;
        let gate = gate(true, |config| {
            config.limits.attempts_per_second = one;
            config.limits.attempts_burst = one;
        });
        let _first = admit(&gate, "/ws", &[]).unwrap();
        let denial = admit(&gate, "/ws", &[]).unwrap_err();
        assert_eq!(denial.refusal.code(), "rate_limited");
        assert!((1..=1_000).contains(&denial.refusal.retry_after_ms().unwrap()));
    }

    #[test]
    fn a_full_server_does_not_use_up_the_ticket() {
        let gate = gate(true, |config| config.limits.max_connections = 1);
        let first = admit(&gate, "/ws", &[]).unwrap();
        let ticket = ticket(&gate);
        let denial = admit(&gate, "/ws", &[offer(&ticket)]).unwrap_err();
        assert_eq!((denial.refusal.code(), denial.by), ("server_full", RefuseBy::Close));
        drop(first);
        assert!(admit(&gate, "/ws", &[offer(&ticket)]).is_ok());
    }

    #[test]
    fn a_draining_server_sends_everyone_away() {
        let gate = gate(true, |_| ());
        gate.drain(7_000);
        let denial = admit(&gate, "/ws", &[]).unwrap_err();
        assert_eq!(denial.refusal, Refusal::Draining { retry_after_ms: 7_000 });
    }
}
