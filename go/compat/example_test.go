//go:build linux && cgo

package crutils_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	crutils "github.com/libcrutils/libcrutils/go/compat"
)

// ChangeType and Change are those of a storage library, such as go.podman.io/storage/pkg/archive.
type ChangeType int

type Change struct {
	Path string
	Kind ChangeType
}

func ExampleCRCreateRootFsDiffTar() {
	root, err := os.MkdirTemp("", "crutils")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o600); err != nil {
		log.Fatal(err)
	}
	bundle, err := os.MkdirTemp("", "crutils")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(bundle)

	changes := []Change{{"/new", 1}, {"/old", 2}}
	files, err := crutils.CRCreateRootFsDiffTar(&changes, root, bundle)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(files)
	// Output: [rootfs-diff.tar deleted.files]
}
