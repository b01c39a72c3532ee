//! Every metric there is. `docs/observing.md` shows the same table; a test compares them.

use super::From::{Each, Info, Is, Number, Some};
use super::Kind::{Counter, Gauge};
use super::{From, Kind, Metric};

const fn metric(name: &'static str, kind: Kind, help: &'static str, from: From) -> Metric {
    Metric { name, kind, help, from }
}

/// All of them, in the order in which they are told.
pub const METRICS: &[Metric] = &[
    metric(
        "airgate_info",
        Gauge,
        "Always 1; which daemon this is.",
        Info(&[("version", "/version"), ("cloud", "/cloud")]),
    ),
    metric("airgate_uptime_seconds", Gauge, "Time since the daemon started.", Number("/uptime_s", 1.0)),
    // The link.
    metric("airgate_link_up", Gauge, "Whether the session with the cloud is up.", Is("/link/state", "online")),
    metric(
        "airgate_link_changed_timestamp_seconds",
        Gauge,
        "When the link came up or went down last, by the host's clock.",
        Number("/link/since_unix_ms", 0.001),
    ),
    metric(
        "airgate_link_trouble_info",
        Gauge,
        "Always 1; what keeps the link down, or did last, as its code.",
        Info(&[("code", "/link/trouble/code")]),
    ),
    metric("airgate_sign_ins_total", Counter, "Sign-ins that were begun.", Number("/link/attempts", 1.0)),
    // The module.
    metric(
        "airgate_module_info",
        Gauge,
        "Always 1; which module answers, and whose network it is in.",
        Info(&[("firmware", "/module/firmware"), ("model", "/module/model"), ("operator", "/module/operator")]),
    ),
    metric(
        "airgate_module_phase_info",
        Gauge,
        "Always 1; how far the module is on the way to the cloud.",
        Info(&[("phase", "/module/phase")]),
    ),
    metric("airgate_module_boots_total", Counter, "Boots of the module that were seen.", Number("/module/boots", 1.0)),
    metric("airgate_signal_rsrp_dbm", Gauge, "Reference signal received power.", Number("/module/rsrp_dbm", 1.0)),
    metric("airgate_signal_rsrq_db", Gauge, "Reference signal received quality.", Number("/module/rsrq_db", 1.0)),
    metric("airgate_signal_rssi_dbm", Gauge, "Received signal strength.", Number("/module/rssi_dbm", 1.0)),
    metric(
        "airgate_recovery_healed_total",
        Counter,
        "Rungs of recovery after which a session was confirmed.",
        Each("/module/recovery/healed", "rung"),
    ),
    metric(
        "airgate_recovery_failed_total",
        Counter,
        "Rungs of recovery that did not heal.",
        Each("/module/recovery/failed", "rung"),
    ),
    metric(
        "airgate_recovery_today",
        Gauge,
        "Rungs of recovery that were climbed today; each has a daily bound.",
        Each("/module/recovery/today", "rung"),
    ),
    // The serial line.
    metric(
        "airgate_serial_bytes_total",
        Counter,
        "Bytes on the serial line, to (tx) and from (rx) the module.",
        Some("direction", &[("rx", "/line/rx_bytes"), ("tx", "/line/tx_bytes")]),
    ),
    metric(
        "airgate_serial_broken_frames_total",
        Counter,
        "Frames that lost bytes on the serial line.",
        Number("/line/broken", 1.0),
    ),
    metric(
        "airgate_serial_stray_lines_total",
        Counter,
        "Lines of the module that nobody owns.",
        Number("/line/stray", 1.0),
    ),
    metric(
        "airgate_serial_fences_total",
        Counter,
        "Times that the serial line had to be fenced.",
        Number("/line/fenced", 1.0),
    ),
    // The outbox.
    metric(
        "airgate_outbox_messages",
        Gauge,
        "Messages that wait (queued) or are being sent (in_flight).",
        Some("state", &[("in_flight", "/outbox/in_flight"), ("queued", "/outbox/queued")]),
    ),
    metric("airgate_outbox_bytes", Gauge, "What these messages take.", Number("/outbox/bytes", 1.0)),
    metric(
        "airgate_outbox_oldest_age_seconds",
        Gauge,
        "How long the oldest message has waited; absent when none does.",
        Number("/outbox/oldest_age_ms", 0.001),
    ),
    metric(
        "airgate_outbox_drain_seconds",
        Gauge,
        "When the outbox is empty at the pace of the last minute; absent when it grows or stands still.",
        Number("/outbox/empty_in_s", 1.0),
    ),
    metric(
        "airgate_outbox_accepted_total",
        Counter,
        "Messages accepted from programs.",
        Number("/outbox/accepted", 1.0),
    ),
    metric(
        "airgate_outbox_acknowledged_total",
        Counter,
        "Messages that the cloud acknowledged.",
        Number("/outbox/acknowledged", 1.0),
    ),
    metric("airgate_outbox_dropped_total", Counter, "Messages that were given up.", Number("/outbox/dropped", 1.0)),
    metric(
        "airgate_outbox_unreadable_messages",
        Gauge,
        "Messages whose records cannot be read now.",
        Number("/outbox/unreadable", 1.0),
    ),
    metric(
        "airgate_outbox_disk_ok",
        Gauge,
        "Whether the disk takes messages: 0 when it fails or too little is free.",
        Is("/outbox/disk", "ok"),
    ),
    // The air.
    metric(
        "airgate_air_bytes_total",
        Counter,
        "Bytes on the air, estimated; begins again with the tariff's month.",
        Some("direction", &[("down", "/budget/month/down"), ("up", "/budget/month/up")]),
    ),
    metric(
        "airgate_air_budget_bytes",
        Gauge,
        "What the tariff includes in a month; absent without [budget].",
        Number("/budget/monthly_bytes", 1.0),
    ),
    // The programs.
    metric(
        "airgate_programs",
        Gauge,
        "Programs that are connected, and durable subscriptions whose program is away.",
        Some("state", &[("away", "/programs/away"), ("connected", "/programs/connected")]),
    ),
    metric(
        "airgate_programs_delivered_total",
        Counter,
        "Messages handed to programs.",
        Number("/programs/delivered", 1.0),
    ),
    metric(
        "airgate_programs_lagged_total",
        Counter,
        "Messages that a program lost because it did not read.",
        Number("/programs/lagged", 1.0),
    ),
    metric(
        "airgate_programs_unwanted_total",
        Counter,
        "Messages that no program wanted.",
        Number("/programs/unwanted", 1.0),
    ),
    // The clock.
    metric(
        "airgate_clock_offset_seconds",
        Gauge,
        "What is to be added to the host's clock; absent until a better clock was heard.",
        Number("/clock/host_offset_ms", 0.001),
    ),
];
