//! What two views have in one directory, without regard to the rest of them.

#![forbid(unsafe_code)]

use super::compare::{At, Comparison};
use super::layers::{Object, Open, Origin, Stack, View};
use super::list::Explained;
use super::{ChangeKind, Exclude};
use crate::error::{Context as _, Result};
use crate::fs::{Identity, Name, Owner, RootPath, file_type, is_directory, travelling_xattrs};

/// A look at both views. It remembers nothing, so that several threads may look at the same time.
#[derive(Clone, Copy)]
pub(super) struct Look<'w> {
    pub(super) new: View<'w>,
    pub(super) old: View<'w>,
    pub(super) comparison: Comparison<'w>,
    pub(super) exclude: &'w Exclude,
}

/// A directory that is in the new view, and what is there in the old one.
pub(super) struct Pair {
    pub(super) path: RootPath,
    pub(super) new: Stack,
    pub(super) old: Stack,
}

/// A directory that is being looked in.
pub(super) struct Opened {
    path: RootPath,
    new: Vec<Open>,
    old: Vec<Open>,
}

/// What was found about an object. What follows from it depends on what was found before.
pub(super) struct Finding {
    pub(super) path: RootPath,
    pub(super) what: What,
}

pub(super) enum What {
    /// It changed.
    Changed(ChangeKind),
    /// It is there, and isn't listed, nor is what is below it.
    Closed,
    /// It is new and isn't listed.
    Made(Owner),
    /// It is a directory whose change can be explained.
    Explained(Explained),
    /// It is a file that has several names, or had.
    Named {
        new: Identity,
        old: Option<Identity>,
        /// Whether not all its names may be looked at.
        lower: bool,
        /// The lower file that it stands for under all its names.
        origin: Option<Origin>,
    },
    /// It is a directory in which something may have changed.
    Directory { new: Stack, old: Stack },
}

/// Takes findings about one object.
struct Findings<'f> {
    path: &'f RootPath,
    found: &'f mut Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, what: What) {
        let path = self.path.clone();
        self.found.push(Finding { path, what });
    }
}

impl Look<'_> {
    /// Opens a directory in both views.
    pub(super) fn open(&self, pair: &Pair) -> Result<Opened> {
        let at = || pair.path.as_bytes();
        let new = self.new.open(&pair.new, &[]).at_entry(at())?;
        let old = self.old.open(&pair.old, &new).at_entry(at())?;
        let path = pair.path.clone();
        Ok(Opened { path, new, old })
    }

    /// The names of what is to be looked at there, in byte order.
    pub(super) fn names(&self, pair: &Pair, opened: &Opened) -> Result<Vec<Name>> {
        let at = || pair.path.as_bytes();
        let top_alone = pair.new.is_on_top_of(&pair.old);
        let mut names = self.new.names(&opened.new, top_alone).at_entry(at())?;
        if !top_alone {
            names.extend(self.old.names(&opened.old, false).at_entry(at())?);
            names.sort_unstable();
            names.dedup();
        }
        Ok(names)
    }

    /// Looks at these names, and at the watch by `step` before each of them. What is found before an error stays found.
    pub(super) fn look_at_all(
        &self,
        opened: &Opened,
        names: &[Name],
        step: impl Fn() -> Result<()>,
        found: &mut Vec<Finding>,
    ) -> Result<()> {
        for name in names {
            step()?;
            let path = opened.path.join(name).at_entry(opened.path.as_bytes())?;
            self.look_at(&path, name, opened, found)
                .at_entry(path.as_bytes())?;
        }
        Ok(())
    }

    fn look_at(
        &self,
        path: &RootPath,
        name: &Name,
        opened: &Opened,
        found: &mut Vec<Finding>,
    ) -> Result<()> {
        let mut findings = Findings { path, found };
        let new = self.new.find(&opened.new, name)?;
        if self.exclude.closes(path) {
            if let Some(new) = &new {
                findings.add(What::Closed);
                if self.old.find(&opened.old, name)?.is_none() {
                    findings.add(What::Made(owner(new)));
                }
            }
            return Ok(());
        }
        match (new, self.old.find(&opened.old, name)?) {
            (None, None) => Ok(()),
            (None, Some(_)) => {
                findings.add(What::Changed(ChangeKind::Delete));
                Ok(())
            }
            (Some(new), None) => {
                findings.add(What::Changed(ChangeKind::Add));
                if self.exclude.leaves_out(path) {
                    findings.add(What::Made(owner(&new)));
                } else if is_plain_directory(&new)? {
                    let by = Explained::OnTheWay(owner(&new));
                    findings.add(What::Explained(by));
                }
                self.go_on(new, None, &mut findings)
            }
            (Some(new), Some(old)) => {
                let places = self
                    .new
                    .single(&opened.new)
                    .zip(self.old.single(&opened.old));
                let at = places.map(|(new, old)| At { new, old, name });
                self.look_at_both(new, old, at, &mut findings)
            }
        }
    }

    fn look_at_both(
        &self,
        new: Object,
        old: Object,
        at: Option<At<'_>>,
        findings: &mut Findings<'_>,
    ) -> Result<()> {
        if file_type(&new.stat) != file_type(&old.stat) {
            findings.add(What::Changed(ChangeKind::Modify));
            return self.go_on(new, None, findings);
        }
        if new.mounted || old.mounted {
            return Ok(());
        }
        if self.is_modified(&new, &old, at)? {
            findings.add(What::Changed(ChangeKind::Modify));
            if is_directory(&new.stat)
                && !self.hides_lower(&new, &old)
                && Comparison::differ_in_times_alone(&new, &old)?
            {
                findings.add(What::Explained(Explained::InTimesAlone));
            }
        }
        self.go_on(new, Some(old), findings)
    }

    /// Whether two objects of the same type and path differ.
    fn is_modified(&self, new: &Object, old: &Object, at: Option<At<'_>>) -> Result<bool> {
        if is_directory(&new.stat) {
            if new.stack.is_same(&old.stack) {
                return Ok(false);
            }
            return Ok(self.hides_lower(new, old) || self.comparison.differ(new, old, at)?);
        }
        if new.identity() == old.identity() {
            return Ok(false);
        }
        // A name of a lower file that was copied up doesn't belong to the others any more; or it does, and all changed.
        let parted = self.is_upper(new) && (new.stat.st_nlink > 1 || old.stat.st_nlink > 1);
        Ok(parted || self.comparison.differ(new, old, at)?)
    }

    /// Whether it is a directory of the upper layer that hides the lower ones: it was made anew, or came from elsewhere.
    fn hides_lower(&self, new: &Object, old: &Object) -> bool {
        self.is_upper(new) && !new.stack.is_on_top_of(&old.stack)
    }

    /// Whether the object comes from an overlay's upper directory.
    pub(super) fn is_upper(&self, object: &Object) -> bool {
        self.new.is_overlay() && object.layer == 0
    }

    /// What follows once an object itself was looked at: its content, or its other names.
    fn go_on(&self, new: Object, old: Option<Object>, findings: &mut Findings<'_>) -> Result<()> {
        if !is_directory(&new.stat) {
            return self.note(&new, old.as_ref(), findings);
        }
        if !new.mounted {
            let old = old.map(|old| old.stack).unwrap_or_default();
            let new = new.stack;
            if !new.is_same(&old) {
                findings.add(What::Directory { new, old });
            }
        }
        Ok(())
    }

    /// Tells a name of a file with several, before or now.
    fn note(&self, new: &Object, old: Option<&Object>, findings: &mut Findings<'_>) -> Result<()> {
        let had_several = old.is_some_and(|old| self.old.may_have_several_names(old));
        if !self.new.may_have_several_names(new) && !had_several {
            return Ok(());
        }
        findings.add(What::Named {
            new: new.identity(),
            old: old.map(Object::identity),
            lower: self.new.is_overlay() && !self.is_upper(new),
            origin: self.new.indexed_origin(new)?,
        });
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
