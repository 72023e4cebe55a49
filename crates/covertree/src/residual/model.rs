//! The covariance function with its hyper-parameters.

use simd_kernels::Covariance;

use super::error::{ResidualError, expect_len, expect_positive};

/// A stationary covariance function k with its hyper-parameters.
///
/// With the scaled distance r = √Σ ((xₜ − yₜ) / ℓₜ)², one of: radial basis function σ² exp(−r²/2), Matérn 1/2
/// σ² exp(−r), Matérn 3/2 σ² (1 + √3 r) exp(−√3 r), Matérn 5/2 σ² (1 + √5 r + 5r²/3) exp(−√5 r).
/// Rasmussen and Williams, *Gaussian Processes for Machine Learning* (2006), section 4.2.
#[derive(Clone, Debug, PartialEq)]
pub struct CovarianceModel {
    /// Which function.
    pub covariance: Covariance,
    /// ℓ: one for every coordinate (automatic relevance determination), or a single one for all.
    pub lengthscales: Vec<f64>,
    /// σ².
    pub variance: f64,
    /// Variance of independent noise. It belongs to the variance of a point, not to the covariance of two,
    /// and so only enters the residual variances p that are computed from inducing points.
    pub nugget: f64,
}

impl CovarianceModel {
    /// A function without nugget.
    pub fn new(covariance: Covariance, lengthscales: &[f64], variance: f64) -> Self {
        Self { covariance, lengthscales: lengthscales.to_vec(), variance, nugget: 0.0 }
    }

    /// The same with a nugget.
    #[must_use]
    pub fn with_nugget(self, nugget: f64) -> Self {
        Self { nugget, ..self }
    }

    /// 1/ℓ for each of `dim` coordinates.
    ///
    /// # Errors
    /// What is wrong with which parameter.
    pub(super) fn inverse_lengthscales(&self, dim: usize) -> Result<Vec<f64>, ResidualError> {
        expect_positive("lengthscales", &self.lengthscales)?;
        expect_positive("variance", &[self.variance])?;
        if !(self.nugget >= 0.0 && self.nugget.is_finite()) {
            return Err(ResidualError::NotPositive { argument: "nugget", index: 0, value: self.nugget });
        }
        let inverse: Vec<f64> = match *self.lengthscales.as_slice() {
            [one] => vec![1.0 / one; dim],
            ref all => {
                expect_len("lengthscales", dim, all.len())?;
                all.iter().map(|length| 1.0 / length).collect()
            }
        };
        expect_positive("lengthscales", &inverse)?;
        Ok(inverse)
    }
}
