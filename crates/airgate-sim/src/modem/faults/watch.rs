//! Follows the lines that go by in one direction.

/// As much of a line as a rule can ask for, bytes.
const KEPT: usize = 300;

/// The line so far.
#[derive(Debug, Default)]
pub(super) struct Watch(Vec<u8>);

impl Watch {
    /// Takes a byte; tells whether it ended a line, which is then still there until the next byte.
    pub(super) fn hear(&mut self, byte: u8, end: u8) -> bool {
        if self.0.last() == Some(&end) {
            self.0.clear();
        }
        let blank = self.0.is_empty() && matches!(byte, b'\r' | b'\n');
        if !blank && (self.0.len() < KEPT || byte == end) {
            self.0.push(byte);
        }
        !blank && byte == end
    }

    /// Whether this is the line so far, to the byte.
    pub(super) fn is(&self, text: &str) -> bool {
        self.0 == text.as_bytes()
    }

    /// Whether the line began with `name`, capitals or not.
    pub(super) fn begins(&self, name: &str) -> bool {
        self.0.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
