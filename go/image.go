package crutils

// ImageForm is in which form an image lies in a file system. Later versions of the library may have more.
type ImageForm uint32

// The forms of images. The zero value is a layout, too.
const (
	// ImageLayout is an OCI image layout: a directory, which may hold several images. skopeo and podman call it
	// oci:DIRECTORY:NAME.
	ImageLayout ImageForm = 1
	// ImageArchive is an oci-archive: a tar of a layout with one image. skopeo and podman call it oci-archive:FILE.
	ImageArchive ImageForm = 2
)

// ImageOptions is how an image is written. The zero value of a field is its default.
type ImageOptions struct {
	// Form is in which form the image is written: as a layout by default.
	Form ImageForm
	// Name is the image's name: a tag such as "latest", or a full name such as "registry.example/c/counter:1". Another image
	// of this name in the layout loses it.
	Name string
	// Annotations are added to the manifest, instead of those of the same keys that the checkpoint's metadata gives.
	Annotations map[string]string
	// Architecture is what the image is for, such as "amd64" or "arm/v7"; by default that of CRIU's images.
	Architecture string
	// Created is when the image was created, as RFC 3339; by default when the checkpoint was made.
	Created string
	// Compression is how the layer is compressed: with gzip by default, but an archive that is a gzip or zstd stream becomes
	// the layer as it is. CompressionNone is EINVAL.
	Compression Compression
	// Level is the level of the compression; 0 for the compression's own.
	Level uint
	// FrameSize is as that of [ExportOptions].
	FrameSize uint64
	// Workers is how many threads compress; 0 for as many as the process may use cores.
	Workers uint
	// Sync has the image and its names on the disk before it is done. An open file is never synced.
	Sync bool
	// ParentLinks lets the link "parent" of an incremental dump into the image. Otherwise it is EPERM.
	ParentLinks bool
	// SpoolDirectory is the directory for the unnamed file that holds the layer while an oci-archive is written to a pipe or a
	// socket; by default the one that TMPDIR names, or else /var/tmp.
	SpoolDirectory Place
	// Progress and Warning are as those of [ExportOptions]. An image of an export has those of the export's options.
	Progress func(Progress)
	Warning  func(Warning)
}

// ImageLayer is a layer of an image.
type ImageLayer struct {
	// MediaType is the layer's media type.
	MediaType string
	// Digest is the SHA-256 of the layer's bytes as they are stored, as 64 hexadecimal digits.
	Digest string
	// DiffID is the SHA-256 of its content; "" for an image that containerd's ctr has made.
	DiffID string
	// Size is how many bytes are stored.
	Size uint64
}

// ListedImage is an image as the index of its layout lists it: nothing of the image itself was read. Its texts come from the
// index.
type ListedImage struct {
	// Name is the image's name in its layout; "" if it has none.
	Name string
	// Digest is the digest of its manifest or index as it stands in the index: "sha256:" and 64 hexadecimal digits, which
	// [OpenImage] takes as a reference, or what else a writer has put there.
	Digest string
	// MediaType is the media type of the manifest or index; may be "".
	MediaType string
	// Size is how many bytes the manifest or index has.
	Size uint64
}

// Image is what is known of an image. Its texts come from the image.
type Image struct {
	// Digest is the SHA-256 of the manifest, by which registries know the image, as 64 hexadecimal digits.
	Digest string
	// Name is the image's name in its layout; "" if it has none.
	Name string
	// Config is the SHA-256 of the config, which is the image's ID to engines.
	Config string
	// Architecture, Variant and OS are what the image is for.
	Architecture, Variant, OS string
	// Created is when the checkpoint was made, as RFC 3339; "" if that isn't known.
	Created string
	// Annotations are those of the manifest.
	Annotations map[string]string
	// Layers are the layers, from the lowest on.
	Layers []ImageLayer
	// Members is how many members the layer of an image that was written has.
	Members uint64
	// Kept is whether the layer of an image that was written is the archive as it was, byte by byte.
	Kept bool
}
