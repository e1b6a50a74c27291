//! What the use cases work on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::noted::Noted;
use super::{connections, queue, table};
use crate::config::{Config, LargeChannels, Lives};
use crate::model::app::Apps;
use crate::model::error::{Fault, Rejection};
use crate::model::metrics::{Count, Metrics};
use crate::model::pressure::Pressure;
use crate::model::protocol::Protocols;
use crate::model::task::Task;

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
    pub webhooks: Noted,
    /// What became of this process's posts lately.
    pub pressure: Arc<Mutex<Pressure>>,
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
            webhooks: Noted::new(config),
            pressure: Arc::default(),
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
