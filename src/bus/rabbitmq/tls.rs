//! TLS to the broker: whom we trust, and by which certificate we are known.
//!
//! Promises: the files are read anew for every connection, so a renewed certificate is taken up with the next one;
//! what is wrong with a file or a certificate is said by its name, with the way to mend it, and nothing of a key is
//! shown. Not promised: revocation lists.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use trunkline_sdk::Fault;

/// The files of a bus's URL; none of them: the system's authorities, and no certificate of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    /// `cacertfile`: the authorities to trust, and no others.
    pub(super) authorities: Option<PathBuf>,
    /// `certfile` and `keyfile`: the certificate we show, and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Reads the files. Faults: [`trunkline_sdk::Remedy::Stop`], naming the file.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Fault> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks the versions that rustls takes for safe");
        let builder = match &self.authorities {
            Some(file) => builder.with_root_certificates(authorities(file)?),
            None => builder.with_platform_verifier().map_err(|error| {
                Fault::stop("the system's root certificates cannot be used")
                    .hint("name those of your authority: `?cacertfile=ca.pem` in the bus's URL")
                    .because(error)
            })?,
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("certfile", certificate)?;
                let private = private_key(key)?;
                builder.with_client_auth_cert(chain, private).map_err(|error| {
                    let (certificate, key) = (certificate.display(), key.display());
                    Fault::stop(format!(
                        "`keyfile` {key} is not the key of `certfile` {certificate}"
                    ))
                    .hint("name the two that were made together")
                    .because(error)
                })?
            }
        };
        Ok(Arc::new(config))
    }

    /// Why `peer`, named in full, and we do not trust each other; `None`: that is not the trouble.
    pub(super) fn fault(&self, error: &io::Error, peer: &str) -> Option<Fault> {
        let fault = match error.get_ref()?.downcast_ref::<Error>()? {
            Error::InvalidCertificate(wrong) => self.distrusted(wrong, peer),
            Error::AlertReceived(alert) => self.refused(*alert, peer),
            Error::InvalidMessage(_) => Fault::stop(format!("{peer} does not speak TLS there"))
                .hint("RabbitMQ has it on port 5671; without TLS the URL begins with `amqp://`"),
            _ => return None,
        };
        Some(fault)
    }

    fn distrusted(&self, wrong: &CertificateError, peer: &str) -> Fault {
        let says = |what: &str| Fault::stop(format!("the certificate of {peer} {what}"));
        match wrong {
            CertificateError::UnknownIssuer => {
                let fault = says("is of an authority that we do not trust");
                match &self.authorities {
                    None => fault.hint("name the authority's certificate: `?cacertfile=ca.pem` in the bus's URL"),
                    Some(file) => fault.hint(format!(
                        "`cacertfile` {} must hold the authority that signed it",
                        file.display()
                    )),
                }
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                says("is for another host")
                    .hint("write the host in the bus's URL as the certificate names it, or have it issued for this name")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                says("has expired").hint("renew it on the broker; if it has not, set this machine's clock")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                says("is not valid yet").hint("set this machine's clock, or the broker's certificate")
            }
            CertificateError::BadSignature => says("is not signed by the authority that it names")
                .hint("`cacertfile` may be of an earlier authority of the same name"),
            other => says(&format!("is not good enough: {other}")).hint("have a new one issued"),
        }
    }

    fn refused(&self, alert: AlertDescription, peer: &str) -> Fault {
        let Some((certificate, _)) = &self.identity else {
            return match alert {
                AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure => {
                    Fault::stop(format!("{peer} wants a certificate of ours"))
                        .hint("name it in the bus's URL: `?certfile=client.pem&keyfile=client.key`")
                }
                alert => Fault::stop(format!("{peer} refuses our TLS: {alert:?}"))
                    .hint("see `ssl_options` in the broker's configuration, and its log"),
            };
        };
        let certificate = certificate.display();
        let why = match alert {
            AlertDescription::UnknownCA => {
                "the broker does not trust its authority: see its `ssl_options.cacertfile`"
            }
            AlertDescription::CertificateExpired => "it has expired, or is not valid yet: renew it",
            AlertDescription::CertificateRevoked => "it was revoked: have a new one issued",
            _ => {
                "it must be valid now, for use by a client, and of an authority in the broker's `ssl_options.cacertfile`"
            }
        };
        Fault::stop(format!(
            "{peer} refuses our certificate, `certfile` {certificate} ({alert:?})"
        ))
        .hint(why)
    }
}

fn authorities(file: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("cacertfile", file)? {
        roots.add(certificate).map_err(|error| {
            Fault::stop(format!(
                "`cacertfile` {} holds no usable authority",
                file.display()
            ))
            .hint("have it issued again")
            .because(error)
        })?;
    }
    Ok(roots)
}

fn certificates(option: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let text = read(option, file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| no_pem(option, file, "certificate").because(error))?;
    if certificates.is_empty() {
        return Err(no_pem(option, file, "certificate"));
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let text = read("keyfile", file)?;
    // Its error is not shown, nor kept: it may quote the file.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| no_pem("keyfile", file, "private key"))
}

fn read(option: &str, file: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(file).map_err(|error| {
        Fault::stop(format!(
            "`{option}` {} of the bus's URL cannot be read: {}",
            file.display(),
            error.kind()
        ))
        .hint("its path is relative to the landscape's folder; see that the file is there, and may be read")
        .because(error)
    })
}

fn no_pem(option: &str, file: &Path, what: &str) -> Fault {
    Fault::stop(format!(
        "`{option}` {} of the bus's URL holds no {what} in PEM",
        file.display()
    ))
    .hint(format!(
        "it is text with `-----BEGIN {}-----` in it; an encrypted key cannot be used",
        what.to_uppercase()
    ))
}
