//! What goes between the engine and the world around it: what the engine wants done, and what happens to its connections.

use bytes::Bytes;

use super::tls::Tls;

/// Something for the world around the engine to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Put these bytes on the line to the host.
    Host(Bytes),
    /// From here on the line runs at this many bits per second.
    Rate(u32),
    /// Open a connection; answer with [`NetEvent::Opened`] or [`NetEvent::Failed`].
    Open {
        /// Number of the connection, never used twice.
        id: u64,
        /// What it is for.
        service: Service,
        /// Name or address as the host wrote it.
        host: String,
        /// Port 1-65535.
        port: u16,
        /// Speak TLS on it.
        tls: Option<Tls>,
    },
    /// Send these bytes on the open connection.
    Send {
        /// Number of the connection.
        id: u64,
        /// One or more whole MQTT packets.
        bytes: Bytes,
    },
    /// Send one datagram and wait for one in answer: [`NetEvent::Received`] or [`NetEvent::Failed`].
    Datagram {
        /// Number of the exchange, never used twice, also not for a connection.
        id: u64,
        /// Name or address as the host wrote it.
        host: String,
        /// Port 1-65535.
        port: u16,
        /// The datagram.
        bytes: Bytes,
    },
    /// The network has taken a short message.
    Sms {
        /// The number it goes to.
        to: String,
        /// The text; eight bit data as hex digits.
        text: String,
        /// The user data header without its length; empty for a message that stands alone.
        header: Vec<u8>,
    },
    /// Close the connection, after what was given to [`Output::Send`]. No event is expected.
    Close {
        /// Number of the connection.
        id: u64,
    },
    /// Cut the connection off without a word to the other side, as a loss of power does.
    Abort {
        /// Number of the connection.
        id: u64,
    },
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `AT+MIPSTART` and `AT+SSLMIPSTART`.
    Mqtt,
    /// `AT+HTTPACTION` and `AT+UPGRADE`.
    Http,
    /// `AT+CIPSTART`.
    Tcp,
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The name is not known.
    Name,
    /// Nobody answers there, or the connection broke.
    Unreachable,
    /// What was given for TLS is no use: no certificate, no key, no name.
    TlsSetup,
    /// The handshake failed.
    TlsAlert,
}

/// Something that happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// It is open (with TLS: the handshake is through).
    Opened(u64),
    /// It could not be opened, for this reason.
    Failed(u64, Failure),
    /// These bytes came.
    Received(u64, Bytes),
    /// The other side closed it, or it broke.
    Closed(u64),
}
