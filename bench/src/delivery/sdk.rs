//! AWS's own client for Rust with its default settings, one call for each recipient.

use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_smithy_http_client::{Builder, tls};
use futures_util::{StreamExt as _, stream};

use super::load::{KEY_ID, Load, REGION, SECRET, Taken, frame, session_token};
use crate::runtime::Problem;
use crate::sink::connection_id;

pub(super) async fn publish(load: &Load) -> Result<Taken, Problem> {
    // The default client but for its primitives, which the workspace has from ring.
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let config = aws_sdk_apigatewaymanagement::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::from_keys(
            KEY_ID,
            SECRET,
            Some(session_token()),
        ))
        .endpoint_url(load.endpoint.to_string())
        .http_client(http)
        .build();
    let client = Client::from_conf(config);
    let frame = frame();
    load.measure(|posts| {
        let (client, frame) = (&client, &frame);
        stream::iter(posts)
            .map(move |index| {
                client
                    .post_to_connection()
                    .connection_id(connection_id(index))
                    .data(Blob::new(frame.clone()))
                    .send()
            })
            // A FuturesUnordered that is kept full.
            .buffer_unordered(load.in_flight)
            .filter(|posted| std::future::ready(posted.is_err()))
            .count()
    })
    .await
}
