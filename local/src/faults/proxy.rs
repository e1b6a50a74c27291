//! The proxy. A function sends its requests to `/{function}/{environment}/…`. The proxy forwards
//! each to its service, unless a rule matches it. Tests use the other paths:
//!
//! | request | what it does |
//! | --- | --- |
//! | `PUT /rules` | replaces the rules: a JSON array of [`Rule`]s |
//! | `GET /requests` | lists the requests since the last `DELETE /requests`, and how many are held or unanswered now |
//! | `DELETE /requests` | forgets them |
//! | `GET /queues` | shows what waits in each queue, and which messages are dead |
//! | `GET /invocations` | shows how often each function ran, and for how long |
//!
//! A listed request has its function, operation, target, body size, capacity units, status and
//! fault. Invocations by the gateway are listed if they met a fault.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::net::TcpListener;

use super::batch;
use super::call::{AwsCall, Recognised, capacity_units, refuse};
use super::in_force::InForce;
use super::rules::{Effect, Fault, Request, Rule};
use crate::host::dispatch::Host;
use crate::queues::live::Queues;
use crate::serving::listening;
use crate::serving::responses::{empty, json};
use crate::serving::stop::Stop;

/// Larger than any request of a function.
const BODY_MAX_BYTES: usize = 16 * 1_024 * 1_024;
/// Cuts the connection instead of answering.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

/// Where requests are forwarded to.
#[derive(Clone, Copy, Debug)]
pub struct Upstreams {
    /// DynamoDB.
    pub table: SocketAddr,
    /// A second DynamoDB, which is always one write behind.
    pub replica: SocketAddr,
    /// `@connections`, the Invoke API and SQS.
    pub internal: SocketAddr,
}

/// The proxy. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    upstreams: Upstreams,
    client: Client<HttpConnector, Full<Bytes>>,
    host: Host,
    queues: Queues,
    in_force: InForce,
    /// The last write, which the replica has not got yet. The lock orders writes.
    unseen: tokio::sync::Mutex<Option<AwsCall>>,
}

impl Proxy {
    /// A proxy that goes by these rules.
    #[must_use]
    pub fn new(upstreams: Upstreams, host: Host, queues: Queues, in_force: InForce) -> Self {
        Self(Arc::new(Inner {
            upstreams,
            client: Client::builder(TokioExecutor::new()).build_http(),
            host,
            queues,
            in_force,
            unseen: tokio::sync::Mutex::default(),
        }))
    }

    /// Answers until the system stops.
    pub(crate) async fn serve(self, listener: TcpListener, stop: Stop) {
        listening::serve_with(listener, stop, move |request, _: SocketAddr| {
            self.clone().answer(request)
        })
        .await;
    }

    async fn answer(self, request: http::Request<Incoming>) -> Result<Response, Cut> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, BODY_MAX_BYTES)
            .collect()
            .await
            .map_err(|_| Cut)?
            .to_bytes();
        let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut segments = path_and_query.trim_start_matches('/').splitn(3, '/');
        match (segments.next(), segments.next(), segments.next()) {
            (Some(function), Some(environment), rest) => {
                let call = AwsCall {
                    method: parts.method,
                    path: format!("/{}", rest.unwrap_or_default()),
                    headers: parts.headers,
                    body,
                };
                self.pass(function, environment, call).await
            }
            (Some(what), _, _) => Ok(self.control(&parts.method, what, &body)),
            (None, _, _) => Ok(empty(StatusCode::NOT_FOUND)),
        }
    }

    fn control(&self, method: &Method, what: &str, body: &[u8]) -> Response {
        let in_force = &self.0.in_force;
        match (method, what) {
            (&Method::PUT, "rules") => match Rule::list(body) {
                Ok(rules) => {
                    in_force.set(rules);
                    empty(StatusCode::NO_CONTENT)
                }
                Err(problem) => json(StatusCode::BAD_REQUEST, &json!({ "error": problem })),
            },
            (&Method::GET, "requests") => json(StatusCode::OK, &in_force.shown()),
            (&Method::DELETE, "requests") => {
                in_force.forget();
                empty(StatusCode::NO_CONTENT)
            }
            (&Method::GET, "invocations") => json(StatusCode::OK, &self.0.host.shown()),
            (&Method::GET, "queues") => json(StatusCode::OK, &self.0.queues.shown()),
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    async fn pass(
        &self,
        function: &str,
        environment: &str,
        mut call: AwsCall,
    ) -> Result<Response, Cut> {
        let known = Recognised::of(&mut call);
        let in_force = &self.0.in_force;
        let request = Request {
            function,
            operation: &known.operation,
            effect: known.effect,
            target: &known.target,
            path: &call.path,
            body: std::str::from_utf8(&call.body).unwrap_or_default(),
        };
        let met = in_force.meet(&request);
        let fault = met.fault;
        // Remembered before it is forwarded: who sees its effect must find it in the list.
        let number = in_force.remember(&request, fault);
        let answered = match fault {
            None => self.forward(&known, call, false).await,
            Some(Fault::Stale) => self.forward(&known, call, !known.consistent).await,
            Some(Fault::Hold) => {
                in_force.released(met).await;
                self.forward(&known, call, false).await
            }
            Some(Fault::Drop | Fault::Kill | Fault::Silence) => Err(Cut),
            Some(Fault::LoseAnswer | Fault::KillAfter) => {
                self.forward(&known, call, false).await?;
                Err(Cut)
            }
            Some(Fault::Partly) => self.forward_half(&known, call).await,
            Some(refusal @ (Fault::Throttle | Fault::Conflict | Fault::Gone | Fault::Fail)) => {
                Ok((refuse(refusal, known.service), 0.0))
            }
        };
        if let Ok((response, units)) = &answered {
            in_force.answered(number, response.status().as_u16(), *units);
        }
        match fault {
            Some(Fault::Kill | Fault::KillAfter) => self.0.host.kill(environment).await,
            Some(Fault::Silence) => {
                let _held = in_force.hold();
                // Until the function gives up, which ends this.
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        answered.map(|(response, _)| response)
    }

    /// Forwards a request, and returns the answer with its capacity units.
    async fn forward(
        &self,
        known: &Recognised,
        call: AwsCall,
        from_replica: bool,
    ) -> Result<(Response, f64), Cut> {
        let Upstreams {
            table,
            replica,
            internal,
        } = self.0.upstreams;
        let response = match known.effect {
            Effect::Other => self.send(internal, call).await?,
            Effect::Read if from_replica => self.send(replica, call).await?,
            Effect::Read => self.send(table, call).await?,
            Effect::Write => {
                let mut unseen = self.0.unseen.lock().await;
                if let Some(earlier) = unseen.take() {
                    self.send(replica, earlier).await?;
                }
                let response = self.send(table, call.clone()).await?;
                if response.status().is_success() {
                    *unseen = Some(call);
                }
                response
            }
        };
        let (parts, body) = response.into_parts();
        let units = match known.effect {
            Effect::Other => 0.0,
            Effect::Read | Effect::Write => capacity_units(&body),
        };
        Ok((Response::from_parts(parts, Body::from(body)), units))
    }

    /// Forwards half of a batch, and returns the other half as unprocessed.
    async fn forward_half(
        &self,
        known: &Recognised,
        mut call: AwsCall,
    ) -> Result<(Response, f64), Cut> {
        let Some((half, rest)) = batch::halves(&call.body) else {
            return self.forward(known, call, false).await;
        };
        let Some(half) = half else {
            let nothing = batch::handing_back(json!({}), rest);
            return Ok((json(StatusCode::OK, &nothing), 0.0));
        };
        call.body = half.to_string().into();
        let (response, units) = self.forward(known, call, false).await?;
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let answer = serde_json::from_slice(&body).unwrap_or_default();
        // The checksum belongs to the body before this change.
        parts.headers.remove("x-amz-crc32");
        let body = batch::handing_back(answer, rest).to_string();
        Ok((Response::from_parts(parts, Body::from(body)), units))
    }

    async fn send(&self, to: SocketAddr, call: AwsCall) -> Result<http::Response<Bytes>, Cut> {
        let uri: Uri = format!("http://{to}{}", call.path)
            .parse()
            .map_err(|_| Cut)?;
        let mut request = http::Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = call.headers;
        for name in [header::HOST, header::CONTENT_LENGTH] {
            request.headers_mut().remove(name);
        }
        let answer = self.0.client.request(request).await.map_err(|_| Cut)?;
        let (mut parts, body) = answer.into_parts();
        // These headers belong to the connection that ends here.
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        Ok(http::Response::from_parts(parts, body))
    }
}
