//! The table: what is at the top of a checkpoint archive, and which engine writes it.

#![forbid(unsafe_code)]

use Need::{ContentAlone, OneOfThem, Optional, Required};

use super::*;
use crate::checkpoint::Engine;
use crate::fs::RootPath;

/// Whether a member has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum Need {
    /// An export without it fails.
    Required,
    /// What lacks it is told.
    Optional,
    /// An export without any of those fails.
    OneOfThem,
    /// What is in the directory, without the directory itself. Often there is nothing.
    ContentAlone,
}

/// A name at the top of an archive.
pub(super) struct Row {
    name: &'static str,
    pub(super) class: MemberClass,
    pub(super) document: Option<DocumentKind>,
    is_directory: bool,
    /// Where it stands in what the engine writes, from 1.
    podman: Written,
    crio: Written,
    containerd: Written,
}

type Written = Option<(u8, Need)>;

/// Every name, sorted.
#[rustfmt::skip]
const TABLE: [Row; 22] = [
    //                                       podman                CRI-O            containerd
    directory(ARTIFACTS, MemberClass::Other, at(1, Optional),      None,            None),
    document(DocumentKind::BindMounts,       None,                 at(6, Optional), None),
    directory(CHECKPOINT, DUMP,              at(8, OneOfThem),     at(3, Required), at(1, Required)),
    // containerd restores nothing without its status.dump; no engine does without these and a dump.
    document(DocumentKind::Config,           at(3, Required),      at(4, Required), at(2, Required)),
    file(CONTAINER_LOG, MemberClass::Log,    None,                 None,            at(3, Optional)),
    file(CTR_LOG, MemberClass::Log,          at(7, Optional),      None,            None),
    file(DELETED_FILES, ROOTFS,              at(11, Optional),     at(8, Optional), None),
    file(SHM_TAR, MemberClass::Shm,          at(2, Optional),      None,            None),
    file(DUMP_LOG, MemberClass::Log,         None,                 at(2, Optional), at(4, Optional)),
    file(LOG_PATH, MemberClass::Log,         None,                 at(9, Optional), None),
    document(DocumentKind::NetworkStatus,    at(5, Optional),      None,            None),
    document(DocumentKind::PodDump,          None,                 None,            None),
    document(DocumentKind::PodOptions,       None,                 None,            None),
    directory(PRE_CHECKPOINT, DUMP,          at(9, OneOfThem),     None,            None),
    file(RESTORE_LOG, MemberClass::Log,      None,                 None,            None),
    file(ROOTFS_DIFF_TAR, ROOTFS,            at(10, Optional),     at(7, Optional), at(5, Optional)),
    document(DocumentKind::Spec,             at(4, Required),      at(5, Required), at(6, Required)),
    file(STATS_DUMP, DUMP,                   at(6, Optional),      at(1, Optional), at(7, Optional)),
    file(STATS_RESTORE, DUMP,                None,                 None,            None),
    document(DocumentKind::Status,           None,                 None,            at(8, Optional)),
    document(DocumentKind::StatusDump,       None,                 None,            at(9, Required)),
    directory(VOLUMES, MemberClass::Volume,  at(12, ContentAlone), None,            None),
];

const DUMP: MemberClass = MemberClass::CriuImage;
const ROOTFS: MemberClass = MemberClass::RootfsDiff;

const fn at(position: u8, need: Need) -> Written {
    Some((position, need))
}

const fn file(
    name: &'static str,
    class: MemberClass,
    podman: Written,
    crio: Written,
    containerd: Written,
) -> Row {
    Row {
        name,
        class,
        document: None,
        is_directory: false,
        podman,
        crio,
        containerd,
    }
}

const fn directory(
    name: &'static str,
    class: MemberClass,
    podman: Written,
    crio: Written,
    containerd: Written,
) -> Row {
    Row {
        is_directory: true,
        ..file(name, class, podman, crio, containerd)
    }
}

const fn document(kind: DocumentKind, podman: Written, crio: Written, containerd: Written) -> Row {
    let class = MemberClass::Configuration;
    Row {
        document: Some(kind),
        ..file(kind.name(), class, podman, crio, containerd)
    }
}

/// The names at the top of the archives that podman, CRI-O and containerd write.
pub const KNOWN_MEMBERS: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        names[at] = TABLE[at].name;
        at += 1;
    }
    names
};

impl Row {
    /// The row of the member at `path`, or of the directory at the top that it is in.
    pub(super) fn of(path: &RootPath) -> Option<&'static Self> {
        let mut names = path.components();
        let name = names.next()?;
        let row = TABLE.iter().find(|row| row.name.as_bytes() == name)?;
        (row.is_directory || names.next().is_none()).then_some(row)
    }

    fn written(&self, engine: Engine) -> Written {
        match engine {
            Engine::Podman => self.podman,
            Engine::Crio => self.crio,
            Engine::Containerd => self.containerd,
            Engine::Unknown => None,
        }
    }
}

/// The members that an engine has in its bundle, in the engine's order; none for an engine that isn't known.
pub(in crate::checkpoint) fn layout(engine: Engine) -> Vec<(&'static str, Need)> {
    let written = |row: &'static Row| Some((row.written(engine)?, row.name));
    let mut members: Vec<_> = TABLE.iter().filter_map(written).collect();
    members.sort_by_key(|((position, _), _)| *position);
    let member = |((_, need), name)| (name, need);
    members.into_iter().map(member).collect()
}

/// The engine that the name of a member speaks for: the only one that writes it. Dumps speak for none, since their
/// names are the runtimes' own.
pub(in crate::checkpoint) fn writer_of(path: &RootPath) -> Option<Engine> {
    let row = Row::of(path).filter(|row| row.class != DUMP)?;
    let mut writers = Engine::KNOWN
        .into_iter()
        .filter(|engine| row.written(*engine).is_some());
    writers.next().filter(|_| writers.next().is_none())
}
