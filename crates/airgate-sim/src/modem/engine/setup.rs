//! What a module is before it is switched on: its identity, its SIM card, where it stands, and its serial line.

use std::time::Duration;

/// What the module is, where it stands, and what the line is like.
#[derive(Debug, Clone)]
pub struct Setup {
    /// 15 digits.
    pub imei: String,
    /// 15 digits.
    pub imsi: String,
    /// 20 characters.
    pub iccid: String,
    /// Address of the packet data context.
    pub address: String,
    /// Answer to `AT+CSQ`: RSSI 0-31 or 99, BER.
    pub csq: (u8, u8),
    /// Answer to `AT+CESQ`: RSRQ 0-34 and RSRP 0-97, or 255.
    pub cesq: (u8, u8),
    /// Tracking area code and cell, hex digits.
    pub cell: (String, String),
    /// Answer to `AT+CBC`, millivolts.
    pub battery: u32,
    /// A SIM is in its holder.
    pub sim: bool,
    /// The PIN that locks it, if it is locked.
    pub pin: Option<String>,
    /// What unlocks it after three wrong PINs.
    pub puk: String,
    /// Latitude and longitude in degrees, as the location services find them; `None`: they know nothing of this place.
    pub position: Option<(String, String)>,
    /// Seeds all that a profile leaves to chance.
    pub seed: u64,
    /// From the end of a command line to its execution, beside two characters of the line rate.
    pub turnaround: Duration,
    /// Added to everything that comes back from the network.
    pub rtt: Duration,
    /// Line rate after power-on, bits per second; 0 means that the line has no rate.
    pub baud: u32,
    /// Unix time, in seconds, at which the engine's time is zero: what the network tells by NITZ.
    pub unix_time: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            imei: "868488076771714".into(),
            imsi: "460041234567890".into(),
            iccid: "898604981022C0254186".into(),
            address: "10.126.200.230".into(),
            csq: (25, 0),
            cesq: (22, 48),
            cell: ("4844".into(), "0EA2D0CA".into()),
            battery: 3968,
            sim: true,
            pin: None,
            puk: "12345678".into(),
            position: Some(("34.7980542".into(), "114.3204965".into())),
            seed: 1,
            turnaround: Duration::from_millis(1),
            rtt: Duration::ZERO,
            baud: 0,
            unix_time: 1_728_546_819,
        }
    }
}
