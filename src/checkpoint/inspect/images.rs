//! The images of one directory, decoded.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::budget::ask_for;
use crate::criu::{
    Core, CpuInfo, Creds, Fdinfo, FileEntry, FsEntry, GhostFile, Image, ImageName, ImageType,
    Inventory, Items, KernelIds, MemfdInode, Mm, Mount, NetDevice, NetNs, PAGE_SIZE, Pagemap,
    PagemapEntry, PagemapHead, PidNs, PipeData, PstreeEntry, RemapPath, SkPacket, Stats, TcpStream,
    TtyInfo, UserNs, UtsNs, Vma, file_type,
};
use crate::error::{Called as _, Result};

/// How large descriptors.json may be: it has three short texts.
const MAX_DESCRIPTORS: u64 = 64 << 10;

/// A page map before the page size is known.
#[derive(Clone)]
pub(super) struct RawPagemap {
    pub(super) pages_id: u32,
    pub(super) entries: Vec<PagemapEntry>,
}

/// What the images of one directory say. Trees, since they grow in small pieces: a table asks for twice its memory at once.
#[derive(Default)]
pub(super) struct Images {
    pub(super) inventory: Option<Inventory>,
    pub(super) pstree: Option<Vec<PstreeEntry>>,
    pub(super) cores: BTreeMap<u32, Core>,
    pub(super) ids: BTreeMap<u32, KernelIds>,
    pub(super) mms: BTreeMap<u32, Mm>,
    pub(super) old_mappings: BTreeMap<u32, Vec<Vma>>,
    pub(super) old_creds: BTreeMap<u32, Creds>,
    pub(super) pagemaps: BTreeMap<u32, RawPagemap>,
    pub(super) shared_pagemaps: BTreeMap<u32, RawPagemap>,
    /// The sizes of the files of pages, by their numbers.
    pub(super) pages: BTreeMap<u32, u64>,
    pub(super) fdinfos: BTreeMap<u32, Vec<Fdinfo>>,
    /// By type and number.
    pub(super) files: BTreeMap<(u32, u32), FileEntry>,
    pub(super) fs: BTreeMap<u32, FsEntry>,
    pub(super) ttys: BTreeMap<u32, TtyInfo>,
    /// Unread bytes and capacity of pipes.
    pub(super) pipe_data: BTreeMap<u32, (u64, Option<u32>)>,
    /// Unread bytes of sockets.
    pub(super) socket_data: BTreeMap<u32, u64>,
    /// Received and unsent bytes, by the sockets' inodes.
    pub(super) tcp: BTreeMap<u32, (u64, u64)>,
    pub(super) mounts: BTreeMap<u32, Vec<Mount>>,
    pub(super) uts: BTreeMap<u32, UtsNs>,
    pub(super) users: BTreeMap<u32, UserNs>,
    pub(super) pid_ns: BTreeMap<u32, PidNs>,
    pub(super) net_ns: BTreeMap<u32, NetNs>,
    pub(super) devices: BTreeMap<u32, Vec<NetDevice>>,
    pub(super) remaps: Vec<RemapPath>,
    /// The files in `remaps`.
    remapped: BTreeSet<u32>,
    /// Deleted files and the bytes of their content that are stored.
    pub(super) ghosts: BTreeMap<u32, (GhostFile, u64)>,
    pub(super) memfds: BTreeMap<u64, MemfdInode>,
    pub(super) cpu: Option<CpuInfo>,
    pub(super) descriptors: Option<Vec<String>>,
    pub(super) is_encrypted: bool,
    /// Where `parent` leads, if it is there.
    pub(super) parent: Option<Vec<u8>>,
}

impl Images {
    /// Takes in the file `name`, of `size` bytes.
    ///
    /// # Errors
    ///
    /// EBADMSG for an image that is malformed, E2BIG for one that is too large.
    pub(super) fn take(
        &mut self,
        name: &[u8],
        size: u64,
        reader: impl Read,
        items: &mut Items,
    ) -> Result<()> {
        match ImageName::of(name) {
            // Nothing of them can be read.
            ImageName::Messages(..) if self.is_encrypted => Ok(()),
            ImageName::Messages(of, id) => {
                let image = Image::open(reader, size, of)?;
                self.messages(of, id, image, items)
            }
            ImageName::SharedPagemap(id) => {
                let image = Image::open(reader, size, ImageType::Pagemap)?;
                self.shared_pagemaps.insert(id, pagemap(image, items)?);
                Ok(())
            }
            ImageName::Pages(id) => {
                self.pages.insert(id, size);
                Ok(())
            }
            ImageName::Descriptors => {
                let mut bytes = Vec::new();
                reader
                    .take(MAX_DESCRIPTORS)
                    .read_to_end(&mut bytes)
                    .called(|| "read")?;
                // A hint for runtimes, which all do without.
                self.descriptors = serde_json::from_slice(&bytes).ok();
                Ok(())
            }
            ImageName::Cipher => {
                self.is_encrypted = true;
                Ok(())
            }
            ImageName::Parent | ImageName::Other => Ok(()),
        }
    }

    fn messages<R: Read>(
        &mut self,
        of: ImageType,
        id: u32,
        mut image: Image<R>,
        items: &mut Items,
    ) -> Result<()> {
        match of {
            ImageType::Inventory => self.inventory = Some(image.only(items)?),
            ImageType::Pstree => self.pstree = Some(image.all(items)?),
            ImageType::Core => drop(self.cores.insert(id, image.only(items)?)),
            ImageType::Ids => drop(self.ids.insert(id, image.only(items)?)),
            ImageType::Mm => drop(self.mms.insert(id, image.only(items)?)),
            ImageType::Vmas => drop(self.old_mappings.insert(id, image.all(items)?)),
            ImageType::Creds => drop(self.old_creds.insert(id, image.only(items)?)),
            ImageType::Pagemap => drop(self.pagemaps.insert(id, pagemap(image, items)?)),
            ImageType::Fdinfo => drop(self.fdinfos.insert(id, image.all(items)?)),
            ImageType::Fs => drop(self.fs.insert(id, image.only(items)?)),
            ImageType::Mounts => drop(self.mounts.insert(id, image.all(items)?)),
            ImageType::UtsNs => drop(self.uts.insert(id, image.only(items)?)),
            ImageType::UserNs => drop(self.users.insert(id, image.only(items)?)),
            ImageType::PidNs => drop(self.pid_ns.insert(id, image.only(items)?)),
            ImageType::NetNs => drop(self.net_ns.insert(id, image.only(items)?)),
            ImageType::NetDevices => drop(self.devices.insert(id, image.all(items)?)),
            ImageType::RemapPaths => {
                self.remaps = image.all(items)?;
                let files = self.remaps.iter().map(|remap| remap.file_id);
                self.remapped.extend(files);
            }
            ImageType::CpuInfo => self.cpu = Some(image.only(items)?),
            // These lie beside the images, and the store takes them.
            ImageType::StatsDump | ImageType::StatsRestore => {}
            _ => self.tables(of, id, image, items)?,
        }
        Ok(())
    }

    /// Takes in images whose messages have numbers of their own, or data behind them.
    fn tables<R: Read>(
        &mut self,
        of: ImageType,
        id: u32,
        mut image: Image<R>,
        items: &mut Items,
    ) -> Result<()> {
        match of {
            ImageType::Files => {
                while let Some(file) = image.next::<FileEntry>(items)? {
                    self.files.insert((file.file_type, file.id), file);
                }
            }
            ImageType::FilesOf(of) => self.old_files(of, image, items)?,
            ImageType::TtyInfo => {
                while let Some(tty) = image.next::<TtyInfo>(items)? {
                    self.ttys.insert(tty.id, tty);
                }
            }
            ImageType::PipeData | ImageType::FifoData => {
                while let Some(data) = image.next::<PipeData>(items)? {
                    image.skip(data.bytes.into())?;
                    let data = (data.pipe_id, (data.bytes.into(), data.capacity));
                    self.pipe_data.extend([data]);
                }
            }
            ImageType::SocketQueues => {
                while let Some(packet) = image.next::<SkPacket>(items)? {
                    image.skip(packet.length.into())?;
                    let queued = self.socket_data.entry(packet.id_for).or_default();
                    *queued = queued.saturating_add(packet.length.into());
                }
            }
            ImageType::TcpStream => {
                let stream: TcpStream = image.only(items)?;
                let queues = (u64::from(stream.received), u64::from(stream.sent));
                image.skip(queues.0 + queues.1)?;
                self.tcp.insert(id, queues);
            }
            ImageType::GhostFile => {
                let ghost = image.only(items)?;
                self.ghosts.insert(id, (ghost, image.left()));
            }
            ImageType::Memfd => {
                while let Some(memfd) = image.next::<MemfdInode>(items)? {
                    self.memfds.insert(memfd.id, memfd);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes in an image with the open files of one type, as CRIU wrote them before 3.3.
    fn old_files<R: Read>(
        &mut self,
        of: u32,
        mut image: Image<R>,
        items: &mut Items,
    ) -> Result<()> {
        macro_rules! each {
            ($field:ident) => {
                while let Some(file) = image.next(items)? {
                    let mut entry = FileEntry {
                        file_type: of,
                        ..FileEntry::default()
                    };
                    let file = entry.$field.insert(Box::new(file));
                    entry.id = file.id;
                    self.files.insert((of, entry.id), entry);
                }
            };
        }
        match of {
            file_type::REGULAR => each!(regular),
            file_type::EXTERNAL => each!(external),
            file_type::NAMESPACE => each!(namespace),
            file_type::PIPE => each!(pipe),
            file_type::FIFO => each!(fifo),
            file_type::UNIX => each!(unix),
            file_type::INET => each!(inet),
            file_type::EVENTFD => each!(eventfd),
            file_type::EPOLL => each!(epoll),
            file_type::SIGNALFD => each!(signalfd),
            file_type::TIMERFD => each!(timerfd),
            file_type::TTY => each!(tty),
            _ => {}
        }
        Ok(())
    }

    /// The size of a page. It isn't recorded: most architectures have one; of the others, files of pages that aren't
    /// compressed are as many pages long as their page maps have.
    pub(super) fn page_size(&self) -> u64 {
        const AARCH64: u32 = 3;
        const PPC64: u32 = 4;
        const LOONGARCH64: u32 = 12;
        const MAPS_PRESENT: u32 = 4;
        let machine = self.cores.values().next().map(|core| core.machine);
        if !matches!(machine, Some(AARCH64 | PPC64 | LOONGARCH64)) {
            return PAGE_SIZE;
        }
        let maps = self.pagemaps.values().chain(self.shared_pagemaps.values());
        let sizes = maps.filter_map(|map| {
            let size = *self.pages.get(&map.pages_id)?;
            let is_raw = |entry: &PagemapEntry| entry.compressed_sizes.is_empty();
            let pages = map.entries.iter().try_fold(0_u64, |sum, entry| {
                let pages = entry.pages.unwrap_or(entry.compat_pages.into());
                let is_here = match (entry.flags, entry.in_parent) {
                    (Some(flags), _) => flags & MAPS_PRESENT != 0,
                    (None, in_parent) => in_parent != Some(true),
                };
                sum.checked_add(if is_here { pages } else { 0 })
            })?;
            (map.entries.iter().all(is_raw) && pages > 0).then(|| size / pages)
        });
        let mut plausible = sizes.filter(|size| matches!(size, 4096 | 16384 | 65536));
        plausible.next().unwrap_or(PAGE_SIZE)
    }
}

impl RawPagemap {
    pub(super) fn build(&self, page: u64) -> Result<Pagemap> {
        // The copy, but for the sizes of compressed pages, is taken at once.
        ask_for(size_of_val(self.entries.as_slice()))?;
        Ok(Pagemap::new(self.pages_id, self.entries.clone(), page)?)
    }
}

fn pagemap<R: Read>(mut image: Image<R>, items: &mut Items) -> Result<RawPagemap> {
    let head: PagemapHead = image.only(items)?;
    Ok(RawPagemap {
        pages_id: head.pages_id,
        entries: image.all(items)?,
    })
}

/// Reads statistics.
pub(super) fn stats(reader: impl Read, size: u64, items: &mut Items) -> Result<Stats> {
    Image::open(reader, size, ImageType::StatsDump)?.only(items)
}

impl Images {
    /// Whether the name of the file in files.img is gone, or leads elsewhere.
    pub(super) fn is_remapped(&self, file: u32) -> bool {
        self.remapped.contains(&file)
    }
}
