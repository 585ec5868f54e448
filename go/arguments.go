//go:build linux && cgo

package crutils

/*
#include <fcntl.h>
#include <stdlib.h>
#include <crutils.h>
*/
import "C"

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// arguments is what C gets of a call's arguments: copies of strings and of lists, and duplicates of descriptors. They are
// released together. err is what is wrong with the first argument that can't be passed.
type arguments struct {
	blocks      []unsafe.Pointer
	descriptors []int
	err         error
}

func (a *arguments) refuse(errno syscall.Errno, message string) {
	if a.err == nil {
		a.err = refused(errno, message)
	}
}

// memory returns zeroed memory of C's; nil for no bytes.
func (a *arguments) memory(name string, count int, size uintptr) unsafe.Pointer {
	if count == 0 {
		return nil
	}
	block := C.calloc(C.size_t(count), C.size_t(size))
	if block == nil {
		a.refuse(syscall.ENOMEM, name+": no memory for a copy")
		return nil
	}
	a.blocks = append(a.blocks, block)
	return block
}

// text returns a copy of a string. One that holds a NUL would end there, and is refused.
func (a *arguments) text(name, value string) *C.char {
	return a.texts(name, []string{value})[0]
}

// texts returns copies of strings, all in one block.
func (a *arguments) texts(name string, values []string) []*C.char {
	copies, total := make([]*C.char, len(values)), 0
	for _, value := range values {
		if strings.IndexByte(value, 0) >= 0 {
			a.refuse(syscall.EINVAL, name+": holds a NUL")
			return copies
		}
		total += len(value) + 1
	}
	block := a.memory(name, total, 1)
	if block == nil {
		return copies
	}
	bytes := unsafe.Slice((*byte)(block), total)
	for i, value := range values {
		copies[i] = (*C.char)(unsafe.Pointer(&bytes[0]))
		copy(bytes, value)
		bytes = bytes[len(value)+1:]
	}
	return copies
}

// strings returns an array of copies of strings.
func (a *arguments) strings(name string, values []string) **C.char {
	block := a.memory(name, len(values), unsafe.Sizeof((*C.char)(nil)))
	if block != nil {
		copy(unsafe.Slice((**C.char)(block), len(values)), a.texts(name, values))
	}
	return (**C.char)(block)
}

// set calls a function of C's that sets an option to a string, unless that is empty or something was wrong before.
func (a *arguments) set(name, value string, call func(value *C.char, failure **C.CRError) C.int) {
	if value != "" {
		a.setAny(name, value, call)
	}
}

// setAny is set for a string that may be empty.
func (a *arguments) setAny(name, value string, call func(value *C.char, failure **C.CRError) C.int) {
	text := a.text(name, value)
	if a.err == nil {
		var failure *C.CRError
		a.err = result(call(text, &failure), failure)
	}
}

// place returns a place as C has it, with a duplicate of its descriptor: the caller may close the file meanwhile.
func (a *arguments) place(name string, place Place) (C.int, *C.char) {
	if place.At == nil {
		return C.AT_FDCWD, a.text(name, place.Path)
	}
	duplicate, err := -1, error(nil)
	connection, failure := place.At.SyscallConn()
	if failure == nil {
		failure = connection.Control(func(fd uintptr) {
			duplicate, err = dup(int(fd))
		})
	}
	if failure == nil {
		failure = err
	}
	if failure != nil {
		// Of a file that is closed, Seek returns the error that errors.Is finds; the connection doesn't.
		if _, closed := place.At.Seek(0, io.SeekCurrent); errors.Is(closed, os.ErrClosed) {
			failure = closed
		}
		if a.err == nil {
			a.err = failed(name, failure)
		}
		return -1, nil
	}
	a.descriptors = append(a.descriptors, duplicate)
	return C.int(duplicate), a.text(name, place.Path)
}

// dup returns a duplicate of a descriptor that no child inherits.
func dup(fd int) (int, error) {
	duplicate, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return -1, errno
	}
	return int(duplicate), nil
}

// places returns an array of places.
func (a *arguments) places(name string, places []Place) *C.CRPlace {
	block := a.memory(name, len(places), C.sizeof_CRPlace)
	if block == nil {
		return nil
	}
	array := unsafe.Slice((*C.CRPlace)(block), len(places))
	for i, place := range places {
		array[i].at, array[i].path = a.place(name, place)
	}
	return (*C.CRPlace)(block)
}

// changes returns an array of changes.
func (a *arguments) changes(changes []Change) *C.CRChange {
	block := a.memory("changes", len(changes), C.sizeof_CRChange)
	if block == nil {
		return nil
	}
	paths := make([]string, len(changes))
	for i, change := range changes {
		paths[i] = change.Path
	}
	array := unsafe.Slice((*C.CRChange)(block), len(changes))
	for i, path := range a.texts("changes", paths) {
		array[i].path, array[i].kind = path, C.uint32_t(changes[i].Kind)
	}
	return (*C.CRChange)(block)
}

// ranges returns an array of ranges of ids.
func (a *arguments) ranges(name string, ranges []IDRange) *C.CRIdRange {
	block := a.memory(name, len(ranges), C.sizeof_CRIdRange)
	if block == nil {
		return nil
	}
	array := unsafe.Slice((*C.CRIdRange)(block), len(ranges))
	for i, each := range ranges {
		array[i] = C.CRIdRange{container: C.uint32_t(each.Container), host: C.uint32_t(each.Host), size: C.uint32_t(each.Size)}
	}
	return (*C.CRIdRange)(block)
}

// release frees the copies and closes the duplicates.
func (a *arguments) release() {
	for _, block := range a.blocks {
		C.free(block)
	}
	for _, descriptor := range a.descriptors {
		// Nothing was written through it here: what a write fails with, the library has told.
		_ = syscall.Close(descriptor)
	}
}

// data returns where bytes begin; nil for none. C copies them during the call.
func data(bytes []byte) unsafe.Pointer {
	if len(bytes) == 0 {
		return nil
	}
	return unsafe.Pointer(&bytes[0])
}

// stringsOf returns a copy of an array of strings that ends with NULL.
func stringsOf(array **C.char) []string {
	copies := []string{}
	for ; *array != nil; array = (**C.char)(unsafe.Add(unsafe.Pointer(array), unsafe.Sizeof(*array))) {
		copies = append(copies, C.GoString(*array))
	}
	return copies
}

// result returns the error of a call that has failed, and frees C's; nil for one that hasn't.
func result(status C.int, failure *C.CRError) error {
	if status >= 0 {
		return nil
	}
	if failure == nil {
		return &Error{Errno: syscall.Errno(-status), Kind: KindSystem, Message: syscall.Errno(-status).Error(), Offset: -1}
	}
	defer C.CRErrorFree(failure)
	made := &Error{
		Errno:   syscall.Errno(-status),
		Kind:    Kind(C.CRErrorKind(failure)),
		Message: C.GoString(C.CRErrorMessage(failure)),
		Offset:  int64(C.CRErrorOffset(failure)),
	}
	if entry := C.CRErrorEntry(failure); entry != nil {
		made.Entry = C.GoString(entry)
	}
	return made
}

// setting is an option of a family and its value.
type setting struct {
	option C.uint32_t
	value  uint64
}

// flag returns 1 for an option that is on.
func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

// apply sets the options whose values aren't 0, which means the default.
func apply(settings []setting, set func(option C.uint32_t, value C.uint64_t, failure **C.CRError) C.int) error {
	for _, each := range settings {
		if each.value == 0 {
			continue
		}
		var failure *C.CRError
		if err := result(set(each.option, C.uint64_t(each.value), &failure), failure); err != nil {
			return err
		}
	}
	return nil
}
