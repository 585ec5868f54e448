//go:build linux && cgo

package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"context"
	"unsafe"
)

// settings is the options that have a number as their value.
func (o *ChangesOptions) settings() []setting {
	return []setting{
		{C.CR_CHANGES_COMPARE_CONTENT, flag(o.CompareContent)},
		{C.CR_CHANGES_EXACT_TIMES, flag(o.ExactTimes)},
		{C.CR_CHANGES_OVERLAY_XATTRS, uint64(o.OverlayXattrs)},
	}
}

// c returns the options as C has them, which are to be freed.
func (o *ChangesOptions) c() (*C.CRChangesOptions, error) {
	made := C.CRChangesOptionsNew()
	if err := o.set(made); err != nil {
		C.CRChangesOptionsFree(made)
		return nil, err
	}
	return made, nil
}

func (o *ChangesOptions) set(made *C.CRChangesOptions) error {
	err := apply(o.settings(), func(option C.uint32_t, value C.uint64_t, failure **C.CRError) C.int {
		return C.CRChangesOptionsSet(made, option, value, failure)
	})
	if err != nil {
		return err
	}
	var args arguments
	defer args.release()
	workAt, work := args.place("work_directory", o.WorkDirectory)
	specAt, spec := args.place("spec", o.ExcludeBindMounts)
	paths := make([]string, len(o.Exclude))
	for i, exclude := range o.Exclude {
		paths[i] = exclude.Path
	}
	excluded := args.texts("path", paths)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	if !o.WorkDirectory.isZero() {
		if err := result(C.CRChangesOptionsWorkDirectory(made, workAt, work, &failure), failure); err != nil {
			return err
		}
	}
	for i, path := range excluded {
		how := o.Exclude[i].How
		if how == 0 {
			how = ExcludeExact
		}
		if err := result(C.CRChangesOptionsExclude(made, path, C.uint32_t(how), &failure), failure); err != nil {
			return err
		}
	}
	if o.ExcludeEngine != EngineUnknown {
		if err := result(C.CRChangesOptionsExcludeEngine(made, C.uint32_t(o.ExcludeEngine), &failure), failure); err != nil {
			return err
		}
	}
	if !o.ExcludeBindMounts.isZero() {
		return result(C.CRChangesOptionsExcludeBindMounts(made, specAt, spec, &failure), failure)
	}
	return nil
}

// ChangesOverlay finds what the upper directory of an overlay changes in the lower ones, of which the top one comes first.
// The overlay needn't be mounted. options is nil for the defaults; an overlay that is mounted with an index needs its work
// directory.
//
// A directory that hides the one below it is modified, and each name that it hides is deleted. A renamed directory is added,
// with everything that came along. A file that was copied up is listed if something about it differs, its bytes included, or
// if it has several names. The changes are sorted by the bytes of their paths, each path once.
func ChangesOverlay(ctx context.Context, lowerDirectories []Place, upperDirectory Place, options *ChangesOptions) ([]Change, error) {
	var args arguments
	defer args.release()
	lower := args.places("lower_directories", lowerDirectories)
	at, upper := args.place("upper_directory", upperDirectory)
	if args.err != nil {
		return nil, args.err
	}
	return changesOf(ctx, options, func(o *C.CRChangesOptions, w *C.CRWatch, list **C.CRChangeList, failure **C.CRError) C.int {
		return C.CRChangesOverlay(lower, C.size_t(len(lowerDirectories)), at, upper, o, w, list, failure)
	})
}

// Changes finds what a container changed in its root file system, which is an overlay of the kernel's that is mounted at
// mountPoint: [ChangesOverlay] with the directories that the mount's options tell. options is nil for the defaults; what it
// says of attributes and of the work directory stands before what the mount tells.
//
// An overlay that is mounted without an upper directory has no changes. It fails with EINVAL if nothing is mounted there, or
// only a part of a file system, and with EOPNOTSUPP if it is another file system (fuse-overlayfs doesn't tell its
// directories), or has layers of data alone.
func Changes(ctx context.Context, mountPoint string, options *ChangesOptions) ([]Change, error) {
	var args arguments
	defer args.release()
	at, path := args.place("mount_point", Path(mountPoint))
	if args.err != nil {
		return nil, args.err
	}
	return changesOf(ctx, options, func(o *C.CRChangesOptions, w *C.CRWatch, list **C.CRChangeList, failure **C.CRError) C.int {
		return C.CRChangesMount(at, path, o, w, list, failure)
	})
}

// ChangesDirectories finds what differs between two directories, such as the mounted root file system of a container and
// that of its image. newDirectory is what is there now; oldDirectory is what was there before, the zero Place if nothing
// was, so that everything is new. options is nil for the defaults.
//
// Compared are type, permissions, owner, device number, size, modification time, the target of a symbolic link, and extended
// attributes. The changes are sorted by the bytes of their paths, each path once.
func ChangesDirectories(ctx context.Context, newDirectory, oldDirectory Place, options *ChangesOptions) ([]Change, error) {
	var args arguments
	defer args.release()
	newAt, newPath := args.place("new_directory", newDirectory)
	oldAt, oldPath := args.place("old_directory", oldDirectory)
	if args.err != nil {
		return nil, args.err
	}
	if oldDirectory.isZero() {
		oldPath = nil
	}
	return changesOf(ctx, options, func(o *C.CRChangesOptions, w *C.CRWatch, list **C.CRChangeList, failure **C.CRError) C.int {
		return C.CRChangesDirectories(newAt, newPath, oldAt, oldPath, o, w, list, failure)
	})
}

func changesOf(
	ctx context.Context,
	options *ChangesOptions,
	find func(*C.CRChangesOptions, *C.CRWatch, **C.CRChangeList, **C.CRError) C.int,
) ([]Change, error) {
	if options == nil {
		options = &ChangesOptions{}
	}
	made, err := options.c()
	if err != nil {
		return nil, err
	}
	defer C.CRChangesOptionsFree(made)
	var list *C.CRChangeList
	err = watched(ctx, options.Progress, options.Warning, func(watch *C.CRWatch, failure **C.CRError) C.int {
		return find(made, watch, &list, failure)
	})
	if err != nil {
		return nil, err
	}
	defer C.CRChangeListFree(list)
	var length C.size_t
	first := C.CRChangeListChanges(list, &length)
	changes := make([]Change, 0, int(length))
	for _, change := range unsafe.Slice(first, int(length)) {
		changes = append(changes, Change{Path: C.GoString(change.path), Kind: ChangeKind(change.kind)})
	}
	return changes, nil
}
