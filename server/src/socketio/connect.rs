//! A CONNECT packet: who it is, and what is spoken in the namespace from now on.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts as Request;
use serde::Deserialize;
use socketioxide_core::Value;

use super::packets::CARRIED;
use crate::gateway::Refusal;
use crate::gateway::credentials::{Credential, bearer};
use crate::server::Parts;
use crate::services::{generation, random_id};
use crate::session::{Caller, Dialect};
use crate::time::unix_ms;

/// What of the payload is looked at. The rest is the application's own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    protocol: Option<String>,
    token: Option<String>,
    session_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Named {
    session_id: Option<String>,
}

/// Who connects, and in what language. `instance` is how a client that has no name of its own is told
/// from others.
pub(super) fn admit(
    parts: &Parts,
    request: &Request,
    auth: Option<&Value>,
    instance: &str,
) -> Result<(Caller, Dialect), Refusal> {
    parts.gate.check_open()?;
    let auth = read(auth)?;
    let credential = credential(&request.headers, auth.token)?;
    let mut identity = parts.gate.identify(&credential, unix_ms())?;
    if auth.protocol.as_deref() == Some(CARRIED) {
        // Our own clients name themselves in their hello.
        let caller = Caller { identity, instance: String::new(), session_id: None };
        return Ok((caller, Dialect::V1));
    }
    let session_id = session_id(request, auth.session_id)?;
    identity.recognise(&format!("session {session_id}"));
    let rooms = vec![format!("{}{session_id}", generation::ROOM_PREFIX)];
    let caller = Caller { identity, instance: instance.into(), session_id: Some(session_id) };
    Ok((caller, Dialect::Stock { rooms }))
}

/// The other end of the socket that the connection was asked for on.
pub(super) fn peer(request: &Request) -> Option<SocketAddr> {
    let info = request.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map(|ConnectInfo(address)| *address)
}

fn read(auth: Option<&Value>) -> Result<Auth, Refusal> {
    let Some(text) = auth.and_then(Value::as_str) else { return Ok(Auth::default()) };
    if !text.starts_with('{') {
        return Err(Refusal::BadRequest("the auth payload must be an object".into()));
    }
    // What is wrong is not repeated: it may be the token.
    serde_json::from_str(text).map_err(|_| {
        Refusal::BadRequest(
            "the auth payload is wrong: `token`, `session_id` and `protocol` must be texts".into(),
        )
    })
}

fn credential(headers: &HeaderMap, token: Option<String>) -> Result<Credential, Refusal> {
    match (bearer(headers)?, token) {
        (Some(header), Some(token)) if header != token => Err(Refusal::BadRequest(
            "two different tokens, in Authorization and in the auth payload; send one".into(),
        )),
        (Some(token), _) | (None, Some(token)) => Ok(Credential::Bearer(token)),
        (None, None) => Ok(Credential::None),
    }
}

/// The session that a client names, by header, query or auth payload; an unguessable one otherwise.
fn session_id(request: &Request, named: Option<String>) -> Result<String, Refusal> {
    let header = request.headers.get("x-session-id").map(|value| value.to_str().map(str::to_owned));
    let header = header.transpose().map_err(|_| {
        Refusal::BadRequest("the header `X-Session-ID` must be visible ASCII".into())
    })?;
    let query = Query::<Named>::try_from_uri(&request.uri).map_err(|_| {
        Refusal::BadRequest("the query must name `session_id` once, percent-encoded".into())
    })?;
    let mut given = [header, query.0.session_id, named].into_iter().flatten();
    let Some(session_id) = given.next() else { return random_id() };
    if given.any(|other| other != session_id) {
        return Err(Refusal::BadRequest(
            "two different session ids, by header, query or auth payload; send one".into(),
        ));
    }
    Ok(session_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, header: Option<&str>) -> Request {
        let mut request = axum::http::Request::get(uri);
        if let Some(header) = header {
            request = request.header("x-session-id", header);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn named(uri: &str, header: Option<&str>, auth: Option<&str>) -> Result<String, Refusal> {
        session_id(&request(uri, header), auth.map(str::to_owned))
    }

    #[test]
    fn a_session_is_named_in_any_of_three_places() {
        let with_query = "/ws/socket.io/?EIO=4&session_id=a%3Ab&transport=polling";
        assert_eq!(named(with_query, None, None).unwrap(), "a:b");
        assert_eq!(named("/socket.io/", Some("s1"), None).unwrap(), "s1");
        assert_eq!(named("/socket.io/", None, Some("s2")).unwrap(), "s2");
        assert_eq!(named(with_query, Some("a:b"), Some("a:b")).unwrap(), "a:b");
        assert_eq!(named(with_query, None, Some("s2")).unwrap_err().code(), "bad_request");
        assert_eq!(named("/socket.io/", None, None).unwrap().len(), 32);
        let twice = "/socket.io/?session_id=a&session_id=b";
        assert_eq!(named(twice, None, None).unwrap_err().code(), "bad_request");
    }

    #[test]
    fn an_auth_payload_may_hold_what_the_application_likes() {
        let read = |text: &'static str| read(Some(&Value::Str(text.into(), None)));
        let auth = read(r#"{"token":"t","colour":[1],"session_id":null}"#).unwrap();
        assert_eq!((auth.token.as_deref(), auth.session_id), (Some("t"), None));
        assert!(read("{}").is_ok());
        for wrong in [r#"{"token":1}"#, "[]", "7", r#"{"token""#] {
            let refusal = read(wrong).unwrap_err();
            assert_eq!(refusal.code(), "bad_request", "{wrong}");
        }
    }

    #[test]
    fn a_contradiction_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer a".parse().unwrap());
        assert!(credential(&headers, Some("a".into())).is_ok());
        assert_eq!(credential(&headers, Some("b".into())).unwrap_err().code(), "bad_request");
        assert!(credential(&HeaderMap::new(), None).unwrap() == Credential::None);
    }
}
