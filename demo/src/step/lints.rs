//! stand-in
use executor::trace::Trace;
/// f
pub struct Finding {
    /// e
    pub event: usize,
    /// t
    pub text: String,
}
/// l
pub fn lint(_: &Trace) -> Vec<Finding> {
    Vec::new()
}
