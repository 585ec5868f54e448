//! The members of an export: looked for, measured, stored.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::ops::Bound;

use super::{Content, Diff, Entry, Export, Refusal, completeness};
use crate::archive::{Creation, Depth, Finished, Manner, Measure, Measured, Sink, Stored, Target};
use crate::checkpoint::bundle::{check_config, judge_bundle_member};
use crate::checkpoint::names::{CONFIG_DUMP, CONFIGURATIONS, DELETED_FILES, Need};
use crate::checkpoint::rootfs_diff::Plan;
use crate::error::{Context as _, Error, Result};
use crate::fs::{Identity, OverlayState, Root, RootPath};
use crate::tar::{END_OF_ARCHIVE, Extents, Member, MemberKind, Time};
use crate::watch::{Phase, Watch};

/// The members that are there.
pub(super) struct Found<'e> {
    /// With how many members each of them had.
    pub present: Vec<(&'e Entry, u64)>,
    pub missing: Vec<OsString>,
    /// What a restore will need and isn't there.
    pub lacking: Vec<OsString>,
    /// How long the tar stream will be, if somebody wants to know.
    pub total: Option<u64>,
}

/// Lets a member into the archive, or refuses it.
pub(super) type Judge = fn(&RootPath, &Member) -> Result<()>;

/// Storing members.
pub(super) struct Storing<'s> {
    pub export: &'s Export,
    pub watch: &'s Watch,
    /// The caller's file that the archive goes to, if it goes to one.
    pub output: Option<Identity>,
    /// The modification time of what the export makes itself.
    pub time: i64,
    /// What isn't stored of which member.
    pub excluded: &'s BTreeMap<RootPath, BTreeSet<RootPath>>,
    /// The files of the export's own that the archive goes to. They may have names in what is stored.
    pub own: &'s [Identity],
    /// What becomes of the xattrs in a root file system that overlays keep their state in.
    pub overlay: OverlayState,
    /// Whether what is stored lives.
    pub lives: bool,
    /// What may be in the archive.
    pub judge: Judge,
    /// Makes a file for what is noted while measuring.
    pub spool: &'s dyn Fn() -> Result<File>,
}

impl<'s> Storing<'s> {
    /// Looks for all members, so that nothing is written of an archive that can't be whole.
    pub(super) fn find(&self) -> Result<Found<'s>> {
        self.check_excluded()?;
        self.watch.begin(Phase::Measuring, None);
        let mut measure = self.measuring();
        let (mut present, mut missing) = (Vec::new(), Vec::new());
        for entry in &self.export.entries {
            self.watch.at(entry.name.as_bytes());
            let before = measure.members();
            let stored = self.measure(entry, &mut measure);
            match (
                stored.at_entry(entry.name.as_bytes())?,
                entry.content.need(),
            ) {
                (Stored::Nothing, Some(Need::Optional)) => {
                    missing.push(entry.name.as_os_str().to_os_string());
                }
                (Stored::Nothing, _) => {}
                _ => present.push((entry, measure.members() - before)),
            }
        }
        self.check_alternatives(&present)?;
        let there: Vec<_> = present.iter().map(|(entry, _)| *entry).collect();
        let lacking = completeness::check(self.export, &there, self.watch)?;
        self.watch.end();
        let total = measure.size().saturating_add(END_OF_ARCHIVE.len() as u64);
        let total = self.watch.is_followed().then_some(total);
        Ok(Found {
            present,
            missing,
            lacking,
            total,
        })
    }

    /// Stores all members that were found. Returns how long the stream is, and how many members it has.
    pub(super) fn store(
        &self,
        found: &mut Found<'s>,
        mut sink: Sink<'_>,
    ) -> Result<(Finished, u64)> {
        self.watch.begin(Phase::Writing, found.total);
        for (entry, members) in &found.present {
            let before = sink.members();
            let stored = self.store_entry(entry, &mut sink);
            match (
                stored.at_entry(entry.name.as_bytes())?,
                entry.content.need(),
            ) {
                (Stored::Nothing, Some(Need::Optional)) => {
                    found.missing.push(entry.name.as_os_str().to_os_string());
                }
                (Stored::Nothing, _) => {
                    return Err(Refusal::Missing).at_entry(entry.name.as_bytes());
                }
                (_, Some(_)) if sink.members() - before < *members => {
                    return Err(Refusal::Vanished).at_entry(entry.name.as_bytes());
                }
                _ => {}
            }
        }
        let members = sink.members();
        let finished = sink.finish()?;
        self.watch.end();
        Ok((finished, members))
    }

    /// Refuses to leave something out of what isn't there: it would be in the archive under another name.
    fn check_excluded(&self) -> Result<()> {
        for name in self.excluded.keys() {
            let is_it = |entry: &Entry| {
                let has_names =
                    matches!(entry.content, Content::Bundle(..) | Content::Directory(_));
                entry.name == *name && has_names
            };
            if !self.export.entries.iter().any(is_it) {
                let why = format!("{} is no directory of the export", name.quoted());
                return Err(Error::argument("exclude", why));
            }
        }
        Ok(())
    }

    fn measuring(&self) -> Measure<'s> {
        Measure::alone(self.watch)
            .avoiding(self.output)
            .living(self.lives)
    }

    /// Whether nested archives are looked into before anything is written: for the progress, and because the file that
    /// is written to may be in them.
    fn looks_into_nested(&self) -> bool {
        self.watch.is_followed() || self.output.is_some()
    }

    /// Where one of several members has to be there, one is, unless the caller has something else of such a name.
    fn check_alternatives(&self, present: &[(&Entry, u64)]) -> Result<()> {
        let is_alternative = |entry: &&Entry| entry.content.need() == Some(Need::OneOfThem);
        let mut alternatives = self.export.entries.iter().filter(is_alternative);
        match (alternatives.next(), alternatives.next()) {
            (Some(first), Some(_)) if !present.iter().any(|(entry, _)| is_alternative(entry)) => {
                Err(Refusal::Missing).at_entry(first.name.as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Adds the length of a member. That of a nested archive is only looked for if there is a reason: it is measured when
    /// it is stored, so that little time goes by between the two.
    fn measure(&self, entry: &Entry, measure: &mut Measure<'_>) -> Result<Stored> {
        let name = &entry.name;
        let stored = match &entry.content {
            Content::Bundle(root, need) => self.store_bundle(root, *need, name, measure)?,
            Content::Bytes(bytes) => {
                let member = self.made(name.as_bytes(), bytes.len() as u64);
                (self.judge)(name, &member)?;
                measure.add(&member)?;
                Stored::Object
            }
            Content::File(file) => {
                file.store(name, &self.judge, measure)?;
                Stored::Object
            }
            Content::Directory(root) => {
                if self.looks_into_nested() {
                    let mut inner = self.measuring();
                    self.store_directory(name, root, &mut inner)?;
                    measure.add(&self.made(name.as_bytes(), nested(&inner)))?;
                }
                Stored::Object
            }
            Content::Diff(diff) => {
                if self.looks_into_nested() {
                    self.measure_diff(diff, name, measure)?;
                }
                self.check_below(&RootPath::clean(DELETED_FILES.as_bytes())?)?;
                Stored::Object
            }
        };
        if matches!(stored, Stored::Object | Stored::Socket) {
            self.check_below(name)?;
        }
        Ok(stored)
    }

    fn measure_diff(&self, diff: &Diff, name: &RootPath, measure: &mut Measure<'_>) -> Result<()> {
        let plan = Plan::new(&diff.changes)?;
        let mut inner = self.measuring();
        let stored = plan.store(&diff.root, &mut inner, self.diff_manner())?;
        if stored.wanted {
            measure.add(&self.made(name.as_bytes(), nested(&inner)))?;
        }
        match plan.deleted_list(&stored)? {
            Some(list) => measure.add(&self.made(DELETED_FILES.as_bytes(), list.len() as u64)),
            None => Ok(()),
        }
    }

    /// Refuses a member that is no directory where another one was added below it.
    fn check_below(&self, name: &RootPath) -> Result<()> {
        let after = (Bound::Excluded(name), Bound::Unbounded);
        match self.export.names.range::<RootPath, _>(after).next() {
            Some(next) if next.is_within(name) => Err(Refusal::Below(next.quoted()).into()),
            _ => Ok(()),
        }
    }

    fn store_entry(&self, entry: &Entry, sink: &mut Sink<'_>) -> Result<Stored> {
        let name = &entry.name;
        match &entry.content {
            Content::Bundle(root, need) => return self.store_bundle(root, *need, name, sink),
            Content::Bytes(bytes) => self.store_bytes(name.as_bytes(), bytes, sink)?,
            Content::File(file) => file.store(name, &self.judge, sink)?,
            Content::Directory(root) => {
                let store = |measure: &mut Measure<'_>| self.store_directory(name, root, measure);
                let spool = (self.spool)()?;
                let (measured, ()) =
                    Measured::new(spool, name.as_bytes(), self.lives, self.watch, store)?;
                measured.with_overlay_xattrs(OverlayState::Kept).write(
                    root,
                    self.made(name.as_bytes(), 0),
                    sink,
                )?;
            }
            Content::Diff(diff) => self.store_diff(diff, name, sink)?,
        }
        Ok(Stored::Object)
    }

    fn store_diff(&self, diff: &Diff, name: &RootPath, sink: &mut Sink<'_>) -> Result<()> {
        let plan = Plan::new(&diff.changes)?;
        let store = |measure: &mut Measure<'_>| plan.store(&diff.root, measure, self.diff_manner());
        let spool = (self.spool)()?;
        let (measured, stored) =
            Measured::new(spool, name.as_bytes(), self.lives, self.watch, store)?;
        if stored.wanted {
            measured.with_overlay_xattrs(self.overlay).write(
                &diff.root,
                self.made(name.as_bytes(), 0),
                sink,
            )?;
        }
        match plan.deleted_list(&stored)? {
            Some(list) => self.store_bytes(DELETED_FILES.as_bytes(), &list, sink),
            None => Ok(()),
        }
    }

    fn store_bundle<T: Target>(
        &self,
        root: &Root,
        need: Need,
        name: &RootPath,
        target: &mut T,
    ) -> Result<Stored> {
        let mut except = Cow::Borrowed(&self.export.names);
        for path in self.excluded.get(name).into_iter().flatten() {
            let path = [name.as_bytes(), path.as_bytes()].join(&b'/');
            except.to_mut().insert(RootPath::clean(&path)?);
        }
        let manner = Manner {
            dotted: false,
            // A directory that CRIU has dumped into may well be a mount of its own.
            crosses_first_mount: true,
            except: Some(&except),
            own: self.own,
            overlay: OverlayState::LeftOut,
            judge: Some(&self.judge),
        };
        let mut creation = Creation::new(root, target, manner)?;
        if need == Need::ContentAlone {
            return creation.add_content(name).map(|()| Stored::Tree);
        }
        match (creation.add(name, Depth::Recursive, false)?, need) {
            (Stored::Nothing, Need::Required) if name.as_bytes() == CONFIG_DUMP.as_bytes() => {
                Err(Refusal::NoConfiguration.into())
            }
            (Stored::Nothing, Need::Required) => Err(Refusal::Missing.into()),
            (Stored::Socket, Need::Required | Need::OneOfThem) => Err(Refusal::Socket.into()),
            (stored, _) => Ok(stored),
        }
    }

    fn diff_manner(&self) -> Manner<'s> {
        Manner {
            own: self.own,
            overlay: self.overlay,
            ..Manner::default()
        }
    }

    /// Stores a whole directory, beginning with itself.
    fn store_directory<T: Target>(
        &self,
        name: &RootPath,
        root: &Root,
        target: &mut T,
    ) -> Result<()> {
        let manner = Manner {
            dotted: true,
            except: self.excluded.get(name),
            own: self.own,
            // A directory of its own isn't shown by an overlay that they could belong to.
            overlay: OverlayState::Kept,
            ..Manner::default()
        };
        let mut creation = Creation::new(root, target, manner)?;
        creation
            .add(&RootPath::root(), Depth::Recursive, false)
            .map(drop)
    }

    fn store_bytes(&self, name: &[u8], bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        sink.header(&self.made(name, bytes.len() as u64))?;
        sink.bytes(bytes)
    }

    /// The header of a member that the export makes itself.
    fn made(&self, name: &[u8], size: u64) -> Member {
        let mtime = Time {
            seconds: self.time,
            nanoseconds: 0,
        };
        Member::made(name, MemberKind::Regular(Extents::whole(size)), mtime)
    }
}

impl Content {
    /// Whether what comes from a bundle has to be there.
    fn need(&self) -> Option<Need> {
        match self {
            Content::Bundle(_, need) => Some(*need),
            _ => None,
        }
    }
}

/// How long an archive is, with its end.
fn nested(measure: &Measure<'_>) -> u64 {
    measure.size().saturating_add(END_OF_ARCHIVE.len() as u64)
}

/// Lets nothing into the archive that no import would take out of it: found there, it would be too late.
pub(super) fn judge(path: &RootPath, member: &Member) -> Result<()> {
    if CONFIGURATIONS.map(str::as_bytes).contains(&path.as_bytes()) {
        check_config(member)?;
    }
    judge_bundle_member(path, member).map(drop)
}
