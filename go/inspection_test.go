//go:build linux && cgo

package crutils

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
)

// unpacked returns the directory of a bundle with the real archive's files, and a plain archive of them.
func unpacked(t *testing.T, archive string) (string, string) {
	t.Helper()
	directory := t.TempDir()
	bundle, plain := filepath.Join(directory, "bundle"), filepath.Join(directory, "plain.tar")
	must(t, os.Mkdir(bundle, 0o700))
	for _, command := range []string{"zstd -q -d -o " + plain + " " + archive, "tar -xf " + plain + " -C " + bundle} {
		if said, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Skipf("skipped: %s: %v: %s", command, err, said)
		}
	}
	return bundle, plain
}

// checkInspection compares what is told with what podman's archive holds.
func checkInspection(t *testing.T, inspection *Inspection, input string) {
	t.Helper()
	var document struct {
		Schema int
		Input  string
	}
	must(t, json.Unmarshal(inspection.JSON, &document))
	if document.Schema != 1 || document.Input != input {
		t.Error(document, "expected ", input)
	}
	if len(inspection.Processes) != 2 {
		t.Fatal(inspection.Processes)
	}
	sleep := inspection.Processes[1]
	sleep.Memory.Mapped, sleep.Memory.MappedPrivate, sleep.Memory.MappedShared = 0, 0, 0
	expected := Process{PID: 44, PPID: 1, PGID: 1, SID: 1, State: TaskAlive, Threads: 1, Comm: "sleep",
		Executable: "/bin/busybox", Arguments: []string{"sleep", "1"}, Memory: MemoryUse{Present: 65536, Stored: 65536}}
	if !reflect.DeepEqual(sleep, expected) {
		t.Errorf("%+v", sleep)
	}
	if inspection.Memory.Present != 147456 {
		t.Error(inspection.Memory)
	}
}

func TestEveryKindOfInputIsInspected(t *testing.T) {
	archive := realArchive(t, "rich.tar.zst")
	bundle, plain := unpacked(t, archive)
	for input, path := range map[string]string{"compressed": archive, "plain": plain, "bundle": bundle,
		"images": filepath.Join(bundle, "checkpoint")} {
		inspection, err := Inspect(background, Path(path), nil)
		must(t, err)
		checkInspection(t, inspection, input)
	}
	reader, writer, err := os.Pipe()
	must(t, err)
	defer reader.Close()
	go func() {
		defer writer.Close()
		bytes, _ := os.ReadFile(archive)
		_, _ = writer.Write(bytes)
	}()
	inspection, err := Inspect(background, Handle(reader), nil)
	must(t, err)
	checkInspection(t, inspection, "pipe")
}

func TestAnImportUnderWayIsInspectedAndExtracted(t *testing.T) {
	file, err := os.Open(realArchive(t, "rich.tar.zst"))
	must(t, err)
	defer file.Close()
	// What is no file of the system comes through a pipe.
	checkpoint, err := OpenImportStream(background, struct{ reader }{file}, nil)
	must(t, err)
	defer checkpoint.Close()
	inspection, err := checkpoint.Inspect(background, nil)
	must(t, err)
	checkInspection(t, inspection, "pipe")
	bundle := filepath.Join(t.TempDir(), "bundle")
	must(t, checkpoint.ToBundle(Path(bundle)))
	_, err = checkpoint.Extract(background)
	must(t, err)
	if _, err := os.Stat(filepath.Join(bundle, "checkpoint", "inventory.img")); err != nil {
		t.Error(err)
	}
	if _, err := checkpoint.Inspect(background, nil); !errors.Is(err, syscall.ESPIPE) {
		t.Error(err)
	}
}

// reader hides what else a file can do.
type reader interface{ Read([]byte) (int, error) }

func TestAHostIsToldWhatItLacks(t *testing.T) {
	archive := realArchive(t, "rich.tar.zst")
	host := &Host{Architecture: "x86_64", CRIU: "Version: 3.17.1", Runtimes: map[string]bool{"runc": true}}
	inspection, err := Inspect(background, Path(archive), &InspectOptions{Host: host})
	must(t, err)
	if inspection.Blocked() || len(inspection.Findings) != 6 {
		t.Error(inspection.Findings)
	}
	host = &Host{Architecture: "aarch64", NoCRIU: true, Runtimes: map[string]bool{"runc": false}}
	inspection, err = Inspect(background, Path(archive), &InspectOptions{Host: host})
	must(t, err)
	codes := []string{}
	for _, finding := range inspection.Findings {
		if finding.Severity == SeverityBlocks {
			codes = append(codes, finding.Code)
		}
	}
	if !inspection.Blocked() || !reflect.DeepEqual(codes, []string{"architecture", "no-criu", "runtime"}) {
		t.Error(codes)
	}
	inspection, err = Inspect(background, Path(archive), &InspectOptions{Host: &Host{NoRuntimes: []string{"runc"}}})
	must(t, err)
	if !inspection.Blocked() || inspection.Findings[0].Reason != "made the checkpoint, and isn't installed here" {
		t.Error(inspection.Findings)
	}
}

func TestPreviousCheckpointsAreNamedAndTextsLeftOut(t *testing.T) {
	archive, previous := realArchive(t, "plain.withprev.tar.zst"), realArchive(t, "plain.pre.tar.zst")
	options := &InspectOptions{Parents: []Place{Path(previous)}}
	inspection, err := Inspect(background, Path(archive), options)
	must(t, err)
	for _, finding := range inspection.Findings {
		if finding.Code == "parent" {
			t.Error(finding)
		}
	}
	if arguments := inspection.Processes[0].Arguments; len(arguments) == 0 || arguments[0] != "sh" {
		t.Error(arguments)
	}
	options.NoText = true
	inspection, err = Inspect(background, Path(archive), options)
	must(t, err)
	if inspection.Processes[0].Arguments != nil {
		t.Error(inspection.Processes[0].Arguments)
	}
}

func TestTwoCheckpointsAreComparedPageByPage(t *testing.T) {
	archive := realArchive(t, "rich.tar.zst")
	bundle, _ := unpacked(t, archive)
	pages := filepath.Join(bundle, "checkpoint", "pages-2.img")
	bytes, err := os.ReadFile(pages)
	must(t, err)
	bytes[5*4096+17] ^= 1
	must(t, os.WriteFile(pages, bytes, 0o600))
	comparison, err := Compare(background, Path(archive), Path(bundle), nil)
	must(t, err)
	if len(comparison.Processes) != 2 || len(comparison.NewProcesses)+len(comparison.GoneProcesses) != 0 {
		t.Fatalf("%+v", comparison)
	}
	sleep := comparison.Processes[1]
	if sleep.PID != 44 || sleep.Comm != "sleep" || sleep.Memory != (MemoryComparison{Same: 61440, Changed: 4096}) {
		t.Errorf("%+v", sleep)
	}
	if len(sleep.Mappings) != 1 || sleep.Mappings[0].Memory.Changed != 4096 {
		t.Errorf("%+v", sleep.Mappings)
	}
	var document struct {
		Schema    int
		Processes []json.RawMessage
	}
	must(t, json.Unmarshal(comparison.JSON, &document))
	if document.Schema != 1 || len(document.Processes) != 2 {
		t.Error(document)
	}
}

func TestPreviousCheckpointsOfAComparisonAreNamed(t *testing.T) {
	archive, previous := realArchive(t, "plain.withprev.tar.zst"), realArchive(t, "plain.pre.tar.zst")
	unknown := func(options *CompareOptions) uint64 {
		comparison, err := Compare(background, Path(archive), Path(archive), options)
		must(t, err)
		return comparison.Processes[0].Memory.Unknown
	}
	previously := []Place{Path(previous)}
	if unknown(nil) == 0 || unknown(&CompareOptions{BeforeParents: previously}) == 0 {
		t.Error("memory of a missing checkpoint was compared")
	}
	if left := unknown(&CompareOptions{BeforeParents: previously, AfterParents: previously}); left != 0 {
		t.Error(left)
	}
}

func TestAComparisonFailsAsItsInspectionsDo(t *testing.T) {
	archive := Path(realArchive(t, "rich.tar.zst"))
	for _, pair := range [][2]Place{{archive, Path("/missing")}, {Path("/missing"), archive}} {
		comparison, err := Compare(background, pair[0], pair[1], nil)
		if comparison != nil || !errors.Is(err, syscall.ENOENT) {
			t.Error(comparison, err)
		}
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := Compare(ctx, archive, archive, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAMissingCheckpointIsAnError(t *testing.T) {
	if _, err := Inspect(background, Path("/missing"), nil); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	if _, err := (*Import)(nil).Inspect(background, nil); err == nil {
		t.Error("a nil import was inspected")
	}
}
