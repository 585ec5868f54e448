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

// Engine is a container engine.
type Engine uint32

// The engines that make checkpoints.
const (
	UnknownEngine Engine = C.CR_ENGINE_UNKNOWN
	Podman        Engine = C.CR_ENGINE_PODMAN
	CRIO          Engine = C.CR_ENGINE_CRIO
	Containerd    Engine = C.CR_ENGINE_CONTAINERD
)

// Document is one of the JSON files of a checkpoint.
type Document uint32

// The documents.
const (
	ConfigDump    Document = C.CR_DOCUMENT_CONFIG
	SpecDump      Document = C.CR_DOCUMENT_SPEC
	NetworkStatus Document = C.CR_DOCUMENT_NETWORK_STATUS
	BindMounts    Document = C.CR_DOCUMENT_BIND_MOUNTS
	PodOptions    Document = C.CR_DOCUMENT_POD_OPTIONS
	PodDump       Document = C.CR_DOCUMENT_POD_DUMP
	Status        Document = C.CR_DOCUMENT_STATUS
	StatusDump    Document = C.CR_DOCUMENT_STATUS_DUMP
)

// MemberType is what sort of object a member is.
type MemberType uint32

// The types of members.
const (
	Regular     MemberType = C.CR_MEMBER_REGULAR
	Directory   MemberType = C.CR_MEMBER_DIRECTORY
	Symlink     MemberType = C.CR_MEMBER_SYMLINK
	HardLink    MemberType = C.CR_MEMBER_HARD_LINK
	CharDevice  MemberType = C.CR_MEMBER_CHAR_DEVICE
	BlockDevice MemberType = C.CR_MEMBER_BLOCK_DEVICE
	Fifo        MemberType = C.CR_MEMBER_FIFO
)

// Class is what a member is for.
type Class uint32

// The classes of members.
const (
	OtherClass    Class = C.CR_CLASS_OTHER
	Configuration Class = C.CR_CLASS_CONFIGURATION
	MemoryPages   Class = C.CR_CLASS_MEMORY_PAGES
	GPUPages      Class = C.CR_CLASS_GPU_PAGES
	CRIUImage     Class = C.CR_CLASS_CRIU_IMAGE
	RootFsDiff    Class = C.CR_CLASS_ROOTFS_DIFF
	Volume        Class = C.CR_CLASS_VOLUME
	Shm           Class = C.CR_CLASS_SHM
	Log           Class = C.CR_CLASS_LOG
)

// Member is a member of an archive: its name as it stands there, any bytes; its size with holes, and what the archive
// holds of it; where its first header begins in the tar stream.
type Member struct {
	Name                 string
	Type                 MemberType
	Class                Class
	Size, Stored, Offset uint64
}

// Metadata is what a checkpoint says of its container; texts that it doesn't tell are "". It comes from the archive:
// nothing but its form is checked.
type Metadata struct {
	// Engine is a hint: who makes an archive can make it look like any engine's.
	Engine Engine
	// ID and Name are the engine's; ContainerName is the name within a pod.
	ID, Name, ContainerName string
	// Runtime may be a path; RuntimeName is the same if it is fit to be looked up among runtimes that are known.
	Runtime, RuntimeName string
	// ImageName is the name that a person knows, ImageRef an ID or a name with a digest.
	ImageName, ImageRef string
	// Times are as RFC 3339 has them.
	Created, Checkpointed, Restored string
	PodID, PodName, PodNamespace    string
	// Documents are the bytes of those that the checkpoint has, as they came.
	Documents map[Document][]byte
	// JSON is everything as one object, with annotations, networks and bind mounts.
	JSON []byte
}

// metadataOf is a copy of what C knows.
func metadataOf(from *C.CRMetadata) (*Metadata, error) {
	text := func(which C.uint32_t) string { return C.GoString(C.CRMetadataText(from, which)) }
	made := &Metadata{
		Engine: Engine(C.CRMetadataEngine(from)),
		ID:     text(C.CR_TEXT_ID), Name: text(C.CR_TEXT_NAME), ContainerName: text(C.CR_TEXT_CONTAINER_NAME),
		Runtime: text(C.CR_TEXT_RUNTIME), RuntimeName: text(C.CR_TEXT_RUNTIME_NAME),
		ImageName: text(C.CR_TEXT_IMAGE_NAME), ImageRef: text(C.CR_TEXT_IMAGE_REF),
		Created: text(C.CR_TEXT_CREATED), Checkpointed: text(C.CR_TEXT_CHECKPOINTED), Restored: text(C.CR_TEXT_RESTORED),
		PodID: text(C.CR_TEXT_POD_ID), PodName: text(C.CR_TEXT_POD_NAME), PodNamespace: text(C.CR_TEXT_POD_NAMESPACE),
		Documents: map[Document][]byte{},
	}
	var failure *C.CRError
	for document := ConfigDump; document <= StatusDump; document++ {
		var bytes unsafe.Pointer
		var length C.size_t
		err := result(C.CRMetadataDocument(from, C.uint32_t(document), &bytes, &length, &failure), failure)
		if errors.Is(err, syscall.ENODATA) {
			continue
		}
		if err != nil {
			return nil, err
		}
		made.Documents[document] = C.GoBytes(bytes, C.int(length))
	}
	var json *C.char
	if err := result(C.CRMetadataJson(from, &json, &failure), failure); err != nil {
		return nil, err
	}
	defer C.CRStringFree(json)
	made.JSON = []byte(C.GoString(json))
	return made, nil
}
