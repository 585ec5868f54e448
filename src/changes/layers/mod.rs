//! A stack of layers seen as one tree, as an overlay shows it.

#![forbid(unsafe_code)]

mod index;
mod markers;
mod origin;
mod route;
mod search;

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

pub(super) use index::indexed_files;
pub(super) use markers::Markers;
pub use markers::OverlayXattrs;
pub(super) use origin::Origin;

use crate::error::{self, Called as _, Context as _, Error, Kind, Result};
use crate::fs::{Identity, Name, Node, Root, RootPath, counts_all_names, sorted_names};
use crate::sys::mount_id;
use search::Search;

/// How many lower layers an overlay may have, as in the kernel. Each is a descriptor, and another for each directory that
/// is being looked in.
pub(super) const MAX_LAYERS: usize = 500;

/// One directory of a stack.
pub(super) struct Layer {
    root: Root,
    identity: Identity,
    mount: u64,
    /// Whether link counts there are those of all names.
    counts_all_names: bool,
}

impl Layer {
    pub(super) fn new(root: Root) -> Result<Self> {
        let identity = Identity::of(&root)?;
        let mount = mount_id(root.as_fd()).called(|| "statx")?;
        let counts_all_names = counts_all_names(&root)?;
        Ok(Self {
            root,
            identity,
            mount,
            counts_all_names,
        })
    }
}

/// A directory in its layer.
#[derive(Clone, Debug)]
pub(super) struct LayerDirectory {
    layer: usize,
    path: RootPath,
    identity: Identity,
}

/// The directories that make one, from the top layer down, at most one of each layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack(Vec<LayerDirectory>);

impl Stack {
    /// Whether both are made of the same directories.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }

    /// Whether this is the other with one directory above it, so that only the names there can differ.
    pub(super) fn is_on_top_of(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() + 1 && same(&self.0[1..], &other.0)
    }
}

fn same(a: &[LayerDirectory], b: &[LayerDirectory]) -> bool {
    let identities = |places: &[LayerDirectory]| -> Vec<Identity> {
        places.iter().map(|place| place.identity).collect()
    };
    a.len() == b.len() && identities(a) == identities(b)
}

/// A directory that is being looked in.
pub(super) struct Open {
    place: LayerDirectory,
    fd: Arc<OwnedFd>,
}

/// An object as a view shows it.
pub(super) struct Object {
    pub(super) node: Node,
    pub(super) stat: FileStat,
    /// Which layer it comes from.
    pub(super) layer: usize,
    /// Whether something is mounted there.
    pub(super) mounted: bool,
    /// What a directory is made of.
    pub(super) stack: Stack,
    data: Data,
}

/// Where a file's bytes are.
enum Data {
    Own,
    Below(Node),
    /// Said to be below, where they weren't found.
    Lost,
}

/// The object would come back without its data.
#[derive(Debug, thiserror::Error)]
#[error("its data should be in a lower layer, and is in none")]
struct DataLost;

impl error::Refusal for DataLost {
    fn kind(&self) -> Kind {
        Kind::Malformed
    }
}

impl Object {
    /// What to read a regular file's bytes from.
    pub(super) fn data(&self) -> Result<&Node> {
        match &self.data {
            Data::Own => Ok(&self.node),
            Data::Below(node) => Ok(node),
            Data::Lost => Err(DataLost.into()),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::from(&self.stat)
    }
}

/// Layers from a first one down, seen as one tree.
#[derive(Clone, Copy)]
pub(super) struct View<'l> {
    layers: &'l [Layer],
    first: usize,
    markers: Option<Markers>,
}

impl<'l> View<'l> {
    /// The layers from the `first`th down. Without markers every object is what it looks like.
    pub(super) fn new(layers: &'l [Layer], first: usize, markers: Option<Markers>) -> Self {
        Self {
            layers,
            first,
            markers,
        }
    }

    /// What the root is made of.
    pub(super) fn root(&self) -> Stack {
        let layers = self.layers.iter().enumerate().skip(self.first);
        Stack(
            layers
                .map(|(layer, on)| LayerDirectory {
                    layer,
                    path: RootPath::root(),
                    identity: on.identity,
                })
                .collect(),
        )
    }

    /// Opens what a directory is made of; what is gone meanwhile, or replaced, is left out. Those that are `known` to be
    /// open aren't opened twice.
    pub(super) fn open(&self, stack: &Stack, known: &[Open]) -> Result<Vec<Open>> {
        let mut open = Vec::with_capacity(stack.0.len());
        for place in &stack.0 {
            let known = known
                .iter()
                .find(|other| other.place.identity == place.identity);
            let fd = match known {
                Some(known) => Arc::clone(&known.fd),
                None => match self.open_one(place).at_entry(place.path.as_bytes())? {
                    Some(fd) => Arc::new(fd),
                    None => continue,
                },
            };
            open.push(Open {
                place: place.clone(),
                fd,
            });
        }
        Ok(open)
    }

    fn open_one(&self, place: &LayerDirectory) -> Result<Option<OwnedFd>> {
        let Some(layer) = self.layers.get(place.layer) else {
            return Ok(None);
        };
        match layer.root.directory(&place.path) {
            // A path through a link that somebody has put there meanwhile leads to another directory.
            Ok(fd) => Ok((Identity::of(&fd)? == place.identity).then_some(fd)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a directory, whether the view shows them or hides them; of the first directory alone if only that is
    /// of interest.
    pub(super) fn names(&self, open: &[Open], top_alone: bool) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        for directory in open.iter().take(if top_alone { 1 } else { usize::MAX }) {
            let found = sorted_names(&*directory.fd).at_entry(directory.place.path.as_bytes())?;
            names.extend(found.into_iter().filter_map(|name| self.object_name(name)));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The name of the object that a file of this name is, or is about.
    fn object_name(&self, name: Name) -> Option<Name> {
        match self.markers {
            Some(markers) => markers.subject(name),
            None => Some(name),
        }
    }

    /// The directory that all names are in, if the view has but one layer and no markers.
    pub(super) fn single<'o>(&self, open: &'o [Open]) -> Option<BorrowedFd<'o>> {
        match (self.markers, open) {
            (None, [only]) => Some(only.fd.as_fd()),
            _ => None,
        }
    }

    /// The object `name` in a directory, if the view shows one.
    pub(super) fn find(&self, open: &[Open], name: &Name) -> Result<Option<Object>> {
        Search::new(self, open, name).run()
    }

    /// Whether the object may have other names, as far as its file system can be believed.
    pub(super) fn may_have_several_names(&self, object: &Object) -> bool {
        let counted = self
            .layers
            .get(object.layer)
            .map(|layer| layer.counts_all_names);
        object.stat.st_nlink > 1 || counted == Some(false)
    }

    /// The lower file that the object stands for under all its names, as an upper file in the overlay's index does.
    pub(super) fn indexed_origin(&self, object: &Object) -> Result<Option<Origin>> {
        match self.markers {
            Some(markers) if object.layer == 0 => {
                let origin = markers.indexed_origin(&object.node)?;
                Ok(origin.and_then(|value| Origin::noted(&value)))
            }
            _ => Ok(None),
        }
    }

    /// Whether the layers are an overlay's.
    pub(super) fn is_overlay(&self) -> bool {
        self.markers.is_some()
    }
}

/// Whether the error says that there is no such directory any more, or (where openat2 can't be used) that it was moved
/// while its path was gone down.
fn is_gone(error: &Error) -> bool {
    error.kind() == Kind::Escape || error.is_absent() || error.is(Errno::ESTALE)
}

#[cfg(test)]
mod tests;
