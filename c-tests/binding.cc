/* SPDX-License-Identifier: Apache-2.0 */
/* The header in C++: an export and an import with owners of its own, and functions of a watch. */

#include <crutils.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Free {
    void operator()(CRError *error) const { CRErrorFree(error); }
    void operator()(CRExport *checkpoint) const { CRExportFree(checkpoint); }
    void operator()(CRExportOptions *options) const { CRExportOptionsFree(options); }
    void operator()(CRImport *import) const { CRImportFree(import); }
    void operator()(CRImportOptions *options) const { CRImportOptionsFree(options); }
    void operator()(CRMetadata *metadata) const { CRMetadataFree(metadata); }
    void operator()(CRWatch *watch) const { CRWatchFree(watch); }
};

template <typename T> using Owned = std::unique_ptr<T, Free>;

struct Failure : std::runtime_error {
    explicit Failure(CRError *error)
        : std::runtime_error(CRErrorMessage(error)), kind(CRErrorKind(error)), number(CRErrorErrno(error))
    {
        CRErrorFree(error);
    }

    std::uint32_t kind;
    int number;
};

/* Calls a function whose last argument is the place for the error. */
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments)
{
    CRError *error = nullptr;

    if (function(arguments..., &error) < 0)
        throw Failure(error);
}

void check(bool condition, const char *what)
{
    if (!condition)
        throw std::runtime_error(what);
}

#define CHECK(condition) check(condition, #condition)

void count_reports(void *user_data, const CRProgress *progress)
{
    check(CRPhaseName(progress->phase) != nullptr, "a phase without a name");
    ++*static_cast<int *>(user_data);
}

void export_to(const std::string &archive)
{
    static const char spec[] = "{\"ociVersion\":\"1.0.2\"}";
    Owned<CRMetadata> metadata(CRMetadataNew());
    Owned<CRExportOptions> options(CRExportOptionsNew());
    Owned<CRExport> checkpoint(CRExportNew());

    call(CRMetadataAdd, metadata.get(), CR_DOCUMENT_SPEC, spec, sizeof spec - 1);
    call(CRMetadataSetText, metadata.get(), CR_TEXT_ID, "4f1c");
    call(CRMetadataSetText, metadata.get(), CR_TEXT_NAME, "counter");
    call(CRMetadataBuild, metadata.get(), CR_ENGINE_PODMAN);
    call(CRExportAddMetadata, checkpoint.get(), metadata.get());
    call(CRExportAddBytes, checkpoint.get(), "note", "text", std::size_t(4));
    call(CRExportOptionsSet, options.get(), CR_EXPORT_DIGEST, 1);
    call(CRExportWrite, checkpoint.get(), AT_FDCWD, archive.c_str(), options.get(), nullptr);
    CHECK(CRExportResult(checkpoint.get())->members == 3);
    CHECK(std::strlen(CRExportResult(checkpoint.get())->digest) == 64);
}

void import_from(const std::string &archive, const std::string &bundle)
{
    int reports = 0;
    CRImport *opened = nullptr;
    const CRMetadata *metadata = nullptr;
    const CRMember *const *members = nullptr;
    std::size_t members_len = 0;
    Owned<CRWatch> watch(CRWatchNew());
    Owned<CRImportOptions> options(CRImportOptionsNew());

    call(CRWatchOnProgress, watch.get(), count_reports, &reports);
    /* What the export has made belongs to root. */
    call(CRImportOptionsSet, options.get(), CR_IMPORT_IGNORE_OWNERSHIP, 1);
    call(CRImportOpen, AT_FDCWD, archive.c_str(), options.get(), watch.get(), &opened);
    Owned<CRImport> import(opened);
    call(CRImportMetadata, import.get(), &metadata);
    CHECK(CRMetadataText(metadata, CR_TEXT_NAME) == std::string("counter"));
    call(CRImportMembers, import.get(), &members, &members_len);
    CHECK(std::vector<const CRMember *>(members, members + members_len).size() == 3);
    call(CRImportToBundle, import.get(), AT_FDCWD, bundle.c_str());
    call(CRImportExtract, import.get());
    CHECK(CRImportResult(import.get())->members == 3);
    CHECK(access((bundle + "/note").c_str(), F_OK) == 0);
    CHECK(reports > 0);
}

void failures_are_exceptions(const std::string &missing)
{
    CRImport *import = nullptr;

    try {
        call(CRImportOpen, AT_FDCWD, missing.c_str(), nullptr, nullptr, &import);
    } catch (const Failure &failure) {
        CHECK(failure.kind == CR_ERROR_SYSTEM && failure.number == ENOENT && import == nullptr);
        return;
    }
    throw std::runtime_error("a missing archive was opened");
}

} // namespace

int main(int argc, char **argv)
{
    try {
        check(argc == 2, "usage: binding DIRECTORY");
        std::string directory(argv[1]);
        export_to(directory + "/archive");
        import_from(directory + "/archive", directory + "/bundle");
        failures_are_exceptions(directory + "/missing");
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "binding: %s\n", failure.what());
        return 1;
    }
    std::printf("ok: C++\n");
    return 0;
}
