//! What the user wrote under `/etc/airgate`: read, checked, merged.
