//! Makes the client that the command line describes, and connects it.

use std::path::Path;
use std::time::Duration;

use staywire::{
    Cause, Client, ClientBuilder, ConnectError, ProtocolChoice, State, StateWatch, Token,
};

use crate::args::{ConnectionArgs, Protocol};
use crate::failure::Failure;

const TOKEN_VARIABLE: &str = "STAYWIRE_TOKEN";

/// A client as described, not connected yet.
pub(crate) fn builder(args: &ConnectionArgs) -> Result<ClientBuilder, Failure> {
    let mut builder = Client::builder(&args.url).protocol(match args.protocol {
        Protocol::Auto => ProtocolChoice::Auto,
        Protocol::StaywireV1 => ProtocolChoice::StaywireV1,
        Protocol::Plain => ProtocolChoice::Plain,
    });
    if let Some(path) = &args.token_file {
        read_token(path)?;
        let path = path.clone();
        builder = builder.token(move || {
            let path = path.clone();
            async move {
                let text = tokio::fs::read_to_string(&path).await?;
                Ok::<_, std::io::Error>(Token::from(text.trim()))
            }
        });
    } else if let Ok(token) = std::env::var(TOKEN_VARIABLE)
        && !token.is_empty()
    {
        builder = builder.token(token);
    }
    if let Some(path) = &args.trust {
        let der = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        builder = builder.trust_certificate(der);
    }
    Ok(builder)
}

/// Connects, unless that takes longer than there is patience.
pub(crate) async fn connect(client: &Client, patience: Duration) -> Result<(), Failure> {
    let connecting = client.connect();
    let connected = if patience.is_zero() {
        connecting.await
    } else {
        match tokio::time::timeout(patience, connecting).await {
            Ok(connected) => connected,
            Err(_) => return Err(too_late(&client.state(), patience)),
        }
    };
    connected.map_err(|ConnectError { reason }| {
        let hint = hint(reason);
        Failure::NoConnection(format!("no connection: {reason:?} (code {}){hint}", reason.code()))
    })
}

/// A connected client.
pub(crate) async fn client(args: &ConnectionArgs) -> Result<Client, Failure> {
    let client = builder(args)?.build().map_err(|error| Failure::Usage(error.to_string()))?;
    connect(&client, args.patience).await?;
    Ok(client)
}

fn too_late(state: &StateWatch, patience: Duration) -> Failure {
    let why = match state.get() {
        State::Reconnecting { cause, attempt, .. } => {
            let hint = hint(cause);
            format!("{cause:?} (code {}) at attempt {attempt}{hint}", cause.code())
        }
        state => format!("still {state:?}"),
    };
    Failure::NoConnection(format!("no connection within {} s: {why}", patience.as_secs_f64()))
}

/// What to do about it.
fn hint(cause: Cause) -> &'static str {
    match cause {
        Cause::NetworkFailed | Cause::ConnectTimeout => "; is a server at --url, or STAYWIRE_URL?",
        Cause::TlsFailed => "; is its certificate one of --trust, and is it https or http?",
        Cause::ProtocolRefused | Cause::ProtocolViolation => {
            "; has --url the path of an endpoint, such as /ws/ai/chat?"
        }
        Cause::Unauthorized => "; put a token into STAYWIRE_TOKEN or a file for --token-file",
        Cause::TokenFailed | Cause::TokenTimeout => "; can the file of --token-file be read?",
        Cause::Forbidden => "; this token may not be used there",
        _ => "",
    }
}

fn read_token(path: &Path) -> Result<(), Failure> {
    std::fs::read_to_string(path).map(drop).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("{} can't be read: {error}", path.display()))
}
