//! One connection to the mail server, from its greeting on.
//!
//! Promises: it is known of each mail whether the server took it, refused it, never had it whole, or may have taken it: a
//! server acts on a mail only when it has the line with the single dot, and only from there to its answer is there a
//! doubt. Every answer has a time limit. A password goes only into a stream that is encrypted, or where `tls: none`
//! and a loopback address say so.
//! Not promised: that a connection which is not dropped is good for another mail; see [`Conversation::is_spent`].

use std::{io, net::IpAddr, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};
use trunkline_sdk::Fault;

use crate::{
    account::{Security, Server},
    letter::Mail,
    reply::Reply,
    tls::{self, Tls},
};

/// A stream of bytes, encrypted or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How many times its `timeout` the server may take for its answer to a whole mail: it may look for viruses in it.
const FINAL_ANSWER: u32 = 4;

/// A connection.
pub(crate) struct Conversation {
    wire: BufReader<Box<dyn Wire>>,
    timeout: Duration,
    /// `host:port`, for faults.
    shown: String,
    /// What the server can do, as it said to EHLO.
    extensions: Vec<String>,
    /// Nothing more can be said: the connection is lost, or out of step.
    is_spent: bool,
}

/// What became of a mail.
pub(crate) enum Verdict {
    Taken,
    /// The server refused it.
    Rejected(Fault),
    /// The server did not get it whole.
    NotTried(Fault),
    /// It got all of it, and said nothing.
    InDoubt(Fault),
}

impl Conversation {
    /// Connects, encrypts and signs in. Faults: `Reopen` when the server is not there, or not now; `Stop` when it will
    /// never take anything from us.
    pub(crate) async fn open(server: &Server, tls: Option<&Tls>) -> Result<Self, Fault> {
        let shown = server.to_string();
        let connect = TcpStream::connect((server.host.as_str(), server.port));
        let stream = timeout(server.timeout, connect)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| {
                Fault::reopen(format!("mail server `{shown}` cannot be reached"))
                    .hint("is it up, and is the port right?")
                    .because(error)
            })?;
        // An answer follows each line, so none is to wait for the next.
        let _ = stream.set_nodelay(true);
        let us = match stream.local_addr().map(|address| address.ip()) {
            Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            Ok(IpAddr::V4(address)) => format!("[{address}]"),
            Err(_) => "[127.0.0.1]".to_owned(),
        };
        let mut conversation = Self {
            wire: BufReader::new(Box::new(stream)),
            timeout: server.timeout,
            shown,
            extensions: Vec::new(),
            is_spent: false,
        };
        if let (Some(tls), Security::FromTheStart) = (tls, server.security) {
            conversation = conversation.encrypt(tls).await?;
        }
        let greeting = conversation
            .answer(1)
            .await
            .map_err(|error| conversation.lost(error))?;
        conversation.expect(&greeting, "greets with")?;
        conversation.hello(&us).await?;
        if let (Some(tls), Security::StartTls) = (tls, server.security) {
            if conversation.extension("STARTTLS").is_none() {
                return Err(
                    Fault::stop(format!("mail server `{}` offers no STARTTLS", conversation.shown)).hint(
                        "use `smtps://` if it speaks TLS from the start; `tls: none` sends in the clear",
                    ),
                );
            }
            let reply = conversation.command("STARTTLS").await?;
            conversation.expect(&reply, "answers STARTTLS with")?;
            if !conversation.wire.buffer().is_empty() {
                return Err(Fault::stop(format!(
                    "mail server `{}` said something between STARTTLS and TLS, as one who listens in would",
                    conversation.shown
                )));
            }
            conversation = conversation.encrypt(tls).await?;
            conversation.hello(&us).await?;
        }
        if let Some(user) = &server.user {
            conversation
                .sign_in(user, server.password.as_deref().unwrap_or_default())
                .await?;
        }
        Ok(conversation)
    }

    /// Whether it is of no more use.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Hands a mail to the server.
    pub(crate) async fn deliver(&mut self, mail: &Mail) -> Verdict {
        match self.hand_over(mail).await {
            Ok(()) => Verdict::Taken,
            Err(verdict) => verdict,
        }
    }

    async fn hand_over(&mut self, mail: &Mail) -> Result<(), Verdict> {
        let limit = self
            .extension("SIZE")
            .and_then(|size| size.trim().parse::<usize>().ok());
        if limit.is_some_and(|limit| limit > 0 && mail.bytes.len() > limit) {
            return Err(Verdict::Rejected(Fault::dead_letter(
                "the mail is larger than the mail server takes",
            )));
        }
        let sender = format!("MAIL FROM:<{}>", mail.from);
        let reply = self.before_data(&sender).await?;
        if !reply.is_positive() {
            let what = format!("mail server `{}` refuses the sender with {reply}", self.shown);
            let fault = match reply.code {
                552 | 554 => Fault::dead_letter(what),
                code if code >= 500 => Fault::stop(what)
                    .hint("may this user send as `from`? and must it sign in, with a user in `url`?"),
                _ => Fault::retry(what),
            };
            return Err(self.refused(fault).await);
        }
        for recipient in &mail.to {
            let reply = self.before_data(&format!("RCPT TO:<{recipient}>")).await?;
            if !reply.is_positive() {
                let fault = refusal(
                    &reply,
                    format!("mail server `{}` refuses a recipient with {reply}", self.shown),
                );
                return Err(self.refused(fault).await);
            }
        }
        let reply = self.before_data("DATA").await?;
        if reply.code != 354 {
            let what = format!("mail server `{}` answers DATA with {reply}", self.shown);
            // Taken as it is, a 2xx would leave it unknown what comes next.
            self.is_spent |= reply.is_positive();
            let fault = if reply.is_positive() {
                Fault::retry(what)
            } else {
                refusal(&reply, what)
            };
            return Err(self.refused(fault).await);
        }
        self.say(&stuffed(&mail.bytes))
            .await
            .map_err(|error| Verdict::NotTried(self.lost(error)))?;
        // From here on the server may act.
        let answer = match self.say(b".\r\n").await {
            Ok(()) => self.answer(FINAL_ANSWER).await,
            Err(error) => Err(error),
        };
        let reply = answer.map_err(|error| {
            let fault = self.lost(error);
            Verdict::InDoubt(Fault {
                what: format!("{}, after it was handed a whole mail", fault.what),
                hint: Some("look for the mail by its Message-ID in the server's log".to_owned()),
                ..fault
            })
        })?;
        self.is_spent |= reply.code == 421;
        match reply.is_positive() {
            true => Ok(()),
            false => {
                let what = format!("mail server `{}` refuses the mail with {reply}", self.shown);
                Err(Verdict::Rejected(refusal(&reply, what)))
            }
        }
    }

    /// Says good-bye, without waiting for long.
    pub(crate) async fn close(mut self) {
        if !self.is_spent {
            let _ = timeout(Duration::from_secs(1), self.command("QUIT")).await;
        }
    }

    /// A command before the mail: whatever is lost, the server has not got it.
    async fn before_data(&mut self, command: &str) -> Result<Reply, Verdict> {
        let reply = self.command(command).await.map_err(Verdict::NotTried)?;
        if reply.code == 421 {
            self.is_spent = true;
            return Err(Verdict::NotTried(Fault::reopen(format!(
                "mail server `{}` closes the connection with {reply}",
                self.shown
            ))));
        }
        Ok(reply)
    }

    /// The server is to forget the mail it was told of.
    async fn refused(&mut self, fault: Fault) -> Verdict {
        if !self.is_spent {
            let reply = self.command("RSET").await;
            self.is_spent |= !reply.is_ok_and(|reply| reply.is_positive());
        }
        Verdict::Rejected(fault)
    }

    async fn hello(&mut self, us: &str) -> Result<(), Fault> {
        let reply = self.command(&format!("EHLO {us}")).await?;
        self.expect(&reply, "answers EHLO with")?;
        self.extensions = reply.lines;
        Ok(())
    }

    async fn sign_in(&mut self, user: &str, password: &str) -> Result<(), Fault> {
        let offered = self.extension("AUTH").unwrap_or_default().to_ascii_uppercase();
        let offers = |mechanism| offered.split_ascii_whitespace().any(|offer| offer == mechanism);
        let reply = if offers("PLAIN") {
            let secret = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
            self.command(&format!("AUTH PLAIN {secret}")).await?
        } else if offers("LOGIN") {
            let mut reply = self.command("AUTH LOGIN").await?;
            for secret in [user, password] {
                if reply.code == 334 {
                    reply = self.command(&BASE64_STANDARD.encode(secret)).await?;
                }
            }
            reply
        } else {
            return Err(Fault::stop(format!(
                "mail server `{}` lets nobody sign in by PLAIN or LOGIN",
                self.shown
            ))
            .hint("some servers do so only once the connection is encrypted; a relay that wants no user gets none"));
        };
        match reply.code {
            235 => Ok(()),
            _ if reply.is_transient() => Err(Fault::reopen(format!(
                "mail server `{}` cannot check the password now: {reply}",
                self.shown
            ))),
            _ => Err(Fault::stop(format!(
                "mail server `{}` refuses user or password with {reply}",
                self.shown
            ))
            .hint("mend them, then start again")),
        }
    }

    async fn encrypt(self, tls: &Tls) -> Result<Self, Fault> {
        let Self { wire, shown, .. } = self;
        let handshake = timeout(self.timeout, tls.encrypt(wire.into_inner())).await;
        let stream = handshake
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| {
                if tls::is_refusal(&error) {
                    Fault::stop(format!("there is no TLS with mail server `{shown}`: {error}")).hint(
                        "`tls_ca` names the root of a certificate of your own; `url` the name it is for",
                    )
                } else {
                    Fault::reopen(format!("mail server `{shown}` was lost in the TLS handshake"))
                        .because(error)
                }
            })?;
        Ok(Self {
            wire: BufReader::new(Box::new(stream)),
            shown,
            ..self
        })
    }

    /// What stands behind the word of an extension, if the server has it.
    fn extension(&self, word: &str) -> Option<&str> {
        self.extensions.iter().find_map(|line| {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            name.eq_ignore_ascii_case(word).then_some(rest)
        })
    }

    async fn command(&mut self, command: &str) -> Result<Reply, Fault> {
        let reply = match self.say(format!("{command}\r\n").as_bytes()).await {
            Ok(()) => self.answer(1).await,
            Err(error) => Err(error),
        };
        reply.map_err(|error| self.lost(error))
    }

    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Each piece has the time limit, not a large mail as a whole.
        for piece in bytes.chunks(64 << 10) {
            let written = async {
                self.wire.get_mut().write_all(piece).await?;
                self.wire.get_mut().flush().await
            };
            timeout(self.timeout, written)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        }
        Ok(())
    }

    async fn answer(&mut self, times: u32) -> io::Result<Reply> {
        timeout(self.timeout * times, Reply::read(&mut self.wire))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Faults unless the answer is positive: `Reopen` where it may be another time.
    fn expect(&self, reply: &Reply, verb: &str) -> Result<(), Fault> {
        let what = format!("mail server `{}` {verb} {reply}", self.shown);
        match reply.is_positive() {
            true => Ok(()),
            false if reply.is_transient() => Err(Fault::reopen(what)),
            false => Err(Fault::stop(what).hint("does it take mail from this host?")),
        }
    }

    fn lost(&mut self, error: io::Error) -> Fault {
        self.is_spent = true;
        let shown = &self.shown;
        let what = match error.kind() {
            io::ErrorKind::TimedOut => format!("mail server `{shown}` does not answer"),
            io::ErrorKind::InvalidData => format!("mail server `{shown}` does not speak SMTP"),
            _ => format!("the connection to mail server `{shown}` was lost"),
        };
        Fault::reopen(what).because(error)
    }
}

/// 4xx may pass; anything else holds for this mail.
fn refusal(reply: &Reply, what: String) -> Fault {
    if reply.is_transient() {
        Fault::retry(what)
    } else {
        Fault::dead_letter(what)
    }
}

/// The mail without its last line: a dot that begins a line is doubled, and the last line is ended.
fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(bytes.len() + 64);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_mail_ends_it() {
        assert_eq!(stuffed(b".\r\n..a\r\nb."), b"..\r\n...a\r\nb.\r\n");
        assert_eq!(stuffed(b"a\r\n"), b"a\r\n");
    }
}
