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

func TestTheTableOfMountsTellsAnOverlaysDirectories(t *testing.T) {
	table := `21 1 8:1 / / rw - ext4 /dev/sda1 rw
30 21 0:40 / /m rw,nodev - tmpfs tmpfs rw
31 21 0:41 / /m rw,nodev shared:1 - overlay overlay rw,lowerdir=/a\134:b:/c\040d,upperdir=/u\054v,workdir=/w,userxattr
32 21 0:42 / /with\040space rw - overlay overlay rw,lowerdir+=/a,lowerdir+=/b:c,upperdir=U/diff,workdir=U/work,index=on
33 21 0:43 / /data rw - overlay overlay rw,lowerdir=/a::/b,upperdir=/u,workdir=/w
34 21 0:44 / /data+ rw - overlay overlay rw,lowerdir+=/a,datadir+=/b,upperdir=/u,workdir=/w
35 21 0:45 / /readonly ro - overlay overlay ro,lowerdir=/a:/b
36 21 0:46 / /fuse rw - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0
malformed
`
	for path, test := range map[string]struct {
		want  *overlayMount
		errno syscall.Errno
	}{
		"/m":          {&overlayMount{[]string{"/a:b", "/c d"}, "/u,v", "/w", true}, 0},
		"/with space": {&overlayMount{[]string{"/a", "/b:c"}, "U/diff", "U/work", false}, 0},
		"/readonly":   {&overlayMount{[]string{"/a", "/b"}, "", "", false}, 0},
		"/data":       {nil, syscall.EOPNOTSUPP},
		"/data+":      {nil, syscall.EOPNOTSUPP},
		"/fuse":       {nil, syscall.EOPNOTSUPP},
		"/":           {nil, syscall.EOPNOTSUPP},
		"/nothing":    {nil, syscall.EINVAL},
	} {
		mount, err := findOverlay(table, path)
		if !reflect.DeepEqual(mount, test.want) || test.want == nil && !errors.Is(err, test.errno) {
			t.Errorf("%s: %+v, %v", path, mount, err)
		}
	}
}

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
