//! Files over files, the environment over both, secrets from elsewhere, and what the user hears about it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, also in its helpers"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use airgate::config::{
    AliyunAuth, Cloud, ConfigError, DeviceName, Loaded, Local, NoticeKind, Outbox, Provider, Reset, SignMethod, Tls,
    Who, load,
};

/// A directory with an `airgate.toml` and what else a test puts beside it.
struct Host {
    dir: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Host {
    fn new(main: &str) -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap(), env: Vec::new() };
        host.file("airgate.toml", main)
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        self
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn credential(self, name: &str, text: &str) -> Self {
        let directory = self.path("credentials").to_str().unwrap().to_owned();
        self.file(&format!("credentials/{name}"), text).var("CREDENTIALS_DIRECTORY", &directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self) -> Result<Loaded, Vec<ConfigError>> {
        load(Some(&self.path("airgate.toml")), self.env.clone().into_iter())
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|errors| panic!("{errors:#?}"))
    }

    fn refused(&self) -> Vec<(&'static str, String)> {
        self.load().expect_err("refused").iter().map(|error| (error.code(), error.to_string())).collect()
    }
}

const ALIYUN: &str = "[cloud]\nprovider = \"aliyun\"\nproduct_key = \"a1B2c3D4e5F\"\n";
const MQTT: &str = "[cloud]\nprovider = \"mqtt\"\nhost = \"broker\"\n";

fn aliyun(loaded: &Loaded) -> &airgate::config::Aliyun {
    match &loaded.config.cloud.provider {
        Provider::Aliyun(aliyun) => aliyun,
        other => panic!("{other:?}"),
    }
}

fn kinds(loaded: &Loaded) -> Vec<NoticeKind> {
    loaded.notices.iter().map(|notice| notice.kind).collect()
}

#[test]
fn least_file_for_aliyun_gives_the_documented_defaults() {
    let loaded = Host::new(&format!("{ALIYUN}device_secret = \"s\"\n")).loaded();
    assert_eq!(loaded.notices, []);
    let device = aliyun(&loaded);
    assert_eq!(device.device_name, DeviceName::Imei);
    assert_eq!((device.sign_method, device.region.as_str()), (SignMethod::HmacSha256, "cn-shanghai"));
    assert!(matches!(&device.auth, AliyunAuth::DeviceSecret(secret) if secret.expose() == "s"));
    let Cloud { tls, keepalive_s, host, port, .. } = &loaded.config.cloud;
    assert_eq!((tls, keepalive_s, host, port), (&Tls::On { verify: true, ca_file: None }, &300, &None, &None));
    assert_eq!(loaded.config.outbox, Outbox::default());
    assert_eq!(loaded.config.outbox.max_bytes, 64 << 20);
    assert_eq!(loaded.config.local, Local::default());
    assert!(!format!("{:?}", loaded.config).contains("\"s\""));
}

#[test]
fn drop_ins_win_in_order_of_name_and_the_environment_wins_over_all() {
    let host = Host::new(&format!("{MQTT}port = 1\nkeepalive_s = 60\n[modem]\nbaud = 9600\n"))
        .file("conf.d/20-b.toml", "[cloud]\nport = 3\n")
        .file("conf.d/10-a.toml", "[cloud]\nport = 2\nkeepalive_s = 70\n")
        .file("conf.d/.hidden.toml", "not toml")
        .file("conf.d/30-c.toml.bak", "not toml")
        .var("AIRGATE_MODEM__BAUD", "0")
        .var("AIRGATE_CLOUD__TLS", "false")
        .var("AIRGATE_LOG", "not,a,key")
        .var("AIRGATE_OUTBOX__MAX_AGE", "1h");
    let loaded = host.loaded();
    let cloud = &loaded.config.cloud;
    assert_eq!((cloud.port, cloud.keepalive_s, &cloud.tls), (Some(3), 70, &Tls::Off));
    assert_eq!(loaded.config.modem.baud, None);
    assert_eq!(loaded.config.outbox.max_age, Duration::from_secs(3600));
    assert_eq!(loaded.files, ["airgate.toml", "conf.d/10-a.toml", "conf.d/20-b.toml"].map(|name| host.path(name)));
}

#[test]
fn drop_ins_add_apps_and_routes() {
    let loaded = Host::new(&format!("{MQTT}[[app]]\nuser = \"a\"\n"))
        .file("conf.d/a.toml", "[[app]]\ngroup = \"b\"\npublish = [\"user/#\"]\nrate = \"5/min\"\n")
        .file("conf.d/b.toml", "[[route]]\nfrom = \"t/+\"\npriority = 9\n")
        .loaded();
    let who: Vec<_> = loaded.config.apps.iter().map(|app| app.who.clone()).collect();
    assert_eq!(who, [Who::User("a".into()), Who::Group("b".into())]);
    assert_eq!(loaded.config.apps[1].rate.map(|rate| (rate.count, rate.per)), Some((5, Duration::from_secs(60))));
    assert_eq!(loaded.config.routes[0].priority, Some(9));
}

#[test]
fn pin_with_a_leading_zero_stays_text_in_a_file_and_in_the_environment() {
    let host = Host::new(&format!("{MQTT}[modem]\nsim_pin = \"0123\"\n"));
    assert_eq!(host.loaded().config.modem.sim_pin.unwrap().expose(), "0123");
    let host = Host::new(MQTT).var("AIRGATE_MODEM__SIM_PIN", "0042");
    assert_eq!(host.loaded().config.modem.sim_pin.unwrap().expose(), "0042");
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let host = Host::new(MQTT)
        .var("AIRGATE_MODEM__BUAD", "9600")
        .var("AIRGATE_MODEM__BAUD", "fast")
        .var("AIRGATE_APP__USER", "x")
        .var("AIRGATE_CLOUD__PASSWORD", "");
    let refused = host.refused();
    let codes: Vec<_> = refused.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["config_wrong_type", "config_bad_value", "config_wrong_type", "config_unknown_key"]);
    for ((_, text), name) in refused.iter().zip(["APP__USER", "CLOUD__PASSWORD", "MODEM__BAUD", "MODEM__BUAD"]) {
        assert!(text.starts_with(&format!("AIRGATE_{name}: ")), "{text}");
    }
}

#[test]
fn two_variables_that_mean_the_same_and_differ_are_refused() {
    let host = Host::new("[cloud]\nprovider = \"aliyun\"\ndevice_secret = \"s\"\n")
        .var("AIRGATE_CLOUD__PRODUCT_KEY", "a1")
        .var("AIRGATE_CLOUD__PRODUT_ID", "a2");
    let refused = host.refused();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].1.contains("AIRGATE_CLOUD__PRODUCT_KEY") && refused[0].1.contains("AIRGATE_CLOUD__PRODUT_ID"));
}

#[test]
fn spellings_of_luatos_and_consoles_are_taken_with_a_notice() {
    let text = "[cloud]\nprovider = \"aliyun\"\nprodut_id = \"a1B2\"\nproduct_id = \"a1B2\"\nDeviceName = \"pump1\"\nkey = \"s\"\n\
                ip = 1883\nkeepalive = 240\nautoreconn = 3000\nmethod = \"hmacmd5\"\n";
    let loaded = Host::new(text).loaded();
    let device = aliyun(&loaded);
    assert_eq!((device.product_key.as_str(), &device.device_name), ("a1B2", &DeviceName::Given("pump1".into())));
    assert_eq!(device.sign_method, SignMethod::HmacMd5);
    assert_eq!((loaded.config.cloud.port, loaded.config.cloud.keepalive_s), (Some(1883), 240));
    let aliases = loaded.notices.iter().filter(|notice| notice.kind == NoticeKind::Alias).count();
    assert_eq!(aliases, 6, "{:?}", loaded.notices);
    assert_eq!(kinds(&loaded).iter().filter(|kind| **kind == NoticeKind::Unused).count(), 1);
}

#[test]
fn way_to_sign_in_follows_from_what_is_given() {
    let auth = |more: &str| aliyun(&Host::new(&format!("{ALIYUN}{more}")).loaded()).auth.clone();
    assert!(matches!(auth("device_secret = \"s\"\nproduct_secret = \"p\"\n"), AliyunAuth::DeviceSecret(_)));
    assert!(matches!(auth("product_secret = \"p\"\ndevice_name = \"pump1\"\n"), AliyunAuth::Register { .. }));
    assert!(matches!(auth("product_secret = \"p\"\n"), AliyunAuth::RegisterNoPrereg { .. }));
    assert!(matches!(auth("product_secret = \"p\"\nauth = \"register\"\n"), AliyunAuth::Register { .. }));
}

#[test]
fn registration_without_tls_is_a_contradiction_and_with_it_no_notice() {
    let loaded = Host::new(&format!("{ALIYUN}product_secret = \"p\"\ninstance_id = \"iot-1\"\n")).loaded();
    assert_eq!(kinds(&loaded), []);
    let refused = Host::new(&format!("{ALIYUN}product_secret = \"p\"\ntls = false\n")).refused();
    assert!(refused[0].1.contains("needs TLS"), "{refused:?}");
}

#[test]
fn registration_that_will_hardly_work_or_does_not_happen_is_told() {
    let kinds = |keys: &str| kinds(&Host::new(&format!("{ALIYUN}{keys}")).loaded());
    assert_eq!(kinds("product_secret = \"p\"\n"), [NoticeKind::Suspicious], "the old public instance");
    assert_eq!(kinds("product_secret = \"p\"\nauth = \"register\"\nregister_by = \"https\"\n"), []);
    let idle = "device_secret = \"s\"\nregister_by = \"mqtt\"\nregister_securemode = \"sdk\"\n";
    assert_eq!(kinds(idle), [NoticeKind::Unused; 2]);
}

#[test]
fn secret_comes_from_its_file_beside_the_configuration() {
    let host = Host::new(&format!("{ALIYUN}device_secret_file = \"secret\"\n")).file("secret", "abc\r\n");
    assert!(matches!(&aliyun(&host.loaded()).auth, AliyunAuth::DeviceSecret(secret) if secret.expose() == "abc"));
    let host = host.file("secret", "\n");
    assert!(host.refused()[0].1.contains("empty"));
    let host = host.file("secret", "a\nb\n");
    assert!(host.refused()[0].1.contains("several lines"));
}

#[test]
fn secret_comes_from_a_systemd_credential() {
    let loaded = Host::new(ALIYUN).credential("device_secret", "abc").loaded();
    assert!(matches!(&aliyun(&loaded).auth, AliyunAuth::DeviceSecret(secret) if secret.expose() == "abc"));
    let refused =
        Host::new(&format!("{ALIYUN}device_secret = \"other\"\n")).credential("device_secret", "abc").refused();
    assert_eq!(refused[0].0, "config_disagree");
    assert!(!refused[0].1.contains("abc") && !refused[0].1.contains("= \"other"), "{refused:?}");
}

#[test]
fn secret_that_everybody_may_read_is_told() {
    let host = Host::new(&format!("{ALIYUN}device_secret = \"s\"\n"));
    fs::set_permissions(host.path("airgate.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(kinds(&host.loaded()), [NoticeKind::FileMode]);
    let host = Host::new(MQTT);
    fs::set_permissions(host.path("airgate.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(kinds(&host.loaded()), []);
}

#[test]
fn device_name_with_a_wrong_check_digit_is_told() {
    let notices =
        |name: &str| kinds(&Host::new(&format!("{ALIYUN}device_secret = \"s\"\ndevice_name = \"{name}\"\n")).loaded());
    assert_eq!(notices("260531793113838"), [NoticeKind::Suspicious]);
    assert_eq!(notices("260531793113837"), []);
}

#[test]
fn ways_to_restart_the_module_come_out_typed() {
    let reset =
        |text: &str| Host::new(&format!("{MQTT}[modem]\nreset = {text}\n")).loaded().config.modem.reset.unwrap();
    let gpio =
        Reset::Gpio { chip: "gpiochip0".into(), line: 17, active_high: false, hold: Duration::from_millis(1500) };
    assert_eq!(reset("{ gpio = \"gpiochip0/17\" }"), gpio);
    let command = Reset::Command { program: "/bin/cycle".into(), arguments: vec!["now".into()] };
    assert_eq!(reset("{ command = [\"/bin/cycle\", \"now\"] }"), command);
}

#[test]
fn file_that_is_not_there_or_a_directory_says_so() {
    let host = Host::new(MQTT);
    let refused = |path: PathBuf| load(Some(&path), std::iter::empty()).unwrap_err();
    let missing = refused(host.path("none.toml"));
    assert_eq!((missing.len(), missing[0].code()), (1, "config_not_found"));
    assert!(missing[0].to_string().contains("none.toml: there is no such file"));
    let directory = refused(host.dir.path().to_owned());
    assert!(directory[0].to_string().ends_with("it is a directory"), "{directory:?}");
    let host = host.file("conf.d", "");
    assert!(host.refused()[0].1.ends_with("conf.d: it is not a directory"));
}

#[test]
fn file_in_another_encoding_says_the_line() {
    let host = Host::new("");
    fs::write(host.path("airgate.toml"), b"[cloud]\n# \xb0\xa2\xc0\xef\n").unwrap();
    assert!(host.refused()[0].1.ends_with("line 2 is not UTF-8 text"));
}

#[test]
fn mistake_in_a_drop_in_names_the_drop_in_and_mistakes_of_all_files_come_together() {
    let refused = Host::new(&format!("{MQTT}[modem]\nbuad = 1\n"))
        .file("conf.d/x.toml", "[outbox]\n\nmax_age = \"x\"\n")
        .refused();
    assert_eq!(refused.len(), 2);
    assert!(refused[0].1.contains("airgate.toml:5:1") && refused[1].1.contains("conf.d/x.toml:3:11"), "{refused:?}");
}

#[test]
fn key_of_the_store_comes_as_a_credential_and_must_be_long() {
    let loaded = Host::new(MQTT).credential("store_key", "0123456789abcdef0123456789abcdef\n").loaded();
    assert_eq!(loaded.config.store_key.unwrap().expose(), "0123456789abcdef0123456789abcdef");
    let refused = Host::new(MQTT).credential("store_key", "short").refused();
    assert!(
        matches!(&refused[..], [("config_bad_value", text)] if text.contains("store_key") && !text.contains("short")),
        "{refused:?}"
    );
}
