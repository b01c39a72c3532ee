//! Lines to the host that do not come, or come twice. Bytes arrive in any pieces; what need not wait does not.

use std::collections::VecDeque;

/// The longest final result that is doubled, and the longest line that is watched for, bytes.
const LINE_MAX: usize = 64;

/// What is asked of the lines to come.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// Beginnings of lines that are to be swallowed, each once.
    swallow: VecDeque<String>,
    doubles: u32,
    prompts: u32,
    /// The line so far, as far as it is of interest.
    line: Vec<u8>,
    /// This much of `line` is kept back, because it may have to be swallowed.
    held: usize,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Passing,
    /// The rest of the line is swallowed.
    Dropping,
    /// A prompt was swallowed; a blank may trail it.
    BehindPrompt,
}

impl Filter {
    pub(super) fn swallow(&mut self, beginning: &str) {
        self.swallow.push_back(beginning.chars().take(LINE_MAX).collect());
    }

    pub(super) fn double(&mut self) {
        self.doubles += 1;
    }

    pub(super) fn no_prompt(&mut self) {
        self.prompts += 1;
    }

    /// Forgets what was asked for; what was kept back comes.
    pub(super) fn clear(&mut self, out: &mut Vec<u8>) {
        self.release(out);
        self.swallow.clear();
        (self.doubles, self.prompts) = (0, 0);
    }

    /// Forgets the line that had begun: the module has rebooted.
    pub(super) fn cut(&mut self) {
        self.line.clear();
        (self.held, self.state) = (0, State::Passing);
    }

    pub(super) fn pass(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Passing => {}
            State::Dropping => {
                if byte == b'\n' {
                    self.cut();
                }
                return;
            }
            State::BehindPrompt => {
                self.state = State::Passing;
                if byte == b' ' {
                    return;
                }
            }
        }
        if byte == b'\n' {
            return self.line_end(out);
        }
        if byte == b'>' && self.line.is_empty() && self.prompts > 0 {
            self.prompts -= 1;
            self.state = State::BehindPrompt;
            return;
        }
        if self.line.len() < LINE_MAX && (byte != b'\r' || !self.line.is_empty()) {
            self.line.push(byte);
        }
        self.weigh(byte, out);
    }

    /// Decides whether the line is swallowed, may yet be, or goes on.
    fn weigh(&mut self, byte: u8, out: &mut Vec<u8>) {
        let whole = self.swallow.iter().position(|wanted| !wanted.is_empty() && self.line == wanted.as_bytes());
        if let Some(index) = whole {
            self.swallow.remove(index);
            self.line.clear();
            self.held = 0;
            self.state = State::Dropping;
        } else if !self.line.is_empty() && self.swallow.iter().any(|wanted| wanted.as_bytes().starts_with(&self.line)) {
            self.held = self.line.len();
        } else {
            // What was kept back is a part of the line before this byte.
            self.release(out);
            out.push(byte);
        }
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        self.release(out);
        out.push(b'\n');
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii();
        let is_final = matches!(text, b"OK" | b"ERROR") || text.starts_with(b"+CME ERROR");
        if is_final && self.doubles > 0 {
            self.doubles -= 1;
            out.extend_from_slice(&[b"\r\n", text, b"\r\n"].concat());
        }
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line.get(..self.held).unwrap_or_default());
        self.held = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(filter: &mut Filter, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        bytes.iter().for_each(|byte| filter.pass(*byte, &mut out));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_swallowed_line_leaves_the_others_alone() {
        let mut filter = Filter::default();
        filter.swallow("PUBACK");
        assert_eq!(through(&mut filter, b"\r\nOK\r\n\r\nPUBREC\r\n"), "\r\nOK\r\n\r\nPUBREC\r\n");
        assert_eq!(through(&mut filter, b"\r\nPUBACK\r\n\r\nPUBACK\r\n"), "\r\n\r\nPUBACK\r\n", "one of two");
    }

    #[test]
    fn a_swallowed_prompt_takes_its_blank_along() {
        let mut filter = Filter::default();
        filter.no_prompt();
        assert_eq!(through(&mut filter, b"\r\n> \r\nOK\r\n\r\n> "), "\r\n\r\nOK\r\n\r\n> ");
    }

    #[test]
    fn a_doubled_result_comes_twice_and_an_information_does_not() {
        let mut filter = Filter::default();
        filter.double();
        assert_eq!(through(&mut filter, b"\r\n+CSQ: 25,0\r\n\r\nOK\r\n"), "\r\n+CSQ: 25,0\r\n\r\nOK\r\n\r\nOK\r\n");
        assert_eq!(through(&mut filter, b"\r\nOK\r\n"), "\r\nOK\r\n");
    }

    proptest! {
        #[test]
        fn what_is_not_asked_for_is_never_changed_or_kept_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut filter, mut out) = (Filter::default(), Vec::new());
            bytes.iter().for_each(|byte| filter.pass(*byte, &mut out));
            prop_assert_eq!(out, bytes);
        }

        #[test]
        fn what_only_looks_like_it_comes_in_the_end(text in "(P|PU|PUB|PUBA|\r|\n|OK){0,20}") {
            let (mut filter, mut out) = (Filter::default(), Vec::new());
            filter.swallow("PUBACK");
            text.bytes().for_each(|byte| filter.pass(byte, &mut out));
            filter.clear(&mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
