//! The local socket protocol: newline-delimited JSON frames, their limits and their errors.
//!
//! Only the shapes live here, shared by the daemon and its clients; whoever moves the bytes does so elsewhere.
//! The protocol grows by addition only: a client skips events, fields and codes that it does not know
//! ([`ServerFrame::Unknown`], [`Code::Unknown`]), a daemon names every field that it does not know, so that a
//! misspelt `ttl_s` is told and not silently ignored.
//!
//! ```
//! use airgate_proto::{Op, Reply, Done, parse_line};
//!
//! let request = parse_line(br#"{"id":7,"op":"publish","topic":"user/update","payload":"21.5"}"#).unwrap();
//! let Op::Publish(publish) = &request.op else { panic!() };
//! assert_eq!((publish.topic.as_str(), publish.payload.as_slice()), ("user/update", b"21.5".as_slice()));
//!
//! let reply = Reply::Ok(Done { seq: Some(1), ..Done::new(request.id) });
//! assert_eq!(reply.to_line(), b"{\"id\":7,\"ok\":true,\"seq\":1}\n");
//!
//! let refusal = parse_line(br#"{"id":8,"op":"publsh"}"#).unwrap_err();
//! assert_eq!(refusal.hint, "did you mean `publish`? The operations are: publish, subscribe, unsubscribe, status, ping, at, property, \
//!     event, call, answer, service_reply, shadow, time, ota_version, ota_progress, device_add, device_login, device_logout, \
//!     device_register, device_delete, device_list, outbox_list, outbox_drop, metrics, history, log, may");
//! ```
#![forbid(unsafe_code)]

mod ask;
mod body;
mod code;
mod event;
mod fields;
mod frame;
mod id;
pub mod limits;
mod line;
mod parse;
mod parse_ask;
mod parse_content;
mod reply;
mod request;
mod suggest;
pub mod topic;
mod waiting;

pub use ask::{Answer, Ask, DeviceSecret};
pub use code::Code;
pub use event::{Call, Device, Dropped, Event, Hello, Link, LinkState, Message};
pub use frame::{FrameError, ServerFrame, parse_server_line};
pub use id::{BadId, Id};
pub use line::{LineBuffer, LineTooLong};
pub use parse::parse_line;
pub use reply::{Done, Refusal, Reply};
pub use request::{Op, Priority, Publish, Qos, Request, Use};
pub use waiting::Selection;

/// The version of the protocol that the daemon tells in its hello.
pub const VERSION: u32 = 1;
