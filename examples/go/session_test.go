package crutils

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
)

func sum(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return fmt.Sprintf("%x", sha256.Sum256(content))
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func TestASessionTellsWhatIsInAnArchiveAndExtractsIt(t *testing.T) {
	needsRoot(t)
	archive, base := data+"rich.tar.zst", t.TempDir()
	session, err := OpenImport(context.Background(), archive, &ImportOptions{Digest: true, StrictNames: true, KnownNames: true})
	must(t, err)
	defer session.Close()
	metadata, err := session.Metadata()
	must(t, err)
	if metadata.Name != "rich" || metadata.Engine != Podman || metadata.RuntimeName != "runc" || metadata.PodName != "" {
		t.Errorf("%+v", metadata)
	}
	if len(metadata.Documents[ConfigDump]) != 9575 || metadata.Documents[PodOptions] != nil {
		t.Error(len(metadata.Documents[ConfigDump]))
	}
	var everything struct{ Annotations map[string]string }
	must(t, json.Unmarshal(metadata.JSON, &everything))
	if everything.Annotations["io.container.manager"] != "libpod" {
		t.Error(everything.Annotations)
	}

	members, err := session.Members()
	must(t, err)
	var memory uint64
	for _, member := range members {
		if member.Class == MemoryPages {
			memory += member.Stored
		}
	}
	if len(members) != 39 || memory != 81920+65536 || members[0].Name != "artifacts/" || members[0].Type != Directory {
		t.Error(len(members), memory, members[0])
	}

	bundle, root, volume, shm := filepath.Join(base, "bundle"), t.TempDir(), t.TempDir(), t.TempDir()
	must(t, session.ToBundle(bundle))
	must(t, session.ToRoot(root))
	must(t, session.ToVolume("vol1", volume))
	must(t, session.ToShm(shm))
	must(t, session.Extract())
	if digest := session.Digest(); digest != sum(t, archive) {
		t.Error(digest)
	}
	if text := content(t, filepath.Join(volume, "file")); text != "v\n" {
		t.Errorf("%q", text)
	}
	if text := content(t, filepath.Join(shm, "seg")); text != "shm\n" {
		t.Errorf("%q", text)
	}
	if target, err := os.Readlink(filepath.Join(root, "data/abs")); err != nil || target != "/etc/app" {
		t.Error(target, err)
	}
	if found := names(t, bundle); !reflect.DeepEqual(found, []string{"artifacts", "checkpoint", "ctr.log", "network.status", "stats-dump"}) {
		t.Error(found)
	}
}

func TestOneCallRestoresAllFiles(t *testing.T) {
	needsRoot(t)
	archive, bundle, volume := data+"rich.tar.zst", filepath.Join(t.TempDir(), "bundle"), t.TempDir()
	files := Files{Bundle: bundle, Volumes: map[string]string{"vol1": volume}}
	must(t, ImportFiles(context.Background(), archive, files, &ImportOptions{ExpectedDigest: sum(t, archive)}))
	if text := content(t, filepath.Join(volume, "d/w")); text != "w\n" {
		t.Errorf("%q", text)
	}
	if _, err := os.Stat(filepath.Join(bundle, "rootfs-diff.tar")); err != nil {
		t.Error(err)
	}
	files.Volumes["vol2"] = t.TempDir()
	var failure *Error
	if err := ImportFiles(context.Background(), archive, files, nil); !errors.As(err, &failure) || failure.Entry != "volumes/vol2.tar" {
		t.Error(err)
	}
}

func TestImportOptionsReachTheLibrary(t *testing.T) {
	needsRoot(t)
	for name, options := range map[string]struct {
		ImportOptions
		expected syscall.Errno
	}{
		"digest":      {ImportOptions{ExpectedDigest: fmt.Sprintf("%064d", 0)}, syscall.EBADMSG},
		"members":     {ImportOptions{Limits: map[ImportLimit]uint64{LimitMembers: 5}}, syscall.E2BIG},
		"types":       {ImportOptions{Types: []MemberType{Regular}}, syscall.EPERM},
		"names":       {ImportOptions{Names: []string{"artifacts", "checkpoint"}}, syscall.EPERM},
		"ranges":      {ImportOptions{UIDs: []IDRange{{0, 0, 0}}}, syscall.EINVAL},
		"no digest":   {ImportOptions{ExpectedDigest: "none"}, syscall.EINVAL},
		"NUL in path": {ImportOptions{SpoolDirectory: "a\x00b"}, syscall.EINVAL},
	} {
		bundle := filepath.Join(t.TempDir(), "bundle")
		err := ImportFiles(context.Background(), data+"rich.tar.zst", Files{Bundle: bundle}, &options.ImportOptions)
		if !errors.Is(err, options.expected) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(bundle); err == nil {
			t.Errorf("%s: the bundle is there", name)
		}
	}
}

// Nothing is ever written into the pipe, so that only the context ends the wait.
func TestAContextEndsWaitingForAPipe(t *testing.T) {
	reader, writer, err := os.Pipe()
	must(t, err)
	defer writer.Close()
	ctx, cancel := context.WithCancel(context.Background())
	session, err := OpenImportFile(ctx, reader, nil)
	must(t, err)
	defer session.Close()
	reader.Close()
	go cancel()
	_, err = session.Metadata()
	if !errors.Is(err, context.Canceled) || !errors.Is(err, syscall.ECANCELED) || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestAContextThatIsDoneLetsNothingBegin(t *testing.T) {
	needsRoot(t)
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	bundle := filepath.Join(t.TempDir(), "bundle")
	err := ImportFiles(ctx, data+"rich.tar.zst", Files{Bundle: bundle}, nil)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(bundle); err == nil {
		t.Error("the bundle is there")
	}
}

// bundle makes one such as podman has, in little.
func bundle(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	must(t, os.Mkdir(filepath.Join(directory, "checkpoint"), 0o755))
	write(t, filepath.Join(directory, "checkpoint/pages-1.img"), "some memory", 0o600)
	write(t, filepath.Join(directory, "config.dump"), `{"id": "4f1c", "name": "counter", "runtime": "crun"}`, 0o600)
	write(t, filepath.Join(directory, "spec.dump"), "{}", 0o600)
	return directory
}

func TestAnExportIsImportedAgain(t *testing.T) {
	mount, volume, base := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(mount, "hosts"), "changed", 0o640)
	write(t, filepath.Join(volume, "file"), "kept", 0o600)
	extra := write(t, filepath.Join(base, "extra"), "log", 0o600)
	export := NewExport()
	defer export.Close()
	must(t, export.AddBundle(bundle(t), PodmanLayout))
	must(t, export.AddRootFsDiff([]Change{{"/hosts", Modify}, {"/old", Delete}}, mount))
	must(t, export.AddDirectoryTar("volumes/vol1.tar", volume))
	must(t, export.AddBytes("note", []byte("bytes")))
	must(t, export.AddBytes("empty", nil))
	must(t, export.AddFile("dump.log", extra))
	must(t, export.AddMember(base, "missing", true))

	archive := filepath.Join(base, "out.tar")
	written, err := export.ToFile(context.Background(), archive, &ExportOptions{Compression: Gzip, Level: 9, Digest: true, Sync: true})
	must(t, err)
	info, err := os.Stat(archive)
	must(t, err)
	if written.Digest != sum(t, archive) || written.Bytes != uint64(info.Size()) || written.Members != 10 {
		t.Errorf("%+v", written)
	}
	if last := written.Missing[len(written.Missing)-1]; last != "missing" {
		t.Error(written.Missing)
	}
	if head := content(t, archive)[:2]; head != "\x1f\x8b" {
		t.Errorf("%q isn't how gzip begins", head)
	}

	root, restored, into := t.TempDir(), t.TempDir(), filepath.Join(base, "bundle")
	write(t, filepath.Join(root, "old"), "of the image", 0o600)
	files := Files{Bundle: into, Root: root, Volumes: map[string]string{"vol1": restored}}
	must(t, ImportFiles(context.Background(), archive, files, nil))
	for path, expected := range map[string]string{
		filepath.Join(root, "hosts"): "changed", filepath.Join(restored, "file"): "kept", filepath.Join(into, "note"): "bytes",
		filepath.Join(into, "dump.log"): "log", filepath.Join(into, "empty"): "", filepath.Join(into, "checkpoint/pages-1.img"): "some memory",
	} {
		if text := content(t, path); text != expected {
			t.Errorf("%s: %q", path, text)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "old")); err == nil {
		t.Error("what the container had deleted is there")
	}
}

func TestAnExportGoesThroughAPipe(t *testing.T) {
	export := NewExport()
	defer export.Close()
	must(t, export.AddBundle(bundle(t), PodmanLayout))
	reader, writer, err := os.Pipe()
	must(t, err)
	failed := make(chan error)
	go func() {
		_, err := export.To(context.Background(), writer, nil)
		writer.Close()
		failed <- err
	}()
	session, err := OpenImportFile(context.Background(), reader, nil)
	must(t, err)
	defer session.Close()
	defer reader.Close()
	metadata, err := session.Metadata()
	must(t, err)
	members, err := session.Members()
	must(t, err)
	must(t, <-failed)
	if metadata.Name != "counter" || len(members) != 4 {
		t.Error(metadata.Name, members)
	}
}

func TestAnExportThatFailsLeavesWhatWasThere(t *testing.T) {
	base := t.TempDir()
	archive := write(t, filepath.Join(base, "out.tar"), "of yesterday", 0o600)
	export := NewExport()
	defer export.Close()
	must(t, export.AddBundle(bundle(t), PodmanLayout))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := export.ToFile(ctx, archive, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, options := range []ExportOptions{{Compression: 99}, {Compression: Gzip, Level: 77}} {
		if _, err := export.ToFile(context.Background(), archive, &options); !errors.Is(err, syscall.EINVAL) {
			t.Error(err)
		}
	}
	must(t, export.AddMember(base, "nowhere", false))
	if _, err := export.ToFile(context.Background(), archive, nil); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	if err := export.AddBytes("config.json", []byte("{}")); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if err := export.AddRootFsDiffFromOverlay([]string{base}, filepath.Join(base, "no"), base, PodmanLayout); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	if found := names(t, base); !reflect.DeepEqual(found, []string{"out.tar"}) || content(t, archive) != "of yesterday" {
		t.Error(found)
	}
}

func TestTheChangesOfAnOverlayAreExported(t *testing.T) {
	lower, upper, base := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(lower, "same"), "of the image", 0o600)
	write(t, filepath.Join(upper, "new"), "of the container", 0o600)
	export := NewExport()
	defer export.Close()
	must(t, export.AddBundle(bundle(t), PodmanLayout))
	// An upper directory without deletions shows what is new as a mount would.
	must(t, export.AddRootFsDiffFromOverlay([]string{lower}, upper, upper, PodmanLayout))
	archive, root := filepath.Join(base, "out.tar"), t.TempDir()
	_, err := export.ToFile(context.Background(), archive, &ExportOptions{Compression: NoCompression})
	must(t, err)
	must(t, ImportFiles(context.Background(), archive, Files{Root: root}, nil))
	if found := names(t, root); !reflect.DeepEqual(found, []string{"new"}) {
		t.Error(found)
	}
	if !bytes.Contains([]byte(content(t, archive)), []byte("of the container")) {
		t.Error("the archive is compressed")
	}
}
