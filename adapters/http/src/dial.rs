//! Opens connections: resolves a name, looks at what it resolved to, and connects to exactly that.
//!
//! Promises: unless private addresses are allowed, no byte is sent to one, whatever the name resolves to and whenever
//! that changes: the address that was looked at is the one that is connected to. Certificates are verified, always.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;
use trunkline_sdk::{Fault, tls};

use crate::{address::is_public, url::Origin};

/// The most that the head of an answer may have.
const MAX_HEAD: usize = 64 << 10;

/// Opens connections to hosts.
pub(crate) struct Dialer {
    tls: TlsConnector,
    allows_private: bool,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Dialer {
    /// `ca`: a file of root certificates in PEM, instead of the system's. Faults: `Stop` when it holds none.
    pub(crate) fn new(ca: Option<&Path>, allows_private: bool) -> Result<Self, Fault> {
        Ok(Self {
            tls: TlsConnector::from(tls::client_config(ca)?),
            allows_private,
        })
    }

    /// Opens a connection. Faults: `Retry` when the host is away; `Stop` when it may not be reached or trusted.
    pub(crate) async fn dial(&self, origin: &Origin) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let stream = self.connect(origin).await?;
        let stream: Box<dyn Stream> = if origin.is_tls {
            Box::new(self.encrypt(origin, stream).await?)
        } else {
            Box::new(stream)
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| away(origin, error))?;
        tokio::spawn(async move {
            // What ended it is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn connect(&self, origin: &Origin) -> Result<TcpStream, Fault> {
        let addresses = resolve(origin).await?;
        let mut lost = None;
        let mut refused = 0;
        for address in addresses.iter().take(8) {
            if !self.allows_private && !is_public(address.ip()) {
                refused += 1;
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // A request must not wait for more of it.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => lost = Some(error),
            }
        }
        match lost {
            Some(error) => Err(away(origin, error)),
            None if refused > 0 => Err(Fault::stop(format!("{origin} is at a private address, which is not allowed"))
                .hint("if it is meant to be, say `allow_private: true`; if not, somebody has pointed the name there")),
            None => Err(Fault::retry(format!("the name in {origin} has no address"))),
        }
    }

    async fn encrypt(&self, origin: &Origin, stream: TcpStream) -> Result<impl Stream + use<>, Fault> {
        let name = ServerName::try_from(origin.host.clone()).map_err(|error| {
            Fault::stop(format!("the host in {origin} has no name that TLS knows")).because(error)
        })?;
        self.tls.connect(name, stream).await.map_err(|error| {
            let is_refusal = error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
            if is_refusal {
                Fault::stop(format!(
                    "{origin} is not trusted: its certificate was refused, or it speaks no TLS"
                ))
                .hint("a certificate of one's own authority needs `tls_ca`; is the port right?")
                .because(error)
            } else {
                away(origin, error)
            }
        })
    }
}

async fn resolve(origin: &Origin) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(address) = origin.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, origin.port)]);
    }
    let addresses = lookup_host((origin.host.as_str(), origin.port))
        .await
        .map_err(|error| Fault::retry(format!("the name in {origin} does not resolve")).because(error))?;
    Ok(addresses.collect())
}

fn away(origin: &Origin, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    let error = error.into();
    let why = match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "refuses connections",
        _ => "cannot be reached",
    };
    Fault::retry(format!("{origin} {why}")).because(error)
}
