//! What was published under an idempotency key: a row for each key, kept for some minutes.
//!
//! | attribute | holds |
//! | --- | --- |
//! | `request` | the digest of what was asked for |
//! | `id` | names the publications in the log, whoever's attempt it is |
//! | `owner`, `lease_until` | whose attempt is under way, and until when it may be |
//! | `serials`, `previous` | what it has taken for each publication: the serial, and when the one before was made |
//! | `status`, `answer` | what it was answered, once it is done |
//! | `expires_at` | until when the key is known |

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::client::Table;
use super::item::{Item, conditional, fault, item, number, read, string};
use super::keys::OnceKey;
use super::partition;
use crate::aws::now;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::{IDEMPOTENCY_LEASE_SECS, IDEMPOTENCY_SECS};
use crate::model::time::UnixMillis;

/// The serial of a publication, and when the one before it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenSerial {
    /// The serial.
    pub serial: u64,
    /// When the publication before it was made; 0 when there was none.
    pub previous_at: UnixMillis,
}

/// What an attempt at a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is to be made.
    Ours {
        /// Names the publications.
        id: String,
        /// What an earlier attempt has taken, if one had come so far.
        taken: Option<Vec<TakenSerial>>,
    },
    /// It was done.
    Done {
        /// The HTTP status that it was answered with.
        status: u16,
        /// The body.
        body: String,
    },
    /// Another attempt is under way.
    UnderWay,
    /// The key was given to another request.
    Another,
}

#[derive(Deserialize)]
struct Row {
    request: String,
    id: String,
    owner: String,
    #[serde(default)]
    lease_until: UnixMillis,
    #[serde(default)]
    serials: Vec<u64>,
    #[serde(default)]
    previous: Vec<UnixMillis>,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    answer: Option<String>,
}

impl Row {
    fn ours(self) -> Begun {
        let taken = self.serials.iter().zip(&self.previous);
        let taken: Vec<TakenSerial> = taken
            .map(|(&serial, &previous_at)| TakenSerial {
                serial,
                previous_at,
            })
            .collect();
        Begun::Ours {
            id: self.id,
            taken: (!taken.is_empty()).then_some(taken),
        }
    }
}

fn numbers(values: impl Iterator<Item = u64>) -> AttributeValue {
    AttributeValue::L(values.map(number).collect())
}

impl Table {
    fn update_once(&self, of: &OnceKey, owner: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::once(of)))
            .key(SORT_KEY, string(partition::ONCE))
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", string(owner))
    }

    /// Begins an attempt at a request, or goes on with one whose maker died. `owner` names this one.
    /// One write, two after a death; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not have begun; then it ends by itself. [`Fault::Row`].
    pub async fn begin_once(
        &self,
        of: &OnceKey,
        request: &str,
        owner: &str,
    ) -> Result<Begun, Fault> {
        const OPERATION: &str = "begin an attempt";
        let clock = now();
        let expires_at = clock.plus_secs(IDEMPOTENCY_SECS);
        let row = item([
            (PARTITION_KEY, string(partition::once(of))),
            (SORT_KEY, string(partition::ONCE)),
            // One more, since DynamoDB counts in whole seconds.
            (TTL, number(expires_at.secs() + 1)),
            ("request", string(request)),
            ("id", string(owner)),
            ("owner", string(owner)),
            (
                "lease_until",
                number(clock.plus_secs(IDEMPOTENCY_LEASE_SECS).0),
            ),
            ("expires_at", number(expires_at.0)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            // DynamoDB deletes what has expired up to two days late.
            .condition_expression("attribute_not_exists(pk) OR expires_at <= :clock")
            .expression_attribute_values(":clock", number(clock.0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Begun::Ours {
                id: owner.to_owned(),
                taken: None,
            });
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
        else {
            return Err(fault(OPERATION, error));
        };
        let found: Row = read(OPERATION, failed.item.clone().unwrap_or_default())?;
        if found.request != request {
            return Ok(Begun::Another);
        }
        if let Some(body) = found.answer {
            let status = found.status;
            return Ok(Begun::Done { status, body });
        }
        // Our own is that of an attempt to write whose answer was lost.
        if found.owner == owner {
            return Ok(found.ours());
        }
        if found.lease_until > clock {
            return Ok(Begun::UnderWay);
        }
        let taken_over = self
            .update_once(of, owner)
            .update_expression("SET #owner = :owner, lease_until = :until")
            .condition_expression(
                "(#owner = :other OR #owner = :owner) AND lease_until <= :clock AND attribute_not_exists(answer)",
            )
            .expression_attribute_values(":other", string(found.owner))
            .expression_attribute_values(":clock", number(clock.0))
            .expression_attribute_values(
                ":until",
                number(clock.plus_secs(IDEMPOTENCY_LEASE_SECS).0),
            )
            .return_values(ReturnValue::AllNew);
        let taken_over = conditional(OPERATION, taken_over.send().await)?;
        let row = taken_over.and_then(|taken_over| taken_over.attributes);
        row.map_or(Ok(Begun::UnderWay), |row: Item| {
            read::<Row>(OPERATION, row).map(Row::ours)
        })
    }

    /// Notes the serials that an attempt has taken, so that whoever goes on with it uses them. `false`:
    /// another one has taken it over. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: they may or may not be noted.
    pub async fn note_serials(
        &self,
        of: &OnceKey,
        owner: &str,
        taken: &[TakenSerial],
    ) -> Result<bool, Fault> {
        let serials = taken.iter().map(|taken| taken.serial);
        let previous = taken.iter().map(|taken| taken.previous_at.0);
        let update = self
            .update_once(of, owner)
            .update_expression("SET serials = :serials, #previous = :previous")
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#previous", "previous")
            .expression_attribute_values(":serials", numbers(serials))
            .expression_attribute_values(":previous", numbers(previous));
        conditional("note serials", update.send().await).map(|noted| noted.is_some())
    }

    /// The same for one that had to be taken in another's stead.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn note_serial(
        &self,
        of: &OnceKey,
        owner: &str,
        place: usize,
        taken: TakenSerial,
    ) -> Result<bool, Fault> {
        let update = self
            .update_once(of, owner)
            .update_expression(format!(
                "SET serials[{place}] = :serial, #previous[{place}] = :previous"
            ))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#previous", "previous")
            .expression_attribute_values(":serial", number(taken.serial))
            .expression_attribute_values(":previous", number(taken.previous_at.0));
        conditional("note serial", update.send().await).map(|noted| noted.is_some())
    }

    /// Notes what an attempt was answered: it is done, and known so for some minutes. One write; may be
    /// repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn finish_once(
        &self,
        of: &OnceKey,
        owner: &str,
        status: u16,
        body: &str,
    ) -> Result<(), Fault> {
        let expires_at = now().plus_secs(IDEMPOTENCY_SECS);
        let update = self
            .update_once(of, owner)
            .update_expression(
                "SET #status = :status, answer = :answer, expires_at = :expires_at, #ttl = :ttl REMOVE lease_until, serials, #previous",
            )
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#previous", "previous")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":status", number(status))
            .expression_attribute_values(":answer", string(body))
            .expression_attribute_values(":expires_at", number(expires_at.0))
            .expression_attribute_values(":ttl", number(expires_at.secs() + 1));
        conditional("finish an attempt", update.send().await).map(drop)
    }

    /// Gives an attempt up: the next one need not wait. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: then the next one waits until it ends by itself.
    pub async fn give_up_once(&self, of: &OnceKey, owner: &str) -> Result<(), Fault> {
        let update = self
            .update_once(of, owner)
            .update_expression("SET lease_until = :past")
            .condition_expression("#owner = :owner")
            .expression_attribute_values(":past", number(0));
        conditional("give an attempt up", update.send().await).map(drop)
    }
}
