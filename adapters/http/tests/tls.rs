//! TLS: whom we trust, and that nothing is sent to anybody else.

mod peer;

use std::{net::SocketAddr, sync::Arc};

use peer::{TOKEN, fault, map, message, open, told};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use trunkline_sdk::{Outcome, Settings};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("ring makes keys");
    CertifiedIssuer::self_signed(parameters, key).expect("a certificate")
}

/// A server with a certificate for this name; it tells what it was sent.
async fn server(authority: &Authority, name: &str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let key = KeyPair::generate().expect("ring makes keys");
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .and_then(|parameters| parameters.signed_by(&key, authority))
        .expect("a certificate");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a key that fits");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (sent, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, sent) = (acceptor.clone(), sent.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut buffer = vec![0; 4096];
                let length = stream.read(&mut buffer).await.unwrap_or_default();
                let _ = sent.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    .await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, received)
}

async fn write(url: &str, authority: &Authority) -> Outcome {
    let home = tempfile::tempdir().expect("a folder");
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("it can be written");
    let ca = ca.to_str().expect("text");
    let settings = [
        ("base_url", url),
        ("allow_private", "true"),
        ("tls_ca", ca),
        ("bearer", TOKEN),
        ("timeout", "5s"),
    ];
    let system = open(&map(&settings, &[])).await.expect("it opens");
    let sink = system
        .sink("f", &Settings::of([("path", "/orders")]))
        .await
        .expect("it opens");
    sink.write(&[message("m", r#"{"id":1}"#)]).await.remove(0)
}

#[tokio::test]
async fn a_server_is_trusted_whose_certificate_leads_to_our_authority_and_bears_its_name() {
    let (ours, others) = (authority(), authority());
    for (issuer, name, expected) in [
        (&ours, "localhost", "applied"),
        (&others, "localhost", "not tried: Stop"),
        (&ours, "api.example", "not tried: Stop"),
    ] {
        // given
        let (address, mut received) = server(issuer, name).await;
        // when
        let outcome = write(&format!("https://localhost:{}", address.port()), &ours).await;
        // then
        assert_eq!(told(&outcome), expected, "{name}: {outcome:?}");
        if expected == "applied" {
            assert!(received.recv().await.expect("a request").contains(TOKEN));
        } else {
            assert!(received.try_recv().is_err(), "it was sent something");
            assert!(fault(&outcome).what.contains("is not trusted"), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_sent_nothing() {
    let address = peer::blurt(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let outcome = write(&format!("https://localhost:{}", address.port()), &authority()).await;
    assert_eq!(told(&outcome), "not tried: Stop", "{outcome:?}");
}

#[tokio::test]
async fn a_file_without_certificates_is_told_when_the_system_is_opened() {
    let home = tempfile::tempdir().expect("a folder");
    let empty = home.path().join("empty.pem");
    std::fs::write(&empty, "nothing").expect("it can be written");
    for (path, what) in [
        (empty.to_str().expect("text"), "holds no certificate"),
        ("missing.pem", "cannot be read"),
    ] {
        let settings = map(&[("base_url", "https://api.example"), ("tls_ca", path)], &[]);
        let fault = open(&settings).await.err().expect("it is no authority");
        assert!(fault.what.contains(what), "{fault}");
    }
}
