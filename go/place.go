package crutils

import "os"

// Place names a file or a directory of the host as openat(2) does: by a directory that is open and a path that starts
// there. [Path], [At] and [Handle] make one.
//
// Symbolic links on the way and at the end are followed. The file stays the caller's, who may close it after the call.
type Place struct {
	// At is where a relative Path starts: an open directory, which may be opened with O_PATH. nil is the working
	// directory.
	At *os.File
	// Path is the path. If it is "", At itself is meant.
	Path string
}

// Path returns the place with a path.
func Path(path string) Place {
	return Place{Path: path}
}

// At returns the place with a path that starts at an open directory.
func At(directory *os.File, path string) Place {
	return Place{At: directory, Path: path}
}

// Handle returns the place of what is open: a directory or, where an archive is meant, a file, a pipe or a socket.
func Handle(file *os.File) Place {
	return Place{At: file}
}

// isZero reports whether no place was given.
func (p Place) isZero() bool {
	return p.At == nil && p.Path == ""
}
