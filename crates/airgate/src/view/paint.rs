//! Colours, where somebody sees them.

use super::words::Grade;
use std::io::IsTerminal;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    /// Colours on a terminal, unless the user wants none.
    ///
    /// Source: no-color.org.
    pub fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(std::io::stdout().is_terminal() && !unwanted && !dumb)
    }

    /// Green, yellow or red.
    pub fn grade(self, grade: Grade, text: &str) -> String {
        self.code(
            match grade {
                Grade::Good => "32",
                Grade::Fair => "33",
                Grade::Bad => "31",
            },
            text,
        )
    }

    /// What stands out.
    pub fn strong(self, text: &str) -> String {
        self.code("1", text)
    }

    /// What steps back.
    pub fn faint(self, text: &str) -> String {
        self.code("2", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
