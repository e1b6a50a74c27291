//! CloudFront and API Gateway: the public port and its routes, the sockets, and `@connections`. It
//! turns what clients send into invocations, and knows nothing of channels or apps.

pub mod connections;
mod function_url;
mod http_api;
pub mod management_api;
pub mod routes;
pub mod state;
mod upgrade;
mod websocket;
