//! The proxy. A function's requests come as `/{function}/{environment}/…` and go on to what they
//! were meant for, unless a rule is about them.
//!
//! The rest is for whoever sets the faults: `PUT /rules` takes a JSON array of [`Rule`]s in place
//! of those in force, `GET /requests` gives what the functions have asked since the last
//! `DELETE /requests`: function, operation, target, capacity units, and the fault it met, and how
//! many are held or met with silence just now.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Effect, Fault, Request, Rule, Rules};
use crate::host::Host;
use crate::serve::{self, empty, json};
use crate::stop::Stop;

/// More than any request that the functions make.
const BODY_MAX_BYTES: usize = 16 * 1_024 * 1_024;
/// Requests that are remembered: the latest.
const REMEMBERED_MAX: usize = 100_000;

/// A request that was made.
#[derive(Clone, Debug, Serialize)]
struct Made {
    #[serde(skip)]
    number: u64,
    function: String,
    operation: String,
    /// The connection or the partition.
    target: String,
    /// What DynamoDB would bill.
    capacity_units: f64,
    /// The answer's status; 0 without one.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// Cuts the connection instead of answering.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

/// Where requests go on to.
#[derive(Clone, Copy, Debug)]
pub struct Upstreams {
    /// DynamoDB.
    pub table: SocketAddr,
    /// A second one, which is always one write behind.
    pub replica: SocketAddr,
    /// `@connections` and the Invoke API.
    pub internal: SocketAddr,
}

/// The proxy. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    upstreams: Upstreams,
    client: Client<HttpConnector, Full<Bytes>>,
    host: Host,
    rules: Mutex<Rules>,
    /// Changes with the rules.
    changes: watch::Sender<u64>,
    made: Mutex<VecDeque<Made>>,
    /// The number of the next one.
    next: AtomicU64,
    /// Requests that are held or met with silence.
    held: AtomicUsize,
    /// The last write, which the replica has not seen. Writes come one by one.
    unseen: tokio::sync::Mutex<Option<Call>>,
}

/// A request on its way.
#[derive(Clone, Debug)]
struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// One request more that is held, for as long as it lives.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// A proxy without rules.
    #[must_use]
    pub fn new(upstreams: Upstreams, host: Host) -> Self {
        Self(Arc::new(Inner {
            upstreams,
            client: Client::builder(TokioExecutor::new()).build_http(),
            host,
            rules: Mutex::default(),
            changes: watch::Sender::new(0),
            made: Mutex::default(),
            next: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            unseen: tokio::sync::Mutex::default(),
        }))
    }

    /// Answers until the system stops.
    pub(crate) async fn serve(self, listener: TcpListener, stop: Stop) {
        serve::serve_with(listener, stop, move |request, _: SocketAddr| {
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
                let call = Call {
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
        match (method, what) {
            (&Method::PUT, "rules") => match serde_json::from_slice::<Vec<Rule>>(body) {
                Ok(rules) => {
                    *locked(&self.0.rules) = Rules::new(rules);
                    self.0.changes.send_modify(|change| *change += 1);
                    empty(StatusCode::NO_CONTENT)
                }
                Err(problem) => json(
                    StatusCode::BAD_REQUEST,
                    &json!({ "error": problem.to_string() }),
                ),
            },
            (&Method::GET, "requests") => {
                let held = self.0.held.load(Ordering::Relaxed);
                let body = json!({ "requests": *locked(&self.0.made), "held": held });
                json(StatusCode::OK, &body)
            }
            (&Method::DELETE, "requests") => {
                locked(&self.0.made).clear();
                empty(StatusCode::NO_CONTENT)
            }
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    async fn pass(
        &self,
        function: &str,
        environment: &str,
        mut call: Call,
    ) -> Result<Response, Cut> {
        let known = Known::of(&mut call);
        // Before the rules are asked: what changes them afterwards releases what they hold.
        let mut changes = self.0.changes.subscribe();
        let request = Request {
            function,
            operation: &known.operation,
            effect: known.effect,
            target: &known.target,
            path: &call.path,
            body: std::str::from_utf8(&call.body).unwrap_or_default(),
        };
        let fault = locked(&self.0.rules).fault_of(&request);
        // Before it is carried out, so that whoever sees its effect finds it here.
        let number = self.remember(function, &known, fault);
        let answered = match fault {
            None => self.forward(&known, call, false).await,
            Some(Fault::Stale) => self.forward(&known, call, !known.consistent).await,
            Some(Fault::Hold) => {
                let held = Held::new(&self.0.held);
                let _ = changes.changed().await;
                drop(held);
                self.forward(&known, call, false).await
            }
            Some(Fault::Drop | Fault::Kill | Fault::Silence) => Err(Cut),
            Some(Fault::LoseAnswer | Fault::KillAfter) => {
                self.forward(&known, call, false).await?;
                Err(Cut)
            }
            Some(refusal @ (Fault::Throttle | Fault::Conflict | Fault::Gone | Fault::Fail)) => {
                Ok((refuse(refusal, known.effect), 0.0))
            }
        };
        if let Ok((response, units)) = &answered {
            self.answered(number, response.status().as_u16(), *units);
        }
        match fault {
            Some(Fault::Kill | Fault::KillAfter) => self.0.host.kill(environment).await,
            Some(Fault::Silence) => {
                let _held = Held::new(&self.0.held);
                // Until the function gives up, which ends this.
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        answered.map(|(response, _)| response)
    }

    fn remember(&self, function: &str, known: &Known, fault: Option<Fault>) -> u64 {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut all = locked(&self.0.made);
        if all.len() == REMEMBERED_MAX {
            all.pop_front();
        }
        all.push_back(Made {
            number,
            function: function.to_owned(),
            operation: known.operation.clone(),
            target: known.target.clone(),
            capacity_units: 0.0,
            status: 0,
            fault,
        });
        number
    }

    fn answered(&self, number: u64, status: u16, capacity_units: f64) {
        let mut all = locked(&self.0.made);
        // The latest are the likeliest.
        if let Some(made) = all.iter_mut().rev().find(|made| made.number == number) {
            made.status = status;
            made.capacity_units = capacity_units;
        }
    }

    /// Sends a request on, and gives the answer with its capacity units.
    async fn forward(
        &self,
        known: &Known,
        call: Call,
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

    async fn send(&self, to: SocketAddr, call: Call) -> Result<http::Response<Bytes>, Cut> {
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
        // They are those of a connection that ends here.
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        Ok(http::Response::from_parts(parts, body))
    }
}

/// What is known of a request from its headers and its body.
struct Known {
    operation: String,
    effect: Effect,
    target: String,
    /// Whether a read asks for the latest.
    consistent: bool,
}

impl Known {
    /// Also makes a request of DynamoDB's ask what it costs.
    fn of(call: &mut Call) -> Self {
        let target = call.headers.get("x-amz-target");
        let operation = target.and_then(|target| target.to_str().ok()?.split('.').nth(1));
        if let Some(operation) = operation {
            let operation = operation.to_owned();
            return Self::of_table(operation, call);
        }
        let connection = call.path.split_once("/@connections/");
        let (name, target) = match (&call.method, connection) {
            (&Method::POST, Some((_, id))) => ("PostToConnection", id),
            (&Method::GET, Some((_, id))) => ("GetConnection", id),
            (&Method::DELETE, Some((_, id))) => ("DeleteConnection", id),
            _ => ("Invoke", call.path.as_str()),
        };
        Self {
            operation: name.to_owned(),
            effect: Effect::Other,
            target: target.replace("%3D", "="),
            consistent: false,
        }
    }

    fn of_table(operation: String, call: &mut Call) -> Self {
        let effect = match operation.as_str() {
            "GetItem" | "Query" | "Scan" | "BatchGetItem" | "TransactGetItems" => Effect::Read,
            _ => Effect::Write,
        };
        let mut body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let partition = [
            "/Key/pk/S",
            "/Item/pk/S",
            "/ExpressionAttributeValues/:pk/S",
        ]
        .into_iter()
        .find_map(|pointer| body.pointer(pointer)?.as_str());
        let target = partition.unwrap_or_default().to_owned();
        let consistent = body["ConsistentRead"] == true;
        if let Value::Object(fields) = &mut body {
            fields.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
            call.body = body.to_string().into();
        }
        Self {
            operation,
            effect,
            target,
            consistent,
        }
    }
}

fn capacity_units(answer: &[u8]) -> f64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer
        .pointer("/ConsumedCapacity/CapacityUnits")
        .and_then(Value::as_f64)
        .unwrap_or_default()
}

/// A refusal in the words of the service that would make it.
fn refuse(fault: Fault, effect: Effect) -> Response {
    let of_table = effect != Effect::Other;
    let (status, name) = match (fault, of_table) {
        (Fault::Throttle, true) => (400, "ThrottlingException"),
        (Fault::Throttle, false) => (429, "LimitExceededException"),
        (Fault::Conflict, _) => (400, "TransactionConflictException"),
        (Fault::Gone, _) => (410, "GoneException"),
        (_, true) => (500, "InternalServerError"),
        (_, false) => (500, "InternalServerErrorException"),
    };
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let body = json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"),
        "message": "a fault was asked for",
    });
    let mut response = json(status, &body);
    let name = HeaderValue::from_static(name);
    response.headers_mut().insert("x-amzn-errortype", name);
    response
}
