//! The broker's management API, by as much HTTP as it takes: AMQP cannot read arguments, policies and users.
//!
//! Promises: no error and no `Debug` of this module shows a password; an answer is waited for 15 s at most.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use trunkline_sdk::Fault;

use super::{
    address::{Address, decode, encode, host},
    tls::Tls,
};

const PATIENCE: Duration = Duration::from_secs(15);
/// 10,000 queues with their statistics take about 20 MB.
const MAX_ANSWER: usize = 256 << 20;
const SHAPE: &str = "write it as `http://host:15672` or `https://user:password@host:15671`";

/// Where the management API is, and whom we are there.
#[derive(Clone)]
pub(super) struct Management {
    /// As the bus's; `None`: without.
    tls: Option<Tls>,
    host: String,
    port: u16,
    /// What stands before `/api`, if the API is not at the root.
    prefix: String,
    user: String,
    password: String,
}

impl Management {
    /// The API at this URL, or where RabbitMQ has it on the first host of the bus; as the user of the bus, if
    /// the URL names none. Faults: [`trunkline_sdk::Remedy::Stop`], saying which part is wrong.
    pub(super) fn of(url: Option<&str>, bus: &Address) -> Result<Self, Fault> {
        let (user, password) = bus.credentials();
        let Some(url) = url else {
            return Ok(Self {
                tls: bus.tls().cloned(),
                host: bus.host().to_owned(),
                port: if bus.tls().is_some() { 15671 } else { 15672 },
                prefix: String::new(),
                user: user.to_owned(),
                password: password.to_owned(),
            });
        };
        let wrong = |what: String| Fault::stop(format!("the management URL {what}")).hint(SHAPE);
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong("has no `http://` or `https://` before it".to_owned())),
        };
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let (user, password) = match credentials {
            None => (user.to_owned(), password.to_owned()),
            Some(text) => {
                let (user, password) = text.split_once(':').unwrap_or((text, ""));
                let part =
                    |text, what| decode(text).ok_or_else(|| wrong(format!("has a {what} that is no text")));
                (part(user, "user")?, part(password, "password")?)
            }
        };
        let (host, port) = host(place, if tls { 443 } else { 80 }).map_err(wrong)?;
        let prefix = prefix
            .trim_end_matches('/')
            .trim_end_matches("api")
            .trim_end_matches('/');
        Ok(Self {
            tls: tls.then(|| bus.tls().cloned().unwrap_or_default()),
            host,
            port,
            prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("/{prefix}")
            },
            user,
            password,
        })
    }

    /// Reads one resource: `overview`, `queues/%2F`. Faults: as [`Management::find`]; it is an error if it is
    /// not there.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        self.find(path)
            .await?
            .ok_or_else(|| Fault::stop(format!("{self} has no `/api/{path}`")).hint(HINT))
    }

    /// Reads one resource; `None`: it is not there.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Reopen`] when the API cannot be reached, `Stop` when we may not ask.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Fault> {
        let Some(answer) = self.ask(Method::GET, path, None).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&answer).map(Some).map_err(|error| {
            Fault::stop(format!("{self} answers `/api/{path}` otherwise than known")).because(error)
        })
    }

    /// Makes a resource what `value` says.
    pub(super) async fn put(&self, path: &str, value: &Value) -> Result<(), Fault> {
        let made = self.ask(Method::PUT, path, Some(value)).await?;
        made.map(drop)
            .ok_or_else(|| Fault::stop(format!("{self} has no place for `/api/{path}`")))
    }

    /// `None`: 404.
    async fn ask(&self, method: Method, path: &str, value: Option<&Value>) -> Result<Option<Bytes>, Fault> {
        // Boxed: this is once per question, and the futures of HTTP and TLS are large.
        let (status, body) = timeout(PATIENCE, Box::pin(self.exchange(method, path, value)))
            .await
            .map_err(|_| Fault::reopen(format!("{self} does not answer")))??;
        match status {
            status if status.is_success() => Ok(Some(body)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Fault::stop(format!("{self} does not let user `{}` ask for `/api/{path}`", self.user)).hint(
                    "name a user with the tag `administrator` (or, to look only, `monitoring`) in the management URL: \
                     `--management http://user:password@host:15672`, or TRUNKLINE_MANAGEMENT",
                ))
            }
            status => Err(Fault::stop(format!("{self} answers {status} to `/api/{path}`"))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        value: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let unreachable = |error: std::io::Error| {
            Fault::reopen(format!("{self} cannot be reached: {error}"))
                .hint(HINT)
                .because(error)
        };
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(unreachable)?;
        let credentials = BASE64.encode(format!("{}:{}", self.user, self.password));
        let body = value.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/api/{path}", self.prefix))
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Fault::stop("the management URL makes no HTTP request").because(error))?;
        let Some(tls) = &self.tls else {
            return self.send(stream, request).await;
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| Fault::stop(format!("`{}` is no name for TLS", self.host)).because(error))?;
        let encrypted = TlsConnector::from(tls.config()?)
            .connect(name, stream)
            .await
            .map_err(|error| {
                tls.fault(&error, &self.to_string())
                    .unwrap_or_else(|| unreachable(error))
            })?;
        self.send(encrypted, request).await
    }

    async fn send(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let broken = |error| {
            Fault::reopen(format!("{self} does not speak HTTP as expected"))
                .hint(HINT)
                .because(error)
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the sender.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|_| Fault::reopen(format!("{self} breaks off its answer")))?;
        Ok((status, body.to_bytes()))
    }
}

const HINT: &str = "the broker needs its plugin: `rabbitmq-plugins enable rabbitmq_management`; if it is elsewhere, say \
                    `--management http://host:15672`, or set TRUNKLINE_MANAGEMENT";

impl fmt::Display for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the management API at {}:{}", self.host, self.port)
    }
}

/// Shows no password.
impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}{}", self.user, self.host, self.port, self.prefix)
    }
}

/// One part of a path.
pub(super) fn segment(name: &str) -> String {
    encode(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus() -> Address {
        Address::parse("amqps://trunk:s3cret@rabbit-1,rabbit-2/prod").unwrap()
    }

    #[test]
    fn it_is_where_rabbitmq_has_it_unless_the_url_says_otherwise() {
        let named = |url| format!("{:?}", Management::of(url, &bus()).unwrap());
        assert_eq!(named(None), "trunk@rabbit-1:15671");
        assert_eq!(named(Some("http://ops:x@m:15672/")), "ops@m:15672");
        assert_eq!(named(Some("https://m/rabbit/api/")), "trunk@m:443/rabbit");
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in [
            "m:15672",
            "amqp://u:s3cret@m",
            "http://u:s3cret@",
            "http://u:s3cret%zz@m",
            "http://u:s3cret@m:x",
        ] {
            let fault = Management::of(Some(url), &bus()).unwrap_err();
            assert!(!fault.to_string().contains("s3cret"), "{fault}");
        }
    }
}
