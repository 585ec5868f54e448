package crutils

/*
#include <crutils.h>
#include <stdlib.h>
*/
import "C"

import (
	"strings"
	"syscall"
	"unsafe"
)

// arguments are the copies that C gets of a call's strings, all freed together, and what was wrong with the first of
// them that was.
type arguments struct {
	copies []unsafe.Pointer
	err    error
}

// string is a copy of value as C wants it. A NUL inside would cut it there without a word, so it is refused.
func (a *arguments) string(name, value string) *C.char {
	if strings.IndexByte(value, 0) >= 0 {
		if a.err == nil {
			a.err = &Error{Errno: syscall.EINVAL, Kind: Argument, Message: name + ": holds a NUL byte", Offset: -1}
		}
		return nil
	}
	copied := C.CString(value)
	a.copies = append(a.copies, unsafe.Pointer(copied))
	return copied
}

// changes is a copy of the list in memory of C's, since an array of pointers to strings may not be Go's.
func (a *arguments) changes(list []Change) *C.CRChange {
	if len(list) == 0 {
		return nil
	}
	block := C.calloc(C.size_t(len(list)), C.sizeof_CRChange)
	if block == nil {
		a.err = &Error{Errno: syscall.ENOMEM, Kind: System, Message: "changes: no memory for them", Offset: -1}
		return nil
	}
	a.copies = append(a.copies, block)
	array := unsafe.Slice((*C.CRChange)(block), len(list))
	for i, change := range list {
		array[i] = C.CRChange{path: a.string("changes", change.Path), kind: C.uint32_t(change.Kind)}
	}
	return (*C.CRChange)(block)
}

// free frees all copies.
func (a *arguments) free() {
	for _, copied := range a.copies {
		C.free(copied)
	}
}
