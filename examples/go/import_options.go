package crutils

/*
#include <crutils.h>
*/
import "C"

// ImportLimit is something that an import keeps within bounds; exceeding it is E2BIG.
type ImportLimit uint32

// The limits; crutils.h says what holds if they aren't set.
const (
	LimitMembers     ImportLimit = C.CR_LIMIT_MEMBERS
	LimitTotalBytes  ImportLimit = C.CR_LIMIT_TOTAL_BYTES
	LimitMemberBytes ImportLimit = C.CR_LIMIT_MEMBER_BYTES
	LimitPathBytes   ImportLimit = C.CR_LIMIT_PATH_BYTES
	LimitDepth       ImportLimit = C.CR_LIMIT_DEPTH
	LimitXattrBytes  ImportLimit = C.CR_LIMIT_XATTR_BYTES
	LimitRatio       ImportLimit = C.CR_LIMIT_RATIO
)

// IDRange maps consecutive ids: Container, Container + 1, ... are Host, Host + 1, ... outside.
type IDRange struct {
	Container, Host, Size uint32
}

// ImportOptions are what an import heeds. The zero value does what the functions do that take no options.
type ImportOptions struct {
	// Digest has the archive's SHA-256 computed, ExpectedDigest compared with this one unless it is "".
	Digest         bool
	ExpectedDigest string
	// KeepFailed leaves a bundle in place that an import which failed has made.
	KeepFailed bool
	// StrictNames refuses names that are absolute or have a "..", KnownNames those that no engine writes.
	StrictNames, KnownNames bool
	// EndMarker refuses an archive that ends without its end marker.
	EndMarker bool
	// RootAttributes gives the directories that are extracted into the attributes of "./".
	RootAttributes bool
	// OCIWhiteouts takes ".wh." files in a rootfs diff for deletions.
	OCIWhiteouts bool
	// IgnoreOwnership makes everything the caller's.
	IgnoreOwnership bool
	// NoDevices refuses device nodes everywhere.
	NoDevices bool
	// Limits are the limits that differ from those without options.
	Limits map[ImportLimit]uint64
	// UIDs and GIDs say what the ids of the container's files are on the host; nothing means the same.
	UIDs, GIDs []IDRange
	// Types are the types that members may have; nothing means all. Names are what may be at the top of the archive.
	Types []MemberType
	Names []string
	// SpoolDirectory is where a file without a name keeps what a pipe has before the configuration, if that is much.
	SpoolDirectory string
}

// make is a copy of the options that is C's, and is to be freed there; nil for nil.
func (o *ImportOptions) make() (*C.CRImportOptions, error) {
	if o == nil {
		return nil, nil
	}
	made := C.CRImportOptionsNew()
	if err := o.fill(made); err != nil {
		C.CRImportOptionsFree(made)
		return nil, err
	}
	return made, nil
}

func (o *ImportOptions) fill(made *C.CRImportOptions) error {
	var failure *C.CRError
	switches := map[C.uint32_t]bool{
		C.CR_IMPORT_DIGEST: o.Digest, C.CR_IMPORT_KEEP_FAILED: o.KeepFailed, C.CR_IMPORT_STRICT_NAMES: o.StrictNames,
		C.CR_IMPORT_KNOWN_NAMES: o.KnownNames, C.CR_IMPORT_END_MARKER: o.EndMarker,
		C.CR_IMPORT_ROOT_ATTRIBUTES: o.RootAttributes, C.CR_IMPORT_OCI_WHITEOUTS: o.OCIWhiteouts,
		C.CR_IMPORT_IGNORE_OWNERSHIP: o.IgnoreOwnership, C.CR_IMPORT_NO_DEVICES: o.NoDevices,
	}
	for option, on := range switches {
		if !on {
			continue
		}
		if err := result(C.CRImportOptionsSet(made, option, 1, &failure), failure); err != nil {
			return err
		}
	}
	for limit, value := range o.Limits {
		if err := result(C.CRImportOptionsLimit(made, C.uint32_t(limit), C.uint64_t(value), &failure), failure); err != nil {
			return err
		}
	}
	return o.fillStrings(made)
}

func (o *ImportOptions) fillStrings(made *C.CRImportOptions) error {
	var args arguments
	defer args.free()
	digest, spool := args.optional("digest", o.ExpectedDigest), args.optional("spool_directory", o.SpoolDirectory)
	names := args.strings("names", o.Names)
	if args.err != nil {
		return args.err
	}
	var failure *C.CRError
	if digest != nil {
		if err := result(C.CRImportOptionsExpectedDigest(made, digest, &failure), failure); err != nil {
			return err
		}
	}
	if spool != nil {
		if err := result(C.CRImportOptionsSpoolDirectory(made, spool, &failure), failure); err != nil {
			return err
		}
	}
	if len(o.Names) > 0 {
		if err := result(C.CRImportOptionsNames(made, names, C.size_t(len(o.Names)), &failure), failure); err != nil {
			return err
		}
	}
	return o.fillNumbers(made)
}

func (o *ImportOptions) fillNumbers(made *C.CRImportOptions) error {
	var failure *C.CRError
	if len(o.Types) > 0 {
		types := make([]C.uint32_t, len(o.Types))
		for i, kind := range o.Types {
			types[i] = C.uint32_t(kind)
		}
		if err := result(C.CRImportOptionsTypes(made, &types[0], C.size_t(len(types)), &failure), failure); err != nil {
			return err
		}
	}
	// Ranges have no pointers, so that C may read Go's memory.
	uids, gids := ranges(o.UIDs), ranges(o.GIDs)
	status := C.CRImportOptionsMapIds(made, &uids[0], C.size_t(len(o.UIDs)), &gids[0], C.size_t(len(o.GIDs)), &failure)
	return result(status, failure)
}

// ranges has one range more than the list, so that there is always a first one.
func ranges(list []IDRange) []C.CRIdRange {
	made := make([]C.CRIdRange, len(list)+1)
	for i, each := range list {
		made[i] = C.CRIdRange{container: C.uint32_t(each.Container), host: C.uint32_t(each.Host), size: C.uint32_t(each.Size)}
	}
	return made
}
