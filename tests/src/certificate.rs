//! Certificates that vouch for themselves. Knows no server.

use rcgen::{CertifiedKey, generate_simple_self_signed};

/// A certificate of one host, and its key. Whoever trusts it, trusts it alone.
#[derive(Debug)]
pub struct Certificate {
    pem: String,
    pub(crate) key: String,
}

impl Certificate {
    /// A new one.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let made = generate_simple_self_signed([host.to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        Self { pem: cert.pem(), key: signing_key.serialize_pem() }
    }

    /// Without its key, as text.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }
}
