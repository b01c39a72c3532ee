//! Firmware profiles: how a given module answers where builds, or the documents about them, differ.
//!
//! Each field is one observed or documented difference. [`Profile::nasty`] picks the answer that is hardest on the host
//! wherever the documents leave more than one open, so that a driver that survives it survives the others.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time_text::{millis, some_millis};

/// How `+NITZ` is written. Source: time-stamped logs of Air780E V1161/V1169, of a 2024-08 build, and of Air780EP V1010.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nitz {
    /// `2024/07/10,08:33:44+0,0`
    FourDigits,
    /// `2024/08/27,06:36:38+0, `: nothing but a blank behind the last comma.
    EmptyDst,
    /// `2024/08/23,06:52:50+32,0`: UTC digits beside the zone of China.
    FourDigitsZone,
    /// `24/07/17,09:49:59+32,0`: UTC digits beside the zone of China.
    TwoDigitsZone,
    /// One of these, drawn from the seed at each boot.
    Any,
}

/// How `AT+MQTTMSGGET` prints a cached message: three spellings are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheForm {
    /// `+MSUB: topic,6 byte,…` (AT command manual V1.6.3, MQTT chapter)
    Bare,
    /// `+MSUB:topic,6 byte,…` (the vendor's MQTT guide)
    Tight,
    /// `+MSUB: "topic",6 byte,…` (logs of Air780EP V1007 and Air780EG)
    Quoted,
}

/// What follows the `OK` of `AT+MCONNECT` when the broker refuses. The manual names `ERROR` only; no log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnackRefused {
    /// `ERROR`, and the link stays in the state "TCP up" until the broker closes it.
    Error,
    /// Nothing; the host learns of it by `CLOSED` alone.
    Silent,
}

/// What the host sees when the broker answers a subscription with 0x80.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubackRefused {
    /// `SUBACK`, as if all were well.
    Suback,
    /// `ERROR` in place of `SUBACK`.
    Error,
    /// Nothing.
    Silent,
}

/// What becomes of a received payload above [`Profile::receive_max`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oversize {
    /// Acknowledged to the broker, never shown to the host.
    Drop,
    /// Cut at the limit; the printed length is that of what is left.
    Truncate,
}

/// What becomes of an HTTP answer above [`Profile::http_buffer`]; the vendor promises "an error URC" without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpOverflow {
    /// `+HTTPACTION` with 602 in place of the status, and the length of what was kept.
    NoMemory,
    /// `+HTTPACTION` as if all were well, with the length of what was kept.
    Cut,
}

/// The zone in which `AT+CCLK?` shows the time once the network has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockZone {
    /// UTC with zone `+00`.
    Utc,
    /// Local time of China with zone `+32`.
    Local,
    /// UTC digits beside the zone `+32`.
    UtcDigitsLocalZone,
}

/// One module with one firmware, as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Answer to `AT+CGMM`.
    pub model: String,
    /// Answer to `ATI`.
    pub version: String,
    /// `AT+CMEE` after power-on: 0 `ERROR`, 1 number, 2 text.
    pub cmee: u8,
    /// Longest command line in bytes; a longer one is answered `ERROR`.
    pub line_max: usize,
    /// Largest payload of `AT+MPUB` and `AT+MPUBEX`, bytes.
    pub publish_max: usize,
    /// Largest received payload that is shown, bytes.
    pub receive_max: usize,
    /// What becomes of larger ones.
    pub oversize: Oversize,
    /// The prompt is `> ` instead of `>`.
    pub prompt_blank: bool,
    /// `AT+MPUBEX` echoes its data under `ATE1`.
    pub data_echo: bool,
    /// Data that came in one go with `AT+MPUBEX` is taken; otherwise what arrives before the prompt is lost.
    pub one_shot_data: bool,
    /// How long counted `AT+MPUBEX` waits for missing bytes before it answers `ERROR`; `None`: for ever.
    #[serde(with = "some_millis")]
    pub short_data_gap: Option<Duration>,
    /// URCs may stand between the prompt and the result of a data command; otherwise they wait for its end.
    pub urcs_in_data_phase: bool,
    /// `AT+CEREG?` is answered with the prefix `+CGREG:`.
    pub cereg_as_cgreg: bool,
    /// `+CGEV: ME PDN ACT 1,0` instead of `+CGEV: ME PDN ACT 1`.
    pub cgev_reason: bool,
    /// A second `RDY`, this long after the first.
    #[serde(with = "some_millis")]
    pub second_rdy: Option<Duration>,
    /// For this long after the first `RDY` everything the host sends is lost.
    #[serde(with = "millis")]
    pub deaf_after_rdy: Duration,
    /// From `RDY` to registration.
    #[serde(with = "millis")]
    pub attach: Duration,
    /// From registration until MQTT commands work; before, they give CME error 4.
    #[serde(with = "millis")]
    pub mqtt_ready: Duration,
    /// Shortest time from `AT+MIPSTART` to `CONNECT OK`.
    #[serde(with = "millis")]
    pub connect: Duration,
    /// The same for `AT+SSLMIPSTART`.
    #[serde(with = "millis")]
    pub connect_tls: Duration,
    /// A failed `AT+MIPSTART` gives CME error 3 in place of `OK`, which then waits for the outcome.
    pub connect_result_first: bool,
    /// See [`ConnackRefused`].
    pub connack_refused: ConnackRefused,
    /// See [`SubackRefused`].
    pub suback_refused: SubackRefused,
    /// `AT+MCONFIG` refuses an empty user with CME error 765.
    pub empty_user_refused: bool,
    /// `AT+MDISCONNECT` sends the DISCONNECT packet; without it the broker publishes the will.
    pub sends_disconnect: bool,
    /// `CLOSED` is printed for the host's own `AT+MIPCLOSE` and `AT+MDISCONNECT` too.
    pub closed_after_own_close: bool,
    /// `CLOSED` is printed when the bearer is lost.
    pub closed_on_bearer_loss: bool,
    /// `AT+MQTTMSGSET` after power-on: messages go to the four slots.
    pub cache_mode: bool,
    /// Spelling of `AT+MQTTMSGGET`.
    pub cache_form: CacheForm,
    /// Spelling of `+NITZ`.
    pub nitz: Nitz,
    /// Zone of `AT+CCLK?`.
    pub clock_zone: ClockZone,
    /// What the host writes behind the prompt of `AT+CMGS` is echoed under `ATE1`.
    pub sms_echo: bool,
    /// `+CMS ERROR` has words, whatever `AT+CMEE` says.
    pub cms_in_words: bool,
    /// `AT+IPR` is 0 from the factory, as the manual has it: the module finds the rate, and says nothing before.
    pub auto_baud: bool,
    /// Bytes are lost this long after the first one that wakes a sleeping module.
    #[serde(with = "millis")]
    pub wake_time: Duration,
    /// After the start and after a hot-plug the SIM is busy this long: CME error 14.
    #[serde(with = "millis")]
    pub sim_busy: Duration,
    /// A module that started without a SIM finds one that is put in later only after a restart.
    pub late_sim_needs_reset: bool,
    /// CR LF behind `+CPIN: READY 0`; missing before V1161.
    pub hot_plug_crlf: bool,
    /// CR LF in front of `+UPGRADEIND`.
    pub upgradeind_crlf: bool,
    /// How long the boot loader works on an update.
    #[serde(with = "millis")]
    pub install_time: Duration,
    /// The latitude of `AT+CIPGSMLOC` has three digits before the point, as the manual prints it.
    pub latitude_padded: bool,
    /// The clock runs on over a restart; otherwise it shows the default date again.
    pub clock_survives_reset: bool,
    /// Bytes of the file system in RAM.
    pub file_space: usize,
    /// Bytes of an HTTP answer that are kept.
    pub http_buffer: usize,
    /// See [`HttpOverflow`].
    pub http_overflow: HttpOverflow,
    /// `+HTTPREAD:n` (as the manual prints it) instead of `+HTTPREAD: n` (as all logs have it).
    pub http_tight: bool,
    /// An empty line between the bytes of `AT+HTTPREAD` and `OK`.
    pub http_blank_line: bool,
    /// `+HTTPACTION` comes once for every piece of the answer, with the length so far.
    pub http_action_repeats: bool,
    /// A request that fails at once gives a CME error in place of `OK`, and the URC none the less.
    pub http_error_first: bool,
    /// `AT+SAPBR=1,1` on an open bearer is `OK`; otherwise CME error 3.
    pub bearer_reopens: bool,
    /// URCs are kept back this long, and let out between an information text and its `OK` if one comes by.
    #[serde(with = "millis")]
    pub hold_urcs: Duration,
    /// Output is torn at places drawn from the seed, with up to this pause between the pieces.
    #[serde(with = "some_millis")]
    pub tear: Option<Duration>,
}

impl Profile {
    /// Air780E with V1161, the oldest build that is recommended.
    #[must_use]
    pub fn v1161() -> Self {
        Self {
            model: "Air780E".into(),
            version: "AirM2M_780E_V1161_LTE_AT".into(),
            cmee: 1,
            line_max: 4608,
            publish_max: 4100,
            receive_max: 4100,
            oversize: Oversize::Drop,
            prompt_blank: false,
            data_echo: false,
            one_shot_data: false,
            short_data_gap: None,
            urcs_in_data_phase: false,
            cereg_as_cgreg: false,
            cgev_reason: false,
            second_rdy: None,
            deaf_after_rdy: Duration::ZERO,
            attach: Duration::from_secs(3),
            mqtt_ready: Duration::ZERO,
            connect: Duration::from_millis(200),
            connect_tls: Duration::from_millis(1500),
            connect_result_first: false,
            connack_refused: ConnackRefused::Error,
            suback_refused: SubackRefused::Suback,
            empty_user_refused: false,
            sends_disconnect: true,
            closed_after_own_close: false,
            closed_on_bearer_loss: true,
            cache_mode: false,
            cache_form: CacheForm::Bare,
            nitz: Nitz::FourDigits,
            clock_zone: ClockZone::Utc,
            auto_baud: false,
            wake_time: Duration::from_millis(30),
            sim_busy: Duration::ZERO,
            late_sim_needs_reset: true,
            hot_plug_crlf: true,
            upgradeind_crlf: false,
            install_time: Duration::from_secs(60),
            latitude_padded: false,
            sms_echo: true,
            cms_in_words: false,
            clock_survives_reset: false,
            file_space: 256 * 1024,
            http_buffer: 4096,
            http_overflow: HttpOverflow::NoMemory,
            http_tight: false,
            http_blank_line: false,
            http_action_repeats: false,
            http_error_first: false,
            bearer_reopens: false,
            hold_urcs: Duration::ZERO,
            tear: None,
        }
    }

    /// Air780E with V1169: shorter lines and payloads (the vendor's MQTT page for this build: 2384 up, 1360 down).
    #[must_use]
    pub fn v1169() -> Self {
        Self {
            version: "AirM2M_780E_V1169_LTE_AT".into(),
            line_max: 3072,
            publish_max: 2384,
            receive_max: 1360,
            short_data_gap: Some(Duration::from_secs(5)),
            suback_refused: SubackRefused::Error,
            cgev_reason: true,
            cache_form: CacheForm::Tight,
            ..Self::v1161()
        }
    }

    /// Air780EP with V1010: other chip, same commands. Source: bench log of 2026-06-04 (double `RDY`, `+CGREG:` for CEREG).
    #[must_use]
    pub fn ep() -> Self {
        Self {
            model: "Air780EP".into(),
            version: "AirM2M_780EP_V1010_LTE_AT".into(),
            one_shot_data: true,
            short_data_gap: Some(Duration::from_secs(5)),
            cereg_as_cgreg: true,
            cgev_reason: true,
            second_rdy: Some(Duration::from_millis(740)),
            deaf_after_rdy: Duration::from_millis(500),
            cache_form: CacheForm::Quoted,
            nitz: Nitz::TwoDigitsZone,
            clock_zone: ClockZone::Local,
            sms_echo: false,
            cms_in_words: true,
            file_space: 64 * 1024,
            ..Self::v1161()
        }
    }

    /// Every open question answered in the way that is hardest on the host.
    #[must_use]
    pub fn nasty() -> Self {
        Self {
            version: "AirM2M_780E_V1171_LTE_AT".into(),
            cmee: 2,
            line_max: 3072,
            publish_max: 2384,
            receive_max: 1360,
            oversize: Oversize::Truncate,
            prompt_blank: true,
            data_echo: true,
            short_data_gap: None,
            urcs_in_data_phase: true,
            cereg_as_cgreg: true,
            second_rdy: Some(Duration::from_millis(740)),
            deaf_after_rdy: Duration::from_millis(500),
            mqtt_ready: Duration::from_secs(2),
            connect_result_first: true,
            connack_refused: ConnackRefused::Silent,
            empty_user_refused: true,
            sends_disconnect: false,
            closed_after_own_close: true,
            closed_on_bearer_loss: false,
            cache_mode: true,
            cache_form: CacheForm::Tight,
            nitz: Nitz::Any,
            clock_zone: ClockZone::UtcDigitsLocalZone,
            clock_survives_reset: true,
            sim_busy: Duration::from_secs(1),
            hot_plug_crlf: false,
            upgradeind_crlf: true,
            latitude_padded: true,
            cms_in_words: true,
            http_overflow: HttpOverflow::Cut,
            http_tight: true,
            http_blank_line: true,
            http_action_repeats: true,
            http_error_first: true,
            hold_urcs: Duration::from_millis(300),
            tear: Some(Duration::from_millis(6)),
            ..Self::v1161()
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::v1161()
    }
}
