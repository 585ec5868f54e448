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

// ImportChain extracts a chain of incremental dumps, the oldest first, each into a directory of its own in a bundle. A dump's
// link "parent" may lead to "../NAME", the directory of an earlier dump, so that CRIU restores from the last one. config.dump
// and spec.dump stay in the archives. options is nil for the defaults.
//
// Directories that this call has made are removed after a failure, unless options say that they are kept.
func ImportChain(ctx context.Context, bundle Place, dumps []Dump, options *ImportOptions) error {
	if options == nil {
		options = &ImportOptions{}
	}
	made, err := options.c()
	if err != nil {
		return err
	}
	defer C.CRImportOptionsFree(made)
	var args arguments
	defer args.release()
	at, path := args.place("bundle", bundle)
	array := args.dumps(dumps)
	if args.err != nil {
		return args.err
	}
	return watched(ctx, options.Progress, options.Warning, func(watch *C.CRWatch, failure **C.CRError) C.int {
		return C.CRImportChain(at, path, array, C.size_t(len(dumps)), made, watch, failure)
	})
}

// dumps returns an array of dumps.
func (a *arguments) dumps(dumps []Dump) *C.CRDump {
	block := a.memory("dumps", len(dumps), C.sizeof_CRDump)
	if block == nil {
		return nil
	}
	array := unsafe.Slice((*C.CRDump)(block), len(dumps))
	for i, dump := range dumps {
		array[i].name = a.text("dumps", dump.Name)
		array[i].archive.at, array[i].archive.path = a.place("dumps", dump.Archive)
	}
	return (*C.CRDump)(block)
}
