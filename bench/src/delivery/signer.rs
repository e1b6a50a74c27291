//! Signs a post for API Gateway. Everything that does not depend on the recipient is prepared once a
//! second, the key included.

use std::time::SystemTime;

use aws_sdk_apigatewaymanagement::primitives::{DateTime, DateTimeFormat};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Uri;
use sha2::{Digest as _, Sha256};

use super::load::{KEY_ID, REGION, SECRET, session_token};

const NAMES: &str = "host;x-amz-date;x-amz-security-token";

/// Signs posts of one body to one host.
pub(super) struct Signer {
    host: String,
    token: String,
    body_digest: String,
    /// A canonical request on its way to its hash.
    canonical: String,
    current: Current,
}

/// What holds for a second.
struct Current {
    secs: u64,
    /// The canonical request after its path.
    canonical: String,
    /// What is signed before the request's hash.
    signed: String,
    /// The head between the path and the signature.
    head: String,
    mac: Hmac<Sha256>,
}

impl Signer {
    pub(super) fn new(endpoint: &Uri, body_digest: &str) -> Self {
        let host = endpoint
            .authority()
            .map_or("", http::uri::Authority::as_str);
        let token = session_token();
        Self {
            current: Current::new(0, host, &token, body_digest),
            host: host.to_owned(),
            token,
            body_digest: body_digest.to_owned(),
            canonical: String::new(),
        }
    }

    /// Prints the head of a post to `id`, whose last character alone is to be escaped.
    pub(super) fn print_head(&mut self, path: &str, id: &str, length: usize, into: &mut Vec<u8>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.print_head_at(now.unwrap_or_default().as_secs(), path, id, length, into);
    }

    fn print_head_at(
        &mut self,
        secs: u64,
        path: &str,
        id: &str,
        length: usize,
        into: &mut Vec<u8>,
    ) {
        if self.current.secs != secs {
            self.current = Current::new(secs, &self.host, &self.token, &self.body_digest);
        }
        let id = id.trim_end_matches('=');
        self.canonical.clear();
        for part in ["POST\n", &path.replace('@', "%40"), id, "%253D"] {
            self.canonical.push_str(part);
        }
        self.canonical.push_str(&self.current.canonical);
        let mut mac = self.current.mac.clone();
        mac.update(self.current.signed.as_bytes());
        mac.update(&hex_of(&Sha256::digest(&self.canonical)));
        let signature = hex_of(&mac.finalize().into_bytes());
        for part in ["POST ", path, id, "%3D", &self.current.head] {
            into.extend_from_slice(part.as_bytes());
        }
        into.extend_from_slice(&signature);
        into.extend_from_slice(format!("\r\ncontent-length: {length}\r\n\r\n").as_bytes());
    }
}

impl Current {
    fn new(secs: u64, host: &str, token: &str, body_digest: &str) -> Self {
        let at = DateTime::from_secs(i64::try_from(secs).unwrap_or_default());
        let date = at.fmt(DateTimeFormat::DateTime).unwrap_or_default();
        let date = date.replace(['-', ':'], "");
        let day = date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{REGION}/execute-api/aws4_request");
        let mut key = format!("AWS4{SECRET}").into_bytes();
        for part in scope.split('/') {
            key = keyed(&key)
                .chain_update(part)
                .finalize()
                .into_bytes()
                .to_vec();
        }
        Self {
            secs,
            canonical: format!(
                "\n\nhost:{host}\nx-amz-date:{date}\nx-amz-security-token:{token}\n\n{NAMES}\n{body_digest}"
            ),
            signed: format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n"),
            head: format!(
                " HTTP/1.1\r\nhost: {host}\r\nx-amz-date: {date}\r\nx-amz-security-token: {token}\r\n\
                 authorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={NAMES}, Signature="
            ),
            mac: keyed(&key),
        }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn hex_of(digest: &[u8]) -> [u8; 64] {
    let mut hex = [0; 64];
    hex::encode_to_slice(digest, &mut hex).expect("a SHA-256 is 32 bytes");
    hex
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;

    use super::*;
    use crate::delivery::load::frame;
    use crate::sink::connection_id;

    #[test]
    fn a_post_is_signed_as_the_aws_crate_signs_it() {
        let endpoint: Uri = "http://127.0.0.1:4000/live".parse().unwrap();
        let body = frame();
        let mut signer = Signer::new(&endpoint, &hex::encode(Sha256::digest(&body)));
        let identity = Credentials::from_keys(KEY_ID, SECRET, Some(session_token())).into();
        for index in 0..1_000 {
            let secs = 1_790_000_000 + index as u64 * 997;
            let id = connection_id(index * 7_919);
            let mut head = Vec::new();
            signer.print_head_at(secs, "/live/@connections/", &id, body.len(), &mut head);
            let head = String::from_utf8(head).unwrap();
            let params = v4::SigningParams::builder()
                .identity(&identity)
                .region(REGION)
                .name("execute-api")
                .time(SystemTime::UNIX_EPOCH + Duration::from_secs(secs))
                .settings(SigningSettings::default())
                .build()
                .unwrap()
                .into();
            let path = head.split(' ').nth(1).unwrap();
            let url = format!("http://127.0.0.1:4000{path}");
            let headers = [("host", "127.0.0.1:4000")];
            let body = SignableBody::Bytes(&body);
            let request = SignableRequest::new("POST", &url, headers.into_iter(), body).unwrap();
            let (instructions, _) = sign(request, &params).unwrap().into_parts();
            for (name, value) in instructions.headers() {
                assert!(head.contains(&format!("\r\n{name}: {value}\r\n")), "{name}");
            }
        }
    }
}
