package crutils

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"syscall"
)

// Kind is what sort of failure an [Error] is. Later versions of the library may have more.
type Kind uint32

// The kinds of failure.
const (
	// KindSystem means that the operating system refused a call. The errno is the call's own.
	KindSystem Kind = 1
	// KindArgument means that an argument is unusable, and nothing was touched.
	KindArgument Kind = 2
	// KindMalformed means that an archive or a JSON file breaks its format, is cut short, or fails its checksum.
	KindMalformed Kind = 3
	// KindEscape means that an archive or a list names something outside of its root, by a path or by a link.
	KindEscape Kind = 4
	// KindForbidden means that an archive or a directory holds a type or a name that may not be there, such as a device
	// in a bundle.
	KindForbidden Kind = 5
	// KindLimit means that a documented limit was exceeded.
	KindLimit Kind = 6
	// KindUnsupported means that the library, its build or the system doesn't support what the input uses, or that the
	// library doesn't know an option.
	KindUnsupported Kind = 7
	// KindNotInArchive means that the archive lacks the member that was asked for.
	KindNotInArchive Kind = 8
	// KindCancelled means that the caller cancelled the work.
	KindCancelled Kind = 9
	// KindDeadline means that the work's deadline has passed.
	KindDeadline Kind = 10
	// KindInternal means that the library has a defect.
	KindInternal Kind = 11
)

// String returns the name of the kind, such as "malformed".
func (k Kind) String() string {
	return named(kindName(uint32(k)), "kind", uint32(k))
}

// named returns a name, or a family's word and the number if the library has no name for the number.
func named(name, family string, number uint32) string {
	if name != "" {
		return name
	}
	return family + " " + strconv.FormatUint(uint64(number), 10)
}

// Error is why a function failed.
type Error struct {
	// Errno describes the failure best. errors.Is and errors.As find it.
	Errno syscall.Errno
	// Kind tells failures of the same errno apart.
	Kind Kind
	// Message is one line that reads like a path through the work, the outermost step first. Bytes of names that could
	// harm a terminal or a log are escaped.
	Message string
	// Entry is the name of the archive member, or of the listed path, that the error is about: any bytes, not escaped.
	// It is "" if the error isn't about one.
	Entry string
	// Offset is the offset in the decompressed tar stream, in bytes, at which the error was found; -1 if it wasn't found
	// in one.
	Offset int64

	// cause is the error of a reader, a writer or a context that ended the work.
	cause error
}

// Error returns the message.
func (e *Error) Error() string {
	return e.Message
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error {
	return e.Errno
}

// Is reports whether the error is the target in another way than by its errno: [context.Canceled] and
// [context.DeadlineExceeded] for works that their context ended, [fs.ErrNotExist] for a member that the archive lacks,
// and whatever the reader, the writer or the cause of the context is that ended the work.
func (e *Error) Is(target error) bool {
	switch {
	case target == context.Canceled && e.Kind == KindCancelled:
		return true
	case target == context.DeadlineExceeded && e.Kind == KindDeadline:
		return true
	case target == fs.ErrNotExist && e.Kind == KindNotInArchive:
		return true
	}
	return e.cause != nil && errors.Is(e.cause, target)
}

// As finds the error of the reader, the writer or the context that ended the work, as errors.As does.
func (e *Error) As(target any) bool {
	return e.cause != nil && errors.As(e.cause, target)
}

// Timeout reports whether a deadline has passed.
func (e *Error) Timeout() bool {
	return e.Kind == KindDeadline || e.Errno.Timeout()
}

// ErrUnsupported is what every function fails with where the library can't be used: without cgo, and on other systems
// than Linux. errors.Is finds [syscall.ENOTSUP] in it, and errors.ErrUnsupported with versions of Go that have that.
var ErrUnsupported error = unsupported{}

type unsupported struct{}

func (unsupported) Error() string {
	return "crutils: not supported without cgo, or on this system"
}

func (unsupported) Unwrap() error {
	return syscall.ENOTSUP
}

// refused returns the error for an argument that the package itself refuses.
func refused(errno syscall.Errno, message string) *Error {
	return &Error{Errno: errno, Kind: KindArgument, Message: message, Offset: -1}
}

// failed returns the error for a work that another error ended.
func failed(doing string, cause error) *Error {
	errno := syscall.EIO
	if errors.Is(cause, fs.ErrClosed) {
		errno = syscall.EBADF
	}
	errors.As(cause, &errno)
	return &Error{Errno: errno, Kind: KindSystem, Message: doing + ": " + cause.Error(), Offset: -1, cause: cause}
}

// closedError is what calls of an object fail with after its Close.
func closedError(object string) error {
	e := refused(syscall.EBADF, object+": "+fs.ErrClosed.Error())
	e.cause = fs.ErrClosed
	return e
}
