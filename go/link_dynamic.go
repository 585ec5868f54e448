//go:build linux && cgo && !crutils_static

package crutils

// #cgo pkg-config: crutils
import "C"
