//! The mail that a record becomes.
//!
//! Promises: one Message-ID per flow and message, however often it is sent; a value neither adds a header nor a
//! recipient; what is not ASCII is encoded. Not promised: mailboxes whose address is not ASCII (SMTPUTF8): such a mail is
//! refused.

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use trunkline_sdk::{Fault, Value};

use crate::template::{Escape, Flaw, Slot, Template};

/// What all mails of a flow have in common.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: Mailbox,
    pub(crate) to: Vec<Addressee>,
    pub(crate) cc: Vec<Addressee>,
    pub(crate) reply_to: Option<Addressee>,
    pub(crate) subject: Template,
    pub(crate) text: Option<Template>,
    pub(crate) html: Option<Template>,
    /// In bytes.
    pub(crate) max_size: usize,
}

/// `{{buyer.name}} <{{buyer.email}}>`: name and address are filled apart, so that neither becomes the other.
#[derive(Debug)]
pub(crate) struct Addressee {
    name: Option<Template>,
    address: Template,
}

/// A mail as the server gets it.
#[derive(Debug)]
pub(crate) struct Mail {
    /// The address of the sender.
    pub(crate) from: String,
    /// The addresses of all who get it.
    pub(crate) to: Vec<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Letter {
    /// Writes the mail for a record. Faults: `DeadLetter`, without a value of the record.
    pub(crate) fn write(&self, record: &Value<'_>, flow: &str, message_id: &str) -> Result<Mail, Fault> {
        let refuse = |option: &str, what: String| Fault::dead_letter(format!("`{option}`: {what}"));
        let mut builder = Message::builder().from(self.from.clone());
        let mut to = Vec::new();
        for (option, addressees) in [("to", &self.to), ("cc", &self.cc)] {
            for addressee in addressees {
                let mailbox = addressee.fill(record).map_err(|what| refuse(option, what))?;
                let Some(mailbox) = mailbox else {
                    continue;
                };
                to.push(mailbox.email.to_string());
                builder = match option {
                    "to" => builder.to(mailbox),
                    _ => builder.cc(mailbox),
                };
            }
            if to.is_empty() {
                return Err(refuse("to", "the message holds no address".to_owned()));
            }
        }
        if let Some(reply_to) = &self.reply_to
            && let Some(mailbox) = reply_to.fill(record).map_err(|what| refuse("reply_to", what))?
        {
            builder = builder.reply_to(mailbox);
        }
        let fill = |option: &str, template: &Template, escape| {
            template
                .fill(record, escape, self.max_size)
                .map_err(|what| refuse(option, what))
        };
        let builder = builder
            .subject(fill("subject", &self.subject, Escape::Header)?)
            .message_id(Some(message_id_of(flow, message_id, self.from.email.domain())))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let text = self
            .text
            .as_ref()
            .map(|text| fill("text", text, Escape::Text))
            .transpose()?;
        let html = self
            .html
            .as_ref()
            .map(|html| fill("html", html, Escape::Html))
            .transpose()?;
        let message = match (text, html) {
            (Some(text), Some(html)) => builder.multipart(MultiPart::alternative_plain_html(text, html)),
            (None, Some(html)) => builder.singlepart(SinglePart::html(html)),
            (text, None) => builder.singlepart(SinglePart::plain(text.unwrap_or_default())),
        };
        let message = message
            .map_err(|error| Fault::dead_letter("no mail can be made of the message").because(error))?;
        let bytes = message.formatted();
        if bytes.len() > self.max_size {
            return Err(Fault::dead_letter("the mail is larger than `max_size`"));
        }
        Ok(Mail {
            from: self.from.email.to_string(),
            to,
            bytes,
        })
    }
}

impl Addressee {
    /// Reads an address, or a name with an address behind it in angle brackets; all flaws at once.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Flaw>> {
        let whole = || Flaw {
            part: 0..text.len(),
            what: "this is no mail address".to_owned(),
        };
        let bracketed = text
            .trim_end()
            .strip_suffix('>')
            .and_then(|text| text.rsplit_once('<'));
        let (name, address, offset) = match bracketed {
            Some((name, address)) => (Some(name), address, name.len() + 1),
            None => (None, text, 0),
        };
        let mut flaws = Vec::new();
        let mut read = |text: &str, offset| {
            Template::read(text, offset)
                .map_err(|found| flaws.extend(found))
                .unwrap_or_default()
        };
        let name = name.map(|name| {
            let start = name.find(|c: char| !c.is_whitespace() && c != '"').unwrap_or(0);
            read(
                name[start..].trim_end_matches(|c: char| c.is_whitespace() || c == '"'),
                start,
            )
        });
        let address = read(address, offset);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let addressee = Self { name, address };
        let constant = addressee.address.constant();
        let is_address = constant.is_none_or(|address| parse(address.trim()).is_some());
        let is_name = addressee.name.as_ref().and_then(Template::constant);
        if !is_address || is_name.is_some_and(|name| name.chars().any(char::is_control)) {
            return Err(vec![whole()]);
        }
        Ok(addressee)
    }

    /// The places for values.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.name.iter().chain([&self.address]).flat_map(Template::slots)
    }

    /// The mailbox, if no record fills it.
    pub(crate) fn constant(&self) -> Option<Mailbox> {
        let name = match &self.name {
            Some(name) => Some(name.constant()?.to_owned()),
            None => None,
        };
        Some(Mailbox::new(named(name), parse(self.address.constant()?.trim())?))
    }

    /// `None`: the record has no address.
    fn fill(&self, record: &Value<'_>) -> Result<Option<Mailbox>, String> {
        let most = 1024;
        let address = self.address.fill(record, Escape::Header, most)?;
        let address = address.trim();
        if address.is_empty() {
            return Ok(None);
        }
        let address = parse(address).ok_or_else(|| "the message holds no mail address there".to_owned())?;
        let name = match &self.name {
            Some(name) => Some(name.fill(record, Escape::Header, most)?),
            None => None,
        };
        Ok(Some(Mailbox::new(named(name), address)))
    }
}

fn named(name: Option<String>) -> Option<String> {
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

/// An address that every server takes: ASCII, and nothing in it that ends a command.
fn parse(text: &str) -> Option<Address> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'));
    text.parse().ok().filter(|_| is_plain && text.len() <= 320)
}

/// `<id.flow@domain>`: what one flow sends for one message, and no other. What cannot stand there is hashed.
fn message_id_of(flow: &str, message_id: &str, domain: &str) -> String {
    let is_plain = |word: &str| {
        !word.is_empty()
            && word.len() <= 100
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let word = |word: &str| match is_plain(word) {
        true => word.to_owned(),
        false => blake3::hash(word.as_bytes()).to_hex()[..32].to_owned(),
    };
    format!("<{}.{}@{domain}>", word(message_id), word(flow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addressee_is_an_address_or_a_name_with_one() {
        let told = |text: &str| {
            let mailbox = Addressee::read(text).ok()?.constant()?;
            Some((mailbox.name.unwrap_or_default(), mailbox.email.to_string()))
        };
        let pair = |name: &str, address: &str| Some((name.to_owned(), address.to_owned()));
        assert_eq!(told("a@b.example"), pair("", "a@b.example"));
        assert_eq!(told("Acme Shop <a@b.example>"), pair("Acme Shop", "a@b.example"));
        assert_eq!(
            told("\"Acme, Shop\" <a@b.example> "),
            pair("Acme, Shop", "a@b.example")
        );
        for wrong in [
            "",
            "a",
            "a@",
            "a@b.example, c@d.example",
            "a b@c.example",
            "é@b.example",
            "a@b.example\r\nx",
            "<a@b.example",
            "a\nb <a@b.example>",
        ] {
            assert!(Addressee::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_value_becomes_another_recipient_or_a_header() {
        let addressee = Addressee::read("{{name}} <{{mail}}>").expect("it is right");
        let fill = |name: &'static str, mail: &'static str| {
            addressee.fill(&Value::Object(vec![
                ("name".into(), Value::Text(name.into())),
                ("mail".into(), Value::Text(mail.into())),
            ]))
        };
        let mailbox = fill("x <evil@x.example>, y", "a@b.example").expect("a name may be anything");
        assert_eq!(
            mailbox.expect("it has an address").email.to_string(),
            "a@b.example"
        );
        for mail in [
            "a@b.example, c@d.example",
            "a@b.example> SIZE=1",
            "a@b.example\r\nDATA",
            "x <a@b.example>",
        ] {
            let refused = fill("x", mail).expect_err(mail);
            assert!(!refused.contains("example"), "{refused}");
        }
        assert!(fill("x\r\nBcc: c@d.example", "a@b.example").is_err());
        assert_eq!(fill("x", " "), Ok(None));
    }

    #[test]
    fn a_message_has_one_id_in_each_flow_whatever_its_own_is() {
        assert_eq!(
            message_id_of("mail", "01af-7", "acme.example"),
            "<01af-7.mail@acme.example>"
        );
        let hashed = message_id_of("mail", "a>\r\nb é", "acme.example");
        assert_eq!(hashed, message_id_of("mail", "a>\r\nb é", "acme.example"));
        assert!(hashed.len() == 1 + 32 + ".mail@acme.example>".len() && hashed.is_ascii());
    }
}
