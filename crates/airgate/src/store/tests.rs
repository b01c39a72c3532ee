//! Faults of the disk and of people.

use super::*;
use iotcloud::Secret;
use iotcloud::aliyun::Credential;

fn key(device: &str) -> Key {
    Key { cloud: "aliyun".into(), place: "iot-x".into(), product: "pk".into(), device: device.into() }
}

fn entry(secret: &str) -> Entry {
    let credential = Credential::DeviceSecret(Secret::new(secret));
    Entry {
        current: Some(Record { credential, obtained_unix_ms: 7, by: Origin::Registration }),
        unanswered: 2,
        ..Entry::default()
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().join("store"));
    (dir, store)
}

#[test]
fn what_was_put_is_there_after_the_file_was_closed() {
    let (_dir, store) = store();
    assert_eq!(store.entry(&key("d1")).unwrap(), Entry::default());
    let credential = Credential::Token { client_id: "c\"1".into(), token: Secret::new("t\\1") };
    let mut kept = entry("s1");
    kept.candidate = Some(Record { credential, obtained_unix_ms: 8, by: Origin::Import });
    store.put(&key("d1"), &kept).unwrap();
    assert_eq!(Store::new(store.dir.clone()).entry(&key("d1")).unwrap(), kept);
    store.put(&key("d1"), &entry("s2")).unwrap();
    assert_eq!(store.entry(&key("d1")).unwrap(), entry("s2"));
}

#[test]
fn what_is_kept_is_read_from_a_disk_that_takes_nothing() {
    let (_dir, store) = store();
    store.put(&key("d1"), &entry("s1")).unwrap();
    let rows = store.rows(&store.open_read_only().unwrap()).unwrap();
    assert_eq!(rows, [(key("d1"), entry("s1"))]);
}

#[test]
fn another_device_product_place_or_cloud_gets_nothing_of_it() {
    let (_dir, store) = store();
    store.put(&key("d1"), &entry("s1")).unwrap();
    let others = [
        key("d2"),
        Key { product: "pk2".into(), ..key("d1") },
        Key { place: "iot-y".into(), ..key("d1") },
        Key { cloud: "mqtt".into(), ..key("d1") },
        // The same letters, cut elsewhere.
        Key { product: "pk\",\"d".into(), device: "1".into(), ..key("d1") },
    ];
    for other in others {
        assert_eq!(store.entry(&other).unwrap(), Entry::default(), "{other:?}");
    }
}

#[test]
fn file_and_directory_are_their_owners_alone_even_when_they_were_not() {
    let (_dir, store) = store();
    store.put(&key("d1"), &entry("s1")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&store.dir), mode(&store.path())), (0o700, 0o600));
    fs::set_permissions(store.path(), Permissions::from_mode(0o644)).unwrap();
    store.entry(&key("d1")).unwrap();
    assert_eq!(mode(&store.path()), 0o600);
}

#[test]
fn torn_file_is_set_aside_and_the_store_goes_on() {
    for length in [1, 100, 4096, 5000] {
        let (_dir, store) = store();
        store.put(&key("d1"), &entry("s1")).unwrap();
        let bytes = fs::read(store.path()).unwrap();
        fs::write(store.path(), &bytes[..length]).unwrap();
        assert_eq!(store.entry(&key("d1")).unwrap(), Entry::default(), "{length}");
        store.put(&key("d1"), &entry("s2")).unwrap();
        assert_eq!(store.entry(&key("d1")).unwrap(), entry("s2"));
        let aside = fs::read_dir(&store.dir).unwrap().flatten();
        assert!(aside.map(|f| f.file_name()).any(|name| name.to_string_lossy().contains("garbled-")), "{length}");
    }
}

#[test]
fn secret_with_a_flipped_bit_is_not_handed_out() {
    let (_dir, store) = store();
    store.put(&key("d1"), &entry("seekmeinthefile")).unwrap();
    let mut bytes = fs::read(store.path()).unwrap();
    let needle = b"seekmeinthefile";
    let places: Vec<usize> =
        bytes.windows(needle.len()).enumerate().filter(|(_, w)| w == needle).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(store.path(), bytes).unwrap();
    assert_eq!(store.entry(&key("d1")).unwrap(), Entry::default());
}

#[test]
fn file_garbled_anywhere_gives_the_secret_or_nothing_and_takes_the_next() {
    let (_dir, store) = store();
    store.put(&key("d1"), &entry("s1")).unwrap();
    let whole = fs::read(store.path()).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes.iter_mut().skip(at).take(64).for_each(|byte| *byte ^= 0xA5);
        fs::write(store.path(), bytes).unwrap();
        let found = store.entry(&key("d1")).unwrap();
        assert!(found == Entry::default() || found == entry("s1"), "{at}");
        store.put(&key("d1"), &entry("s2")).unwrap();
        assert_eq!(store.entry(&key("d1")).unwrap(), entry("s2"), "{at}");
    }
}

#[test]
fn directory_that_cannot_be_made_is_told_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let store = Store::new(dir.path().join("file/store"));
    let error = store.put(&key("d1"), &entry("hunter2")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }));
    assert!(error.to_string().contains("file/store") && !format!("{error:?}").contains("hunter2"));
}

#[test]
fn forgotten_is_forgotten_and_the_others_stay() {
    let (_dir, store) = store();
    store.put(&key("d1"), &entry("s1")).unwrap();
    store.put(&key("d2"), &entry("s2")).unwrap();
    assert!(store.forget(&key("d1")).unwrap());
    assert!(!store.forget(&key("d1")).unwrap());
    assert_eq!(store.list().unwrap(), [(key("d2"), entry("s2"))]);
}

#[test]
fn secrets_show_in_no_debug_text() {
    assert!(!format!("{:?}", entry("hunter2")).contains("hunter2"));
}

#[test]
fn two_at_once_wait_for_each_other() {
    let (_dir, store) = store();
    std::thread::scope(|scope| {
        for device in ["d1", "d2", "d3"] {
            let store = &store;
            scope.spawn(move || store.put(&key(device), &entry(device)).unwrap());
        }
    });
    assert_eq!(store.list().unwrap().len(), 3);
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn holds(store: &Store, text: &str) -> bool {
    fs::read(store.path()).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn with_a_key_nothing_readable_is_on_the_disk_and_what_was_is_written_anew() {
    let (_dir, readable) = store();
    readable.put(&key("d1"), &entry("hunter2-one")).unwrap();
    readable.put(&key("d2"), &entry("hunter2-two")).unwrap();
    assert!(holds(&readable, "hunter2-one"));
    let sealed = readable.clone().with_key(Some(StoreKey::new(KEY)));
    assert_eq!(sealed.entry(&key("d1")).unwrap(), entry("hunter2-one"), "it is read as it is");
    assert!(sealed.protect().unwrap());
    assert!(!sealed.protect().unwrap(), "once");
    sealed.put(&key("d3"), &entry("hunter2-three")).unwrap();
    for (device, secret) in [("d1", "hunter2-one"), ("d2", "hunter2-two"), ("d3", "hunter2-three")] {
        assert_eq!(sealed.entry(&key(device)).unwrap(), entry(secret));
        assert!(!holds(&sealed, secret), "{secret}");
    }
    let mode = fs::metadata(sealed.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn without_its_key_or_with_another_nothing_is_read_replaced_or_set_aside() {
    let (dir, readable) = store();
    let sealed = readable.clone().with_key(Some(StoreKey::new(KEY)));
    sealed.put(&key("d1"), &entry("hunter2")).unwrap();
    let other = readable.clone().with_key(Some(StoreKey::new("another key of enough characters")));
    for (store, has_key) in [(&readable, false), (&other, true)] {
        match store.entry(&key("d1")) {
            Err(StoreError::Locked { has_key: found, .. }) => assert_eq!(found, has_key),
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!(fs::read_dir(dir.path().join("store")).unwrap().count(), 1, "nothing was set aside");
    assert_eq!(sealed.entry(&key("d1")).unwrap(), entry("hunter2"));
}
