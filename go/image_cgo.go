//go:build linux && cgo

package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"context"
	"unsafe"
)

// settings is the options that have a number as their value.
func (o *ImageOptions) settings() []setting {
	return []setting{
		{C.CR_IMAGE_FORM, uint64(o.Form)},
		{C.CR_IMAGE_COMPRESSION, uint64(o.Compression)},
		{C.CR_IMAGE_LEVEL, uint64(o.Level)},
		{C.CR_IMAGE_FRAME_SIZE, o.FrameSize},
		{C.CR_IMAGE_WORKERS, uint64(o.Workers)},
		{C.CR_IMAGE_SYNC, flag(o.Sync)},
		{C.CR_IMAGE_PARENT_LINKS, flag(o.ParentLinks)},
	}
}

// c returns the options as C has them, which are to be freed.
func (o *ImageOptions) c() (*C.CRImageOptions, error) {
	made := C.CRImageOptionsNew()
	if err := o.set(made); err != nil {
		C.CRImageOptionsFree(made)
		return nil, err
	}
	return made, nil
}

func (o *ImageOptions) set(made *C.CRImageOptions) error {
	err := apply(o.settings(), func(option C.uint32_t, value C.uint64_t, failure **C.CRError) C.int {
		return C.CRImageOptionsSet(made, option, value, failure)
	})
	if err != nil {
		return err
	}
	var args arguments
	defer args.release()
	args.set("name", o.Name, func(name *C.char, failure **C.CRError) C.int {
		return C.CRImageOptionsName(made, name, failure)
	})
	args.set("architecture", o.Architecture, func(architecture *C.char, failure **C.CRError) C.int {
		return C.CRImageOptionsArchitecture(made, architecture, failure)
	})
	args.set("time", o.Created, func(created *C.char, failure **C.CRError) C.int {
		return C.CRImageOptionsCreated(made, created, failure)
	})
	for key, text := range o.Annotations {
		value := args.text("text", text)
		args.setAny("key", key, func(key *C.char, failure **C.CRError) C.int {
			return C.CRImageOptionsAnnotation(made, key, value, failure)
		})
	}
	at, directory := args.place("directory", o.SpoolDirectory)
	if args.err != nil || o.SpoolDirectory.isZero() {
		return args.err
	}
	var failure *C.CRError
	return result(C.CRImageOptionsSpoolDirectory(made, at, directory, &failure), failure)
}

// ImageFromArchive makes an OCI image of a checkpoint archive: a file, a pipe or a socket. An archive that is a gzip or zstd
// stream becomes the layer as it is, unless the options choose another compression. The archive is read once, and the layer
// written once. options is nil for the defaults.
//
// A layout is a directory that is made if it is missing. The image appears in its index when all of it is there; until then,
// and after a failure, the layout has the images that it had.
func ImageFromArchive(ctx context.Context, archive, image Place, options *ImageOptions) (*Image, error) {
	if options == nil {
		options = &ImageOptions{}
	}
	how, err := options.c()
	if err != nil {
		return nil, err
	}
	defer C.CRImageOptionsFree(how)
	var args arguments
	defer args.release()
	at, path := args.place("archive", archive)
	imageAt, imagePath := args.place("image", image)
	if args.err != nil {
		return nil, args.err
	}
	return imageMade(func(made **C.CRImage) error {
		return watched(ctx, options.Progress, options.Warning, func(watch *C.CRWatch, failure **C.CRError) C.int {
			return C.CRImageFromArchive(at, path, imageAt, imagePath, how, watch, made, failure)
		})
	})
}

// WriteImage writes the checkpoint as an OCI image, whose one layer is the archive that [Export.Write] would write. Both
// options are nil for the defaults; of compression, threads, digest and sync those of the image count.
func (e *Export) WriteImage(ctx context.Context, image Place, imageOptions *ImageOptions, options *ExportOptions) (*Image, error) {
	if imageOptions == nil {
		imageOptions = &ImageOptions{}
	}
	if options == nil {
		options = &ExportOptions{}
	}
	how, err := imageOptions.c()
	if err != nil {
		return nil, err
	}
	defer C.CRImageOptionsFree(how)
	with, err := options.c()
	if err != nil {
		return nil, err
	}
	defer C.CRExportOptionsFree(with)
	var args arguments
	defer args.release()
	at, path := args.place("image", image)
	if args.err != nil {
		return nil, args.err
	}
	return imageMade(func(made **C.CRImage) error {
		return e.use(func() error {
			return watched(ctx, options.Progress, options.Warning, func(watch *C.CRWatch, failure **C.CRError) C.int {
				return C.CRExportWriteImage(e.handle, at, path, how, with, watch, made, failure)
			})
		})
	})
}

// OpenImage reads what an image says of itself: its manifest and its config, whose digests are verified. Its layers aren't
// read. reference is the image's name, or "sha256:" and the digest of its manifest; "" means the only image. options is nil
// for the defaults; of them only SpoolDirectory, Progress, Warning and the limit of the ratio count.
func OpenImage(ctx context.Context, image Place, reference string, options *ImportOptions) (*Image, error) {
	var args arguments
	defer args.release()
	name := args.text("reference", reference)
	return imageMade(func(made **C.CRImage) error {
		return args.look(ctx, image, options, func(at C.int, path *C.char, how *C.CRImportOptions, watch *C.CRWatch, failure **C.CRError) C.int {
			return C.CRImageOpen(at, path, name, how, watch, made, failure)
		})
	})
}

// ListImages lists the images of a layout or an oci-archive: what its index names, in the index's order. The images themselves
// aren't read, and an index of several platforms is one image. options is nil for the defaults; of them only SpoolDirectory,
// Progress, Warning and the limit of the ratio count.
func ListImages(ctx context.Context, image Place, options *ImportOptions) ([]ListedImage, error) {
	var args arguments
	defer args.release()
	var list *C.CRImageList
	err := args.look(ctx, image, options, func(at C.int, path *C.char, how *C.CRImportOptions, watch *C.CRWatch, failure **C.CRError) C.int {
		return C.CRImageListOpen(at, path, how, watch, &list, failure)
	})
	if err != nil {
		return nil, err
	}
	defer C.CRImageListFree(list)
	var length C.size_t
	first := C.CRImageListImages(list, &length)
	images := make([]ListedImage, 0, int(length))
	for _, image := range unsafe.Slice(first, int(length)) {
		images = append(images, ListedImage{
			Name:      C.GoString(image.name),
			Digest:    C.GoString(image.digest),
			MediaType: C.GoString(image.media_type),
			Size:      uint64(image.size),
		})
	}
	return images, nil
}

// look calls a function of C's that reads what a layout or an oci-archive says of itself.
func (a *arguments) look(
	ctx context.Context,
	image Place,
	options *ImportOptions,
	call func(at C.int, path *C.char, how *C.CRImportOptions, watch *C.CRWatch, failure **C.CRError) C.int,
) error {
	if options == nil {
		options = &ImportOptions{}
	}
	how, err := options.c()
	if err != nil {
		return err
	}
	defer C.CRImportOptionsFree(how)
	at, path := a.place("image", image)
	if a.err != nil {
		return a.err
	}
	return watched(ctx, options.Progress, options.Warning, func(watch *C.CRWatch, failure **C.CRError) C.int {
		return call(at, path, how, watch, failure)
	})
}

// OpenImportImage opens the checkpoint in an OCI image for import, which is to be closed: in a layout, or in an oci-archive.
// reference is as for [OpenImage]. Its layers are verified when [Import.Extract] begins, before anything is made or changed.
// The options' digests are about the image's manifest.
func OpenImportImage(ctx context.Context, image Place, reference string, options *ImportOptions) (*Import, error) {
	var args arguments
	defer args.release()
	name := args.text("reference", reference)
	if args.err != nil {
		return nil, args.err
	}
	open := func(at C.int, path *C.char, made *C.CRImportOptions, watch *C.CRWatch, handle **C.CRImport, failure **C.CRError) C.int {
		return C.CRImportOpenImage(at, path, name, made, watch, handle, failure)
	}
	place := func(*Import) (Place, error) { return image, nil }
	return openImportWith(ctx, "image", options, place, open)
}

// Image returns what the image says of itself that the import is of; nil for an import of an archive.
func (i *Import) Image() *Image {
	if i == nil || i.object.begin() != nil {
		return nil
	}
	defer i.object.end()
	info := C.CRImportImageInfo(i.handle)
	if info == nil {
		return nil
	}
	return imageOf(info)
}

// imageMade calls a function that has C make an image, and returns a copy of it.
func imageMade(call func(made **C.CRImage) error) (*Image, error) {
	var made *C.CRImage
	if err := call(&made); err != nil {
		return nil, err
	}
	defer C.CRImageFree(made)
	return imageOf(C.CRImageGetInfo(made)), nil
}

// imageOf copies what C lends.
func imageOf(info *C.CRImageInfo) *Image {
	image := &Image{
		Digest:       C.GoString(info.digest),
		Name:         C.GoString(info.name),
		Config:       C.GoString(info.config),
		Architecture: C.GoString(info.architecture),
		Variant:      C.GoString(info.variant),
		OS:           C.GoString(info.os),
		Created:      C.GoString(info.created),
		Annotations:  make(map[string]string),
		Members:      uint64(info.members),
		Kept:         info.kept != 0,
	}
	keys := unsafe.Slice(info.annotation_keys, int(info.annotations_len))
	values := unsafe.Slice(info.annotation_values, int(info.annotations_len))
	for i, key := range keys {
		image.Annotations[C.GoString(key)] = C.GoString(values[i])
	}
	for _, layer := range unsafe.Slice(info.layers, int(info.layers_len)) {
		image.Layers = append(image.Layers, ImageLayer{
			MediaType: C.GoString(layer.media_type),
			Digest:    C.GoString(layer.digest),
			DiffID:    C.GoString(layer.diff_id),
			Size:      uint64(layer.size),
		})
	}
	return image
}
