//! Images by their names.

#![forbid(unsafe_code)]

/// The type of an image: its magic number follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ImageType {
    Inventory,
    Pstree,
    Core,
    Ids,
    Mm,
    Vmas,
    Pagemap,
    Files,
    /// One of the images that held the open files of one type each, before there was files.img.
    FilesOf(u32),
    Fdinfo,
    Fs,
    Creds,
    TtyInfo,
    PipeData,
    FifoData,
    SocketQueues,
    TcpStream,
    Mounts,
    UtsNs,
    UserNs,
    PidNs,
    NetNs,
    NetDevices,
    RemapPaths,
    GhostFile,
    Memfd,
    CpuInfo,
    StatsDump,
    StatsRestore,
}

/// What stands in front of a number in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    None,
    Decimal,
    Hexadecimal,
}

use super::file_type as files;
use Number::{Decimal, Hexadecimal, None as Single};

/// Name without number and suffix, type, magic number, and how the number is written.
const TABLE: &[(&str, ImageType, u32, Number)] = &[
    ("inventory", ImageType::Inventory, 0x5831_3116, Single),
    ("pstree", ImageType::Pstree, 0x5027_3030, Single),
    ("core-", ImageType::Core, 0x5505_3847, Decimal),
    ("ids-", ImageType::Ids, 0x5443_2030, Decimal),
    ("mm-", ImageType::Mm, 0x5749_2820, Decimal),
    ("vmas-", ImageType::Vmas, 0x5412_3737, Decimal),
    ("pagemap-", ImageType::Pagemap, 0x5608_4025, Decimal),
    ("files", ImageType::Files, 0x5630_3138, Single),
    ("fdinfo-", ImageType::Fdinfo, 0x5621_3732, Decimal),
    ("fs-", ImageType::Fs, 0x5140_3912, Decimal),
    ("creds-", ImageType::Creds, 0x5402_3547, Decimal),
    ("tty-info", ImageType::TtyInfo, 0x5945_3036, Single),
    ("pipes-data", ImageType::PipeData, 0x5645_3709, Single),
    ("fifo-data", ImageType::FifoData, 0x5933_3054, Single),
    ("sk-queues", ImageType::SocketQueues, 0x5626_4026, Single),
    (
        "tcp-stream-",
        ImageType::TcpStream,
        0x5146_5506,
        Hexadecimal,
    ),
    ("mountpoints-", ImageType::Mounts, 0x5556_3928, Decimal),
    ("utsns-", ImageType::UtsNs, 0x5447_3203, Decimal),
    ("userns-", ImageType::UserNs, 0x5547_4906, Decimal),
    ("pidns-", ImageType::PidNs, 0x6115_7326, Decimal),
    ("netns-", ImageType::NetNs, 0x5593_3752, Decimal),
    ("netdev-", ImageType::NetDevices, 0x5737_3951, Decimal),
    ("remap-fpath", ImageType::RemapPaths, 0x5913_3954, Single),
    (
        "ghost-file-",
        ImageType::GhostFile,
        0x5258_3605,
        Hexadecimal,
    ),
    ("memfd", ImageType::Memfd, 0x4845_3499, Single),
    ("cpuinfo", ImageType::CpuInfo, 0x6140_4013, Single),
    (
        "reg-files",
        ImageType::FilesOf(files::REGULAR),
        0x5036_3636,
        Single,
    ),
    (
        "ext-files",
        ImageType::FilesOf(files::EXTERNAL),
        0x5925_5641,
        Single,
    ),
    (
        "ns-files",
        ImageType::FilesOf(files::NAMESPACE),
        0x6139_4011,
        Single,
    ),
    (
        "pipes",
        ImageType::FilesOf(files::PIPE),
        0x5651_3555,
        Single,
    ),
    ("fifo", ImageType::FilesOf(files::FIFO), 0x5836_4939, Single),
    (
        "unixsk",
        ImageType::FilesOf(files::UNIX),
        0x5437_3943,
        Single,
    ),
    (
        "inetsk",
        ImageType::FilesOf(files::INET),
        0x5644_3851,
        Single,
    ),
    (
        "eventfd",
        ImageType::FilesOf(files::EVENTFD),
        0x4452_3722,
        Single,
    ),
    (
        "eventpoll",
        ImageType::FilesOf(files::EPOLL),
        0x4502_3858,
        Single,
    ),
    (
        "signalfd",
        ImageType::FilesOf(files::SIGNALFD),
        0x5732_3820,
        Single,
    ),
    (
        "timerfd",
        ImageType::FilesOf(files::TIMERFD),
        0x5049_3712,
        Single,
    ),
    ("tty", ImageType::FilesOf(files::TTY), 0x5943_3025, Single),
];

impl ImageType {
    /// The number that images of this type begin with.
    pub(super) fn magic(self) -> u32 {
        match self {
            ImageType::StatsDump | ImageType::StatsRestore => 0x5709_3306,
            _ => TABLE
                .iter()
                .find(|(_, of, _, _)| *of == self)
                .map_or(0, |(_, _, magic, _)| *magic),
        }
    }
}

/// What the name of a file among images says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageName {
    /// An image of messages, with the number in its name (0 if it has none).
    Messages(ImageType, u32),
    /// The page map of a shared memory, with its number.
    SharedPagemap(u32),
    /// Pages, with their number.
    Pages(u32),
    /// The list of what the standard descriptors were.
    Descriptors,
    /// The symlink to the previous images.
    Parent,
    /// All images are encrypted.
    Cipher,
    /// None that is of interest here.
    Other,
}

impl ImageName {
    /// Reads a name without directories.
    pub(crate) fn of(name: &[u8]) -> Self {
        match name {
            b"parent" => return ImageName::Parent,
            b"descriptors.json" => return ImageName::Descriptors,
            b"stats-dump" => return ImageName::Messages(ImageType::StatsDump, 0),
            b"stats-restore" => return ImageName::Messages(ImageType::StatsRestore, 0),
            b"cipher.img" => return ImageName::Cipher,
            _ => {}
        }
        let Some(name) = name.strip_suffix(b".img") else {
            return ImageName::Other;
        };
        if let Some(id) = number(name, b"pages-", 10) {
            return ImageName::Pages(id);
        }
        if let Some(id) = number(name, b"pagemap-shmem-", 10) {
            return ImageName::SharedPagemap(id);
        }
        let found = TABLE.iter().find_map(|&(prefix, of, _, has)| {
            let prefix = prefix.as_bytes();
            match has {
                Single => (name == prefix).then_some((of, 0)),
                Decimal => number(name, prefix, 10).map(|id| (of, id)),
                Hexadecimal => number(name, prefix, 16).map(|id| (of, id)),
            }
        });
        found.map_or(ImageName::Other, |(of, id)| ImageName::Messages(of, id))
    }
}

/// The number behind `prefix`, as CRIU writes it: without sign and leading zeros.
fn number(name: &[u8], prefix: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(name.strip_prefix(prefix)?).ok()?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_criu_writes_them() {
        use ImageName::{Messages, Other, Pages, SharedPagemap};
        for (name, expected) in [
            ("inventory.img", Messages(ImageType::Inventory, 0)),
            ("core-44.img", Messages(ImageType::Core, 44)),
            ("ghost-file-1f.img", Messages(ImageType::GhostFile, 31)),
            ("pipes.img", Messages(ImageType::FilesOf(2), 0)),
            ("pipes-data.img", Messages(ImageType::PipeData, 0)),
            ("pagemap-shmem-7.img", SharedPagemap(7)),
            ("pages-65537.img", Pages(65537)),
            ("timens-0.img", Other),
            ("stats-dump", Messages(ImageType::StatsDump, 0)),
            ("parent", ImageName::Parent),
            ("cipher.img", ImageName::Cipher),
            ("descriptors.json", ImageName::Descriptors),
            ("core-.img", Other),
            ("core-+1.img", Other),
            ("core-01.img", Other),
            ("core-1", Other),
            ("core-99999999999.img", Other),
            ("core-f.img", Other),
            ("pages-1.img.tmp", Other),
            ("tmpfs-dev-45.tar.gz.img", Other),
        ] {
            assert_eq!(ImageName::of(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(ImageName::of(b"core-\xff.img"), Other);
    }
}
