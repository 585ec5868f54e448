//go:build !linux || !cgo

package crutils

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

func TestWithoutTheLibraryNothingIsSupported(t *testing.T) {
	ctx := context.Background()
	e := NewExport()
	i, open := OpenImport(ctx, Path("a"), nil)
	_, stream := OpenImportStream(ctx, strings.NewReader(""), nil)
	_, write := e.Write(ctx, Path("a"), nil)
	_, writeStream := e.WriteStream(ctx, io.Discard, nil)
	_, changes := ChangesDirectories(ctx, Path("a"), Path("b"), nil)
	_, mount := Changes(ctx, "/", nil)
	_, metadata := (&MetadataBuild{}).Build()
	for _, err := range []error{open, stream, write, writeStream, changes, mount, metadata, i.ToBundle(Path("a")), ImportCheckpointConfigOnly(Path("a"), Path("b"))} {
		if !errors.Is(err, ErrUnsupported) || !errors.Is(err, syscall.ENOTSUP) {
			t.Error(err)
		}
	}
	if i.Close() != nil || e.Close() != nil || Version() != "" || HasFeature(FeatureSELinux) || KindLimit.String() != "kind 6" {
		t.Error("something is there")
	}
}
