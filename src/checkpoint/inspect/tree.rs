//! The tree of processes.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::{Inspection, Process};

/// A process in the tree.
#[derive(Clone, Debug)]
pub struct TreeEntry<'i> {
    /// The process.
    pub process: &'i Process,
    /// How many ancestors it has in the checkpoint.
    pub depth: usize,
    /// For itself and each of its ancestors, from the top down: whether it is the last of its parent's children.
    pub last: Vec<bool>,
}

impl Inspection {
    /// All processes, each followed by its children; children in the order of their numbers. Lines that connect them are
    /// drawn down to 64 levels: deeper ones are told by [`TreeEntry::depth`] alone.
    #[must_use]
    pub fn tree(&self) -> Vec<TreeEntry<'_>> {
        const MOST_LINES: usize = 64;
        let pids: BTreeSet<_> = self.processes.iter().map(|process| process.pid).collect();
        let mut children: BTreeMap<u32, Vec<&Process>> = BTreeMap::new();
        for process in &self.processes {
            // A parent outside of the checkpoint is none.
            let parent = match pids.contains(&process.ppid) {
                true => process.ppid,
                false => 0,
            };
            children.entry(parent).or_default().push(process);
        }
        for siblings in children.values_mut() {
            siblings.sort_by_key(|process| process.pid);
        }
        let mut tree = Vec::with_capacity(self.processes.len());
        let mut stack = Vec::new();
        if let Some(roots) = children.get(&0) {
            for (index, process) in roots.iter().rev().enumerate() {
                stack.push((*process, 0, vec![index == 0]));
            }
        }
        // Nobody is its own ancestor: each process is taken once.
        while let Some((process, depth, last)) = stack.pop() {
            let own = children.get(&process.pid).filter(|_| process.pid != 0);
            for (index, child) in own.into_iter().flatten().rev().enumerate() {
                let mut lines = last.clone();
                if lines.len() < MOST_LINES {
                    lines.push(index == 0);
                }
                stack.push((*child, depth + 1, lines));
            }
            tree.push(TreeEntry {
                process,
                depth,
                last,
            });
        }
        tree
    }
}
