//! `crutils image`, and how images are named.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crutils::Place;
use crutils::checkpoint::inspect::RawText;
use crutils::checkpoint::{
    Export, ExportOptions, Image as Opened, ImageForm, ImageOptions, ListedImage, WrittenImage,
    image_from_archive, images,
};
use crutils::watch::Watch;
use serde::Serialize;

use crate::export::{Parts, add_all};
use crate::failure::{Failure, warn};
use crate::image_args::{Build, Image, Inspect};
use crate::import::absolute;
use crate::list::spooling;
use crate::output::Output;
use crate::text::{count, size};

/// An image as a person names it.
pub(crate) struct Named {
    pub(crate) form: ImageForm,
    pub(crate) path: PathBuf,
    pub(crate) reference: Option<String>,
}

impl Named {
    /// What begins with `oci:` or `oci-archive:`; none for anything else.
    pub(crate) fn of(text: impl AsRef<OsStr>) -> Result<Option<Self>, Failure> {
        let bytes = text.as_ref().as_bytes();
        if let Some(rest) = bytes.strip_prefix(b"oci-archive:") {
            return Self::split(ImageForm::Archive, rest).map(Some);
        }
        let rest = bytes.strip_prefix(b"oci:");
        rest.map(|rest| Self::split(ImageForm::Layout, rest))
            .transpose()
    }

    /// The same, where an image is meant in any case: without a prefix it is a layout.
    fn image(text: &OsStr) -> Result<Self, Failure> {
        match Self::of(text)? {
            Some(named) => Ok(named),
            None => Self::split(ImageForm::Layout, text.as_bytes()),
        }
    }

    /// Splits a path from a name at the first colon, as skopeo does.
    fn split(form: ImageForm, text: &[u8]) -> Result<Self, Failure> {
        let (path, reference) = match text.iter().position(|byte| *byte == b':') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let reference = match reference.map(str::from_utf8) {
            Some(Err(_)) => return Err(Failure::Usage("the image's name isn't UTF-8".to_owned())),
            Some(Ok("")) => return Err(Failure::Usage("the image's name is empty".to_owned())),
            Some(Ok(name)) => Some(name.to_owned()),
            None => None,
        };
        if path.is_empty() {
            return Err(Failure::Usage("the image has no path".to_owned()));
        }
        Ok(Self {
            form,
            path: PathBuf::from(OsStr::from_bytes(path)),
            reference,
        })
    }

    fn is_standard(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

pub(crate) fn run(
    command: &Image,
    output: &mut Output,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    match command {
        Image::Build(options) => build(options, output, watch),
        Image::Inspect(options) => inspect(options, output, watch),
    }
}

fn build(options: &Build, output: &mut Output, watch: &Watch) -> Result<ExitCode, Failure> {
    let named = Named::image(&options.output)?;
    let wanted = image_options(options, &named)?;
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let path = match named.form {
        ImageForm::Layout => absolute(&named.path)?,
        _ => named.path.clone(),
    };
    let piped = named.form == ImageForm::Archive && named.is_standard();
    let image = if piped {
        Place::from(stdout.as_fd())
    } else {
        Place::from(&path)
    };
    let checkpoint = &options.checkpoint;
    let adds = options.rootfs.is_some() || options.shm.is_some() || !options.volumes.is_empty();
    if adds && !checkpoint.is_dir() {
        return Err(Failure::Usage(
            "--rootfs, --volume and --shm belong to a bundle, and this is an archive".to_owned(),
        ));
    }
    let written = if checkpoint.as_os_str() == "-" {
        image_from_archive(stdin.as_fd(), image, &wanted, watch)?
    } else if checkpoint.is_dir() {
        let mut export = Export::new();
        let parts = Parts {
            bundle: checkpoint,
            engine: options.engine,
            rootfs: options.rootfs.as_deref(),
            overlay: &options.overlay,
            volumes: &options.volumes,
            shm: options.shm.as_deref(),
        };
        add_all(&parts, &mut export, watch)?;
        export.write_image(image, &wanted, &ExportOptions::new(), watch)?
    } else {
        image_from_archive(checkpoint, image, &wanted, watch)?
    };
    tell(options, &written, piped, output)?;
    Ok(ExitCode::SUCCESS)
}

fn image_options(options: &Build, named: &Named) -> Result<ImageOptions, Failure> {
    let mut wanted = ImageOptions::new();
    wanted
        .form(named.form)
        .compression(options.compress.map(|how| how.kind))
        .level(options.compress.and_then(|how| how.level))
        .parent_links(options.parent_links)
        .sync(options.sync);
    wanted.name(named.reference.as_deref())?;
    wanted.architecture(options.arch.as_deref())?;
    wanted.created(options.created.as_deref())?;
    for (key, value) in &options.annotations {
        wanted.annotation(key, value)?;
    }
    Ok(wanted)
}

/// Says what was made. Standard output may be the image.
fn tell(
    options: &Build,
    written: &WrittenImage,
    piped: bool,
    output: &mut Output,
) -> io::Result<()> {
    let missing = written.missing.iter();
    let missing: Vec<_> = missing
        .map(|name| RawText::from(name.as_bytes()).to_string())
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        warn(&format!("not in the bundle, and left out: {missing}"));
    }
    let name = RawText::from(options.output.to_string_lossy().as_ref());
    let line = format!("sha256:{}  {name}", written.image.digest);
    if piped {
        writeln!(io::stderr(), "{line}")
    } else {
        output.line(line)
    }
}

/// An image, for JSON.
#[derive(Serialize)]
struct Told<'i> {
    digest: String,
    name: Option<RawText>,
    config: Option<String>,
    architecture: RawText,
    variant: Option<RawText>,
    os: RawText,
    created: Option<RawText>,
    recognised_by: Vec<&'static str>,
    annotations: BTreeMap<&'i str, &'i str>,
    layers: Vec<ToldLayer>,
}

#[derive(Serialize)]
struct ToldLayer {
    media_type: RawText,
    digest: String,
    size: u64,
    diff_id: Option<String>,
}

/// One of several images, for JSON.
#[derive(Serialize)]
struct ToldName {
    digest: RawText,
    name: Option<RawText>,
    media_type: RawText,
    size: u64,
}

impl ToldName {
    fn of(image: &ListedImage) -> Self {
        Self {
            digest: RawText::from(image.digest.as_str()),
            name: image.name.as_deref().map(RawText::from),
            media_type: RawText::from(image.media_type.as_str()),
            size: image.size,
        }
    }
}

/// The annotations by which engines recognise a checkpoint.
const RECOGNISERS: [(&str, &str); 3] = [
    ("podman", "io.podman.annotations.checkpoint.runtime.name"),
    ("CRI-O", "io.kubernetes.cri-o.annotations.checkpoint.name"),
    ("containerd", "org.criu.checkpoint.container.name"),
];

fn inspect(options: &Inspect, output: &mut Output, watch: &Watch) -> Result<ExitCode, Failure> {
    let named = if options.image == "-" {
        Named::split(ImageForm::Archive, b"-")?
    } else {
        Named::image(&options.image)?
    };
    let wanted = spooling(options.spool.as_deref())?;
    let stdin = io::stdin();
    let place = if named.is_standard() {
        Place::from(stdin.as_fd())
    } else {
        Place::from(&named.path)
    };
    if options.list {
        return list(&images(place, &wanted, watch)?, options.json, output);
    }
    let image = Opened::open(place, named.reference.as_deref(), &wanted, watch)?;
    if options.json {
        output.line(serde_json::to_string(&told(&image))?)?;
    } else {
        show(&image, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists images.
fn list(images: &[ListedImage], json: bool, output: &mut Output) -> Result<ExitCode, Failure> {
    if json {
        let told: Vec<_> = images.iter().map(ToldName::of).collect();
        output.line(serde_json::to_string(&told)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for image in images {
        let name = image.name.as_deref().unwrap_or_default();
        let digest = RawText::from(image.digest.as_str());
        output.line(format_args!("{digest}  {}", RawText::from(name)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn recognised_by(image: &Opened) -> Vec<&'static str> {
    let known = RECOGNISERS.iter();
    known
        .filter(|(_, key)| image.annotations.contains_key(*key))
        .map(|(engine, _)| *engine)
        .collect()
}

fn told(image: &Opened) -> Told<'_> {
    let annotations = image.annotations.iter();
    let layers = image.layers.iter();
    Told {
        digest: format!("sha256:{}", image.digest),
        name: image.name.as_deref().map(RawText::from),
        config: image.config.map(|digest| format!("sha256:{digest}")),
        architecture: RawText::from(image.architecture.as_str()),
        variant: image.variant.as_deref().map(RawText::from),
        os: RawText::from(image.os.as_str()),
        created: image.created.as_deref().map(RawText::from),
        recognised_by: recognised_by(image),
        annotations: annotations
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        layers: layers
            .map(|layer| ToldLayer {
                media_type: RawText::from(layer.media_type.as_str()),
                digest: format!("sha256:{}", layer.digest),
                size: layer.size,
                diff_id: layer.diff_id.map(|digest| format!("sha256:{digest}")),
            })
            .collect(),
    }
}

fn show(image: &Opened, output: &mut Output) -> io::Result<()> {
    let raw = |text: &str| RawText::from(text).to_string();
    output.line(format_args!("digest        sha256:{}", image.digest))?;
    if let Some(name) = &image.name {
        output.line(format_args!("name          {}", raw(name)))?;
    }
    let variant = image
        .variant
        .as_deref()
        .map(|variant| format!("/{variant}"));
    let platform = format!(
        "{}/{}{}",
        image.os,
        image.architecture,
        variant.unwrap_or_default()
    );
    output.line(format_args!("platform      {}", raw(&platform)))?;
    if let Some(created) = &image.created {
        output.line(format_args!("created       {}", raw(created)))?;
    }
    let engines = recognised_by(image);
    let engines = if engines.is_empty() {
        "no engine".to_owned()
    } else {
        engines.join(", ")
    };
    output.line(format_args!("checkpoint to {engines}"))?;
    let layers = count(image.layers.len(), "layer", "layers");
    let bytes = image.layers.iter().map(|layer| layer.size);
    let bytes = bytes.fold(0, u64::saturating_add);
    output.line(format_args!("size          {} in {layers}", size(bytes)))?;
    for layer in &image.layers {
        let kind = raw(&layer.media_type);
        output.line(format_args!(
            "  sha256:{}  {}  {kind}",
            layer.digest,
            size(layer.size)
        ))?;
    }
    for (key, value) in &image.annotations {
        output.line(format_args!("  {} = {}", raw(key), raw(value)))?;
    }
    Ok(())
}
