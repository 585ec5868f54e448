package crutils

import "encoding/json"

// InspectOptions is how a checkpoint is inspected. The zero value is the defaults.
type InspectOptions struct {
	// Parents is the previous checkpoint, whose memory this one needs, the one before that, and so on. A pre-checkpoint in
	// the same archive or bundle needn't be named.
	Parents []Place
	// NoText leaves arguments and environments of processes unread, which lie in their memory.
	NoText bool
	// LimitRatio is how many bytes may come of one byte of a compressed archive, once they are more than 1 MiB; 0 is no
	// limit.
	LimitRatio uint64
	// Host is where the checkpoint may be restored; nil is this host, of which nothing is known but its architecture.
	Host *Host
	// Progress is told how far the work has come. [Import.Inspect] tells the import's.
	Progress func(Progress)
	// Warning is told of what is passed over. [Import.Inspect] tells the import's.
	Warning func(Warning)
}

// Host is a host on which a checkpoint may be restored, as far as it is known.
type Host struct {
	// Architecture is the name that uname(1) has for the architecture, such as "x86_64"; "" is this host's.
	Architecture string
	// CRIU is what "criu --version" says; "" if it isn't known.
	CRIU string
	// NoCRIU tells that there is no CRIU.
	NoCRIU bool
	// Runtimes is OCI runtimes that are installed, by their names, and whether they can restore, as
	// [RuntimeSupportsCheckpointRestore] tells it.
	Runtimes map[string]bool
	// NoRuntimes is OCI runtimes that aren't installed.
	NoRuntimes []string
}

// Inspection is what a checkpoint holds. All texts come from the checkpoint.
type Inspection struct {
	// Processes is the processes in the order of the checkpoint: parents before their children.
	Processes []Process
	// Memory is the memory of all processes, with that which they share counted once, except that mappings count for each
	// process.
	Memory MemoryUse
	// Findings is what a restore on the host of the options depends on, the worst first.
	Findings []Finding
	// JSON is everything as one object, which docs/inspect.md of the project describes key by key. Environments are in it,
	// with the secrets that they hold.
	JSON json.RawMessage
}

// Blocked returns whether a finding has the severity [SeverityBlocks]: the checkpoint can't be restored. That there is none
// doesn't prove that it can: CRIU finds out for itself.
func (i *Inspection) Blocked() bool {
	if i == nil {
		return false
	}
	for _, finding := range i.Findings {
		if finding.Severity == SeverityBlocks {
			return true
		}
	}
	return false
}

// TaskState is the state of a process when it was checkpointed. Later versions of the library may have more.
type TaskState uint32

// The states.
const (
	// TaskUnknown is what the checkpoint doesn't tell.
	TaskUnknown TaskState = 0
	// TaskAlive is a process that ran or slept.
	TaskAlive TaskState = 1
	// TaskStopped is a process that was stopped by a signal.
	TaskStopped TaskState = 2
	// TaskZombie is a process that had ended and wasn't waited for yet.
	TaskZombie TaskState = 3
	// TaskDead is a process that had ended. CRIU stores a zombie that nobody had waited for as this.
	TaskDead TaskState = 4
)

var taskStateNames = [...]string{"unknown", "alive", "stopped", "zombie", "dead"}

// String returns the name of the state, such as "alive".
func (s TaskState) String() string {
	if s <= TaskDead {
		return named(taskStateNames[s], "task state", uint32(s))
	}
	return named("", "task state", uint32(s))
}

// Severity is how much a [Finding] is in the way. Later versions of the library may have more.
type Severity uint32

// The severities.
const (
	// SeverityBlocks is a finding with which the restore fails.
	SeverityBlocks Severity = 1
	// SeverityNeeds is a finding with which the restore fails unless it is given what is named.
	SeverityNeeds Severity = 2
	// SeverityNote is a finding that is good to know.
	SeverityNote Severity = 3
)

var severityNames = [...]string{"", "blocks", "needs", "note"}

// String returns the name of the severity, such as "blocks".
func (s Severity) String() string {
	if s <= SeverityNote {
		return named(severityNames[s], "severity", uint32(s))
	}
	return named("", "severity", uint32(s))
}

// Process is a process of a checkpoint.
type Process struct {
	// PID is its number in the container.
	PID uint32
	// PPID is its parent's number; 0 for the first process.
	PPID uint32
	// PGID is its process group.
	PGID uint32
	// SID is its session.
	SID uint32
	// State is how it was doing.
	State TaskState
	// Threads is how many threads it has, itself included.
	Threads uint32
	// Comm is the name that the kernel has for it, up to 15 bytes.
	Comm string
	// Executable is the file that it executes; "" if it isn't known.
	Executable string
	// Arguments is its command line; nil if it wasn't read, or can't be.
	Arguments []string
	// Memory is its memory.
	Memory MemoryUse
}

// MemoryUse is memory in bytes.
type MemoryUse struct {
	// Mapped is all mappings.
	Mapped uint64
	// MappedPrivate is mappings that belong to a process alone.
	MappedPrivate uint64
	// MappedShared is mappings that are shared with other processes, or with files.
	MappedShared uint64
	// Present is pages that this checkpoint holds.
	Present uint64
	// Parent is pages that a previous checkpoint holds.
	Parent uint64
	// Lazy is pages that went to a server for lazy pages.
	Lazy uint64
	// Stored is how many bytes the pages that this checkpoint holds take in it.
	Stored uint64
	// Compressed is how many bytes of pages are compressed.
	Compressed uint64
}

// Finding is something that a restore depends on.
type Finding struct {
	// Severity is how much it is in the way.
	Severity Severity
	// Code is what it is, in a word for programs, such as "external-mount". Later versions of the library may have more.
	Code string
	// Subject is what it is about: a member, a mount, an address; or "".
	Subject string
	// Reason is what it is, in a sentence for people, without the subject.
	Reason string
}

// CompareOptions is how two checkpoints are compared. The zero value is the defaults.
type CompareOptions struct {
	// BeforeParents is the checkpoint before the earlier one, whose memory that needs, the one before that, and so on.
	BeforeParents []Place
	// AfterParents is the checkpoint before the later one, and so on.
	AfterParents []Place
	// LimitRatio is how many bytes may come of one byte of a compressed archive, once they are more than 1 MiB; 0 is no
	// limit.
	LimitRatio uint64
	// Progress is told how far the work has come.
	Progress func(Progress)
	// Warning is told of what is passed over.
	Warning func(Warning)
}

// Comparison is what differs between two checkpoints. Processes are told apart by their numbers: of checkpoints of different
// containers that says little. All texts come from the checkpoints.
type Comparison struct {
	// NewProcesses is processes that only the second checkpoint has.
	NewProcesses []ProcessName `json:"new_processes"`
	// GoneProcesses is processes that only the first checkpoint has.
	GoneProcesses []ProcessName `json:"gone_processes"`
	// Processes is processes that both have.
	Processes []ProcessComparison `json:"processes"`
	// NewSockets is sockets that only the second checkpoint has.
	NewSockets []string `json:"new_sockets"`
	// GoneSockets is sockets that only the first checkpoint has.
	GoneSockets []string `json:"gone_sockets"`
	// Members is the members of which the two have different sizes, or that one lacks.
	Members []MemberComparison `json:"members"`
	// JSON is all of it as one object, which docs/inspect.md of the project describes key by key.
	JSON json.RawMessage `json:"-"`
}

// ProcessName is a process, in short.
type ProcessName struct {
	// PID is its number in the container.
	PID uint32 `json:"pid"`
	// Comm is the name that the kernel has for it.
	Comm string `json:"comm"`
}

// ProcessComparison is a process that two checkpoints have.
type ProcessComparison struct {
	// PID is its number in the container.
	PID uint32 `json:"pid"`
	// Comm is its name in the second checkpoint.
	Comm string `json:"comm"`
	// Changed is what of it changed besides memory and files: "comm", "arguments", "executable", "state", "threads",
	// "credentials".
	Changed []string `json:"changed"`
	// NewFiles is open files that only the second checkpoint has.
	NewFiles []string `json:"new_files"`
	// GoneFiles is open files that only the first checkpoint has.
	GoneFiles []string `json:"gone_files"`
	// Memory is its memory.
	Memory MemoryComparison `json:"memory"`
	// Mappings is the mappings of the second checkpoint with a difference.
	Mappings []MappingComparison `json:"mappings"`
}

// MemoryComparison is bytes of memory.
type MemoryComparison struct {
	// Same is pages that are the same.
	Same uint64 `json:"same"`
	// Changed is pages with another content.
	Changed uint64 `json:"changed"`
	// New is pages that only the second checkpoint holds.
	New uint64 `json:"new"`
	// Gone is pages that only the first checkpoint holds.
	Gone uint64 `json:"gone"`
	// Unknown is pages that couldn't be compared: they are in a previous checkpoint that isn't there.
	Unknown uint64 `json:"unknown"`
}

// MappingComparison is a mapping with a difference.
type MappingComparison struct {
	// Start is its first address.
	Start uint64 `json:"start"`
	// End is the address behind it.
	End uint64 `json:"end"`
	// Kind is what it is, such as "heap".
	Kind string `json:"kind"`
	// Path is the file that is mapped, or "".
	Path string `json:"path"`
	// Memory is what differs in it.
	Memory MemoryComparison `json:"memory"`
}

// MemberComparison is a member of which two checkpoints have different sizes.
type MemberComparison struct {
	// Name is its name.
	Name string `json:"name"`
	// Before is its size in the first checkpoint; nil if that lacks it.
	Before *uint64 `json:"before"`
	// After is its size in the second checkpoint; nil if that lacks it.
	After *uint64 `json:"after"`
}
