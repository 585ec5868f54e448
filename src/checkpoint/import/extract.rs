//! The one pass over an archive in which everything goes where it belongs.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Refusal;
use super::completeness::{Images, Refused};
use super::options::ImportOptions;
use super::targets::{Goal, Selection, Targets};
use crate::archive::{
    Content, Extraction, Input, Meter, Policy, Reading, Rules, Sha256Digest, Terms, Verdict,
};
use crate::checkpoint::bundle::PROTECTED;
use crate::checkpoint::deleted_files::DeletedFiles;
use crate::checkpoint::held::{Held, Noted};
use crate::checkpoint::names::{DELETED_FILES, ROOTFS_DIFF_TAR};
use crate::checkpoint::rootfs_diff::apply;
use crate::error::{Context as _, Error, Result};
use crate::fs::{Destination, Root, RootPath, sync_file_system};
use crate::tar::{Data, Extents, Member, Reader};
use crate::watch::Phase;

/// What an import has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// How many members of the archive were read.
    pub members: u64,
    /// How many bytes of the archive were read, as it is stored.
    pub bytes: u64,
    /// Whether a rootfs diff was applied.
    pub applied_rootfs_diff: bool,
    /// The archive's digest, if it was asked for, or expected.
    pub sha256: Option<Sha256Digest>,
}

/// A pass over an archive.
pub(super) struct Pass<'p> {
    targets: &'p Targets,
    options: &'p ImportOptions,
    reading: &'p Reading,
    /// What holds for the container's own file systems, and for the rootfs diff.
    tree_rules: Rules,
    diff_rules: Rules,
    /// What the archive and those in it have used up.
    meter: &'p Meter,
    /// The members that went where nothing else may go a second time.
    routed: BTreeSet<Vec<u8>>,
    /// What the rootfs diff holds.
    noted: RefCell<Noted>,
    deleted: Option<DeletedFiles>,
    /// How many members are behind.
    done: u64,
    /// Whether nothing at all is an archive without members.
    accepts_nothing: bool,
}

impl<'p> Pass<'p> {
    pub(super) fn new(
        targets: &'p Targets,
        options: &'p ImportOptions,
        reading: &'p Reading,
        meter: &'p Meter,
    ) -> Self {
        Self {
            targets,
            options,
            reading,
            tree_rules: options.tree_rules(),
            diff_rules: options.rules.clone(),
            meter,
            routed: BTreeSet::new(),
            noted: RefCell::default(),
            deleted: None,
            done: 0,
            accepts_nothing: false,
        }
    }

    pub(super) fn accepting_nothing(self, accepts_nothing: bool) -> Self {
        Self {
            accepts_nothing,
            ..self
        }
    }

    /// Goes through the archive; `at_end` has a last word before anything is deleted, and tells the archive's digest.
    pub(super) fn run(
        mut self,
        reader: &mut Reader<Input<'_>>,
        at_end: impl FnOnce(&Reader<Input<'_>>) -> Result<Option<Sha256Digest>>,
    ) -> Result<Imported> {
        // What is no archive leaves no new directory behind.
        let first = reader.next_member()?;
        if first.is_none() && !self.accepts_nothing {
            reader.source().refuse_void()?;
        }
        let bundle = match &self.targets.bundle {
            Some(bundle) => Some(Destination::open_or_make_ambient(
                bundle.place.get(),
                bundle.argument,
            )?),
            None => None,
        };
        let root = bundle.as_ref().map(Destination::root);
        let result = self.extract(root, first, reader);
        let result = result.and_then(|()| at_end(reader));
        let result = result.and_then(|digest| self.delete().map(|()| digest));
        let result = result.and_then(|digest| self.sync(root).map(|()| digest));
        match result {
            Ok(sha256) => Ok(Imported {
                members: self.done,
                bytes: reader.source().consumed(),
                applied_rootfs_diff: self.routed.contains(ROOTFS_DIFF_TAR.as_bytes()),
                sha256,
            }),
            Err(error) => {
                let error = error.context(format!("{} members are done", self.done));
                Err(match bundle {
                    Some(bundle) if !self.options.keep_failed => bundle.abandon(error),
                    _ => error,
                })
            }
        }
    }

    fn extract(
        &mut self,
        bundle: Option<&Root>,
        first: Option<Member>,
        reader: &mut Reader<Input<'_>>,
    ) -> Result<()> {
        let (options, reading, selection) = (self.options, self.reading, &self.targets.selection);
        let (chosen, images) = (RefCell::new(BTreeSet::new()), RefCell::<Images>::default());
        let (root, dump) = (bundle, self.targets.dump.as_ref());
        let rules = options.bundle_rules();
        let judge = |path: &RootPath, member: &Member| {
            let in_chain = dump.map(|dump| dump.path.below(path)).transpose()?;
            let verdict = selection.judge(path, in_chain.as_ref(), member)?;
            if verdict == Verdict::Extract {
                chosen.borrow_mut().extend(selection.choices(path));
                let within = dump.map(|dump| &dump.path);
                images.borrow_mut().add(path, within, member)?;
            }
            Ok(verdict)
        };
        let policy = Policy {
            judge: &judge,
            protected: &PROTECTED,
            own_sources_only: true,
            keep_times: false,
            terms: self.terms(&rules),
        };
        let mut bundle = match bundle {
            Some(root) => Some(Extraction::new(root, policy)?),
            None => None,
        };
        let is_enough = || match selection {
            Selection::Configuration(names) => chosen.borrow().len() == names.len(),
            _ => false,
        };
        let mut next = first;
        while let Some(member) = next {
            reading.watch.check()?;
            self.extract_one(&member, reader, bundle.as_mut())?;
            self.done += 1;
            next = if is_enough() {
                None
            } else {
                reader.next_member()?
            };
        }
        if !is_enough() {
            reader.finish()?;
            rules.check_end(reader)?;
        }
        self.check_found(&chosen.borrow())?;
        bundle.map_or(Ok(()), Extraction::finish)?;
        let refused = if options.require_complete {
            Refused::Everything
        } else if dump.is_some() {
            Refused::MissingParents
        } else {
            Refused::Nothing
        };
        match dump.map(|dump| &dump.bundle).or(root) {
            Some(root) => images.borrow().check(root, refused, &reading.watch),
            None => Ok(()),
        }
    }

    fn extract_one(
        &mut self,
        member: &Member,
        reader: &mut Reader<Input<'_>>,
        bundle: Option<&mut Extraction<'_>>,
    ) -> Result<()> {
        let path = RootPath::clean(&member.path).at_entry(&member.path)?;
        let named = self.options.check_name(&path).map_err(Error::from);
        named
            .and_then(|()| self.options.rules.check_names(member))
            .at_entry(&member.path)?;
        let (goal, mut data) = (self.targets.goal(&path), reader.data());
        if let (None, Some(bundle)) = (goal, bundle) {
            return bundle.extract(member, &mut data);
        }
        // The extraction into the bundle counts its own.
        self.meter
            .count_member(&self.options.rules.limits)
            .at_entry(&member.path)?;
        match goal {
            Some(goal) => self.follow(goal, &path, member, &mut data),
            None => Ok(()),
        }
    }

    /// Takes a member to the destination of its own.
    fn follow(
        &mut self,
        goal: Goal<'_>,
        path: &RootPath,
        member: &Member,
        data: &mut Data<'_, Input<'_>>,
    ) -> Result<()> {
        let file = self.check_route(path, member).at_entry(&member.path)?;
        let step = || format!("apply {}", path.quoted());
        match goal {
            Goal::Diff(root) => {
                let (terms, noted) = (self.terms(&self.diff_rules), &self.noted);
                let note = |member: &Member| noted.borrow_mut().add(member);
                Input::nested(file, data, self.reading)
                    .and_then(|nested| apply(nested, root, terms, &note))
                    .context(step)
            }
            Goal::Tree(root) => {
                let terms = self.terms(&self.tree_rules);
                Input::nested(file, data, self.reading)
                    .and_then(|nested| extract_tree(nested, root, terms))
                    .context(step)
            }
            Goal::Deleted => {
                let list = DeletedFiles::read(Content::new(file, data));
                self.deleted = Some(list.at_entry(&member.path)?);
                Ok(())
            }
        }
    }

    fn terms<'t>(&self, rules: &'t Rules) -> Terms<'t>
    where
        'p: 't,
    {
        Terms {
            rules,
            meter: self.meter,
            watch: &self.reading.watch,
        }
    }

    fn check_route<'m>(
        &mut self,
        path: &RootPath,
        member: &'m Member,
    ) -> Result<&'m Extents, Refusal> {
        let file = member.extents().ok_or(Refusal::NotRegular)?;
        if self.routed.insert(path.as_bytes().to_vec()) {
            Ok(file)
        } else {
            Err(Refusal::Twice)
        }
    }

    /// Whether everything was there that was named.
    fn check_found(&self, chosen: &BTreeSet<&RootPath>) -> Result<()> {
        let missing = |name: &[u8]| Err(Refusal::Missing).at_entry(name);
        for name in self.targets.expected() {
            if !self.routed.contains(&name) {
                return missing(&name);
            }
        }
        match &self.targets.selection {
            Selection::Named(names) => {
                // What has a destination of its own went there, named or not.
                let was_there = |name: &RootPath| {
                    chosen.contains(name) || self.routed.contains(name.as_bytes())
                };
                match names.iter().find(|name| !was_there(name)) {
                    Some(name) => missing(name.as_bytes()),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Has what was extracted on its disk, if that was asked for.
    fn sync(&self, bundle: Option<&Root>) -> Result<()> {
        if !self.options.sync {
            return Ok(());
        }
        let targets = self.targets;
        let own = [bundle, targets.root.as_ref(), targets.shm.as_ref()];
        let volumes = targets.volumes.iter().map(|(_, root)| root);
        own.into_iter()
            .flatten()
            .chain(volumes)
            .try_for_each(sync_file_system)
    }

    /// Removes what the container had deleted, but for what the diff has put there since.
    fn delete(&mut self) -> Result<()> {
        let (Some(deleted), Some(root)) = (self.deleted.take(), &self.targets.root) else {
            return Ok(());
        };
        let (noted, watch) = (self.noted.take(), &self.reading.watch);
        watch.begin(Phase::Deleting, None);
        deleted
            .remove(root, |targets| Held::of(&noted, root, targets), watch)
            .context(|| DELETED_FILES)
    }
}

/// Extracts the archive of a directory.
fn extract_tree(input: Input<'_>, root: &Root, terms: Terms<'_>) -> Result<()> {
    let policy = Policy {
        judge: &|_, _| Ok(Verdict::Extract),
        protected: &[],
        own_sources_only: false,
        keep_times: false,
        terms,
    };
    let mut reader = Reader::new(input);
    let first = reader.next_member()?;
    Extraction::new(root, policy)?.run(first, &mut reader)
}
