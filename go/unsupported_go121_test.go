//go:build go1.21

package crutils

import (
	"errors"
	"syscall"
	"testing"
)

func TestErrUnsupportedIsThatOfTheStandardLibrary(t *testing.T) {
	for _, err := range []error{ErrUnsupported, &Error{Errno: syscall.EOPNOTSUPP, Kind: KindUnsupported}} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	}
}
