//go:build linux && cgo

package crutils

/*
#include <stdint.h>
#include <crutils.h>
*/
import "C"

import (
	"runtime/cgo"
)

//export crutilsGoProgress
func crutilsGoProgress(handle C.uintptr_t, progress *C.CRProgress) {
	w := cgo.Handle(handle).Value().(*watch)
	told := Progress{
		Phase:          Phase(progress.phase),
		BytesDone:      int64(progress.bytes_done),
		BytesTotal:     int64(progress.bytes_total),
		Member:         C.GoString(progress.member),
		Elapsed:        milliseconds(uint64(progress.milliseconds)),
		BytesPerSecond: int64(progress.bytes_per_second),
		Remaining:      milliseconds(uint64(progress.milliseconds_left)),
	}
	w.call(func() { w.progress(told) })
}

//export crutilsGoWarning
func crutilsGoWarning(handle C.uintptr_t, warning *C.CRWarning) {
	w := cgo.Handle(handle).Value().(*watch)
	told := Warning{
		Kind:    WarningKind(warning.kind),
		Member:  C.GoString(warning.member),
		Message: C.GoString(warning.message),
	}
	w.call(func() { w.warning(told) })
}
