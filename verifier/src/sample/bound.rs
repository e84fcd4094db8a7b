//! The upper limit of a rate of which a sample shows some.

/// One minus the confidence.
const DOUBT: f64 = 0.05;

/// Halvings of the interval; after them it is as narrow as numbers go.
const HALVINGS: u32 = 60;

/// The rate, in per cent, above which so few exceptions in so large a sample are seen in less than 5 of 100 draws: the one-sided upper
/// limit of Clopper and Pearson.
pub fn upper_percent(size: u16, exceptions: u16) -> f64 {
    if exceptions >= size {
        return 100.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let rate = f64::midpoint(low, high);
        if at_most(size, exceptions, rate) > DOUBT {
            low = rate;
        } else {
            high = rate;
        }
    }
    high * 100.0
}

/// How likely at most so many exceptions are at a rate: the binomial distribution, in logarithms, as its terms pass the range of numbers.
fn at_most(size: u16, exceptions: u16, rate: f64) -> f64 {
    let (hit, miss) = (rate.ln(), (-rate).ln_1p());
    let mut ways = 0.0;
    let mut sum = 0.0;
    for some in 0..=exceptions {
        if some > 0 {
            ways += f64::from(size - some + 1).ln() - f64::from(some).ln();
        }
        sum += (ways + f64::from(some) * hit + f64::from(size - some) * miss).exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::upper_percent;

    #[test]
    fn limits_are_those_of_the_tables() {
        // For none 1 - 0.05^(1/n); the others by sums of exact binomial coefficients with 60 decimal digits.
        for (size, exceptions, percent) in [
            (25, 0, 11.2928),
            (40, 0, 7.2158),
            (60, 0, 4.8703),
            (1, 0, 95.0),
            (25, 1, 17.6121),
            (25, 2, 23.1040),
            (60, 3, 12.4187),
            (10_000, 0, 0.0300),
            (10_000, 100, 1.1797),
            (5, 5, 100.0),
        ] {
            let found = upper_percent(size, exceptions);
            assert!((found - percent).abs() < 0.0002, "{exceptions} of {size}: {found}");
        }
    }
}
