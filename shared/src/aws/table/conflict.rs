//! Conflicts with a transaction: DynamoDB refuses a write to an item while a transaction is under way on
//! it, and the SDK takes that for final. Nothing was written, so that it may be tried again, whatever the
//! write.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;

/// What a write is refused with.
pub(super) const CODE: &str = "TransactionConflictException";

/// Pauses before a write that the client has tried so often in vain is tried again: two seconds, in which
/// hundreds of transactions on one item come to their end.
pub(super) const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_millis(1_000),
];

/// Whether a write was refused for that.
pub(super) fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let code = error.as_service_error().and_then(|error| error.code());
    code == Some(CODE)
}

/// Has the client repeat such writes, as often as it does what was throttled.
#[derive(Debug)]
pub(super) struct Conflicts;

impl ClassifyRetry for Conflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let outcome = context.output_or_error();
        let error = outcome.and_then(|outcome| outcome.err()?.as_operation_error());
        let code = error.and_then(|error| {
            let of_update = || error.downcast_ref::<UpdateItemError>()?.code();
            let of_put = || error.downcast_ref::<PutItemError>()?.code();
            let of_delete = || error.downcast_ref::<DeleteItemError>()?.code();
            of_update().or_else(of_put).or_else(of_delete)
        });
        if code == Some(CODE) {
            RetryAction::throttling_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "conflicts with transactions"
    }
}
