//! What the demonstration came to.

use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Counts and times of one run.
#[derive(Default)]
pub(crate) struct Summary {
    waiting: HashMap<u64, Instant>,
    /// In the order of the acknowledgements.
    latencies: Vec<Duration>,
    accepted: u64,
    /// Messages from the cloud.
    pub(crate) received: u64,
    /// Bytes to the module.
    pub(crate) uart_tx_bytes: u64,
    /// Bytes from the module.
    pub(crate) uart_rx_bytes: u64,
}

impl Summary {
    pub(crate) fn accepted(&mut self, seq: u64, asked: Instant) {
        self.accepted += 1;
        self.waiting.insert(seq, asked);
    }

    /// How long it took from the request to the cloud's acknowledgement.
    pub(crate) fn acknowledged(&mut self, seq: u64) -> Option<Duration> {
        let latency = self.waiting.remove(&seq)?.elapsed();
        self.latencies.push(latency);
        Some(latency)
    }

    /// Nothing is on its way any more.
    pub(crate) fn is_complete(&self) -> bool {
        self.waiting.is_empty() && self.received > 0
    }

    /// Everything arrived, in both directions.
    pub(crate) fn is_good(&self) -> bool {
        self.accepted > 0 && self.is_complete()
    }

    /// The latency in milliseconds that the given share of messages did not exceed.
    fn percentile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted.get(rank - 1).map(|latency| (latency.as_secs_f64() * 1e4).round() / 10.0)
    }

    pub(crate) fn text(&self) -> String {
        let ms = |share| self.percentile(share).map_or("-".to_owned(), |ms| format!("{ms} ms"));
        format!(
            "accepted      {}\nacknowledged  {}\nreceived      {}\nlatency       median {}, 99th percentile {}\nserial line   {} bytes to the module, {} from it",
            self.accepted,
            self.latencies.len(),
            self.received,
            ms(0.5),
            ms(0.99),
            self.uart_tx_bytes,
            self.uart_rx_bytes
        )
    }

    pub(crate) fn json(&self) -> String {
        json!({
            "accepted": self.accepted,
            "acknowledged": self.latencies.len(),
            "received": self.received,
            "p50_ms": self.percentile(0.5),
            "p99_ms": self.percentile(0.99),
            "uart_tx_bytes": self.uart_tx_bytes,
            "uart_rx_bytes": self.uart_rx_bytes,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_one_and_of_a_hundred() {
        let mut summary = Summary { latencies: vec![Duration::from_millis(7)], ..Summary::default() };
        assert_eq!((summary.percentile(0.5), summary.percentile(0.99)), (Some(7.0), Some(7.0)));
        summary.latencies = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!((summary.percentile(0.5), summary.percentile(0.99)), (Some(50.0), Some(99.0)));
        assert_eq!(Summary::default().percentile(0.5), None);
    }

    #[test]
    fn a_run_in_which_something_is_missing_is_not_good() {
        let mut summary = Summary { received: 1, ..Summary::default() };
        assert!(!summary.is_good());
        summary.accepted(1, Instant::now());
        assert!(!summary.is_good());
        summary.acknowledged(1);
        assert!(summary.is_good());
    }
}
