//go:build linux && cgo

package crutils

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var background = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// realArchive returns the path of an archive that podman made. They are in the project, beside the module.
func realArchive(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "tests", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skip("skipped: the project's archives are not beside the module")
	}
	if os.Geteuid() != 0 {
		t.Skip("skipped: the archive's owners need root")
	}
	return path
}

// entry is a member of an archive of a test's.
type entry struct {
	name, content string
	header        tar.Header
}

// tarOf returns an archive of these members, which belong to the test's user.
func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, each := range entries {
		header := each.header
		header.Name, header.Size = each.name, int64(len(each.content))
		header.Uid, header.Gid = os.Getuid(), os.Getgid()
		if header.Typeflag == 0 {
			header.Typeflag = tar.TypeReg
		}
		if header.Mode == 0 {
			header.Mode = 0o600
		}
		must(t, writer.WriteHeader(&header))
		_, err := writer.Write([]byte(each.content))
		must(t, err)
	}
	must(t, writer.Close())
	return archive.Bytes()
}

const (
	config = `{"id":"8f1c","name":"counter","rootfsImageName":"busybox","runtime":"runc","createdTime":"2026-05-11T09:08:07Z",` +
		`"checkpointedTime":"2026-05-11T10:00:00Z","restoredTime":"0001-01-01T00:00:00Z","restored":false}`
	spec = `{"ociVersion":"1.0.2","annotations":{"io.container.manager":"libpod"}}`
)

// checkpoint returns a small archive as podman makes one.
func checkpoint(t testing.TB) []byte {
	t.Helper()
	diff := string(tarOf(t, entry{name: "etc/new", content: "new\n"}))
	volume := string(tarOf(t, entry{name: "./data", content: "volume\n"}))
	return tarOf(t,
		entry{name: "config.dump", content: config},
		entry{name: "spec.dump", content: spec},
		entry{name: "checkpoint/", header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o700}},
		entry{name: "checkpoint/pages-1.img", content: "memory"},
		entry{name: "rootfs-diff.tar", content: diff},
		entry{name: "deleted.files", content: `["/etc/old"]`},
		entry{name: "volumes/v.tar", content: volume},
	)
}

// fileOf returns the path of a file of these bytes.
func fileOf(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

func textOf(t testing.TB, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	must(t, err)
	return string(content)
}

func exists(path ...string) bool {
	_, err := os.Lstat(filepath.Join(path...))
	return err == nil
}

func digestOf(content []byte) string {
	return fmt.Sprintf("%x", sha256.Sum256(content))
}

// bundle returns a directory with what a checkpoint of podman has at least, and some MiB of memory.
func bundle(t testing.TB) string {
	t.Helper()
	path := t.TempDir()
	must(t, os.Mkdir(filepath.Join(path, "checkpoint"), 0o700))
	for name, content := range map[string][]byte{
		"config.dump":            []byte(config),
		"spec.dump":              []byte(spec),
		"checkpoint/pages-1.img": memory(4 << 20),
	} {
		must(t, os.WriteFile(filepath.Join(path, name), content, 0o600))
	}
	return path
}

// memory returns bytes that don't compress.
func memory(size int) []byte {
	content, state := make([]byte, size), uint64(88172645463325252)
	for i := range content {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		content[i] = byte(state >> 24)
	}
	return content
}

func podmanExport(t testing.TB) *Export {
	t.Helper()
	export := NewExport()
	t.Cleanup(func() { _ = export.Close() })
	must(t, export.AddBundle(Path(bundle(t)), EnginePodman))
	return export
}
