//go:build linux && cgo

package crutils

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	crutils "github.com/libcrutils/libcrutils/go"
)

// The types of a storage library.
type changeType int

const (
	changeModify changeType = iota
	changeAdd
	changeDelete
)

type storageChange struct {
	Path string
	Kind changeType
}

// The functions have the signatures of podman's.
var (
	_ func(string, string) error                                = CRImportCheckpointWithoutConfig
	_ func(string, string) error                                = CRImportCheckpointConfigOnly
	_ func(string, string, string) error                        = CRRemoveDeletedFiles
	_ func(string, string) error                                = CRApplyRootFsDiffTar
	_ func(*[]storageChange, string, string) ([]string, error)  = CRCreateRootFsDiffTar[storageChange, changeType]
	_ func(*[]crutils.Change, string, string) ([]string, error) = CRCreateRootFsDiffTar[crutils.Change, crutils.ChangeKind]
	_ func(string, string, string) error                        = CRCreateFileWithLabel
	_ func(string) bool                                         = CRRuntimeSupportsCheckpointRestore
	_ func(string) bool                                         = CRRuntimeSupportsPodCheckpointRestore
	_ func(string) (*string, error)                             = CRGetRuntimeFromArchive
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func archiveOf(t *testing.T, path string, members ...string) {
	t.Helper()
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for i := 0; i < len(members); i += 2 {
		header := &tar.Header{Name: members[i], Mode: 0o600, Size: int64(len(members[i+1])), Uid: os.Getuid(), Gid: os.Getgid()}
		must(t, writer.WriteHeader(header))
		_, err := writer.Write([]byte(members[i+1]))
		must(t, err)
	}
	must(t, writer.Close())
	write(t, path, archive.String())
}

// inside makes a new directory the working directory until the test ends.
func inside(t *testing.T) string {
	t.Helper()
	before, err := os.Getwd()
	must(t, err)
	directory := t.TempDir()
	must(t, os.Chdir(directory))
	t.Cleanup(func() { _ = os.Chdir(before) })
	return directory
}

func exists(path ...string) bool {
	_, err := os.Lstat(filepath.Join(path...))
	return err == nil
}

func TestACheckpointGoesThroughAllFunctionsWithRelativePaths(t *testing.T) {
	inside(t)
	write(t, "mnt/etc/new", "new")
	write(t, "mnt/etc/modified", "2")
	must(t, os.Mkdir("bundle", 0o700))
	changes := []storageChange{{"/etc/new", changeAdd}, {"/etc/modified", changeModify}, {"/etc/old", changeDelete}}
	files, err := CRCreateRootFsDiffTar(&changes, "mnt", "bundle")
	must(t, err)
	if !reflect.DeepEqual(files, []string{"rootfs-diff.tar", "deleted.files"}) {
		t.Error(files)
	}
	diff, err := os.ReadFile("bundle/rootfs-diff.tar")
	must(t, err)
	deleted, err := os.ReadFile("bundle/deleted.files")
	must(t, err)
	archiveOf(t, "archive.tar", "config.dump", `{"id":"8f1c","runtime":"crun"}`, "spec.dump", "{}", "rootfs-diff.tar", string(diff),
		"deleted.files", string(deleted), "checkpoint/inventory.img", "x")

	runtime, err := CRGetRuntimeFromArchive("archive.tar")
	must(t, err)
	if *runtime != "crun" {
		t.Error(*runtime)
	}
	must(t, CRImportCheckpointConfigOnly("configuration", "archive.tar"))
	must(t, CRImportCheckpointWithoutConfig("restored", "archive.tar"))
	write(t, "root/etc/old", "")
	write(t, "root/etc/modified", "1")
	must(t, CRApplyRootFsDiffTar("restored", "root"))
	must(t, CRRemoveDeletedFiles("8f1c", "restored", "root"))
	must(t, CRCreateFileWithLabel("restored", "restore.log", ""))
	if content, err := os.ReadFile("root/etc/modified"); string(content) != "2" || err != nil {
		t.Error(string(content), err)
	}
	for path, want := range map[string]bool{
		"configuration/config.dump": true, "configuration/checkpoint": false, "restored/config.dump": false,
		"restored/checkpoint/inventory.img": true, "restored/restore.log": true, "root/etc/new": true, "root/etc/old": false,
	} {
		if exists(path) != want {
			t.Error(path, !want)
		}
	}

	// "" is the working directory where files are joined to it, and never the container's root directory.
	must(t, os.Chdir("restored"))
	must(t, CRCreateFileWithLabel("", "dump.log", ""))
	must(t, CRApplyRootFsDiffTar("", "../root"))
	if CRApplyRootFsDiffTar("", "") == nil || CRRemoveDeletedFiles("8f1c", "", "") == nil || exists("etc") {
		t.Error("a root directory that isn't named is taken")
	}
	if !exists("dump.log") {
		t.Error("there is no log")
	}
}

func TestWhatIsMissingIsNoErrorWhereItIsNoneForPodman(t *testing.T) {
	base := inside(t)
	must(t, CRApplyRootFsDiffTar("missing", base))
	must(t, CRRemoveDeletedFiles("8f1c", "missing", base))
	for _, changes := range []*[]storageChange{nil, {}} {
		if files, err := CRCreateRootFsDiffTar(changes, base, base); len(files) != 0 || err != nil {
			t.Error(files, err)
		}
	}
	archiveOf(t, "empty.tar")
	must(t, CRImportCheckpointConfigOnly(base, "empty.tar"))
	archiveOf(t, "silent.tar", "config.dump", "{}")
	if runtime, err := CRGetRuntimeFromArchive("silent.tar"); err != nil || *runtime != "" {
		t.Error(runtime, err)
	}
	if CRRuntimeSupportsCheckpointRestore("missing") || CRRuntimeSupportsPodCheckpointRestore("missing") {
		t.Error("a runtime that is missing supports something")
	}
}

func TestErrorsBeginAsThoseOfPodman(t *testing.T) {
	base := inside(t)
	write(t, "garbage", strings.Repeat("garbage", 200))
	archiveOf(t, "empty.tar")
	write(t, "list/deleted.files", "[")
	write(t, "root-list/deleted.files", `["/"]`)
	write(t, "diff/rootfs-diff.tar", strings.Repeat("garbage", 200))
	_, config := CRGetRuntimeFromArchive("empty.tar")
	_, missing := CRGetRuntimeFromArchive("missing")
	_, diff := CRCreateRootFsDiffTar(&[]storageChange{{"/a", changeAdd}}, base+"/missing", base)
	_, kind := CRCreateRootFsDiffTar(&[]storageChange{{"/a", 7}}, base, base)
	for _, test := range []struct {
		err       error
		beginning string
		is        error
	}{
		{CRImportCheckpointWithoutConfig(base, "missing"), "failed to open checkpoint archive missing for import: ", fs.ErrNotExist},
		{CRImportCheckpointConfigOnly(base, "missing"), "failed to open checkpoint archive missing for import: ", syscall.ENOENT},
		{missing, "failed to open checkpoint archive missing for import: ", fs.ErrNotExist},
		{CRImportCheckpointWithoutConfig(base, "garbage"), "unpacking of checkpoint archive garbage failed: ", syscall.EBADMSG},
		{CRImportCheckpointConfigOnly(base, "garbage"), "unpacking of checkpoint archive garbage failed: ", syscall.EBADMSG},
		{CRImportCheckpointConfigOnly("missing", "garbage"), "unpacking of checkpoint archive garbage failed: ", syscall.EBADMSG},
		{config, "unpacking of checkpoint archive empty.tar failed: ", fs.ErrNotExist},
		{CRRemoveDeletedFiles("8f1c", "list", base), "failed to read deleted files file: ", syscall.EBADMSG},
		{CRRemoveDeletedFiles("8f1c", "root-list", base), "failed to delete files from container 8f1c during restore: ", syscall.EXDEV},
		{CRApplyRootFsDiffTar("diff", base), "failed to apply root file-system diff file diff/rootfs-diff.tar: ", syscall.EBADMSG},
		{diff, `exporting root file-system diff to "` + base + `/rootfs-diff.tar": `, fs.ErrNotExist},
		{kind, `exporting root file-system diff to "` + base + `/rootfs-diff.tar": `, syscall.EINVAL},
		{CRCreateFileWithLabel("missing", "restore.log", ""), `failed to create file "missing/restore.log": `, fs.ErrNotExist},
	} {
		var failure *crutils.Error
		if test.err == nil || !strings.HasPrefix(test.err.Error(), test.beginning) || !errors.Is(test.err, test.is) || !errors.As(test.err, &failure) {
			t.Errorf("%v doesn't begin with %q, or isn't %v", test.err, test.beginning, test.is)
			continue
		}
		if strings.Contains(strings.TrimPrefix(test.err.Error(), test.beginning), "archive \"") {
			t.Error("the archive is named twice: ", test.err)
		}
	}
}
