//! TLS as `AT+SSLCFG` asks for it: without any verification, or with the given authorities and the module's own clock.
//!
//! The real module offers RSA key exchange only; rustls has none of these suites, so any suite of the server is taken.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::engine::Tls;

/// Most certificates of a chain whose dates do not overlap.
const CHAIN_MAX: usize = 4;

/// Checks the server as far as the module was told to.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None`: every certificate passes.
    inner: Option<Arc<WebPkiServerVerifier>>,
    /// The module's clock; `None`: dates are not judged.
    time: Option<u64>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        let verify = |now| inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if let Some(time) = self.time {
            return verify(UnixTime::since_unix_epoch(Duration::from_secs(time)));
        }
        // Dates are not judged: each certificate of the chain is met at a time at which it is valid.
        let mut result = verify(now);
        for _ in 0..CHAIN_MAX {
            match result {
                Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after: valid, .. })) => {
                    result = verify(valid);
                }
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before: valid, .. })) => {
                    result = verify(valid);
                }
                _ => break,
            }
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn config(tls: &Tls) -> io::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let inner = tls.authorities.as_deref().map(|pem| authorities(pem, &provider)).transpose()?;
    let verifier = Verifier { provider: provider.clone(), inner, time: tls.time };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match &tls.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain =
                CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(io::Error::other)?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
            builder.with_client_auth_cert(chain, key).map_err(io::Error::other)
        }
    }
}

fn authorities(pem: &[u8], provider: &Arc<CryptoProvider>) -> io::Result<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().map_err(io::Error::other)
}

/// All that a handshake needs, checked.
pub(super) struct Prepared {
    name: ServerName<'static>,
    connector: TlsConnector,
}

/// Checks names, certificates and keys before anything goes over the network.
pub(super) fn prepare(tls: &Tls) -> io::Result<Prepared> {
    let name = ServerName::try_from(tls.server_name.clone()).map_err(io::Error::other)?;
    Ok(Prepared { name, connector: TlsConnector::from(Arc::new(config(tls)?)) })
}

impl Prepared {
    /// Speaks TLS on a fresh connection.
    pub(super) async fn handshake(self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name, stream).await
    }
}
