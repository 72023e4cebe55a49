//! How numbers are written for people.

/// A number in at most four characters and a unit letter: `950`, `1.2k`, `34M`, `0.05`.
pub(crate) fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 999.5e6 => (value / 1e9, "G"),
        v if v >= 999.5e3 => (value / 1e6, "M"),
        v if v >= 999.5 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        v if v >= 99.95 || v == 0.0 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        v if v >= 0.09995 => 2,
        // Two digits that mean something, however small.
        v => (1.0 - v.log10().floor()).min(12.0) as usize,
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

/// A number with its thousands apart: `12,345`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_not_misleading() {
        let cases = [
            (0.0, "0"),
            (0.05, "0.05"),
            (0.126, "0.13"),
            (0.0005, "0.0005"),
            (1.0, "1"),
            (1.25, "1.25"),
            (12.34, "12.3"),
            (999.4, "999"),
            (999.6, "1k"),
            (1200.0, "1.2k"),
            (34_000_000.0, "34M"),
            (2.5e9, "2.5G"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!(grouped(12_345), "12,345");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
