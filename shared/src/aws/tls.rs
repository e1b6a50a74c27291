//! TLS for what is spoken to: one provider, and whose certificates are believed.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust<'a> {
    /// Nobody's: nothing is spoken to over TLS.
    Nobody,
    /// Those certified by these roots, in PEM.
    These(&'a str),
    /// Those that this system believes.
    System,
}

/// A client's side of TLS.
pub(crate) fn client(trust: Trust<'_>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the ciphers of TLS 1.2 and 1.3")
        .with_root_certificates(roots(trust))
        .with_no_client_auth()
}

fn roots(trust: Trust<'_>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Nobody => {}
        Trust::These(pem) => {
            let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
            roots.add_parsable_certificates(certificates.map_while(Result::ok));
        }
        // A root that cannot be read is one that is not trusted; with none at all a request says so.
        Trust::System => {
            let certificates = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(certificates);
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AMAZON_ROOTS_PEM;

    #[test]
    fn all_roots_of_aws_are_read() {
        let names = |roots: RootCertStore| {
            let subjects = roots.roots.iter().map(|root| root.subject.to_vec());
            let names: Vec<String> = subjects
                .map(|subject| String::from_utf8_lossy(&subject).into_owned())
                .collect();
            names
        };
        let aws = names(roots(Trust::These(AMAZON_ROOTS_PEM)));
        for name in [
            "Amazon Root CA 1",
            "Amazon Root CA 2",
            "Amazon Root CA 3",
            "Amazon Root CA 4",
            "Starfield Services Root Certificate Authority - G2",
        ] {
            assert!(aws.iter().any(|subject| subject.contains(name)), "{name}");
        }
        assert_eq!(aws.len(), 5);
        assert!(roots(Trust::Nobody).is_empty());
    }
}
