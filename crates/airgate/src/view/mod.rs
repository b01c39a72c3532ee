//! How things look to a person: the status on a screen, the last 30 days as a table and as a page. Pure: values in, text out.

pub mod month;
pub mod paint;
pub mod plot;
pub mod report;
pub mod screen;
pub mod words;

#[cfg(test)]
pub(crate) mod samples;
