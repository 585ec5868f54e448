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
func (o *ExportOptions) settings() []setting {
	seconds := int64(0)
	if !o.Time.IsZero() {
		seconds = o.Time.Unix()
	}
	return []setting{
		{C.CR_EXPORT_COMPRESSION, uint64(o.Compression)},
		{C.CR_EXPORT_LEVEL, uint64(o.Level)},
		{C.CR_EXPORT_DIGEST, flag(o.Digest)},
		{C.CR_EXPORT_SYNC, flag(o.Sync)},
		{C.CR_EXPORT_WORKERS, uint64(o.Workers)},
		{C.CR_EXPORT_TIME, uint64(seconds)},
		{C.CR_EXPORT_LIVE, flag(o.Live)},
		{C.CR_EXPORT_OVERLAY_XATTRS, flag(o.OverlayXattrs)},
		{C.CR_EXPORT_FRAME_SIZE, o.FrameSize},
	}
}

// c returns the options as C has them, which are to be freed.
func (o *ExportOptions) c() (*C.CRExportOptions, error) {
	made := C.CRExportOptionsNew()
	if err := o.set(made); err != nil {
		C.CRExportOptionsFree(made)
		return nil, err
	}
	return made, nil
}

func (o *ExportOptions) set(made *C.CRExportOptions) error {
	err := apply(o.settings(), func(option C.uint32_t, value C.uint64_t, failure **C.CRError) C.int {
		return C.CRExportOptionsSet(made, option, value, failure)
	})
	if err != nil {
		return err
	}
	var args arguments
	defer args.release()
	at, directory := args.place("directory", o.SpoolDirectory)
	members, paths := make([]string, len(o.Exclude)), make([]string, len(o.Exclude))
	for i, exclude := range o.Exclude {
		members[i], paths[i] = exclude.Member, exclude.Path
	}
	excludedMembers, excludedPaths := args.texts("member", members), args.texts("path", paths)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	for i, member := range excludedMembers {
		if err := result(C.CRExportOptionsExclude(made, member, excludedPaths[i], &failure), failure); err != nil {
			return err
		}
	}
	if o.SpoolDirectory.isZero() {
		return nil
	}
	return result(C.CRExportOptionsSpoolDirectory(made, at, directory, &failure), failure)
}

// Export is a checkpoint that becomes an archive. Members are in it in the order in which they are added.
type Export struct {
	object object
	handle *C.CRExport
}

// NewExport returns an export without members, which is to be closed.
func NewExport() *Export {
	handle := C.CRExportNew()
	e := &Export{handle: handle}
	// The function doesn't refer to the export, whose finalizer would never run then.
	e.object.name, e.object.free = "export", func() { C.CRExportFree(handle) }
	runtime.SetFinalizer(e, (*Export).finalize)
	return e
}

func (e *Export) finalize() {
	e.object.close()
}

// Close frees the export. The archives that it has written stay. It always returns nil, also for an export that is closed.
func (e *Export) Close() error {
	if e != nil {
		e.object.close()
	}
	return nil
}

// use calls a function of C's on the export.
func (e *Export) use(call func() error) error {
	if e == nil {
		return closedError("export")
	}
	if err := e.object.begin(); err != nil {
		return err
	}
	defer e.object.end()
	return call()
}

// add calls a function of C's that adds something to the export.
func (e *Export) add(args *arguments, call func(failure **C.CRError) C.int) error {
	if args.err != nil {
		return args.err
	}
	return e.use(func() error {
		var failure *C.CRError
		return result(call(&failure), failure)
	})
}

// AddBundle adds all members that an engine has in its bundle, in the engine's order. A name that is added by itself, before
// or afterwards, is left out here. config.dump, spec.dump and checkpoint are required (of podman's checkpoint and
// pre-checkpoint one of them), and so is containerd's status.dump; all others are optional. An engine that has no config.dump
// makes one with [MetadataBuild], and adds it with AddMetadata.
func (e *Export) AddBundle(bundle Place, engine Engine) error {
	var args arguments
	defer args.release()
	at, path := args.place("bundle", bundle)
	return e.add(&args, func(failure **C.CRError) C.int {
		return C.CRExportAddBundle(e.handle, at, path, C.uint32_t(engine), failure)
	})
}

// AddMember adds a file or a directory of a bundle; a directory with everything below it that is on the same mount. name is
// the member's name in the bundle and in the archive. Sockets are left out with a warning. Anything else that has no place in
// a bundle fails the export before anything is written.
func (e *Export) AddMember(bundle Place, name string, presence Presence) error {
	var args arguments
	defer args.release()
	at, path := args.place("bundle", bundle)
	member := args.text("name", name)
	return e.add(&args, func(failure **C.CRError) C.int {
		return C.CRExportAddMember(e.handle, at, path, member, C.uint32_t(presence), failure)
	})
}

// AddBytes adds a file of these bytes, which are copied, with mode 0600 and owner 0:0. ExportOptions.Time sets its time.
func (e *Export) AddBytes(name string, bytes []byte) error {
	var args arguments
	defer args.release()
	member := args.text("name", name)
	return e.add(&args, func(failure **C.CRError) C.int {
		return C.CRExportAddBytes(e.handle, member, data(bytes), C.size_t(len(bytes)), failure)
	})
}

// AddMetadata adds every document of metadata (config.dump, spec.dump and their like) as a file of its bytes.
func (e *Export) AddMetadata(metadata *Metadata) error {
	if metadata == nil {
		return refused(syscall.EINVAL, "metadata: is nil")
	}
	made := C.CRMetadataNew()
	defer C.CRMetadataFree(made)
	if err := addDocuments(made, metadata.Documents); err != nil {
		return err
	}
	var args arguments
	return e.add(&args, func(failure **C.CRError) C.int {
		return C.CRExportAddMetadata(e.handle, made, failure)
	})
}

// AddFile adds a regular file under a name of its own, with its attributes. An open file keeps its offset: the whole file is
// meant, wherever that is.
func (e *Export) AddFile(name string, file Place) error {
	var args arguments
	defer args.release()
	member := args.text("name", name)
	at, path := args.place("file", file)
	return e.add(&args, func(failure **C.CRError) C.int {
		return C.CRExportAddFile(e.handle, member, at, path, failure)
	})
}

// AddDirectoryTar adds a directory as an archive within the archive, such as volumes/NAME.tar: the directory itself (as "./")
// and everything below it that is on the same mount, of any type except sockets.
func (e *Export) AddDirectoryTar(name string, directory Place) error {
	var args arguments
	defer args.release()
	member := args.text("name", name)
	at, path := args.place("directory", directory)
	return e.add(&args, func(failure **C.CRError) C.int {
		return C.CRExportAddDirectoryTar(e.handle, member, at, path, failure)
	})
}

// AddRootFsDiff adds the changes of a container's root file system: rootfs-diff.tar and deleted.files, each only if it has
// content. Neither is on the disk before the archive is. root is where the root file system is mounted. [ChangesOverlay] and
// [ChangesDirectories] find changes.
func (e *Export) AddRootFsDiff(changes []Change, root Place) error {
	var args arguments
	defer args.release()
	list := args.changes(changes)
	at, path := args.place("root", root)
	return e.add(&args, func(failure **C.CRError) C.int {
		return C.CRExportAddRootFsDiff(e.handle, list, C.size_t(len(changes)), at, path, failure)
	})
}

// Write writes the archive. options is nil for the defaults.
//
// With a path, the archive takes the place of a regular file or a symbolic link that is there. It has mode 0600 from its
// beginning, and appears when it is complete; until then, and after a failure, what was there before is untouched. With an
// open pipe, socket or regular file, it is written from where that is; after a failure, a part of it has been written.
func (e *Export) Write(ctx context.Context, archive Place, options *ExportOptions) (*Exported, error) {
	var args arguments
	defer args.release()
	at, path := args.place("archive", archive)
	if args.err != nil {
		return nil, args.err
	}
	var exported *Exported
	err := e.use(func() (err error) {
		exported, err = e.write(ctx, at, path, options)
		return err
	})
	return exported, err
}

// WriteStream writes the archive to a writer. If the writer is an [*os.File] that is a pipe, a socket or a regular file, the
// archive is written as Write writes it; otherwise a goroutine copies it to the writer through a pipe.
//
// It returns after the last Write of the writer has: a Write that waits isn't woken by the context. The error of a writer
// that fails is found by errors.Is and errors.As in the error that is returned.
func (e *Export) WriteStream(ctx context.Context, archive io.Writer, options *ExportOptions) (*Exported, error) {
	if archive == nil {
		return nil, refused(syscall.EINVAL, "archive: is nil")
	}
	if file := descriptor(archive, false); file != nil {
		return e.Write(ctx, Handle(file), options)
	}
	s, err := newSink(archive)
	if err != nil {
		return nil, err
	}
	finished := false
	defer func() {
		// A panic that goes on here must not leave the copying at work.
		if !finished {
			_ = s.finish(context.Canceled)
		}
	}()
	exported, err := e.Write(ctx, Handle(s.writer), options)
	finished = true
	if err := s.finish(err); err != nil {
		return nil, err
	}
	return exported, nil
}

func (e *Export) write(ctx context.Context, at C.int, path *C.char, options *ExportOptions) (*Exported, error) {
	if options == nil {
		options = &ExportOptions{}
	}
	made, err := options.c()
	if err != nil {
		return nil, err
	}
	defer C.CRExportOptionsFree(made)
	w, err := newWatch(options.Progress, options.Warning)
	if err != nil {
		return nil, err
	}
	defer w.free()
	err = w.during(ctx, func(watch *C.CRWatch) error {
		var failure *C.CRError
		return result(C.CRExportWrite(e.handle, at, path, made, watch, &failure), failure)
	})
	if err != nil {
		return nil, err
	}
	answer := C.CRExportResult(e.handle)
	if answer == nil {
		return nil, refused(syscall.EINVAL, "export: there is no result")
	}
	exported := &Exported{
		Bytes:   uint64(answer.bytes),
		Members: uint64(answer.members),
		Digest:  C.GoString(answer.digest),
	}
	for _, name := range unsafe.Slice(answer.missing, int(answer.missing_len)) {
		exported.Missing = append(exported.Missing, C.GoString(name))
	}
	for _, name := range unsafe.Slice(answer.lacking, int(answer.lacking_len)) {
		exported.Lacking = append(exported.Lacking, C.GoString(name))
	}
	return exported, nil
}
