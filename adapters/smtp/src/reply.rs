//! What an SMTP server answers.
//!
//! Promises: at most [`MOST`] bytes of an answer are read, however long it is. Not promised: that the text of an answer is
//! told to anybody: it may quote the mail's addresses, so a fault tells codes only.

use std::{fmt, io};

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest answer, in bytes, all its lines together.
const MOST: usize = 64 << 10;

/// An answer: its codes, and its lines without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Of RFC 3463: `5.1.1`.
    enhanced: Option<String>,
    pub(crate) lines: Vec<String>,
}

impl Reply {
    /// Reads one. Errors: the connection is gone; `InvalidData`, where it is no answer of SMTP.
    pub(crate) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let mut lines = Vec::new();
        let mut left = MOST;
        loop {
            let line = read_line(from, &mut left).await?;
            let (code, rest) = line.split_at_checked(3).ok_or_else(garbage)?;
            let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = code.parse().map_err(|_| garbage())?;
            if !is_code || !(200..600).contains(&number) {
                return Err(garbage());
            }
            let text = rest.get(1..).unwrap_or_default();
            lines.push(text.to_owned());
            match rest.bytes().next() {
                Some(b'-') => {}
                Some(b' ') | None => {
                    let enhanced = text.split(' ').next().filter(|word| is_enhanced(word));
                    return Ok(Self {
                        code: number,
                        enhanced: enhanced.map(str::to_owned),
                        lines,
                    });
                }
                Some(_) => return Err(garbage()),
            }
        }
    }

    /// 2xx, or 3xx: go on.
    pub(crate) fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 4xx: perhaps later.
    pub(crate) fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

/// `550 5.1.1`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match &self.enhanced {
            Some(enhanced) => write!(f, " {enhanced}"),
            None => Ok(()),
        }
    }
}

async fn read_line(from: &mut (impl AsyncBufRead + Unpin), left: &mut usize) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |end| end + 1);
        *left = left.checked_sub(taken).ok_or_else(garbage)?;
        line.extend_from_slice(&bytes[..taken]);
        from.consume(taken);
        if end.is_some() {
            let text = String::from_utf8_lossy(&line);
            return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
        }
    }
}

fn is_enhanced(word: &str) -> bool {
    let numbers: Vec<_> = word.split('.').collect();
    numbers.len() == 3
        && numbers
            .iter()
            .all(|number| (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is no answer of SMTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> io::Result<Reply> {
        Reply::read(&mut text.as_bytes()).await
    }

    #[tokio::test]
    async fn an_answer_is_its_codes_and_its_lines() {
        let reply = read("250-mail.example\r\n250-SIZE 1000\r\n250 OK\r\n354")
            .await
            .expect("three lines");
        assert_eq!((reply.code, reply.lines.len()), (250, 3));
        assert_eq!(reply.lines[1], "SIZE 1000");
        let refused = read("550 5.1.1 <a@b> is unknown\n").await.expect("one line");
        assert_eq!(refused.to_string(), "550 5.1.1");
        assert_eq!(read("354\r\n").await.expect("a bare code").to_string(), "354");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error_and_an_endless_one_is_left() {
        for text in [
            "",
            "250",
            "HTTP/1.1 400\r\n",
            "25\r\n",
            "250+x\r\n",
            "999 x\r\n",
            "+25 x\r\n",
            "é50 x\r\n",
        ] {
            assert!(read(text).await.is_err(), "{text}");
        }
        assert!(read(&"250-x\r\n".repeat(20_000)).await.is_err());
        assert!(read(&"2".repeat(100_000)).await.is_err());
    }
}
