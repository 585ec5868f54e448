//! An inspection as one page of HTML, which needs nothing from elsewhere.
//!
//! Everything from a checkpoint is escaped twice: for the eye, as on a terminal, and then for HTML. The page forbids itself
//! all scripts and styles but its own two, which it names by their digests.

#![forbid(unsafe_code)]

mod sections;
mod treemap;

use std::fmt::{Display, Write as _};

use crutils::checkpoint::Inspection;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The SHA-256 of the two, as a content security policy has them.
const STYLE_DIGEST: &str = "tkPh/ZfZTTCAf0WzhqoDyFELvNxKSLjtQsDpjsWugBE=";
const SCRIPT_DIGEST: &str = "sBho5h8m1tjWrh0royac4l25pmyJkMHi0GvAGHcp7VM=";

/// A page that grows.
pub(crate) struct Page(String);

/// A cell of a table.
pub(crate) enum Cell {
    /// A text.
    Text(String),
    /// A number as people read it, and as tables are sorted by it.
    Number(String, u64),
}

impl Cell {
    pub(crate) fn text(text: impl Display) -> Self {
        Cell::Text(text.to_string())
    }

    pub(crate) fn number(number: impl Into<u64>) -> Self {
        let number = number.into();
        Cell::Number(number.to_string(), number)
    }

    pub(crate) fn size(bytes: u64) -> Self {
        Cell::Number(crate::text::size(bytes), bytes)
    }
}

impl Page {
    /// Adds HTML as it is. Nothing in it comes from a checkpoint.
    pub(crate) fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    /// Adds a text, escaped.
    pub(crate) fn text(&mut self, text: impl Display) {
        self.0.push_str(&escape(&text.to_string()));
    }

    /// Adds an element with a text in it.
    pub(crate) fn element(&mut self, name: &str, text: impl Display) {
        let text = escape(&text.to_string());
        // Writing to a String doesn't fail.
        let _ = writeln!(self.0, "<{name}>{text}</{name}>");
    }

    /// Adds a table that can be sorted; the columns' names aren't from a checkpoint.
    pub(crate) fn table(&mut self, columns: &[&str], rows: &[Vec<Cell>]) {
        self.raw("<div class=scroll><table><thead><tr>");
        for (index, name) in columns.iter().enumerate() {
            let cells = rows.first().and_then(|row| row.get(index));
            let class = if matches!(cells, Some(Cell::Number(..))) {
                " class=n"
            } else {
                ""
            };
            let _ = write!(self.0, "<th{class}><button>{}</button></th>", escape(name));
        }
        self.raw("</tr></thead><tbody>\n");
        for row in rows {
            self.raw("<tr>");
            for cell in row {
                let _ = match cell {
                    Cell::Text(text) => write!(self.0, "<td>{}</td>", escape(text)),
                    Cell::Number(text, number) => {
                        write!(self.0, "<td class=n data-n={number}>{}</td>", escape(text))
                    }
                };
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table></div>\n");
    }
}

/// The whole page.
pub(crate) fn page(inspection: &Inspection, environments: bool) -> String {
    let mut page = Page(String::new());
    page.raw("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; script-src 'sha256-{SCRIPT_DIGEST}'"
    );
    page.raw(&format!(
        "<meta http-equiv=Content-Security-Policy content=\"{policy}\">\n"
    ));
    page.raw("<meta name=viewport content=\"width=device-width, initial-scale=1\">\n");
    let name = sections::name(inspection);
    page.element("title", format_args!("{name}: a checkpoint"));
    page.raw("<style>");
    page.raw(STYLE.trim_end());
    page.raw("</style></head><body>\n");
    sections::write(inspection, environments, &mut page);
    page.raw("<script>");
    page.raw(SCRIPT.trim_end());
    page.raw("</script></body></html>\n");
    page.0
}

/// A text for HTML, within an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_html_is_escaped() {
        let escaped = escape("<script>alert('\"&')</script>");
        assert_eq!(
            escaped,
            "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;"
        );
        let mut page = Page(String::new());
        page.table(&["<A>"], &[vec![Cell::text("<b>")], vec![Cell::size(2048)]]);
        assert!(
            !page.0.contains("<b>") && !page.0.contains("<A>"),
            "{}",
            page.0
        );
        assert!(page.0.contains("data-n=2048>2.0 KiB"), "{}", page.0);
    }

    #[test]
    fn the_pages_own_texts_do_not_end_their_elements() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</"));
    }
}
