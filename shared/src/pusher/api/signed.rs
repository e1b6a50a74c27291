//! Who may call the HTTP API ("Pusher HTTP API, authentication").

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use super::path;
use super::query::Parameters;
use crate::model::app::{App, Apps};
use crate::model::error::Rejection;
use crate::model::event::check_length;
use crate::model::limits::{BATCH_BODY_MAX_BYTES, QUERY_MAX_BYTES, REQUEST_AGE_MAX_SECS};
use crate::model::time::UnixMillis;
use crate::pusher::signature::is_signed;

const SIGNATURE: &str = "auth_signature";
const KEY: &str = "auth_key";
const TIMESTAMP: &str = "auth_timestamp";
const VERSION: &str = "auth_version";
const BODY_DIGEST: &str = "body_md5";
const VERSION_SPOKEN: &str = "1.0";

/// An HTTP request as it came over the wire.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `GET`, `POST`…
    pub method: &'a str,
    /// The path as it came, from `/apps/` on.
    pub path: &'a str,
    /// What stands after `?`, as sent.
    pub query: &'a str,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// A request that its app has signed. No `Debug`: the app has a secret.
pub struct Admitted<'a> {
    /// The app: no other app's key signs for it.
    pub app: &'a App,
    /// The query.
    pub parameters: Parameters,
    /// The path as its sender has it, escaped.
    pub path: String,
}

/// Admits a request to the HTTP API of the app that its path names.
///
/// # Errors
/// The first of these that is so: too long, a path of no app, an unknown app, a parameter missing,
/// doubled or of a wrong form, a key of another app, a wrong signature, a time more than 600 s away
/// in either direction, another body than was signed.
pub fn authenticate<'a>(
    apps: &'a Apps,
    request: SignedRequest<'_>,
    now: UnixMillis,
) -> Result<Admitted<'a>, Rejection> {
    if request.query.len() > QUERY_MAX_BYTES {
        return Err(Rejection::QueryTooLong);
    }
    check_length(request.body, BATCH_BODY_MAX_BYTES)?;
    let named = app_named(apps, request.path)?;
    let parameters = Parameters::parse(request.query)?;
    let parameter = |name: &'static str| {
        let found = parameters.get(name);
        found.ok_or(Rejection::AuthParameterMissing(name))
    };
    let key = parameter(KEY)?;
    let app = match named {
        Some(app) => app,
        None => apps.by_key(key).ok_or(Rejection::UnknownKey)?,
    };
    if !app.has_key(key) {
        return Err(Rejection::AuthKey);
    }
    if parameter(VERSION)? != VERSION_SPOKEN {
        return Err(Rejection::AuthVersion);
    }
    let given = parse_timestamp(parameter(TIMESTAMP)?)?;
    let signature = parameter(SIGNATURE)?;
    let is_signed_as = |path: &str| {
        let message = string_to_sign(request.method, path, &parameters);
        is_signed(app.secrets(), message.as_bytes(), signature)
    };
    let mut forms = path::forms(request.path);
    let Some(form) = forms.find(|form| is_signed_as(&form.signed)) else {
        return Err(Rejection::AuthSignature);
    };
    if given.abs_diff(now.secs()) > REQUEST_AGE_MAX_SECS {
        return Err(Rejection::AuthExpired {
            given,
            now: now.secs(),
        });
    }
    // An empty body needs none, but does not pass for one that was signed.
    if !request.body.is_empty() || parameter(BODY_DIGEST).is_ok() {
        let digest = hex::encode(Md5::digest(request.body));
        if !bool::from(digest.as_bytes().ct_eq(parameter(BODY_DIGEST)?.as_bytes())) {
            return Err(Rejection::BodyDigest);
        }
    }
    let path = form.sent.into_owned();
    Ok(Admitted {
        app,
        parameters,
        path,
    })
}

/// Whether the app is known that a request is about; so is that of one that names none.
#[must_use]
pub fn knows(apps: &Apps, request: SignedRequest<'_>) -> bool {
    match app_named(apps, request.path) {
        Ok(None) => {
            let parameters = Parameters::parse(request.query).ok();
            let key = parameters.as_ref().and_then(|found| found.get(KEY));
            key.is_none_or(|key| apps.by_key(key).is_some())
        }
        Err(Rejection::UnknownApp) => false,
        Ok(Some(_)) | Err(_) => true,
    }
}

/// The app that a path names. `None`: it is under `/users/`, where Python's SDK ends a user's
/// connections, and the key says whose they are.
fn app_named<'a>(apps: &'a Apps, path: &str) -> Result<Option<&'a App>, Rejection> {
    // An id is never unescaped: no two spellings of a path are two apps.
    let mut segments = path.split('/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some(""), Some("apps"), Some(id)) => apps.by_id(id).map(Some).ok_or(Rejection::UnknownApp),
        (Some(""), Some("users"), Some(_)) => Ok(None),
        _ => Err(Rejection::NotFound),
    }
}

fn parse_timestamp(text: &str) -> Result<u64, Rejection> {
    // `parse` alone would take a leading `+`.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Rejection::AuthTimestamp)
    } else {
        Err(Rejection::AuthTimestamp)
    }
}

/// The method, the path and all parameters but the signature, values not escaped.
fn string_to_sign(method: &str, path: &str, parameters: &Parameters) -> String {
    let pairs: Vec<String> = parameters
        .pairs()
        .filter(|(key, _)| *key != SIGNATURE)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!(
        "{}\n{path}\n{}",
        method.to_ascii_uppercase(),
        pairs.join("&")
    )
}

#[cfg(test)]
mod tests;
