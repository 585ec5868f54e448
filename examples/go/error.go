package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"syscall"
)

// Kind says what sort of failure an [Error] is. Later versions of the library may have others.
type Kind uint32

// The kinds of failure.
const (
	// System: the operating system refused a call; the errno is the call's own.
	System Kind = C.CR_ERROR_SYSTEM
	// Argument: an argument is unusable, and nothing was touched.
	Argument Kind = C.CR_ERROR_ARGUMENT
	// Malformed: an archive or a JSON file breaks its format, is cut short, or fails its checksum.
	Malformed Kind = C.CR_ERROR_MALFORMED
	// Escape: an archive or a list asks for something outside of what it may name.
	Escape Kind = C.CR_ERROR_ESCAPE
	// Limit: a documented limit was exceeded.
	Limit Kind = C.CR_ERROR_LIMIT
	// Unsupported: this library, its build or this system doesn't support what the input uses.
	Unsupported Kind = C.CR_ERROR_UNSUPPORTED
	// NotInArchive: the archive lacks the member that was asked for.
	NotInArchive Kind = C.CR_ERROR_NOT_IN_ARCHIVE
	// Cancelled: the caller cancelled the work.
	Cancelled Kind = C.CR_ERROR_CANCELLED
	// Internal: a defect of the library.
	Internal Kind = C.CR_ERROR_INTERNAL
)

var kindNames = map[Kind]string{
	System: "system", Argument: "argument", Malformed: "malformed", Escape: "escape", Limit: "limit",
	Unsupported: "unsupported", NotInArchive: "not in archive", Cancelled: "cancelled", Internal: "internal",
}

// String is the kind's name.
func (k Kind) String() string {
	if name, known := kindNames[k]; known {
		return name
	}
	return fmt.Sprintf("kind %d", uint32(k))
}

// Error is why a function failed.
type Error struct {
	// Errno describes the failure best; it is what errors.Is sees.
	Errno syscall.Errno
	Kind  Kind
	// Message reads like a path through the work, outermost step first.
	Message string
	// Entry is the archive member or listed path concerned, any bytes; "" if there is none.
	Entry string
	// Offset is where in the decompressed tar stream the failure was found, in bytes; -1 if it wasn't found in one.
	Offset int64
	// The context's error, if that ended the work.
	cause error
}

// Error is the message.
func (e *Error) Error() string {
	return e.Message
}

// Unwrap makes errors.Is(err, syscall.ENOENT), and errors.Is(err, fs.ErrNotExist), work.
func (e *Error) Unwrap() error {
	return e.Errno
}

// Is makes errors.Is(err, context.Canceled) work where a context ended the work.
func (e *Error) Is(target error) bool {
	return e.cause != nil && errors.Is(e.cause, target)
}

// result makes the failure of a call into an error of Go's, and frees it.
func result(status C.int, failure *C.CRError) error {
	if status >= 0 {
		return nil
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
