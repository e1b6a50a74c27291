//! What each operation costs: its requests to DynamoDB, SQS and `@connections`, counted on the wire. A new
//! operation gets a row here.

mod connections;
mod counting;
mod large_channels;
mod presence;
mod publishing;
mod sessions;
mod users;
