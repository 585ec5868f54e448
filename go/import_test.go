//go:build linux && cgo

package crutils

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

func TestAnImportTellsWhatIsInAnArchiveAndExtractsIt(t *testing.T) {
	archive := checkpoint(t)
	i, err := OpenImport(background, Path(fileOf(t, archive)), &ImportOptions{Digest: true})
	must(t, err)
	defer i.Close()
	metadata, err := i.Metadata(background)
	must(t, err)
	if metadata.ID != "8f1c" || metadata.Name != "counter" || metadata.RuntimeName != "runc" || metadata.Engine != EnginePodman {
		t.Errorf("%+v", metadata)
	}
	members, err := i.Members(background)
	must(t, err)
	if len(members) != 7 || members[2].Kind != MemberDirectory {
		t.Fatalf("%+v", members)
	}
	pages := Member{Name: "checkpoint/pages-1.img", Kind: MemberRegular, Class: ClassMemoryPages, Size: 6, Stored: 6, Offset: 5 * 512}
	if members[3] != pages {
		t.Errorf("%+v", members[3])
	}

	bundle, root, volume := filepath.Join(t.TempDir(), "bundle"), t.TempDir(), t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/old"), nil, 0o600))
	must(t, i.ToBundle(Path(bundle)))
	must(t, i.ToRoot(Path(root)))
	must(t, i.ToVolume("v", Path(volume)))
	imported, err := i.Extract(background)
	must(t, err)
	want := Imported{Members: 7, Bytes: uint64(len(archive)), Digest: digestOf(archive), AppliedRootFsDiff: true}
	if *imported != want {
		t.Errorf("%+v", imported)
	}
	if text := textOf(t, bundle, "checkpoint/pages-1.img"); text != "memory" {
		t.Error(text)
	}
	if text := textOf(t, root, "etc/new") + textOf(t, volume, "data"); text != "new\nvolume\n" {
		t.Error(text)
	}
	if exists(root, "etc/old") || exists(bundle, "config.dump") || exists(bundle, "rootfs-diff.tar") {
		t.Error("there is more than there should be")
	}
}

func TestARealArchiveIsImported(t *testing.T) {
	path := realArchive(t, "rich.tar.zst")
	i, err := OpenImport(background, Path(path), &ImportOptions{StrictNames: true, KnownNames: true})
	must(t, err)
	defer i.Close()
	members, err := i.Members(background)
	must(t, err)
	metadata, err := i.Metadata(background)
	must(t, err)
	created := time.Date(2026, 11, 23, 13, 58, 39, 456799950, time.UTC)
	if len(members) != 39 || metadata.Name != "rich" || !metadata.Created.Equal(created) || !metadata.Restored.IsZero() {
		t.Errorf("%d members, %+v", len(members), metadata)
	}
	if len(metadata.Documents[DocumentConfig]) != 9575 || metadata.Annotations["io.container.manager"] != "libpod" {
		t.Errorf("%v", metadata.Annotations)
	}
	shm, volume := t.TempDir(), t.TempDir()
	must(t, i.ToShm(Path(shm)))
	must(t, i.ToVolume("vol1", Path(volume)))
	_, err = i.Extract(background)
	must(t, err)
	if text := textOf(t, shm, "seg") + textOf(t, volume, "file"); text != "shm\nv\n" {
		t.Errorf("%q", text)
	}
}

func TestADestinationIsAPathOrStartsAtAnOpenDirectory(t *testing.T) {
	base := t.TempDir()
	directory, err := os.Open(base)
	must(t, err)
	archive, err := os.Open(fileOf(t, checkpoint(t)))
	must(t, err)
	i, err := OpenImport(background, Handle(archive), nil)
	must(t, err)
	defer i.Close()
	must(t, i.ToBundleOnly(At(directory, "inner/bundle"), "config.dump", "checkpoint"))
	must(t, os.Mkdir(filepath.Join(base, "root"), 0o755))
	must(t, i.ToRoot(At(directory, "root")))
	must(t, directory.Close())
	must(t, archive.Close())
	_, err = i.Extract(background)
	must(t, err)
	if !exists(base, "inner/bundle/config.dump") || exists(base, "inner/bundle/spec.dump") || !exists(base, "root/etc/new") {
		t.Error("what was named isn't where it was to be")
	}
	if err := i.ToBundle(Handle(directory)); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestAStreamIsImportedFromAnyReader(t *testing.T) {
	archive := checkpoint(t)
	shifted, err := os.Open(fileOf(t, append([]byte("before"), archive...)))
	must(t, err)
	_, err = shifted.Seek(6, io.SeekStart)
	must(t, err)
	pipe, end, err := os.Pipe()
	must(t, err)
	go func() {
		_, _ = end.Write(archive)
		_ = end.Close()
	}()
	atBeginning, err := os.Open(fileOf(t, archive))
	must(t, err)
	for name, reader := range map[string]io.Reader{
		"bytes":              bytes.NewReader(archive),
		"one byte at a time": iotest.OneByteReader(bytes.NewReader(archive)),
		"file":               atBeginning,
		"file at an offset":  shifted,
		"pipe":               pipe,
	} {
		t.Run(name, func(t *testing.T) {
			i, err := OpenImportStream(background, reader, &ImportOptions{ExpectedDigest: digestOf(archive)})
			must(t, err)
			defer i.Close()
			metadata, err := i.Metadata(background)
			must(t, err)
			bundle := filepath.Join(t.TempDir(), "bundle")
			must(t, i.ToBundle(Path(bundle)))
			imported, err := i.Extract(background)
			must(t, err)
			if metadata.ID != "8f1c" || imported.Members != 7 || textOf(t, bundle, "checkpoint/pages-1.img") != "memory" {
				t.Errorf("%+v %+v", metadata, imported)
			}
		})
	}
	if _, err := OpenImportStream(background, nil, nil); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}

// brokenReader delivers bytes and then fails.
type brokenReader struct {
	io.Reader
	failure error
}

func (b *brokenReader) Read(buffer []byte) (int, error) {
	n, err := b.Reader.Read(buffer)
	if err == io.EOF {
		err = b.failure
	}
	return n, err
}

func TestAReaderThatFailsAtTheEndOfAMemberFailsTheImport(t *testing.T) {
	// Cut off here, the archive counts as complete.
	archive := tarOf(t, entry{name: "config.dump", content: config}, entry{name: "spec.dump", content: spec})
	archive = archive[:len(archive)-1024]
	broken := errors.New("the network is gone")
	for name, failure := range map[string]error{"other": broken, "errno": &fs.PathError{Op: "read", Path: "x", Err: syscall.ECONNRESET}} {
		i, err := OpenImportStream(background, &brokenReader{bytes.NewReader(archive), failure}, nil)
		must(t, err)
		bundle := filepath.Join(t.TempDir(), "bundle")
		must(t, i.ToBundle(Path(bundle)))
		imported, err := i.Extract(background)
		if !errors.Is(err, failure) || errors.Is(err, context.Canceled) || imported != nil {
			t.Errorf("%s: %v", name, err)
		}
		var path *fs.PathError
		if name == "errno" && (!errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &path) || path.Path != "x") {
			t.Error(err)
		}
		if exists(bundle) {
			t.Error("the bundle stays")
		}
		must(t, i.Close())
	}
}

func TestAnErrorTellsItsErrnoKindEntryAndOffset(t *testing.T) {
	for name, test := range map[string]struct {
		archive []byte
		is      error
		kind    Kind
		entry   string
		offset  int64
	}{
		"device": {tarOf(t, entry{name: "a"}, entry{name: "x\ny", header: tar.Header{Typeflag: tar.TypeFifo}}), syscall.EPERM, KindForbidden, "x\ny", 512},
		"link":   {tarOf(t, entry{name: "l", header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "/etc"}}), syscall.EXDEV, KindEscape, "l", 0},
		"cut":    {tarOf(t, entry{name: "a", content: "0123456789"})[:515], syscall.EBADMSG, KindMalformed, "a", 0},
	} {
		i, err := OpenImport(background, Path(fileOf(t, test.archive)), nil)
		must(t, err)
		must(t, i.ToBundle(Path(filepath.Join(t.TempDir(), "bundle"))))
		_, err = i.Extract(background)
		var failure *Error
		if !errors.As(err, &failure) || !errors.Is(err, test.is) || failure.Kind != test.kind || failure.Entry != test.entry {
			t.Errorf("%s: %#v", name, err)
			continue
		}
		if name != "cut" && failure.Offset != test.offset {
			t.Errorf("%s: %d", name, failure.Offset)
		}
		if strings.ContainsAny(failure.Message, "\n") || failure.Message != err.Error() {
			t.Errorf("%q", failure.Message)
		}
		must(t, i.Close())
	}
	_, err := OpenImport(background, Path("/nonexistent/archive"), nil)
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	i, err := OpenImport(background, Path(fileOf(t, checkpoint(t))), nil)
	must(t, err)
	defer i.Close()
	must(t, i.ToVolume("w", Path(t.TempDir())))
	if _, err := i.Extract(background); !errors.Is(err, syscall.ENODATA) || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestEachImportOptionReachesTheLibrary(t *testing.T) {
	plain := checkpoint(t)
	absolute := tarOf(t, entry{name: "/checkpoint/a"})
	odd := tarOf(t, entry{name: "odd"})
	cut := plain[:len(plain)-1024]
	zeros := tarOf(t, entry{name: "checkpoint/a", content: strings.Repeat("x", 2000)})
	id := uint32(os.Getuid())
	for name, test := range map[string]struct {
		options ImportOptions
		archive []byte
		want    error
	}{
		"strict names":    {ImportOptions{StrictNames: true}, absolute, syscall.EXDEV},
		"end marker":      {ImportOptions{EndMarker: true}, cut, syscall.EBADMSG},
		"known names":     {ImportOptions{KnownNames: true}, odd, syscall.EPERM},
		"names":           {ImportOptions{Names: []string{"other"}}, odd, syscall.EPERM},
		"no names":        {ImportOptions{Names: []string{}}, odd, syscall.EPERM},
		"kinds":           {ImportOptions{Kinds: []MemberKind{MemberDirectory}}, odd, syscall.EPERM},
		"no kinds":        {ImportOptions{Kinds: []MemberKind{}}, odd, syscall.EPERM},
		"digest":          {ImportOptions{ExpectedDigest: strings.Repeat("0", 64)}, odd, syscall.EBADMSG},
		"malformed":       {ImportOptions{ExpectedDigest: "x"}, odd, syscall.EINVAL},
		"NUL":             {ImportOptions{Names: []string{"a\x00b"}}, odd, syscall.EINVAL},
		"members":         {ImportOptions{Limits: Limits{Members: 3}}, plain, syscall.E2BIG},
		"total":           {ImportOptions{Limits: Limits{TotalBytes: 1}}, zeros, syscall.E2BIG},
		"member":          {ImportOptions{Limits: Limits{MemberBytes: 1}}, zeros, syscall.E2BIG},
		"path":            {ImportOptions{Limits: Limits{PathBytes: 5}}, zeros, syscall.E2BIG},
		"depth":           {ImportOptions{Limits: Limits{Depth: 1}}, zeros, syscall.E2BIG},
		"unmapped":        {ImportOptions{UIDs: []IDRange{{id + 1, 0, 1}}, GIDs: []IDRange{{0, 0, 100000}}}, plain, syscall.EOVERFLOW},
		"empty range":     {ImportOptions{UIDs: []IDRange{{0, 0, 0}}}, odd, syscall.EINVAL},
		"spool directory": {ImportOptions{SpoolDirectory: Path("a\x00")}, odd, syscall.EINVAL},
		"default":         {ImportOptions{}, plain, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := extract(t, test.archive, &test.options)
			if test.want == nil && err != nil || !errors.Is(err, test.want) {
				t.Errorf("%v, not %v", err, test.want)
			}
		})
	}
	if err := extract(t, plain, nil); err != nil {
		t.Error(err)
	}
}

// extract extracts all of an archive into new directories.
func extract(t *testing.T, archive []byte, options *ImportOptions) error {
	t.Helper()
	i, err := OpenImport(background, Path(fileOf(t, archive)), options)
	if err != nil {
		return err
	}
	defer i.Close()
	must(t, i.ToBundle(Path(filepath.Join(t.TempDir(), "bundle"))))
	must(t, i.ToRoot(Path(t.TempDir())))
	_, err = i.Extract(background)
	return err
}

func TestImportOptionsForTheBundle(t *testing.T) {
	archive := fileOf(t, append(checkpoint(t)[:1024], "damaged"...))
	for _, keep := range []bool{false, true} {
		i, err := OpenImport(background, Path(archive), &ImportOptions{KeepFailed: keep, Configuration: true})
		must(t, err)
		path := filepath.Join(t.TempDir(), "bundle")
		must(t, i.ToBundle(Path(path)))
		if _, err := i.Extract(background); !errors.Is(err, syscall.EBADMSG) {
			t.Error(err)
		}
		if exists(path, "config.dump") != keep {
			t.Error("keep", keep)
		}
		must(t, i.Close())
	}
}

func TestMetadataIsTyped(t *testing.T) {
	documents := map[Document][]byte{
		DocumentConfig:        []byte(config),
		DocumentSpec:          []byte(spec),
		DocumentNetworkStatus: []byte(`{"podman":{"interfaces":{"eth0":{"subnets":[{"ipnet":"10.88.0.2/16","gateway":"10.88.0.1"}],"mac_address":"aa:bb:cc:dd:ee:ff"}}}}`),
		DocumentBindMounts:    []byte(`[{"source":"/srv","destination":"/data","file_type":"directory","permissions":493}]`),
		DocumentStatus:        []byte(`{"CreatedAt":1,"StartedAt":2,"FinishedAt":3,"ExitCode":-4,"Pid":5,"Reason":"r","Message":"m"}`),
		DocumentPodOptions:    []byte("broken"),
	}
	m, err := NewMetadata(documents)
	must(t, err)
	if subnet := m.Networks["podman"].Interfaces["eth0"].Subnets[0]; subnet != (Subnet{"10.88.0.2/16", "10.88.0.1"}) {
		t.Errorf("%+v", m.Networks)
	}
	if !reflect.DeepEqual(m.BindMounts, []BindMount{{"/srv", "/data", "directory", 0o755}}) {
		t.Errorf("%+v", m.BindMounts)
	}
	if m.Status == nil || *m.Status != (Status{1, 2, 3, -4, 5, "r", "m"}) {
		t.Errorf("%+v", m.Status)
	}
	if m.PodOptions != nil || m.Malformed["pod.options"] == "" || len(m.Malformed) != 1 {
		t.Errorf("%v %v", m.PodOptions, m.Malformed)
	}
	if !m.Created.Equal(time.Date(2026, 5, 11, 9, 8, 7, 0, time.UTC)) || !m.Restored.IsZero() {
		t.Error(m.Created, m.Restored)
	}
	if !reflect.DeepEqual(m.Documents, documents) {
		t.Errorf("%v", m.Documents)
	}
	if text, told := m.Text(TextPodName); text != "" || told {
		t.Error(text, told)
	}
	if text, told := m.Text(TextID); text != "8f1c" || !told {
		t.Error(text, told)
	}
	if _, err := NewMetadata(map[Document][]byte{DocumentConfig: []byte("{")}); !errors.Is(err, syscall.EBADMSG) {
		t.Error(err)
	}
	if _, err := NewMetadata(map[Document][]byte{99: nil}); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if empty, err := NewMetadata(nil); err != nil || empty.Engine != EngineUnknown || empty.Annotations != nil {
		t.Error(empty, err)
	}
}

func TestMetadataIsBuiltForAnEngine(t *testing.T) {
	build := MetadataBuild{
		Engine: EnginePodman, ID: "8f1c", Name: "counter", Runtime: "crun", ImageName: "busybox",
		Checkpointed: time.Date(2026, 5, 11, 9, 8, 7, 500, time.UTC),
		Annotations:  map[string]string{"org.example.owner": "tests"},
		Documents:    map[Document][]byte{DocumentSpec: []byte(spec)},
	}
	m, err := build.Build()
	must(t, err)
	if m.Name != "counter" || m.Runtime != "crun" || !m.Checkpointed.Equal(build.Checkpointed) || m.Annotations["org.example.owner"] != "tests" {
		t.Errorf("%+v", m)
	}
	export := NewExport()
	defer export.Close()
	must(t, export.AddMetadata(m))
	var archive bytes.Buffer
	_, err = export.WriteStream(background, &archive, &ExportOptions{Compression: CompressionNone})
	must(t, err)
	reader := tar.NewReader(&archive)
	for _, name := range []string{"config.dump", "spec.dump"} {
		header, err := reader.Next()
		must(t, err)
		if header.Name != name {
			t.Error(header.Name)
		}
	}
	build.ID = ""
	if _, err := build.Build(); !errors.Is(err, syscall.ENODATA) {
		t.Error(err)
	}
	build.ID, build.Engine = "8f1c", EngineUnknown
	if _, err := build.Build(); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if err := export.AddMetadata(nil); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}
