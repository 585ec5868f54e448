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

// optional is a copy of value, or nil if it is "".
func (a *arguments) optional(name, value string) *C.char {
	if value == "" {
		return nil
	}
	return a.string(name, value)
}

// array is memory of C's for length elements of a size, nil if there are none.
func (a *arguments) array(name string, length int, size C.size_t) unsafe.Pointer {
	if length == 0 {
		return nil
	}
	block := C.calloc(C.size_t(length), size)
	if block == nil {
		a.err = &Error{Errno: syscall.ENOMEM, Kind: System, Message: name + ": no memory for them", Offset: -1}
		return nil
	}
	a.copies = append(a.copies, block)
	return block
}

// strings is a copy of the list in memory of C's.
func (a *arguments) strings(name string, list []string) **C.char {
	block := a.array(name, len(list), C.size_t(unsafe.Sizeof((*C.char)(nil))))
	if block == nil {
		return nil
	}
	array := unsafe.Slice((**C.char)(block), len(list))
	for i, each := range list {
		array[i] = a.string(name, each)
	}
	return (**C.char)(block)
}

// volumes is a copy of the names and their directories in memory of C's.
func (a *arguments) volumes(directories map[string]string) *C.CRVolume {
	block := a.array("volumes", len(directories), C.sizeof_CRVolume)
	if block == nil {
		return nil
	}
	array, i := unsafe.Slice((*C.CRVolume)(block), len(directories)), 0
	for name, directory := range directories {
		array[i] = C.CRVolume{name: a.string("volumes", name), directory: a.string("volumes", directory)}
		i++
	}
	return (*C.CRVolume)(block)
}

// changes is a copy of the list in memory of C's, since an array of pointers to strings may not be Go's.
func (a *arguments) changes(list []Change) *C.CRChange {
	block := a.array("changes", len(list), C.sizeof_CRChange)
	if block == nil {
		return nil
	}
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
