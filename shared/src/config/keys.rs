//! What requests to AWS are signed with, and where that comes from.

use http::{HeaderValue, Uri};

use super::variable;

/// Hosts that may be asked for credentials over plain HTTP, as AWS's own clients have them: this machine,
/// and where a container finds them.
const KEY_HOSTS: [&str; 6] = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
];

/// A role's credentials. No `Debug`.
#[derive(Clone)]
pub struct AwsKeys {
    /// Public.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: String,
    /// Secret; absent for a user's own key.
    pub session_token: Option<String>,
}

/// Where the role's credentials come from. No `Debug`.
#[derive(Clone)]
pub enum KeySource {
    /// They were given, and are the same for as long as the process lives: so an environment of
    /// Lambda has them.
    Given(AwsKeys),
    /// An endpoint gives them, and new ones before they end: so whatever lives longer has them.
    Endpoint(KeyEndpoint),
}

/// What gives credentials to whoever asks. No `Debug`.
#[derive(Clone)]
pub struct KeyEndpoint {
    /// Its host is this machine, or one that AWS has for the purpose.
    pub uri: Uri,
    /// Secret: what it wants to be shown.
    pub authorization: Option<HeaderValue>,
}

impl KeySource {
    /// Reads what `lookup` finds. Where there are keys, no endpoint is asked: AWS's clients have the same order.
    ///
    /// # Errors
    /// All that is missing or wrong. No value is repeated.
    pub(super) fn from(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let key_id = lookup(variable::ACCESS_KEY_ID);
        let secret = lookup(variable::SECRET_ACCESS_KEY);
        match (key_id, secret, lookup(variable::KEY_ENDPOINT)) {
            (Some(access_key_id), Some(secret_access_key), _) => Ok(Self::Given(AwsKeys {
                access_key_id,
                secret_access_key,
                session_token: lookup(variable::SESSION_TOKEN),
            })),
            (None, None, Some(uri)) => KeyEndpoint::parse(&uri, lookup(variable::KEY_TOKEN))
                .map(Self::Endpoint)
                .map_err(|problem| vec![problem]),
            (key_id, secret, _) => {
                let found = [
                    (variable::ACCESS_KEY_ID, key_id),
                    (variable::SECRET_ACCESS_KEY, secret),
                ];
                let missing = found.into_iter().filter(|(_, found)| found.is_none());
                Err(missing
                    .map(|(name, _)| format!("{name} is missing"))
                    .collect())
            }
        }
    }
}

impl KeyEndpoint {
    fn parse(uri: &str, authorization: Option<String>) -> Result<Self, String> {
        let uri = uri.parse().ok().filter(|uri: &Uri| {
            uri.scheme() == Some(&http::uri::Scheme::HTTP)
                && uri.host().is_some_and(|host| KEY_HOSTS.contains(&host))
        });
        let name = variable::KEY_ENDPOINT;
        let uri = uri.ok_or_else(|| {
            format!("{name} is no http URL of this machine or of AWS's for credentials")
        })?;
        let header = |token: String| {
            let mut value = HeaderValue::try_from(token)
                .map_err(|_| format!("{} cannot be a header", variable::KEY_TOKEN))?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        let authorization = authorization.map(header).transpose()?;
        Ok(Self { uri, authorization })
    }
}
