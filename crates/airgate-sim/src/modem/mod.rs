//! The simulated module: a pty that behaves as an Air780E with AT firmware does.
