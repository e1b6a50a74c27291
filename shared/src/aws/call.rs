//! Services of which the functions make one call each: Lambda and Secrets Manager. The SDK's crate of
//! either would cost a minute to build for it. The signature is that of the SDK's own crate.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::credentials::Keys;
use super::pool::{Cause, Pool};
use crate::config::Config;
use crate::model::limits::SDK_ATTEMPT_TIMEOUT;

/// Attempts for one call, as the SDK's.
const ATTEMPTS: u32 = 3;
/// The pause before the second attempt; it doubles.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of an answer that are read: a secret has 64 KB at most, which JSON may escape.
const ANSWER_MAX_BYTES: usize = 512 * 1_024;

/// A service in a region. It opens nothing before its first call.
pub(super) struct Service {
    /// Its name in a signature's scope.
    name: &'static str,
    region: String,
    keys: Keys,
    host: String,
    pool: Pool,
}

/// One call: a POST.
pub(super) struct Call<'a> {
    /// The path, escaped.
    pub(super) path: &'a str,
    /// The headers that the service knows it by; all of them are signed.
    pub(super) headers: &'a [(&'static str, &'static str)],
    /// The body.
    pub(super) body: Bytes,
}

impl Service {
    /// The service at `endpoint`, or where AWS has it.
    pub(super) fn new(name: &'static str, endpoint: Option<&str>, config: &Config) -> Self {
        let region = &config.region;
        let endpoint = match endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{name}.{region}.{}", suffix(region)),
        };
        let endpoint: Uri = endpoint.parse().unwrap_or_default();
        let host = endpoint.authority().map_or("", |host| host.as_str());
        Self {
            name,
            region: region.clone(),
            keys: Keys::new(config),
            host: host.to_owned(),
            pool: Pool::new(endpoint, config.aws_roots_pem.clone(), ANSWER_MAX_BYTES),
        }
    }

    /// Makes a call, again if it may be repeated: at most three attempts of 3 s each.
    ///
    /// # Errors
    /// No answer, or one that is not a success. The service may have done it.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Bytes, Cause> {
        let mut pause = RETRY_PAUSE;
        let mut attempt = 1;
        loop {
            let answer = timeout(SDK_ATTEMPT_TIMEOUT, self.attempt(&call)).await;
            let (problem, repeatable) = match answer.unwrap_or_else(|late| Err(late.into())) {
                Ok(answer) if answer.status().is_success() => return Ok(answer.into_body()),
                Ok(answer) => {
                    let refusal = Refusal::of(&answer);
                    (refusal.text().into(), refusal.is_repeatable())
                }
                Err(cause) => (cause, true),
            };
            if !repeatable || attempt == ATTEMPTS {
                return Err(problem);
            }
            sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Response<Bytes>, Cause> {
        let credentials = self.keys.credentials().await?;
        let mut request = Request::post(call.path)
            .header(header::HOST, &self.host)
            .body(Full::new(call.body.clone()))?;
        for (name, value) in call.headers {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(*name, value);
        }
        for (name, value) in self.signature(call, credentials)? {
            let mut value = HeaderValue::try_from(value)?;
            value.set_sensitive(true);
            request
                .headers_mut()
                .insert(HeaderName::try_from(name)?, value);
        }
        self.pool.send(request).await
    }

    /// The headers that sign a call.
    fn signature(
        &self,
        call: &Call<'_>,
        credentials: Credentials,
    ) -> Result<Vec<(String, String)>, Cause> {
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let url = format!("https://{}{}", self.host, call.path);
        let host = [("host", &*self.host)];
        let headers = host.into_iter().chain(call.headers.iter().copied());
        let request = SignableRequest::new("POST", &url, headers, SignableBody::Bytes(&call.body))?;
        let (instructions, _) = sign(request, &params)?.into_parts();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Ok(instructions.headers().map(owned).collect())
    }
}

/// What the hosts of a region end with.
fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

/// An answer that is not a success.
struct Refusal {
    status: StatusCode,
    /// What the service calls it; empty where it says nothing.
    code: String,
}

impl Refusal {
    fn of(answer: &Response<Bytes>) -> Self {
        #[derive(Deserialize)]
        struct Body {
            #[serde(alias = "__type", alias = "Type")]
            code: String,
        }
        let code = match serde_json::from_slice(answer.body()) {
            Ok(Body { code }) => code.rsplit('#').next().unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        };
        let status = answer.status();
        Self { status, code }
    }

    /// Whether another attempt may succeed: the service is overloaded, or failed.
    fn is_repeatable(&self) -> bool {
        let throttled = ["Throttl", "TooManyRequests", "RequestLimitExceeded"];
        self.status.is_server_error()
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || throttled.iter().any(|begin| self.code.starts_with(begin))
    }

    fn text(&self) -> String {
        format!("answered {} {}", self.status, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &'static str) -> Refusal {
        let answer = Response::builder().status(status);
        Refusal::of(&answer.body(Bytes::from(body)).expect("an answer"))
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        for (status, body, repeatable) in [
            (500, "", true),
            (503, "<html>", true),
            (429, r#"{"Type":"User"}"#, true),
            (400, r#"{"__type":"ThrottlingException"}"#, true),
            (400, r#"{"__type":"com.amazonaws#LimitExceeded"}"#, false),
            (400, r#"{"__type":"ResourceNotFoundException"}"#, false),
            (403, "", false),
        ] {
            assert_eq!(refusal(status, body).is_repeatable(), repeatable, "{body}");
        }
        let refused = refusal(400, r#"{"__type":"a.b#AccessDeniedException"}"#);
        assert_eq!(
            refused.text(),
            "answered 400 Bad Request AccessDeniedException"
        );
    }

    #[test]
    fn a_region_of_china_has_its_own_hosts() {
        assert_eq!(suffix("cn-north-1"), "amazonaws.com.cn");
        assert_eq!(suffix("eu-central-1"), "amazonaws.com");
    }
}
