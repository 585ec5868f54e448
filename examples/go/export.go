package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"context"
	"os"
	"unsafe"
)

// Layout says whose members a bundle has.
type Layout uint32

// The layouts.
const (
	PodmanLayout Layout = C.CR_LAYOUT_PODMAN
	CRIOLayout   Layout = C.CR_LAYOUT_CRIO
)

// Compression is how an archive is compressed.
type Compression uint32

// The compressions.
const (
	NoCompression Compression = C.CR_COMPRESSION_NONE
	Gzip          Compression = C.CR_COMPRESSION_GZIP
	Zstd          Compression = C.CR_COMPRESSION_ZSTD
)

// ExportOptions are how an export writes its archive. The zero value isn't compressed; nil means zstd.
type ExportOptions struct {
	Compression Compression
	// Level is one of the compression's, or 0 for its default.
	Level int
	// Digest has the archive's SHA-256 computed, Sync the archive on the disk before ToFile returns.
	Digest, Sync bool
	// Workers is how many threads compress; 0 for as many as there are cores.
	Workers uint
	// Time is the modification time of members that the export makes itself, in seconds from the epoch.
	Time int64
	// SpoolDirectory is where files without names keep the headers of archives within the archive.
	SpoolDirectory string
}

// Exported is what an export has written: the archive's bytes and members, its SHA-256 if that was asked for, and the
// optional members that weren't there.
type Exported struct {
	Bytes, Members uint64
	Digest         string
	Missing        []string
}

// Export is a checkpoint that is going to be an archive. Members are in it in the order in which they are added. One
// goroutine at a time uses it, and closes it in the end. Progress isn't passed on to Go.
type Export struct {
	handle *C.CRExport
}

// NewExport makes an export without members.
func NewExport() *Export {
	return &Export{handle: C.CRExportNew()}
}

// Close frees the export. What it has written stays.
func (e *Export) Close() {
	C.CRExportFree(e.handle)
	e.handle = nil
}

// AddBundle adds all members that an engine has in its bundle.
func (e *Export) AddBundle(bundle string, layout Layout) error {
	var args arguments
	defer args.free()
	cBundle := args.string("bundle", bundle)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRExportAddBundle(e.handle, cBundle, C.uint32_t(layout), &failure), failure)
}

// AddMember adds a file or directory of a bundle; one that is optional may be missing.
func (e *Export) AddMember(bundle, name string, optional bool) error {
	var args arguments
	defer args.free()
	cBundle, cName := args.string("bundle", bundle), args.string("name", name)
	if args.err != nil {
		return args.err
	}
	presence := C.uint32_t(C.CR_PRESENCE_REQUIRED)
	if optional {
		presence = C.CR_PRESENCE_OPTIONAL
	}
	var failure *C.CRError
	return result(C.CRExportAddMember(e.handle, cBundle, cName, presence, &failure), failure)
}

// AddBytes adds a file of these bytes, which are copied.
func (e *Export) AddBytes(name string, bytes []byte) error {
	var args arguments
	defer args.free()
	cName := args.string("name", name)
	if args.err != nil {
		return args.err
	}
	var first unsafe.Pointer
	if len(bytes) > 0 {
		first = unsafe.Pointer(&bytes[0])
	}
	var failure *C.CRError
	return result(C.CRExportAddBytes(e.handle, cName, first, C.size_t(len(bytes)), &failure), failure)
}

// AddFile adds a regular file under another name.
func (e *Export) AddFile(name, path string) error {
	var args arguments
	defer args.free()
	cName, cPath := args.string("name", name), args.string("path", path)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRExportAddFile(e.handle, cName, cPath, &failure), failure)
}

// AddDirectoryTar adds a directory as an archive within the archive, such as volumes/NAME.tar.
func (e *Export) AddDirectoryTar(name, directory string) error {
	var args arguments
	defer args.free()
	cName, cDirectory := args.string("name", name), args.string("directory", directory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRExportAddDirectoryTar(e.handle, cName, cDirectory, &failure), failure)
}

// AddRootFsDiff adds the changes of the root file system at mountPoint: rootfs-diff.tar and deleted.files.
func (e *Export) AddRootFsDiff(changes []Change, mountPoint string) error {
	var args arguments
	defer args.free()
	list, cMountPoint := args.changes(changes), args.string("mount_point", mountPoint)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRExportAddRootFsDiff(e.handle, list, C.size_t(len(changes)), cMountPoint, &failure), failure)
}

// AddRootFsDiffFromOverlay adds the changes that the upper directory of an overlay, mounted at mountPoint, makes to the
// lower ones, the top one first, but for what the engine of this layout writes itself when it starts a container.
func (e *Export) AddRootFsDiffFromOverlay(lower []string, upper, mountPoint string, engine Layout) error {
	var args arguments
	defer args.free()
	cLower, cUpper := args.strings("lower_directories", lower), args.string("upper_directory", upper)
	cMountPoint := args.string("mount_point", mountPoint)
	if args.err != nil {
		return args.err
	}
	excluded := C.uint32_t(C.CR_EXCLUDE_PODMAN)
	if engine == CRIOLayout {
		excluded = C.CR_EXCLUDE_CRIO
	}
	options := C.CRChangesOptionsNew()
	defer C.CRChangesOptionsFree(options)
	var failure *C.CRError
	if err := result(C.CRChangesOptionsExcludeEngine(options, excluded, &failure), failure); err != nil {
		return err
	}
	return result(C.CRExportAddRootFsDiffFromOverlay(e.handle, cLower, C.size_t(len(lower)), cUpper, options, cMountPoint, &failure), failure)
}

// ToFile writes the archive into a file, which appears when it is whole. Once the context is done, the writing fails with
// an error that is the context's, and ECANCELED.
func (e *Export) ToFile(ctx context.Context, path string, options *ExportOptions) (*Exported, error) {
	var args arguments
	defer args.free()
	cPath := args.string("path", path)
	if args.err != nil {
		return nil, args.err
	}
	return e.write(ctx, options, func(o *C.CRExportOptions, w *C.CRWatch, failure **C.CRError) C.int {
		return C.CRExportToFile(e.handle, cPath, o, w, failure)
	})
}

// To writes the archive into a pipe, or into a file from its offset on.
func (e *Export) To(ctx context.Context, output *os.File, options *ExportOptions) (*Exported, error) {
	connection, err := output.SyscallConn()
	if err != nil {
		return nil, err
	}
	var written *Exported
	var failed error
	err = connection.Control(func(fd uintptr) {
		written, failed = e.write(ctx, options, func(o *C.CRExportOptions, w *C.CRWatch, failure **C.CRError) C.int {
			return C.CRExportToDescriptor(e.handle, C.int(fd), o, w, failure)
		})
	})
	if err != nil {
		return nil, err
	}
	return written, failed
}

func (e *Export) write(ctx context.Context, options *ExportOptions, how func(*C.CRExportOptions, *C.CRWatch, **C.CRError) C.int) (*Exported, error) {
	made, err := options.make()
	if err != nil {
		return nil, err
	}
	defer C.CRExportOptionsFree(made)
	watch, err := watchFor(ctx)
	if err != nil {
		return nil, err
	}
	defer watch.close()
	var failure *C.CRError
	if err := watch.result(how(made, watch.handle, &failure), failure); err != nil {
		return nil, err
	}
	var missing **C.char
	if err := result(C.CRExportMissing(e.handle, &missing, &failure), failure); err != nil {
		return nil, err
	}
	defer C.CRStringArrayFree(missing)
	return &Exported{
		Bytes: uint64(C.CRExportBytes(e.handle)), Members: uint64(C.CRExportMembers(e.handle)),
		Digest: C.GoString(C.CRExportDigest(e.handle)), Missing: stringsOf(missing),
	}, nil
}

// make is a copy of the options that is C's, and is to be freed there; nil for nil.
func (o *ExportOptions) make() (*C.CRExportOptions, error) {
	if o == nil {
		return nil, nil
	}
	made := C.CRExportOptionsNew()
	if err := o.fill(made); err != nil {
		C.CRExportOptionsFree(made)
		return nil, err
	}
	return made, nil
}

func (o *ExportOptions) fill(made *C.CRExportOptions) error {
	var args arguments
	defer args.free()
	spool := args.optional("spool_directory", o.SpoolDirectory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	steps := []func() C.int{
		func() C.int {
			return C.CRExportOptionsCompression(made, C.uint32_t(o.Compression), C.int32_t(o.Level), &failure)
		},
		func() C.int { return C.CRExportOptionsDigest(made, truth(o.Digest), &failure) },
		func() C.int { return C.CRExportOptionsSync(made, truth(o.Sync), &failure) },
		func() C.int { return C.CRExportOptionsWorkers(made, C.size_t(o.Workers), &failure) },
		func() C.int { return C.CRExportOptionsTime(made, C.int64_t(o.Time), &failure) },
	}
	if spool != nil {
		steps = append(steps, func() C.int { return C.CRExportOptionsSpoolDirectory(made, spool, &failure) })
	}
	for _, step := range steps {
		if err := result(step(), failure); err != nil {
			return err
		}
	}
	return nil
}

func truth(yes bool) C.uint32_t {
	if yes {
		return 1
	}
	return 0
}
