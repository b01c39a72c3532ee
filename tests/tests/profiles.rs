//! The main job with every firmware of the simulated module, and with each answer to a question that its documents leave
//! open, one after the other: what is accepted arrives, what the cloud sends comes through.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, Setup, base64, nasty_payload};
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `--profile`. Each second part is an answer to one open question.
const PROFILES: [&str; 34] = [
    "780e-v1161",
    "780e-v1169",
    "780ep",
    "nasty",
    "780e-v1161,publish_max=2384",
    "780e-v1161,line_max=3072",
    "780e-v1161,receive_max=1360,oversize=drop",
    "780e-v1161,receive_max=1360,oversize=truncate",
    "780e-v1161,cache_mode=true,cache_form=bare",
    "780e-v1161,cache_mode=true,cache_form=tight",
    "780e-v1161,cache_mode=true,cache_form=quoted",
    "780e-v1161,data_echo=true",
    "780e-v1161,prompt_blank=true",
    "780e-v1161,short_data_gap=5000",
    "780e-v1161,one_shot_data=true",
    "780e-v1161,urcs_in_data_phase=true",
    "780e-v1161,connack_refused=silent",
    "780e-v1161,suback_refused=error",
    "780e-v1161,suback_refused=silent",
    "780e-v1161,closed_after_own_close=true",
    "780e-v1161,connect_result_first=true",
    "780e-v1161,empty_user_refused=true",
    "780e-v1161,sends_disconnect=false",
    "780e-v1161,closed_on_bearer_loss=false",
    "780e-v1161,auto_baud=true",
    "780e-v1161,cmee=0",
    "780e-v1161,cmee=2",
    "780e-v1161,mqtt_ready=3000",
    "780e-v1161,cereg_as_cgreg=true",
    "780e-v1161,nitz=empty_dst",
    "780e-v1161,nitz=two_digits_zone",
    "780e-v1161,clock_zone=utc_digits_local_zone",
    "780e-v1161,second_rdy=740,deaf_after_rdy=500",
    "780e-v1161,hold_urcs=300,tear=6",
];

fn main_job(profile: &'static str) {
    let house = House::with(Setup { profile, ..Setup::default() });
    let mut program = house.program();
    program.ask_ok(json!({"op": "subscribe", "filter": "user/get"}));
    house.cloud.subscribed("user/get");
    program.publish("user/update", "short");
    let nasty = base64(&nasty_payload(1300));
    program.ask_ok(json!({"op": "publish", "topic": "user/update", "payload_b64": nasty}));
    // What was accepted survives a module that boots in the middle of it.
    house.ask_modem(&json!({"do": "reset"}));
    program.publish("user/update", "after the boot");
    let wanted = ["short".to_owned(), format!("base64:{nasty}"), "after the boot".into()];
    let received = house.all_arrive("user/update", &wanted);
    assert!(received.iter().all(|payload| wanted.contains(payload)), "corrupt: {received:?}");
    house.cloud.subscribed("user/get");
    house.cloud.publish("user/get", &nasty_payload(1300));
    airgate_tests::eventually("the message comes", || program.has_message("user/get").then_some(()));
}

#[test]
fn the_main_job_is_done_with_every_firmware_and_every_answer_to_an_open_question() {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some(profile) = PROFILES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if std::panic::catch_unwind(|| main_job(profile)).is_err() {
                        failed.lock().unwrap().push(*profile);
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner().unwrap(), [""; 0]);
}

#[test]
fn a_module_that_refuses_hardware_flow_control_is_told_of_and_works_without() {
    let mut house = House::unstarted(Setup { profile: "780e-v1169", ..Setup::default() });
    std::fs::create_dir(house.path("conf.d")).unwrap();
    std::fs::write(house.path("conf.d/flow.toml"), "[modem]\nflow = \"hardware\"\n").unwrap();
    house.fault("on AT+IFC: refuse 3 20ms always");
    house.start_daemon();
    let mut program = house.program();
    program.publish("user/update", "without");
    house.all_arrive("user/update", &["without".into()]);
    let told = "the module does not take RTS/CTS flow control";
    assert_eq!(house.log().matches(told).count(), 1, "{}", house.log());
}
