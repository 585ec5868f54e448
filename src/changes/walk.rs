//! Both views gone through at once.
//!
//! One thread goes through them, directory by directory, and keeps what was found. Others look into directories before
//! their turn, which is where the time goes; their findings are taken in the order in which one thread would have come to
//! them, so that the result, and an error, is that of one thread.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;
use std::thread::{Scope, scope};
use std::time::Duration;

use nix::errno::Errno;

use super::Change;
use super::board::{Board, Size, Turn};
use super::layers::{Origin, Stack};
use super::links::Links;
use super::list::{List, OnTheWay};
use super::look::{Finding, Look, Opened, Pair, What};
use crate::compress::spawn_quiet_in;
use crate::error::{Context as _, Result};
use crate::fs::{Identity, Name, RootPath, is_directory};
use crate::watch::{Phase, Watch};

/// How many names of a directory are looked at in one go; one that has more is shared.
const NAMES: usize = 256;
/// How many names are looked at before helpers are worth their start.
const WORTH_HELPERS: usize = 1024;
/// How long a helper is waited for between two looks at the watch.
const PATIENCE: Duration = Duration::from_millis(20);

/// A search for changes.
pub(super) struct Walk<'w> {
    look: Look<'w>,
    on_the_way: OnTheWay,
    watch: &'w Watch,
    list: List<'w>,
    links: Links,
    /// Directories found in the one that is being looked in.
    entered: Vec<Pair>,
    helpers: Helpers,
}

/// Who looks before their turn.
enum Helpers {
    /// Nobody.
    None,
    /// Up to so many threads, once so many names were looked at.
    Later { most: usize, after: usize },
    /// Some.
    There,
}

/// What is to be looked at.
enum Work {
    /// All that is in a directory.
    Directory(Pair),
    /// Some of the names in a large one.
    Names(Arc<Shared>, Range<usize>),
    /// Nothing: all names of a large directory are behind.
    End,
}

/// A large directory.
struct Shared {
    opened: Opened,
    names: Vec<Name>,
}

/// What a helper has found.
enum HelperFinding {
    All(Vec<Finding>),
    /// The directory is to be shared by whoever's turn it is.
    Large,
}

impl Size for HelperFinding {
    fn size(&self) -> usize {
        match self {
            HelperFinding::All(findings) => findings.len(),
            HelperFinding::Large => 0,
        }
    }
}

type Works = Board<Work, HelperFinding>;

/// Ends the help, whatever ends the walk.
struct Ending<'b>(&'b Works);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<'w> Walk<'w> {
    pub(super) fn new(look: Look<'w>, on_the_way: OnTheWay, watch: &'w Watch) -> Self {
        Self {
            watch,
            look,
            on_the_way,
            list: List::new(look.exclude),
            links: Links::default(),
            entered: Vec::new(),
            helpers: Helpers::None,
        }
    }

    /// Lets up to so many threads help, if there is much to be looked at.
    pub(super) fn with_helpers(mut self, most: usize) -> Self {
        self.helpers = match most {
            0 => Helpers::None,
            most => Helpers::Later {
                most,
                after: WORTH_HELPERS,
            },
        };
        self
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
        if !self.look.exclude.closes(&root) {
            let (new, old) = (self.look.new.root(), self.look.old.root());
            self.enter(root, new, old);
            let works = Works::new();
            works.push(self.entered.drain(..).map(Work::Directory));
            self.go_through(&works)?;
            // A scope leaves something in the caller's thread until it ends, so that small trees have none.
            if let Helpers::Later { most, after: 0 } = self.helpers {
                scope(|scope| {
                    let _ending = Ending(&works);
                    self.call_helpers(most, &works, scope);
                    self.go_through(&works)
                })?;
            }
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
            self.entered.push(Pair { path, new, old });
        }
    }

    /// Takes the works in their order: all of them, or until helpers are worth it.
    fn go_through(&mut self, works: &Works) -> Result<()> {
        while !matches!(self.helpers, Helpers::Later { after: 0, .. }) {
            match works.turn() {
                Turn::End => return Ok(()),
                Turn::Own(work) => self.take(works, &work, None)?,
                Turn::Done(work, found) => self.take(works, &work, Some(found))?,
                Turn::Busy => {
                    self.watch.step(0)?;
                    if !works.help(|work| find(self.look, self.watch, work)) {
                        works.wait(PATIENCE);
                    }
                }
            }
        }
        Ok(())
    }

    /// Starts helpers. Where there may be no threads, it goes on without.
    fn call_helpers<'s>(&mut self, most: usize, works: &'s Works, scope: &'s Scope<'s, '_>)
    where
        'w: 's,
    {
        self.helpers = Helpers::There;
        let (look, watch) = (self.look, self.watch);
        for _ in 0..most {
            let help = move || works.serve(|work| find(look, watch, work));
            if spawn_quiet_in(scope, "crutils-changes", help).is_err() {
                return;
            }
        }
    }

    /// Takes what was found of a work, or finds it.
    fn take(&mut self, works: &Works, work: &Work, found: Option<HelperFinding>) -> Result<()> {
        match (work, found) {
            (Work::Directory(pair), Some(HelperFinding::All(findings))) => {
                self.watch.at(pair.path.as_bytes());
                self.watch.step(0)?;
                self.note_all(findings)?;
            }
            (Work::Names(..), Some(HelperFinding::All(findings))) => {
                self.watch.step(0)?;
                return self.note_all(findings);
            }
            (Work::Directory(pair), _) => {
                self.watch.at(pair.path.as_bytes());
                if self.look_in(works, pair)? {
                    return Ok(());
                }
            }
            (Work::Names(shared, range), _) => {
                let names = shared.names.get(range.clone()).unwrap_or_default();
                return self.look_at(works, &shared.opened, names);
            }
            (Work::End, _) => {}
        }
        works.push(self.entered.drain(..).map(Work::Directory));
        Ok(())
    }

    /// Looks into a directory, or has it shared. Answers whether it is shared.
    fn look_in(&mut self, works: &Works, pair: &Pair) -> Result<bool> {
        let look = self.look;
        let (opened, names) = with_descriptors(works, || {
            let opened = look.open(pair)?;
            let names = look.names(pair, &opened)?;
            Ok((opened, names))
        })?;
        if matches!(self.helpers, Helpers::None) || names.len() <= NAMES {
            for names in names.chunks(NAMES) {
                self.look_at(works, &opened, names)?;
            }
            return Ok(false);
        }
        let ends = (0..names.len()).step_by(NAMES).rev();
        let len = names.len();
        let shared = Arc::new(Shared { opened, names });
        works.push([Work::End]);
        works.push(ends.map(|start| {
            let range = start..len.min(start + NAMES);
            Work::Names(Arc::clone(&shared), range)
        }));
        Ok(true)
    }

    /// Looks at some names, and notes what is found.
    fn look_at(&mut self, works: &Works, opened: &Opened, names: &[Name]) -> Result<()> {
        if let Helpers::Later { after, .. } = &mut self.helpers {
            *after = after.saturating_sub(names.len());
        }
        let (look, watch) = (self.look, self.watch);
        let mut findings = Vec::new();
        let result = with_descriptors(works, || {
            findings.clear();
            look.look_at_all(opened, names, || watch.step(0), &mut findings)
        });
        self.note_all(findings)?;
        result
    }

    fn note_all(&mut self, findings: Vec<Finding>) -> Result<()> {
        for Finding { path, what } in findings {
            self.note(&path, what).at_entry(path.as_bytes())?;
        }
        Ok(())
    }

    fn note(&mut self, path: &RootPath, what: What) -> Result<()> {
        match what {
            What::Changed(kind) => self.list.push(path, kind),
            What::Closed => {
                self.list.open_up(path);
                Ok(())
            }
            What::Made(owner) => self.list.note_made(path, owner),
            What::Explained(by) => self.list.note_explained(path, by),
            What::Named {
                new,
                old,
                lower,
                origin,
            } => self.links.note(path, new, old, lower, origin),
            What::Directory { new, old } => {
                self.enter(path.clone(), new, old);
                Ok(())
            }
        }
    }

    /// Goes through the whole new view for names that haven't been looked at, of files that are listed under others.
    fn find_more_names(&mut self) -> Result<()> {
        let view = self.look.new;
        let mut pending = vec![(RootPath::root(), view.root())];
        while let Some((directory, stack)) = pending.pop() {
            let at = || directory.as_bytes();
            let open = view.open(&stack, &[]).at_entry(at())?;
            for name in view.names(&open, false).at_entry(at())? {
                self.watch.step(0)?;
                let path = directory.join(&name).at_entry(at())?;
                if self.look.exclude.closes(&path) {
                    continue;
                }
                let Some(object) = view.find(&open, &name).at_entry(path.as_bytes())? else {
                    continue;
                };
                if is_directory(&object.stat) {
                    if !object.mounted {
                        pending.push((path, object.stack));
                    }
                } else if view.may_have_several_names(&object) && !self.look.is_upper(&object) {
                    self.links.note_more(&path, &object)?;
                }
            }
        }
        Ok(())
    }
}

/// What a helper does. An error is found again by the one whose turn it is.
fn find(look: Look<'_>, watch: &Watch, work: &Work) -> Option<HelperFinding> {
    let mut findings = Vec::new();
    match work {
        Work::Directory(pair) => {
            let opened = look.open(pair).ok()?;
            let names = look.names(pair, &opened).ok()?;
            if names.len() > NAMES {
                return Some(HelperFinding::Large);
            }
            look.look_at_all(&opened, &names, || watch.check(), &mut findings)
                .ok()?;
        }
        Work::Names(shared, range) => {
            let names = shared.names.get(range.clone())?;
            look.look_at_all(&shared.opened, names, || watch.check(), &mut findings)
                .ok()?;
        }
        Work::End => {}
    }
    Some(HelperFinding::All(findings))
}

/// Does something that needs descriptors; once more and alone, if they run out while others help.
fn with_descriptors<T>(works: &Works, mut act: impl FnMut() -> Result<T>) -> Result<T> {
    match act() {
        Err(error) if error.is(Errno::EMFILE) || error.is(Errno::ENFILE) => {
            works.close();
            act()
        }
        result => result,
    }
}
