//! TLS to the mail server.
//!
//! Promises: the server's certificate and name are verified, always; by the system's roots, or by those of a file.

use std::{io, path::Path};

use rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, client::TlsStream};
use trunkline_sdk::{Fault, tls};

use crate::conversation::Wire;

/// Makes an encrypted stream of each connection to one host.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// `ca`: a file of root certificates in PEM, instead of the system's. Faults: `Stop` when it holds none.
    pub(crate) fn new(host: &str, ca: Option<&Path>) -> Result<Self, Fault> {
        let name = ServerName::try_from(host)
            .map_err(|_| Fault::stop("`url`: the host has no name that a certificate could hold"))?
            .to_owned();
        Ok(Self {
            connector: TlsConnector::from(tls::client_config(ca)?),
            name,
        })
    }

    pub(crate) async fn encrypt(&self, wire: Box<dyn Wire>) -> io::Result<TlsStream<Box<dyn Wire>>> {
        self.connector.connect(self.name.clone(), wire).await
    }
}

/// Whether an error of a handshake says that there will be no TLS with this server: its certificate is not trusted, or
/// it speaks none.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
}
