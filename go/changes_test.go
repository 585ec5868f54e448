//go:build linux && cgo

package crutils

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// treeOf returns a directory with these files, all of one time.
func treeOf(t testing.TB, files map[string]string) string {
	t.Helper()
	base := t.TempDir()
	for name, content := range files {
		path := filepath.Join(base, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
	settle(t, base)
	return base
}

// settle gives everything below a directory the same times.
func settle(t testing.TB, base string) {
	t.Helper()
	stamp := time.Date(2026, 5, 11, 9, 8, 7, 0, time.UTC)
	must(t, filepath.WalkDir(base, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, stamp, stamp)
	}))
}

func TestDirectoriesAreCompared(t *testing.T) {
	before := treeOf(t, map[string]string{"etc/same": "1", "etc/modified": "1", "gone": "", "bytes": "1"})
	now := treeOf(t, map[string]string{"etc/same": "1", "etc/modified": "12", "added/a": "", "added/b": "", "bytes": "2"})
	added := []Change{{"/added", ChangeAdd}, {"/added/a", ChangeAdd}, {"/added/b", ChangeAdd}}
	content, modified, gone := Change{"/bytes", ChangeModify}, Change{"/etc/modified", ChangeModify}, Change{"/gone", ChangeDelete}
	compare := func(what string, options *ChangesOptions, want []Change) {
		t.Helper()
		changes, err := ChangesDirectories(background, Path(now), Path(before), options)
		must(t, err)
		if !reflect.DeepEqual(kept(changes, "/etc"), want) {
			t.Errorf("%s: %v, not %v", what, changes, want)
		}
	}
	compare("nil", nil, append(added, modified, gone))
	compare("zero", &ChangesOptions{}, append(added, modified, gone))
	compare("content", &ChangesOptions{CompareContent: true}, append(added, content, modified, gone))
	compare("excluded", &ChangesOptions{Exclude: []Exclude{{Path: "/gone"}, {"/added", ExcludeSubtree}}}, []Change{modified})
	compare("below an added directory", &ChangesOptions{Exclude: []Exclude{{Path: "/added/a"}}},
		[]Change{{"/added", ChangeModify}, added[2], modified, gone})

	must(t, os.Chtimes(filepath.Join(now, "bytes"), time.Now(), time.Date(2026, 5, 11, 9, 8, 7, 500, time.UTC)))
	compare("exact times", &ChangesOptions{ExactTimes: true}, append(added, content, modified, gone))
	compare("times", nil, append(added, modified, gone))

	spec := fileOf(t, []byte(`{"mounts":[{"destination":"/gone","type":"bind","source":"/x","options":["bind"]}]}`))
	compare("bind mounts", &ChangesOptions{ExcludeBindMounts: Path(spec)}, append(added, modified))

	everything, err := ChangesDirectories(background, Path(before), Place{}, nil)
	must(t, err)
	if len(everything) != 5 || everything[0] != (Change{"/bytes", ChangeAdd}) {
		t.Error(everything)
	}
	if none, err := ChangesDirectories(background, Path(now), Path(now), nil); err != nil || len(none) != 0 {
		t.Error(none, err)
	}
}

// kept returns the changes without those of a path.
func kept(changes []Change, without string) []Change {
	left := []Change{}
	for _, change := range changes {
		if change.Path != without {
			left = append(left, change)
		}
	}
	return left
}

func TestTheUpperDirectoryOfAnOverlayIsReadAsItsAttributesSay(t *testing.T) {
	top := treeOf(t, map[string]string{"etc/hosts": "1", "gone": "", "hidden/old": ""})
	bottom := treeOf(t, map[string]string{"etc/hosts": "0", "usr/x": ""})
	upper := treeOf(t, map[string]string{"etc/hosts": "2", "new": "", "hidden/fresh": ""})
	if err := syscall.Mknod(filepath.Join(upper, "gone"), syscall.S_IFCHR, 0); err != nil {
		t.Skip("skipped: no whiteout can be made here: ", err)
	}
	if err := syscall.Setxattr(filepath.Join(upper, "hidden"), "user.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skip("skipped: there are no extended attributes here: ", err)
	}
	find := func(options *ChangesOptions) []Change {
		t.Helper()
		changes, err := ChangesOverlay(background, []Place{Path(top), Path(bottom)}, Path(upper), options)
		must(t, err)
		return changes
	}
	opaque := []Change{
		{"/etc/hosts", ChangeModify}, {"/gone", ChangeDelete}, {"/hidden", ChangeModify}, {"/hidden/fresh", ChangeAdd},
		{"/hidden/old", ChangeDelete}, {"/new", ChangeAdd},
	}
	if changes := find(&ChangesOptions{OverlayXattrs: OverlayUser, WorkDirectory: Path(t.TempDir())}); !reflect.DeepEqual(changes, opaque) {
		t.Error(changes)
	}
	merged := []Change{opaque[0], opaque[1], {"/hidden", ChangeModify}, opaque[3], opaque[5]}
	if changes := find(&ChangesOptions{OverlayXattrs: OverlayTrusted}); !reflect.DeepEqual(changes, merged) {
		t.Error(changes)
	}
	podman := find(&ChangesOptions{OverlayXattrs: OverlayTrusted, ExcludeEngine: EnginePodman})
	if len(podman) == 0 || podman[0].Path != "/gone" {
		t.Error(podman)
	}
}

func TestChangesThatCannotBeFoundAreAnError(t *testing.T) {
	directory := t.TempDir()
	for name, test := range map[string]struct {
		options ChangesOptions
		want    error
	}{
		"how":    {ChangesOptions{Exclude: []Exclude{{"/a", 9}}}, syscall.EINVAL},
		"path":   {ChangesOptions{Exclude: []Exclude{{"", ExcludeExact}}}, syscall.EINVAL},
		"NUL":    {ChangesOptions{Exclude: []Exclude{{Path: "/a\x00"}}}, syscall.EINVAL},
		"xattrs": {ChangesOptions{OverlayXattrs: 9}, syscall.EINVAL},
		"engine": {ChangesOptions{ExcludeEngine: 9}, syscall.EINVAL},
		"spec":   {ChangesOptions{ExcludeBindMounts: Path("/nonexistent/config.json")}, fs.ErrNotExist},
		"work":   {ChangesOptions{WorkDirectory: Path("/nonexistent")}, fs.ErrNotExist},
	} {
		_, err := ChangesOverlay(background, nil, Path(directory), &test.options)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ChangesDirectories(background, Path("/nonexistent"), Place{}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
