//! The variables a function is configured by. Lambda itself sets those of the AWS credentials.

/// The apps as JSON: `[{"id":"1001","key":"…","secret":"…"}]`.
pub const APPS: &str = "APPS";
/// In place of [`APPS`]: what Secrets Manager has the same under.
pub const APPS_SECRET: &str = "APPS_SECRET";
/// Seconds for which a secret is used before it is read again; 300 when absent.
pub const SECRET_AGE: &str = "SECRET_AGE_SECONDS";
/// The DynamoDB table's name.
pub const TABLE_NAME: &str = "TABLE_NAME";
/// The `@connections` endpoint, stage included: `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
pub const CONNECTIONS_ENDPOINT: &str = "CONNECTIONS_ENDPOINT";
/// The queue of delayed messages: its URL. Only functions that send to it need it.
pub const LATER_QUEUE_URL: &str = "LATER_QUEUE_URL";
/// The queue that the publications of large channels go through: its URL, which ends in `.fifo`. Only
/// functions that send to it need it.
pub const FANOUT_QUEUE_URL: &str = "FANOUT_QUEUE_URL";
/// Subscribers of a channel that whoever publishes delivers to by itself; with more it goes through
/// the queue. 1,000 when absent.
pub const FANOUT_INLINE_MAX: &str = "FANOUT_INLINE_MAX";
/// Subscribers in one shard of a channel; 1,000 when absent, at least 1.
pub const SUBSCRIBERS_PER_SHARD: &str = "SUBSCRIBERS_PER_SHARD";
/// Posts a second that API Gateway takes from the account; 8,000 when absent, at least 1.
pub const POSTS_PER_SECOND: &str = "POSTS_PER_SECOND";
/// Workers that share those, as the queue's event source mapping has it; 10 when absent, at least 1.
pub const FANOUT_CONCURRENCY: &str = "FANOUT_CONCURRENCY";
/// The queue of webhooks: its URL. Only functions that send to it need it.
pub const WEBHOOK_QUEUE_URL: &str = "WEBHOOK_QUEUE_URL";
/// Where webhooks go that nobody took: a queue's URL. Only `webhook` needs it.
pub const WEBHOOK_DEAD_QUEUE_URL: &str = "WEBHOOK_DEAD_QUEUE_URL";
/// Where webhooks may be sent: `public` (encrypted, and to public addresses) or `any`.
pub const WEBHOOKS_TO: &str = "WEBHOOKS_TO";
/// Seconds for which a webhook is tried again; 300 when absent.
pub const WEBHOOK_PATIENCE: &str = "WEBHOOK_PATIENCE_SECONDS";
/// How `connect` greets: `layer` (after its response) or `invoke` (a second, asynchronous invocation of itself).
pub const GREET_VIA: &str = "GREET_VIA";
/// Seconds a connection's rows count as alive; API Gateway's maximum and slack when absent.
pub const CONNECTION_LIFE: &str = "CONNECTION_LIFE_SECONDS";
/// Seconds after which the reaper asks API Gateway whether a connection on a presence channel
/// is still there, again and again; never when absent or 0.
pub const PROBE: &str = "PROBE_SECONDS";
/// What cursors are signed with, and what sessions are known by is made with: at least 32 bytes. Only
/// functions that have readers need it.
pub const OWN_KEY: &str = "OWN_KEY";
/// In place of [`OWN_KEY`]: what Secrets Manager has the same under.
pub const OWN_KEY_SECRET: &str = "OWN_KEY_SECRET";
/// What a request must bring that comes by CloudFront: at least 32 bytes. Without it, and without
/// [`ORIGIN_KEY_SECRET`], function URLs answer everybody.
pub const ORIGIN_KEY: &str = "ORIGIN_KEY";
/// In place of [`ORIGIN_KEY`]: what Secrets Manager has the same under.
pub const ORIGIN_KEY_SECRET: &str = "ORIGIN_KEY_SECRET";
/// Seconds a stream lasts; 300 when absent.
pub const STREAM_LIFE: &str = "STREAM_LIFE_SECONDS";
/// DynamoDB's endpoint; AWS's own when absent.
pub const DYNAMODB_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
/// Lambda's endpoint; AWS's own when absent.
pub const LAMBDA_ENDPOINT: &str = "AWS_ENDPOINT_URL_LAMBDA";
/// Secrets Manager's endpoint; AWS's own when absent.
pub const SECRETS_ENDPOINT: &str = "AWS_ENDPOINT_URL_SECRETS_MANAGER";
/// SQS's endpoint; AWS's own when absent.
pub const SQS_ENDPOINT: &str = "AWS_ENDPOINT_URL_SQS";
/// A file of the roots that AWS's endpoints are certified by, as PEM, in place of Amazon's own: for who
/// has something between the functions and AWS that decrypts.
pub const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// The namespace of the metrics; when absent there are none.
pub const METRICS_NAMESPACE: &str = "METRICS_NAMESPACE";
/// What is logged, as `tracing-subscriber` reads it; [`super::DEFAULT_LOG_FILTER`] when absent.
pub const LOG: &str = "RUST_LOG";
/// The region, as Lambda sets it.
pub const REGION: &str = "AWS_REGION";
/// The role's key id, as Lambda sets it.
pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// The role's secret key, as Lambda sets it.
pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// The role's session token, as Lambda sets it.
pub const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// In place of those three: what gives credentials, and new ones before they end. As AWS's own clients
/// read it; an `http` URL of this machine or of AWS's addresses for the purpose.
pub const KEY_ENDPOINT: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// What [`KEY_ENDPOINT`] wants to be shown; nothing when absent.
pub const KEY_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// The function's own name, as Lambda sets it.
pub const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
