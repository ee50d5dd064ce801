//! TLS to a real PostgreSQL: the server's side of it is spoken by a proxy in front, so that the certificate is ours.
#![allow(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a peer that fails is told"
)]

mod peers;

use std::{path::Path, sync::Arc};

use peers::{PostgresPeer, message, number, text};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use trunkline_sdk::{Adapter, Fault, Outcome, Remedy, Settings, System, contract::sink::SinkPeer};
use trunkline_sql::Sql;

/// What a client sends to ask for TLS, and the server's yes.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const YES: &[u8] = b"S";

/// Speaks TLS to clients, under the name `localhost`, and plainly to the server. Returns its port, and the
/// certificate of the authority that vouches for it.
async fn encrypting_proxy(server: String) -> (u16, String) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut request = [0; 8];
                near.read_exact(&mut request).await?;
                assert_eq!(
                    request, SSL_REQUEST,
                    "the client asks for TLS before anything else"
                );
                near.write_all(YES).await?;
                let mut near = acceptor.accept(near).await?;
                let mut far = TcpStream::connect(server).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    (port, authority.pem())
}

async fn system(
    peer: &PostgresPeer,
    host: &str,
    ca: Option<&str>,
    home: &Path,
) -> Result<Box<dyn System>, Fault> {
    let url = format!(
        "postgres://{}:{}@{host}/{}?sslmode=require&options=-csearch_path%3D{}",
        peer.config.get_user().unwrap(),
        peer.password(),
        peer.config.get_dbname().or(peer.config.get_user()).unwrap(),
        peer.schema
    );
    let mut settings = vec![("url", url.as_str())];
    settings.extend(ca.map(|ca| ("tls_ca", ca)));
    Sql.open(&Settings::of(settings), home).await
}

#[tokio::test]
async fn a_server_whose_authority_is_named_is_written_to_over_tls() {
    // given
    let peer = PostgresPeer::new().await;
    let (port, authority) = encrypting_proxy(peer.cable.address().to_string()).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("ca.pem"), authority).unwrap();
    let settings = Settings::of([("statement", "INSERT INTO effects VALUES (:id, '', :quantity)")]);
    // when
    let system = system(&peer, &format!("localhost:{port}"), Some("ca.pem"), home.path())
        .await
        .unwrap();
    let sink = system.sink("orders", &settings).await.unwrap();
    let outcomes = sink
        .write(&[message("a", vec![("id", text("a")), ("quantity", number("1"))])])
        .await;
    // then
    assert!(matches!(outcomes[0], Outcome::Applied(_)), "{outcomes:?}");
    assert_eq!(peer.effects("a").await, 1);
    peer.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_trusted_or_speaks_no_tls_stops_the_flow_and_gets_no_password() {
    // given
    let peer = PostgresPeer::new().await;
    let (port, authority) = encrypting_proxy(peer.cable.address().to_string()).await;
    let (_, other_authority) = encrypting_proxy(peer.cable.address().to_string()).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("ca.pem"), authority).unwrap();
    std::fs::write(home.path().join("other.pem"), other_authority).unwrap();
    for (host, ca, why) in [
        (
            format!("localhost:{port}"),
            None,
            "the system's roots do not know it",
        ),
        (
            format!("localhost:{port}"),
            Some("other.pem"),
            "another authority",
        ),
        (format!("127.0.0.1:{port}"), Some("ca.pem"), "another name"),
        (
            peer.cable.address().to_string(),
            Some("ca.pem"),
            "no TLS, or a certificate of its own",
        ),
    ] {
        // when
        let fault = match system(&peer, &host, ca, home.path()).await {
            Ok(system) => system.test().await.unwrap_err(),
            Err(fault) => fault,
        };
        // then
        assert_eq!(fault.remedy, Remedy::Stop, "{why}: {fault} {fault:?}");
    }
    for (ca, content) in [("none.pem", None), ("empty.pem", Some("no certificate"))] {
        if let Some(content) = content {
            std::fs::write(home.path().join(ca), content).unwrap();
        }
        let settings = Settings::of([("url", "postgres://a@b/c?sslmode=require"), ("tls_ca", ca)]);
        assert_eq!(
            Sql.open(&settings, home.path()).await.err().unwrap().remedy,
            Remedy::Stop
        );
    }
    peer.close().await;
}
