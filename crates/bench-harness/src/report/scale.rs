//! From values to places: linear, logarithmic and logit axes, and their ticks.

use crate::number::short;

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Linear,
    Log,
    /// log(p / (1 − p)): 0.9, 0.99 and 0.999 are about equally far apart.
    Logit,
}

/// An axis: the range of values and where its ends lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    spacing: Spacing,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// An axis from value `low` at place `from` to value `high` at place `to`.
    pub(super) fn new(spacing: Spacing, (low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self { spacing, low, high, from, to }
    }

    /// A logarithmic axis around positive values, with a little room on both sides.
    pub(super) fn log_around(values: impl IntoIterator<Item = f64>, places: (f64, f64)) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        // At least a factor of four, so that an axis never blows up a difference of a few per cent.
        let room = (4.0 / (high / low)).max(1.0).sqrt() * 1.25;
        Self::new(Spacing::Log, (low / room, high * room), places)
    }

    fn bend(&self, value: f64) -> f64 {
        match self.spacing {
            Spacing::Linear => value,
            Spacing::Log => value.max(f64::MIN_POSITIVE).ln(),
            Spacing::Logit => {
                let value = value.clamp(1e-9, 1.0 - 1e-9);
                (value / (1.0 - value)).ln()
            }
        }
    }

    /// The place of a value; values outside lie on the nearer end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (low, high) = (self.bend(self.low), self.bend(self.high));
        let share = if high > low { ((self.bend(value) - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
        self.from + share * (self.to - self.from)
    }

    /// Values to be labelled, with their labels: few enough to read.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        match self.spacing {
            Spacing::Linear => self.linear_ticks(),
            Spacing::Log => self.log_ticks(),
            Spacing::Logit => [0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999]
                .into_iter()
                .filter(|&value| value >= self.low && value <= self.high)
                .map(|value| (value, format!("{value}")))
                .collect(),
        }
    }

    fn linear_ticks(&self) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|&s| s >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..12)
            .map(|i| (first + f64::from(i)) * step)
            .take_while(|&value| value <= self.high * (1.0 + 1e-12))
            .map(|value| (value, short(value)))
            .collect()
    }

    fn log_ticks(&self) -> Vec<(f64, String)> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = match decades {
            d if d > 3.5 => &[1.0],
            d if d > 1.7 => &[1.0, 3.0],
            _ => &[1.0, 2.0, 5.0],
        };
        let (from, to) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        (from..=to)
            .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
            .filter(|&value| value >= self.low && value <= self.high)
            .map(|value| (value, short(value)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_lie_where_they_were_put_and_outsiders_on_them() {
        for spacing in [Spacing::Linear, Spacing::Log, Spacing::Logit] {
            let scale = Scale::new(spacing, (0.1, 0.9), (10.0, 110.0));
            assert!((scale.at(0.1) - 10.0).abs() < 1e-9 && (scale.at(0.9) - 110.0).abs() < 1e-9);
            assert_eq!((scale.at(0.0), scale.at(1.0)), (10.0, 110.0));
        }
        let log = Scale::new(Spacing::Log, (1.0, 100.0), (0.0, 100.0));
        assert!((log.at(10.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn every_axis_has_ticks_inside_its_range() {
        for (low, high) in [(0.001, 0.002), (1.0, 3.0), (3.0, 900.0), (5.0, 5e9)] {
            let log = Scale::log_around([low, high], (0.0, 1.0));
            let linear = Scale::new(Spacing::Linear, (0.0, high), (0.0, 1.0));
            for scale in [log, linear] {
                let ticks = scale.ticks();
                assert!((2..=14).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
                assert!(ticks.windows(2).all(|pair| pair[0].1 != pair[1].1), "{ticks:?}");
            }
        }
        assert!(!Scale::log_around([], (0.0, 1.0)).ticks().is_empty());
    }
}
