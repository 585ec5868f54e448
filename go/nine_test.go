//go:build linux && cgo

package crutils

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestACheckpointIsImportedStepByStep(t *testing.T) {
	input, base := fileOf(t, checkpoint(t)), t.TempDir()
	bundle, configuration, root := filepath.Join(base, "bundle"), filepath.Join(base, "configuration"), filepath.Join(base, "root")
	must(t, os.MkdirAll(filepath.Join(root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/old"), nil, 0o600))
	directory, err := os.Open(base)
	must(t, err)
	defer directory.Close()
	archive, err := os.Open(input)
	must(t, err)
	defer archive.Close()

	must(t, ImportCheckpointConfigOnly(At(directory, "configuration"), Path(input)))
	must(t, ImportCheckpointWithoutConfig(Path(bundle), Handle(archive)))
	must(t, ApplyRootFsDiffTar(At(directory, "bundle"), At(directory, "root")))
	must(t, RemoveDeletedFiles("8f1c", Path(bundle), Path(root)))
	must(t, CreateFileWithLabel(At(directory, "bundle"), "restore.log", ""))
	if textOf(t, configuration, "config.dump") != config || textOf(t, configuration, "spec.dump") != spec {
		t.Error("the configuration is another")
	}
	if exists(bundle, "config.dump") || textOf(t, bundle, "checkpoint/pages-1.img") != "memory" || textOf(t, bundle, "restore.log") != "" {
		t.Error("the bundle is another")
	}
	if textOf(t, root, "etc/new") != "new\n" || exists(root, "etc/old") {
		t.Error("the root file system is another")
	}
	if runtime, err := GetRuntimeFromArchive(input); runtime != "runc" || err != nil {
		t.Error(runtime, err)
	}
}

func TestARootFsDiffIsMadeOfChanges(t *testing.T) {
	root := treeOf(t, map[string]string{"new": "1", "modified": "2"})
	for _, test := range []struct{ changes, files []string }{
		{nil, []string{}},
		{[]string{"A/new"}, []string{"rootfs-diff.tar"}},
		{[]string{"C/modified", "D/gone"}, []string{"rootfs-diff.tar", "deleted.files"}},
	} {
		kinds := map[byte]ChangeKind{'A': ChangeAdd, 'C': ChangeModify, 'D': ChangeDelete}
		var changes []Change
		for _, change := range test.changes {
			changes = append(changes, Change{change[1:], kinds[change[0]]})
		}
		destination := t.TempDir()
		files, err := CreateRootFsDiffTar(changes, Path(root), Path(destination))
		must(t, err)
		if !reflect.DeepEqual(files, test.files) {
			t.Errorf("%v: %q", test.changes, files)
		}
		for _, file := range files {
			if !exists(destination, file) {
				t.Error(file)
			}
		}
	}
	many := make([]Change, 20000)
	for i := range many {
		many[i] = Change{"/gone/" + strings.Repeat("x", i%50) + string(rune('a'+i%26)), ChangeDelete}
	}
	destination := t.TempDir()
	files, err := CreateRootFsDiffTar(many, Path(root), Path(destination))
	if err != nil || len(files) != 1 || !bytes.Contains([]byte(textOf(t, destination, "deleted.files")), []byte(`"/gone/xxxd"`)) {
		t.Error(files, err)
	}
}

func TestTheNineFunctionsFailWithErrors(t *testing.T) {
	here := t.TempDir()
	_, diff := CreateRootFsDiffTar([]Change{{"/a", 9}}, Path(here), Path(here))
	_, mount := CreateRootFsDiffTar(nil, Path(here), Path("a\x00b"))
	_, runtime := GetRuntimeFromArchive(fileOf(t, nil))
	_, text := GetRuntimeFromArchive("a\x00b")
	for name, test := range map[string]struct{ err, want error }{
		"no archive": {ImportCheckpointWithoutConfig(Path(here), Path("/nonexistent")), fs.ErrNotExist},
		"garbage":    {ImportCheckpointConfigOnly(Path(here), Path(fileOf(t, memory(1024)))), syscall.EBADMSG},
		"base":       {ApplyRootFsDiffTar(Path(fileOf(t, nil)), Path(here)), syscall.ENOTDIR},
		"list":       {RemoveDeletedFiles("x", Path(fileOf(t, nil)), Path(here)), syscall.ENOTDIR},
		"id":         {RemoveDeletedFiles("a\x00b", Path(here), Path(here)), syscall.EINVAL},
		"name":       {CreateFileWithLabel(Path(here), "../x", ""), syscall.EINVAL},
		"diff":       {diff, syscall.EINVAL},
		"mount":      {mount, syscall.EINVAL},
		"no config":  {runtime, fs.ErrNotExist},
		"NUL":        {text, syscall.EINVAL},
	} {
		var failure *Error
		if !errors.As(test.err, &failure) || !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v", name, test.err)
		}
	}
}

func TestARuntimeIsAskedWhatItSupports(t *testing.T) {
	runtime := filepath.Join(t.TempDir(), "runtime")
	must(t, os.WriteFile(runtime, []byte("#!/bin/sh\n[ $1 = restore ] && echo 'flag needs an argument: -lsm-mount-context' && exit 1\nexit 0\n"), 0o700))
	if !RuntimeSupportsCheckpointRestore(runtime) || !RuntimeSupportsPodCheckpointRestore(runtime) {
		t.Error("it supports both")
	}
	for _, runtime := range []string{"/nonexistent", "", "a\x00b"} {
		if RuntimeSupportsCheckpointRestore(runtime) || RuntimeSupportsPodCheckpointRestore(runtime) {
			t.Errorf("%q supports nothing", runtime)
		}
	}
}
