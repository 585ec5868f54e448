//go:build !linux || !cgo

package crutils

import (
	"context"
	"io"
)

// supported is whether the library can be used.
const supported = false

// Import is an archive that is open for import. Nothing makes one here.
type Import struct{}

// Export is a checkpoint that becomes an archive. Every method of it fails here.
type Export struct{}

// Version is "" here: there is no library.
func Version() string {
	return ""
}

// HasFeature is false here.
func HasFeature(feature Feature) bool {
	return false
}

// ImportCheckpointWithoutConfig fails with [ErrUnsupported] here.
func ImportCheckpointWithoutConfig(destination, input Place) error {
	return ErrUnsupported
}

// ImportCheckpointConfigOnly fails with [ErrUnsupported] here.
func ImportCheckpointConfigOnly(destination, input Place) error {
	return ErrUnsupported
}

// GetRuntimeFromArchive fails with [ErrUnsupported] here.
func GetRuntimeFromArchive(input string) (string, error) {
	return "", ErrUnsupported
}

// CreateRootFsDiffTar fails with [ErrUnsupported] here.
func CreateRootFsDiffTar(changes []Change, mountPoint, destination Place) ([]string, error) {
	return nil, ErrUnsupported
}

// ApplyRootFsDiffTar fails with [ErrUnsupported] here.
func ApplyRootFsDiffTar(baseDirectory, containerRootDirectory Place) error {
	return ErrUnsupported
}

// RemoveDeletedFiles fails with [ErrUnsupported] here.
func RemoveDeletedFiles(id string, baseDirectory, containerRootDirectory Place) error {
	return ErrUnsupported
}

// CreateFileWithLabel fails with [ErrUnsupported] here.
func CreateFileWithLabel(directory Place, fileName, fileLabel string) error {
	return ErrUnsupported
}

// RuntimeSupportsCheckpointRestore is false here.
func RuntimeSupportsCheckpointRestore(runtimePath string) bool {
	return false
}

// RuntimeSupportsPodCheckpointRestore is false here.
func RuntimeSupportsPodCheckpointRestore(runtimePath string) bool {
	return false
}

// ChangesOverlay fails with [ErrUnsupported] here.
func ChangesOverlay(ctx context.Context, lowerDirectories []Place, upperDirectory Place, options *ChangesOptions) ([]Change, error) {
	return nil, ErrUnsupported
}

// Changes fails with [ErrUnsupported] here.
func Changes(ctx context.Context, mountPoint string, options *ChangesOptions) ([]Change, error) {
	return nil, ErrUnsupported
}

// ChangesDirectories fails with [ErrUnsupported] here.
func ChangesDirectories(ctx context.Context, newDirectory, oldDirectory Place, options *ChangesOptions) ([]Change, error) {
	return nil, ErrUnsupported
}

// NewMetadata fails with [ErrUnsupported] here.
func NewMetadata(documents map[Document][]byte) (*Metadata, error) {
	return nil, ErrUnsupported
}

// Build fails with [ErrUnsupported] here.
func (*MetadataBuild) Build() (*Metadata, error) {
	return nil, ErrUnsupported
}

// Compare fails with [ErrUnsupported] here.
func Compare(ctx context.Context, before, after Place, options *CompareOptions) (*Comparison, error) {
	return nil, ErrUnsupported
}

// Inspect fails with [ErrUnsupported] here.
func Inspect(ctx context.Context, checkpoint Place, options *InspectOptions) (*Inspection, error) {
	return nil, ErrUnsupported
}

// Inspect fails with [ErrUnsupported] here.
func (*Import) Inspect(ctx context.Context, options *InspectOptions) (*Inspection, error) {
	return nil, ErrUnsupported
}

// ImportChain fails with [ErrUnsupported] here.
func ImportChain(ctx context.Context, bundle Place, dumps []Dump, options *ImportOptions) error {
	return ErrUnsupported
}

// OpenImport fails with [ErrUnsupported] here.
func OpenImport(ctx context.Context, archive Place, options *ImportOptions) (*Import, error) {
	return nil, ErrUnsupported
}

// OpenImportStream fails with [ErrUnsupported] here.
func OpenImportStream(ctx context.Context, archive io.Reader, options *ImportOptions) (*Import, error) {
	return nil, ErrUnsupported
}

// Close does nothing.
func (*Import) Close() error {
	return nil
}

// Metadata fails with [ErrUnsupported] here.
func (*Import) Metadata(ctx context.Context) (*Metadata, error) {
	return nil, ErrUnsupported
}

// Members fails with [ErrUnsupported] here.
func (*Import) Members(ctx context.Context) ([]Member, error) {
	return nil, ErrUnsupported
}

// ToBundle fails with [ErrUnsupported] here.
func (*Import) ToBundle(bundle Place) error {
	return ErrUnsupported
}

// ToBundleOnly fails with [ErrUnsupported] here.
func (*Import) ToBundleOnly(bundle Place, names ...string) error {
	return ErrUnsupported
}

// ToRoot fails with [ErrUnsupported] here.
func (*Import) ToRoot(root Place) error {
	return ErrUnsupported
}

// ToVolume fails with [ErrUnsupported] here.
func (*Import) ToVolume(volume string, directory Place) error {
	return ErrUnsupported
}

// ToShm fails with [ErrUnsupported] here.
func (*Import) ToShm(directory Place) error {
	return ErrUnsupported
}

// Extract fails with [ErrUnsupported] here.
func (*Import) Extract(ctx context.Context) (*Imported, error) {
	return nil, ErrUnsupported
}

// NewExport returns an export. Every method of it fails here.
func NewExport() *Export {
	return &Export{}
}

// Close does nothing.
func (*Export) Close() error {
	return nil
}

// AddBundle fails with [ErrUnsupported] here.
func (*Export) AddBundle(bundle Place, engine Engine) error {
	return ErrUnsupported
}

// AddMember fails with [ErrUnsupported] here.
func (*Export) AddMember(bundle Place, name string, presence Presence) error {
	return ErrUnsupported
}

// AddBytes fails with [ErrUnsupported] here.
func (*Export) AddBytes(name string, bytes []byte) error {
	return ErrUnsupported
}

// AddMetadata fails with [ErrUnsupported] here.
func (*Export) AddMetadata(metadata *Metadata) error {
	return ErrUnsupported
}

// AddFile fails with [ErrUnsupported] here.
func (*Export) AddFile(name string, file Place) error {
	return ErrUnsupported
}

// AddDirectoryTar fails with [ErrUnsupported] here.
func (*Export) AddDirectoryTar(name string, directory Place) error {
	return ErrUnsupported
}

// AddRootFsDiff fails with [ErrUnsupported] here.
func (*Export) AddRootFsDiff(changes []Change, root Place) error {
	return ErrUnsupported
}

// Write fails with [ErrUnsupported] here.
func (*Export) Write(ctx context.Context, archive Place, options *ExportOptions) (*Exported, error) {
	return nil, ErrUnsupported
}

// WriteStream fails with [ErrUnsupported] here.
func (*Export) WriteStream(ctx context.Context, archive io.Writer, options *ExportOptions) (*Exported, error) {
	return nil, ErrUnsupported
}

func kindName(uint32) string {
	return ""
}

func phaseName(uint32) string {
	return ""
}

func warningName(uint32) string {
	return ""
}

func engineName(uint32) string {
	return ""
}

func className(uint32) string {
	return ""
}

// ImageFromArchive fails with [ErrUnsupported] here.
func ImageFromArchive(ctx context.Context, archive, image Place, options *ImageOptions) (*Image, error) {
	return nil, ErrUnsupported
}

// WriteImage fails with [ErrUnsupported] here.
func (*Export) WriteImage(ctx context.Context, image Place, imageOptions *ImageOptions, options *ExportOptions) (*Image, error) {
	return nil, ErrUnsupported
}

// OpenImage fails with [ErrUnsupported] here.
func OpenImage(ctx context.Context, image Place, reference string, options *ImportOptions) (*Image, error) {
	return nil, ErrUnsupported
}

// ListImages fails with [ErrUnsupported] here.
func ListImages(ctx context.Context, image Place, options *ImportOptions) ([]ListedImage, error) {
	return nil, ErrUnsupported
}

// OpenImportImage fails with [ErrUnsupported] here.
func OpenImportImage(ctx context.Context, image Place, reference string, options *ImportOptions) (*Import, error) {
	return nil, ErrUnsupported
}

// Image is nil here.
func (*Import) Image() *Image {
	return nil
}
