//! A TCP connection in a test's hand: what lies between an adapter and its peer, and can be cut.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes connections on to a peer, until it is cut; then it closes them, and every new one at once.
/// Its own address stays the same for its whole life.
pub struct Cable {
    address: SocketAddr,
    is_whole: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Cable {
    /// A cable to the peer at this address (`host:port`).
    pub async fn to(peer: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let is_whole = watch::Sender::new(true);
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(listener, peer.into(), is_whole.clone())),
            is_whole,
        })
    }

    /// Where an adapter reaches the peer.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, at whatever byte they are, and lets no new one through.
    pub fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, peer: String, is_whole: watch::Sender<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        // Subscribed before it is asked, so that no cut falls in between.
        let mut watched = is_whole.subscribe();
        if *watched.borrow_and_update() {
            let peer = peer.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = pass(near, &peer) => {}
                    _ = watched.wait_for(|is_whole| !is_whole) => {}
                }
            });
        }
    }
}

async fn pass(mut near: TcpStream, peer: &str) -> io::Result<()> {
    let mut far = TcpStream::connect(peer).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
