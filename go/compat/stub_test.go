//go:build !linux || !cgo

package crutils

import (
	"errors"
	"syscall"
	"testing"

	crutils "github.com/libcrutils/libcrutils/go"
)

func TestWithoutTheLibraryNothingIsSupported(t *testing.T) {
	_, runtime := CRGetRuntimeFromArchive("a")
	_, diff := CRCreateRootFsDiffTar(&[]struct {
		Path string
		Kind int
	}{{"/a", 0}}, "a", "b")
	for _, err := range []error{
		runtime, diff, CRImportCheckpointWithoutConfig("a", "b"), CRImportCheckpointConfigOnly("a", "b"),
		CRRemoveDeletedFiles("a", "b", "c"), CRApplyRootFsDiffTar("a", "b"), CRCreateFileWithLabel("a", "b", ""),
	} {
		if !errors.Is(err, crutils.ErrUnsupported) || !errors.Is(err, syscall.ENOTSUP) {
			t.Error(err)
		}
	}
	if CRRuntimeSupportsCheckpointRestore("a") || CRRuntimeSupportsPodCheckpointRestore("a") {
		t.Error("a runtime supports something")
	}
}
