//go:build linux && cgo

package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"errors"
	"syscall"
	"unsafe"
)

// NewMetadata returns what documents tell of a container, such as the config.dump and spec.dump of a bundle. A config.dump
// or spec.dump that is malformed fails with EBADMSG.
func NewMetadata(documents map[Document][]byte) (*Metadata, error) {
	made := C.CRMetadataNew()
	defer C.CRMetadataFree(made)
	if err := addDocuments(made, documents); err != nil {
		return nil, err
	}
	return metadataOf(made)
}

// Build makes the documents that an engine reads at a restore: config.dump with the texts that are set, and those that an
// earlier config.dump tells; and spec.dump with the annotations that are set. [Export.AddMetadata] adds them to an export.
func (b *MetadataBuild) Build() (*Metadata, error) {
	made := C.CRMetadataNew()
	defer C.CRMetadataFree(made)
	if err := addDocuments(made, b.Documents); err != nil {
		return nil, err
	}
	var args arguments
	defer args.release()
	var failure *C.CRError
	for which, text := range b.texts() {
		value := args.text("value", text)
		if args.err != nil {
			return nil, args.err
		}
		if err := result(C.CRMetadataSetText(made, C.uint32_t(which), value, &failure), failure); err != nil {
			return nil, err
		}
	}
	for name, text := range b.Annotations {
		key, value := args.text("key", name), args.text("value", text)
		if args.err != nil {
			return nil, args.err
		}
		if err := result(C.CRMetadataSetAnnotation(made, key, value, &failure), failure); err != nil {
			return nil, err
		}
	}
	if err := result(C.CRMetadataBuild(made, C.uint32_t(b.Engine), &failure), failure); err != nil {
		return nil, err
	}
	return metadataOf(made)
}

func addDocuments(metadata *C.CRMetadata, documents map[Document][]byte) error {
	for document, bytes := range documents {
		var failure *C.CRError
		status := C.CRMetadataAdd(metadata, C.uint32_t(document), data(bytes), C.size_t(len(bytes)), &failure)
		if err := result(status, failure); err != nil {
			return err
		}
	}
	return nil
}

// metadataOf returns a copy of C's metadata.
func metadataOf(metadata *C.CRMetadata) (*Metadata, error) {
	m := &Metadata{
		Engine:    Engine(C.CRMetadataEngine(metadata)),
		Documents: map[Document][]byte{},
		texts:     map[Text]string{},
	}
	for which := Text(1); which <= lastText; which++ {
		if text := C.CRMetadataText(metadata, C.uint32_t(which)); text != nil {
			m.texts[which] = C.GoString(text)
		}
	}
	for document := Document(1); document <= lastDocument; document++ {
		var bytes unsafe.Pointer
		var length C.size_t
		var failure *C.CRError
		err := result(C.CRMetadataDocument(metadata, C.uint32_t(document), &bytes, &length, &failure), failure)
		switch {
		case err == nil:
			m.Documents[document] = append([]byte{}, unsafe.Slice((*byte)(bytes), int(length))...)
		case !errors.Is(err, syscall.ENODATA):
			return nil, err
		}
	}
	var json *C.char
	var failure *C.CRError
	if err := result(C.CRMetadataJson(metadata, &json, &failure), failure); err != nil {
		return nil, err
	}
	defer C.CRStringFree(json)
	m.JSON = []byte(C.GoString(json))
	return m, m.fill()
}
