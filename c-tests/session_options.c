/* SPDX-License-Identifier: Apache-2.0 */
/* What an import's options change, and what its functions don't take. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

/* An archive with a single member; `extra` writes it. */
static void make_archive(const char *name, void (*extra)(FILE *tar))
{
    FILE *tar = tar_begin(name);

    extra(tar);
    tar_end(tar);
}

static void climbing(FILE *tar)
{
    tar_file(tar, "../outside", "clamped");
}

static void unheard_of(FILE *tar)
{
    tar_file(tar, "unheard-of", "but harmless");
}

static void large(FILE *tar)
{
    tar_file(tar, "checkpoint/pages-1.img", "more than ten bytes");
}

static void deep(FILE *tar)
{
    tar_directory(tar, "a/b/c/");
}

static int import_all(const char *archive, const CRImportOptions *options, CRError **error)
{
    return CRImportFiles(path(archive), path("bundle"), NULL, NULL, 0, NULL, options, NULL, error);
}

static int import_root(const char *archive, const CRImportOptions *options, CRError **error)
{
    return CRImportFiles(path(archive), NULL, path("root"), NULL, 0, NULL, options, NULL, error);
}

/* Each option refuses what is taken without it, and takes it again when it is turned off. */
static void options_refuse_what_is_otherwise_taken(void)
{
    static const struct {
        uint32_t option;
        void (*extra)(FILE *tar);
        int number;
        uint32_t kind;
    } cases[] = {
        {CR_IMPORT_STRICT_NAMES, climbing, EXDEV, CR_ERROR_ESCAPE},
        {CR_IMPORT_KNOWN_NAMES, unheard_of, EPERM, CR_ERROR_ESCAPE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CRImportOptions *options = CRImportOptionsNew();

        make_archive("in.tar", cases[i].extra);
        CHECK_OK(import_all, "in.tar", NULL);
        CHECK_OK(CRImportOptionsSet, options, cases[i].option, 1);
        CHECK_FAILS(cases[i].number, cases[i].kind, import_all, "in.tar", options);
        CHECK_OK(CRImportOptionsSet, options, cases[i].option, 0);
        CHECK_OK(import_all, "in.tar", options);
        CRImportOptionsFree(options);
    }
    CHECK_STRING(content("bundle/outside"), "clamped");
    CHECK(!exists("outside"));
}

static void an_end_marker_may_be_asked_for(void)
{
    CRImportOptions *options = CRImportOptionsNew();
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "network.status", "null");
    tar_cut(tar);
    CHECK_OK(import_all, "in.tar", options);
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_END_MARKER, 1);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, import_all, "in.tar", options);
    CRImportOptionsFree(options);
}

static void limits_are_kept(void)
{
    static const struct {
        uint32_t limit;
        uint64_t enough, too_little;
        void (*extra)(FILE *tar);
    } cases[] = {
        {CR_LIMIT_MEMBERS, 1, 0, large},       {CR_LIMIT_TOTAL_BYTES, 19, 18, large},
        {CR_LIMIT_MEMBER_BYTES, 19, 18, large}, {CR_LIMIT_PATH_BYTES, 22, 21, large},
        {CR_LIMIT_DEPTH, 3, 2, deep},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CRImportOptions *options = CRImportOptionsNew();

        make_archive("in.tar", cases[i].extra);
        CHECK_OK(CRImportOptionsLimit, options, cases[i].limit, cases[i].enough);
        CHECK_OK(import_all, "in.tar", options);
        CHECK_OK(CRImportOptionsLimit, options, cases[i].limit, cases[i].too_little);
        CHECK_FAILS(E2BIG, CR_ERROR_LIMIT, import_all, "in.tar", options);
        CRImportOptionsFree(options);
    }
}

static void types_and_names_may_be_chosen(void)
{
    static const uint32_t directories[] = {CR_MEMBER_DIRECTORY}, both[] = {CR_MEMBER_DIRECTORY, CR_MEMBER_REGULAR};
    static const char *const named[] = {"checkpoint"}, *const others[] = {"config.dump", "./volumes"};
    CRImportOptions *options = CRImportOptionsNew();

    make_archive("in.tar", large);
    CHECK_OK(CRImportOptionsTypes, options, directories, 1);
    CHECK_FAILS_AT(EPERM, CR_ERROR_ESCAPE, "checkpoint/pages-1.img", import_all, "in.tar", options);
    CHECK_OK(CRImportOptionsTypes, options, both, 2);
    CHECK_OK(CRImportOptionsNames, options, named, 1);
    CHECK_OK(import_all, "in.tar", options);
    CHECK_OK(CRImportOptionsNames, options, others, 2);
    CHECK_FAILS_AT(EPERM, CR_ERROR_ESCAPE, "checkpoint/pages-1.img", import_all, "in.tar", options);
    CRImportOptionsFree(options);
}

/* An archive whose rootfs-diff.tar has one member. */
static void make_diff(const char *name, char type, unsigned mode)
{
    char bytes[8192];
    FILE *tar = tar_begin("diff.tar"), *diff;
    size_t length;

    tar_header(tar, name, type, mode, "", 0);
    tar_end(tar);
    diff = fopen(path("diff.tar"), "r");
    if (diff == NULL)
        files_die("diff.tar");
    length = fread(bytes, 1, sizeof(bytes), diff);
    fclose(diff);
    tar = tar_begin("in.tar");
    tar_bytes(tar, "rootfs-diff.tar", bytes, length);
    tar_end(tar);
}

static void options_change_what_a_diff_does(void)
{
    CRImportOptions *options = CRImportOptionsNew();

    make_directory("root");
    make_diff("setuid", '0', 04755);
    CHECK_OK(import_root, "in.tar", options);
    CHECK_INT(mode_of("root/setuid"), S_IFREG | 04755);
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_IGNORE_OWNERSHIP, 1);
    CHECK_OK(import_root, "in.tar", options);
    CHECK_INT(mode_of("root/setuid"), S_IFREG | 0755);

    make_diff("./", '5', 0700);
    CHECK_OK(import_root, "in.tar", options);
    CHECK_INT(mode_of("root"), S_IFDIR | 0755);
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_ROOT_ATTRIBUTES, 1);
    CHECK_OK(import_root, "in.tar", options);
    CHECK_INT(mode_of("root"), S_IFDIR | 0700);

    make_diff(".wh.setuid", '0', 0600);
    CHECK_OK(import_root, "in.tar", options);
    CHECK(exists("root/setuid") && exists("root/.wh.setuid"));
    CHECK(unlink(path("root/.wh.setuid")) == 0);
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_OCI_WHITEOUTS, 1);
    CHECK_OK(import_root, "in.tar", options);
    CHECK(!exists("root/setuid") && !exists("root/.wh.setuid"));
    CRImportOptionsFree(options);
}

static void devices_may_be_refused(void)
{
    CRImportOptions *options = CRImportOptionsNew();

    if (geteuid() != 0) {
        skip("devices", "only root makes them");
        CRImportOptionsFree(options);
        return;
    }
    make_directory("root");
    make_diff("null", '3', 0600);
    CHECK_OK(import_root, "in.tar", options);
    CHECK(S_ISCHR(mode_of("root/null")));
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_NO_DEVICES, 1);
    CHECK_FAILS(EPERM, CR_ERROR_ESCAPE, import_root, "in.tar", options);
    CRImportOptionsFree(options);
}

static void ids_are_mapped(void)
{
    CRImportOptions *options = CRImportOptionsNew();
    const CRIdRange mine = {getuid(), 1234, 1}, group = {getgid(), 4321, 1}, others = {getuid() + 1, 1234, 1};

    if (geteuid() != 0) {
        skip("maps of ids", "only root gives files away");
        CRImportOptionsFree(options);
        return;
    }
    make_directory("root");
    make_diff("file", '0', 0644);
    CHECK_OK(CRImportOptionsMapIds, options, &mine, 1, &group, 1);
    CHECK_OK(import_root, "in.tar", options);
    CHECK_INT(status_of("root/file").st_uid, 1234);
    CHECK_INT(status_of("root/file").st_gid, 4321);
    CHECK_OK(CRImportOptionsMapIds, options, &others, 1, NULL, 0);
    CHECK_INT(import_root("in.tar", options, NULL), -EOVERFLOW);
    CRImportOptionsFree(options);
}

static void a_failed_bundle_may_be_kept(void)
{
    CRImportOptions *options = CRImportOptionsNew();
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "network.status", "null");
    tar_file(tar, "config.json", "{}");
    tar_end(tar);
    CHECK_FAILS(EPERM, CR_ERROR_ESCAPE, import_all, "in.tar", options);
    CHECK(!exists("bundle"));
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_KEEP_FAILED, 1);
    CHECK_FAILS(EPERM, CR_ERROR_ESCAPE, import_all, "in.tar", options);
    CHECK_STRING(content("bundle/network.status"), "null");
    CRImportOptionsFree(options);
}

static void unusable_options_are_refused(void)
{
    static const CRIdRange empty = {0, 0, 0}, beyond = {4294967290, 0, 10};
    static const CRIdRange overlapping[] = {{0, 1000, 10}, {10, 1009, 1}};
    static const uint32_t unknown_type[] = {CR_MEMBER_REGULAR, 99};
    static const char *const top[] = {"/"}, *const null_name[] = {NULL};
    CRImportOptions *options = CRImportOptionsNew();

    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsSet, options, 99, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsSet, options, CR_IMPORT_DIGEST, 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsLimit, options, 99, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsExpectedDigest, options, "5f70");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsTypes, options, unknown_type, 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsNames, options, top, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsNames, options, null_name, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsMapIds, options, &empty, 1, NULL, 0);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsMapIds, options, NULL, 0, &beyond, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsMapIds, options, overlapping, 2, NULL, 0);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsSpoolDirectoryAt, options, -1);
    CHECK_NULL("options", CRImportOptionsSet, NULL, CR_IMPORT_DIGEST, 1);
    CHECK_NULL("options", CRImportOptionsLimit, NULL, CR_LIMIT_DEPTH, 1);
    CHECK_NULL("digest", CRImportOptionsExpectedDigest, options, NULL);
    CHECK_NULL("directory", CRImportOptionsSpoolDirectory, options, NULL);
    CHECK_NULL("types", CRImportOptionsTypes, options, NULL, 1);
    CHECK_NULL("names", CRImportOptionsNames, options, NULL, 1);
    CHECK_NULL("uids", CRImportOptionsMapIds, options, NULL, 1, NULL, 0);
    CHECK_NULL("gids", CRImportOptionsMapIds, options, NULL, 0, NULL, 1);
    CRImportOptionsFree(options);
    CRImportOptionsFree(NULL);
}

static CRImport *open_archive(const char *name)
{
    CRImport *import = NULL;

    CHECK_OK_ONCE(CRImportOpen, path(name), NULL, NULL, &import);
    return import;
}

static void outputs_are_untouched_on_failure(void)
{
    CRImport *const import = (CRImport *)(void *)&check_failures;
    CRImport *out = import, *real;
    CRMetadata *metadata = (CRMetadata *)(void *)&check_failures;
    CRMemberList *members = (CRMemberList *)(void *)&check_failures;

    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportOpen, path("missing"), NULL, NULL, &out);
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRImportOpen, files_top, NULL, NULL, &out);
    CHECK_FAILS(EBADF, CR_ERROR_SYSTEM, CRImportOpenDescriptor, 12345, NULL, NULL, &out);
    CHECK(out == import);
    make_file("in.tar", "This is no archive at all, however long one looks at it.");
    real = open_archive("in.tar");
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportMetadata, real, &metadata);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportMembers, real, &members);
    CHECK((void *)metadata == (void *)&check_failures && (void *)members == (void *)&check_failures);
    CRImportFree(real);
}

static void arguments_that_may_not_be_null_are_named(void)
{
    const char *const null_name[] = {NULL};
    CRImport *import;
    CRMetadata *metadata;
    CRMemberList *members;

    make_archive("in.tar", large);
    make_directory("root");
    make_directory("volume");
    import = open_archive("in.tar");
    CHECK_NULL("input", CRImportOpen, NULL, NULL, NULL, &import);
    CHECK_NULL("import", CRImportOpen, path("in.tar"), NULL, NULL, NULL);
    CHECK_NULL("import", CRImportOpenDescriptor, 0, NULL, NULL, NULL);
    CHECK_NULL("input", CRImportOpenDescriptor, -1, NULL, NULL, &import);
    CHECK_NULL("import", CRImportMetadata, NULL, &metadata);
    CHECK_NULL("metadata", CRImportMetadata, import, NULL);
    CHECK_NULL("import", CRImportMembers, NULL, &members);
    CHECK_NULL("members", CRImportMembers, import, NULL);
    CHECK_NULL("bundle", CRImportToBundle, import, NULL);
    CHECK_NULL("import", CRImportToBundle, NULL, path("b"));
    CHECK_NULL("import", CRImportToBundleAt, NULL, 0);
    CHECK_NULL("names", CRImportToBundleOnly, import, path("b"), NULL, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportToBundleOnly, import, path("b"), null_name, 1);
    CHECK_NULL("names", CRImportToBundleOnlyAt, import, 0, NULL, 1);
    CHECK_NULL("root", CRImportToRoot, import, NULL);
    CHECK_NULL("import", CRImportToRoot, NULL, path("root"));
    CHECK_NULL("import", CRImportToRootAt, NULL, 0);
    CHECK_NULL("name", CRImportToVolume, import, NULL, path("volume"));
    CHECK_NULL("directory", CRImportToVolume, import, "vol1", NULL);
    CHECK_NULL("name", CRImportToVolumeAt, import, NULL, 0);
    CHECK_NULL("directory", CRImportToShm, import, NULL);
    CHECK_NULL("import", CRImportToShmAt, NULL, 0);
    CHECK_NULL("import", CRImportExtract, NULL);
    CRImportFree(import);

    CHECK(CRImportDigest(NULL) == NULL);
    CHECK(CRMemberListLen(NULL) == 0 && CRMemberListAt(NULL, 0) == NULL && CRMemberListBytes(NULL, 0) == 0);
    CRImportFree(NULL);
    CRMemberListFree(NULL);
}

static void progressed(void *user_data, const CRProgress *progress)
{
    (void)user_data, (void)progress;
}

static void warned(void *user_data, const CRWarning *warning)
{
    (void)user_data, (void)warning;
}

static void a_watch_has_to_be_given_something(void)
{
    CRWatch *watch = CRWatchNew();
    CRCancellation *cancellation = CRCancellationNew();

    CHECK_NULL("watch", CRWatchOnProgress, NULL, progressed, NULL);
    CHECK_NULL("function", CRWatchOnProgress, watch, NULL, NULL);
    CHECK_NULL("watch", CRWatchOnWarning, NULL, warned, NULL);
    CHECK_NULL("function", CRWatchOnWarning, watch, NULL, NULL);
    CHECK_NULL("watch", CRWatchCancelledBy, NULL, cancellation);
    CHECK_NULL("cancellation", CRWatchCancelledBy, watch, NULL);
    CHECK_NULL("watch", CRWatchDeadline, NULL, 1);
    CRCancellationFree(cancellation);
    CRWatchFree(watch);
    CRCancellationCancel(NULL);
    CRCancellationFree(NULL);
    CRWatchFree(NULL);
}

int main(void)
{
    RUN(options_refuse_what_is_otherwise_taken);
    RUN(an_end_marker_may_be_asked_for);
    RUN(limits_are_kept);
    RUN(types_and_names_may_be_chosen);
    RUN(options_change_what_a_diff_does);
    RUN(devices_may_be_refused);
    RUN(ids_are_mapped);
    RUN(a_failed_bundle_may_be_kept);
    RUN(unusable_options_are_refused);
    RUN(outputs_are_untouched_on_failure);
    RUN(arguments_that_may_not_be_null_are_named);
    RUN(a_watch_has_to_be_given_something);
    return check_finish("session_options");
}
