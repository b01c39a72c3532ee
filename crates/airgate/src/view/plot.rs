//! Hours as plots, in SVG. Pure: numbers in, markup out; colours are classes of the page's style sheet.
//!
//! A run of hours is drawn in one piece; where nothing is known there is a gap.

use super::words::day;
use std::fmt::Write;

/// Width of a plot with its margins, in its own units.
pub const WIDTH: f64 = 960.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;

/// What a plot spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// The first hour since 1970.
    pub from: u32,
    /// The hour after the last; greater than `from`.
    pub to: u32,
    /// The value at the foot.
    pub low: f64,
    /// The value at the top; greater than `low`.
    pub high: f64,
    /// Height with the margins, in the plot's own units.
    pub height: f64,
}

impl Frame {
    fn x(&self, hour: f64) -> f64 {
        let share = (hour - f64::from(self.from)) / f64::from(self.to.saturating_sub(self.from).max(1));
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.height - BOTTOM - share * (self.height - TOP - BOTTOM)
    }

    /// A plot: the axes, with what `marks` draws between them. `label` names a value on the upright axis.
    pub fn plot(&self, name: &str, ticks: &[f64], label: impl Fn(f64) -> String, marks: &str) -> String {
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{name}\">\n<g class=\"grid\">\n",
            self.height
        );
        let right = WIDTH - RIGHT;
        for tick in ticks {
            let y = self.y(*tick);
            // Writing to a string does not fail.
            let _ = writeln!(out, "<path d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" class=\"value\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                label(*tick)
            );
        }
        let foot = self.height - BOTTOM;
        for (hour, text) in self.days() {
            let x = self.x(f64::from(hour));
            let _ = writeln!(out, "<path d=\"M{x:.1} {TOP}V{:.1}\"/>", foot + 4.0);
            let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" class=\"day\">{text}</text>", foot + 18.0);
        }
        let _ = write!(out, "</g>\n{marks}<path class=\"foot\" d=\"M{LEFT} {foot:.1}H{right}\"/>\n</svg>\n");
        out
    }

    /// Where days begin, or within two days every sixth hour, with its name; at most some twelve.
    fn days(&self) -> Vec<(u32, String)> {
        let hours = self.to.saturating_sub(self.from);
        let step = match hours {
            0..=48 => 6,
            49..=240 => 24,
            241..=480 => 48,
            _ => 72,
        };
        let name = |hour: u32| match hour % 24 {
            0 => day(u64::from(hour) * 3600),
            of_day => format!("{of_day:02}:00"),
        };
        // Not so near to an end that its name is cut off.
        let near = |hour: &u32| self.x(f64::from(*hour)) < WIDTH - RIGHT - 20.0;
        (self.from.next_multiple_of(step)..self.to).step_by(step as usize).filter(near).map(|h| (h, name(h))).collect()
    }

    /// A line through the middles of hours.
    pub fn line(&self, points: &[(u32, f64)], class: &str) -> String {
        let mut path = String::new();
        for run in points.chunk_by(|a, b| a.0 + 1 == b.0) {
            if let [(hour, value)] = run {
                let (x, end, y) = (self.x(f64::from(*hour)), self.x(f64::from(*hour) + 1.0), self.y(*value));
                let _ = write!(path, "M{x:.1} {y:.1}H{end:.1}");
                continue;
            }
            for (at, (hour, value)) in run.iter().enumerate() {
                let command = if at == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{:.1} {:.1}", self.x(f64::from(*hour) + 0.5), self.y(*value));
            }
        }
        marked(&path, class)
    }

    /// A bar for each hour, from a value to another.
    pub fn bars(&self, bars: &[(u32, f64, f64)], class: &str) -> String {
        let mut path = String::new();
        for (hour, from, to) in bars {
            let (x, end) = (self.x(f64::from(*hour)), self.x(f64::from(*hour) + 1.0));
            let (foot, top) = (self.y(*from), self.y(*to));
            // What is there at all is to be seen.
            let top = if to > from { top.min(foot - 0.5) } else { top };
            let _ = write!(path, "M{x:.1} {foot:.1}V{top:.1}H{end:.1}V{foot:.1}Z");
        }
        marked(&path, class)
    }

    /// A disc for each hour with something to count, larger for more.
    pub fn discs(&self, discs: &[(u32, f64, u16)], class: &str) -> String {
        let mut out = String::new();
        for (hour, value, count) in discs.iter().filter(|(.., count)| *count > 0) {
            let (x, y) = (self.x(f64::from(*hour) + 0.5), self.y(*value));
            let radius = 3.0 + f64::from((*count).min(16)).sqrt();
            let _ = writeln!(
                out,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{count}</title></circle>"
            );
        }
        out
    }
}

fn marked(path: &str, class: &str) -> String {
    if path.is_empty() { String::new() } else { format!("<path class=\"{class}\" d=\"{path}\"/>\n") }
}

/// Round values from `low` to `high`, at most `most` + 1 of them: multiples of 1, 2 or 5 times a power of ten.
fn ticks(low: f64, high: f64, most: u32) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || most == 0 {
        return Vec::new();
    }
    let rough = span / f64::from(most);
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
    let first = (low / step - 1e-9).ceil();
    (0..=most).map(|n| (first + f64::from(n)) * step).filter(|tick| *tick <= high + step * 1e-9).collect()
}

/// The top of an axis from 0 that holds `most`, with its ticks: round in binary units, so for bytes.
pub fn bytes_axis(most: f64) -> (f64, Vec<f64>) {
    let unit = [1.0, 1024.0, 1_048_576.0, 1_073_741_824.0].into_iter().rfind(|unit| *unit <= most).unwrap_or(1.0);
    let (top, ticks) = axis(most / unit);
    (top * unit, ticks.into_iter().map(|tick| tick * unit).collect())
}

/// The top of an axis from 0 that holds `most`, with its ticks.
pub fn axis(most: f64) -> (f64, Vec<f64>) {
    let most = if most.is_finite() { most.max(1.0) } else { 1.0 };
    let inner = ticks(0.0, most, 4);
    let step = inner.get(1).copied().unwrap_or(most);
    let top = (most / step - 1e-9).ceil() * step;
    (top, ticks(0.0, top, 5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: Frame = Frame { from: 100, to: 200, low: -120.0, high: -80.0, height: 160.0 };

    #[test]
    fn a_gap_in_what_is_known_is_a_gap_in_the_line() {
        let svg = FRAME.line(&[(100, -90.0), (101, -91.0), (105, -92.0), (106, -93.0), (150, -94.0)], "mean");
        assert_eq!(svg.matches('M').count(), 3, "{svg}");
        assert_eq!(svg.matches('L').count(), 2, "{svg}");
        assert_eq!(svg.matches('H').count(), 1, "an hour alone is as wide as it lasted: {svg}");
        assert_eq!(FRAME.line(&[], "mean"), "");
    }

    #[test]
    fn ends_of_the_axes_are_ends_of_the_plot() {
        assert_eq!((FRAME.x(100.0), FRAME.x(200.0)), (LEFT, WIDTH - RIGHT));
        assert_eq!((FRAME.y(-120.0), FRAME.y(-80.0)), (136.0, 8.0));
        assert_eq!(FRAME.y(-500.0), 136.0, "what is out of range stays within the plot");
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(-120.0, -80.0, 4), [-120.0, -110.0, -100.0, -90.0, -80.0]);
        assert_eq!(axis(37.0), (40.0, vec![0.0, 10.0, 20.0, 30.0, 40.0]));
        assert_eq!(
            bytes_axis(3.0 * 1_048_576.0),
            (3_145_728.0, [0.0, 1.0, 2.0, 3.0].map(|n| n * 1_048_576.0).to_vec())
        );
        assert_eq!((ticks(1.0, 1.0, 4), axis(0.0).0), (vec![], 1.0));
    }

    #[test]
    fn days_are_named_and_a_month_has_no_more_names_than_there_is_room() {
        let month = Frame { from: 498_800, to: 499_520, ..FRAME };
        let names = month.days();
        assert!((9..=10).contains(&names.len()), "{names:?}");
        assert!(names.iter().all(|(hour, name)| hour % 24 == 0 && name.len() <= 6), "{names:?}");
        let day = Frame { from: 498_816, to: 498_840, ..FRAME };
        assert!(day.days().iter().any(|(_, name)| name == "06:00"), "{:?}", day.days());
    }

    proptest! {
        #[test]
        fn an_axis_holds_its_values_with_a_few_ticks(most in 0.0..1e12f64) {
            for (top, ticks) in [axis(most), bytes_axis(most)] {
                prop_assert!(top >= most.min(top) && top >= most * 0.999 && (2..=6).contains(&ticks.len()), "{most} {top} {ticks:?}");
                prop_assert!(ticks.iter().all(|tick| *tick <= top * 1.000_001));
            }
        }

        #[test]
        fn every_number_in_a_plot_is_one(points in prop::collection::vec((0..300u32, prop::num::f64::ANY), 0..20)) {
            let bars: Vec<_> = points.iter().map(|(hour, value)| (*hour, -120.0, *value)).collect();
            let svg = FRAME.line(&points, "a") + &FRAME.bars(&bars, "b");
            prop_assert!(!svg.contains("inf"), "{svg}");
        }
    }
}
