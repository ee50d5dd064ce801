//! An envelope as AMQP frames, and back.
//!
//! Properties and headers go in one frame, [`super::link::OUR_FRAME`], of which the limits of a message fill two thirds:
//! the broker closes the connection over a larger one.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use trunkline_sdk::Fault;

use super::topology::route;
use crate::{
    bus::{
        Outgoing,
        envelope::Envelope,
        limits::{MAX_ATTRIBUTES, MAX_FAULT, is_fault},
    },
    message::Content,
};

/// A message ready to be published.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// Packs a message. Faults: [`trunkline_sdk::Remedy::DeadLetter`], when the broker could not take it.
pub(super) fn pack(outgoing: &Outgoing) -> Result<Parcel, Fault> {
    let message = &outgoing.message;
    let type_name = match &message.content {
        Content::Canonical { type_name, .. } => Some(type_name),
        Content::Native(_) => None,
    };
    let (exchange, routing_key) = route(&outgoing.to, type_name, message.key.as_deref());
    let envelope = Envelope::of(outgoing)?;
    let mut headers = FieldTable::default();
    for (name, value) in envelope.headers {
        headers.insert(
            short("a header's name", name)?,
            AMQPValue::LongString(value.into()),
        );
    }
    let mut properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_headers(headers);
    for (name, value, with) in [
        (
            "content_type",
            envelope.content_type,
            BasicProperties::with_content_type as With,
        ),
        ("type", envelope.type_name, BasicProperties::with_type),
        (
            "message_id",
            envelope.message_id,
            BasicProperties::with_message_id,
        ),
        (
            "correlation_id",
            envelope.correlation_id,
            BasicProperties::with_correlation_id,
        ),
        ("app_id", envelope.app_id, BasicProperties::with_app_id),
        ("reply_to", envelope.reply_to, BasicProperties::with_reply_to),
    ] {
        if let Some(value) = value {
            properties = with(properties, short(name, value)?);
        }
    }
    if let Some(seconds) = envelope.timestamp {
        properties = properties.with_timestamp(seconds);
    }
    Ok(Parcel {
        exchange: short("the channel's name", exchange)?,
        routing_key: short("the message type's name", routing_key)?,
        properties,
        body: envelope.body,
    })
}

type With = fn(BasicProperties, ShortString) -> BasicProperties;

fn short(what: &str, text: String) -> Result<ShortString, Fault> {
    ShortString::try_new(text).map_err(|_| {
        Fault::dead_letter(format!(
            "{what} is longer than 255 bytes, which AMQP cannot carry"
        ))
    })
}

/// Takes the envelope out of a delivery. Only texts are taken over of its headers, and not more of them than
/// fits beside our own; the fault says so if there was more.
pub(super) fn unpack(properties: &BasicProperties, body: Vec<u8>) -> (Envelope, Option<Fault>) {
    let text = |property: &Option<ShortString>| property.as_ref().map(ShortString::to_string);
    let (mut size, mut of_fault) = (0, 0);
    let mut headers = Vec::new();
    for (name, value) in properties.headers().iter().flatten() {
        let value = match value {
            AMQPValue::LongString(value) => long(value),
            AMQPValue::ShortString(value) => Some(value.as_str()),
            _ => None,
        };
        if let Some(value) = value {
            let sum = if is_fault(name.as_str()) {
                &mut of_fault
            } else {
                &mut size
            };
            *sum += name.as_str().len() + value.len();
            if size > MAX_ATTRIBUTES || of_fault > MAX_FAULT {
                break;
            }
            headers.push((name.to_string(), value.to_owned()));
        }
    }
    let envelope = Envelope {
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        type_name: text(properties.kind()),
        message_id: text(properties.message_id()),
        correlation_id: text(properties.correlation_id()),
        timestamp: *properties.timestamp(),
        app_id: text(properties.app_id()),
        reply_to: text(properties.reply_to()),
        headers,
        body: body.into(),
    };
    let fault = (size > MAX_ATTRIBUTES || of_fault > MAX_FAULT).then(|| {
        Fault::dead_letter("the message's headers are larger than 32 KiB; not all of them were kept")
            .hint("have its publisher put into the body what is long")
    });
    (envelope, fault)
}

/// The envelope of a delivery whose properties are needed no more.
pub(super) fn open(delivery: &mut Delivery) -> (Envelope, Option<Fault>) {
    let body = std::mem::take(&mut delivery.data);
    unpack(&delivery.properties, body)
}

fn long(value: &LongString) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}
