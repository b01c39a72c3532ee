//! The private certificate authority of the stand-in, and the server's certificate that it signs.
//!
//! Both are made anew at each start. The authority's certificate is written to a file: what a client has to trust.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{self, ServerConfig};

/// The names in the server's certificate: this machine, and the endpoints of the platform.
const NAMES: [&str; 10] = [
    "localhost",
    "127.0.0.1",
    "*.iot-as-mqtt.cn-shanghai.aliyuncs.com",
    "*.iot-as-mqtt.ap-northeast-1.aliyuncs.com",
    "*.iot-as-mqtt.ap-southeast-1.aliyuncs.com",
    "*.iot-as-mqtt.eu-central-1.aliyuncs.com",
    "*.iot-as-mqtt.us-east-1.aliyuncs.com",
    "*.iot-as-mqtt.us-west-1.aliyuncs.com",
    "*.mqtt.iothub.aliyuncs.com",
    "iot-auth.cn-shanghai.aliyuncs.com",
];

/// Why there is no TLS listener.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// rustls does not take the certificate.
    #[error("cannot use the certificate: {0}")]
    Config(#[from] rustls::Error),
    /// The authority's certificate cannot be written.
    #[error("cannot write the CA certificate to {path}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// A new server certificate under a new authority: what accepts TLS, and the authority's certificate in PEM.
pub(super) fn acceptor() -> Result<(TlsAcceptor, String), TlsError> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "airgate-sim CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(NAMES.map(str::to_owned))?;
    server.distinguished_name.push(DnType::CommonName, "airgate-sim cloud");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    // Not for ever: a client whose clock stands at its first day finds it not yet valid, as it finds the platform's.
    server.not_before = rcgen::date_time_ymd(2022, 1, 1);
    server.not_after = rcgen::date_time_ymd(2053, 7, 4);
    let certificate = server.signed_by(&key, &issuer)?;

    // TLS 1.2 at most, as the platform documents. The provider is named, so that no other crate's choice matters.
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    Ok((TlsAcceptor::from(Arc::new(config)), ca_pem))
}

/// The file with the authority's certificate. One that was not named by the user is removed in the end.
#[derive(Debug)]
pub(super) struct CaFile {
    path: PathBuf,
    temporary: bool,
}

impl CaFile {
    /// Writes the certificate to `path`, or to a new file among the temporary ones.
    pub(super) fn write(path: Option<&Path>, pem: &str) -> Result<Self, TlsError> {
        let written = match path {
            Some(path) => std::fs::write(path, pem).map(|()| path.to_owned()).map_err(|error| (path.to_owned(), error)),
            None => write_temporary(pem),
        };
        match written {
            Ok(written) => Ok(CaFile { path: written, temporary: path.is_none() }),
            Err((path, error)) => Err(TlsError::Write { path, error }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes to a file that did not exist before: the names can be guessed, so what stands there is not followed.
/// A process that was killed, and had this process's number, may have left some behind.
fn write_temporary(pem: &str) -> Result<PathBuf, (PathBuf, std::io::Error)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("airgate-sim-ca-{}-{count}.pem", std::process::id()));
        match std::fs::File::create_new(&path).and_then(|mut file| file.write_all(pem.as_bytes())) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err((path, error)),
        }
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if self.temporary {
            // Nothing can be done about a file that somebody else removed first.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
