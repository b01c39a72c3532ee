//! Aliyun's own SDKs for devices at the stand-in: it takes them as they come. `tests/interop/prepare` brings them.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Process, bin, interop, interop_clients, run};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A product of each kind, and what registers, signs in and stands behind a gateway.
const DEVICES: &str = "
product = [
    { product_key = 'a1Interop00', product_secret = 'productsecret000', dynamic_registration = true },
    { product_key = 'a1Enterpris', product_secret = 'productsecret111', dynamic_registration = true, kind = 'enterprise', \
instance_id = 'iot-06z00interop' },
    { product_key = 'a1SubDevice', product_secret = 'productsecret222', dynamic_registration = true },
]
device = [
    { product_key = 'a1Interop00', device_name = 'python-1', device_secret = '0123456789abcdef0123456789abcdef' },
    { product_key = 'a1Interop00', device_name = 'python-2', device_secret = '0123456789abcdef0123456789abcdef' },
    { product_key = 'a1Interop00', device_name = 'by-hand_1@a.b:c', device_secret = '6123456789abcdef0123456789abcdef' },
    { product_key = 'a1Enterpris', device_name = 'by-hand-2', device_secret = '7123456789abcdef0123456789abcdef' },
    { product_key = 'a1Interop00', device_name = 'node-1', device_secret = '1123456789abcdef0123456789abcdef' },
    { product_key = 'a1Interop00', device_name = 'fresh-1', device_secret = '2123456789abcdef0123456789abcdef' },
    { product_key = 'a1Interop00', device_name = 'fresh-2', device_secret = '4123456789abcdef0123456789abcdef' },
    { product_key = 'a1SubDevice', device_name = 'meter-1', device_secret = '3123456789abcdef0123456789abcdef' },
]
";

/// A stand-in of its own: the line that it prints, and its console.
struct StandIn {
    addresses: String,
    console: PathBuf,
    _process: Process,
    _dir: tempfile::TempDir,
}

fn stand_in() -> StandIn {
    let dir = tempfile::tempdir().unwrap();
    let (devices, console) = (dir.path().join("devices.toml"), dir.path().join("console.sock"));
    std::fs::write(&devices, DEVICES).unwrap();
    let mut command = bin("airgate-sim");
    command
        .args(["cloud", "--limits", "off", "--strict-instance", "--devices"])
        .arg(devices)
        .arg("--console")
        .arg(&console);
    let mut process = Process::start(&mut command, &dir.path().join("cloud.log"));
    StandIn { addresses: process.first_line(), console, _process: process, _dir: dir }
}

/// A program that ends: its own patience, which tells more, is shorter.
fn bounded(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.arg("300").arg(program);
    command
}

fn goes_well(command: &mut Command, cloud: &StandIn) {
    let output = run(command.arg(cloud.addresses.trim()).arg(&cloud.console));
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("ok\n"), "{said}{errors}");
}

fn node(sdk: &str, clients: &Path) {
    let cloud = stand_in();
    let addresses: Value = serde_json::from_str(&cloud.addresses).unwrap();
    let mut node = bounded("node");
    node.env("NODE_PATH", clients.join("node_modules")).env("NODE_EXTRA_CA_CERTS", addresses["ca"].as_str().unwrap());
    goes_well(node.arg("--no-warnings").arg(interop("aliyun_node.js")).arg(sdk), &cloud);
}

/// Signed by hand, in all forms that the platform's documentation allows.
#[test]
fn any_client_that_signs_as_it_is_documented_is_let_in_and_any_other_is_told_why_not() {
    let python = interop_clients().join("venv/bin/python");
    goes_well(bounded(python).arg(interop("aliyun_by_hand.py")), &stand_in());
}

#[test]
fn sdk_for_python_registers_signs_in_and_leads_the_whole_dialogue() {
    let python = interop_clients().join("venv-aliyun/bin/python");
    goes_well(bounded(python).arg(interop("aliyun_linkkit.py")), &stand_in());
}

#[test]
fn both_sdks_for_node_sign_in_and_lead_the_dialogue() {
    for sdk in ["alibabacloud-iot-device-sdk", "aliyun-iot-device-sdk"] {
        node(sdk, &interop_clients());
    }
}
