//! All chapters as pages for a browser: one file each, and a table of contents.

use super::text;
use crate::lab::course::{Course, Lab, write};
use crate::lab::error::LabError;
use pulldown_cmark::{Options, Parser, html};
use std::path::Path;

const STYLE: &str = include_str!("page.css");

/// Writes the pages into a directory.
pub(super) fn write_all(course: &Course, to: &Path) -> Result<(), LabError> {
    let name = |lab: &Lab| format!("{}.html", lab.folder);
    let mut contents = String::from("# The labs\n\n| lab | hours | about |\n|---|---|---|\n");
    for lab in &course.labs {
        let manifest = &lab.manifest;
        let row = format!(
            "| [{}. {}]({}) | {} | {} |\n",
            lab.number,
            manifest.title,
            name(lab),
            manifest.hours,
            manifest.subject
        );
        contents.push_str(&row);
    }
    write(&to.join("index.html"), page("The labs", &contents, ""))?;
    for (at, lab) in course.labs.iter().enumerate() {
        let link = |other: Option<&Lab>, arrow: &str| {
            other.map_or_else(String::new, |lab| {
                format!("<a href=\"{}\">{arrow} {}</a> ", name(lab), lab.manifest.title)
            })
        };
        let before = at.checked_sub(1).map(|at| &course.labs[at]);
        let links = format!(
            "<nav>{}<a href=\"index.html\">all labs</a> {}</nav>",
            link(before, "←"),
            link(course.labs.get(at + 1), "→")
        );
        let title = format!("Lab {}: {}", lab.number, lab.manifest.title);
        write(&to.join(name(lab)), page(&title, &text(course, lab)?, &links))?;
    }
    say!("wrote {}", to.join("index.html").display());
    Ok(())
}

fn page(title: &str, markdown: &str, links: &str) -> String {
    let mut body = String::new();
    html::push_html(&mut body, Parser::new_ext(markdown, Options::ENABLE_TABLES));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n{links}\n<main>\n{body}</main>\n{links}\n</html>\n"
    )
}
