//! The edge: DynamoDB, `@connections`, Lambda, Secrets Manager and SQS. Only what lies below this module names an AWS
//! crate, and nothing below it decides anything: it does one operation and reports its outcome.

mod call;
pub mod connections;
mod credentials;
pub mod invoke;
mod pool;
pub mod queue;
pub mod receiver;
pub mod schema;
pub mod secrets;
mod signer;
pub mod table;
pub(crate) mod tls;
mod transport;
pub mod webhooks;

use std::time::{Duration, SystemTime};

use crate::config::{Config, LargeChannels, Lives};
use crate::model::app::Apps;
use crate::model::error::{Fault, Rejection};
use crate::model::metrics::{Count, Metrics};
use crate::model::task::Task;
use crate::model::time::UnixMillis;
use crate::model::voice::Protocols;

/// How long one attempt of an SDK call may take: well under every function's timeout, so that a
/// lost answer still leaves time for another attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// What the use cases work on: the state, the sockets, and whose they are.
#[derive(Clone)]
pub struct Services {
    /// The apps.
    pub apps: Apps,
    /// The protocols that clients speak.
    pub protocols: Protocols,
    /// How long connections count as alive.
    pub lives: Lives,
    /// DynamoDB.
    pub table: table::Table,
    /// `@connections`.
    pub connections: connections::Connections,
    /// What is to be done later; `None` in a function that leaves nothing.
    pub later: Option<queue::Queue>,
    /// What goes to large channels; `None` in a function that publishes nothing.
    pub fanout: Option<queue::FifoQueue>,
    /// Which channels are large ones.
    pub large_channels: LargeChannels,
    /// What webhooks are to be told.
    pub webhooks: webhooks::Noted,
    /// What is counted.
    pub metrics: Metrics,
}

impl Services {
    /// Clients that open nothing yet, of no app.
    #[must_use]
    pub(crate) fn new(config: &Config, protocols: Protocols) -> Self {
        Self {
            apps: Apps::none(),
            protocols,
            lives: config.lives,
            table: table::Table::new(config),
            connections: connections::Connections::new(config),
            later: queue::Queue::later(config),
            fanout: queue::FifoQueue::fanout(config),
            large_channels: config.large_channels,
            webhooks: webhooks::Noted::new(config),
            metrics: Metrics::new(
                config.metrics_namespace.clone(),
                config.function_name.clone(),
            ),
        }
    }

    /// Counts and logs that a rule was broken: by its name, since its text may hold what the caller
    /// sent.
    pub fn refused(&self, rejection: &Rejection) {
        self.metrics.add(Count::Refused, 1);
        tracing::info!(rejection = rejection.name(), "refused");
    }

    /// Leaves something to be done by `fanout`, once `delay` is over: at least once. One message.
    ///
    /// # Errors
    /// [`Fault::Queue`]: it may or may not be done.
    pub async fn do_later(&self, task: &Task, delay: Duration) -> Result<(), Fault> {
        match &self.later {
            Some(queue) => queue.send(&task.print(), delay).await,
            None => Err(Fault::Queue("this function knows no queue".into())),
        }
    }

    /// Leaves deliveries to `fanout`, in this order after all that was left before: at least once. A
    /// request for ten of them.
    ///
    /// # Errors
    /// [`Fault::Queue`]: some of them may be delivered, none, or all.
    pub async fn deliver_later(&self, messages: &[queue::FifoMessage]) -> Result<(), Fault> {
        match &self.fanout {
            Some(queue) => queue.send_all(messages).await,
            None => Err(Fault::Queue("this function knows no queue".into())),
        }
    }
}

/// The time by this machine's clock: for what is no event's, a signature and a lease.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixMillis(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}
