//! The systems that flows use.
//!
//! Promises: a system is opened once, by the first flow that needs it, and its faults name it. One that a sink has
//! lost is opened anew beside the old one, once for all who have lost it; the old one goes on for the others, and is
//! closed when nobody uses it any more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use prost_reflect::DescriptorPool;
use trunkline_sdk::{Description, Fault, Opt, Outlet, Position, Settings, Source, System};

use super::task::Work;
use crate::{
    canonical::Tree,
    config::{Feed, FlowPlan, Plan, Target, read_in},
    endpoint::{Door, Opened, Outbound},
    names::{FlowName, SystemName},
};

/// The systems of a landscape, each opened by the first flow that needs it and shared by the others.
pub(super) struct Systems {
    plan: Plan,
    slots: BTreeMap<SystemName, Slot>,
}

/// One system, and those that were opened before it.
#[derive(Default)]
struct Slot {
    /// Held while it is opened.
    opening: tokio::sync::Mutex<()>,
    /// The last one is the current one; the others are kept for those who use them.
    opened: Mutex<Vec<Arc<dyn System>>>,
}

impl Slot {
    fn opened(&self) -> MutexGuard<'_, Vec<Arc<dyn System>>> {
        // Nothing panics while it is held.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Arc<dyn System>> {
        self.opened().last().cloned()
    }

    /// Closes the old ones that nobody uses.
    async fn tidy(&self) {
        let unused: Vec<_> = {
            let mut opened = self.opened();
            let old = opened.len().saturating_sub(1);
            opened
                .extract_if(..old, |system| Arc::strong_count(system) == 1)
                .collect()
        };
        for system in unused {
            system.close().await;
        }
    }
}

impl Systems {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            slots: plan
                .systems
                .keys()
                .map(|name| (name.clone(), Slot::default()))
                .collect(),
            plan: plan.clone(),
        }
    }

    /// Opens the end of a flow at its system. Its faults name the system.
    pub(super) async fn open(self: &Arc<Self>, flow: &FlowPlan) -> Result<Work, Fault> {
        match (&flow.feed, &flow.target) {
            (Feed::System { system, settings }, _) => {
                let opened = self.source(system, settings).await;
                opened.map_err(|fault| self.named(system, fault))
            }
            (
                Feed::Channel { .. },
                Target::System {
                    system,
                    settings,
                    arrives,
                    in_doubt,
                    then,
                },
            ) => {
                let door = SystemDoor {
                    systems: self.clone(),
                    system: system.clone(),
                    flow: flow.name.clone(),
                    settings: settings.clone(),
                };
                let arrives = arrives.as_ref().map(Tree::new);
                let outbound =
                    Outbound::open(system.clone(), Box::new(door), arrives, *in_doubt, then.clone());
                outbound
                    .await
                    .map(|outbound| Work::Follow(Some(Box::new(outbound))))
            }
            (Feed::Channel { .. }, _) => Ok(Work::Follow(None)),
        }
    }

    async fn source(&self, name: &SystemName, settings: &Settings) -> Result<Work, Fault> {
        let system = self.get(name, None).await?;
        let settings = self.with_secrets(name, |described| described.source, settings)?;
        let source = system.source(&settings).await?;
        Ok(Work::Read(Box::new(Held {
            source,
            _system: system,
        })))
    }

    /// The system, opened; anew, if the one that is open is the lost one.
    async fn get(&self, name: &SystemName, lost: Option<&Arc<dyn System>>) -> Result<Arc<dyn System>, Fault> {
        let (Some(plan), Some(slot)) = (self.plan.systems.get(name), self.slots.get(name)) else {
            return Err(Fault::stop("it is not in the landscape"));
        };
        let _opening = slot.opening.lock().await;
        let is_lost = |system: &Arc<dyn System>| lost.is_some_and(|lost| Arc::ptr_eq(lost, system));
        if let Some(current) = slot.current().filter(|current| !is_lost(current)) {
            return Ok(current);
        }
        let settings = self.with_secrets(name, |described| Some(described.system), &plan.settings)?;
        let opened: Arc<dyn System> = plan.adapter.open(&settings, &self.plan.home).await?.into();
        slot.opened().push(opened.clone());
        slot.tidy().await;
        Ok(opened)
    }

    /// These settings of a system, with the secrets that stand elsewhere.
    fn with_secrets(
        &self,
        name: &SystemName,
        options: fn(&Description) -> Option<&'static [Opt]>,
        settings: &Settings,
    ) -> Result<Settings, Fault> {
        let plan = self.plan.systems.get(name);
        let declared = plan.and_then(|plan| options(plan.adapter.describe()));
        read_in(declared.unwrap_or_default(), settings, &self.plan.home)
    }

    /// The fault of a system, with its name.
    fn named(&self, name: &SystemName, fault: Fault) -> Fault {
        let adapter = self
            .plan
            .systems
            .get(name)
            .map_or("", |plan| plan.adapter.describe().name);
        let what = fault
            .what
            .strip_prefix(adapter)
            .and_then(|what| what.strip_prefix(": "));
        Fault {
            what: format!("system `{name}` ({adapter}): {}", what.unwrap_or(&fault.what)),
            ..fault
        }
    }

    /// The message types of the landscape.
    pub(super) fn types(&self) -> &DescriptorPool {
        &self.plan.types
    }

    /// The system, if it is open.
    pub(super) fn opened(&self, name: &SystemName) -> Option<Arc<dyn System>> {
        self.slots.get(name)?.current()
    }

    pub(super) async fn close(&self) {
        for slot in self.slots.values() {
            let opened = std::mem::take(&mut *slot.opened());
            for system in opened {
                system.close().await;
            }
        }
    }
}

/// The way of one flow to its sink.
struct SystemDoor {
    systems: Arc<Systems>,
    system: SystemName,
    flow: FlowName,
    settings: Settings,
}

#[async_trait]
impl Door for SystemDoor {
    async fn open(&self, lost: Option<&Arc<dyn System>>) -> Result<Opened, Fault> {
        let (systems, name) = (&self.systems, &self.system);
        let opening = async {
            let system = systems.get(name, lost).await?;
            let settings = systems.with_secrets(name, |described| described.sink, &self.settings)?;
            let sink = system.sink(self.flow.as_str(), &settings).await?.into();
            Ok(Opened { system, sink })
        };
        opening.await.map_err(|fault| systems.named(name, fault))
    }
}

/// A source that keeps its system open.
struct Held {
    source: Box<dyn Source>,
    _system: Arc<dyn System>,
}

#[async_trait]
impl Source for Held {
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault> {
        self.source.run(outlet, resume).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::mpsc;
    use trunkline_sdk::{Adapter, Delivered, Effect, Outcome, Sink};

    use super::*;
    use crate::{
        bus::{Bus, Destination, Hop, Outgoing, embedded::EmbeddedBus},
        config::{Files, Landscape, Variables, check},
        message::{Content, Message},
        names::{ChannelName, MessageId, QueueName, TypeName},
        runtime::Runtime,
    };

    /// An adapter whose first system is lost to one of two flows. It says what is written by which flow through which
    /// system, and which is closed.
    #[derive(Clone)]
    struct Fickle {
        opened: Arc<AtomicUsize>,
        number: usize,
        flow: String,
        told: mpsc::UnboundedSender<String>,
    }

    #[async_trait]
    impl Adapter for Fickle {
        fn describe(&self) -> &'static Description {
            &Description {
                name: "fickle",
                summary: "for this test",
                system: &[],
                source: None,
                sink: Some(&[]),
                effect: Effect::Plain,
            }
        }

        async fn open(&self, _system: &Settings, _home: &Path) -> Result<Box<dyn System>, Fault> {
            let number = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
            Ok(Box::new(Self {
                number,
                ..self.clone()
            }))
        }
    }

    #[async_trait]
    impl System for Fickle {
        async fn source(&self, _endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
            Err(Fault::stop("there is no source"))
        }

        async fn sink(&self, flow: &str, _endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
            Ok(Box::new(Self {
                flow: flow.to_owned(),
                ..self.clone()
            }))
        }

        async fn test(&self) -> Result<String, Fault> {
            Ok(String::new())
        }

        async fn close(&self) {
            let _ = self.told.send(format!("closed {}", self.number));
        }
    }

    #[async_trait]
    impl Sink for Fickle {
        async fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
            let poison = batch.iter().any(|delivered| delivered.record.id == "poison");
            assert!(!poison, "this panic is the test's");
            let lost = self.flow == "unlucky" && self.number == 1;
            let outcome = |_: &Delivered| {
                if lost {
                    return Outcome::NotTried(Fault::reopen("the connection is gone"));
                }
                let _ = self.told.send(format!("{} through {}", self.flow, self.number));
                Outcome::Applied(None)
            };
            batch.iter().map(outcome).collect()
        }
    }

    fn plan(home: &Path, adapter: &'static dyn Adapter) -> Plan {
        let flow = |name: &str| {
            format!(
                "flow: {name}\nfrom: {name}-moves\nto: {{ system: db, statement: \"INSERT INTO t (id) VALUES (:sku)\" }}\n"
            )
        };
        let (lucky, unlucky) = (flow("lucky"), flow("unlucky"));
        let files = Files::of([
            (
                "trunkline.yaml",
                "systems: { db: { sql: { url: \"sqlite:./db\" } } }\nchannels:\n  \
                 lucky-moves: { type: trunkline.commerce.v1.StockMove, external: true }\n  \
                 unlucky-moves: { type: trunkline.commerce.v1.StockMove, external: true }\n",
            ),
            ("flows/lucky.yaml", lucky.as_str()),
            ("flows/unlucky.yaml", unlucky.as_str()),
        ]);
        let landscape = Landscape::of(home.to_owned(), files, &Variables::new(&|_| None), Vec::new());
        let mut plan = check(&landscape, trunkline_proto::descriptor_pool()).expect("it is right");
        plan.systems
            .values_mut()
            .for_each(|system| system.adapter = adapter);
        plan
    }

    fn fickle(told: mpsc::UnboundedSender<String>) -> &'static Fickle {
        Box::leak(Box::new(Fickle {
            opened: Arc::default(),
            number: 0,
            flow: String::new(),
            told,
        }))
    }

    async fn publish(bus: &dyn Bus, channel: &str, id: &str) {
        let content = Content::Canonical {
            type_name: TypeName::new("trunkline.commerce.v1.StockMove"),
            bytes: Default::default(),
        };
        let id = MessageId::foreign(id).expect("it is short");
        let message = Message::new(id, "/test", jiff::Timestamp::UNIX_EPOCH, content);
        let hop = Hop {
            inputs: Vec::new(),
            outputs: vec![Outgoing {
                to: Destination::Channel(ChannelName::new(channel).expect("it is a word")),
                message,
            }],
            state: None,
        };
        bus.complete(vec![hop]).await.remove(0).expect("it is confirmed");
    }

    #[tokio::test]
    async fn a_system_that_one_flow_has_lost_is_opened_anew_and_the_others_go_on() {
        // given two flows into one system
        let folder = tempfile::TempDir::new().expect("there is a place for temporary files");
        let (told, mut heard) = mpsc::unbounded_channel();
        let adapter = fickle(told);
        let plan = plan(folder.path(), adapter);
        let bus = EmbeddedBus::open(&folder.path().join("data")).expect("the test may write there");
        let bus: Arc<dyn Bus> = Arc::new(bus);
        let runtime = Runtime::start_on(bus.clone(), &plan, None)
            .await
            .expect("it starts");
        // when one of them has lost it
        publish(&*bus, "unlucky-moves", "1").await;
        // then it goes on through another one
        assert_eq!(heard.recv().await.as_deref(), Some("unlucky through 2"));
        // then the other flow has kept its own
        publish(&*bus, "lucky-moves", "2").await;
        assert_eq!(heard.recv().await.as_deref(), Some("lucky through 1"));
        // then both are closed at the end, and no third one was opened
        runtime.stop().await;
        assert_eq!(heard.recv().await.as_deref(), Some("closed 1"));
        assert_eq!(heard.recv().await.as_deref(), Some("closed 2"));
        assert_eq!(adapter.opened.load(Ordering::Relaxed), 2);
    }
    #[tokio::test]
    async fn a_message_on_which_an_adapter_panics_is_parked_and_the_others_are_written() {
        // given three messages, which are written together
        let folder = tempfile::TempDir::new().expect("there is a place for temporary files");
        let (told, mut heard) = mpsc::unbounded_channel();
        let plan = plan(folder.path(), fickle(told));
        let bus = EmbeddedBus::open(&folder.path().join("data")).expect("the test may write there");
        let bus: Arc<dyn Bus> = Arc::new(bus);
        bus.declare(&plan.topology).await.expect("the place is fresh");
        for id in ["1", "poison", "3"] {
            publish(&*bus, "lucky-moves", id).await;
        }
        // when
        let runtime = Runtime::start_on(bus.clone(), &plan, None)
            .await
            .expect("it starts");
        // then the others are written, each through a system that has not seen the panic
        let mut through = Vec::new();
        while through.len() < 2 {
            let said = heard.recv().await.expect("somebody tells");
            through.extend(said.strip_prefix("lucky through ").map(str::to_owned));
        }
        assert!(through[0] < through[1], "{through:?}");
        // then the one is parked, and says why
        let lucky = FlowName::new("lucky").expect("it is a word");
        let channel = ChannelName::new("lucky-moves").expect("it is a word");
        let queue = QueueName::of_subscriber(&channel, &lucky);
        assert!(runtime.stop().await);
        let bus = EmbeddedBus::open(&folder.path().join("data")).expect("it was closed");
        let parked = bus.parked(&queue, 10).await.expect("it can be read");
        assert_eq!(parked.len(), 1);
        assert_eq!(parked[0].message.id.as_str(), "poison");
        let cause = parked[0].cause.as_ref().expect("it was parked by us");
        assert!(cause.what.contains("panicked"), "{}", cause.what);
    }
}
