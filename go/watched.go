package crutils

import "time"

// Phase is a part of a work. Later versions of the library may have more.
type Phase uint32

// The phases.
const (
	// PhaseReading means that the archive is read for its members and documents. Bytes are those of the archive.
	PhaseReading Phase = 1
	// PhaseVerifying means that the archive's digest is compared with the expected one. Bytes are those of the archive.
	PhaseVerifying Phase = 2
	// PhaseExtracting means that members are extracted. Bytes are those of the archive.
	PhaseExtracting Phase = 3
	// PhaseDeleting means that what the container had deleted is removed. There are no bytes.
	PhaseDeleting Phase = 4
	// PhaseComparing means that directories or layers are compared. There are no bytes.
	PhaseComparing Phase = 5
	// PhaseMeasuring means that the sizes of archives within the archive are measured. There are no bytes.
	PhaseMeasuring Phase = 6
	// PhaseWriting means that the archive is written. Bytes are those of its members, before any compression.
	PhaseWriting Phase = 7
	// PhasePublishing means that the archive is synced, if that was asked for, and gets its name. There are no bytes.
	PhasePublishing Phase = 8
)

// String returns the name of the phase, such as "extracting".
func (p Phase) String() string {
	return named(phaseName(uint32(p)), "phase", uint32(p))
}

// Progress is how far a work is.
type Progress struct {
	// Phase is what the work is at.
	Phase Phase
	// BytesDone is how many bytes of the phase are done.
	BytesDone int64
	// BytesTotal is how many bytes the phase has; -1 if that isn't known.
	BytesTotal int64
	// Member is the member that is being worked on; "" between members.
	Member string
	// Elapsed is how long the phase has taken so far.
	Elapsed time.Duration
	// BytesPerSecond is how many bytes a second were done lately; 0 at the beginning of a phase.
	BytesPerSecond int64
	// Remaining is how long the rest of the phase takes at this rate; -1 if that isn't known.
	Remaining time.Duration
}

// WarningKind is what sort of thing a [Warning] tells. Later versions of the library may have more.
type WarningKind uint32

// The kinds of warnings.
const (
	// WarningVanished means that an object vanished before it was stored, and is left out.
	WarningVanished WarningKind = 1
	// WarningSocket means that a socket isn't stored, since an archive can't hold one.
	WarningSocket WarningKind = 2
	// WarningDevice means that a device isn't made, since a user namespace doesn't permit it.
	WarningDevice WarningKind = 3
	// WarningIgnored means that something in the archive isn't understood and was passed over. Nothing that was asked
	// for depends on it.
	WarningIgnored WarningKind = 4
	// WarningChanged means that an object changed while it was stored: it isn't what it was when its size was measured.
	WarningChanged WarningKind = 5
	// WarningXattr means that an extended attribute is left out: the file system, the type of the object or a user
	// namespace can't have it, or it is an overlay's own state.
	WarningXattr WarningKind = 6
	// WarningIncomplete means that a restore will lack something: an image that CRIU needs, the dump that another one builds
	// on, or a volume of the container.
	WarningIncomplete WarningKind = 7
)

// String returns the name of the kind, such as "socket".
func (k WarningKind) String() string {
	return named(warningName(uint32(k)), "warning", uint32(k))
}

// Warning is something that was left out and doesn't fail the work.
type Warning struct {
	// Kind is what sort of thing it is.
	Kind WarningKind
	// Member is the name of the member or object concerned: any bytes.
	Member string
	// Message is what happened, in words.
	Message string
}

// milliseconds returns a number of milliseconds as a duration; -1 for the number that means that it isn't known.
func milliseconds(number uint64) time.Duration {
	const longest = uint64(1<<63-1) / uint64(time.Millisecond)
	switch {
	case number == 1<<64-1:
		return -1
	case number > longest:
		return 1<<63 - 1
	}
	return time.Duration(number) * time.Millisecond
}
