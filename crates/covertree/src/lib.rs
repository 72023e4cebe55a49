//! Exact nearest neighbours in metric spaces, and the residual-correlation engine of Vecchia approximations.
#![forbid(unsafe_code)]

pub mod ordering;
pub mod residual;
