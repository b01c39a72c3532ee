//! The outside world for tests, demos and benchmarks: the simulated module and the stand-in cloud.
//!
//! Both are written from the documentation of the real things. Nothing of `air780e` or `iotcloud` may be used here:
//! a simulator that shares a parser or a signature with what it tests would share its mistakes.

pub mod cloud;
pub mod modem;
