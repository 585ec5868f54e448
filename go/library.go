//go:build linux && cgo

package crutils

/*
#include <crutils.h>
*/
import "C"

// supported is whether the library can be used.
const supported = true

// Version returns the version of the library in use, such as "1.0.0".
func Version() string {
	return C.GoString(C.CRVersion())
}

// HasFeature reports whether the library in use has a feature, in this process on this system. It is false for a feature
// that the library doesn't know.
func HasFeature(feature Feature) bool {
	return bool(C.CRHasFeature(C.uint32_t(feature)))
}

// static returns a string that the library never frees; "" for NULL.
func static(text *C.char) string {
	return C.GoString(text)
}

func kindName(kind uint32) string {
	return static(C.CRErrorKindName(C.uint32_t(kind)))
}

func phaseName(phase uint32) string {
	return static(C.CRPhaseName(C.uint32_t(phase)))
}

func warningName(kind uint32) string {
	return static(C.CRWarningName(C.uint32_t(kind)))
}

func engineName(engine uint32) string {
	return static(C.CREngineName(C.uint32_t(engine)))
}

func className(class uint32) string {
	return static(C.CRClassName(C.uint32_t(class)))
}
