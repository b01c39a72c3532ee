//! The bounds of the protocol, each with its reason.

/// Longest line, terminator not counted, unless the daemon is configured otherwise, in bytes.
pub const DEFAULT_LINE_BYTES: usize = 16 * 1024;

/// Highest line length that a daemon may be configured for, in bytes. A client reads lines up to this length.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Longest payload after decoding, in bytes: what the most generous of the supported clouds takes.
/// The uplink's own ceiling, usually lower, is applied by the daemon.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// Longest topic or filter in the form that the program writes, in bytes of UTF-8.
///
/// MQTT 3.1.1 itself ends at 65 535 (section 1.5.3). Clouds allow far less (Aliyun: 128 after the product key and device
/// name were put before it) and their limit is applied by the daemon to the long form; this one only keeps a topic from
/// filling the line.
pub const MAX_TOPIC_BYTES: usize = 256;

/// Longest `key` of a publish, in bytes: the daemon remembers it for a while, so it must not be a document.
pub const MAX_KEY_BYTES: usize = 128;

/// Longest `durable` name of a subscription, in bytes.
pub const MAX_DURABLE_BYTES: usize = 64;

/// Longest `id`, in bytes of its JSON text: it is echoed in every answer.
pub const MAX_ID_BYTES: usize = 128;

/// Longest AT command, in bytes. The module itself ends near this length.
pub const MAX_AT_BYTES: usize = 1024;

/// Highest publish priority; it goes first.
pub const MAX_PRIORITY: u8 = 9;

/// Priority of a publish that names none.
pub const DEFAULT_PRIORITY: u8 = 4;
