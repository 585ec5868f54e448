// Package crutils imports, applies and creates container checkpoint archives, over the C ABI of libcrutils.
//
// A function that fails returns an [*Error], which wraps the errno: errors.Is(err, syscall.EXDEV) tells an archive that
// tried to leave its root. All functions may be called from any number of goroutines at once.
package crutils

/*
#cgo pkg-config: crutils
#include <crutils.h>
#include <stdlib.h>
*/
import "C"

import "unsafe"

// ChangeKind says what happened to an object of a root file system.
type ChangeKind uint32

// The kinds of change, with the numbers that container engines use.
const (
	Modify ChangeKind = C.CR_CHANGE_MODIFY
	Add    ChangeKind = C.CR_CHANGE_ADD
	Delete ChangeKind = C.CR_CHANGE_DELETE
)

// Change is one changed object: its path as the container sees it, such as "/etc/hosts", and what happened to it.
type Change struct {
	Path string
	Kind ChangeKind
}

// Version is the version of the library in use, such as "0.1.0".
func Version() string {
	return C.GoString(C.CRVersion())
}

// ImportCheckpointWithoutConfig unpacks a checkpoint archive into the bundle destination, without config.dump and
// spec.dump.
func ImportCheckpointWithoutConfig(destination, input string) error {
	var args arguments
	defer args.free()
	cDestination, cInput := args.string("destination", destination), args.string("input", input)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImportCheckpointWithoutConfig(cDestination, cInput, &failure), failure)
}

// ImportCheckpointConfigOnly unpacks config.dump and spec.dump of a checkpoint archive into destination.
func ImportCheckpointConfigOnly(destination, input string) error {
	var args arguments
	defer args.free()
	cDestination, cInput := args.string("destination", destination), args.string("input", input)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImportCheckpointConfigOnly(cDestination, cInput, &failure), failure)
}

// GetRuntimeFromArchive is the name of the OCI runtime that made the checkpoint; "" if the archive doesn't say.
func GetRuntimeFromArchive(input string) (string, error) {
	var args arguments
	defer args.free()
	cInput := args.string("input", input)
	if args.err != nil {
		return "", args.err
	}
	var runtime *C.char
	var failure *C.CRError
	if err := result(C.CRGetRuntimeFromArchive(cInput, &runtime, &failure), failure); err != nil {
		return "", err
	}
	defer C.CRStringFree(runtime)
	return C.GoString(runtime), nil
}

// ApplyRootFsDiffTar unpacks rootfs-diff.tar of the bundle baseDirectory into containerRootDirectory. A bundle without
// one is no error.
func ApplyRootFsDiffTar(baseDirectory, containerRootDirectory string) error {
	var args arguments
	defer args.free()
	base, root := args.string("base_directory", baseDirectory), args.string("container_root_directory", containerRootDirectory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRApplyRootFsDiffTar(base, root, &failure), failure)
}

// RemoveDeletedFiles removes from containerRootDirectory what deleted.files of the bundle baseDirectory lists; id only
// serves messages. A bundle without a list is no error.
func RemoveDeletedFiles(id, baseDirectory, containerRootDirectory string) error {
	var args arguments
	defer args.free()
	cID, base := args.string("id", id), args.string("base_directory", baseDirectory)
	root := args.string("container_root_directory", containerRootDirectory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRRemoveDeletedFiles(cID, base, root, &failure), failure)
}

// CreateRootFsDiffTar writes rootfs-diff.tar and deleted.files into destination, from the changes of the root file
// system at mountPoint, and returns the names of those that it wrote.
func CreateRootFsDiffTar(changes []Change, mountPoint, destination string) ([]string, error) {
	var args arguments
	defer args.free()
	list := args.changes(changes)
	cMountPoint, cDestination := args.string("mount_point", mountPoint), args.string("destination", destination)
	if args.err != nil {
		return nil, args.err
	}
	var files **C.char
	var failure *C.CRError
	status := C.CRCreateRootFsDiffTar(list, C.size_t(len(changes)), cMountPoint, cDestination, &files, &failure)
	if err := result(status, failure); err != nil {
		return nil, err
	}
	defer C.CRStringArrayFree(files)
	return stringsOf(files), nil
}

// stringsOf is a copy of an array that ends with NULL.
func stringsOf(array **C.char) []string {
	var copies []string
	for at := array; *at != nil; at = (**C.char)(unsafe.Add(unsafe.Pointer(at), unsafe.Sizeof(*at))) {
		copies = append(copies, C.GoString(*at))
	}
	return copies
}

// CreateFileWithLabel makes an empty file in directory and gives it an SELinux label; "" means none.
func CreateFileWithLabel(directory, fileName, fileLabel string) error {
	var args arguments
	defer args.free()
	cDirectory, name := args.string("directory", directory), args.string("file_name", fileName)
	label := args.string("file_label", fileLabel)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRCreateFileWithLabel(cDirectory, name, label, &failure), failure)
}

// RuntimeSupportsCheckpointRestore asks the OCI runtime whether it can checkpoint; false if it can't be asked.
func RuntimeSupportsCheckpointRestore(runtimePath string) bool {
	var args arguments
	defer args.free()
	path := args.string("runtime_path", runtimePath)
	return args.err == nil && bool(C.CRRuntimeSupportsCheckpointRestore(path))
}

// RuntimeSupportsPodCheckpointRestore asks the OCI runtime whether it can restore into a pod; false if it can't be asked.
func RuntimeSupportsPodCheckpointRestore(runtimePath string) bool {
	var args arguments
	defer args.free()
	path := args.string("runtime_path", runtimePath)
	return args.err == nil && bool(C.CRRuntimeSupportsPodCheckpointRestore(path))
}
