package crutils

import (
	"math"
	"time"
)

// Engine is a container engine. Later versions of the library may have more.
type Engine uint32

// The engines.
const (
	// EngineUnknown is the answer where nothing tells the engine.
	EngineUnknown Engine = 0
	// EnginePodman is podman.
	EnginePodman Engine = 1
	// EngineCRIO is CRI-O.
	EngineCRIO Engine = 2
	// EngineContainerd is containerd.
	EngineContainerd Engine = 3
)

// String returns the name of the engine, such as "cri-o".
func (e Engine) String() string {
	if e == EngineUnknown {
		return "unknown"
	}
	return named(engineName(uint32(e)), "engine", uint32(e))
}

// Feature is something that the library can do, or can't do in some builds and on some systems.
type Feature uint32

// The features.
const (
	// FeatureSELinux means that SELinux labels are written. Without it, CreateFileWithLabel fails for a label where
	// SELinux is enabled.
	FeatureSELinux Feature = 1
	// FeatureOpenat2 means that paths are resolved by openat2. Without it, where the kernel lacks it or refuses it, they
	// are resolved by other calls.
	FeatureOpenat2 Feature = 2
	// FeatureZstdThreads means that zstd archives can be written, which takes threads.
	FeatureZstdThreads Feature = 3
)

// MemberKind is what type of object a member of an archive is. Later versions of the library may have more.
type MemberKind uint32

// The types of members.
const (
	// MemberRegular is a regular file.
	MemberRegular MemberKind = 1
	// MemberDirectory is a directory.
	MemberDirectory MemberKind = 2
	// MemberSymlink is a symbolic link.
	MemberSymlink MemberKind = 3
	// MemberHardLink is a further name of an earlier member.
	MemberHardLink MemberKind = 4
	// MemberCharDevice is a character device.
	MemberCharDevice MemberKind = 5
	// MemberBlockDevice is a block device.
	MemberBlockDevice MemberKind = 6
	// MemberFifo is a named pipe.
	MemberFifo MemberKind = 7
)

var memberKindNames = [...]string{"", "regular file", "directory", "symbolic link", "hard link", "character device", "block device", "fifo"}

// String returns the name of the type, such as "regular file".
func (k MemberKind) String() string {
	if int64(k) < int64(len(memberKindNames)) {
		return named(memberKindNames[k], "member kind", uint32(k))
	}
	return named("", "member kind", uint32(k))
}

// Class is what a member of an archive is for. Later versions of the library may have more.
type Class uint32

// The classes.
const (
	// ClassOther is none of the other classes.
	ClassOther Class = 1
	// ClassConfiguration is a document about the container: config.dump, spec.dump, network.status and their like.
	ClassConfiguration Class = 2
	// ClassMemoryPages is memory of processes.
	ClassMemoryPages Class = 3
	// ClassGPUPages is memory of graphics cards.
	ClassGPUPages Class = 4
	// ClassCRIUImage is another file that CRIU writes.
	ClassCRIUImage Class = 5
	// ClassRootFsDiff is the changes of the root file system: rootfs-diff.tar and deleted.files.
	ClassRootFsDiff Class = 6
	// ClassVolume is a named volume.
	ClassVolume Class = 7
	// ClassShm is the container's own /dev/shm.
	ClassShm Class = 8
	// ClassLog is a log.
	ClassLog Class = 9
)

// String returns the name of the class, such as "memory pages".
func (c Class) String() string {
	return named(className(uint32(c)), "class", uint32(c))
}

// Member is a member of an archive.
type Member struct {
	// Name is the name as it stands in the archive: any bytes, not cleaned.
	Name string
	// Kind is the type of the object.
	Kind MemberKind
	// Class is what the member is for.
	Class Class
	// Size is the size of a regular file in bytes, holes included; otherwise 0.
	Size uint64
	// Stored is how many bytes of data the archive holds for the member.
	Stored uint64
	// Offset is where its first header begins in the tar stream, in bytes.
	Offset uint64
}

// Imported is what an extraction has done.
type Imported struct {
	// Members is how many members of the archive were read.
	Members uint64
	// Bytes is how many bytes of the archive were read, as they are stored.
	Bytes uint64
	// Digest is the archive's SHA-256 as 64 hexadecimal digits; "" if the options neither asked for it nor expected one.
	Digest string
	// AppliedRootFsDiff is whether a rootfs diff was applied.
	AppliedRootFsDiff bool
}

// IDRange is a range of consecutive ids: Container, Container + 1, ... are Host, Host + 1, ... outside.
type IDRange struct {
	// Container is the first id in the container.
	Container uint32
	// Host is the first id outside, as the calling process sees it.
	Host uint32
	// Size is how many ids there are.
	Size uint32
}

// Limits is what an archive may cost. 0 is the default of each. When a limit is exceeded, the import fails with
// [syscall.E2BIG], the message names the limit, and nothing is touched for the member that exceeds it.
type Limits struct {
	// Members is the largest number of members that the archive may have, those of nested archives included. There is
	// no limit by default.
	Members uint64
	// TotalBytes is the largest number of bytes that may be written for all members together, holes left out. There is
	// no limit by default.
	TotalBytes uint64
	// MemberBytes is the largest size of one file in bytes, holes included. There is no limit by default.
	MemberBytes uint64
	// PathBytes is the longest path in bytes: 4095 by default.
	PathBytes uint64
	// Depth is the largest number of components of a path: 2048 by default.
	Depth uint64
	// XattrBytes is the largest number of bytes that the names and values of a member's extended attributes may have
	// together: 1 MiB by default.
	XattrBytes uint64
	// Ratio is the largest number of bytes that may come of one byte of a compressed archive, once they are more than
	// 1 MiB. There is no limit by default.
	Ratio uint64
}

// ImportOptions is what an import heeds. The zero value of a field is its default.
type ImportOptions struct {
	// Digest has the archive's SHA-256 computed while it is extracted. All bytes go through memory then.
	Digest bool
	// Configuration makes Import.ToBundle extract config.dump and spec.dump too. Otherwise they are left out, since an
	// engine writes its own.
	Configuration bool
	// KeepFailed keeps a bundle that a failed import has made. Otherwise it is removed. A bundle that existed before
	// stays in either case, with what was extracted.
	KeepFailed bool
	// StrictNames makes an import fail with EXDEV for a name that is absolute or has a component "..", and for such a
	// source of a hard link. Otherwise names are taken as below the directory that is extracted into.
	StrictNames bool
	// EndMarker makes an import of an archive without an end marker fail with EBADMSG. Otherwise an archive that is cut
	// off right after a member counts as complete, as for tar.
	EndMarker bool
	// RootAttributes makes "./" in a rootfs diff, a volume or /dev/shm set the owner, mode, times and extended
	// attributes of the directory that is extracted into. Otherwise that directory keeps its own.
	RootAttributes bool
	// OCIWhiteouts makes names in a rootfs diff that begin with ".wh." whiteouts, as in the layers of OCI images.
	// containerd writes such diffs. Otherwise they are names of files.
	OCIWhiteouts bool
	// IgnoreOwnership makes everything belong to the caller. Setuid and setgid bits and file capabilities are not set
	// then.
	IgnoreOwnership bool
	// NoDevices refuses device nodes everywhere with EPERM. Otherwise they are refused in a bundle alone.
	NoDevices bool
	// KnownNames refuses, with EPERM, names at the top of the archive that no engine writes. Otherwise any name may be
	// there.
	KnownNames bool
	// Sync syncs the file systems that the import wrote to before Extract returns.
	Sync bool
	// Xattrs is what becomes of an extended attribute that can't be set; XattrsSkipUnsupported by default.
	Xattrs Xattrs
	// OverlayXattrs lets a rootfs diff set the extended attributes in which overlays keep their state. Otherwise they are
	// left out with a warning. In volumes and /dev/shm they are data, and are always set.
	OverlayXattrs bool
	// CrossMounts lets members go into what is mounted below the directories that are extracted into. Otherwise that is
	// EXDEV.
	CrossMounts bool
	// RequireComplete refuses, with ENODATA, a bundle in which a restore would miss something. Otherwise that is a
	// warning.
	RequireComplete bool
	// UsableModes gives files and directories modes that their owner can work with, as chmod u+rwX.
	UsableModes bool
	// Limits is what the archive may cost.
	Limits Limits
	// ExpectedDigest is the SHA-256 that the archive must have, as 64 hexadecimal digits; another digest fails the
	// import with EBADMSG. A regular file is read for it once before anything else is done. In a stream a difference is
	// found at the end.
	ExpectedDigest string
	// SpoolDirectory is the directory for what precedes the configuration in a stream and has to be kept, if it doesn't
	// fit into 32 MiB of memory: an unnamed file there holds it. Without a directory that is E2BIG.
	SpoolDirectory Place
	// Kinds is the types that members may have; other members are refused with EPERM. nil allows all types, except what
	// a bundle never holds.
	Kinds []MemberKind
	// Names is the names that may be at the top of the archive, with everything below them; other members are refused
	// with EPERM. nil allows any name.
	Names []string
	// UIDs and GIDs are what the ids in a rootfs diff, in volumes and in /dev/shm become on the host: owners, the ids in
	// ACLs, and the root id in file capabilities. An id that isn't in the map fails the import with EOVERFLOW. Without
	// ranges, ids stay as they are.
	UIDs, GIDs []IDRange
	// Progress is told how far the work is; nil for nobody.
	Progress func(Progress)
	// Warning is told of what is left out and doesn't fail the work; nil for nobody.
	Warning func(Warning)
}

// Compression is how an archive is compressed.
type Compression uint32

// The compressions.
const (
	// CompressionNone is no compression.
	CompressionNone Compression = 1
	// CompressionGzip is gzip, at a level from 1 to 9; 6 by default.
	CompressionGzip Compression = 2
	// CompressionZstd is zstd, at a level from 1 to 19; 3 by default.
	CompressionZstd Compression = 3
)

// Presence is whether a member of an export has to exist.
type Presence uint32

// The presences.
const (
	// Required makes an export without the member fail.
	Required Presence = 1
	// Optional makes Exported.Missing list the member if it doesn't exist.
	Optional Presence = 2
)

// Xattrs is what becomes of an extended attribute that can't be set.
type Xattrs uint32

// The choices for extended attributes.
const (
	// XattrsSkipUnsupported leaves an attribute out with a warning if nobody can have it there: the file system or the
	// type of the object has none, or the kernel refuses it in a user namespace. Any other failure fails the import.
	XattrsSkipUnsupported Xattrs = 1
	// XattrsSkipAll leaves an attribute out with a warning for any reason.
	XattrsSkipAll Xattrs = 2
	// XattrsFail fails the import for an attribute that can't be set.
	XattrsFail Xattrs = 3
)

// Dump is a dump of a chain: the name of its directory in the bundle, and its archive.
type Dump struct {
	Name    string
	Archive Place
}

// MemberPath is a path below the directory of an archive's member.
type MemberPath struct {
	// Member is the member's name, such as "volumes/data.tar" or "checkpoint".
	Member string
	// Path is the path below the member's directory.
	Path string
}

// FrameSizeWhole is a frame size that puts all content into one frame.
const FrameSizeWhole = math.MaxUint64

// ExportOptions is how an export writes its archive. The zero value of a field is its default.
type ExportOptions struct {
	// Compression is how the archive is compressed: with zstd by default.
	Compression Compression
	// Level is the level of the compression; 0 for the compression's own.
	Level uint
	// Digest has the archive's SHA-256 computed while it is written.
	Digest bool
	// Sync has the archive and its name on the disk before Write returns. What is written to an open file or a stream is
	// never synced.
	Sync bool
	// Workers is how many threads compress; 0 for as many as the process may use cores.
	Workers uint
	// Time is the modification time of members that the export makes itself (bytes, and archives within the archive), in
	// whole seconds. By default it is the beginning of the epoch, 1970.
	Time time.Time
	// Live allows directories and root file systems to be written to while they are stored: what vanishes is left out,
	// and what changes is stored as it is now, each with a warning. Otherwise such a change fails the export with ESTALE.
	Live bool
	// OverlayXattrs stores the extended attributes in which overlays keep their state in a rootfs diff. Otherwise they
	// are left out with a warning. Directories that are archives within the archive have them in any case.
	OverlayXattrs bool
	// FrameSize is how many bytes of content a frame of zstd holds at most, from 64 KiB to 64 MiB; 0 for a usual size,
	// FrameSizeWhole for one frame.
	FrameSize uint64
	// Exclude is what is left out, with everything below it. A member that the export doesn't have is EINVAL.
	Exclude []MemberPath
	// SpoolDirectory is the directory for unnamed files that hold the headers of archives within the archive. By default
	// that is the directory of the file that is written; for an open file or a stream the directory that TMPDIR names,
	// or else /var/tmp.
	SpoolDirectory Place
	// Progress is told how far the work is; nil for nobody.
	Progress func(Progress)
	// Warning is told of what is left out and doesn't fail the work; nil for nobody.
	Warning func(Warning)
}

// Exported is what came of an export.
type Exported struct {
	// Bytes is how many bytes the archive has.
	Bytes uint64
	// Members is how many members the archive has, those of archives within it not counted.
	Members uint64
	// Digest is the archive's SHA-256 as 64 hexadecimal digits; "" if the options didn't ask for it.
	Digest string
	// Missing is the names of optional members that didn't exist, in the order of the export.
	Missing []string
	// Lacking is the names of what a restore will need and the archive doesn't have, each with a warning
	// WarningIncomplete: an inventory.img, a "parent" whose dump isn't in the archive, or volumes/NAME.tar of a volume
	// that podman's config.dump names.
	Lacking []string
}
