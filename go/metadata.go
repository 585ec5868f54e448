package crutils

import (
	"encoding/json"
	"time"
)

// Document is a document of a checkpoint. Later versions of the library may have more.
type Document uint32

// The documents.
const (
	// DocumentConfig is config.dump: the engine's configuration of the container.
	DocumentConfig Document = 1
	// DocumentSpec is spec.dump: the container's OCI runtime specification.
	DocumentSpec Document = 2
	// DocumentNetworkStatus is network.status: the container's networks (podman).
	DocumentNetworkStatus Document = 3
	// DocumentBindMounts is bind.mounts: the bind mounts from the host (CRI-O).
	DocumentBindMounts Document = 4
	// DocumentPodOptions is pod.options: the containers of a pod's checkpoint.
	DocumentPodOptions Document = 5
	// DocumentPodDump is pod.dump: a pod's configuration.
	DocumentPodDump Document = 6
	// DocumentStatus is status: the container's state (containerd).
	DocumentStatus Document = 7
	// DocumentStatusDump is status.dump: the container's state as the CRI has it (containerd).
	DocumentStatusDump Document = 8

	lastDocument = DocumentStatusDump
)

var documentNames = [...]string{"", "config.dump", "spec.dump", "network.status", "bind.mounts", "pod.options", "pod.dump", "status", "status.dump"}

// String returns the name of the member that holds the document, such as "config.dump".
func (d Document) String() string {
	if d <= lastDocument {
		return named(documentNames[d], "document", uint32(d))
	}
	return named("", "document", uint32(d))
}

// Text is a text of a checkpoint's metadata.
type Text uint32

// The texts.
const (
	// TextID is the container's ID.
	TextID Text = 1
	// TextName is the container's name as its engine has it.
	TextName Text = 2
	// TextRuntime is the OCI runtime that made the checkpoint, a name or a path. The archive chooses it: see
	// TextRuntimeName.
	TextRuntime Text = 3
	// TextRuntimeName is the runtime, if it is fit to be looked up among known runtimes: it has no slash, no control
	// character, and no dash at its beginning.
	TextRuntimeName Text = 4
	// TextImageName is the image of the root file system, by the name that a person knows.
	TextImageName Text = 5
	// TextImageRef is the image of the root file system, by an ID or a name with a digest.
	TextImageRef Text = 6
	// TextCreated is the time when the container was created, as RFC 3339 has it.
	TextCreated Text = 7
	// TextCheckpointed is the time when the checkpoint was made, as RFC 3339 has it.
	TextCheckpointed Text = 8
	// TextRestored is the time when the container was last restored, as RFC 3339 has it.
	TextRestored Text = 9
	// TextContainerName is the container's name within its pod.
	TextContainerName Text = 10
	// TextPodID is the ID of the pod, or of its sandbox.
	TextPodID Text = 11
	// TextPodName is the name of the pod.
	TextPodName Text = 12
	// TextPodNamespace is the namespace of the pod.
	TextPodNamespace Text = 13

	lastText = TextPodNamespace
)

// Metadata is what a checkpoint tells of its container, whichever engine wrote it. It comes from the archive: only its
// form is checked. What the checkpoint doesn't tell is the zero value.
type Metadata struct {
	// Engine is the engine that made the checkpoint. It is a hint, since the archive chooses it.
	Engine Engine
	// ID is the container's ID.
	ID string
	// Name is the container's name as its engine has it.
	Name string
	// ContainerName is the container's name within its pod.
	ContainerName string
	// Runtime is the OCI runtime that made the checkpoint, a name or a path. The archive chooses it: see RuntimeName.
	Runtime string
	// RuntimeName is the runtime, if it is fit to be looked up among known runtimes: it has no slash, no control
	// character, and no dash at its beginning.
	RuntimeName string
	// ImageName is the image of the root file system, by the name that a person knows.
	ImageName string
	// ImageRef is the image of the root file system, by an ID or a name with a digest.
	ImageRef string
	// Created is when the container was created.
	Created time.Time
	// Checkpointed is when the checkpoint was made.
	Checkpointed time.Time
	// Restored is when the container was last restored.
	Restored time.Time
	// PodID is the ID of the pod, or of its sandbox.
	PodID string
	// PodName is the name of the pod.
	PodName string
	// PodNamespace is the namespace of the pod.
	PodNamespace string
	// Annotations is the annotations of the container's OCI specification. Some are the engine's, some may be the
	// container's user's.
	Annotations map[string]string
	// Networks is the container's networks by their names (podman).
	Networks map[string]Network
	// BindMounts is the bind mounts from the host (CRI-O).
	BindMounts []BindMount
	// PodOptions is the containers of a pod's checkpoint; nil if there are none.
	PodOptions *PodOptions
	// Status is the container's state (containerd); nil if there is none.
	Status *Status
	// Malformed tells which documents are malformed, by the names of their members, and why. What they would have told
	// is the zero value.
	Malformed map[string]string
	// Documents is the bytes of the documents as they are in the archive.
	Documents map[Document][]byte
	// JSON is everything as one object, for a person or a script, with the whole config.dump and spec.dump and the keys
	// that the library doesn't know. The container's environment is in it, with the secrets that it holds.
	JSON json.RawMessage

	texts map[Text]string
}

// Text returns a text, and whether the checkpoint tells it: a runtime that is there and empty is "", true. A text that
// holds a NUL counts as not told; JSON shows it.
func (m *Metadata) Text(which Text) (string, bool) {
	if m == nil {
		return "", false
	}
	text, told := m.texts[which]
	return text, told
}

// Network is a network of a container.
type Network struct {
	// Interfaces is the interfaces by their names.
	Interfaces map[string]NetworkInterface `json:"interfaces"`
}

// NetworkInterface is an interface of a network.
type NetworkInterface struct {
	// Subnets is the interface's addresses.
	Subnets []Subnet `json:"subnets"`
	// MACAddress is the interface's hardware address.
	MACAddress string `json:"mac_address"`
}

// Subnet is an address of an interface.
type Subnet struct {
	// IPNet is the address with the length of its prefix.
	IPNet string `json:"ipnet"`
	// Gateway is the address of the gateway; "" if there is none.
	Gateway string `json:"gateway"`
}

// BindMount is a bind mount from the host.
type BindMount struct {
	// Source is what was mounted: a path on the host.
	Source string `json:"source"`
	// Destination is where it was mounted, as the container sees it.
	Destination string `json:"destination"`
	// FileType is "directory" or "file".
	FileType string `json:"file_type"`
	// Permissions is the permission bits of the source.
	Permissions uint32 `json:"permissions"`
}

// PodOptions is the containers of a pod's checkpoint.
type PodOptions struct {
	// Version is the version of the format.
	Version int64 `json:"version"`
	// Containers is the full names of the containers by their short names.
	Containers map[string]string `json:"containers"`
	// Annotations is the annotations of the pod.
	Annotations map[string]string `json:"annotations"`
}

// Status is the state of a container of containerd. Times are nanoseconds since the epoch; 0 if there is none.
type Status struct {
	// CreatedAt is when the container was created.
	CreatedAt int64 `json:"created_at"`
	// StartedAt is when it was started.
	StartedAt int64 `json:"started_at"`
	// FinishedAt is when it ended.
	FinishedAt int64 `json:"finished_at"`
	// ExitCode is what it ended with.
	ExitCode int32 `json:"exit_code"`
	// PID is its first process.
	PID uint32 `json:"pid"`
	// Reason is why it is in this state, in a word.
	Reason string `json:"reason"`
	// Message is why it is in this state, for people.
	Message string `json:"message"`
}

// MetadataBuild is what an engine knows of a container, for the documents that engines read at a restore.
type MetadataBuild struct {
	// Engine is the engine that will restore.
	Engine Engine
	// ID is the container's ID, which is required unless a config.dump in Documents tells it.
	ID string
	// Name is the container's name.
	Name string
	// Runtime is the OCI runtime.
	Runtime string
	// ImageName is the image's name, for which podman and CRI-O look.
	ImageName string
	// ImageRef is the image; for podman and CRI-O it has to be the image's ID. CRI-O has to know the name or the ID.
	ImageRef string
	// Created, Checkpointed and Restored are times; the zero time is left out.
	Created, Checkpointed, Restored time.Time
	// Annotations is set in spec.dump, besides those that it has. For CRI-O they are what it restores, too, unless spec.dump
	// has an annotation io.kubernetes.cri-o.Annotations, which holds that.
	Annotations map[string]string
	// Documents is documents that are there already. spec.dump is required: config.json of the bundle.
	Documents map[Document][]byte
}

// texts returns the texts that are set.
func (b *MetadataBuild) texts() map[Text]string {
	texts := map[Text]string{
		TextID: b.ID, TextName: b.Name, TextRuntime: b.Runtime, TextImageName: b.ImageName, TextImageRef: b.ImageRef,
		TextCreated: stamp(b.Created), TextCheckpointed: stamp(b.Checkpointed), TextRestored: stamp(b.Restored),
	}
	for which, text := range texts {
		if text == "" {
			delete(texts, which)
		}
	}
	return texts
}

// stamp returns a time as RFC 3339 has it; "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// fill sets the fields from the texts and from JSON.
func (m *Metadata) fill() error {
	m.ID, m.Name, m.ContainerName = m.texts[TextID], m.texts[TextName], m.texts[TextContainerName]
	m.Runtime, m.RuntimeName = m.texts[TextRuntime], m.texts[TextRuntimeName]
	m.ImageName, m.ImageRef = m.texts[TextImageName], m.texts[TextImageRef]
	m.PodID, m.PodName, m.PodNamespace = m.texts[TextPodID], m.texts[TextPodName], m.texts[TextPodNamespace]
	m.Created, m.Checkpointed, m.Restored = m.time(TextCreated), m.time(TextCheckpointed), m.time(TextRestored)
	parts := struct {
		Annotations *map[string]string  `json:"annotations"`
		Networks    *map[string]Network `json:"networks"`
		BindMounts  *[]BindMount        `json:"bind_mounts"`
		PodOptions  **PodOptions        `json:"pod_options"`
		Status      **Status            `json:"status"`
		Errors      *map[string]string  `json:"errors"`
	}{&m.Annotations, &m.Networks, &m.BindMounts, &m.PodOptions, &m.Status, &m.Malformed}
	if err := json.Unmarshal(m.JSON, &parts); err != nil {
		return failed("read the metadata's JSON", err)
	}
	return nil
}

// time returns a text that is a time; the zero time if it isn't told, or isn't one.
func (m *Metadata) time(which Text) time.Time {
	t, err := time.Parse(time.RFC3339, m.texts[which])
	if err != nil {
		return time.Time{}
	}
	return t
}
