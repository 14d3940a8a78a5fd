//! Finds the one credential that an upgrade request carries, wherever it may be.
//!
//! Programs send `Authorization: Bearer`. Browsers cannot, and offer a ticket as a subprotocol. Whoever
//! sends neither is a guest, if guests are let in. A credential in the URL is refused even if it is good:
//! by then it is in somebody's log.

use std::fmt;

use axum::http::{HeaderMap, header};

use super::refusal::Refusal;
use super::subprotocol::Offered;

/// Parameters of a query that can only mean that a credential is in the URL.
const FORBIDDEN_PARAMETERS: [&str; 6] =
    ["token", "access_token", "id_token", "jwt", "authorization", "ticket"];

/// The one credential of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token, to be verified.
    Bearer(String),
    /// A ticket, to be redeemed.
    Ticket(String),
    /// None at all.
    None,
}

/// How a refusal reaches the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefuseBy {
    /// An HTTP status and body in place of the upgrade: the caller is a program, and can read them.
    Http,
    /// Accept the upgrade, send one `error` frame, close with the refusal's code: the caller is a
    /// browser, which shows its page nothing of a failed upgrade.
    Close,
}

impl Credential {
    /// The credential of an upgrade. Two different ones contradict each other and are refused.
    pub fn find(
        headers: &HeaderMap,
        query: Option<&str>,
        offered: &Offered,
    ) -> Result<Self, Refusal> {
        refuse_in_url(query)?;
        match (bearer(headers)?, offered.ticket()) {
            (Some(_), Some(_)) => Err(Refusal::BadRequest(
                "both a token (Authorization) and a ticket (subprotocol); send one of them"
                    .to_owned(),
            )),
            (Some(token), None) => Ok(Self::Bearer(token)),
            (None, Some(ticket)) => Ok(Self::Ticket(ticket.to_owned())),
            (None, None) => Ok(Self::None),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(redacted)",
            Self::Ticket(_) => "Ticket(redacted)",
            Self::None => "None",
        })
    }
}

impl RefuseBy {
    /// What the caller of this upgrade can read. Only browsers send `Origin`, and they never send
    /// `Authorization` with an upgrade.
    pub fn of(headers: &HeaderMap, offered: &Offered) -> Self {
        let browser = headers.contains_key(header::ORIGIN) || offered.ticket().is_some();
        match browser && !headers.contains_key(header::AUTHORIZATION) {
            true => Self::Close,
            false => Self::Http,
        }
    }
}

/// Refuses a query that holds a credential. The value is not looked at.
pub fn refuse_in_url(query: Option<&str>) -> Result<(), Refusal> {
    let names =
        query.unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
    for name in names {
        let known = |forbidden: &&&str| forbidden.eq_ignore_ascii_case(name);
        if let Some(parameter) = FORBIDDEN_PARAMETERS.iter().find(known) {
            return Err(Refusal::TokenInUrl { parameter });
        }
    }
    Ok(())
}

/// The token of `Authorization: Bearer`, if there is one. Any other scheme is refused.
pub fn bearer(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != value) {
        return Err(Refusal::BadRequest(
            "two different Authorization headers; send one".to_owned(),
        ));
    }
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or(Refusal::Unauthorized)?;
    Ok(Some(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(
        request: &[(&str, &str)],
        query: Option<&str>,
    ) -> Result<(Credential, RefuseBy), Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in request {
            headers.append(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let offered = Offered::from_headers(&headers)?;
        Ok((Credential::find(&headers, query, &offered)?, RefuseBy::of(&headers, &offered)))
    }

    const TICKET: (&str, &str) = ("sec-websocket-protocol", "staywire.v1, staywire.ticket.abc");
    const BEARER: (&str, &str) = ("authorization", "Bearer x.y.z");
    const ORIGIN: (&str, &str) = ("origin", "https://app.example");

    #[test]
    fn a_program_sends_a_header_and_reads_http() {
        let bearer = Credential::Bearer("x.y.z".into());
        assert_eq!(find(&[BEARER], None).unwrap(), (bearer.clone(), RefuseBy::Http));
        assert_eq!(find(&[BEARER, ORIGIN], None).unwrap(), (bearer.clone(), RefuseBy::Http));
        assert_eq!(find(&[("authorization", "bEARER  x.y.z ")], None).unwrap().0, bearer);
    }

    #[test]
    fn a_browser_offers_a_ticket_and_reads_a_close() {
        let ticket = Credential::Ticket("abc".into());
        assert_eq!(find(&[TICKET], None).unwrap(), (ticket.clone(), RefuseBy::Close));
        assert_eq!(find(&[TICKET, ORIGIN], None).unwrap(), (ticket, RefuseBy::Close));
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(find(&[], None).unwrap(), (Credential::None, RefuseBy::Http));
        assert_eq!(
            find(&[ORIGIN], Some("session_id=5")).unwrap(),
            (Credential::None, RefuseBy::Close)
        );
    }

    #[test]
    fn two_credentials_contradict_each_other() {
        assert_eq!(find(&[BEARER, TICKET], None).unwrap_err().code(), "bad_request");
        let other = ("authorization", "Bearer other");
        assert_eq!(find(&[BEARER, other], None).unwrap_err().code(), "bad_request");
        assert!(find(&[BEARER, BEARER], None).is_ok());
    }

    #[test]
    fn a_header_of_another_kind_is_not_ignored() {
        for value in ["Basic dTpw", "Bearer", "Bearer ", "x.y.z"] {
            assert_eq!(
                find(&[("authorization", value)], None),
                Err(Refusal::Unauthorized),
                "{value}"
            );
        }
    }

    #[test]
    fn a_token_in_the_url_is_refused_and_not_repeated() {
        for query in ["token=hush", "a=1&access_token=hush", "Token=hush", "jwt", "ticket=hush&b"] {
            let refusal = find(&[BEARER], Some(query)).unwrap_err();
            assert_eq!(refusal.code(), "token_in_url", "{query}");
            assert!(!refusal.to_string().contains("hush"));
        }
        for query in ["", "session_id=token", "tokens=3", "EIO=4&transport=websocket"] {
            assert!(find(&[BEARER], Some(query)).is_ok(), "{query}");
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let shown = format!("{:?}{:?}", find(&[BEARER], None), find(&[TICKET], None));
        assert!(!shown.contains("x.y.z") && !shown.contains("abc"), "{shown}");
    }
}
