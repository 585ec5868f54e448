//go:build linux && cgo && crutils_static

package crutils

// The archive comes before the -lcrutils that pkg-config answers, and leaves nothing for it to resolve: a shared library
// that lies beside the archive isn't needed then, and isn't linked.

// #cgo LDFLAGS: -Wl,--as-needed -l:libcrutils.a
// #cgo pkg-config: --static crutils
import "C"
