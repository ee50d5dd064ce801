//! Where a request goes: to which host, and what of it is asked for there.
//!
//! Promises: no user and password in a URL, for they would be shown; what a peer names is read against the URL that
//! was asked, so that it can be seen whether it stays on the same host.

use std::fmt;

use hyper::Uri;

/// A scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    /// Lower-case; an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// An absolute URL, without its fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) origin: Origin,
    /// Path and query: begins with `/`.
    pub(crate) target: String,
}

impl Url {
    /// Reads an absolute URL. Errors say what is wrong without quoting it.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        let text = text.split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|_| "is no URL")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err("is neither `http://` nor `https://`"),
            None => return Err("does not begin with `https://` or `http://`"),
        };
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("holds a user or a password");
        }
        let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return Err("names no host");
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() != authority.host() => return Err("has no port behind its colon"),
            None if is_tls => 443,
            None => 80,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            origin: Origin { is_tls, host, port },
            target: if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/{target}")
            },
        })
    }

    /// What a peer means that answers this URL with a reference (RFC 3986 section 5): `Location`, a `next` link.
    pub(crate) fn join(&self, reference: &str) -> Option<Self> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        let has_scheme = reference.split_once(':').is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let text = if has_scheme {
            reference.to_owned()
        } else if reference.starts_with("//") {
            format!("{}:{reference}", self.origin.scheme())
        } else {
            let path = self.target.split('?').next().unwrap_or_default();
            let target = match reference.as_bytes().first() {
                None => self.target.clone(),
                Some(b'/') => reference.to_owned(),
                Some(b'?') => format!("{path}{reference}"),
                Some(_) => format!("{}{reference}", &path[..=path.rfind('/')?]),
            };
            format!("{}{target}", self.origin)
        };
        Self::read(&text).ok()
    }
}

impl Origin {
    fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// As the `Host` header has it.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

/// Appends a text as part of a path or query: all but what RFC 3986 leaves unreserved is percent-encoded.
pub(crate) fn encode(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Appends a parameter to a path and query.
pub(crate) fn push_parameter(target: &mut String, name: &str, value: &str) {
    target.push(if target.contains('?') { '&' } else { '?' });
    encode(name, target);
    target.push('=');
    encode(value, target);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_with_its_defaults_and_without_a_user() {
        for (text, origin, target) in [
            ("https://api.Example", "https://api.example", "/"),
            ("http://a:8080/v1?x=1#top", "http://a:8080", "/v1?x=1"),
            ("https://[::1]:443/", "https://[::1]", "/"),
            ("http://a?x=1", "http://a", "/?x=1"),
        ] {
            let url = Url::read(text).unwrap_or_else(|what| panic!("{text}: {what}"));
            assert_eq!(
                (url.origin.to_string().as_str(), url.target.as_str()),
                (origin, target)
            );
        }
        for text in [
            "",
            "a",
            "/a",
            "a.example:80",
            "ftp://a/",
            "https://u:p@a/",
            "https:///x",
            "http://a b/",
            "http://a:99999/",
        ] {
            assert!(Url::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reference_is_read_against_the_url_that_was_asked() {
        let url = Url::read("https://a.example/v1/orders?page=1").expect("a URL");
        for (reference, joined) in [
            ("https://b.example/x", "https://b.example/x"),
            ("//b.example/x", "https://b.example/x"),
            ("/v2?page=2", "https://a.example/v2?page=2"),
            ("?page=2", "https://a.example/v1/orders?page=2"),
            ("orders2", "https://a.example/v1/orders2"),
            ("", "https://a.example/v1/orders?page=1"),
        ] {
            let joined_to = url.join(reference).unwrap_or_else(|| panic!("{reference}"));
            assert_eq!(format!("{}{}", joined_to.origin, joined_to.target), joined);
        }
        for reference in ["ftp://a/", "https://u:p@a.example/", "javascript:1", "/a b"] {
            assert!(url.join(reference).is_none(), "{reference}");
        }
    }

    #[test]
    fn what_is_encoded_can_end_nothing() {
        let mut out = String::new();
        encode("a/b?c#d&e=f%2F é~", &mut out);
        assert_eq!(out, "a%2Fb%3Fc%23d%26e%3Df%252F%20%C3%A9~");
    }
}
