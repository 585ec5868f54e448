#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The header in Python, through cffi: an export and an import.

    c-tests/binding.py INCLUDE LIBRARY DIRECTORY

The header is taken as it is, and only the C preprocessor works on it: it gives cffi the declarations and the constants.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cffi

AT_FDCWD = -100


def preprocessed(include, *flags):
    """What the preprocessor makes of the header. cffi knows the types of these three headers by itself."""
    with tempfile.TemporaryDirectory() as empty:
        for name in "stdbool.h", "stddef.h", "stdint.h":
            Path(empty, name).touch()
        command = ["cc", "-E", "-P", "-nostdinc", "-DCRUTILS_NO_ATTRIBUTES", f"-I{empty}", *flags, "-x", "c",
                   f"{include}/crutils.h"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def bound(include, library):
    ffi = cffi.FFI()
    ffi.cdef(preprocessed(include))
    constants = re.findall(r"^#define (?:CR_\w+|CRUTILS_VERSION_\w+) \d+$", preprocessed(include, "-dM"), re.MULTILINE)
    ffi.cdef("\n".join(constants))
    return ffi, ffi.dlopen(library)


class Failure(Exception):
    def __init__(self, ffi, library, error):
        super().__init__(ffi.string(library.CRErrorMessage(error)).decode())
        self.kind, self.errno = library.CRErrorKind(error), library.CRErrorErrno(error)
        library.CRErrorFree(error)


def main():
    include, library, directory = sys.argv[1:]
    ffi, lib = bound(include, library)

    def call(function, *arguments):
        error = ffi.new("CRError **")
        if function(*arguments, error) < 0:
            raise Failure(ffi, lib, error[0])

    archive, bundle = f"{directory}/archive".encode(), f"{directory}/bundle".encode()

    metadata = ffi.gc(lib.CRMetadataNew(), lib.CRMetadataFree)
    call(lib.CRMetadataAdd, metadata, lib.CR_DOCUMENT_SPEC, b"{}", 2)
    call(lib.CRMetadataSetText, metadata, lib.CR_TEXT_ID, b"4f1c")
    call(lib.CRMetadataBuild, metadata, lib.CR_ENGINE_PODMAN)
    checkpoint = ffi.gc(lib.CRExportNew(), lib.CRExportFree)
    call(lib.CRExportAddMetadata, checkpoint, metadata)
    call(lib.CRExportAddBytes, checkpoint, b"note", b"a\0b", 3)
    call(lib.CRExportWrite, checkpoint, AT_FDCWD, archive, ffi.NULL, ffi.NULL)
    assert lib.CRExportResult(checkpoint).members == 3

    phases = set()

    @ffi.callback("CRProgressFunction")
    def on_progress(_user_data, progress):
        phases.add(ffi.string(lib.CRPhaseName(progress.phase)))

    watch = ffi.gc(lib.CRWatchNew(), lib.CRWatchFree)
    call(lib.CRWatchOnProgress, watch, on_progress, ffi.NULL)
    # What the export has made belongs to root.
    options = ffi.gc(lib.CRImportOptionsNew(), lib.CRImportOptionsFree)
    call(lib.CRImportOptionsSet, options, lib.CR_IMPORT_IGNORE_OWNERSHIP, 1)
    opened = ffi.new("CRImport **")
    call(lib.CRImportOpen, AT_FDCWD, archive, options, watch, opened)
    session = ffi.gc(opened[0], lib.CRImportFree)
    read = ffi.new("CRMetadata **")
    call(lib.CRImportMetadata, session, read)
    assert ffi.string(lib.CRMetadataText(read[0], lib.CR_TEXT_ID)) == b"4f1c"
    members, members_len = ffi.new("CRMember ***"), ffi.new("size_t *")
    call(lib.CRImportMembers, session, members, members_len)
    names = {ffi.string(members[0][i].name) for i in range(members_len[0])}
    assert names == {b"config.dump", b"spec.dump", b"note"}, names
    call(lib.CRImportToBundle, session, AT_FDCWD, bundle)
    call(lib.CRImportExtract, session)
    assert lib.CRImportResult(session).members == 3
    assert Path(directory, "bundle/note").read_bytes() == b"a\0b"
    assert b"extracting" in phases, phases
    # The watch calls the function as long as the import may work.
    del session

    try:
        call(lib.CRImportOpen, AT_FDCWD, f"{directory}/missing".encode(), ffi.NULL, ffi.NULL, opened)
    except Failure as failure:
        assert failure.kind == lib.CR_ERROR_SYSTEM, failure
    else:
        raise AssertionError("a missing archive was opened")
    print("ok: Python with cffi")


if __name__ == "__main__":
    main()
