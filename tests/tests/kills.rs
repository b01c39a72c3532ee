//! SIGKILL at any moment: nothing accepted is lost, what was in flight may come twice, order is kept within each topic and
//! priority. The log's files are small, so that they are begun, finished, carried on, compacted and deleted all the time.
//!
//! `KILLS=2000 cargo test -p airgate-tests --test kills -- --nocapture` kills more often.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Setup};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Handed to the module at once: one on the line, the next ready behind it.
const IN_FLIGHT: usize = 2;
/// Topics, each with its priority, so that some messages stay behind in files that are otherwise done with. They are sent, and
/// looked for, in this order.
const STREAMS: [(&str, u8); 4] = [("user/urgent", 8), ("user/a", 4), ("user/b", 4), ("user/slow", 1)];

/// Spread over 0 to 1 in a way that is the same in every run.
fn dice(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

/// Every third is long, and handed to the module in a data phase.
fn payload(kill: usize, count: usize) -> String {
    let long = if count.is_multiple_of(3) { "line\r\nOK\r\n".repeat(40) } else { String::new() };
    format!("{kill}/{count} {long}")
}

#[test]
fn sigkill_at_any_moment_loses_nothing_that_was_accepted() {
    let kills: usize = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let mut house = House::with(Setup { outbox: "segment_bytes = \"4 KiB\"", log: "warn", ..Setup::default() });
    house.program();
    let mut accepted: [Vec<String>; STREAMS.len()] = Default::default();
    let mut seed = 4711;
    for kill in 0..kills {
        let mut program = Door::open(&house.socket());
        // From the first instants, with everything still to be sent again, to well into the draining.
        let until = Instant::now() + Duration::from_millis((dice(&mut seed) * 600.0) as u64);
        while Instant::now() < until {
            let stream = (dice(&mut seed) * STREAMS.len() as f64) as usize;
            let (topic, priority) = STREAMS[stream];
            let payload = payload(kill, accepted[stream].len());
            program.ask_ok(json!({"op": "publish", "topic": topic, "payload": payload, "priority": priority}));
            accepted[stream].push(payload);
            // Not much faster than the cloud allows, or the backlog takes minutes at the end.
            std::thread::sleep(Duration::from_micros((dice(&mut seed) * 40_000.0) as u64));
        }
        // Some whose answer nobody waits for, so that it dies also while it writes.
        for (n, (topic, priority)) in STREAMS.iter().enumerate() {
            let publish =
                json!({"id": n, "op": "publish", "topic": topic, "payload": "unanswered", "priority": priority});
            program.send_raw(format!("{publish}\n").as_bytes());
        }
        std::thread::sleep(Duration::from_micros((dice(&mut seed) * 15_000.0) as u64));
        house.kill_daemon();
        house.start_daemon();
    }
    let (mut arrived, mut twice) = (0, 0);
    for ((topic, _), accepted) in STREAMS.iter().zip(&accepted) {
        let received = house.all_arrive(topic, accepted);
        let places: HashMap<&str, usize> =
            accepted.iter().enumerate().map(|(at, payload)| (payload.as_str(), at)).collect();
        let mut seen = vec![false; accepted.len()];
        // One that was on its way to the disk when the daemon died may have been kept without anybody having been told.
        let known: Vec<usize> = received.iter().filter_map(|payload| places.get(payload.as_str()).copied()).collect();
        let first_seen: Vec<usize> =
            known.iter().copied().filter(|at| !std::mem::replace(&mut seen[*at], true)).collect();
        assert!(first_seen.into_iter().eq(0..accepted.len()), "the order on {topic} is kept");
        let unanswered = received.iter().filter(|payload| *payload == "unanswered").count();
        assert_eq!(known.len() + unanswered, received.len(), "on {topic} all arrives as it was published");
        (arrived, twice) = (arrived + received.len(), twice + known.len() - accepted.len());
    }
    assert!(twice <= IN_FLIGHT * kills, "{twice} came twice in {kills} kills");
    let accepted: usize = accepted.iter().map(Vec::len).sum();
    println!(
        "{kills} kills: {accepted} accepted, 0 lost, {arrived} received, {twice} twice (at most {})",
        IN_FLIGHT * kills
    );
}

#[test]
fn sigkill_while_the_bound_drops_and_compacts_keeps_what_may_not_be_dropped() {
    let kills: usize = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200) / 4;
    const MAX_BYTES: u64 = 64 << 10;
    const BURST: usize = 64;
    let outbox = "commit_window_ms = 0\nsegment_bytes = \"4 KiB\"\nmax_bytes = \"64 KiB\"\nwhen_full = \"drop_oldest\"";
    let mut house = House::with(Setup { outbox, log: "warn", ..Setup::default() });
    house.kill_modem();
    let (mut urgent, mut seed, mut compacted) = (Vec::new(), 815, HashSet::new());
    for kill in 0..kills {
        let mut program = Door::open(&house.socket());
        // A few that are never dropped, since they are less than the bound together, keep the files of many that are.
        let offered: Vec<_> = (0..BURST)
            .map(|n| match n % 8 == 0 && urgent.len() < 120 {
                true => (9, format!("{kill}/{n}")),
                false => (4, format!("{kill}/{n}{}", "x".repeat(500))),
            })
            .collect();
        let lines = offered.iter().enumerate().map(|(n, (priority, payload))| {
            json!({"id": n, "op": "publish", "topic": "user/a", "payload": payload, "priority": priority}).to_string()
                + "\n"
        });
        program.send_raw(lines.collect::<String>().as_bytes());
        let answered = (dice(&mut seed) * BURST as f64) as usize;
        let accepted: HashSet<u64> = (0..answered)
            .map(|_| program.read())
            .inspect(|answer| assert_eq!(answer["ok"], true, "{answer}"))
            .map(|answer| answer["id"].as_u64().unwrap())
            .collect();
        let kept = (0..).zip(offered).filter(|(n, (priority, _))| *priority == 9 && accepted.contains(n));
        urgent.extend(kept.map(|(_, (_, payload))| payload));
        house.kill_daemon();
        compacted.extend(small_files(&house.path("outbox")));
        house.start_daemon();
    }
    let done = house.airgate(&["outbox", "export"]).output().unwrap();
    let lines = String::from_utf8(done.stdout).unwrap();
    let exported = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kept: Vec<String> =
        exported.filter(|one| one["priority"] == 9).map(|one| one["payload"].as_str().unwrap().to_owned()).collect();
    let expected: HashSet<&String> = urgent.iter().collect();
    assert!(
        kept.iter().filter(|payload| expected.contains(payload)).eq(urgent.iter()),
        "{} of {}",
        kept.len(),
        urgent.len()
    );
    let taken: u64 =
        std::fs::read_dir(house.path("outbox")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    // A burst is one group, and a group may make a file longer than it should be.
    assert!(taken <= 2 * (MAX_BYTES + BURST as u64 * 700), "the files take {taken} bytes");
    assert!(!compacted.is_empty(), "nothing was compacted");
    println!(
        "{kills} kills: {} that may not be dropped, 0 lost, {} files compacted, {taken} bytes",
        urgent.len(),
        compacted.len()
    );
}

/// Files that are shorter than they were when they were finished, but for the newest.
fn small_files(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = files.filter(|file| file.file_name().to_string_lossy().ends_with(".seg")).collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    files.pop();
    let small = files.iter().filter(|file| file.metadata().unwrap().len() < 2_048);
    small.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}
