//! The roots that AWS's endpoints are certified by.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The roots that AWS's endpoints are certified by, of Amazon Trust Services: Amazon Root CA 1 to 4,
/// and Starfield Services Root Certificate Authority - G2, the first of which ends in 2037. To read the system's
/// 140 instead costs each client some 3 ms of a cold start (`docs/performance.md`).
pub(crate) const AMAZON_ROOTS_PEM: &str = include_str!("amazon_roots.pem");

/// Whether there is a root in it, and nothing that is none.
pub(crate) fn are_roots(pem: &str) -> bool {
    let mut roots = RootCertStore::empty();
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    certificates.all(|found| found.is_ok_and(|root| roots.add(root).is_ok())) && !roots.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_roots_has_roots() {
        assert!(are_roots(AMAZON_ROOTS_PEM));
        let cut = AMAZON_ROOTS_PEM.replacen("-----END", "=-----END", 1);
        for none in ["", "no PEM", &cut] {
            assert!(!are_roots(none), "{none}");
        }
    }
}
