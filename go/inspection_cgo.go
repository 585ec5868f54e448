//go:build linux && cgo

package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"context"
	"encoding/json"
	"math"
	"unsafe"
)

// Inspect inspects a checkpoint where it lies: nothing is unpacked, and of the memory of processes only arguments and
// environments are read. The checkpoint is an archive, plain or compressed with gzip, bzip2, xz or zstd, as a file, a pipe or
// a socket; the directory of a bundle; or a directory of CRIU's images. options is nil for the defaults.
func Inspect(ctx context.Context, checkpoint Place, options *InspectOptions) (*Inspection, error) {
	if options == nil {
		options = &InspectOptions{}
	}
	w, err := newWatch(options.Progress, options.Warning)
	if err != nil {
		return nil, err
	}
	defer w.free()
	var inspection *Inspection
	err = w.during(ctx, func(watch *C.CRWatch) (err error) {
		inspection, err = options.inspect(inspecting(checkpoint, watch))
		return err
	})
	return inspection, err
}

// inspecting returns a function that opens an inspection with options.
func inspecting(checkpoint Place, watch *C.CRWatch) func(*C.CRInspectOptions, **C.CRInspection) error {
	return func(made *C.CRInspectOptions, inspection **C.CRInspection) error {
		var args arguments
		defer args.release()
		at, path := args.place("checkpoint", checkpoint)
		if args.err != nil {
			return args.err
		}
		var failure *C.CRError
		return result(C.CRInspectionOpen(at, path, made, watch, inspection, &failure), failure)
	}
}

// Compare compares a checkpoint with a later one: processes, open files, sockets, sizes of members, and the memory of
// processes that both have, page by page. Both are as [Inspect] takes them, but not from a pipe or a socket, whose memory
// can't be read. options is nil for the defaults.
func Compare(ctx context.Context, before, after Place, options *CompareOptions) (*Comparison, error) {
	if options == nil {
		options = &CompareOptions{}
	}
	w, err := newWatch(options.Progress, options.Warning)
	if err != nil {
		return nil, err
	}
	defer w.free()
	var comparison *Comparison
	err = w.during(ctx, func(watch *C.CRWatch) (err error) {
		comparison, err = options.compare(before, after, watch)
		return err
	})
	return comparison, err
}

func (o *CompareOptions) compare(before, after Place, watch *C.CRWatch) (*Comparison, error) {
	var inspections [2]*C.CRInspection
	parents := [2][]Place{o.BeforeParents, o.AfterParents}
	for i, checkpoint := range []Place{before, after} {
		options := &InspectOptions{Parents: parents[i], LimitRatio: o.LimitRatio}
		err := options.open(inspecting(checkpoint, watch), &inspections[i])
		if err != nil {
			return nil, err
		}
		defer C.CRInspectionFree(inspections[i])
	}
	var failure *C.CRError
	var text *C.char
	if err := result(C.CRInspectionCompare(inspections[0], inspections[1], &text, &failure), failure); err != nil {
		return nil, err
	}
	defer C.CRStringFree(text)
	comparison := &Comparison{JSON: []byte(C.GoString(text))}
	if err := json.Unmarshal(comparison.JSON, comparison); err != nil {
		return nil, err
	}
	return comparison, nil
}

// Inspect inspects the archive before it is extracted. A pipe or a socket is read once: what it yields is kept until
// [Import.Extract], up to 32 MiB in memory and the rest in the SpoolDirectory of [ImportOptions]. options is nil for the
// defaults.
func (i *Import) Inspect(ctx context.Context, options *InspectOptions) (*Inspection, error) {
	if options == nil {
		options = &InspectOptions{}
	}
	return options.inspect(func(made *C.CRInspectOptions, inspection **C.CRInspection) error {
		return i.use(ctx, func(failure **C.CRError) C.int {
			return C.CRImportInspect(i.handle, made, inspection, failure)
		})
	})
}

// inspect calls open with the options, and returns a copy of the inspection that it has made.
func (o *InspectOptions) inspect(open func(*C.CRInspectOptions, **C.CRInspection) error) (*Inspection, error) {
	host, err := o.Host.c()
	if err != nil {
		return nil, err
	}
	defer C.CRHostFree(host)
	var inspection *C.CRInspection
	if err := o.open(open, &inspection); err != nil {
		return nil, err
	}
	defer C.CRInspectionFree(inspection)
	return inspectionOf(inspection, host)
}

// open calls open with the options.
func (o *InspectOptions) open(open func(*C.CRInspectOptions, **C.CRInspection) error, inspection **C.CRInspection) error {
	made := C.CRInspectOptionsNew()
	defer C.CRInspectOptionsFree(made)
	if err := o.set(made); err != nil {
		return err
	}
	return open(made, inspection)
}

// settings is the options that have a number as their value.
func (o *InspectOptions) settings() []setting {
	ratio := o.LimitRatio
	if ratio == 0 {
		ratio = math.MaxUint64
	}
	return []setting{{C.CR_INSPECT_TEXT, flag(!o.NoText)}, {C.CR_INSPECT_LIMIT_RATIO, ratio}}
}

func (o *InspectOptions) set(made *C.CRInspectOptions) error {
	for _, each := range o.settings() {
		var failure *C.CRError
		status := C.CRInspectOptionsSet(made, each.option, C.uint64_t(each.value), &failure)
		if err := result(status, failure); err != nil {
			return err
		}
	}
	var args arguments
	defer args.release()
	for _, parent := range o.Parents {
		at, path := args.place("parent", parent)
		if args.err != nil {
			return args.err
		}
		var failure *C.CRError
		if err := result(C.CRInspectOptionsParent(made, at, path, &failure), failure); err != nil {
			return err
		}
	}
	return nil
}

// c returns the host as C has it, which is to be freed; nil for nil.
func (h *Host) c() (*C.CRHost, error) {
	if h == nil {
		return nil, nil
	}
	made := C.CRHostNew()
	if err := h.set(made); err != nil {
		C.CRHostFree(made)
		return nil, err
	}
	return made, nil
}

func (h *Host) set(made *C.CRHost) error {
	var args arguments
	defer args.release()
	architecture, criu := args.text("architecture", h.Architecture), args.text("version", h.CRIU)
	if h.NoCRIU {
		criu = nil
	}
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	if h.Architecture != "" {
		if err := result(C.CRHostArchitecture(made, architecture, &failure), failure); err != nil {
			return err
		}
	}
	if h.CRIU != "" || h.NoCRIU {
		if err := result(C.CRHostCriu(made, criu, &failure), failure); err != nil {
			return err
		}
	}
	for name, can := range h.Runtimes {
		runtime := args.text("runtime", name)
		if args.err != nil {
			return args.err
		}
		if err := result(C.CRHostRuntime(made, runtime, C.uint64_t(flag(can)), &failure), failure); err != nil {
			return err
		}
	}
	for _, name := range h.NoRuntimes {
		runtime := args.text("runtime", name)
		if args.err != nil {
			return args.err
		}
		if err := result(C.CRHostNoRuntime(made, runtime, &failure), failure); err != nil {
			return err
		}
	}
	return nil
}

// inspectionOf returns a copy of an inspection of C's.
func inspectionOf(inspection *C.CRInspection, host *C.CRHost) (*Inspection, error) {
	copied := &Inspection{Memory: memoryOf(C.CRInspectionMemory(inspection))}
	var failure *C.CRError
	var processes **C.CRProcess
	var length C.size_t
	if err := result(C.CRInspectionProcesses(inspection, &processes, &length, &failure), failure); err != nil {
		return nil, err
	}
	for _, process := range unsafe.Slice(processes, int(length)) {
		copied.Processes = append(copied.Processes, processOf(process))
	}
	var findings **C.CRFinding
	if err := result(C.CRInspectionFindings(inspection, host, &findings, &length, &failure), failure); err != nil {
		return nil, err
	}
	for _, finding := range unsafe.Slice(findings, int(length)) {
		copied.Findings = append(copied.Findings, Finding{
			Severity: Severity(finding.severity),
			Code:     C.GoString(finding.code),
			Subject:  C.GoString(finding.subject),
			Reason:   C.GoString(finding.reason),
		})
	}
	var text *C.char
	if err := result(C.CRInspectionJson(inspection, &text, &failure), failure); err != nil {
		return nil, err
	}
	defer C.CRStringFree(text)
	copied.JSON = []byte(C.GoString(text))
	return copied, nil
}

func processOf(process *C.CRProcess) Process {
	copied := Process{
		PID:        uint32(process.pid),
		PPID:       uint32(process.ppid),
		PGID:       uint32(process.pgid),
		SID:        uint32(process.sid),
		State:      TaskState(process.state),
		Threads:    uint32(process.threads),
		Comm:       C.GoString(process.comm),
		Executable: C.GoString(process.executable),
		Memory:     memoryOf(process.memory),
	}
	if process.arguments != nil {
		copied.Arguments = []string{}
		for _, argument := range unsafe.Slice(process.arguments, int(process.arguments_len)) {
			copied.Arguments = append(copied.Arguments, C.GoString(argument))
		}
	}
	return copied
}

func memoryOf(memory *C.CRMemoryUse) MemoryUse {
	return MemoryUse{
		Mapped:        uint64(memory.mapped),
		MappedPrivate: uint64(memory.mapped_private),
		MappedShared:  uint64(memory.mapped_shared),
		Present:       uint64(memory.present),
		Parent:        uint64(memory.parent),
		Lazy:          uint64(memory.lazy),
		Stored:        uint64(memory.stored),
		Compressed:    uint64(memory.compressed),
	}
}
