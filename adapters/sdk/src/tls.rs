//! TLS to the server of a system: whom an adapter trusts.
//!
//! Promises: the server's certificate and name are verified, always; by the system's roots, or by those of the file that
//! the option `tls_ca` names.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::Fault;

/// What a client of TLS 1.2 and 1.3 needs that shows no certificate of its own. `tls_ca`: a file of root certificates in
/// PEM, instead of the system's.
///
/// Faults: [`crate::Remedy::Stop`] when there are none, naming the file.
pub fn client_config(tls_ca: Option<&Path>) -> Result<Arc<ClientConfig>, Fault> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the versions that rustls takes for safe");
    let config = match tls_ca {
        Some(path) => builder.with_root_certificates(read_roots(path)?),
        None => builder
            .with_platform_verifier()
            .map_err(|error| Fault::stop("the system's root certificates cannot be used").because(error))?,
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

/// The root certificates in a PEM file; what else stands there is passed over.
///
/// Faults: [`crate::Remedy::Stop`] when it cannot be read or holds none.
pub fn read_roots(path: &Path) -> Result<RootCertStore, Fault> {
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
