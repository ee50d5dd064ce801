//! Reading a queue to its end, in its order.
//!
//! By consumers, not by single gets: the broker refuses those where it gives a queue to one consumer at a time, and
//! only consumers are seen by others who look whether the queue is read.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::SelectAll};
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::time::timeout;
use trunkline_sdk::Fault;

use super::{
    faults,
    link::Link,
    look::{PATIENCE, standing},
};

/// A queue that gives nothing for so long is asked whether it is empty.
const QUIET: Duration = Duration::from_millis(100);
/// By then what is put back is there, unless others took it.
const BACK: Duration = Duration::from_secs(1);
/// What one consumer may hold at most.
const MOST: usize = u16::MAX as usize;

/// A queue that is being read.
pub(super) struct Reading<'c> {
    channel: &'c Channel,
    link: &'c Link,
    queue: String,
    deliveries: SelectAll<lapin::Consumer>,
    /// How many were given out.
    taken: u32,
}

impl<'c> Reading<'c> {
    /// Begins to read. At least `hold` messages may be held unsettled; more are given out only when some are settled.
    /// What is not settled goes back when the channel is closed.
    pub(super) async fn begin(
        channel: &'c Channel,
        queue: &str,
        hold: usize,
        link: &'c Link,
    ) -> Result<Self, Fault> {
        let doing = format!("reading queue `{queue}`");
        let opening = async {
            let mut deliveries = SelectAll::new();
            let prefetch = u16::try_from(hold).unwrap_or(u16::MAX).max(1);
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            for _ in 0..hold.div_ceil(MOST).max(1) {
                let consuming = channel.basic_consume(
                    queue.into(),
                    "".into(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                );
                deliveries.push(Box::pin(consuming).await?);
            }
            Ok(deliveries)
        };
        let deliveries = timeout(PATIENCE, opening)
            .await
            .map_err(|_| faults::silent(&doing))?
            .map_err(|error| faults::refused(error, &doing, link.address()))?;
        Ok(Self {
            channel,
            link,
            queue: queue.to_owned(),
            deliveries,
            taken: 0,
        })
    }

    /// The next message. `None`: there is none, or none that would be given to us.
    pub(super) async fn next(&mut self) -> Result<Option<Delivery>, Fault> {
        let since = Instant::now();
        loop {
            match timeout(QUIET, self.deliveries.next()).await {
                Ok(Some(Ok(delivery))) => {
                    self.taken += 1;
                    return Ok(Some(delivery));
                }
                Ok(Some(Err(error))) => {
                    let doing = format!("reading queue `{}`", self.queue);
                    return Err(faults::refused(error, &doing, self.link.address()));
                }
                Ok(None) => {
                    return Err(Fault::reopen(format!(
                        "the broker ended the reading of queue `{}`",
                        self.queue
                    )));
                }
                Err(_) => {
                    let ready = standing(self.channel, &self.queue, self.link).await?.ready;
                    if ready == 0 || since.elapsed() > PATIENCE {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Takes nothing more; the broker counts us among the readers no more when this returns.
    ///
    /// Before its channel is closed: lapin cancels a consumer that is dropped, at some time after, and on a channel that
    /// is closed by then it costs the connection.
    pub(super) async fn end(&self) -> Result<(), Fault> {
        let cancelling = async {
            for consumer in self.deliveries.iter() {
                let options = BasicCancelOptions::default();
                self.channel.basic_cancel(consumer.tag(), options).await?;
            }
            Ok(())
        };
        self.done("ending the reading", cancelling).await
    }

    /// Ends it when nothing was settled: all goes back, and is there for the next who looks when this returns. At the end
    /// of a channel it would go back as well, but at some time after.
    pub(super) async fn put_back(self) -> Result<(), Fault> {
        const ALL: u64 = 0;
        self.end().await?;
        let options = BasicNackOptions {
            requeue: true,
            multiple: true,
        };
        let putting_back = self.channel.basic_nack(ALL, options);
        self.done("putting back what was read", putting_back).await?;
        let since = Instant::now();
        while standing(self.channel, &self.queue, self.link).await?.ready < self.taken {
            // Others may have taken some meanwhile.
            if since.elapsed() > BACK {
                break;
            }
        }
        Ok(())
    }

    async fn done(&self, what: &str, doing: impl Future<Output = lapin::Result<()>>) -> Result<(), Fault> {
        let told = format!("{what} of queue `{}`", self.queue);
        timeout(PATIENCE, doing)
            .await
            .map_err(|_| faults::silent(&told))?
            .map_err(|error| faults::refused(error, &told, self.link.address()))
    }

    /// How many consumers read.
    pub(super) fn consumers(&self) -> u32 {
        u32::try_from(self.deliveries.len()).unwrap_or(u32::MAX)
    }
}
