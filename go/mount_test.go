//go:build linux && cgo

package crutils

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
)

func TestTheChangesOfAMountedOverlayAreFound(t *testing.T) {
	base := t.TempDir()
	if err := syscall.Mount("tmpfs", base, "tmpfs", 0, ""); err != nil {
		t.Skip("skipped: nothing can be mounted here: ", err)
	}
	defer func() { must(t, syscall.Unmount(base, syscall.MNT_DETACH)) }()
	for _, directory := range []string{"l/TOP/etc", "l/BOTTOM", "id/diff", "id/work", "id/merged"} {
		must(t, os.MkdirAll(filepath.Join(base, directory), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(base, "l/TOP/etc/hosts"), []byte("1"), 0o600))
	must(t, os.WriteFile(filepath.Join(base, "l/BOTTOM/gone"), nil, 0o600))
	before, err := os.Getwd()
	must(t, err)
	must(t, os.Chdir(base))
	merged := filepath.Join(base, "id/merged")
	err = syscall.Mount("overlay", merged, "overlay", 0, "lowerdir=l/TOP:l/BOTTOM,upperdir=id/diff,workdir=id/work")
	must(t, os.Chdir(before))
	if err != nil {
		t.Skip("skipped: no overlay can be mounted here: ", err)
	}
	defer func() { must(t, syscall.Unmount(merged, syscall.MNT_DETACH)) }()
	if changes, err := Changes(background, merged, nil); err != nil || len(changes) != 0 {
		t.Error(changes, err)
	}
	must(t, os.Remove(filepath.Join(merged, "gone")))
	// A file that becomes a directory with content.
	must(t, os.Remove(filepath.Join(merged, "etc/hosts")))
	must(t, os.MkdirAll(filepath.Join(merged, "etc/hosts/new"), 0o755))
	changes, err := Changes(background, merged, &ChangesOptions{ExcludeEngine: EngineContainerd})
	must(t, err)
	want := []Change{{"/etc", ChangeModify}, {"/etc/hosts", ChangeModify}, {"/etc/hosts/new", ChangeAdd}, {"/gone", ChangeDelete}}
	if !reflect.DeepEqual(changes, want) {
		t.Error(changes)
	}
}

func TestWhatIsNoOverlayHasNoChangesToFind(t *testing.T) {
	if _, err := Changes(background, t.TempDir(), nil); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if _, err := Changes(background, "/proc", nil); !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if _, err := Changes(background, "/nonexistent", nil); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
}
