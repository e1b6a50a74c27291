//! Ending the connections whose place another one takes, because the same token admits again.
//!
//! Each one is closed and marked, and taken off the token last. Until then the token names it, and the token's
//! next use does all of it again.

use serde::{Deserialize, Serialize};

use crate::aws::Services;
use crate::aws::table::Mark;
use crate::log::log_fault;
use crate::model::error::Fault;
use crate::model::reading::ReaderId;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::transport::reach;
use crate::upkeep::{Forgotten, mark_gone};

/// Those that a token has admitted before, and whose place another one takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Displaced {
    app_id: String,
    token_digest: String,
    ids: Vec<ConnectionId>,
}

impl Displaced {
    /// `None`: there is nobody.
    pub(crate) fn of(app_id: &str, token_digest: String, ids: Vec<ConnectionId>) -> Option<Self> {
        (!ids.is_empty()).then(|| Self {
            app_id: app_id.to_owned(),
            token_digest,
            ids,
        })
    }

    /// Ends them all. The token forgets them last, so that its next use does what fails here.
    pub(crate) async fn end(self, services: &Services, now: UnixMillis) {
        for id in &self.ids {
            if let Err(fault) = self.end_one(services, id, now).await {
                log_fault!(error, fault, connection_id = %id, "displaced connection not ended");
                return;
            }
        }
        let released = services
            .table
            .release_token(&self.token_digest, &self.ids)
            .await;
        if let Err(fault) = released {
            log_fault!(error, fault, "token not released");
        }
    }

    async fn end_one(
        &self,
        services: &Services,
        id: &ConnectionId,
        now: UnixMillis,
    ) -> Result<(), Fault> {
        if let Some(reader) = ReaderId::of(id) {
            return services.table.end_reader(&self.app_id, &reader).await;
        }
        reach::close(services, id, None).await?;
        mark_gone(services, id, Mark::CLOSED, Forgotten::Promptly, now).await
    }
}
