//! Looking up one name, layer by layer.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd as _, BorrowedFd};

use nix::sys::stat::{FileStat, SFlag};

use super::route::{Route, redirected};
use super::{Data, Layer, LayerDirectory, Object, Open, Stack, View};
use crate::error::Result;
use crate::fs::{Identity, Name, Node, RootPath, file_type, is_directory};
use crate::sys::Status;

/// One lookup. The rules are those of the kernel's overlay: a layer is asked where the one above says that it has the
/// object, until one of them hides what is below it.
pub(super) struct Search<'s> {
    view: &'s View<'s>,
    open: &'s [Open],
    /// Where the next layer has it.
    route: Route,
    found: Option<Object>,
}

/// What one layer has.
struct Seen {
    node: Node,
    stat: FileStat,
    /// The mount that it is on.
    mount: u64,
    path: RootPath,
    metacopy: bool,
}

/// What one layer's answer means for those below.
#[derive(PartialEq, Eq)]
enum Then {
    Below,
    Stop,
}

impl<'s> Search<'s> {
    pub(super) fn new(view: &'s View<'s>, open: &'s [Open], name: &Name) -> Self {
        Self {
            view,
            open,
            route: Route::Beside(name.clone()),
            found: None,
        }
    }

    pub(super) fn run(mut self) -> Result<Option<Object>> {
        for (number, layer) in self.view.layers.iter().enumerate().skip(self.view.first) {
            let (seen, then) = self.look_in(number, layer)?;
            let mut then = then;
            if let Some(seen) = seen
                && self.take(number, layer, seen)? == Then::Stop
            {
                then = Then::Stop;
            }
            if then == Then::Stop {
                break;
            }
        }
        Ok(self.found)
    }

    /// What the layer has where the route leads.
    fn look_in(&mut self, number: usize, layer: &Layer) -> Result<(Option<Seen>, Then)> {
        match self.route.clone() {
            Route::Beside(name) => {
                let at = self
                    .open
                    .binary_search_by_key(&number, |open| open.place.layer);
                match at.ok().and_then(|at| self.open.get(at)) {
                    Some(directory) => {
                        self.look(directory.fd.as_fd(), &directory.place.path, &name, 0)
                    }
                    None => Ok((None, Then::Below)),
                }
            }
            Route::FromRoot(names) => self.descend(layer, &names),
        }
    }

    /// Goes down from the layer's root. What stands in the way hides the object in the layers below, too.
    fn descend(&mut self, layer: &Layer, names: &[Name]) -> Result<(Option<Seen>, Then)> {
        let mut above: Option<Seen> = None;
        let mut overall = Then::Below;
        for (at, name) in names.iter().enumerate() {
            let fd = above
                .as_ref()
                .map_or(layer.root.as_fd(), |seen| seen.node.as_fd());
            let root = RootPath::root();
            let path = above.as_ref().map_or(&root, |seen| &seen.path);
            let (seen, then) = self.look(fd, path, name, at)?;
            if then == Then::Stop {
                overall = Then::Stop;
            }
            let last = at + 1 == names.len();
            match seen {
                Some(seen) if last || is_directory(&seen.stat) => above = Some(seen),
                Some(_) => return Ok((None, Then::Stop)),
                None => return Ok((None, overall)),
            }
        }
        Ok((above, overall))
    }

    /// What the directory has under this name, the component `at` of the route; a redirect there changes the route.
    fn look(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &RootPath,
        name: &Name,
        at: usize,
    ) -> Result<(Option<Seen>, Then)> {
        let node = Node::find_at(directory, name)?;
        let Some(markers) = self.view.markers else {
            let seen = node.map(|node| {
                let status = node.status()?;
                seen(node, &status, path, name, false)
            });
            return Ok((seen.transpose()?, Then::Below));
        };
        let hidden = markers.is_hidden_by_file(directory, name)?;
        let mut then = if hidden { Then::Stop } else { Then::Below };
        let Some(node) = node else {
            return Ok((None, then));
        };
        let status = node.status()?;
        let stat = status.stat;
        if markers.is_whiteout(&node, &stat)? {
            return Ok((None, Then::Stop));
        }
        let mut metacopy = false;
        match file_type(&stat) {
            SFlag::S_IFDIR if markers.is_opaque(&node)? => then = Then::Stop,
            SFlag::S_IFDIR => {}
            SFlag::S_IFREG if markers.is_metacopy(&node)? => metacopy = true,
            _ => then = Then::Stop,
        }
        if then == Then::Below
            && let Some(redirect) = markers.redirect(&node)?
        {
            self.route = redirected(&self.route, at, &redirect)?;
        }
        Ok((Some(seen(node, &status, path, name, metacopy)?), then))
    }

    /// Adds what a layer has to what those above have.
    fn take(&mut self, number: usize, layer: &Layer, seen: Seen) -> Result<Then> {
        let directory = is_directory(&seen.stat);
        let place = LayerDirectory {
            layer: number,
            identity: Identity::from(&seen.stat),
            path: seen.path,
        };
        let Some(found) = &mut self.found else {
            self.found = Some(Object {
                mounted: seen.mount != layer.mount,
                node: seen.node,
                stat: seen.stat,
                layer: number,
                stack: Stack(if directory { vec![place] } else { Vec::new() }),
                data: if seen.metacopy { Data::Lost } else { Data::Own },
            });
            return Ok(Then::Below);
        };
        if is_directory(&found.stat) {
            if !directory {
                return Ok(Then::Stop);
            }
            found.stack.0.push(place);
            return Ok(Then::Below);
        }
        // The one above is a file whose data is further down.
        if file_type(&seen.stat) != SFlag::S_IFREG {
            return Ok(Then::Stop);
        }
        if !seen.metacopy {
            found.data = Data::Below(seen.node);
            return Ok(Then::Stop);
        }
        Ok(Then::Below)
    }
}

fn seen(node: Node, status: &Status, path: &RootPath, name: &Name, metacopy: bool) -> Result<Seen> {
    Ok(Seen {
        node,
        stat: status.stat,
        mount: status.mount,
        path: path.join(name)?,
        metacopy,
    })
}
