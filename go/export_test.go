//go:build linux && cgo

package crutils

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
)

var (
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	gzipMagic = []byte{0x1f, 0x8b}
)

func TestZeroValuesOfExportOptionsAreTheDefaults(t *testing.T) {
	for name, test := range map[string]struct {
		options *ExportOptions
		magic   []byte
	}{
		"nil":    {nil, zstdMagic},
		"zero":   {&ExportOptions{}, zstdMagic},
		"digest": {&ExportOptions{Digest: true}, zstdMagic},
		"sync":   {&ExportOptions{Sync: true}, zstdMagic},
		"level":  {&ExportOptions{Level: 1, Workers: 1}, zstdMagic},
		"gzip":   {&ExportOptions{Compression: CompressionGzip}, gzipMagic},
		"zstd":   {&ExportOptions{Compression: CompressionZstd}, zstdMagic},
		"none":   {&ExportOptions{Compression: CompressionNone}, []byte("config.dump")},
	} {
		export := NewExport()
		must(t, export.AddBytes("config.dump", []byte(config)))
		path := filepath.Join(t.TempDir(), "archive")
		exported, err := export.Write(background, Path(path), test.options)
		must(t, err)
		archive := []byte(textOf(t, path))
		if !bytes.HasPrefix(archive, test.magic) || exported.Bytes != uint64(len(archive)) || exported.Members != 1 {
			t.Errorf("%s: %x, %+v", name, archive[:4], exported)
		}
		want := ""
		if name == "digest" {
			want = digestOf(archive)
		}
		if exported.Digest != want {
			t.Errorf("%s: %s", name, exported.Digest)
		}
		must(t, export.Close())
	}
	export := NewExport()
	defer export.Close()
	for _, options := range []ExportOptions{
		{Compression: 77}, {Compression: CompressionGzip, Level: 12}, {SpoolDirectory: Path("a\x00")},
	} {
		if _, err := export.Write(background, Path(filepath.Join(t.TempDir(), "a")), &options); !errors.Is(err, syscall.EINVAL) {
			t.Error(options.Compression, err)
		}
	}
}

func TestEverythingThatIsAddedIsInTheArchive(t *testing.T) {
	base, root, volume := t.TempDir(), t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "new"), []byte("new"), 0o640))
	must(t, os.WriteFile(filepath.Join(volume, "data"), []byte("data"), 0o600))
	must(t, os.WriteFile(filepath.Join(base, "log"), []byte("log"), 0o600))
	directory, err := os.Open(base)
	must(t, err)
	export := NewExport()
	defer export.Close()
	content := []byte("bytes")
	must(t, export.AddBytes("config.dump", content))
	content[0] = 'X'
	must(t, export.AddBytes("empty", nil))
	must(t, export.AddFile("ctr.log", At(directory, "log")))
	must(t, export.AddDirectoryTar("volumes/v.tar", Path(volume)))
	must(t, export.AddRootFsDiff([]Change{{"/new", ChangeAdd}, {"/old", ChangeDelete}}, Path(root)))
	must(t, export.AddMember(Handle(directory), "stats-dump", Optional))
	must(t, directory.Close())

	var archive bytes.Buffer
	stamp := time.Date(2026, 5, 11, 9, 8, 7, 0, time.UTC)
	exported, err := export.WriteStream(background, &archive, &ExportOptions{
		Compression: CompressionNone, Time: stamp, Digest: true, SpoolDirectory: Path(t.TempDir()),
	})
	must(t, err)
	want := Exported{Bytes: uint64(archive.Len()), Members: 6, Digest: digestOf(archive.Bytes()), Missing: []string{"stats-dump"}}
	if !reflect.DeepEqual(*exported, want) {
		t.Errorf("%+v, not %+v", exported, want)
	}
	members := map[string]string{}
	for reader := tar.NewReader(&archive); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		text, err := io.ReadAll(reader)
		must(t, err)
		members[header.Name] = string(text)
		if header.Name == "config.dump" && !header.ModTime.Equal(stamp) {
			t.Error(header.ModTime)
		}
	}
	if members["config.dump"] != "bytes" || members["ctr.log"] != "log" || members["empty"] != "" {
		t.Errorf("%q", members)
	}
	diff, err := tar.NewReader(bytes.NewReader([]byte(members["rootfs-diff.tar"]))).Next()
	must(t, err)
	if diff.Name != "new" || diff.Mode != 0o640 || members["deleted.files"] != "[\n  \"/old\"\n]" {
		t.Errorf("%+v, %q", diff, members["deleted.files"])
	}
	if len(members["volumes/v.tar"]) == 0 {
		t.Error("there is no volume")
	}
}

func TestAnArchiveIsWrittenToAnyWriter(t *testing.T) {
	export := podmanExport(t)
	var want bytes.Buffer
	_, err := export.WriteStream(background, &want, nil)
	must(t, err)

	path := filepath.Join(t.TempDir(), "file")
	file, err := os.Create(path)
	must(t, err)
	_, err = file.WriteString("before")
	must(t, err)
	_, err = export.WriteStream(background, file, nil)
	must(t, err)
	must(t, file.Close())
	if textOf(t, path) != "before"+want.String() {
		t.Error("another archive is in the file")
	}

	reader, writer, err := os.Pipe()
	must(t, err)
	read := make(chan string)
	go func() {
		content, _ := io.ReadAll(reader)
		read <- string(content)
	}()
	_, err = export.WriteStream(background, writer, nil)
	must(t, err)
	must(t, writer.Close())
	if <-read != want.String() {
		t.Error("another archive came through the pipe")
	}

	near, far := net.Pipe()
	go func() {
		content, _ := io.ReadAll(far)
		read <- string(content)
	}()
	_, err = export.WriteStream(background, near, nil)
	must(t, err)
	must(t, near.Close())
	if <-read != want.String() {
		t.Error("another archive came through the connection")
	}
	if _, err := export.WriteStream(background, nil, nil); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}

// fullWriter fails once it has taken some bytes.
type fullWriter struct {
	left    int
	failure error
}

func (f *fullWriter) Write(bytes []byte) (int, error) {
	if f.left -= len(bytes); f.left < 0 {
		return 0, f.failure
	}
	return len(bytes), nil
}

func TestAWriterThatFailsFailsTheExport(t *testing.T) {
	full := errors.New("the quota is used up")
	for _, left := range []int{0, 1 << 20} {
		export := podmanExport(t)
		exported, err := export.WriteStream(background, &fullWriter{left, full}, nil)
		if !errors.Is(err, full) || errors.Is(err, syscall.EPIPE) || exported != nil {
			t.Errorf("%v %v", exported, err)
		}
	}
	// A small archive fits into the pipe: the library has written all of it when the writer fails.
	export := NewExport()
	defer export.Close()
	must(t, export.AddBytes("config.dump", []byte(config)))
	if exported, err := export.WriteStream(background, &fullWriter{0, full}, nil); !errors.Is(err, full) || exported != nil {
		t.Errorf("%v %v", exported, err)
	}
}

func TestAnExportWithoutARequiredMemberFails(t *testing.T) {
	export := NewExport()
	defer export.Close()
	must(t, export.AddMember(Path(t.TempDir()), "config.dump", Required))
	path := filepath.Join(t.TempDir(), "archive")
	if _, err := export.Write(background, Path(path), nil); !errors.Is(err, fs.ErrNotExist) || exists(path) {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"presence":  export.AddMember(Path(t.TempDir()), "spec.dump", 0),
		"engine":    export.AddBundle(Path(t.TempDir()), EngineUnknown),
		"name":      export.AddBytes("../x", nil),
		"NUL":       export.AddBytes("a\x00b", nil),
		"hooks":     export.AddBytes("config.json", nil),
		"twice":     export.AddBytes("config.dump", nil),
		"change":    export.AddRootFsDiff([]Change{{"/a", 7}}, Path(t.TempDir())),
		"path":      export.AddRootFsDiff([]Change{{"/a\x00", ChangeAdd}}, Path(t.TempDir())),
		"directory": export.AddFile("f", Path(t.TempDir())),
	} {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := export.AddDirectoryTar("volumes/v.tar", Path("/nonexistent")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
