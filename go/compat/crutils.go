// Package crutils has the functions of podman's package crutils (pkg/checkpoint/crutils), name for name and call for call,
// over libcrutils. An engine that uses that package changes the line that imports it:
//
//	import "github.com/libcrutils/libcrutils/go/compat"
//
// Relative paths start at the working directory. Errors begin with the texts of podman's package, name the archive once,
// and unwrap to the errors of package github.com/libcrutils/libcrutils/go, its parent directory: errors.Is finds the errno,
// and fs.ErrNotExist for an archive without config.dump.
//
// The package imports no storage library: [CRCreateRootFsDiffTar] takes the type Change of any of them. It builds without
// cgo, and on other systems than Linux, as clients of an engine need it; its functions fail there with ErrUnsupported of the
// parent package, or are false.
//
// # Differences
//
// Some things are done otherwise than in podman's package:
//
//   - CRImportCheckpointConfigOnly extracts config.dump and spec.dump, and no other member.
//   - The names of members that an import leaves out are compared whole, not by their beginning: config.dump.old is a file
//     like any other.
//   - An import into a bundle refuses config.json, devices, fifos, and links that lead out of the archive's own files.
//   - A file that isn't an archive makes no directory. Directories that are made on the way to a member have mode 0755,
//     whatever the umask is.
//   - Archives are decompressed in the process. No program of PATH is used for it.
//   - CRGetRuntimeFromArchive works in memory. It makes no temporary directory.
//   - CRCreateRootFsDiffTar records the owner, the mode, the times and the attributes of modified directories, and ACLs.
//     It looks at modified paths below the mount point. It doesn't enter other mounts. A kind of change that it doesn't know
//     is an error, and so is a deletion of the root itself. Files of an earlier call are removed. Both files have mode
//     0600. deleted.files that can't be written is an error. changes may be nil.
//   - CRApplyRootFsDiffTar makes no root directory that is missing: that is an error if there is something to apply.
//   - CRRemoveDeletedFiles removes a symbolic link, not its target; keeps what rootfs-diff.tar of the same directory holds;
//     doesn't enter other mounts; and refuses a path that means the root itself. A root directory that is missing is an
//     error if there is a list.
//   - The container's root directory can't be "".
//   - CRCreateFileWithLabel empties a file that exists, takes a name of one component, and follows no symbolic link that
//     has the name.
//   - A runtime that is asked what it supports has 10 seconds to answer. youki's answer is understood, too.
package crutils

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	crutils "github.com/libcrutils/libcrutils/go"
)

// CRImportCheckpointWithoutConfig imports the checkpoint archive input into the directory destination, without config.dump
// and spec.dump. If the directory is missing, it is made.
func CRImportCheckpointWithoutConfig(destination, input string) error {
	bundle, err := absolute(destination)
	if err == nil {
		err = crutils.ImportCheckpointWithoutConfig(crutils.Path(bundle), crutils.Path(input))
	}
	return importError(input, err)
}

// CRImportCheckpointConfigOnly imports config.dump and spec.dump of the checkpoint archive input into the directory
// destination. If the directory is missing, it is made.
func CRImportCheckpointConfigOnly(destination, input string) error {
	bundle, err := absolute(destination)
	if err == nil {
		err = crutils.ImportCheckpointConfigOnly(crutils.Path(bundle), crutils.Path(input))
	}
	return importError(input, err)
}

// CRRemoveDeletedFiles removes the files that deleted.files in baseDirectory lists from containerRootDirectory. It is no
// error if there is no list. id is the container's, for messages.
func CRRemoveDeletedFiles(id, baseDirectory, containerRootDirectory string) error {
	root, err := absolute(containerRootDirectory)
	if err == nil {
		err = crutils.RemoveDeletedFiles(id, directory(baseDirectory), crutils.Path(root))
	}
	if err == nil {
		return nil
	}
	err = without(err, fmt.Sprintf("remove deleted files of container %q: ", id))
	if about := (*crutils.Error)(nil); errors.As(err, &about) && about.Kind == crutils.KindMalformed {
		return fmt.Errorf("failed to read deleted files file: %w", err)
	}
	return fmt.Errorf("failed to delete files from container %s during restore: %w", id, err)
}

// CRApplyRootFsDiffTar applies rootfs-diff.tar in baseDirectory to containerRootDirectory. It is no error if there is no
// such file.
func CRApplyRootFsDiffTar(baseDirectory, containerRootDirectory string) error {
	root, err := absolute(containerRootDirectory)
	if err == nil {
		err = crutils.ApplyRootFsDiffTar(directory(baseDirectory), crutils.Path(root))
	}
	if err == nil {
		return nil
	}
	path := filepath.Join(baseDirectory, "rootfs-diff.tar")
	return fmt.Errorf("failed to apply root file-system diff file %s: %w", path, without(err, "apply rootfs-diff.tar: "))
}

// CRCreateRootFsDiffTar writes the changes of the root file system that is mounted at mountPoint into two files in
// destination: rootfs-diff.tar, with what was added and modified, and deleted.files, with the paths that are gone. It
// returns the names of the files that it wrote.
//
// changes is a list of any type Change that has the fields and the numbers of that of the storage libraries: of
// github.com/containers/storage/pkg/archive, of go.podman.io/storage/pkg/archive, and of their like.
func CRCreateRootFsDiffTar[C ~struct {
	Path string
	Kind K
}, K ~int](changes *[]C, mountPoint, destination string) (includeFiles []string, err error) {
	if changes == nil {
		return nil, nil
	}
	list := make([]crutils.Change, 0, len(*changes))
	for _, change := range *changes {
		plain := struct {
			Path string
			Kind K
		}(change)
		list = append(list, crutils.Change{Path: plain.Path, Kind: crutils.ChangeKind(plain.Kind)})
	}
	return createRootFsDiffTar(list, mountPoint, destination)
}

func createRootFsDiffTar(changes []crutils.Change, mountPoint, destination string) ([]string, error) {
	files, err := crutils.CreateRootFsDiffTar(changes, crutils.Path(mountPoint), directory(destination))
	if err != nil {
		path := filepath.Join(destination, "rootfs-diff.tar")
		return nil, fmt.Errorf("exporting root file-system diff to %q: %w", path, err)
	}
	return files, nil
}

// Changes returns what a container changed in its root file system, which is an overlay that is mounted at mountPoint, without
// the paths that podman leaves out. [CRCreateRootFsDiffTar] takes it. An engine that uses it in the place of its own list of
// changes gets lists for containers that replaced a file by a directory with content, too.
//
// podman's package has no such function. Package github.com/libcrutils/libcrutils/go has it with a context and options.
func Changes(mountPoint string) ([]crutils.Change, error) {
	return crutils.Changes(context.Background(), mountPoint, &crutils.ChangesOptions{ExcludeEngine: crutils.EnginePodman})
}

// CRCreateFileWithLabel makes an empty file in a directory and sets its SELinux label; "" for none.
func CRCreateFileWithLabel(directoryPath, fileName, fileLabel string) error {
	err := crutils.CreateFileWithLabel(directory(directoryPath), fileName, fileLabel)
	if err == nil {
		return nil
	}
	doing := "create"
	if strings.HasPrefix(err.Error(), "label ") {
		doing = "label"
	}
	return fmt.Errorf("failed to %s file %q: %w", doing, filepath.Join(directoryPath, fileName), err)
}

// CRRuntimeSupportsCheckpointRestore reports whether the runtime at runtimePath can checkpoint and restore containers.
func CRRuntimeSupportsCheckpointRestore(runtimePath string) bool {
	return crutils.RuntimeSupportsCheckpointRestore(runtimePath)
}

// CRRuntimeSupportsPodCheckpointRestore reports whether the runtime at runtimePath can restore containers into a pod.
func CRRuntimeSupportsPodCheckpointRestore(runtimePath string) bool {
	return crutils.RuntimeSupportsPodCheckpointRestore(runtimePath)
}

// CRGetRuntimeFromArchive returns the runtime that made the checkpoint archive input; "" if config.dump doesn't tell. An
// archive without config.dump is fs.ErrNotExist.
func CRGetRuntimeFromArchive(input string) (*string, error) {
	runtime, err := crutils.GetRuntimeFromArchive(input)
	if err != nil {
		return nil, importError(input, err)
	}
	return &runtime, nil
}

// directory returns the place of a directory that files are joined to: "" is the working directory then.
func directory(path string) crutils.Place {
	if path == "" {
		path = "."
	}
	return crutils.Path(path)
}

// absolute returns the path of a container's root directory as the library takes it. It refuses "", which would be the
// working directory.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

// importError returns the error of an import with the text that tells whether the archive couldn't be opened.
func importError(input string, err error) error {
	if err == nil {
		return nil
	}
	err = without(err, fmt.Sprintf("archive %q: ", input))
	about := (*crutils.Error)(nil)
	if failure := open(input); failure != nil && errors.As(err, &about) && errors.Is(failure, about.Errno) {
		return fmt.Errorf("failed to open checkpoint archive %s for import: %w", input, err)
	}
	return fmt.Errorf("unpacking of checkpoint archive %s failed: %w", input, err)
}

// open returns why a file can't be opened. A fifo isn't tried: that would wait for its writer.
func open(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

// shortened is an error with a part of its text.
type shortened struct {
	text string
	err  error
}

func (s *shortened) Error() string {
	return s.text
}

func (s *shortened) Unwrap() error {
	return s.err
}

// without returns an error without the beginning of its text: what the text before it tells already.
func without(err error, beginning string) error {
	text := err.Error()
	if rest := strings.TrimPrefix(text, beginning); rest != text {
		return &shortened{text: rest, err: err}
	}
	return err
}
