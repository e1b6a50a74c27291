//! TLS for what is spoken to outside AWS's own SDK: one provider, and the system's roots.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// A client's side of TLS. Without trust it reads no roots and reaches nobody over TLS: reading them
/// costs some milliseconds of a cold start, and a workstation may have none.
pub(crate) fn client(with_trust: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if with_trust {
        // A root that cannot be read is one that is not trusted; with none at all a request says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the ciphers of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
