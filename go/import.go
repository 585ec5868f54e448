//go:build linux && cgo

package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"context"
	"io"
	"runtime"
	"syscall"
	"unsafe"
)

// settings is the options that have a number as their value.
func (o *ImportOptions) settings() []setting {
	return []setting{
		{C.CR_IMPORT_DIGEST, flag(o.Digest)},
		{C.CR_IMPORT_CONFIGURATION, flag(o.Configuration)},
		{C.CR_IMPORT_KEEP_FAILED, flag(o.KeepFailed)},
		{C.CR_IMPORT_STRICT_NAMES, flag(o.StrictNames)},
		{C.CR_IMPORT_END_MARKER, flag(o.EndMarker)},
		{C.CR_IMPORT_ROOT_ATTRIBUTES, flag(o.RootAttributes)},
		{C.CR_IMPORT_OCI_WHITEOUTS, flag(o.OCIWhiteouts)},
		{C.CR_IMPORT_IGNORE_OWNERSHIP, flag(o.IgnoreOwnership)},
		{C.CR_IMPORT_NO_DEVICES, flag(o.NoDevices)},
		{C.CR_IMPORT_KNOWN_NAMES, flag(o.KnownNames)},
		{C.CR_IMPORT_LIMIT_MEMBERS, o.Limits.Members},
		{C.CR_IMPORT_LIMIT_TOTAL_BYTES, o.Limits.TotalBytes},
		{C.CR_IMPORT_LIMIT_MEMBER_BYTES, o.Limits.MemberBytes},
		{C.CR_IMPORT_LIMIT_PATH_BYTES, o.Limits.PathBytes},
		{C.CR_IMPORT_LIMIT_DEPTH, o.Limits.Depth},
		{C.CR_IMPORT_LIMIT_XATTR_BYTES, o.Limits.XattrBytes},
		{C.CR_IMPORT_LIMIT_RATIO, o.Limits.Ratio},
		{C.CR_IMPORT_SYNC, flag(o.Sync)},
		{C.CR_IMPORT_XATTRS, uint64(o.Xattrs)},
		{C.CR_IMPORT_OVERLAY_XATTRS, flag(o.OverlayXattrs)},
		{C.CR_IMPORT_CROSS_MOUNTS, flag(o.CrossMounts)},
		{C.CR_IMPORT_REQUIRE_COMPLETE, flag(o.RequireComplete)},
		{C.CR_IMPORT_USABLE_MODES, flag(o.UsableModes)},
	}
}

// c returns the options as C has them, which are to be freed.
func (o *ImportOptions) c() (*C.CRImportOptions, error) {
	made := C.CRImportOptionsNew()
	if err := o.set(made); err != nil {
		C.CRImportOptionsFree(made)
		return nil, err
	}
	return made, nil
}

func (o *ImportOptions) set(made *C.CRImportOptions) error {
	err := apply(o.settings(), func(option C.uint32_t, value C.uint64_t, failure **C.CRError) C.int {
		return C.CRImportOptionsSet(made, option, value, failure)
	})
	if err != nil {
		return err
	}
	var args arguments
	defer args.release()
	digest := args.text("digest", o.ExpectedDigest)
	spoolAt, spool := args.place("directory", o.SpoolDirectory)
	names := args.strings("names", o.Names)
	uids, gids := args.ranges("uids", o.UIDs), args.ranges("gids", o.GIDs)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	if o.ExpectedDigest != "" {
		if err := result(C.CRImportOptionsExpectedDigest(made, digest, &failure), failure); err != nil {
			return err
		}
	}
	if !o.SpoolDirectory.isZero() {
		if err := result(C.CRImportOptionsSpoolDirectory(made, spoolAt, spool, &failure), failure); err != nil {
			return err
		}
	}
	if o.Kinds != nil {
		var kinds *C.uint32_t
		if len(o.Kinds) > 0 {
			kinds = (*C.uint32_t)(unsafe.Pointer(&o.Kinds[0]))
		}
		if err := result(C.CRImportOptionsTypes(made, kinds, C.size_t(len(o.Kinds)), &failure), failure); err != nil {
			return err
		}
	}
	if o.Names != nil {
		if err := result(C.CRImportOptionsNames(made, names, C.size_t(len(o.Names)), &failure), failure); err != nil {
			return err
		}
	}
	if len(o.UIDs) == 0 && len(o.GIDs) == 0 {
		return nil
	}
	status := C.CRImportOptionsMapIds(made, uids, C.size_t(len(o.UIDs)), gids, C.size_t(len(o.GIDs)), &failure)
	return result(status, failure)
}

// Import is an archive that is open for import. Its methods that set destinations come before [Import.Extract]; what has no
// destination isn't extracted.
type Import struct {
	object object
	*importState
}

// importState is what is freed. It doesn't refer to the import, whose finalizer would never run then.
type importState struct {
	handle *C.CRImport
	watch  *watch
	source *source
}

// OpenImport opens a checkpoint archive for import, which is to be closed. It may be plain or compressed with gzip, bzip2,
// xz or zstd. options is nil for the defaults.
//
// The archive is a file, a pipe or a socket. A regular file is read from its beginning, and the offset of an open file stays
// as it is. A pipe or a socket is read from where it is, once, and nobody else should read from it while the import lives.
func OpenImport(ctx context.Context, archive Place, options *ImportOptions) (*Import, error) {
	return openImport(ctx, options, func(*Import) (Place, error) {
		return archive, nil
	})
}

// OpenImportStream opens a checkpoint archive that a reader delivers. If the reader is an [*os.File] that is a pipe, a
// socket, or a regular file at its beginning, it is read as [OpenImport] reads it; otherwise a goroutine copies what the
// reader delivers through a pipe.
//
// The reader is read from until it ends, fails, or the import is closed; a Read that is waiting then is not woken, and what
// it delivers is lost. The error of a reader that fails is found by errors.Is and errors.As in the error of the call that
// was at work.
func OpenImportStream(ctx context.Context, archive io.Reader, options *ImportOptions) (*Import, error) {
	if archive == nil {
		return nil, refused(syscall.EINVAL, "archive: is nil")
	}
	return openImport(ctx, options, func(i *Import) (Place, error) {
		if file := descriptor(archive, true); file != nil {
			return Handle(file), nil
		}
		watch := i.watch
		source, err := newSource(archive, func() { watch.stop(context.Canceled) })
		if err != nil {
			return Place{}, err
		}
		i.source = source
		return Handle(source.reader), nil
	})
}

func openImport(ctx context.Context, options *ImportOptions, place func(*Import) (Place, error)) (*Import, error) {
	open := func(at C.int, path *C.char, made *C.CRImportOptions, watch *C.CRWatch, handle **C.CRImport, failure **C.CRError) C.int {
		return C.CRImportOpen(at, path, made, watch, handle, failure)
	}
	return openImportWith(ctx, "archive", options, place, open)
}

// opening is a function of C's that opens an import.
type opening func(at C.int, path *C.char, made *C.CRImportOptions, watch *C.CRWatch, handle **C.CRImport, failure **C.CRError) C.int

func openImportWith(ctx context.Context, what string, options *ImportOptions, place func(*Import) (Place, error), open opening) (*Import, error) {
	if options == nil {
		options = &ImportOptions{}
	}
	made, err := options.c()
	if err != nil {
		return nil, err
	}
	defer C.CRImportOptionsFree(made)
	w, err := newWatch(options.Progress, options.Warning)
	if err != nil {
		return nil, err
	}
	state := &importState{watch: w}
	i := &Import{importState: state}
	i.object.name, i.object.free = "import", state.free
	opened := false
	defer func() {
		if !opened {
			i.object.close()
		}
	}()
	archive, err := place(i)
	if err != nil {
		return nil, err
	}
	var args arguments
	defer args.release()
	at, path := args.place(what, archive)
	if args.err != nil {
		return nil, args.err
	}
	err = i.watch.during(ctx, func(watch *C.CRWatch) error {
		var failure *C.CRError
		var handle *C.CRImport
		err := result(open(at, path, made, watch, &handle, &failure), failure)
		state.handle = handle
		return err
	})
	if err != nil {
		return nil, i.source.result(err)
	}
	opened = true
	runtime.SetFinalizer(i, (*Import).finalize)
	return i, nil
}

func (s *importState) free() {
	C.CRImportFree(s.handle)
	s.watch.free()
	s.source.close()
}

func (i *Import) finalize() {
	i.object.close()
}

// Close frees the import. What was extracted stays. It always returns nil, also for an import that is closed.
func (i *Import) Close() error {
	if i != nil {
		i.object.close()
	}
	return nil
}

// use calls a function of C's that takes long on the import.
func (i *Import) use(ctx context.Context, call func(failure **C.CRError) C.int) error {
	if i == nil {
		return closedError("import")
	}
	if err := i.object.begin(); err != nil {
		return err
	}
	defer i.object.end()
	return i.source.result(i.watch.during(ctx, func(*C.CRWatch) error {
		var failure *C.CRError
		return result(call(&failure), failure)
	}))
}

// set calls a function of C's that sets a destination of the import.
func (i *Import) set(call func(failure **C.CRError) C.int) error {
	if i == nil {
		return closedError("import")
	}
	if err := i.object.begin(); err != nil {
		return err
	}
	defer i.object.end()
	var failure *C.CRError
	return result(call(&failure), failure)
}

// Metadata reads what the archive tells of the container.
//
// The archive is read up to its config.dump and spec.dump, or to its end if one of them is missing. Later documents are
// known after [Import.Members]. Of a plain archive in a file only headers are read on the way.
func (i *Import) Metadata(ctx context.Context) (*Metadata, error) {
	var copied *Metadata
	var copying error
	err := i.use(ctx, func(failure **C.CRError) C.int {
		var metadata *C.CRMetadata
		status := C.CRImportMetadata(i.handle, &metadata, failure)
		if status >= 0 {
			copied, copying = metadataOf(metadata)
		}
		return status
	})
	if err == nil {
		err = copying
	}
	if err != nil {
		return nil, err
	}
	return copied, nil
}

// Members lists all members of the archive, in the archive's order. Of a plain archive in a file only headers are read; any
// other archive is read to its end.
func (i *Import) Members(ctx context.Context) ([]Member, error) {
	var members []Member
	err := i.use(ctx, func(failure **C.CRError) C.int {
		var list **C.CRMember
		var length C.size_t
		status := C.CRImportMembers(i.handle, &list, &length, failure)
		if status < 0 {
			return status
		}
		members = make([]Member, 0, int(length))
		for _, member := range unsafe.Slice(list, int(length)) {
			members = append(members, Member{
				Name:   C.GoString(member.name),
				Kind:   MemberKind(member.kind),
				Class:  Class(member.member_class),
				Size:   uint64(member.size),
				Stored: uint64(member.stored),
				Offset: uint64(member.offset),
			})
		}
		return status
	})
	return members, err
}

// ToBundle sets the directory into which Extract extracts every member that has no other destination, except config.dump and
// spec.dump; with ImportOptions.Configuration those two as well. If the directory is missing, it and its missing parents are
// made once the archive's first header is understood; its path has to be absolute, or start at an open directory, then.
func (i *Import) ToBundle(bundle Place) error {
	var args arguments
	defer args.release()
	at, path := args.place("bundle", bundle)
	if args.err != nil {
		return args.err
	}
	return i.set(func(failure **C.CRError) C.int {
		return C.CRImportToBundle(i.handle, at, path, failure)
	})
}

// ToBundleOnly sets the directory into which Extract extracts the members of these names and everything below them;
// config.dump and spec.dump may be among them. A name that isn't in the archive is ENODATA, which is fs.ErrNotExist, at the
// end.
func (i *Import) ToBundleOnly(bundle Place, names ...string) error {
	var args arguments
	defer args.release()
	at, path := args.place("bundle", bundle)
	list := args.strings("names", names)
	if args.err != nil {
		return args.err
	}
	return i.set(func(failure **C.CRError) C.int {
		return C.CRImportToBundleOnly(i.handle, at, path, list, C.size_t(len(names)), failure)
	})
}

// ToRoot sets the root directory of the container, to which Extract applies rootfs-diff.tar straight from the archive, and
// from which it removes what deleted.files lists after all else. Neither file goes into the bundle then. It is no error if
// the archive lacks them. The directory exists: an absolute path, or one that starts at an open directory.
func (i *Import) ToRoot(root Place) error {
	var args arguments
	defer args.release()
	at, path := args.place("root", root)
	if args.err != nil {
		return args.err
	}
	return i.set(func(failure **C.CRError) C.int {
		return C.CRImportToRoot(i.handle, at, path, failure)
	})
}

// ToVolume sets the directory into which Extract extracts a named volume (volumes/NAME.tar). The directory exists. A volume
// that isn't in the archive is ENODATA, which is fs.ErrNotExist, at the end. Volumes without a directory go into the bundle,
// as they are.
func (i *Import) ToVolume(volume string, directory Place) error {
	var args arguments
	defer args.release()
	name := args.text("volume", volume)
	at, path := args.place("directory", directory)
	if args.err != nil {
		return args.err
	}
	return i.set(func(failure **C.CRError) C.int {
		return C.CRImportToVolume(i.handle, name, at, path, failure)
	})
}

// ToShm sets the directory into which Extract extracts the container's own /dev/shm (devshm-checkpoint.tar). The directory
// exists. An archive without it is ENODATA, which is fs.ErrNotExist, at the end.
func (i *Import) ToShm(directory Place) error {
	var args arguments
	defer args.release()
	at, path := args.place("directory", directory)
	if args.err != nil {
		return args.err
	}
	return i.set(func(failure **C.CRError) C.int {
		return C.CRImportToShm(i.handle, at, path, failure)
	})
}

// Extract extracts every member that has a destination, in one pass over the archive, and then removes what the container
// had deleted. What Metadata and Members have read isn't read again as long as it is still kept: a pipe is read once.
//
// A bundle that this call has made is removed after a failure. In a bundle that existed, and in all other directories, what
// was done stays, and the message tells how far it came.
func (i *Import) Extract(ctx context.Context) (*Imported, error) {
	var imported *Imported
	err := i.use(ctx, func(failure **C.CRError) C.int {
		status := C.CRImportExtract(i.handle, failure)
		if status < 0 {
			return status
		}
		if answer := C.CRImportResult(i.handle); answer != nil {
			imported = &Imported{
				Members:           uint64(answer.members),
				Bytes:             uint64(answer.bytes),
				Digest:            C.GoString(answer.digest),
				AppliedRootFsDiff: answer.applied_rootfs_diff != 0,
			}
		}
		return status
	})
	return imported, err
}
