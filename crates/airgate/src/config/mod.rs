//! What the user wrote under `/etc/airgate`: read, checked, merged, weighed as a whole.
//!
//! The way of a configuration:
//! 1. `source` reads each file, `walk` goes through it alone along the `keys`: unknown keys, wrong types and wrong
//!    values are told with file, line, column and snippet; other systems' spellings get their agreed names.
//! 2. `env` does the same for `AIRGATE_SECTION__KEY`.
//! 3. `merge` lays them over each other with the `config` crate: the file, then `conf.d/*.toml` beside it in order of
//!    name, then the environment. `[[route]]` and `[[app]]` of all files add up.
//! 4. `validate` weighs the whole: what is missing, what contradicts.
//!
//! All mistakes are told at once: each step adds to the `findings`. Secrets go around the merge (see `Findings::vault`) and
//! are never shown.

mod changes;
mod cloud;
mod credentials;
mod effective;
mod env;
mod error;
mod example;
mod findings;
mod keys;
mod load;
mod merge;
mod model;
mod raw;
mod scalar;
mod schema;
mod secret;
mod source;
#[cfg(test)]
mod tests;
mod topic;
mod units;
mod validate;
mod walk;

pub use changes::{Change, changes};
pub use cloud::{
    Aliyun, AliyunAuth, Cloud, DeviceName, Login, Mqtt, Provider, RegisterBy, RegisterSecuremode, SignMethod, Tls,
};
pub use effective::Setting;
pub use error::{ConfigError, Notice, NoticeKind, Place};
pub use example::EXAMPLE;
pub use load::{DEFAULT_PATH, Loaded, load};
pub use model::{
    Apn, ApnAuth, ApnLogin, App, Batch, BatchForm, Budget, Clock, Config, Local, Log, Metrics, Modem, Ota, Outbox,
    Rate, Reset, Route, Version, WhenFull, WhenSpent, Who,
};
pub use secret::Secret;
pub use source::blotted;
pub use units::duration;
