//! What AWS charges, unit by unit: list prices of us-east-1 in dollars, without free tiers and beyond no volume discount.
//!
//! Each is from the service's own price page, as of November 2026 unless it says otherwise.

/// Something that is metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meter {
    /// DynamoDB, on demand: a write of up to 1 KB, and of an entry of an index.
    WriteUnits,
    /// DynamoDB, on demand: a consistent read of up to 4 KB.
    ReadUnits,
    /// Lambda.
    Invocations,
    /// Lambda, arm64: a gigabyte of a function's memory for a second of an invocation.
    GbSeconds,
    /// API Gateway, sockets: each 32 KB of a message, to clients and from them.
    SocketMessages,
    /// API Gateway, sockets: connected.
    ConnectionMinutes,
    /// API Gateway, HTTP API: each 512 KB of a request.
    HttpRequests,
    /// SQS, standard queues: each 64 KB of a request.
    QueueRequests,
    /// SQS, FIFO queues: the same.
    FifoRequests,
    /// CloudFront, HTTPS, viewers in the United States and Europe. A socket is one.
    FrontRequests,
    /// CloudFront's function, for each socket.
    FrontFunctions,
    /// CloudFront, to viewers in the United States and Europe.
    FrontGigabytes,
    /// Secrets Manager.
    SecretReads,
    /// CloudWatch Logs, as they come in.
    LogGigabytes,
    /// X-Ray, as they are recorded.
    Traces,
}

/// Whose bill it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    ApiGateway,
    DynamoDb,
    Lambda,
    Sqs,
    CloudFront,
    /// Secrets Manager, CloudWatch and X-Ray.
    Around,
}

/// Bytes of the message that is one to API Gateway. aws.amazon.com/api-gateway/pricing
pub(crate) const SOCKET_MESSAGE_BYTES: usize = 32 * 1_024;
/// Bytes of the request that is one to SQS. aws.amazon.com/sqs/pricing
pub(crate) const QUEUE_REQUEST_BYTES: usize = 64 * 1_024;
/// What Lambda itself logs of an invocation, `platform.start` and `platform.report`: taken, not counted, from the lines'
/// shapes in docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
pub(crate) const PLATFORM_LOG_BYTES: f64 = 500.0;
/// The share of invocations that X-Ray records of its own accord, beyond the first of a second: taken, not counted, from
/// docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html
pub(crate) const TRACED_SHARE: f64 = 0.05;
/// How often Lambda asks a queue that is empty, in a month: five at a time, each for 20 s. As docs/operations.md has it.
pub(crate) const EMPTY_RECEIVES_A_MONTH: f64 = 5.0 * 3.0 * MINUTES_A_MONTH;
/// A secret, a month. aws.amazon.com/secrets-manager/pricing
pub(crate) const SECRET_A_MONTH: f64 = 0.40;
/// 730 hours.
pub(crate) const MINUTES_A_MONTH: f64 = 730.0 * 60.0;

impl Meter {
    pub(crate) const ALL: [Self; 15] = [
        Self::WriteUnits,
        Self::ReadUnits,
        Self::Invocations,
        Self::GbSeconds,
        Self::SocketMessages,
        Self::ConnectionMinutes,
        Self::HttpRequests,
        Self::QueueRequests,
        Self::FifoRequests,
        Self::FrontRequests,
        Self::FrontFunctions,
        Self::FrontGigabytes,
        Self::SecretReads,
        Self::LogGigabytes,
        Self::Traces,
    ];

    /// Dollars for a million.
    const fn dollars_a_million(self) -> f64 {
        match self {
            // aws.amazon.com/dynamodb/pricing/on-demand, since 2024-11-01.
            Self::WriteUnits => 0.625,
            Self::ReadUnits => 0.125,
            // aws.amazon.com/lambda/pricing, arm64, the first tier.
            Self::Invocations => 0.20,
            Self::GbSeconds => 13.333_4,
            // aws.amazon.com/api-gateway/pricing, the first tiers.
            Self::SocketMessages | Self::HttpRequests => 1.00,
            Self::ConnectionMinutes => 0.25,
            // aws.amazon.com/sqs/pricing, the first tier.
            Self::QueueRequests => 0.40,
            Self::FifoRequests => 0.50,
            // aws.amazon.com/cloudfront/pricing: $0.0100 for 10,000 requests, $0.085 a gigabyte in the first tier.
            Self::FrontRequests => 1.00,
            Self::FrontFunctions => 0.10,
            Self::FrontGigabytes => 85_000.0,
            // aws.amazon.com/secrets-manager/pricing: $0.05 for 10,000.
            Self::SecretReads => 5.00,
            // aws.amazon.com/cloudwatch/pricing: $0.50 a gigabyte.
            Self::LogGigabytes => 500_000.0,
            // aws.amazon.com/xray/pricing
            Self::Traces => 5.00,
        }
    }

    /// Dollars for so many.
    pub(crate) const fn dollars(self, units: f64) -> f64 {
        units * self.dollars_a_million() / 1e6
    }

    pub(crate) const fn service(self) -> Service {
        match self {
            Self::WriteUnits | Self::ReadUnits => Service::DynamoDb,
            Self::Invocations | Self::GbSeconds => Service::Lambda,
            Self::SocketMessages | Self::ConnectionMinutes | Self::HttpRequests => {
                Service::ApiGateway
            }
            Self::QueueRequests | Self::FifoRequests => Service::Sqs,
            Self::FrontRequests | Self::FrontFunctions | Self::FrontGigabytes => {
                Service::CloudFront
            }
            Self::SecretReads | Self::LogGigabytes | Self::Traces => Service::Around,
        }
    }
}

impl Service {
    pub(crate) const ALL: [Self; 6] = [
        Self::ApiGateway,
        Self::DynamoDb,
        Self::Lambda,
        Self::Sqs,
        Self::CloudFront,
        Self::Around,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ApiGateway => "API Gateway",
            Self::DynamoDb => "DynamoDB",
            Self::Lambda => "Lambda",
            Self::Sqs => "SQS",
            Self::CloudFront => "CloudFront",
            Self::Around => "logs, traces, secrets",
        }
    }
}

/// The memory of a function in megabytes, as the template gives it.
pub(crate) fn memory_mb(function: &str) -> u32 {
    match function {
        "fanout" | "publisher" => 1_769,
        "session" => 256,
        "stream" => 128,
        _ => 512,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_that_of_the_template() {
        let template = include_str!("../../../template.yaml");
        let memory = |section: &str| {
            let line = section
                .lines()
                .find(|line| line.trim().starts_with("MemorySize:"));
            let text = line?.split(':').nth(1)?.split('#').next()?;
            text.trim().parse::<u32>().ok()
        };
        let default = memory(template.split("Resources:").next().expect("globals"));
        let mut functions = 0;
        for resource in template.split("Type: AWS::Serverless::Function").skip(1) {
            let name = resource.split_once("${AWS::StackName}-").expect("a name").1;
            let name = name.split_whitespace().next().expect("a word");
            // Up to the next resource, which is the function's log.
            let own = resource
                .split("Type: AWS::Logs::LogGroup")
                .next()
                .unwrap_or_default();
            assert_eq!(Some(memory_mb(name)), memory(own).or(default), "{name}");
            functions += 1;
        }
        assert_eq!(functions, 11);
    }
}
