//go:build linux && cgo

package crutils_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"syscall"
	"time"

	crutils "github.com/libcrutils/libcrutils/go"
)

// makeArchive writes a small archive, and returns its path and a function that removes it.
func makeArchive() (string, func()) {
	directory, err := os.MkdirTemp("", "crutils")
	if err != nil {
		log.Fatal(err)
	}
	export := crutils.NewExport()
	defer export.Close()
	for name, text := range map[string]string{
		"config.dump":              `{"id":"8f1c","name":"counter","runtime":"runc"}`,
		"checkpoint/inventory.img": "x",
	} {
		if err := export.AddBytes(name, []byte(text)); err != nil {
			log.Fatal(err)
		}
	}
	path := filepath.Join(directory, "checkpoint.tar.zst")
	if _, err := export.Write(context.Background(), crutils.Path(path), nil); err != nil {
		log.Fatal(err)
	}
	return path, func() { _ = os.RemoveAll(directory) }
}

// A restore opens an archive, looks at it, and extracts it.
func Example_restore() {
	archive, remove := makeArchive()
	defer remove()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	options := &crutils.ImportOptions{
		IgnoreOwnership: true,
		Warning:         func(warning crutils.Warning) { fmt.Println(warning.Message) },
	}
	checkpoint, err := crutils.OpenImport(ctx, crutils.Path(archive), options)
	if err != nil {
		log.Fatal(err)
	}
	defer checkpoint.Close()
	metadata, err := checkpoint.Metadata(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(metadata.Name, metadata.RuntimeName)

	bundle := filepath.Join(filepath.Dir(archive), "bundle")
	if err := checkpoint.ToBundle(crutils.Path(bundle)); err != nil {
		log.Fatal(err)
	}
	imported, err := checkpoint.Extract(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(imported.Members, "members")
	// Output:
	// counter runc
	// 2 members
}

// An export adds members and writes the archive.
func Example_checkpoint() {
	ctx := context.Background()
	build := crutils.MetadataBuild{
		Engine: crutils.EnginePodman, ID: "8f1c", Name: "counter", Runtime: "runc",
		Documents: map[crutils.Document][]byte{crutils.DocumentSpec: []byte(`{"ociVersion":"1.0.2"}`)},
	}
	metadata, err := build.Build()
	if err != nil {
		log.Fatal(err)
	}
	export := crutils.NewExport()
	defer export.Close()
	if err := export.AddMetadata(metadata); err != nil {
		log.Fatal(err)
	}
	if err := export.AddBytes("checkpoint/inventory.img", []byte("x")); err != nil {
		log.Fatal(err)
	}
	var archive bytes.Buffer
	exported, err := export.WriteStream(ctx, &archive, &crutils.ExportOptions{Digest: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(exported.Members, "members", len(exported.Digest) == 64, exported.Bytes == uint64(archive.Len()))
	// Output: 3 members true true
}

func ExampleOpenImportStream() {
	var archive bytes.Buffer
	export := crutils.NewExport()
	defer export.Close()
	if err := export.AddBytes("config.dump", []byte(`{"id":"8f1c","name":"counter"}`)); err != nil {
		log.Fatal(err)
	}
	if _, err := export.WriteStream(context.Background(), &archive, nil); err != nil {
		log.Fatal(err)
	}

	checkpoint, err := crutils.OpenImportStream(context.Background(), &archive, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer checkpoint.Close()
	members, err := checkpoint.Members(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, member := range members {
		fmt.Println(member.Name, member.Size, member.Kind, member.Class)
	}
	// Output: config.dump 30 regular file configuration
}

func ExampleError() {
	_, err := crutils.GetRuntimeFromArchive("/nonexistent/archive")
	var failure *crutils.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Kind, failure.Errno == syscall.ENOENT, errors.Is(err, fs.ErrNotExist))
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = crutils.ChangesDirectories(ctx, crutils.Path("/proc/self/fdinfo"), crutils.Place{}, nil)
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// system true true
	// true
}

func ExampleChangesDirectories() {
	root, err := os.MkdirTemp("", "crutils")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o600); err != nil {
		log.Fatal(err)
	}
	changes, err := crutils.ChangesDirectories(context.Background(), crutils.Path(root), crutils.Place{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(changes)
	// Output: [A /new]
}

// The changes of a container whose root file system is mounted, for an export.
func ExampleChanges() {
	mountPoint := "/var/lib/containers/storage/overlay/8f1c/merged"
	changes, err := crutils.Changes(context.Background(), mountPoint, &crutils.ChangesOptions{ExcludeEngine: crutils.EnginePodman})
	if err != nil {
		log.Fatal(err)
	}
	export := crutils.NewExport()
	defer export.Close()
	if err := export.AddRootFsDiff(changes, crutils.Path(mountPoint)); err != nil {
		log.Fatal(err)
	}
}

// Whoever asks first what is in a checkpoint, and whether it can be restored here, unpacks nothing.
func ExampleInspect() {
	archive, remove := makeArchive()
	defer remove()

	host := &crutils.Host{CRIU: "Version: 4.2", Runtimes: map[string]bool{
		"runc": crutils.RuntimeSupportsCheckpointRestore("/usr/bin/runc"),
	}}
	inspection, err := crutils.Inspect(context.Background(), crutils.Path(archive), &crutils.InspectOptions{Host: host})
	var failure *crutils.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Entry, "is damaged:", failure.Errno == syscall.EBADMSG)
		return
	}
	for _, process := range inspection.Processes {
		fmt.Println(process.PID, process.Arguments, process.Memory.Present)
	}
	for _, finding := range inspection.Findings {
		fmt.Println(finding.Severity, finding.Subject, finding.Reason)
	}
	// Output:
	// checkpoint/inventory.img is damaged: true
}
