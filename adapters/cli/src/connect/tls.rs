//! When to encrypt and whom to trust, in the words of libpq.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::libpq::{Env, set};
use super::string::ConnectionString;
use crate::exit::Failure;

/// `sslmode` and `sslrootcert`.
pub(super) struct Wishes {
    mode: SslMode,
    trust: Trust,
}

enum Trust {
    Anybody,
    System,
    File(PathBuf),
}

impl Wishes {
    /// Takes them out of a connection string, since the driver knows only some of them, or from the
    /// environment.
    pub(super) fn take(string: &mut ConnectionString, env: Env<'_>) -> Result<Self, Failure> {
        let mode = string.take("sslmode").or_else(|| set(env, "PGSSLMODE"));
        let root = string.take("sslrootcert").or_else(|| set(env, "PGSSLROOTCERT"));
        Self::of(mode.as_deref(), root.as_deref().filter(|root| !root.is_empty()))
    }

    /// Who trusts whatever the system trusts must have the name checked: anybody can get a certificate.
    fn of(mode: Option<&str>, root: Option<&str>) -> Result<Self, Failure> {
        match (mode, root) {
            (None | Some("verify-full"), Some("system")) => Self::new("verify-full", None),
            (Some(weak), Some("system")) => Err(Failure::Usage(format!(
                "sslrootcert=system needs sslmode=verify-full, not {weak:?}"
            ))),
            (mode, root) => Self::new(mode.unwrap_or("prefer"), root.map(PathBuf::from)),
        }
    }

    fn new(mode: &str, root: Option<PathBuf>) -> Result<Self, Failure> {
        let (mode, trust) = match (mode, root) {
            ("disable", _) => (SslMode::Disable, Trust::Anybody),
            ("allow" | "prefer", _) => (SslMode::Prefer, Trust::Anybody),
            ("require", None) => (SslMode::Require, Trust::Anybody),
            ("verify-ca" | "verify-full", None) => (SslMode::Require, Trust::System),
            ("require" | "verify-ca" | "verify-full", Some(file)) => {
                (SslMode::Require, Trust::File(file))
            }
            (other, _) => {
                let known = "disable, prefer, require, verify-full";
                return Err(Failure::Usage(format!("sslmode cannot be {other:?}, but: {known}")));
            }
        };
        Ok(Self { mode, trust })
    }

    pub(super) const fn mode(&self) -> SslMode {
        self.mode
    }

    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, Failure> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::System(error.to_string()))?;
        let config = match self.trust {
            Trust::Anybody => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
                .with_no_client_auth(),
            Trust::System | Trust::File(_) => {
                config.with_root_certificates(self.trust.roots()?).with_no_client_auth()
            }
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

impl Trust {
    fn roots(&self) -> Result<RootCertStore, Failure> {
        let (certificates, place) = match self {
            Self::Anybody => (Vec::new(), String::new()),
            Self::System => (rustls_native_certs::load_native_certs().certs, "this system".into()),
            Self::File(path) => {
                let place = path.display().to_string();
                let unreadable = |error| Failure::Usage(format!("sslrootcert: {place}: {error}"));
                let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
                (read.map_err(unreadable)?, place)
            }
        };
        let mut roots = RootCertStore::empty();
        let (added, _not_understood) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            let what =
                format!("{place} has no certificates to trust; name a file with sslrootcert");
            return Err(Failure::Usage(what));
        }
        Ok(roots)
    }
}

/// Encrypts to whoever answers: keeps listeners out, not impostors.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_certificates_go_with_the_hosts_name() {
        for mode in [None, Some("verify-full")] {
            let wishes = Wishes::of(mode, Some("system")).unwrap();
            assert!(matches!(wishes, Wishes { mode: SslMode::Require, trust: Trust::System }));
        }
        for weak in ["disable", "prefer", "require", "verify-ca"] {
            assert!(matches!(Wishes::of(Some(weak), Some("system")), Err(Failure::Usage(_))));
        }
    }

    #[test]
    fn modes_mean_what_libpq_says() {
        let of = |mode, root: Option<&str>| Wishes::new(mode, root.map(PathBuf::from)).unwrap();
        assert!(matches!(
            of("prefer", None),
            Wishes { mode: SslMode::Prefer, trust: Trust::Anybody }
        ));
        assert!(matches!(
            of("require", None),
            Wishes { mode: SslMode::Require, trust: Trust::Anybody }
        ));
        assert!(matches!(of("require", Some("f")).trust, Trust::File(_)));
        assert!(matches!(of("verify-full", None).trust, Trust::System));
        assert!(Wishes::new("verify", None).is_err());
    }
}
