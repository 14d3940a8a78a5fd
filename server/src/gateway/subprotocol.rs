//! The subprotocols that a client offers at the upgrade: which one is spoken, and a ticket among them.
//!
//! A browser can set no header on a WebSocket but this one, so the ticket travels here, as an entry
//! `staywire.ticket.<ticket>` beside `staywire.v1`. Only `staywire.v1` is ever picked: an entry that
//! carries a ticket is never echoed.

use std::fmt;

use axum::http::{HeaderMap, header::SEC_WEBSOCKET_PROTOCOL};

use super::refusal::Refusal;

/// The one subprotocol that this server speaks.
pub const STAYWIRE_V1: &str = "staywire.v1";

/// What an entry begins with if the rest of it is a ticket.
pub const TICKET_PREFIX: &str = "staywire.ticket.";

/// More entries than any honest client offers.
const MAX_ENTRIES: usize = 16;

/// What a client offered.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Offered {
    staywire: bool,
    ticket: Option<String>,
}

impl Offered {
    /// Reads every `Sec-WebSocket-Protocol` header, each of which may hold a list.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut offered = Self::default();
        let mut entries = 0;
        for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            let list = value.to_str().map_err(|_| malformed())?;
            for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
                entries += 1;
                if entries > MAX_ENTRIES || !entry.bytes().all(is_token_byte) {
                    return Err(malformed());
                }
                offered.take(entry)?;
            }
        }
        Ok(offered)
    }

    /// The entry to echo in the response, or none.
    pub fn picked(&self) -> Option<&'static str> {
        self.staywire.then_some(STAYWIRE_V1)
    }

    /// The ticket, if one was offered.
    pub fn ticket(&self) -> Option<&str> {
        self.ticket.as_deref()
    }

    fn take(&mut self, entry: &str) -> Result<(), Refusal> {
        if entry == STAYWIRE_V1 {
            self.staywire = true;
        } else if let Some(ticket) = entry.strip_prefix(TICKET_PREFIX) {
            if self.ticket.as_deref().is_some_and(|first| first != ticket) {
                return Err(Refusal::BadRequest(
                    "two different tickets among the subprotocols; offer one".to_owned(),
                ));
            }
            self.ticket = Some(ticket.to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offered")
            .field("staywire", &self.staywire)
            .field("ticket", &self.ticket.as_ref().map(|_| "redacted"))
            .finish()
    }
}

fn malformed() -> Refusal {
    Refusal::BadRequest(
        "the header Sec-WebSocket-Protocol is not a short list of names; see RFC 6455, 11.3.4"
            .to_owned(),
    )
}

/// The `token` of RFC 9110, 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn offered(values: &[&str]) -> Result<Offered, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(value).unwrap());
        }
        Offered::from_headers(&headers)
    }

    #[test]
    fn lists_and_repeated_headers_are_one_offer() {
        let one = offered(&["chat, staywire.v1 ,staywire.ticket.abc-_1"]).unwrap();
        let two = offered(&["chat", "staywire.ticket.abc-_1", "staywire.v1"]).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.picked(), Some("staywire.v1"));
        assert_eq!(one.ticket(), Some("abc-_1"));
    }

    #[test]
    fn a_ticket_is_never_picked_nor_printed() {
        let offer = offered(&["staywire.ticket.abc"]).unwrap();
        assert_eq!(offer.picked(), None);
        assert!(!format!("{offer:?}").contains("abc"));
    }

    #[test]
    fn other_protocols_and_near_misses_are_not_ours() {
        for list in ["", "graphql-ws", "staywire.v2", "Staywire.v1", "staywire.v1x"] {
            assert_eq!(offered(&[list]).unwrap().picked(), None, "{list}");
        }
    }

    #[test]
    fn two_different_tickets_are_refused_and_twice_the_same_is_not() {
        let error = offered(&["staywire.ticket.a, staywire.ticket.b"]).unwrap_err();
        assert_eq!(error.code(), "bad_request");
        assert!(offered(&["staywire.ticket.a, staywire.ticket.a"]).is_ok());
    }

    #[test]
    fn what_is_no_list_of_names_is_refused() {
        assert!(offered(&["a b"]).is_err());
        assert!(offered(&[&["x"; 17].join(",")]).is_err());
    }
}
