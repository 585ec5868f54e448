package crutils

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"testing"
)

// The real archives of the project's tests.
const data = "../../tests/data/"

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away, as these archives ask")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file, and fails the test if it can't.
func write(t *testing.T, path, content string, mode fs.FileMode) string {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), mode))
	return path
}

func names(t *testing.T, directory string) []string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	must(t, err)
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func TestTheRuntimeOfARealArchiveIsRunc(t *testing.T) {
	for _, name := range []string{"plain.tar.zst", "plain.tar.gz", "rich.tar.zst", "plain.pre.tar.zst"} {
		runtime, err := GetRuntimeFromArchive(data + name)
		must(t, err)
		if runtime != "runc" {
			t.Errorf("%s: %q", name, runtime)
		}
	}
}

func TestConfigOnlyGivesTheTwoFilesAndNothingElse(t *testing.T) {
	needsRoot(t)
	directory := filepath.Join(t.TempDir(), "config")
	must(t, ImportCheckpointConfigOnly(directory, data+"rich.tar.zst"))
	if found := names(t, directory); !reflect.DeepEqual(found, []string{"config.dump", "spec.dump"}) {
		t.Error(found)
	}
	text, err := os.ReadFile(filepath.Join(directory, "config.dump"))
	must(t, err)
	var config struct{ Runtime string }
	must(t, json.Unmarshal(text, &config))
	if config.Runtime != "runc" || len(text) != 9575 {
		t.Error(config.Runtime, len(text))
	}
}

func TestARestoreAppliesTheChangesAndRemovesWhatIsGone(t *testing.T) {
	needsRoot(t)
	bundle, root := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "etc/app"), 0o755))
	must(t, os.MkdirAll(filepath.Join(root, "usr/lib/gone"), 0o755))
	for _, name := range []string{"etc/app/old.conf", "usr/lib/gone/a", "usr/lib/kept"} {
		write(t, filepath.Join(root, name), "of the image", 0o644)
	}

	must(t, ImportCheckpointWithoutConfig(bundle, data+"rich.tar.zst"))
	if _, err := os.Lstat(filepath.Join(bundle, "config.dump")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("config.dump is in the bundle:", err)
	}
	if info, err := os.Stat(filepath.Join(bundle, "checkpoint/pages-1.img")); err != nil || info.Size() != 81920 {
		t.Error(info, err)
	}
	must(t, ApplyRootFsDiffTar(bundle, root))
	must(t, RemoveDeletedFiles("container", bundle, root))

	if target, err := os.Readlink(filepath.Join(root, "data/abs")); err != nil || target != "/etc/app" {
		t.Error(target, err)
	}
	if info, err := os.Lstat(filepath.Join(root, "data/fifo")); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Error(info, err)
	}
	info, err := os.Lstat(filepath.Join(root, "data/hard"))
	must(t, err)
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 33 || owner.Gid != 44 {
		t.Error(owner.Uid, owner.Gid)
	}
	for directory, expected := range map[string][]string{"etc/app": {"conf.d"}, "usr/lib": {"gone", "kept"}, "usr/lib/gone": {"fresh"}} {
		if found := names(t, filepath.Join(root, directory)); !reflect.DeepEqual(found, expected) {
			t.Error(directory, found)
		}
	}
}

func TestADiffIsWrittenAndReadBack(t *testing.T) {
	needsRoot(t)
	mount, destination, root := t.TempDir(), t.TempDir(), t.TempDir()
	must(t, os.Mkdir(filepath.Join(mount, "etc"), 0o755))
	write(t, filepath.Join(mount, "etc/hosts"), "changed", 0o640)
	write(t, filepath.Join(mount, "a\xff"), "new", 0o644)
	write(t, filepath.Join(root, "old"), "gone", 0o644)

	files, err := CreateRootFsDiffTar([]Change{{"/etc/hosts", Modify}, {"/a\xff", Add}, {"/old", Delete}}, mount, destination)
	must(t, err)
	if !reflect.DeepEqual(files, []string{"rootfs-diff.tar", "deleted.files"}) {
		t.Error(files)
	}
	must(t, ApplyRootFsDiffTar(destination, root))
	must(t, RemoveDeletedFiles("container", destination, root))
	if found := names(t, root); !reflect.DeepEqual(found, []string{"a\xff", "etc"}) {
		t.Errorf("%q", found)
	}
	text, err := os.ReadFile(filepath.Join(root, "etc/hosts"))
	must(t, err)
	if !bytes.Equal(text, []byte("changed")) {
		t.Errorf("%q", text)
	}

	files, err = CreateRootFsDiffTar(nil, mount, destination)
	must(t, err)
	if len(files) != 0 || len(names(t, destination)) != 0 {
		t.Error("without changes there are still", files, names(t, destination))
	}
}

func TestAFileIsMadeEmptyAndOnlyWhereItBelongs(t *testing.T) {
	directory := t.TempDir()
	path := write(t, filepath.Join(directory, "restore.log"), "of last time", 0o600)
	must(t, CreateFileWithLabel(directory, "restore.log", ""))
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Error(info, err)
	}
	if err := CreateFileWithLabel(directory, "../outside", ""); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}

func TestARuntimeIsBelievedWhenItSaysWhatItCan(t *testing.T) {
	directory := t.TempDir()
	runtime := func(name, script string) string {
		return write(t, filepath.Join(directory, name), "#!/bin/sh\n"+script+"\n", 0o755)
	}
	wording := "echo flag needs an argument: -lsm-mount-context"
	for _, asked := range []struct {
		path           string
		container, pod bool
	}{
		{runtime("both", wording), true, true},
		{runtime("containers", "exit 0"), true, false},
		{runtime("pods", wording+"; exit 1"), false, true},
		{runtime("neither", "exit 1"), false, false},
		{filepath.Join(directory, "missing"), false, false},
		{"a\x00b", false, false},
	} {
		if answer := RuntimeSupportsCheckpointRestore(asked.path); answer != asked.container {
			t.Errorf("%q: containers: %v", asked.path, answer)
		}
		if answer := RuntimeSupportsPodCheckpointRestore(asked.path); answer != asked.pod {
			t.Errorf("%q: pods: %v", asked.path, answer)
		}
	}
}

func TestAnErrorIsItsErrnoAndSaysWhatItIsAbout(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	_, err := GetRuntimeFromArchive(missing)
	if !errors.Is(err, syscall.ENOENT) || !errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("%T", err)
	}
	if failure.Kind != System || failure.Errno != syscall.ENOENT || failure.Offset != -1 || failure.Entry != "" {
		t.Errorf("%+v", failure)
	}
	if failure.Message == "" || failure.Error() != failure.Message {
		t.Errorf("%q", failure.Message)
	}

	garbage := write(t, filepath.Join(t.TempDir(), "garbage"), string(bytes.Repeat([]byte("garbage "), 200)), 0o600)
	for _, call := range []func() error{
		func() error { return ImportCheckpointWithoutConfig(t.TempDir(), garbage) },
		func() error { return ImportCheckpointConfigOnly(t.TempDir(), garbage) },
	} {
		err := call()
		if !errors.As(err, &failure) || failure.Kind != Malformed || !errors.Is(err, syscall.EBADMSG) || failure.Offset != 0 {
			t.Errorf("%+v", err)
		}
	}

	base := t.TempDir()
	write(t, filepath.Join(base, "deleted.files"), `["/"]`, 0o600)
	err = RemoveDeletedFiles("container", base, t.TempDir())
	if !errors.As(err, &failure) || failure.Kind != Escape || !errors.Is(err, syscall.EXDEV) || failure.Entry != "/" {
		t.Errorf("%+v", err)
	}

	for _, err := range []error{
		ImportCheckpointConfigOnly("a\x00b", "x"),
		ApplyRootFsDiffTar(t.TempDir(), "relative"),
		func() error { _, err := CreateRootFsDiffTar([]Change{{"/x", 7}}, "/", t.TempDir()); return err }(),
		func() error { _, err := CreateRootFsDiffTar([]Change{{"/x\x00y", Add}}, "/", t.TempDir()); return err }(),
	} {
		if !errors.As(err, &failure) || failure.Kind != Argument || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%+v", err)
		}
	}
	if Argument.String() != "argument" || Kind(99).String() != "kind 99" {
		t.Error(Argument, Kind(99))
	}
}

func TestManyGoroutinesAtOnceEachGetTheirOwnAnswer(t *testing.T) {
	needsRoot(t)
	base := t.TempDir()
	var all sync.WaitGroup
	for i := 0; i < 64; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			bundle := filepath.Join(base, fmt.Sprint(i))
			if i%2 == 0 {
				missing := fmt.Sprintf("%s.missing", bundle)
				_, err := GetRuntimeFromArchive(missing)
				var failure *Error
				if !errors.As(err, &failure) || !bytes.Contains([]byte(failure.Message), []byte(missing)) {
					t.Errorf("goroutine %d: %v", i, err)
				}
				return
			}
			if runtime, err := GetRuntimeFromArchive(data + "rich.tar.zst"); err != nil || runtime != "runc" {
				t.Errorf("goroutine %d: %q %v", i, runtime, err)
			}
			if err := ImportCheckpointWithoutConfig(bundle, data+"rich.tar.zst"); err != nil {
				t.Errorf("goroutine %d: %v", i, err)
				return
			}
			if info, err := os.Stat(filepath.Join(bundle, "checkpoint/pages-1.img")); err != nil || info.Size() != 81920 {
				t.Errorf("goroutine %d: %v %v", i, info, err)
			}
		}(i)
	}
	all.Wait()
}

func TestTheVersionIsThreeNumbers(t *testing.T) {
	var major, minor, patch int
	if n, err := fmt.Sscanf(Version(), "%d.%d.%d", &major, &minor, &patch); n != 3 || err != nil {
		t.Error(Version(), err)
	}
}
