//! The client over TLS: what it trusts, and that it comes back as it does without.

use std::net::SocketAddr;
use std::time::Duration;

use staywire::{Cause, Client, ClientBuilder, State};
use staywire_chaos::Proxy;

use crate::support::{Told, config, next, publish, serve, token, until, within};
use crate::terminator::terminate;

fn builder(address: SocketAddr) -> ClientBuilder {
    Client::builder(&format!("wss://{address}/ws/ai/chat"))
        .backoff(Duration::from_millis(5), Duration::from_millis(50))
}

#[tokio::test]
async fn a_link_over_tls_is_cut_and_resumed() {
    let server = serve(config()).await;
    let (address, certificate) = terminate(server.address(), "127.0.0.1").await;
    let proxy = Proxy::start(address).await.unwrap();
    let client = builder(proxy.address())
        .trust_certificate(certificate.to_vec())
        .token(token(&server, "ada"))
        .build()
        .unwrap();
    within("connecting", client.connect()).await.unwrap();
    let mut room = within("joining", client.join("chat:1")).await.unwrap();
    publish(&server, "chat:1", 1..=3).await;
    for number in 1..=3 {
        assert_eq!(next(&mut room).await, Told::Event(number, number.into()));
    }
    proxy.cut();
    publish(&server, "chat:1", 4..=6).await;
    for number in 4..=6 {
        assert_eq!(next(&mut room).await, Told::Event(number, number.into()));
    }
    assert!(proxy.accepted() >= 2, "it was cut, and came back");
    client.close().await;
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_or_of_another_name_opens_nothing() {
    let server = serve(config()).await;
    let (untrusted, _) = terminate(server.address(), "127.0.0.1").await;
    let (misnamed, certificate) = terminate(server.address(), "other.example").await;
    for client in [
        builder(untrusted).token(token(&server, "ada")),
        builder(misnamed).token(token(&server, "ada")).trust_certificate(certificate.to_vec()),
    ] {
        let client = client.build().unwrap();
        let watch = client.state();
        let connecting = tokio::spawn({
            let client = client.clone();
            async move { client.connect().await }
        });
        let failed = || {
            let cause = Cause::TlsFailed;
            matches!(watch.get(), State::Reconnecting { attempt: 3.., cause: c, .. } if c == cause)
        };
        until("a third attempt that failed by its certificate", failed).await;
        assert!(!connecting.is_finished(), "it never was connected");
        client.close().await;
        assert!(within("the end", connecting).await.unwrap().is_err());
    }
}
