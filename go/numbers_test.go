//go:build linux && cgo

package crutils

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// numbers are the constants of the header that a type of the package has, by their names.
var numbers = map[string]uint32{
	"ERROR_SYSTEM": uint32(KindSystem), "ERROR_ARGUMENT": uint32(KindArgument), "ERROR_MALFORMED": uint32(KindMalformed),
	"ERROR_ESCAPE": uint32(KindEscape), "ERROR_FORBIDDEN": uint32(KindForbidden), "ERROR_LIMIT": uint32(KindLimit),
	"ERROR_UNSUPPORTED": uint32(KindUnsupported), "ERROR_NOT_IN_ARCHIVE": uint32(KindNotInArchive),
	"ERROR_CANCELLED": uint32(KindCancelled), "ERROR_DEADLINE": uint32(KindDeadline), "ERROR_INTERNAL": uint32(KindInternal),
	"ERROR_NONE": 0,

	"CHANGE_MODIFY": uint32(ChangeModify), "CHANGE_ADD": uint32(ChangeAdd), "CHANGE_DELETE": uint32(ChangeDelete),
	"EXCLUDE_EXACT": uint32(ExcludeExact), "EXCLUDE_SUBTREE": uint32(ExcludeSubtree),
	"OVERLAY_AUTO": uint32(OverlayAuto), "OVERLAY_TRUSTED": uint32(OverlayTrusted), "OVERLAY_USER": uint32(OverlayUser),
	"OVERLAY_FUSE": uint32(OverlayFuse),

	"ENGINE_UNKNOWN": uint32(EngineUnknown), "ENGINE_PODMAN": uint32(EnginePodman), "ENGINE_CRIO": uint32(EngineCRIO),
	"ENGINE_CONTAINERD": uint32(EngineContainerd),
	"FEATURE_SELINUX":   uint32(FeatureSELinux), "FEATURE_OPENAT2": uint32(FeatureOpenat2),
	"FEATURE_ZSTD_THREADS": uint32(FeatureZstdThreads),

	"MEMBER_REGULAR": uint32(MemberRegular), "MEMBER_DIRECTORY": uint32(MemberDirectory), "MEMBER_SYMLINK": uint32(MemberSymlink),
	"MEMBER_HARD_LINK": uint32(MemberHardLink), "MEMBER_CHAR_DEVICE": uint32(MemberCharDevice),
	"MEMBER_BLOCK_DEVICE": uint32(MemberBlockDevice), "MEMBER_FIFO": uint32(MemberFifo),
	"CLASS_OTHER": uint32(ClassOther), "CLASS_CONFIGURATION": uint32(ClassConfiguration), "CLASS_MEMORY_PAGES": uint32(ClassMemoryPages),
	"CLASS_GPU_PAGES": uint32(ClassGPUPages), "CLASS_CRIU_IMAGE": uint32(ClassCRIUImage), "CLASS_ROOTFS_DIFF": uint32(ClassRootFsDiff),
	"CLASS_VOLUME": uint32(ClassVolume), "CLASS_SHM": uint32(ClassShm), "CLASS_LOG": uint32(ClassLog),

	"COMPRESSION_NONE": uint32(CompressionNone), "COMPRESSION_GZIP": uint32(CompressionGzip), "COMPRESSION_ZSTD": uint32(CompressionZstd),
	"FORM_LAYOUT": uint32(ImageLayout), "FORM_ARCHIVE": uint32(ImageArchive),
	"PRESENCE_REQUIRED": uint32(Required), "PRESENCE_OPTIONAL": uint32(Optional),

	"DOCUMENT_CONFIG": uint32(DocumentConfig), "DOCUMENT_SPEC": uint32(DocumentSpec), "DOCUMENT_NETWORK_STATUS": uint32(DocumentNetworkStatus),
	"DOCUMENT_BIND_MOUNTS": uint32(DocumentBindMounts), "DOCUMENT_POD_OPTIONS": uint32(DocumentPodOptions),
	"DOCUMENT_POD_DUMP": uint32(DocumentPodDump), "DOCUMENT_STATUS": uint32(DocumentStatus), "DOCUMENT_STATUS_DUMP": uint32(DocumentStatusDump),
	"TEXT_ID": uint32(TextID), "TEXT_NAME": uint32(TextName), "TEXT_RUNTIME": uint32(TextRuntime), "TEXT_RUNTIME_NAME": uint32(TextRuntimeName),
	"TEXT_IMAGE_NAME": uint32(TextImageName), "TEXT_IMAGE_REF": uint32(TextImageRef), "TEXT_CREATED": uint32(TextCreated),
	"TEXT_CHECKPOINTED": uint32(TextCheckpointed), "TEXT_RESTORED": uint32(TextRestored), "TEXT_CONTAINER_NAME": uint32(TextContainerName),
	"TEXT_POD_ID": uint32(TextPodID), "TEXT_POD_NAME": uint32(TextPodName), "TEXT_POD_NAMESPACE": uint32(TextPodNamespace),

	"PHASE_READING": uint32(PhaseReading), "PHASE_VERIFYING": uint32(PhaseVerifying), "PHASE_EXTRACTING": uint32(PhaseExtracting),
	"PHASE_DELETING": uint32(PhaseDeleting), "PHASE_COMPARING": uint32(PhaseComparing), "PHASE_MEASURING": uint32(PhaseMeasuring),
	"PHASE_WRITING": uint32(PhaseWriting), "PHASE_PUBLISHING": uint32(PhasePublishing),
	"WARNING_VANISHED": uint32(WarningVanished), "WARNING_SOCKET": uint32(WarningSocket), "WARNING_DEVICE": uint32(WarningDevice),
	"WARNING_IGNORED": uint32(WarningIgnored), "WARNING_CHANGED": uint32(WarningChanged), "WARNING_XATTR": uint32(WarningXattr),
	"WARNING_INCOMPLETE":      uint32(WarningIncomplete),
	"XATTRS_SKIP_UNSUPPORTED": uint32(XattrsSkipUnsupported), "XATTRS_SKIP_ALL": uint32(XattrsSkipAll),
	"XATTRS_FAIL": uint32(XattrsFail),

	"TASK_UNKNOWN": uint32(TaskUnknown), "TASK_ALIVE": uint32(TaskAlive), "TASK_STOPPED": uint32(TaskStopped),
	"TASK_ZOMBIE": uint32(TaskZombie), "TASK_DEAD": uint32(TaskDead),
	"SEVERITY_BLOCKS": uint32(SeverityBlocks), "SEVERITY_NEEDS": uint32(SeverityNeeds), "SEVERITY_NOTE": uint32(SeverityNote),
}

// header returns the text of the header that the package is built with.
func header(t *testing.T) string {
	t.Helper()
	directory, err := exec.Command("pkg-config", "--variable=includedir", "crutils").Output()
	if err != nil {
		t.Skip("skipped: pkg-config can't be asked for the header: ", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(directory)), "crutils.h"))
	must(t, err)
	return string(text)
}

func TestEachNumberOfTheHeaderIsHere(t *testing.T) {
	options := map[string]map[uint32]bool{"IMPORT": {}, "EXPORT": {}, "CHANGES": {}, "IMAGE": {}, "INSPECT": {}}
	for family, settings := range map[string][]setting{
		"IMPORT": (&ImportOptions{}).settings(), "EXPORT": (&ExportOptions{}).settings(), "CHANGES": (&ChangesOptions{}).settings(),
		"IMAGE":   (&ImageOptions{}).settings(),
		"INSPECT": (&InspectOptions{}).settings(),
	} {
		for _, each := range settings {
			options[family][uint32(each.option)] = true
		}
	}
	found := 0
	for _, match := range regexp.MustCompile(`(?m)^#define CR_(([A-Z]+)_\w+) (\d+)$`).FindAllStringSubmatch(header(t), -1) {
		number, err := strconv.ParseUint(match[3], 10, 32)
		must(t, err)
		found++
		if family, is := options[match[2]]; is {
			if !family[uint32(number)] {
				t.Error("no field of options has ", match[0])
			}
			continue
		}
		if here, is := numbers[match[1]]; !is || here != uint32(number) {
			t.Error(match[0], "is", here)
		}
	}
	if found < len(numbers) {
		t.Errorf("%d constants in the header, %d here", found, len(numbers))
	}
}

func TestEachFunctionOfTheHeaderIsUsed(t *testing.T) {
	// The errno, which the status tells; the parts of metadata that the JSON text has; the forms with paths of functions
	// that are used with places; and memory of processes, since an inspection is a copy here.
	unused := map[string]bool{
		"CRErrorErrno": true, "CRMetadataAnnotation": true, "CRMetadataBindMounts": true, "CRImportCheckpointWithoutConfig": true,
		"CRImportCheckpointConfigOnly": true, "CRCreateRootFsDiffTar": true, "CRApplyRootFsDiffTar": true,
		"CRRemoveDeletedFiles": true, "CRCreateFileWithLabel": true, "CRInspectionReadMemory": true,
	}
	var source strings.Builder
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			source.WriteString(textOf(t, file))
		}
	}
	found := 0
	for _, match := range regexp.MustCompile(`(?m)^[a-z][\w ]*[ *](CR\w+)\(`).FindAllStringSubmatch(header(t), -1) {
		found++
		used := regexp.MustCompile(`\b` + match[1] + `\(`).MatchString(source.String())
		if used == unused[match[1]] {
			t.Error(match[1], "is used:", used)
		}
	}
	if found < 80 {
		t.Error(found)
	}
}

func TestNumbersHaveNames(t *testing.T) {
	for want, name := range map[string]interface{ String() string }{
		"malformed": KindMalformed, "deadline": KindDeadline, "extracting": PhaseExtracting, "socket": WarningSocket,
		"cri-o": EngineCRIO, "unknown": EngineUnknown, "memory pages": ClassMemoryPages, "hard link": MemberHardLink,
		"config.dump": DocumentConfig, "A": ChangeAdd, "C /etc/hosts": Change{"/etc/hosts", ChangeModify},
		"kind 99": Kind(99), "phase 99": Phase(99), "warning 99": WarningKind(99), "engine 99": Engine(99), "class 99": Class(99),
		"member kind 99": MemberKind(99), "document 99": Document(99), "change 99": ChangeKind(99), "document 0": Document(0),
	} {
		if name.String() != want {
			t.Errorf("%q, not %q", name, want)
		}
	}
}

func TestTheLibraryTellsItsVersionAndFeatures(t *testing.T) {
	if !regexp.MustCompile(`^\d+\.\d+\.\d+`).MatchString(Version()) {
		t.Error(Version())
	}
	if !HasFeature(FeatureZstdThreads) || HasFeature(99) || HasFeature(0) {
		t.Error("the features are others")
	}
}
