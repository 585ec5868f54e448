package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"context"
	"os"
)

// Import is an archive that is open for import: it tells what it holds, then it is extracted. One goroutine at a time
// uses it, and closes it in the end. Progress isn't passed on to Go: each step would be a call from C into Go.
type Import struct {
	handle *C.CRImport
	watch  *watch
}

// Files are the directories that a container's files go to; "" leaves one out, and what would go there goes into the
// bundle as it is. Volumes has a directory for each volume's name.
type Files struct {
	Bundle, Root, Shm string
	Volumes           map[string]string
}

// OpenImport opens a checkpoint archive, plain or compressed. The context holds for all that is done with the import:
// once it is done, everything fails with an error that is the context's, and ECANCELED. Options may be nil.
func OpenImport(ctx context.Context, input string, options *ImportOptions) (*Import, error) {
	var args arguments
	defer args.free()
	cInput := args.string("input", input)
	if args.err != nil {
		return nil, args.err
	}
	return open(ctx, options, func(o *C.CRImportOptions, w *C.CRWatch, made **C.CRImport, failure **C.CRError) C.int {
		return C.CRImportOpen(cInput, o, w, made, failure)
	})
}

// OpenImportFile opens a checkpoint archive that comes out of a file or a pipe, which stays the caller's and may be closed
// afterwards. A pipe is read once, from where it is.
func OpenImportFile(ctx context.Context, input *os.File, options *ImportOptions) (*Import, error) {
	connection, err := input.SyscallConn()
	if err != nil {
		return nil, err
	}
	var opened *Import
	var failed error
	err = connection.Control(func(fd uintptr) {
		opened, failed = open(ctx, options, func(o *C.CRImportOptions, w *C.CRWatch, made **C.CRImport, failure **C.CRError) C.int {
			return C.CRImportOpenDescriptor(C.int(fd), o, w, made, failure)
		})
	})
	if err != nil {
		return nil, err
	}
	return opened, failed
}

func open(ctx context.Context, options *ImportOptions, how func(*C.CRImportOptions, *C.CRWatch, **C.CRImport, **C.CRError) C.int) (*Import, error) {
	made, err := options.make()
	if err != nil {
		return nil, err
	}
	defer C.CRImportOptionsFree(made)
	watch, err := watchFor(ctx)
	if err != nil {
		return nil, err
	}
	// C may not see memory of Go's that has pointers into Go's, as an Import has.
	var handle *C.CRImport
	var failure *C.CRError
	if err := watch.result(how(made, watch.handle, &handle, &failure), failure); err != nil {
		watch.close()
		return nil, err
	}
	return &Import{handle: handle, watch: watch}, nil
}

// Close frees the import. What it has extracted stays.
func (i *Import) Close() {
	C.CRImportFree(i.handle)
	i.handle = nil
	i.watch.close()
}

// Metadata tells what the archive says of its container. It reads as far as it must, which is to config.dump and
// spec.dump; documents that come later are known after Members.
func (i *Import) Metadata() (*Metadata, error) {
	var failure *C.CRError
	var metadata *C.CRMetadata
	if err := i.watch.result(C.CRImportMetadata(i.handle, &metadata, &failure), failure); err != nil {
		return nil, err
	}
	defer C.CRMetadataFree(metadata)
	return metadataOf(metadata)
}

// Members lists all members of the archive.
func (i *Import) Members() ([]Member, error) {
	var failure *C.CRError
	var list *C.CRMemberList
	if err := i.watch.result(C.CRImportMembers(i.handle, &list, &failure), failure); err != nil {
		return nil, err
	}
	defer C.CRMemberListFree(list)
	members := make([]Member, C.CRMemberListLen(list))
	for index := range members {
		at := C.CRMemberListAt(list, C.size_t(index))
		members[index] = Member{
			Name: C.GoString(at.name), Type: MemberType(at.kind), Class: Class(at.member_class),
			Size: uint64(at.size), Stored: uint64(at.stored), Offset: uint64(at.offset),
		}
	}
	return members, nil
}

// ToBundle has Extract put all members into a bundle that have no destination of their own, but for config.dump and
// spec.dump. If names are given, it is these members and what is below them, and they have to be there.
func (i *Import) ToBundle(bundle string, names ...string) error {
	var args arguments
	defer args.free()
	cBundle, cNames := args.string("bundle", bundle), args.strings("names", names)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	if len(names) == 0 {
		return result(C.CRImportToBundle(i.handle, cBundle, &failure), failure)
	}
	return result(C.CRImportToBundleOnly(i.handle, cBundle, cNames, C.size_t(len(names)), &failure), failure)
}

// ToRoot has Extract apply the changes of the root file system below root, an absolute path, and remove there what the
// container had deleted.
func (i *Import) ToRoot(root string) error {
	var args arguments
	defer args.free()
	cRoot := args.string("root", root)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImportToRoot(i.handle, cRoot, &failure), failure)
}

// ToVolume has Extract put the content of a named volume into a directory that is there.
func (i *Import) ToVolume(name, directory string) error {
	var args arguments
	defer args.free()
	cName, cDirectory := args.string("name", name), args.string("directory", directory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImportToVolume(i.handle, cName, cDirectory, &failure), failure)
}

// ToShm has Extract put the content of the container's own /dev/shm into a directory that is there.
func (i *Import) ToShm(directory string) error {
	var args arguments
	defer args.free()
	cDirectory := args.string("directory", directory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImportToShm(i.handle, cDirectory, &failure), failure)
}

// Extract extracts everything that has a destination, in one pass over the archive.
func (i *Import) Extract() error {
	var failure *C.CRError
	return i.watch.result(C.CRImportExtract(i.handle, &failure), failure)
}

// Digest is the archive's SHA-256 in hexadecimal digits, after Extract and if the options asked for it; otherwise "".
func (i *Import) Digest() string {
	return C.GoString(C.CRImportDigest(i.handle))
}

// ImportFiles restores all files of a container in one pass over the archive: an import that does nothing else.
func ImportFiles(ctx context.Context, input string, files Files, options *ImportOptions) error {
	var args arguments
	defer args.free()
	cInput, bundle := args.string("input", input), args.optional("bundle", files.Bundle)
	root, shm := args.optional("root", files.Root), args.optional("shm", files.Shm)
	volumes := args.volumes(files.Volumes)
	if args.err != nil {
		return args.err
	}
	made, err := options.make()
	if err != nil {
		return err
	}
	defer C.CRImportOptionsFree(made)
	watch, err := watchFor(ctx)
	if err != nil {
		return err
	}
	defer watch.close()
	var failure *C.CRError
	count := C.size_t(len(files.Volumes))
	return watch.result(C.CRImportFiles(cInput, bundle, root, volumes, count, shm, made, watch.handle, &failure), failure)
}
