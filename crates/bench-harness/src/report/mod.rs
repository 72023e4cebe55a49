//! The report: one HTML page that needs nothing but itself.
//!
//! Pictures are inline SVG whose colours are the page's own, so that they follow the reader's light or dark
//! setting and print on white. There is no script: what a picture cannot say in place stands in a title that
//! shows when its mark is pointed at, and in `results.jsonl`.

mod cost;
mod facts;
mod history;
mod kernels;
mod latency;
mod peers;
mod plot;
mod recall;
mod scale;
mod series;
mod speed;
mod svg;

use std::fmt::Write;

use crate::run::Run;
use svg::escape;

/// The whole page.
pub fn page(run: &Run) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    // Writing to a `String` cannot fail.
    let _ = writeln!(page, "<title>Nigh benchmark, {}</title>", escape(&run.machine.date));
    let _ = writeln!(page, "<style>\n{}</style>\n</head>\n<body>\n<main>", include_str!("style.css"));
    page.push_str(&facts::headline(run));
    // Where anything has a choice between speed and recall, that comes first: a speed alone says nothing then.
    if series::groups(run).iter().any(series::Group::has_curves) {
        page.push_str(&recall::section(run));
        page.push_str(&peers::section(run));
        page.push_str(&speed::section(run));
    } else {
        page.push_str(&speed::section(run));
        page.push_str(&recall::section(run));
        page.push_str(&peers::section(run));
    }
    page.push_str(&cost::section(run));
    page.push_str(&latency::section(run));
    page.push_str(&kernels::section(run));
    page.push_str(&history::section(run));
    page.push_str(&facts::results(run));
    page.push_str(&facts::circumstances(run));
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// A section with a heading and what to read off it.
fn section(id: &str, heading: &str, text: &str, body: &str) -> String {
    format!(
        "<section id=\"{id}\">\n<h2>{}</h2>\n<p class=\"note\">{}</p>\n{body}</section>\n",
        escape(heading),
        escape(text)
    )
}

/// A picture with its caption.
fn figure(svg: &str, caption: &str) -> String {
    format!("<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>\n", escape(caption))
}
