//! What was accepted and not yet acknowledged by the cloud.
