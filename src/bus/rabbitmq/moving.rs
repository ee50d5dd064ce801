//! Moves messages from queue to queue, and makes a queue anew around them: what `trunkline topology apply` does
//! only when it is asked to.
//!
//! Promises: a message is acked in the old queue when the new one has confirmed it, never before; its body, its
//! properties and its headers stay, so that id, attempts and causes do. Whatever breaks, the same call once more
//! goes on where it stopped; a message may be in both queues then, under one id. A queue is removed only when
//! nothing can reach it any more, nobody reads it, and the broker has counted nothing in it, not even held ones.

use std::{collections::BTreeSet, time::Duration};

use lapin::{
    BasicProperties, Channel, Confirmation,
    message::Delivery,
    options::{
        BasicAckOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{FieldTable, ShortString},
};
use tokio::time::{Instant, sleep, timeout};
use trunkline_sdk::Fault;

use super::{
    compare::differences,
    declare,
    faults::{self, NOT_FOUND},
    inspector::Inspector,
    inventory::{FoundBinding, FoundQueue},
    link::{ANY_FRAME, Link},
    look,
    management::segment,
    orphan::{aside, set_aside_for},
    partition::mixed,
    reading::Reading,
    topology::{DEAD, REDELIVER, parked_arguments},
};
use crate::{
    bus::{DifferenceKind, Topology},
    names::ProcessName,
};

const PATIENCE: Duration = Duration::from_secs(15);
/// Confirmed together, then acked together.
const BATCH: usize = 200;
/// A reader that has ended is counted no longer than this.
const GOING: Duration = Duration::from_secs(2);
/// The broker counts a queue every 5 s: two counts of nothing, and whatever was on its way has come in.
const SETTLED: Duration = Duration::from_secs(11);
/// How long the counts may take to say so.
const LONGEST: Duration = Duration::from_secs(60);

/// Changes queues, telling each step before it takes it.
pub struct Mover<'i> {
    inspector: &'i Inspector,
    link: Link,
    tell: fn(&str),
}

impl<'i> Mover<'i> {
    /// On the broker that is inspected; `tell` is given each step before it is taken.
    pub fn new(inspector: &'i Inspector, process: &ProcessName, tell: fn(&str)) -> Self {
        Self {
            inspector,
            link: Link::new(inspector.address.clone(), process, "topology", ANY_FRAME),
            tell,
        }
    }

    /// Takes an orphan off its channels, so that it fills no more. What it holds stays, and retries that are on
    /// their way still come back to it.
    ///
    /// Faults: `Stop` when a flow of the landscape reads the queue, or it is not there.
    pub async fn unbind(&self, queue: &str, topology: &Topology) -> Result<(), Fault> {
        self.orphan(queue, topology).await?;
        let inventory = self.inspector.inventory().await?;
        let channel = self.channel().await?;
        for binding in inventory.bindings_of(queue) {
            if ![DEAD, REDELIVER].contains(&binding.source.as_str()) {
                self.unbind_one(&channel, queue, binding).await?;
            }
        }
        Ok(())
    }

    /// Moves all messages of one queue to the end of another; how many. Both stay.
    ///
    /// Faults: `Stop` when one is not there, or somebody reads the first one; `Reopen` when the connection is
    /// lost or the second one is full. Then some may have been moved.
    pub async fn drain(&self, from: &str, to: &str) -> Result<u64, Fault> {
        if from == to {
            return Err(Fault::stop("a queue cannot be drained into itself"));
        }
        for queue in [from, to] {
            self.existing(queue).await?;
        }
        let channel = self.channel().await?;
        self.nobody_reads(&channel, from).await?;
        (self.tell)(&format!("moving what queue `{from}` holds to queue `{to}`"));
        self.pour(from, to).await
    }

    /// Makes a queue of the landscape anew, with the arguments that it should have. Meanwhile what comes for it
    /// goes to `<queue>.aside`, with what it held; all of it comes back. How many were moved back.
    ///
    /// Faults: `Stop` when the queue is no queue of the landscape, or somebody reads it.
    pub async fn recreate(&self, queue: &str, topology: &Topology) -> Result<u64, Fault> {
        let aside = aside(queue);
        let inventory = self.inspector.inventory().await?;
        let found = differences(topology, &inventory);
        let of_queue = |kind| {
            let mut all = found.iter();
            all.any(|difference| {
                difference.kind == kind && difference.thing == "queue" && difference.name == queue
            })
        };
        let (otherwise, missing) = (
            of_queue(DifferenceKind::Otherwise),
            of_queue(DifferenceKind::Missing),
        );
        let interrupted = inventory.queues.contains_key(&aside);
        if !otherwise && !interrupted {
            return Err(Fault::stop(format!("queue `{queue}` need not be made anew"))
                .hint("`trunkline topology plan` shows what differs"));
        }
        if let Some(mend) = inventory
            .queues
            .get(queue)
            .and_then(|is| mixed(queue, is, topology))
        {
            return Err(Fault::stop(format!(
                "queue `{queue}` is a partition of another number of them: made anew alone it would mix the order of its keys"
            ))
            .hint(mend));
        }
        let channel = self.channel().await?;
        if !missing {
            self.nobody_reads(&channel, queue).await?;
        }
        if otherwise {
            (self.tell)(&format!("making queue `{aside}`, bound as queue `{queue}` is"));
            self.make_aside(&channel, &aside).await?;
            let bindings: Vec<_> = inventory.bindings_of(queue).cloned().collect();
            for binding in &bindings {
                self.bind_one(&channel, &aside, binding).await?;
            }
            for binding in &bindings {
                self.unbind_one(&channel, queue, binding).await?;
            }
            self.empty_into(queue, &aside).await?;
            (self.tell)(&format!("removing queue `{queue}`, which is empty"));
            self.remove(&channel, queue).await?;
        }
        (self.tell)(&format!("making queue `{queue}` as the landscape needs it"));
        declare::assert(&self.link, topology).await.or_else(|fault| {
            // Another queue that is otherwise is no reason to leave this one half done.
            if fault.what.contains(&format!("`{queue}`")) {
                Err(fault)
            } else {
                Ok(())
            }
        })?;
        let inventory = self.inspector.inventory().await?;
        for binding in inventory.bindings_of(&aside) {
            self.unbind_one(&channel, &aside, binding).await?;
        }
        let moved = self.empty_into(&aside, queue).await?;
        (self.tell)(&format!("removing queue `{aside}`, which is empty"));
        self.remove(&channel, &aside).await?;
        Ok(moved)
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.link.close().await;
    }

    async fn orphan(&self, queue: &str, topology: &Topology) -> Result<(), Fault> {
        self.existing(queue).await?;
        let inventory = self.inspector.inventory().await?;
        let orphans: BTreeSet<_> = differences(topology, &inventory)
            .into_iter()
            .filter(|difference| difference.kind == DifferenceKind::Orphan && difference.thing == "queue")
            .map(|difference| difference.name)
            .collect();
        if orphans.contains(queue) && set_aside_for(queue).is_none() {
            return Ok(());
        }
        let hint = if orphans.is_empty() {
            "there are no orphans".to_owned()
        } else {
            format!(
                "orphans: `{}`",
                orphans.into_iter().collect::<Vec<_>>().join("`, `")
            )
        };
        Err(Fault::stop(format!("queue `{queue}` is no orphan of this landscape")).hint(hint))
    }

    async fn existing(&self, queue: &str) -> Result<FoundQueue, Fault> {
        let path = format!(
            "queues/{}/{}",
            segment(self.inspector.address.vhost()),
            segment(queue)
        );
        let found: Option<FoundQueue> = self.inspector.management.find(&path).await?;
        found.ok_or_else(|| Fault::stop(format!("there is no queue `{queue}`")))
    }

    /// Who was ended a moment ago is counted for a moment more.
    async fn nobody_reads(&self, channel: &Channel, queue: &str) -> Result<(), Fault> {
        let since = Instant::now();
        loop {
            match look::standing(channel, queue, &self.link).await?.consumers {
                0 => return Ok(()),
                _ if since.elapsed() < GOING => sleep(Duration::from_millis(50)).await,
                count => {
                    return Err(
                        Fault::stop(format!("queue `{queue}` is read by {count} consumers"))
                            .hint("stop the processes that read it first"),
                    );
                }
            }
        }
    }

    /// As a parked queue: it throws nothing away, whatever happens to what is in it.
    async fn make_aside(&self, channel: &Channel, aside: &str) -> Result<(), Fault> {
        let making = channel.queue_declare(aside.into(), QueueDeclareOptions::durable(), parked_arguments());
        self.done(&format!("making queue `{aside}`"), making)
            .await
            .map(drop)
    }

    async fn bind_one(&self, channel: &Channel, queue: &str, binding: &FoundBinding) -> Result<(), Fault> {
        let FoundBinding {
            source, routing_key, ..
        } = binding;
        let binding = channel.queue_bind(
            queue.into(),
            source.as_str().into(),
            routing_key.as_str().into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        self.done(&format!("binding queue `{queue}` to `{source}`"), binding)
            .await
    }

    async fn unbind_one(&self, channel: &Channel, queue: &str, binding: &FoundBinding) -> Result<(), Fault> {
        let FoundBinding {
            source, routing_key, ..
        } = binding;
        (self.tell)(&format!(
            "unbinding queue `{queue}` from `{source}` (key `{routing_key}`)"
        ));
        let unbinding = channel.queue_unbind(
            queue.into(),
            source.as_str().into(),
            routing_key.as_str().into(),
            FieldTable::default(),
        );
        self.done(&format!("unbinding queue `{queue}` from `{source}`"), unbinding)
            .await
    }

    /// Moves all that is in an unbound queue, until the broker has counted nothing in it for long enough.
    async fn empty_into(&self, from: &str, to: &str) -> Result<u64, Fault> {
        (self.tell)(&format!(
            "moving what queue `{from}` holds to queue `{to}`, and waiting until nothing more comes"
        ));
        let mut moved_last = Instant::now();
        let mut quiet_since = Instant::now();
        let mut moved = 0;
        loop {
            let poured = self.pour(from, to).await?;
            moved += poured;
            let held = self.existing(from).await?.messages.unwrap_or(1);
            if poured > 0 {
                moved_last = Instant::now();
            }
            if poured > 0 || held > 0 {
                quiet_since = Instant::now();
            }
            if quiet_since.elapsed() >= SETTLED {
                return Ok(moved);
            }
            if moved_last.elapsed() > LONGEST {
                return Err(Fault::stop(format!(
                    "queue `{from}` does not run empty: the broker counts {held} messages"
                ))
                .hint(
                    "somebody holds them, or publishes to it directly; stop that, and do the same once more",
                ));
            }
            // The broker has no other way to tell what others hold than to be asked again.
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Moves messages until there is none; how many.
    async fn pour(&self, from: &str, to: &str) -> Result<u64, Fault> {
        let channel = self.channel().await?;
        let confirms = ConfirmSelectOptions::default();
        self.done("asking for confirms", channel.confirm_select(confirms))
            .await?;
        let mut moved = 0;
        let mut reading = Reading::begin(&channel, from, BATCH, &self.link).await?;
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH
                && let Some(delivery) = reading.next().await?
            {
                batch.push(delivery);
            }
            if batch.is_empty() {
                // Nothing is held any more, so nothing goes back.
                reading.end().await?;
                let _ = timeout(PATIENCE, channel.close(200, "moved".into())).await;
                return Ok(moved);
            }
            self.hand_over(&channel, &batch, to).await?;
            for delivery in &batch {
                let acking = channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
                self.done(&format!("settling in queue `{from}`"), acking).await?;
            }
            moved += batch.len() as u64;
        }
    }

    /// Publishes a batch and waits for all its confirms. One that was refused or returned fails the batch: which
    /// message a return belongs to is not always told right when many are under way.
    async fn hand_over(&self, channel: &Channel, batch: &[Delivery], to: &str) -> Result<(), Fault> {
        let doing = format!("publishing to queue `{to}`");
        let mandatory = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let mut confirms = Vec::with_capacity(batch.len());
        for delivery in batch {
            // By the default exchange: it reaches every queue by its name.
            let publishing = channel.basic_publish(
                ShortString::from(""),
                to.into(),
                mandatory,
                &delivery.data,
                as_it_is(&delivery.properties),
            );
            confirms.push(self.done(&doing, publishing).await?);
        }
        for confirm in confirms {
            match self.done(&doing, confirm).await? {
                Confirmation::Ack(None) => {}
                Confirmation::Ack(Some(_)) | Confirmation::NotRequested => {
                    return Err(Fault::stop(format!("{doing}: the broker does not find it")));
                }
                Confirmation::Nack(_) => {
                    return Err(Fault::reopen(format!("{doing}: it is full"))
                        .hint("let it run emptier, and do the same once more; nothing was lost"));
                }
            }
        }
        Ok(())
    }

    /// Quorum queues know no `if-empty`; that it is was made sure of by whoever calls this.
    async fn remove(&self, channel: &Channel, queue: &str) -> Result<(), Fault> {
        self.nobody_reads(channel, queue).await?;
        let removing = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        self.done(&format!("removing queue `{queue}`"), removing)
            .await
            .map(drop)
    }

    async fn channel(&self) -> Result<Channel, Fault> {
        self.link.channel().await
    }

    async fn done<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, lapin::Error>>,
    ) -> Result<T, Fault> {
        timeout(PATIENCE, Box::pin(work))
            .await
            .map_err(|_| faults::silent(doing))?
            .map_err(|error| match faults::refusal(&error) {
                Some((NOT_FOUND, text)) => Fault::stop(format!("{doing}: {text}")),
                _ => faults::refused(error, doing, self.link.address()),
            })
    }
}

/// The properties of a message that is only moved. Left out is what the broker itself adds or obeys: copies to
/// others, its own count of deliveries, and the user who published it, whom it would compare with us.
fn as_it_is(properties: &BasicProperties) -> BasicProperties {
    let mut moved = BasicProperties::default().with_delivery_mode(2);
    if let Some(headers) = properties.headers() {
        let mut kept = FieldTable::default();
        for (name, value) in headers {
            if !["CC", "BCC", "x-delivery-count"].contains(&name.as_str()) {
                kept.insert(name.clone(), value.clone());
            }
        }
        moved = moved.with_headers(kept);
    }
    type With = fn(BasicProperties, ShortString) -> BasicProperties;
    for (value, with) in [
        (
            properties.content_type(),
            BasicProperties::with_content_type as With,
        ),
        (
            properties.content_encoding(),
            BasicProperties::with_content_encoding,
        ),
        (properties.correlation_id(), BasicProperties::with_correlation_id),
        (properties.reply_to(), BasicProperties::with_reply_to),
        (properties.expiration(), BasicProperties::with_expiration),
        (properties.message_id(), BasicProperties::with_message_id),
        (properties.kind(), BasicProperties::with_type),
        (properties.app_id(), BasicProperties::with_app_id),
    ] {
        if let Some(value) = value {
            moved = with(moved, value.clone());
        }
    }
    if let Some(timestamp) = properties.timestamp() {
        moved = moved.with_timestamp(*timestamp);
    }
    if let Some(priority) = properties.priority() {
        moved = moved.with_priority(*priority);
    }
    moved
}
