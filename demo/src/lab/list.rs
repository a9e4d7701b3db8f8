//! `demo lab`: the labs with their hours and subjects.

use super::course::Course;

/// Prints the labs.
pub(crate) fn list(course: &Course) {
    say!("{:<32} {:>5}  about", "lab", "hours");
    for lab in &course.labs {
        let manifest = &lab.manifest;
        let short = if manifest.short { "*" } else { " " };
        say!("{short}{:>2} {:<28} {:>5}  {}", lab.number, manifest.title, manifest.hours, manifest.subject);
    }
    let hours = |short: bool| -> u32 {
        course.labs.iter().filter(|lab| !short || lab.manifest.short).map(|lab| lab.manifest.hours).sum()
    };
    say!("\n{} hours in all; * the short course, {} hours", hours(false), hours(true));
    say!("\n  cargo run --release -- lab start 1 ../rt    begin the first lab in ../rt");
    say!("  cargo run --release -- lab read 1           read its chapter first");
}
