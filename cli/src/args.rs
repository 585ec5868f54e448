//! What the command is asked for.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand};
use clap_complete::Shell;
use crutils::checkpoint::Sha256Digest;

use crate::engine_args::{Apply, Diff, Export, Extract, Import, parse_digest};
use crate::image_args::Image;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 used wrongly, 3 the archive is refused (malformed, hostile, \
incomplete, beyond a limit, or without what was asked for), 130 stopped by Ctrl-C, 143 stopped by SIGTERM.";

/// Looks into checkpoints of containers, writes their archives and reads them.
///
/// ARCHIVE is a checkpoint archive, plain or compressed with gzip, bzip2, xz or zstd; - is standard input, but for check and
/// compare; what came through a pipe has no memory to be shown or searched. inspect, check, memory and compare also take
/// the directory of a bundle or of CRIU's images. list, extract and import also take an OCI image:
/// oci:DIRECTORY[:NAME] or oci-archive:FILE[:NAME].
#[derive(Parser)]
#[command(name = "crutils", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where what all subcommands take stands in their help: behind their own options.
const LAST: usize = 900;

/// What all subcommands take.
#[derive(Args)]
pub(crate) struct Common {
    /// Colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN", display_order = LAST)]
    pub(crate) color: ColorChoice,
    /// Shows no progress
    #[arg(short, long, global = true, display_order = LAST)]
    pub(crate) quiet: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Tells what is in a checkpoint
    Inspect(Inspect),
    /// Lists the members of an archive
    List(List),
    /// Tells whether a checkpoint is undamaged, and whether it can be restored here
    ///
    /// The archive is read to its end. criu is asked for its version, and the archive's runtime, if it is crun, runc, runsc
    /// or youki, whether it can restore. Exits with 1 if the checkpoint can't be restored here, and with 3 if it is damaged.
    Check(Check),
    /// Shows, searches or saves the memory of a process
    Memory(Memory),
    /// Writes a member of an archive to standard output
    Cat(Cat),
    /// Tells what differs between two checkpoints
    ///
    /// Processes are told apart by their numbers, and their memory is compared page by page. Of members only the sizes are
    /// compared.
    Compare(Compare),
    /// Extracts an archive, or some of its members, into a directory
    Extract(Extract),
    /// Restores the files of a container from an archive, in one pass over it: at least one directory is named
    Import(Import),
    /// Makes an archive of a bundle and of what belongs to its container
    Export(Export),
    /// Makes OCI images of checkpoints, and tells what is in one
    #[command(subcommand)]
    Image(Image),
    /// Lists the changes of a container's root file system, and makes its diff
    Diff(Diff),
    /// Applies a root file system's diff, and removes what was deleted
    Apply(Apply),
    /// Writes completions for a shell
    #[command(hide = true)]
    Completions { shell: Shell },
    /// Writes the manual pages into a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
}

/// Where memory is that isn't in the checkpoint itself.
#[derive(Args, Clone)]
pub(crate) struct Parents {
    /// The previous checkpoint, whose memory this one needs; given again, the one before that
    #[arg(long = "parent", value_name = "ARCHIVE")]
    pub(crate) parents: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The checkpoints
    #[arg(required = true, value_name = "ARCHIVE")]
    pub(crate) archives: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) parents: Parents,
    /// Writes JSON, one object for each checkpoint
    #[arg(short, long)]
    pub(crate) json: bool,
    /// Writes one page of HTML with everything
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) html: Option<PathBuf>,
    /// Lists processes with their users, states and privileges
    #[arg(short, long)]
    pub(crate) processes: bool,
    /// Lists open files
    #[arg(short, long)]
    pub(crate) files: bool,
    /// Lists sockets and pipes
    #[arg(long)]
    pub(crate) sockets: bool,
    /// Lists mounts
    #[arg(long)]
    pub(crate) mounts: bool,
    /// Lists mappings and what they hold
    #[arg(long)]
    pub(crate) memory: bool,
    /// Lists environments, which may hold secrets
    #[arg(long)]
    pub(crate) env: bool,
    /// Tells times and pages of the checkpoint
    #[arg(long)]
    pub(crate) stats: bool,
    /// Everything but environments
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Tells of this process alone; given again, of others too
    #[arg(long = "pid", value_name = "N")]
    pub(crate) pids: Vec<u32>,
    /// Shows the tree of processes alone
    #[arg(short, long)]
    pub(crate) tree: bool,
}

#[derive(Args)]
pub(crate) struct List {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,
    /// Writes JSON, one array of members
    #[arg(short, long)]
    pub(crate) json: bool,
    /// Where an oci-archive is kept that is compressed or comes through a pipe
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Check {
    /// The checkpoint
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) parents: Parents,
    /// Refuses names at the top that no engine writes, names that are absolute or have a "..", and an archive that ends
    /// without its end marker
    #[arg(short, long)]
    pub(crate) strict: bool,
    /// Prints the archive's SHA-256
    #[arg(short, long)]
    pub(crate) digest: bool,
    /// Refuses an archive that has another SHA-256
    #[arg(long, value_name = "SHA256", value_parser = parse_digest)]
    pub(crate) expect: Option<Sha256Digest>,
    /// Writes JSON
    #[arg(short, long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Memory {
    /// The checkpoint
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) parents: Parents,
    /// The process; all processes are told, or searched, without one
    #[arg(long, value_name = "N")]
    pub(crate) pid: Option<u32>,
    /// Finds a text
    #[arg(long, value_name = "TEXT", group = "how")]
    pub(crate) search: Option<OsString>,
    /// Finds what a regular expression matches
    #[arg(long, value_name = "REGEX", group = "how")]
    pub(crate) regex: Option<String>,
    /// Writes the memory that the checkpoint holds into a file, one page after the other in the order of addresses; - is
    /// standard output
    #[arg(
        long,
        value_name = "FILE",
        requires = "pid",
        group = "how",
        conflicts_with = "json"
    )]
    pub(crate) dump: Option<PathBuf>,
    /// Lists mappings and what they hold
    #[arg(long, group = "how")]
    pub(crate) map: bool,
    /// Shows memory from this address on, hexadecimal with 0x in front
    #[arg(
        short = 'A',
        long,
        value_name = "ADDRESS",
        requires = "pid",
        group = "how",
        conflicts_with = "json",
        value_parser = crate::text::parse_number
    )]
    pub(crate) address: Option<u64>,
    /// How much is shown; K, M and G stand for KiB, MiB and GiB
    #[arg(short = 'n', long, value_name = "SIZE", default_value = "256", value_parser = crate::text::parse_size)]
    pub(crate) length: u64,
    /// How many matches are told at most
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) most: usize,
    /// Writes JSON
    #[arg(short, long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Cat {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,
    /// The member's name
    #[arg(value_name = "MEMBER")]
    pub(crate) member: OsString,
}

#[derive(Args)]
pub(crate) struct Compare {
    /// The earlier checkpoint
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// The later checkpoint
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// The checkpoint before the earlier one, if that needs it
    #[arg(long, value_name = "ARCHIVE")]
    pub(crate) before_parent: Vec<PathBuf>,
    /// The checkpoint before the later one, if that needs it
    #[arg(long, value_name = "ARCHIVE")]
    pub(crate) after_parent: Vec<PathBuf>,
    /// Writes JSON
    #[arg(short, long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use clap::{Command, CommandFactory as _};

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }

    /// Whoever has learnt a letter has learnt it for all subcommands.
    #[test]
    fn a_letter_means_the_same_in_all_subcommands() {
        fn look(command: &Command, meanings: &mut BTreeMap<char, BTreeSet<String>>) {
            for argument in command.get_arguments() {
                if let (Some(letter), Some(long)) = (argument.get_short(), argument.get_long()) {
                    meanings.entry(letter).or_default().insert(long.to_owned());
                }
            }
            for subcommand in command.get_subcommands() {
                look(subcommand, meanings);
            }
        }
        let mut meanings = BTreeMap::new();
        look(&super::Arguments::command(), &mut meanings);
        assert!(meanings.len() > 10, "{meanings:?}");
        meanings.retain(|_, longs| longs.len() > 1);
        assert_eq!(meanings, BTreeMap::new());
    }
}
