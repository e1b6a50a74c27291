//! One environment of a function: a child process that is given one invocation after another.
//!
//! It is busy until it asks for the next invocation: work after a response counts, as on Lambda.
//! If it crashes or exceeds its timeout, it ends, and the next invocation starts another one.

use std::io::Write as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use shared::config::variable;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::function::Function;
use super::invocation::{FunctionResponse, Invocation, Job, Outcome, RuntimeCall, error_body};
use super::settings::Settings;
use crate::account::{ACCOUNT_ID, REGION};
use crate::serving::stop::Stop;

/// How long a function may take to start.
const INIT_PATIENCE: Duration = Duration::from_secs(10);

/// Why an environment ended.
enum End {
    /// Its process did, or could not be started.
    Exited(String),
    /// It overran its time.
    TimedOut,
    /// It said that it cannot start.
    InitFailed(Bytes),
    /// The system stops.
    Stopped,
}

/// Runs an environment from its first job to its end. Gives back a job that it was given but has
/// not begun.
pub(crate) async fn run(
    settings: &Settings,
    function: &Function,
    id: &str,
    called: mpsc::Receiver<RuntimeCall>,
    first: Job,
) -> Option<Job> {
    let mut child = match spawn(settings, function.name, id) {
        Ok(child) => child,
        Err(error) => {
            let message = format!("RequestId: {} Error: {error}", first.request_id);
            let failed = Outcome::Failed(error_body("Runtime.InvalidEntrypoint", &message));
            let _ = first.reply.send(FunctionResponse::Whole(failed));
            return None;
        }
    };
    show_output(&mut child, function.name, settings.quiet);
    let (jobs, mut given) = mpsc::channel(1);
    let mut environment = Environment {
        function,
        id,
        child,
        called,
        jobs,
        unbegun: None,
        stop: settings.stop.clone(),
    };
    environment.work(first, &mut given).await;
    // It may have ended by itself; either way it is gone before another one starts.
    let _ = environment.child.kill().await;
    given.close();
    environment.unbegun.take().or_else(|| given.try_recv().ok())
}

fn spawn(settings: &Settings, name: &'static str, id: &str) -> std::io::Result<Child> {
    let mut command = Command::new(settings.folder.join(name));
    command
        .env_clear()
        .env(
            "AWS_LAMBDA_RUNTIME_API",
            format!("http://{}/{id}", settings.runtime),
        )
        .env(variable::FUNCTION_NAME, name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", id)
        .envs(
            ["RUST_BACKTRACE", variable::LOG]
                .into_iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .envs(settings.variables(Some((name, id))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Not ours: Ctrl-C at the terminal is for the system, which ends its functions in order.
        .process_group(0)
        .kill_on_drop(true);
    command.spawn()
}

/// Shows what a function writes, line by line under its name. It is read in any case, or a full
/// pipe would stop the function.
fn show_output(child: &mut Child, name: &'static str, quiet: bool) {
    fn show(output: impl AsyncRead + Unpin + Send + 'static, name: &'static str, quiet: bool) {
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                if !quiet {
                    let _ = writeln!(
                        std::io::stdout(),
                        "[{name}] {}",
                        String::from_utf8_lossy(&line)
                    );
                }
            }
        });
    }
    if let Some(stdout) = child.stdout.take() {
        show(stdout, name, quiet);
    }
    if let Some(stderr) = child.stderr.take() {
        show(stderr, name, quiet);
    }
}

struct Environment<'a> {
    function: &'a Function,
    id: &'a str,
    child: Child,
    called: mpsc::Receiver<RuntimeCall>,
    jobs: mpsc::Sender<Job>,
    unbegun: Option<Job>,
    stop: Stop,
}

impl Environment<'_> {
    async fn work(&mut self, first: Job, given: &mut mpsc::Receiver<Job>) {
        let mut job = first;
        let started = Instant::now();
        let mut poll = match self.poll(started + INIT_PATIENCE).await {
            Ok(poll) => poll,
            Err(end) => {
                let failure = self.failure(&job.request_id, end, INIT_PATIENCE);
                let _ = job.reply.send(FunctionResponse::Whole(failure));
                return;
            }
        };
        loop {
            let began = Instant::now();
            self.function.invoked();
            let ended = self.invoke(job, poll).await;
            self.function.done(began.elapsed());
            let Some(next_poll) = ended else {
                return;
            };
            poll = next_poll;
            job = match self.function.next_or_idle(self.id, &self.jobs) {
                Some(job) => job,
                None => match self.idle(given).await {
                    Some(job) => job,
                    None => return,
                },
            };
        }
    }

    /// Runs one invocation up to the next poll. `None`: the environment has ended.
    async fn invoke(
        &mut self,
        job: Job,
        poll: oneshot::Sender<Invocation>,
    ) -> Option<oneshot::Sender<Invocation>> {
        let Job {
            request_id,
            payload,
            reply,
        } = job;
        let deadline = Instant::now() + self.function.timeout;
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let invocation = Invocation {
            request_id: request_id.clone(),
            deadline_ms: (since_epoch + self.function.timeout).as_millis(),
            arn: format!(
                "arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{}",
                self.function.name
            ),
            payload,
        };
        let mut reply = Some(reply);
        if let Err(Invocation { payload, .. }) = poll.send(invocation) {
            // Nobody took it: the process ended while it was idle, and has begun nothing.
            self.unbegun = reply.take().map(|reply| Job {
                request_id,
                payload,
                reply,
            });
            return None;
        }
        loop {
            match self.call(deadline).await {
                Ok(RuntimeCall::Next(poll)) => {
                    if let Some(reply) = reply.take() {
                        let message =
                            format!("RequestId: {request_id} Error: no response was given");
                        let failed = Outcome::Failed(error_body("Runtime.NoResponse", &message));
                        let _ = reply.send(FunctionResponse::Whole(failed));
                    }
                    return Some(poll);
                }
                Ok(RuntimeCall::Response {
                    request_id: of,
                    body,
                }) if of == request_id => {
                    reply.take().map(|reply| reply.send(body));
                }
                Ok(RuntimeCall::Error {
                    request_id: of,
                    body,
                }) if of == request_id => {
                    let failed = FunctionResponse::Whole(Outcome::Failed(body));
                    reply.take().map(|reply| reply.send(failed));
                }
                // About an earlier one: nobody waits for it.
                Ok(
                    RuntimeCall::Response { .. }
                    | RuntimeCall::Error { .. }
                    | RuntimeCall::InitError(_)
                    | RuntimeCall::Kill,
                ) => {}
                Err(end) => {
                    let failure = self.failure(&request_id, end, self.function.timeout);
                    reply
                        .take()
                        .map(|reply| reply.send(FunctionResponse::Whole(failure)));
                    return None;
                }
            }
        }
    }

    /// Waits for work. `None`: the environment has ended.
    async fn idle(&mut self, given: &mut mpsc::Receiver<Job>) -> Option<Job> {
        tokio::select! {
            job = given.recv() => job,
            _ = self.child.wait() => None,
            () = self.stop.stopped() => None,
        }
    }

    /// Waits for the first poll.
    async fn poll(&mut self, deadline: Instant) -> Result<oneshot::Sender<Invocation>, End> {
        loop {
            match self.call(deadline).await? {
                RuntimeCall::Next(poll) => return Ok(poll),
                RuntimeCall::InitError(body) => return Err(End::InitFailed(body)),
                RuntimeCall::Response { .. } | RuntimeCall::Error { .. } | RuntimeCall::Kill => {}
            }
        }
    }

    async fn call(&mut self, deadline: Instant) -> Result<RuntimeCall, End> {
        tokio::select! {
            // What it has said counts before how it ended.
            biased;
            call = timeout_at(deadline, self.called.recv()) => match call {
                Ok(Some(RuntimeCall::Kill)) => {
                    // Waits for its end, too.
                    let _ = self.child.kill().await;
                    Err(End::Exited(exit_text(self.child.wait().await)))
                }
                Ok(Some(call)) => Ok(call),
                Ok(None) => Err(End::Stopped),
                Err(_) => Err(End::TimedOut),
            },
            status = self.child.wait() => Err(End::Exited(exit_text(status))),
            () = self.stop.stopped() => Err(End::Stopped),
        }
    }

    /// What the caller is shown, in Lambda's words.
    fn failure(&self, request_id: &str, end: End, limit: Duration) -> Outcome {
        match end {
            End::Exited(text) => {
                let body = error_body(
                    "Runtime.ExitError",
                    &format!("RequestId: {request_id} Error: Runtime exited with error: {text}"),
                );
                Outcome::Failed(body)
            }
            End::TimedOut => {
                let message = format!(
                    "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
                    limit.as_secs_f64()
                );
                Outcome::Failed(error_body("Sandbox.Timedout", &message))
            }
            End::InitFailed(body) => Outcome::Failed(body),
            End::Stopped => Outcome::Throttled,
        }
    }
}

fn exit_text(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
