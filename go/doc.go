// Package crutils imports, applies and creates container checkpoint archives with the C library libcrutils.
//
// An engine that restores a container opens its archive with [OpenImport], reads what it tells of the container with
// [Import.Metadata], sets with [Import.ToBundle] and [Import.ToRoot] where the files go, and extracts them with
// [Import.Extract]. An engine that checkpoints a container makes an export with [NewExport], adds members with
// [Export.AddBundle] and [Export.AddRootFsDiff], and writes the archive with [Export.Write]. [Changes], [ChangesOverlay]
// and [ChangesDirectories] find what a container changed in its root file system. [Inspect] tells what CRIU's images hold,
// and [Compare] what differs between two checkpoints. [ImageFromArchive] and [Export.WriteImage] make OCI images of
// checkpoints, and [OpenImportImage] imports them. The functions from [ImportCheckpointWithoutConfig] on do the work of
// imports and exports step by step. Package compat, in the directory of that name, has them with the names and signatures
// of podman's package crutils.
//
// # Errors
//
// A function that fails returns an [*Error], which unwraps to its [syscall.Errno]: errors.Is(err, syscall.EXDEV) finds
// an archive that tried to leave its root. errors.Is also finds [fs.ErrNotExist], [fs.ErrPermission], [context.Canceled],
// [context.DeadlineExceeded], and [fs.ErrClosed] after Close.
//
// # Contexts
//
// Functions that can take long take a [context.Context], but for those from [ImportCheckpointWithoutConfig] on. A work that is waiting for a pipe, or copying, ends soon after
// its context does. An import whose context has ended fails from then on: it can't be continued with another context.
//
// # Options
//
// A nil pointer to options, and the zero value of each option, mean the default. An option that the library in use is
// too old for fails with [syscall.EOPNOTSUPP], which is errors.ErrUnsupported for newer versions of Go.
//
// # Functions that are told of progress and warnings
//
// A work calls them one at a time, on a goroutine of their own, and waits for them. Progress is told at most 20 times a
// second, and at the end of each phase. They may cancel the context of the work. A panic in one of them cancels the
// work, and goes on in the function that was called. They must not use the import or the export that is at work; that
// fails with [syscall.EBUSY].
//
// # Goroutines
//
// All functions may be called from any number of goroutines at once. An [Import] or an [Export] takes one call at a time:
// a second one fails with [syscall.EBUSY]. Close may be called at any time, and more than once; a call that is at work
// goes on to its end.
//
// # Building
//
// The package needs Linux, cgo, and libcrutils as pkg-config finds it. With the build tag crutils_static, the static
// library is linked. Without cgo, and on other systems, everything is there, and every function that can fail fails with
// [ErrUnsupported].
package crutils
