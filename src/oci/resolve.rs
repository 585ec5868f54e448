//! From a name to the image that it means.

#![forbid(unsafe_code)]

use super::document::{Annotations, media, parse};
use super::{
    BlobStore, Config, Descriptor, Index, MAX_DEPTH, Manifest, Platform, REF_NAME, Reference,
    Refusal,
};
use crate::archive::Sha256Digest;
use crate::error::{Result, quote};

/// How many names a message shows.
const SHOWN: usize = 10;

/// An image that was found.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// Its name in the layout, if it has one.
    pub(crate) name: Option<String>,
    /// The descriptor of its manifest, or of containerd's index.
    pub(crate) descriptor: Descriptor,
    pub(crate) content: Composition,
}

/// What an image consists of.
#[derive(Clone, Debug)]
pub(crate) enum Composition {
    /// A manifest with its config, and the digests of the layers' contents.
    Image(Box<Manifest>, Box<Config>, Vec<Sha256Digest>),
    /// The parts that containerd's `ctr checkpoint` has put into an index.
    Parts(Vec<Descriptor>, Annotations),
}

/// The images of a layout, as its index lists them.
pub(crate) fn candidates(store: &BlobStore) -> Result<Vec<Descriptor>> {
    let index = store.index_document()?;
    Ok(index.manifests.unwrap_or_default())
}

/// Finds an image; of an index in the layout the one that is for `platform`.
pub(crate) fn resolve(
    store: &BlobStore,
    reference: &Reference,
    platform: &Platform,
) -> Result<Resolved> {
    let all = candidates(store)?;
    let chosen = choose(&all, reference)?.clone();
    let name = chosen.annotation(REF_NAME).map(str::to_owned);
    let mut descriptor = chosen;
    for _ in 0..=MAX_DEPTH {
        if descriptor.is_manifest() {
            let content = manifest(store, &descriptor)?;
            return Ok(Resolved {
                name,
                descriptor,
                content,
            });
        }
        if !descriptor.is_index() {
            let what = format!("the manifest {}", quote(descriptor.digest.as_bytes()));
            let media_type = quote(descriptor.media_type.as_bytes());
            return Err(Refusal::MediaType(what, media_type).into());
        }
        let index: Index = parse("index", &store.document("index", &descriptor)?)?;
        let parts = index.manifests.unwrap_or_default();
        if parts
            .iter()
            .any(|part| part.media_type.starts_with(media::CTR))
        {
            let content = Composition::Parts(parts, index.annotations.unwrap_or_default());
            return Ok(Resolved {
                name,
                descriptor,
                content,
            });
        }
        descriptor = for_platform(&parts, platform)?.clone();
    }
    Err(Refusal::Depth.into())
}

fn manifest(store: &BlobStore, descriptor: &Descriptor) -> Result<Composition> {
    let bytes = store.document("manifest", descriptor)?;
    let manifest: Manifest = parse("manifest", &bytes)?;
    let layers = manifest.layers()?.len();
    let config = parse_config(store, &manifest)?;
    let diff_ids = config.diff_ids()?;
    if diff_ids.len() != layers {
        return Err(Refusal::LayerCount(diff_ids.len(), layers).into());
    }
    Ok(Composition::Image(
        Box::new(manifest),
        Box::new(config),
        diff_ids,
    ))
}

fn parse_config(store: &BlobStore, manifest: &Manifest) -> Result<Config> {
    let bytes = store.document("config", &manifest.config)?;
    Ok(parse("config", &bytes)?)
}

fn choose<'d>(all: &'d [Descriptor], reference: &Reference) -> Result<&'d Descriptor, Refusal> {
    let missing = || Refusal::NoImage(reference.to_string(), names(all));
    match reference {
        Reference::Only => match all {
            [one] => Ok(one),
            _ => Err(Refusal::Ambiguous(all.len(), names(all))),
        },
        Reference::Name(name) => {
            let mut named = all.iter();
            named
                .find(|one| one.annotation(REF_NAME) == Some(name))
                .ok_or_else(missing)
        }
        Reference::Digest(digest) => {
            let mut of_digest = all.iter();
            of_digest
                .find(|one| one.sha256().is_ok_and(|its| its == *digest))
                .ok_or_else(missing)
        }
    }
}

fn for_platform<'d>(all: &'d [Descriptor], platform: &Platform) -> Result<&'d Descriptor, Refusal> {
    let fits = |one: &&Descriptor| {
        let is_image = one.is_manifest() || one.is_index();
        is_image && one.platform.as_ref().is_none_or(|its| platform.fits(its))
    };
    let mut images = all.iter();
    images.find(fits).ok_or_else(|| {
        let shown = all.iter().filter_map(|one| one.platform.as_ref());
        let shown: Vec<String> = shown
            .take(SHOWN)
            .map(|one| quote(one.to_string().as_bytes()))
            .collect();
        Refusal::Platform(platform.to_string(), listed(&shown))
    })
}

/// Some of the names of images, for a message.
fn names(all: &[Descriptor]) -> String {
    let names = all.iter().take(SHOWN).map(|one| {
        let name = one.annotation(REF_NAME).unwrap_or(&one.digest);
        quote(name.as_bytes())
    });
    let mut names: Vec<String> = names.collect();
    if all.len() > SHOWN {
        names.push("…".to_owned());
    }
    listed(&names)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
