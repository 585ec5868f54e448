package crutils

import "strconv"

// ChangeKind is what happened to an object of a container's root file system. The numbers are those of the engines, and
// begin at 0.
type ChangeKind int

// The kinds of changes.
const (
	// ChangeModify means that the object was there before, and its content, metadata or type differs now.
	ChangeModify ChangeKind = 0
	// ChangeAdd means that the object is new.
	ChangeAdd ChangeKind = 1
	// ChangeDelete means that the object is gone. A directory that was deleted and made again is deleted, and its new
	// content added.
	ChangeDelete ChangeKind = 2
)

// String returns the letter of the kind, as engines print it: C, A or D.
func (k ChangeKind) String() string {
	switch k {
	case ChangeModify:
		return "C"
	case ChangeAdd:
		return "A"
	case ChangeDelete:
		return "D"
	}
	return "change " + strconv.Itoa(int(k))
}

// Change is a changed object of a container's root file system.
type Change struct {
	// Path is the path as the container sees it, such as "/etc/hosts".
	Path string
	// Kind is what happened to the object.
	Kind ChangeKind
}

// String returns the letter of the kind and the path, such as "A /etc/hosts".
func (c Change) String() string {
	return c.Kind.String() + " " + c.Path
}

// OverlayXattrs is the extended attributes in which an overlay keeps its state.
type OverlayXattrs uint32

// The families of extended attributes.
const (
	// OverlayAuto is OverlayUser in a user namespace, otherwise OverlayTrusted. It is the default.
	OverlayAuto OverlayXattrs = 1
	// OverlayTrusted is trusted.overlay.*: the kernel's overlay.
	OverlayTrusted OverlayXattrs = 2
	// OverlayUser is user.overlay.*: the kernel's overlay, mounted with userxattr.
	OverlayUser OverlayXattrs = 3
	// OverlayFuse is fuse-overlayfs, which uses user.fuseoverlayfs.* besides both, and files that begin with ".wh.".
	OverlayFuse OverlayXattrs = 4
)

// ExcludeHow is how much an excluded path leaves out.
type ExcludeHow uint32

// How much is left out.
const (
	// ExcludeExact leaves out the object itself, not what is below it.
	ExcludeExact ExcludeHow = 1
	// ExcludeSubtree leaves out the object and everything below it, without looking there.
	ExcludeSubtree ExcludeHow = 2
)

// Exclude is a path that is left out of a list of changes. An added directory stands for everything below it; if it holds
// something that is left out, it is listed as modified instead, and its other content name by name.
type Exclude struct {
	// Path is the path as the container sees it, such as "/etc/hosts".
	Path string
	// How is ExcludeExact or ExcludeSubtree; 0 is ExcludeExact.
	How ExcludeHow
}

// ChangesOptions is how changes are found, and which are left out. The zero value of a field is its default.
type ChangesOptions struct {
	// CompareContent makes ChangesDirectories compare the bytes of two files whose size and modification time agree.
	// Otherwise such files count as equal.
	CompareContent bool
	// ExactTimes makes ChangesDirectories tell modification times within the same second apart even if one of them has
	// no nanoseconds. Otherwise they count as equal, since times are often kept in whole seconds.
	ExactTimes bool
	// OverlayXattrs is the attributes in which the overlay keeps its state. It has to be the right one: a container can
	// set the others itself.
	OverlayXattrs OverlayXattrs
	// WorkDirectory is the work directory of an overlay that is mounted with an index (index=on or nfs_export=on): a
	// changed file with several names may be there alone.
	WorkDirectory Place
	// Exclude is paths that are left out.
	Exclude []Exclude
	// ExcludeEngine leaves out, exactly, the paths that an engine leaves out of a rootfs diff: what it mounts or writes
	// itself when it starts a container.
	ExcludeEngine Engine
	// ExcludeBindMounts leaves out, exactly, the destinations of a container's bind mounts. It is the place of the
	// container's OCI runtime specification: config.json of a bundle, or spec.dump of a checkpoint.
	ExcludeBindMounts Place
	// Progress is told how far the work is; nil for nobody.
	Progress func(Progress)
	// Warning is told of what is left out and doesn't fail the work; nil for nobody.
	Warning func(Warning)
}
