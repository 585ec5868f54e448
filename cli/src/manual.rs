//! The pages of the manual: what clap knows of a command, its examples, and what it exits with.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

/// What is done with each command, by its whole name: what a line is for, and the line.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "crutils",
        &[
            (
                "What is in a checkpoint?",
                "crutils inspect checkpoint.tar.zst",
            ),
            (
                "Can it be restored here?",
                "crutils check checkpoint.tar.zst",
            ),
        ],
    ),
    (
        "crutils-inspect",
        &[
            ("A summary:", "crutils inspect checkpoint.tar.zst"),
            (
                "The open files and sockets of one process:",
                "crutils inspect --files --sockets --pid 1 checkpoint.tar.zst",
            ),
            (
                "The command lines of all processes, for another program:",
                "crutils inspect --json checkpoint.tar.zst | jq '.processes[].arguments'",
            ),
            (
                "An incremental checkpoint, with the one that it builds upon:",
                "crutils inspect --parent before.tar.zst checkpoint.tar.zst",
            ),
        ],
    ),
    (
        "crutils-list",
        &[
            ("What is in an archive:", "crutils list checkpoint.tar.zst"),
            ("What is in an image:", "crutils list oci:images:web"),
        ],
    ),
    (
        "crutils-check",
        &[
            ("Before a restore:", "crutils check checkpoint.tar.zst"),
            (
                "Of an archive that somebody else has sent:",
                "crutils check --strict --digest checkpoint.tar.zst",
            ),
        ],
    ),
    (
        "crutils-memory",
        &[
            (
                "Where a text is, in any process:",
                "crutils memory --search password checkpoint.tar.zst",
            ),
            (
                "The mappings of a process, and some of its memory:",
                "crutils memory --pid 1 --map checkpoint.tar.zst",
            ),
            (
                "",
                "crutils memory --pid 1 --address 0x7ffd0000 --length 4K checkpoint.tar.zst",
            ),
        ],
    ),
    (
        "crutils-cat",
        &[(
            "The engine's configuration of the container:",
            "crutils cat checkpoint.tar.zst config.dump | jq .",
        )],
    ),
    (
        "crutils-compare",
        &[(
            "What has changed between two checkpoints of one container:",
            "crutils compare monday.tar.zst tuesday.tar.zst",
        )],
    ),
    (
        "crutils-extract",
        &[
            (
                "Everything for a restore:",
                "crutils extract checkpoint.tar.zst bundle",
            ),
            (
                "CRIU's images alone, out of a pipe:",
                "zstd -dc checkpoint.tar.zst | crutils extract - bundle checkpoint",
            ),
        ],
    ),
    (
        "crutils-import",
        &[
            (
                "What an export takes again, and the root file system that the image has made:",
                "crutils import checkpoint.tar.zst --config --bundle bundle --rootfs merged",
            ),
            (
                "From somebody else, of an image in a layout:",
                "crutils import oci:images:web --strict --max-bytes 10G --bundle bundle",
            ),
        ],
    ),
    (
        "crutils-export",
        &[
            ("A bundle:", "crutils export bundle checkpoint.tar.zst"),
            (
                "With the changes of the root file system, and a volume:",
                "crutils export bundle checkpoint.tar.zst --rootfs merged --volume data=data",
            ),
            (
                "To another host:",
                "crutils export bundle - | ssh host crutils import - --config --bundle bundle",
            ),
        ],
    ),
    (
        "crutils-image",
        &[(
            "An image for a registry:",
            "crutils image build checkpoint.tar.zst -o oci:images:web",
        )],
    ),
    (
        "crutils-image-build",
        &[
            (
                "An image in a layout, which skopeo pushes:",
                "crutils image build checkpoint.tar.zst -o oci:images:web",
            ),
            (
                "An image in one file:",
                "crutils image build bundle -o oci-archive:web.tar",
            ),
        ],
    ),
    (
        "crutils-image-inspect",
        &[
            (
                "The images of a layout:",
                "crutils image inspect --list images",
            ),
            ("One of them:", "crutils image inspect oci:images:web"),
        ],
    ),
    (
        "crutils-diff",
        &[
            ("What a container has changed:", "crutils diff merged"),
            (
                "The same as rootfs-diff.tar and deleted.files in a bundle:",
                "crutils diff merged bundle",
            ),
        ],
    ),
    (
        "crutils-apply",
        &[(
            "What a bundle holds, to the root file system that the image has made:",
            "crutils apply bundle merged",
        )],
    ),
];

const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "It is done."),
    (
        "1",
        "It failed. Of check: the checkpoint can't be restored here; of memory: nothing was found.",
    ),
    ("2", "The command was used wrongly."),
    (
        "3",
        "The archive is refused: it is malformed, hostile, incomplete, beyond a limit, or without what was asked for.",
    ),
    ("130", "It was stopped by Ctrl-C."),
    ("143", "It was stopped by SIGTERM."),
];

/// Writes the pages of a command and of all below it into a directory.
pub(crate) fn write(mut command: Command, directory: &Path) -> io::Result<()> {
    command = command.disable_help_subcommand(true);
    command.build();
    let version = command.get_version().unwrap_or_default().to_owned();
    write_all(&command, &format!("crutils {version}"), directory)
}

fn write_all(command: &Command, source: &str, directory: &Path) -> io::Result<()> {
    for subcommand in shown(command) {
        write_all(subcommand, source, directory)?;
    }
    let path = directory.join(format!("{}.1", full_name(command)));
    fs::write(path, page(command, source)?)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}

/// The name with those of the commands above it, as pages are named.
fn full_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, source: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).source(source);
    let name = full_name(command);
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(page, ".SH SYNOPSIS\n{}", escaped(&synopsis(command)))?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if shown(command).next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    writeln!(page, ".SH \"EXIT STATUS\"")?;
    for (status, meaning) in EXIT_STATUS {
        writeln!(page, ".TP\n.B {status}\n{}", escaped(meaning))?;
    }
    writeln!(page, ".SH EXAMPLES")?;
    for (purpose, line) in examples(name) {
        if !purpose.is_empty() {
            writeln!(page, ".PP\n{}", escaped(purpose))?;
        }
        writeln!(page, ".PP\n.RS 4\n.nf\n{}\n.fi\n.RE", escaped(line))?;
    }
    writeln!(page, ".SH \"SEE ALSO\"")?;
    let others: Vec<_> = SEE_ALSO
        .iter()
        .filter(|(other, _)| *other != name)
        .map(|(other, section)| format!(".BR {} ({section})", escaped(other)))
        .collect();
    writeln!(page, "{}", others.join(",\n"))?;
    Ok(page)
}

const SEE_ALSO: &[(&str, u8)] = &[
    ("crutils", 1),
    ("podman-container-checkpoint", 1),
    ("skopeo", 1),
    ("criu", 8),
];

/// A line of usage: the command with what it takes.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let line = usage.trim_start_matches("Usage:").trim();
    line.replace(['<', '>'], "")
}

fn examples(name: &str) -> &'static [(&'static str, &'static str)] {
    let found = EXAMPLES.iter().find(|(of, _)| *of == name);
    found.map_or(&[], |(_, examples)| examples)
}

/// Text as troff takes it.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let text = text.replace('\'', "\\(aq");
    match text.strip_prefix('.') {
        Some(rest) => format!("\\&.{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::args::Arguments;

    /// The words of a line that are this command's, without quotes.
    fn own_words(line: &str) -> Vec<String> {
        let own = line.split(" | ").find_map(|part| {
            let at = part.find("crutils ")?;
            Some(&part[at..])
        });
        own.unwrap().split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_command_has_examples_that_it_takes() {
        fn check(command: &Command) -> usize {
            let examples = examples(full_name(command));
            assert!(!examples.is_empty(), "{}", full_name(command));
            for (_, line) in examples {
                let words = own_words(line);
                let taken = Arguments::try_parse_from(&words).map(drop);
                assert!(taken.is_ok(), "{line}: {}", taken.unwrap_err());
            }
            1 + shown(command).map(check).sum::<usize>()
        }
        let mut command = Arguments::command().disable_help_subcommand(true);
        command.build();
        assert_eq!(check(&command), EXAMPLES.len());
    }

    #[test]
    fn text_is_no_request_of_troff() {
        assert_eq!(escaped(".x -y 'z' \\"), "\\&.x \\-y \\(aqz\\(aq \\e");
    }
}
