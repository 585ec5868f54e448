//! Both views gone through at once.

#![forbid(unsafe_code)]

use crate::error::{Context as _, Error, Result};
use crate::fs::{Identity, Name, Owner, RootPath, file_type, is_directory, travelling_xattrs};

use super::compare::Comparison;
use super::layers::{Object, Open, Origin, Stack, View};
use super::links::Links;
use super::list::{Explained, List, OnTheWay};
use super::{Change, ChangeKind, Exclude};
use crate::watch::{Phase, Watch};

/// A search for changes.
pub(super) struct Walk<'w> {
    new: View<'w>,
    old: View<'w>,
    comparison: Comparison<'w>,
    exclude: &'w Exclude,
    on_the_way: OnTheWay,
    watch: &'w Watch,
    list: List<'w>,
    links: Links,
    /// Directories that are still to be looked in; the last comes next.
    pending: Vec<Pair>,
}

/// A directory that is in the new view, and what is there in the old one.
struct Pair {
    path: RootPath,
    new: Stack,
    old: Stack,
}

impl<'w> Walk<'w> {
    pub(super) fn new(
        new: View<'w>,
        old: View<'w>,
        comparison: Comparison<'w>,
        exclude: &'w Exclude,
        on_the_way: OnTheWay,
        watch: &'w Watch,
    ) -> Self {
        Self {
            watch,
            new,
            old,
            comparison,
            exclude,
            on_the_way,
            list: List::new(exclude),
            links: Links::default(),
            pending: Vec::new(),
        }
    }

    /// Lists what belongs to these upper files, which stand for lower ones under all names of those.
    pub(super) fn with_indexed(mut self, files: Vec<(Origin, Identity)>) -> Self {
        for (origin, upper) in files {
            self.links.stands_for(origin, upper);
        }
        self
    }

    pub(super) fn run(mut self) -> Result<Vec<Change>> {
        self.watch.begin(Phase::Comparing, None);
        let root = RootPath::root();
        if !self.exclude.closes(&root) {
            self.enter(root, self.new.root(), self.old.root());
        }
        while let Some(pair) = self.pending.pop() {
            self.look_in(&pair)?;
        }
        if self.links.may_have_more_names(&self.list) {
            self.find_more_names()?;
        }
        self.links.settle(&mut self.list)?;
        let changes = self.list.finish(self.on_the_way)?;
        self.watch.end();
        Ok(changes)
    }

    /// Notes a directory to be looked in, unless there can be no change.
    fn enter(&mut self, path: RootPath, new: Stack, old: Stack) {
        if !new.is_same(&old) {
            self.pending.push(Pair { path, new, old });
        }
    }

    fn look_in(&mut self, pair: &Pair) -> Result<()> {
        let at = || pair.path.as_bytes();
        self.watch.at(at());
        let new = self.new.open(&pair.new, &[]).at_entry(at())?;
        let old = self.old.open(&pair.old, &new).at_entry(at())?;
        let top_alone = pair.new.is_on_top_of(&pair.old);
        let mut names = self.new.names(&new, top_alone).at_entry(at())?;
        if !top_alone {
            names.extend(self.old.names(&old, false).at_entry(at())?);
            names.sort_unstable();
            names.dedup();
        }
        for name in names {
            self.watch.step(0)?;
            let path = pair.path.join(&name).map_err(Error::from).at_entry(at())?;
            self.look_at(&path, &name, &new, &old)
                .at_entry(path.as_bytes())?;
        }
        Ok(())
    }

    fn look_at(&mut self, path: &RootPath, name: &Name, new: &[Open], old: &[Open]) -> Result<()> {
        let new = self.new.find(new, name)?;
        if self.exclude.closes(path) {
            if let Some(new) = &new {
                self.list.open_up(path);
                if self.old.find(old, name)?.is_none() {
                    self.list.note_made(path, owner(new))?;
                }
            }
            return Ok(());
        }
        match (new, self.old.find(old, name)?) {
            (None, None) => Ok(()),
            (None, Some(_)) => self.list.push(path, ChangeKind::Delete),
            (Some(new), None) => {
                self.list.push(path, ChangeKind::Add)?;
                if self.exclude.leaves_out(path) {
                    self.list.note_made(path, owner(&new))?;
                } else if is_plain_directory(&new)? {
                    let by = Explained::OnTheWay(owner(&new));
                    self.list.note_explained(path, by)?;
                }
                self.go_on(path, new, None)
            }
            (Some(new), Some(old)) => self.look_at_both(path, new, old),
        }
    }

    fn look_at_both(&mut self, path: &RootPath, new: Object, old: Object) -> Result<()> {
        if file_type(&new.stat) != file_type(&old.stat) {
            self.list.push(path, ChangeKind::Modify)?;
            return self.go_on(path, new, None);
        }
        if new.mounted || old.mounted {
            return Ok(());
        }
        if self.is_modified(&new, &old)? {
            self.list.push(path, ChangeKind::Modify)?;
            if is_directory(&new.stat)
                && !self.hides_lower(&new, &old)
                && Comparison::differ_in_times_alone(&new, &old)?
            {
                self.list.note_explained(path, Explained::InTimesAlone)?;
            }
        }
        self.go_on(path, new, Some(old))
    }

    /// Whether two objects of the same type and path differ.
    fn is_modified(&self, new: &Object, old: &Object) -> Result<bool> {
        if is_directory(&new.stat) {
            if new.stack.is_same(&old.stack) {
                return Ok(false);
            }
            return Ok(self.hides_lower(new, old) || self.comparison.differ(new, old)?);
        }
        if new.identity() == old.identity() {
            return Ok(false);
        }
        // A name of a lower file that was copied up doesn't belong to the others any more; or it does, and all changed.
        let parted = self.is_upper(new) && (new.stat.st_nlink > 1 || old.stat.st_nlink > 1);
        Ok(parted || self.comparison.differ(new, old)?)
    }

    /// Whether it is a directory of the upper layer that hides the lower ones: it was made anew, or came from elsewhere.
    fn hides_lower(&self, new: &Object, old: &Object) -> bool {
        self.is_upper(new) && !new.stack.is_on_top_of(&old.stack)
    }

    /// Whether the object comes from an overlay's upper directory.
    fn is_upper(&self, object: &Object) -> bool {
        self.new.is_overlay() && object.layer == 0
    }

    /// What follows once an object itself was looked at: its content, or its other names.
    fn go_on(&mut self, path: &RootPath, new: Object, old: Option<Object>) -> Result<()> {
        if !is_directory(&new.stat) {
            return self.note(path, &new, old.as_ref());
        }
        if !new.mounted {
            let old = old.map(|old| old.stack).unwrap_or_default();
            self.enter(path.clone(), new.stack, old);
        }
        Ok(())
    }

    /// Remembers a name of a file with several, before or now.
    fn note(&mut self, path: &RootPath, new: &Object, old: Option<&Object>) -> Result<()> {
        let had_several = old.is_some_and(|old| self.old.may_have_several_names(old));
        if !self.new.may_have_several_names(new) && !had_several {
            return Ok(());
        }
        let origin = self.new.indexed_origin(new)?;
        let lower = self.new.is_overlay() && !self.is_upper(new);
        self.links.note(
            path,
            new.identity(),
            old.map(Object::identity),
            lower,
            origin,
        )
    }

    /// Goes through the whole new view for names that haven't been looked at, of files that are listed under others.
    fn find_more_names(&mut self) -> Result<()> {
        let mut pending = vec![(RootPath::root(), self.new.root())];
        while let Some((directory, stack)) = pending.pop() {
            let at = || directory.as_bytes();
            let open = self.new.open(&stack, &[]).at_entry(at())?;
            for name in self.new.names(&open, false).at_entry(at())? {
                self.watch.step(0)?;
                let path = directory.join(&name).map_err(Error::from).at_entry(at())?;
                if self.exclude.closes(&path) {
                    continue;
                }
                let Some(object) = self.new.find(&open, &name).at_entry(path.as_bytes())? else {
                    continue;
                };
                if is_directory(&object.stat) {
                    if !object.mounted {
                        pending.push((path, object.stack));
                    }
                } else if self.new.may_have_several_names(&object) && !self.is_upper(&object) {
                    self.links.note_more(&path, &object)?;
                }
            }
        }
        Ok(())
    }
}

fn owner(object: &Object) -> Owner {
    (object.stat.st_uid, object.stat.st_gid)
}

/// Whether it is a directory as engines make them on the way to what they mount.
fn is_plain_directory(object: &Object) -> Result<bool> {
    Ok(is_directory(&object.stat)
        && object.stat.st_mode & 0o7777 == 0o755
        && travelling_xattrs(&object.node)?.is_empty())
}
