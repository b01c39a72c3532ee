//! End-to-end tests: they start the real binaries and look from outside.
