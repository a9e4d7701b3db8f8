//! `demo check`: follows the links of a site and saves nothing. Names the broken links, the pages that contain them,
//! and links to anchors that their page lacks.

mod args;

pub use args::CheckArgs;

use crate::engine::{self, Options, Plan, SaveOptions, urls};
use crate::signals::Signals;
use crate::temporary::Temporary;
use crate::{Exit, Failure};
use std::rc::Rc;

/// Checks links until all are checked, or until an interrupt.
///
/// # Errors
/// Fails if the check as a whole can't go on. Broken links are reported and are no error.
pub async fn run(args: CheckArgs, signals: Signals) -> Result<Exit, Failure> {
    let starts = urls::parse_all(&args.urls)?;
    let directory = Temporary::new()?; // for pages that are too large to be searched in memory
    // Options about saved files, as a configuration file may have them, do not apply.
    let save = SaveOptions::default();
    let options = Options { directory: directory.path().to_owned(), save, ..args.options };
    let plan = Plan {
        scope: args.scope,
        save: false,
        probe_external: !args.no_external,
        references: Some(Rc::default()),
        check_anchors: !args.no_anchors,
        ..Plan::new(starts)
    };
    engine::run(options, plan, signals).await
}
