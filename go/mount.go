package crutils

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// overlayMount is the directories of an overlay that is mounted.
type overlayMount struct {
	lower       []string
	upper, work string
	userXattrs  bool
}

// Changes finds what a container changed in its root file system, which is an overlay of the kernel's that is mounted at
// mountPoint: [ChangesOverlay] with the directories that the mount's options tell. options is nil for the defaults; what it
// says of attributes and of the work directory stands before what the mount tells.
//
// An overlay that is mounted without an upper directory has no changes. It fails with EINVAL if nothing is mounted there, and
// with EOPNOTSUPP if it is another file system (fuse-overlayfs doesn't tell its directories), or has layers of data alone.
func Changes(ctx context.Context, mountPoint string, options *ChangesOptions) ([]Change, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	path, err := filepath.Abs(mountPoint)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, failed("mount_point", err)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, failed("read the table of mounts", err)
	}
	mount, err := findOverlay(string(table), path)
	if err != nil {
		return nil, err
	}
	if mount.upper == "" {
		return nil, nil
	}
	if err := mount.resolve(path); err != nil {
		return nil, err
	}
	var found ChangesOptions
	if options != nil {
		found = *options
	}
	if found.OverlayXattrs == 0 {
		found.OverlayXattrs = OverlayTrusted
		if mount.userXattrs {
			found.OverlayXattrs = OverlayUser
		}
	}
	if found.WorkDirectory.isZero() && mount.work != "" {
		found.WorkDirectory = Path(mount.work)
	}
	var lower []Place
	for _, directory := range mount.lower {
		lower = append(lower, Path(directory))
	}
	return ChangesOverlay(ctx, lower, Path(mount.upper), &found)
}

// findOverlay returns the overlay that is mounted at a path, from the text of /proc/self/mountinfo. Of several mounts at the
// path, the last one is seen.
func findOverlay(table, path string) (*overlayMount, error) {
	var kind, options string
	for _, line := range strings.Split(table, "\n") {
		before, after, is := strings.Cut(line, " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if is && len(fields) >= 6 && len(rest) >= 3 && unescape(fields[4]) == path {
			kind, options = rest[0], rest[2]
		}
	}
	switch kind {
	case "":
		return nil, refused(syscall.EINVAL, "mount_point: nothing is mounted at "+strconv.Quote(path))
	case "overlay":
		return parseOverlay(options)
	}
	e := refused(syscall.EOPNOTSUPP, "mount_point: a file system of type "+strconv.Quote(kind)+" doesn't tell its directories")
	e.Kind = KindUnsupported
	return nil, e
}

// parseOverlay returns what the options of an overlay tell.
func parseOverlay(options string) (*overlayMount, error) {
	mount := &overlayMount{}
	for _, option := range strings.Split(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		value = unescape(value)
		switch key {
		case "lowerdir":
			mount.lower = append(mount.lower, splitLower(value)...)
		case "lowerdir+":
			mount.lower = append(mount.lower, value)
		case "upperdir":
			mount.upper = value
		case "workdir":
			mount.work = value
		case "userxattr":
			mount.userXattrs = true
		case "datadir+":
			mount.lower = append(mount.lower, "")
		}
	}
	for _, lower := range mount.lower {
		// Two colons stand before a layer of data alone.
		if lower == "" {
			e := refused(syscall.EOPNOTSUPP, "mount_point: the overlay has layers of data alone")
			e.Kind = KindUnsupported
			return nil, e
		}
	}
	return mount, nil
}

// splitLower returns the directories of the option lowerdir: colons are between them, and a backslash stands before a
// colon, or a backslash, that belongs to a name.
func splitLower(value string) []string {
	var directories []string
	var directory strings.Builder
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '\\' && i+1 < len(value):
			i++
			directory.WriteByte(value[i])
		case value[i] == ':':
			directories = append(directories, directory.String())
			directory.Reset()
		default:
			directory.WriteByte(value[i])
		}
	}
	return append(directories, directory.String())
}

// unescape returns a text of the table of mounts, in which a backslash and three octal digits stand for a byte.
func unescape(text string) string {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+4 <= len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		plain.WriteByte(text[i])
	}
	return plain.String()
}

// resolve makes the paths absolute. An engine whose options would be too long mounts with paths that start at its storage
// directory, which is above the mount point: the nearest directory below which all of them are there.
func (m *overlayMount) resolve(mountPoint string) error {
	all := append([]string{m.upper}, m.lower...)
	if m.work != "" {
		all = append(all, m.work)
	}
	for base := filepath.Dir(mountPoint); ; base = filepath.Dir(base) {
		if allAre(base, all) {
			m.upper = below(base, m.upper)
			for i, lower := range m.lower {
				m.lower[i] = below(base, lower)
			}
			if m.work != "" {
				m.work = below(base, m.work)
			}
			return nil
		}
		if base == filepath.Dir(base) {
			return failed("mount_point: the overlay's directories aren't found", syscall.ENOENT)
		}
	}
}

// allAre reports whether all paths are directories, seen from a base.
func allAre(base string, paths []string) bool {
	for _, path := range paths {
		if info, err := os.Stat(below(base, path)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// below returns a path as seen from a base.
func below(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}
