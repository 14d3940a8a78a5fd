//! The other end: a process of its own, so that its CPU time is nobody's but its own.
//!
//! It speaks just enough of a server: it greets, lets in, and writes bytes that were encoded
//! beforehand as fast as the socket takes them. It runs until its standard input ends, and so
//! never longer than the process that started it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Stdio};

use futures_util::{SinkExt, StreamExt};
use staywire::wire::control::{Bound, Published, Welcome};
use staywire::wire::{BatchWriter, ClientFrame, SUBPROTOCOL, encode_frame};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::report::Failure;
use crate::workload::{Framing, Workload};

/// The hidden subcommand that this process is started with.
pub(crate) const SUBCOMMAND: &str = "sender";
/// The call, or the bare message, on which the events begin.
pub(crate) const GO: &str = "go";

const EPOCH: &str = "e";

/// The running sender; dropping it ends it.
pub(crate) struct Process {
    child: Child,
    address: String,
}

impl Process {
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        Ok(Self { child, address: address.trim().to_owned() })
    }

    /// Where to dial for a path of [`Workload::path`].
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends by itself as soon as its input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The process itself.
pub(crate) fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("staywire-bench sender: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async {
                // A client that leaves in the middle is no failure of ours.
                let _ = connection(stream).await;
            });
        }
    })
}

async fn connection(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut prepared = None;
    #[allow(clippy::result_large_err, reason = "the handshake's callback has this type")]
    let upgrade = |request: &Request, mut response: Response| {
        // Encoded before the handshake ends, so that nobody's clock runs meanwhile.
        prepared = Workload::parse(request.uri().path()).map(|sent| (sent.framing, sent.encode()));
        if request.headers().contains_key("Sec-WebSocket-Protocol") {
            let picked = HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert("Sec-WebSocket-Protocol", picked);
        }
        Ok::<_, ErrorResponse>(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, upgrade).await?;
    let (framing, bytes) = prepared.ok_or("an unknown path")?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        match framing {
            Framing::Bare if text.as_str() == GO => {
                socket.get_mut().write_all(&bytes).await?;
            }
            Framing::Bare => socket.send(Message::Text(text)).await?,
            Framing::Staywire => answer(&mut socket, text.as_bytes(), &bytes).await?,
        }
    }
    Ok(())
}

async fn answer(
    socket: &mut WebSocketStream<TcpStream>,
    text: &[u8],
    bytes: &[u8],
) -> Result<(), Failure> {
    let frame = match ClientFrame::decode(text)? {
        ClientFrame::Hello(_) => encode_frame("welcome", None, Some(&welcome())),
        ClientFrame::Join(join) => {
            let bound = Bound {
                subscription: join.subscription,
                room: join.room,
                epoch: EPOCH.into(),
                offset: 0,
                tip: 0,
                history: None,
                snapshot: None,
            };
            encode_frame("joined", None, Some(&bound))
        }
        ClientFrame::Call { id, .. } => {
            let reply = encode_frame::<()>("reply", Some(id), None);
            socket.send(Message::text(reply)).await?;
            socket.get_mut().write_all(bytes).await?;
            return Ok(());
        }
        ClientFrame::Publish { id, publish, .. } => {
            // The publisher hears its own event first, and its answer in the same frame.
            let offset = publish.sequence;
            let mut batch = BatchWriter::default();
            batch.event(1, offset, publish.event.get());
            let published = Published { epoch: EPOCH.to_owned(), offset };
            batch.frame(&encode_frame("reply", Some(id), Some(&published)));
            batch.finish()
        }
        ClientFrame::Ping => encode_frame::<()>("pong", None, None),
        _ => return Ok(()),
    };
    socket.send(Message::text(frame)).await?;
    Ok(())
}

fn welcome() -> Welcome<'static> {
    Welcome {
        subject: "bench".into(),
        tenant: "bench".into(),
        store: "bench".into(),
        dedup_window_ms: 60_000,
        dedup_entries: 1_024,
        max_frame_bytes: None,
        heartbeat: None,
        token_expires_in_ms: None,
        server: None,
    }
}
