//! The functions' configuration: the only module that reads the environment.

/// The variables a function is configured by.
pub mod variable {
    /// The apps as JSON: `[{"id":"1001","key":"…","secret":"…"}]`.
    pub const APPS: &str = "APPS";
    /// The DynamoDB table's name.
    pub const TABLE_NAME: &str = "TABLE_NAME";
    /// The `@connections` endpoint, stage included: `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
    pub const CONNECTIONS_ENDPOINT: &str = "CONNECTIONS_ENDPOINT";
    /// How `connect` greets: `layer` (after its response) or `invoke` (a second, asynchronous invocation of itself).
    pub const GREET_VIA: &str = "GREET_VIA";
    /// DynamoDB's endpoint; AWS's own when absent.
    pub const DYNAMODB_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
    /// Lambda's endpoint; AWS's own when absent.
    pub const LAMBDA_ENDPOINT: &str = "AWS_ENDPOINT_URL_LAMBDA";
}
