//! A page that is done.

use crate::engine::output::Record;
use serde::{Deserialize, Serialize};
use url::Url;

/// A page that was fetched or failed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Done {
    /// Its line of the report.
    pub record: Record,
    /// The targets of its redirects, in order.
    pub redirects: Vec<Url>,
    /// Whether its failure may be temporary, so that a later run tries again.
    pub may_pass: bool,
}
