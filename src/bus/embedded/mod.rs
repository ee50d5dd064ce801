//! The embedded bus: one SQLite file, one process.
/// stub
pub struct EmbeddedBus; impl EmbeddedBus { /// x
pub fn open(_: &std::path::Path) -> Result<Self, trunkline_sdk::Fault> { todo!() } }
#[async_trait::async_trait] #[allow(unused)] impl super::Bus for EmbeddedBus { async fn declare(&self,t:&super::Topology)->Result<(),trunkline_sdk::Fault>{todo!()} async fn subscribe(&self,q:&crate::names::QueueName,p:u16)->Result<super::Subscription,trunkline_sdk::Fault>{todo!()} async fn complete(&self,h:Vec<super::Hop>)->Vec<Result<(),super::Refused>>{todo!()} async fn state(&self,k:&super::StateKey)->Result<Option<bytes::Bytes>,trunkline_sdk::Fault>{todo!()} async fn depth(&self,q:&crate::names::QueueName)->Result<super::Depth,trunkline_sdk::Fault>{todo!()} async fn parked(&self,q:&crate::names::QueueName,l:usize)->Result<Vec<super::Parked>,trunkline_sdk::Fault>{todo!()} async fn close(&self){} }
