//! TLS to the mail server.
//!
//! Promises: the server's certificate and name are verified, always; by the system's roots, or by those of a file.

use std::{fs, io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::{TlsConnector, client::TlsStream};
use trunkline_sdk::Fault;

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
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks the versions that rustls takes for safe");
        let config = match ca {
            Some(path) => builder.with_root_certificates(read_roots(path)?),
            None => builder.with_platform_verifier().map_err(|error| {
                Fault::stop("the system's root certificates cannot be used").because(error)
            })?,
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config.with_no_client_auth())),
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

fn read_roots(path: &Path) -> Result<RootCertStore, Fault> {
    let shown = path.display();
    let pem = fs::read(path).map_err(|error| {
        Fault::stop(format!("`tls_ca`: `{shown}` cannot be read"))
            .hint("it is looked up from the landscape's folder")
            .because(error)
    })?;
    let mut roots = RootCertStore::empty();
    let added = CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .filter(|certificate| roots.add(certificate.clone()).is_ok())
        .count();
    if added == 0 {
        return Err(Fault::stop(format!("`tls_ca`: `{shown}` holds no certificate"))
            .hint("name a PEM file, with `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(roots)
}
