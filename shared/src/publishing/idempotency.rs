//! Doing once what is asked for more than once, under an idempotency key.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! (1) begin the attempt, (2) take serials, (3) note them, (4) what `publish.rs` does from the log on,
//! (5) note the answer. Until (5) others with the key are told that it is under way; one that dies is
//! taken over after half a minute, one that fails at once. After (2) alone the serials stay empty, and
//! the next attempt takes others; after (3) it uses these, and what is in the log already is met there
//! under its own id. What was posted before a crash is posted once more, under the same serial. After
//! (5) the answer is given again.

use crate::aws::Services;
use crate::aws::table::{Begun, OnceKey, TakenSerial};
use crate::log::log_fault;
use crate::model::call::{CallAnswer, Idempotency};
use crate::model::error::{Error, Rejection};
use crate::upkeep::operation_name;

/// An attempt at a request that is known by its key.
#[derive(Debug)]
pub(crate) struct Attempt {
    of: OnceKey,
    owner: String,
    /// Names what it publishes, whoever's attempt it is.
    pub(crate) id: String,
    /// The serials that an earlier attempt has taken.
    pub(crate) taken: Option<Vec<TakenSerial>>,
}

/// What a request comes to that may have been made before.
#[derive(Debug)]
pub(crate) enum Known {
    /// It is to be done.
    Attempt(Attempt),
    /// It was, and answered so.
    Answered(CallAnswer),
}

/// Begins an attempt, unless it was done before. One write.
///
/// # Errors
/// [`Rejection::IdempotencyUnderWay`], [`Rejection::IdempotencyOther`], and a
/// [`Fault`](crate::model::error::Fault): nothing was done.
pub(crate) async fn begin(
    services: &Services,
    app_id: &str,
    idempotency: &Idempotency,
) -> Result<Known, Error> {
    let of = OnceKey {
        app_id: app_id.to_owned(),
        key: idempotency.key().to_owned(),
    };
    let owner = operation_name()?;
    let begun = services
        .table
        .begin_once(&of, idempotency.request(), &owner)
        .await?;
    match begun {
        Begun::Ours { id, taken } => Ok(Known::Attempt(Attempt {
            of,
            owner,
            id,
            taken,
        })),
        Begun::Done { status, body } => Ok(Known::Answered(CallAnswer { status, body })),
        Begun::UnderWay => Err(Rejection::IdempotencyUnderWay.into()),
        Begun::Another => Err(Rejection::IdempotencyOther.into()),
    }
}

impl Attempt {
    /// Notes the serials that it has taken. One write.
    ///
    /// # Errors
    /// [`Rejection::IdempotencyUnderWay`] when it took so long that another one has taken it over.
    pub(crate) async fn note_all(
        &self,
        services: &Services,
        taken: &[TakenSerial],
    ) -> Result<(), Error> {
        let noted = services
            .table
            .note_serials(&self.of, &self.owner, taken)
            .await?;
        still_ours(noted)
    }

    /// The same for one that it had to take in another's stead.
    ///
    /// # Errors
    /// As [`Attempt::note_all`].
    pub(crate) async fn note_one(
        &self,
        services: &Services,
        place: usize,
        taken: TakenSerial,
    ) -> Result<(), Error> {
        let noted = services
            .table
            .note_serial(&self.of, &self.owner, place, taken)
            .await?;
        still_ours(noted)
    }

    /// Notes what it came to. Whoever asks again after a failure need not wait. One write; what fails here
    /// is logged, because what was asked for is done.
    pub(crate) async fn end(self, services: &Services, outcome: &Result<CallAnswer, Error>) {
        let Self { of, owner, .. } = &self;
        let noted = match outcome {
            Ok(CallAnswer { status, body }) => {
                services.table.finish_once(of, owner, *status, body).await
            }
            Err(_) => services.table.give_up_once(of, owner).await,
        };
        if let Err(fault) = noted {
            log_fault!(error, fault, "what an attempt came to is not noted");
        }
    }
}

fn still_ours(noted: bool) -> Result<(), Error> {
    if noted {
        Ok(())
    } else {
        Err(Rejection::IdempotencyUnderWay.into())
    }
}
