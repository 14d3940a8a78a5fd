//! A TCP proxy that fails on demand: it cuts, stalls, refuses and slows down real sockets.
//!
//! It knows nothing of what it carries. It listens on loopback alone.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A running proxy. Dropping it stops it, and cuts what it carries.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Control {
    upstream: watch::Sender<SocketAddr>,
    /// Counts cuts: a connection that sees it change is over.
    cuts: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    refusing: AtomicBool,
    delay_ms: AtomicU64,
    /// Bytes that may still go to clients before the connection is cut; `u64::MAX` for no limit.
    budget: AtomicU64,
    connections: AtomicUsize,
    accepted: AtomicUsize,
}

impl Proxy {
    /// A proxy to `upstream` on a free port of loopback.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let control = Arc::new(Control {
            upstream: watch::Sender::new(upstream),
            cuts: watch::Sender::new(0),
            stalled: watch::Sender::new(false),
            refusing: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            budget: AtomicU64::new(u64::MAX),
            connections: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, control.clone()));
        Ok(Self { address, control, task })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills every connection now: a reset, not an orderly end.
    pub fn cut(&self) {
        self.control.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Kills the connection that carries the `bytes`-th byte to a client from now on, right after
    /// that byte. Once.
    pub fn cut_after(&self, bytes: u64) {
        self.control.budget.store(bytes, Ordering::SeqCst);
    }

    /// Carries nothing either way while `true`, and tells nobody: both ends keep their socket.
    pub fn stall(&self, stalled: bool) {
        self.control.stalled.send_replace(stalled);
    }

    /// Resets new connections while `true`.
    pub fn refuse(&self, refusing: bool) {
        self.control.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Holds every piece of data back for this long.
    pub fn delay(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.control.delay_ms.store(ms, Ordering::SeqCst);
    }

    /// Sends new connections elsewhere.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.control.upstream.send_replace(upstream);
    }

    /// Connections that are carried now.
    pub fn connections(&self) -> usize {
        self.control.connections.load(Ordering::SeqCst)
    }

    /// Connections that were ever carried.
    pub fn accepted(&self) -> usize {
        self.control.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    while let Ok((client, _)) = listener.accept().await {
        if control.refusing.load(Ordering::SeqCst) {
            reset(&client);
            continue;
        }
        tokio::spawn(carry(client, control.clone()));
    }
}

async fn carry(client: TcpStream, control: Arc<Control>) {
    let mut cuts = control.cuts.subscribe();
    let upstream = *control.upstream.borrow();
    let Ok(server) = TcpStream::connect(upstream).await else {
        reset(&client);
        return;
    };
    control.accepted.fetch_add(1, Ordering::SeqCst);
    control.connections.fetch_add(1, Ordering::SeqCst);
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    // A socket that lingers for no time at all is reset when it is dropped.
    reset(&client);
    reset(&server);
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let up = pump(client_read, server_write, control.clone(), false);
    let down = pump(server_read, client_write, control.clone(), true);
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        _ = cuts.changed() => {}
    }
    control.connections.fetch_sub(1, Ordering::SeqCst);
}

/// Carries one way until an end, an error, or a cut.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    control: Arc<Control>,
    to_client: bool,
) {
    let mut stalled = control.stalled.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let delay_ms = control.delay_ms.load(Ordering::SeqCst);
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        if stalled.wait_for(|stalled| !stalled).await.is_err() {
            break;
        }
        let mut allowed = count;
        let mut cut = false;
        if to_client {
            (allowed, cut) = spend(&control.budget, count);
        }
        if to.write_all(&buffer[..allowed]).await.is_err() {
            break;
        }
        if cut {
            control.cuts.send_modify(|cuts| *cuts += 1);
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Takes `count` bytes from the budget: how many may pass, and whether that was the last.
fn spend(budget: &AtomicU64, count: usize) -> (usize, bool) {
    let wanted = count as u64;
    let before = budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
        u64::MAX => None,
        left if left <= wanted => Some(u64::MAX),
        left => Some(left - wanted),
    });
    match before {
        Err(_) => (count, false),
        Ok(left) if left <= wanted => (usize::try_from(left).unwrap_or(count), true),
        Ok(_) => (count, false),
    }
}

fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await?;
        Ok(back)
    }

    #[tokio::test]
    async fn it_carries_and_cuts() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"hello").await.unwrap(), b"hello");
        proxy.cut();
        assert!(say(&mut stream, b"more").await.is_err());
    }

    #[tokio::test]
    async fn it_cuts_in_the_middle_of_a_message() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.cut_after(7);
        assert_eq!(say(&mut stream, b"hello").await.unwrap(), b"hello");
        stream.write_all(b"world").await.unwrap();
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest).await;
        assert!(rest.len() <= 2 && (end.is_err() || rest == b"wo"), "{rest:?}");
    }

    #[tokio::test]
    async fn it_refuses_and_stalls() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        say(&mut stream, b"a").await.unwrap();
        proxy.stall(true);
        stream.write_all(b"b").await.unwrap();
        let mut byte = [0];
        let silence = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut byte)).await;
        assert!(silence.is_err(), "nothing comes through, and nobody is told");
        proxy.stall(false);
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
        proxy.refuse(true);
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(say(&mut refused, b"c").await.is_err());
    }
}
