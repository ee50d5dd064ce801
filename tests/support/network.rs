//! A network between a test and a server: a TCP proxy that does to connections what networks do.
//!
//! Promised: in fair weather every byte passes, in order; a connection is cut at exactly the byte that was asked for.
//! Not promised: refusing connections while the network is gone. They are accepted and nothing comes of them, as with
//! a host that is frozen.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// The proxy. All its connections end when it is dropped.
pub(crate) struct Network {
    address: SocketAddr,
    sky: Arc<Sky>,
    accepting: JoinHandle<()>,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They pass.
    Fair,
    /// They pass after this time, each way; 64 KiB in it at most.
    Slow(Duration),
    /// They do not pass, and nobody is told; in fair weather they do, as TCP sends again what was lost.
    Gone,
}

/// Which way bytes go, as the test sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Sent,
    Received,
}

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both sides are told in order.
    Close,
    /// Both sides get an RST.
    Reset,
    /// This way ends in order; the other way stays open.
    Half,
}

/// What all connections of a network live under.
struct Sky {
    weather: watch::Sender<Weather>,
    cut: Mutex<Option<Order>>,
    /// How often a connection was cut.
    cuts: watch::Sender<u64>,
}

/// The first connection over which `after` more bytes go this way is cut.
#[derive(Clone, Copy)]
struct Order {
    number: u64,
    way: Way,
    after: u64,
    cut: Cut,
}

impl Network {
    /// A network on whose other side is this server (`host:port`).
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let sky = Arc::new(Sky {
            weather: watch::Sender::new(Weather::Fair),
            cut: Mutex::new(None),
            cuts: watch::Sender::new(0),
        });
        Self {
            address: listener.local_addr().expect("it is bound"),
            accepting: tokio::spawn(accept(listener, server.to_owned(), sky.clone())),
            sky,
        }
    }

    /// Where the test finds the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub(crate) fn weather(&self, weather: Weather) {
        self.sky.weather.send_replace(weather);
    }

    /// Once, the connection over which the first `after` (at least 1) bytes go this way from now on, counted for each
    /// connection, is cut behind them.
    pub(crate) fn cut_after(&self, way: Way, after: u64, cut: Cut) {
        let number = self.cuts() + 1;
        let order = Order {
            number,
            way,
            after,
            cut,
        };
        *self.sky.order() = Some(order);
    }

    /// How often a connection was cut so far.
    pub(crate) fn cuts(&self) -> u64 {
        *self.sky.cuts.borrow()
    }

    /// Waits until a connection was cut this often.
    pub(crate) async fn was_cut(&self, cuts: u64) {
        let mut watched = self.sky.cuts.subscribe();
        let _ = watched.wait_for(|now| *now >= cuts).await;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Sky {
    fn order(&self) -> std::sync::MutexGuard<'_, Option<Order>> {
        self.cut.lock().expect("nobody panics with it")
    }
}

/// Connections are tasks below this one, so that they end with it.
async fn accept(listener: TcpListener, server: String, sky: Arc<Sky>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let (server, sky) = (server.clone(), sky.clone());
        connections.spawn(async move {
            // How it ended, both sides have seen.
            let _ = pass(near, &server, &sky).await;
        });
    }
}

async fn pass(near: TcpStream, server: &str, sky: &Sky) -> io::Result<()> {
    fair(sky).await;
    let far = TcpStream::connect(server).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::try_join!(
        pipe(Way::Sent, near_in, far_out, sky),
        pipe(Way::Received, far_in, near_out, sky),
    )?;
    Ok(())
}

/// Passes bytes one way; an error ends the other way too.
async fn pipe(way: Way, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, sky: &Sky) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let (mut order, mut passed) = (0, 0);
    loop {
        fair(sky).await;
        let mut gone = sky.weather.subscribe();
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            _ = gone.wait_for(|weather| *weather == Weather::Gone) => continue,
        };
        let weather = *sky.weather.borrow();
        if let Weather::Slow(time) = weather {
            sleep(time).await;
        }
        fair(sky).await;
        if read == 0 {
            return to.shutdown().await;
        }
        let cut = {
            let mut asked = sky.order();
            match *asked {
                Some(cut) if cut.way == way => {
                    if order != cut.number {
                        (order, passed) = (cut.number, 0);
                    }
                    passed += read as u64;
                    if passed >= cut.after {
                        *asked = None;
                        Some((cut.cut, read - (passed - cut.after) as usize))
                    } else {
                        None
                    }
                }
                _ => None,
            }
        };
        let Some((cut, last)) = cut else {
            to.write_all(&buffer[..read]).await?;
            continue;
        };
        to.write_all(&buffer[..last]).await?;
        if cut == Cut::Reset {
            from.as_ref().set_zero_linger()?;
            to.as_ref().set_zero_linger()?;
        } else {
            to.shutdown().await?;
        }
        sky.cuts.send_modify(|cuts| *cuts += 1);
        if cut == Cut::Half {
            return copy(&mut from, &mut sink()).await.map(drop);
        }
        return Err(io::ErrorKind::ConnectionReset.into());
    }
}

async fn fair(sky: &Sky) {
    let mut weather = sky.weather.subscribe();
    let _ = weather.wait_for(|weather| *weather != Weather::Gone).await;
}
