//! The standard output: how wide it is, and whether it takes colours and lines.

#![forbid(unsafe_code)]

use std::env;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;

use crate::args::Common;

/// Without a terminal lines are as long as this.
const USUAL_WIDTH: usize = 80;
/// Below this nothing is readable, and above that lines are too long to be read.
const WIDTHS: (usize, usize) = (30, 160);

pub(crate) const HEADING: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const CARE: Style = AnsiColor::Yellow.on_default();
pub(crate) const NUMBER: Style = AnsiColor::Cyan.on_default();

/// Where everything is printed.
pub(crate) struct Output {
    stream: BufWriter<Stdout>,
    colors: bool,
    /// Whether anything was printed.
    begun: bool,
    pub(crate) width: usize,
    /// Whether rows of tables are broken there. Where nobody says how wide the output is, each is a line.
    pub(crate) breaks: bool,
    /// Whether lines and blocks can be drawn: the locale's characters are UTF-8.
    pub(crate) draws: bool,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        let colors = match common.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => takes_colors(),
        };
        Self {
            stream: BufWriter::new(io::stdout()),
            colors,
            begun: false,
            width: width().unwrap_or(USUAL_WIDTH).clamp(WIDTHS.0, WIDTHS.1),
            breaks: width().is_some(),
            draws: is_utf8(),
        }
    }

    /// The text in a style, if colours are wanted.
    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        if self.colors {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    pub(crate) fn line(&mut self, text: impl Display) -> io::Result<()> {
        self.begun = true;
        writeln!(self.stream, "{text}")
    }

    /// A heading, with an empty line before it if anything stands there.
    pub(crate) fn heading(&mut self, text: impl Display) -> io::Result<()> {
        let text = self.paint(HEADING, text);
        if self.begun {
            writeln!(self.stream)?;
        }
        self.line(text)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Whether colours are wanted where nobody says: on a terminal that has them, unless NO_COLOR is set.
fn takes_colors() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// How wide the terminal is, or else what COLUMNS says.
fn width() -> Option<usize> {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    let columns = || env::var("COLUMNS").ok()?.parse().ok();
    terminal
        .map(|(width, _)| usize::from(width.0))
        .or_else(columns)
}

/// Whether the locale's characters are UTF-8. Without any locale they are: pipes and logs of today take it.
fn is_utf8() -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let set = names
        .iter()
        .filter_map(env::var_os)
        .find(|value| !value.is_empty());
    let Some(locale) = set else {
        return true;
    };
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
