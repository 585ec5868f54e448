//go:build linux && cgo

package crutils

/*
#include <crutils.h>
*/
import "C"

// ImportCheckpointWithoutConfig extracts a checkpoint archive into a bundle, except its members config.dump and spec.dump.
//
// destination is the bundle. If it is missing, it and its missing parents are made once the archive's first header is
// understood; its path has to be absolute, or start at an open directory, then. A bundle that exists keeps its owner, its
// mode, and the files that the archive doesn't replace. After a failure, what was extracted before it stays, but nothing of
// a file that is incomplete.
func ImportCheckpointWithoutConfig(destination, input Place) error {
	var args arguments
	defer args.release()
	destinationAt, destinationPath := args.place("destination", destination)
	inputAt, inputPath := args.place("input", input)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImportCheckpointWithoutConfigAt(destinationAt, destinationPath, inputAt, inputPath, &failure), failure)
}

// ImportCheckpointConfigOnly extracts the members config.dump and spec.dump of a checkpoint archive, and nothing else.
// Reading stops once both were found. It is no error if one or both of them are missing.
func ImportCheckpointConfigOnly(destination, input Place) error {
	var args arguments
	defer args.release()
	destinationAt, destinationPath := args.place("destination", destination)
	inputAt, inputPath := args.place("input", input)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImportCheckpointConfigOnlyAt(destinationAt, destinationPath, inputAt, inputPath, &failure), failure)
}

// GetRuntimeFromArchive finds out which OCI runtime made a checkpoint archive: the value of "runtime" in its config.dump.
// It is "" if the archive doesn't tell. The archive chooses it, and it may be a path: check it before it is run. An archive
// without config.dump fails with ENODATA, which is fs.ErrNotExist.
func GetRuntimeFromArchive(input string) (string, error) {
	var args arguments
	defer args.release()
	path := args.text("input", input)
	if args.err != nil {
		return "", args.err
	}
	var runtime *C.char
	var failure *C.CRError
	if err := result(C.CRGetRuntimeFromArchive(path, &runtime, &failure), failure); err != nil {
		return "", err
	}
	defer C.CRStringFree(runtime)
	return C.GoString(runtime), nil
}

// CreateRootFsDiffTar writes the changes of a container's root file system into two files in a directory: rootfs-diff.tar,
// with what was added and modified, and deleted.files, a JSON array of the paths that are gone. It returns the names of the
// files that it wrote, "rootfs-diff.tar" before "deleted.files".
//
// mountPoint is where the container's root file system is mounted. destination is an existing directory. The files of an
// earlier call are removed first; after a failure there is neither.
func CreateRootFsDiffTar(changes []Change, mountPoint, destination Place) ([]string, error) {
	var args arguments
	defer args.release()
	list := args.changes(changes)
	mountPointAt, mountPointPath := args.place("mount_point", mountPoint)
	destinationAt, destinationPath := args.place("destination", destination)
	if args.err != nil {
		return nil, args.err
	}
	var files **C.char
	var failure *C.CRError
	status := C.CRCreateRootFsDiffTarAt(list, C.size_t(len(changes)), mountPointAt, mountPointPath, destinationAt,
		destinationPath, &files, &failure)
	if err := result(status, failure); err != nil {
		return nil, err
	}
	defer C.CRStringArrayFree(files)
	return stringsOf(files), nil
}

// ApplyRootFsDiffTar applies rootfs-diff.tar of a bundle to a container's root file system. It is no error if the bundle or
// the file is missing.
//
// baseDirectory is the bundle. containerRootDirectory is an existing directory: an absolute path, or one that starts at an
// open directory.
func ApplyRootFsDiffTar(baseDirectory, containerRootDirectory Place) error {
	var args arguments
	defer args.release()
	baseAt, basePath := args.place("base_directory", baseDirectory)
	rootAt, rootPath := args.place("container_root_directory", containerRootDirectory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRApplyRootFsDiffTarAt(baseAt, basePath, rootAt, rootPath, &failure), failure)
}

// RemoveDeletedFiles removes the paths that deleted.files of a bundle lists from a container's root file system:
// directories with everything below them, symbolic links themselves and not their targets. It is called after
// ApplyRootFsDiffTar: what rootfs-diff.tar of the same bundle holds is not removed. It is no error if the bundle or the
// list is missing. id is the container's name, for messages.
func RemoveDeletedFiles(id string, baseDirectory, containerRootDirectory Place) error {
	var args arguments
	defer args.release()
	name := args.text("id", id)
	baseAt, basePath := args.place("base_directory", baseDirectory)
	rootAt, rootPath := args.place("container_root_directory", containerRootDirectory)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRRemoveDeletedFilesAt(name, baseAt, basePath, rootAt, rootPath, &failure), failure)
}

// CreateFileWithLabel makes an empty regular file, mode 0600 less the umask, with an SELinux label. A regular file that
// exists is emptied and keeps its mode. fileName is one component. fileLabel is "" for no label; where SELinux is not
// enabled it has no effect.
func CreateFileWithLabel(directory Place, fileName, fileLabel string) error {
	var args arguments
	defer args.release()
	directoryAt, directoryPath := args.place("directory", directory)
	name, label := args.text("file_name", fileName), args.text("file_label", fileLabel)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRCreateFileWithLabelAt(directoryAt, directoryPath, name, label, &failure), failure)
}

// RuntimeSupportsCheckpointRestore reports whether a runtime can checkpoint and restore containers: whether "RUNTIME
// checkpoint --help" succeeds. The runtime is looked up in PATH if it has no slash. It is false for a runtime that is
// missing, fails, or doesn't answer within 10 seconds.
func RuntimeSupportsCheckpointRestore(runtimePath string) bool {
	var args arguments
	defer args.release()
	path := args.text("runtime_path", runtimePath)
	return args.err == nil && bool(C.CRRuntimeSupportsCheckpointRestore(path))
}

// RuntimeSupportsPodCheckpointRestore reports whether a runtime can restore containers into a pod: whether its command
// "restore" has the option --lsm-mount-context. It is false as RuntimeSupportsCheckpointRestore is.
func RuntimeSupportsPodCheckpointRestore(runtimePath string) bool {
	var args arguments
	defer args.release()
	path := args.text("runtime_path", runtimePath)
	return args.err == nil && bool(C.CRRuntimeSupportsPodCheckpointRestore(path))
}
