//! `airgate status`: what is going on, once.

use super::fail::Fail;
use super::{Socket, block_on};
use airgate_client::Client;
use serde_json::Value;
use std::fmt::Write as _;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// Print the whole status object as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let status = block_on(async {
        let (client, _events) = Client::connect(&args.socket.socket).await?;
        Ok(client.status().await?)
    })?;
    if args.json {
        println!("{status:#}")
    } else {
        print!("{}", draw(&status, crate::status::unix_ms()))
    }
    Ok(())
}

/// The status on one screen.
fn draw(status: &Value, now_unix_ms: u64) -> String {
    let at = |path: &str| status.pointer(path).unwrap_or(&Value::Null);
    let mut out = String::new();
    let mut row = |name: &str, text: String| {
        if !text.is_empty() {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name:<10} {text}");
        }
    };
    let since = |ms: &Value| ms.as_u64().map(|ms| duration(now_unix_ms.saturating_sub(ms) / 1000));
    row("daemon", format!("{}, up {}", text(at("/daemon")), duration(at("/uptime_s").as_u64().unwrap_or(0))));
    let link_since = since(at("/link/since_unix_ms")).map_or(String::new(), |s| format!(" for {s}"));
    row("link", format!("{}{link_since} ({})", text(at("/link/state")), text(at("/cloud"))));
    if at("/link/device").is_object() {
        let (product, device) = (text(at("/link/device/product_key")), text(at("/link/device/device_name")));
        row("device", format!("{device} of product {product}"));
    }
    if at("/link/state") != "online" && at("/link/trouble").is_object() {
        row("trouble", text(at("/link/trouble/message")));
        row("", text(at("/link/trouble/hint")));
    }
    row("port", [text(at("/module/port")), text(at("/module/port_error"))].join(" ").trim_end().to_owned());
    row("module", [text(at("/module/model")), text(at("/module/firmware")), text(at("/module/phase"))].join("  "));
    row("imei", text(at("/module/imei")));
    let signal = at("/module/rssi_dbm").as_i64().map_or("unknown".to_owned(), |dbm| format!("{dbm} dBm"));
    let cell = [("/module/rsrp_dbm", "RSRP", "dBm"), ("/module/rsrq_db", "RSRQ", "dB")]
        .map(|(path, name, unit)| at(path).as_f64().map_or(String::new(), |value| format!(", {name} {value} {unit}")));
    row("signal", format!("{signal}{}, {}", cell.concat(), text(at("/module/registration"))));
    row("network", [text(at("/module/operator")), text(at("/module/address"))].join("  ").trim().to_owned());
    row("sim", text(at("/module/iccid")));
    if at("/module/recovery/last").is_object() {
        let (rung, evidence) = (text(at("/module/recovery/last/rung")), text(at("/module/recovery/last/evidence")));
        let ago = duration(at("/module/recovery/last/ago_s").as_u64().unwrap_or(0));
        let healed = if at("/module/recovery/last/healed") == true { "healed" } else { "did not heal" };
        row("recovery", format!("{rung} {healed} \"{evidence}\" {ago} ago"));
    }
    let oldest = at("/outbox/oldest_age_ms").as_u64().filter(|_| at("/outbox/queued") != 0);
    let oldest = oldest.map_or(String::new(), |ms| format!(", the oldest for {}", duration(ms / 1000)));
    row(
        "outbox",
        format!("{} waiting, {} in flight{oldest}", text(at("/outbox/queued")), text(at("/outbox/in_flight"))),
    );
    if at("/outbox/queued").as_u64().is_some_and(|queued| queued > 0) {
        let pace = at("/outbox/acknowledged_per_s").as_f64().unwrap_or(0.0);
        let empty = at("/outbox/empty_in_s").as_u64().map(|s| format!(", empty in {}", duration(s)));
        row("", format!("{pace:.1} acknowledged a second{}", empty.unwrap_or_default()));
    }
    let (accepted, acknowledged, dropped) =
        (text(at("/outbox/accepted")), text(at("/outbox/acknowledged")), text(at("/outbox/dropped")));
    row("", format!("{accepted} accepted, {acknowledged} acknowledged, {dropped} dropped since the start"));
    row("disk", Some(text(at("/outbox/disk"))).filter(|disk| disk != "ok").unwrap_or_default());
    row("line", format!("{} bytes sent, {} received", text(at("/line/tx_bytes")), text(at("/line/rx_bytes"))));
    let used = |path: &str| {
        let bytes = |way: &str| at(&format!("/budget/{path}/{way}")).as_u64().unwrap_or(0);
        bytes("up") + bytes("down")
    };
    let bound = at("/budget/monthly_bytes").as_u64().map_or(String::new(), |bound| format!(" of {bound}"));
    let level = Some(text(at("/budget/level"))).filter(|level| !level.is_empty() && level != "within");
    let level = level.map_or(String::new(), |level| format!(" ({level})"));
    if at("/budget").is_object() {
        row("air", format!("{}{bound} bytes this month{level}, {} today, estimated", used("month"), used("today")));
    }
    row("programs", format!("{} connected", text(at("/programs/connected"))));
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// In the two largest units.
pub(super) fn duration(seconds: u64) -> String {
    let (d, h, m, s) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => format!("{m} min {s} s"),
        (0, ..) => format!("{h} h {m} min"),
        _ => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_sign_in_is_seen_at_once_with_what_to_do() {
        let status = json!({
            "daemon": "airgate 0.1.0", "uptime_s": 61, "cloud": "aliyun",
            "link": {"state": "offline", "since_unix_ms": 1000, "device": {"product_key": "pk", "device_name": "dn"},
                     "trouble": {"message": "refused", "hint": "check the secret"}},
            "module": {"port": "/dev/ttyAMA0", "model": "Air780E", "phase": "attached", "rssi_dbm": -63,
                       "rsrp_dbm": -93, "rsrq_db": -9.5, "operator": "46000", "address": "10.76.1.35",
                       "iccid": "898604981022C0254186", "registration": "home"},
            "outbox": {"queued": 3, "in_flight": 0, "oldest_age_ms": 5000, "accepted": 3, "acknowledged": 0, "dropped": 0, "disk": "ok"},
            "line": {"tx_bytes": 1, "rx_bytes": 2}, "programs": {"connected": 1},
        });
        let drawn = draw(&status, 91_000);
        for part in [
            "up 1 min 1 s",
            "offline for 1 min 30 s",
            "dn of product pk",
            "refused",
            "check the secret",
            "-63 dBm, RSRP -93 dBm, RSRQ -9.5 dB, home",
            "46000  10.76.1.35",
            "898604981022C0254186",
            "3 waiting, 0 in flight, the oldest for 5 s",
        ] {
            assert!(drawn.contains(part), "{part} in\n{drawn}");
        }
        assert!(!drawn.contains("disk"));
    }

    #[test]
    fn a_status_of_another_version_is_drawn_as_far_as_it_goes() {
        assert!(draw(&json!({}), 0).contains("link"));
    }
}
