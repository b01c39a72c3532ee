//! Being a service: readiness, watchdog, signals, logging.
