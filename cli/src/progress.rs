//! Progress and warnings, on the terminal.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use crutils::checkpoint::inspect::RawText;
use crutils::watch::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Common;
use crate::failure::warn;
use crate::signals::Signals;

/// A watch that shows a bar on the standard error if that is a terminal, tells warnings, and that signals end.
pub(crate) fn watch(common: &Common, signals: &Signals) -> Watch {
    let watch = signals.watch.clone();
    let bar = if !common.quiet && io::stderr().is_terminal() {
        bar()
    } else {
        ProgressBar::hidden()
    };
    let told = bar.clone();
    watch.on_warning(move |warning| {
        let member = RawText::from(warning.member);
        told.suspend(|| warn(&format!("{member}: {}", warning.message)));
    });
    if !bar.is_hidden() {
        watch.on_progress(move |progress| {
            if let Some(total) = progress.bytes_total {
                bar.set_length(total);
            }
            bar.set_position(progress.bytes_done);
            bar.set_prefix(progress.phase.name());
            bar.set_message(RawText::from(progress.member).to_string());
        });
    }
    watch
}

fn bar() -> ProgressBar {
    let template = "{prefix:<10} [{bar:24}] {percent:>3}% {binary_bytes:>10}  {wide_msg}";
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("#>."));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
