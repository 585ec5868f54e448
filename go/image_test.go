//go:build linux && cgo

package crutils

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAnArchiveAndItsBundleBecomeImagesThatAreImported(t *testing.T) {
	directory := t.TempDir()
	archive, layout := filepath.Join(directory, "archive"), Path(filepath.Join(directory, "layout"))
	export := NewExport()
	defer export.Close()
	must(t, export.AddBytes("config.dump", []byte(config)))
	must(t, export.AddBytes("spec.dump", []byte("{}")))
	_, err := export.Write(background, Path(archive), nil)
	must(t, err)
	options := &ImageOptions{Name: "one", Annotations: map[string]string{"com.example.key": "value"}, Architecture: "arm/v7"}
	image, err := ImageFromArchive(background, Path(archive), layout, options)
	must(t, err)
	if !image.Kept || image.Members != 2 || image.Name != "one" || image.Architecture != "arm" || image.Variant != "v7" ||
		image.Annotations["com.example.key"] != "value" || !strings.HasSuffix(image.Layers[0].MediaType, "+zstd") {
		t.Errorf("%+v", image)
	}
	second, err := export.WriteImage(background, layout, &ImageOptions{Name: "two"}, nil)
	must(t, err)
	if second.Layers[0].DiffID != image.Layers[0].DiffID || !strings.HasSuffix(second.Layers[0].MediaType, "+gzip") {
		t.Errorf("%+v", second)
	}
	listed, err := ListImages(background, layout, nil)
	must(t, err)
	if len(listed) != 2 || listed[0].Name != "one" || listed[0].Digest != "sha256:"+image.Digest || listed[0].Size == 0 ||
		listed[0].MediaType != "application/vnd.oci.image.manifest.v1+json" ||
		listed[1].Name != "two" || listed[1].Digest != "sha256:"+second.Digest {
		t.Errorf("%+v", listed)
	}
	opened, err := OpenImage(background, layout, "one", nil)
	must(t, err)
	if opened.Digest != image.Digest || opened.Config != image.Config {
		t.Errorf("%+v", opened)
	}
	imported, err := OpenImportImage(background, layout, "sha256:"+image.Digest, &ImportOptions{IgnoreOwnership: true, Digest: true, Configuration: true})
	must(t, err)
	defer imported.Close()
	if told := imported.Image(); told == nil || told.Digest != image.Digest {
		t.Errorf("%+v", told)
	}
	must(t, imported.ToBundle(Path(filepath.Join(directory, "bundle"))))
	result, err := imported.Extract(background)
	must(t, err)
	if result.Digest != image.Digest {
		t.Errorf("%+v", result)
	}
	if got := textOf(t, filepath.Join(directory, "bundle", "config.dump")); got != config {
		t.Error(got)
	}
}

func TestWhatIsNoImageIsAnError(t *testing.T) {
	directory := t.TempDir()
	_, err := OpenImage(background, Path(filepath.Join(directory, "missing")), "", nil)
	if !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	_, err = ListImages(background, Path(directory), nil)
	if !errors.Is(err, syscall.EBADMSG) {
		t.Error(err)
	}
	_, err = OpenImportImage(background, Path(directory), "", nil)
	if !errors.Is(err, syscall.EBADMSG) {
		t.Error(err)
	}
	_, err = ImageFromArchive(background, Path("/dev/null"), Path(directory), &ImageOptions{Name: "a..b"})
	if !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}
