//! `airgate top`: what is going on, live, on a terminal of 80 columns and 24 lines or more. What it knows and how it is drawn
//! are pure; the terminal and the daemon are the shell's (`cli/top.rs`).

mod draw;
mod state;

pub use draw::draw;
pub use state::{Program, Top};
