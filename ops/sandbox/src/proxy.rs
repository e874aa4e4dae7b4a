//! A TCP proxy on loopback that disturbs on command: cuts every connection, delays every byte, leaves connections
//! half open. Between two parties that must not notice more than what they were promised to survive.
//!
//! A half-open connection is what a vanished machine leaves behind: both sockets stay open, nothing passes any more,
//! and nobody is told. It stays so until a cut or the proxy's end, whatever comes after it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes that are passed on at once.
const CHUNK: usize = 16 * 1024;

/// The orders so far; a connection compares them with those at its birth.
#[derive(Debug, Clone, Copy, Default)]
struct Orders {
    cuts: u64,
    holes: u64,
    delay: Duration,
    dark: bool,
}

/// A proxy under way; dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    open: Arc<AtomicUsize>,
    // held for its drop, which ends everything
    _listening: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of loopback and passes everything on to `target`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port for a proxy")?;
        let address = listener.local_addr()?;
        let (orders, seen) = watch::channel(Orders::default());
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut carried = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((client, _)) => {
                            let mut seen = seen.clone();
                            let born = *seen.borrow_and_update();
                            let count = Count::of(&count);
                            carried.spawn(async move {
                                carry(client, target, seen, born).await;
                                drop(count);
                            });
                        }
                        // out of descriptors, perhaps: the next one may do better
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    },
                    Some(_) = carried.join_next() => {}
                }
            }
        });
        Ok(Self { address, orders, open, _listening: listening })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open, half-open ones among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Closes every present connection, half-open ones too.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// From now on everything comes later by `delay`, each way; zero for no delay.
    pub fn delay(&self, delay: Duration) {
        self.orders.send_modify(|orders| orders.delay = delay);
    }

    /// Every present connection passes nothing any more and stays open; new ones work.
    pub fn half_open(&self) {
        self.orders.send_modify(|orders| orders.holes += 1);
    }

    /// While `dark`, new connections are taken and pass nothing, now or later.
    pub fn dark(&self, dark: bool) {
        self.orders.send_modify(|orders| orders.dark = dark);
    }
}

struct Count(Arc<AtomicUsize>);

impl Count {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, seen: watch::Receiver<Orders>, born: Orders) {
    if born.dark {
        until_cut(seen, born).await;
        return;
    }
    // a target that is away is a closed connection, as without a proxy
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    // small messages must not wait for more: the parties have said so themselves, to the proxy
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let hole = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            () = both(pass(from_client, to_server, &seen), pass(from_server, to_client, &seen)) => false,
            hole = disturbed(seen.clone(), born) => hole,
        }
    };
    if hole {
        // both sockets are still held: neither side is told
        until_cut(seen, born).await;
    }
}

async fn both(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::join!(one, other);
}

/// `true` for a hole, `false` for a cut or the proxy's end.
async fn disturbed(mut seen: watch::Receiver<Orders>, born: Orders) -> bool {
    let order = seen.wait_for(|orders| orders.cuts > born.cuts || orders.holes > born.holes).await;
    order.is_ok_and(|orders| orders.cuts == born.cuts)
}

async fn until_cut(mut seen: watch::Receiver<Orders>, born: Orders) {
    // an error is the proxy's end
    let _ = seen.wait_for(|orders| orders.cuts > born.cuts).await;
}

async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, seen: &watch::Receiver<Orders>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await;
        let delay = seen.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let passed = match read {
            Ok(n) if n > 0 => chunk.get(..n).map(|bytes| to.write_all(bytes)),
            Ok(_) | Err(_) => None,
        };
        let Some(passed) = passed else { break };
        if passed.await.is_err() {
            break;
        }
    }
    // the other side is told that nothing more comes
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who says everything back, for as long as what is returned is kept.
    async fn echo() -> anyhow::Result<(SocketAddr, JoinSet<()>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                talks.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        Ok((address, serving))
    }

    async fn said_back(stream: &mut TcpStream) -> std::io::Result<usize> {
        stream.write_all(b"hello").await?;
        stream.read(&mut [0; 16]).await
    }

    #[tokio::test]
    async fn what_is_said_passes_until_a_cut_closes_it() -> anyhow::Result<()> {
        let (target, _echo) = echo().await?;
        let proxy = Proxy::start(target).await?;
        let mut stream = TcpStream::connect(proxy.address()).await?;
        assert_eq!(said_back(&mut stream).await?, 5);
        assert_eq!(proxy.connections(), 1);
        proxy.cut();
        // closed, one way or another
        assert!(matches!(said_back(&mut stream).await, Ok(0) | Err(_)));
        let mut another = TcpStream::connect(proxy.address()).await?;
        assert_eq!(said_back(&mut another).await?, 5);
        Ok(())
    }

    #[tokio::test]
    async fn a_half_open_connection_says_nothing_and_is_not_closed() -> anyhow::Result<()> {
        let (target, _echo) = echo().await?;
        let proxy = Proxy::start(target).await?;
        let mut stream = TcpStream::connect(proxy.address()).await?;
        assert_eq!(said_back(&mut stream).await?, 5);
        proxy.half_open();
        let silent = tokio::time::timeout(Duration::from_millis(200), said_back(&mut stream)).await;
        assert!(silent.is_err(), "something came back through a half-open connection");
        let mut another = TcpStream::connect(proxy.address()).await?;
        assert_eq!(said_back(&mut another).await?, 5);
        proxy.dark(true);
        let mut born = TcpStream::connect(proxy.address()).await?;
        let silent = tokio::time::timeout(Duration::from_millis(200), said_back(&mut born)).await;
        assert!(silent.is_err(), "something came back through a connection born in the dark");
        proxy.cut();
        assert!(matches!(stream.read(&mut [0; 16]).await, Ok(0) | Err(_)));
        assert!(matches!(born.read(&mut [0; 16]).await, Ok(0) | Err(_)));
        Ok(())
    }

    #[tokio::test]
    async fn a_delay_holds_what_is_said_back_each_way() -> anyhow::Result<()> {
        let (target, _echo) = echo().await?;
        let proxy = Proxy::start(target).await?;
        let mut stream = TcpStream::connect(proxy.address()).await?;
        proxy.delay(Duration::from_millis(60));
        let began = tokio::time::Instant::now();
        assert_eq!(said_back(&mut stream).await?, 5);
        assert!(began.elapsed() >= Duration::from_millis(120), "it came too soon");
        Ok(())
    }
}
