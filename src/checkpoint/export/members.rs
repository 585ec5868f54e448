//! The members of an export: looked for, measured, stored.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::ops::Bound;

use once_cell::unsync::OnceCell;

use super::{Diff, Entry, Export, MemberSource, Refusal, completeness};
use crate::archive::{Creation, Depth, Finished, Manner, Measure, Measured, Sink, Stored, Target};
use crate::checkpoint::bundle::{check_config, judge_bundle_member};
use crate::checkpoint::names::{CONFIG_DUMP, CONFIGURATIONS, DELETED_FILES, Need};
use crate::error::{Context as _, Error, Result};
use crate::fs::{Identity, OverlayState, Root, RootPath};
use crate::tar::{END_OF_ARCHIVE, Extents, Member, MemberKind, Time};
use crate::watch::{Phase, Watch};

/// The members that are there.
pub(super) struct MembersFound<'e> {
    present: Vec<Present<'e>>,
    pub missing: Vec<OsString>,
    /// What a restore will need and isn't there.
    pub lacking: Vec<OsString>,
    /// How long the tar stream will be, if somebody wants to know.
    pub total: Option<u64>,
}

/// A member that is there.
struct Present<'e> {
    entry: &'e Entry,
    /// How many members it had.
    members: u64,
    /// The archive that it is going to be, if that was looked into.
    nested: Option<Nested<'e>>,
}

/// A nested archive, measured.
struct Nested<'e> {
    measured: Measured<'e>,
    root: &'e Root,
    /// Whether it is stored: a rootfs diff that stores nothing isn't.
    wanted: bool,
    /// The list of what is deleted, which comes with it.
    deleted: Option<Vec<u8>>,
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
    /// What is noted of nested archives while they are measured.
    pub spool: OnceCell<File>,
    /// Makes the file for that.
    pub make_spool: &'s dyn Fn() -> Result<File>,
}

impl<'s> Storing<'s> {
    /// Looks for all members, so that nothing is written of an archive that can't be whole.
    pub(super) fn find(&self) -> Result<MembersFound<'_>> {
        self.check_excluded()?;
        self.watch.begin(Phase::Measuring, None);
        let mut measure = self.measuring();
        let (mut present, mut missing) = (Vec::new(), Vec::new());
        for entry in &self.export.entries {
            self.watch.at(entry.name.as_bytes());
            let before = measure.members();
            let measured = self.measure(entry, &mut measure);
            let (stored, nested) = measured.at_entry(entry.name.as_bytes())?;
            match (stored, entry.content.need()) {
                (Stored::Nothing, Some(Need::Optional)) => {
                    missing.push(entry.name.as_os_str().to_os_string());
                }
                (Stored::Nothing, _) => {}
                _ => present.push(Present {
                    entry,
                    members: measure.members() - before,
                    nested,
                }),
            }
        }
        self.check_alternatives(&present)?;
        let there: Vec<_> = present.iter().map(|present| present.entry).collect();
        let lacking = completeness::check(self.export, &there, self.watch)?;
        self.watch.end();
        let total = measure.size().saturating_add(END_OF_ARCHIVE.len() as u64);
        let total = self.watch.is_followed().then_some(total);
        Ok(MembersFound {
            present,
            missing,
            lacking,
            total,
        })
    }

    /// Stores all members that were found. Returns how long the stream is, and how many members it has.
    pub(super) fn store(
        &self,
        found: &mut MembersFound<'_>,
        mut sink: Sink<'_>,
    ) -> Result<(Finished, u64)> {
        self.watch.begin(Phase::Writing, found.total);
        for present in found.present.drain(..) {
            let (entry, before) = (present.entry, sink.members());
            let stored = self.store_entry(entry, present.nested, &mut sink);
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
                (_, Some(_)) if sink.members() - before < present.members => {
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
                let has_names = matches!(
                    entry.content,
                    MemberSource::Bundle(..) | MemberSource::Directory(_)
                );
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

    /// Whether nested archives are measured before anything is written: for the progress, and because the file that is
    /// written to may be in them. Otherwise each is measured when it is stored, so that little time goes by between the two.
    fn looks_into_nested(&self) -> bool {
        self.watch.is_followed() || self.output.is_some()
    }

    /// Where one of several members has to be there, one is, unless the caller has something else of such a name.
    fn check_alternatives(&self, present: &[Present<'_>]) -> Result<()> {
        let is_alternative = |entry: &&Entry| entry.content.need() == Some(Need::OneOfThem);
        let mut alternatives = self.export.entries.iter().filter(is_alternative);
        match (alternatives.next(), alternatives.next()) {
            (Some(first), Some(_))
                if !present.iter().any(|present| is_alternative(&present.entry)) =>
            {
                Err(Refusal::Missing).at_entry(first.name.as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Adds the length of a member, and of the nested archive that it is going to be if that is to be measured by now.
    fn measure<'e>(
        &'e self,
        entry: &'e Entry,
        measure: &mut Measure<'_>,
    ) -> Result<(Stored, Option<Nested<'e>>)> {
        let name = &entry.name;
        let mut nested = None;
        let stored = match &entry.content {
            MemberSource::Bundle(root, need) => self.store_bundle(root, *need, name, measure)?,
            MemberSource::Bytes(bytes) => {
                let member = self.made(name.as_bytes(), bytes.len() as u64);
                (self.judge)(name, &member)?;
                measure.add(&member)?;
                Stored::Object
            }
            MemberSource::File(file) => {
                file.store(name, &self.judge, measure)?;
                Stored::Object
            }
            MemberSource::Directory(_) | MemberSource::Diff(_) => {
                if self.looks_into_nested() {
                    nested = self.nested(entry)?;
                }
                if let Some(nested) = &nested {
                    self.add_nested(name, nested, measure)?;
                }
                Stored::Object
            }
        };
        if matches!(entry.content, MemberSource::Diff(_)) {
            self.check_below(&RootPath::clean(DELETED_FILES.as_bytes())?)?;
        }
        if matches!(stored, Stored::Object | Stored::Socket) {
            self.check_below(name)?;
        }
        Ok((stored, nested))
    }

    fn add_nested(
        &self,
        name: &RootPath,
        nested: &Nested<'_>,
        measure: &mut Measure<'_>,
    ) -> Result<()> {
        if nested.wanted {
            measure.add(&self.made(name.as_bytes(), nested.measured.size()))?;
        }
        match &nested.deleted {
            Some(list) => measure.add(&self.made(DELETED_FILES.as_bytes(), list.len() as u64)),
            None => Ok(()),
        }
    }

    /// Measures the archive that a member is going to be; none for a member that is no archive of the export's own.
    fn nested<'e>(&'e self, entry: &'e Entry) -> Result<Option<Nested<'e>>> {
        let name = &entry.name;
        match &entry.content {
            MemberSource::Directory(root) => {
                let store = |measure: &mut Measure<'e>| self.store_directory(name, root, measure);
                let (measured, ()) = self.measured(name, store)?;
                Ok(Some(Nested {
                    measured: measured.with_overlay_xattrs(OverlayState::Kept),
                    root,
                    wanted: true,
                    deleted: None,
                }))
            }
            MemberSource::Diff(Diff { plan, root }) => {
                let store =
                    |measure: &mut Measure<'e>| plan.store(root, measure, self.diff_manner());
                let (measured, stored) = self.measured(name, store)?;
                Ok(Some(Nested {
                    measured: measured.with_overlay_xattrs(self.overlay),
                    root,
                    wanted: stored.wanted,
                    deleted: plan.deleted_list(&stored)?,
                }))
            }
            MemberSource::Bundle(..) | MemberSource::Bytes(_) | MemberSource::File(_) => Ok(None),
        }
    }

    fn measured<'e, T>(
        &'e self,
        name: &'e RootPath,
        store: impl FnOnce(&mut Measure<'e>) -> Result<T>,
    ) -> Result<(Measured<'e>, T)> {
        let spool = self.spool.get_or_try_init(self.make_spool)?;
        Measured::new(spool, name.as_bytes(), self.measuring(), store)
    }

    /// Refuses a member that is no directory where another one was added below it.
    fn check_below(&self, name: &RootPath) -> Result<()> {
        let after = (Bound::Excluded(name), Bound::Unbounded);
        match self.export.names.range::<RootPath, _>(after).next() {
            Some(next) if next.is_within(name) => Err(Refusal::Below(next.quoted()).into()),
            _ => Ok(()),
        }
    }

    fn store_entry(
        &self,
        entry: &Entry,
        nested: Option<Nested<'_>>,
        sink: &mut Sink<'_>,
    ) -> Result<Stored> {
        let name = &entry.name;
        match &entry.content {
            MemberSource::Bundle(root, need) => return self.store_bundle(root, *need, name, sink),
            MemberSource::Bytes(bytes) => self.store_bytes(name.as_bytes(), bytes, sink)?,
            MemberSource::File(file) => file.store(name, &self.judge, sink)?,
            MemberSource::Directory(_) | MemberSource::Diff(_) => {
                let nested = match nested {
                    Some(nested) => Some(nested),
                    None => self.nested(entry)?,
                };
                if let Some(nested) = nested {
                    self.store_nested(name, nested, sink)?;
                }
            }
        }
        Ok(Stored::Object)
    }

    fn store_nested(&self, name: &RootPath, nested: Nested<'_>, sink: &mut Sink<'_>) -> Result<()> {
        if nested.wanted {
            let header = self.made(name.as_bytes(), 0);
            nested.measured.write(nested.root, header, sink)?;
        }
        match nested.deleted {
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

impl MemberSource {
    /// Whether what comes from a bundle has to be there.
    fn need(&self) -> Option<Need> {
        match self {
            MemberSource::Bundle(_, need) => Some(*need),
            _ => None,
        }
    }
}

/// Lets nothing into the archive that no import would take out of it: found there, it would be too late.
pub(super) fn judge(path: &RootPath, member: &Member) -> Result<()> {
    if CONFIGURATIONS.map(str::as_bytes).contains(&path.as_bytes()) {
        check_config(member)?;
    }
    judge_bundle_member(path, member).map(drop)
}
