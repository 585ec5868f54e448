/* SPDX-License-Identifier: Apache-2.0 */
/* CRExport, its options, and what it answers. */

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>

#include "check.h"
#include "tar.h"

/* A bundle with something of most that podman exports. */
static void make_bundle(void)
{
    make_directory("bundle");
    make_file("bundle/config.json", "the engine's");
    make_file("bundle/config.dump", "{\"runtime\":\"crun\"}");
    make_file("bundle/spec.dump", "{}");
    make_file("bundle/network.status", "null");
    make_directory("bundle/checkpoint");
    make_file("bundle/checkpoint/inventory.img", "inventory");
    make_directory("bundle/volumes");
    make_file("bundle/volumes/data.tar", "a volume");
}

/* Options for archives that a test can look into. */
static CRExportOptions *plain(void)
{
    CRExportOptions *options = CRExportOptionsNew();

    CHECK_OK(CRExportOptionsCompression, options, CR_COMPRESSION_NONE, 0);
    return options;
}

/* The names of the members of a plain archive as one line; their headers go into `last`. */
static const char *names_in(const char *name, struct tar_header *last)
{
    static char line[1024];
    struct tar_header header;
    FILE *tar = fopen(path(name), "r");

    line[0] = '\0';
    if (tar == NULL)
        return "(missing)";
    while (fread(&header, sizeof(header), 1, tar) == 1 && header.name[0] != '\0') {
        long size = strtol(header.size, NULL, 8);

        if (header.type != 'x') {
            sprintf(line + strlen(line), "%.100s ", header.name);
            if (last != NULL)
                *last = header;
        }
        if (fseek(tar, (size + 511) / 512 * 512, SEEK_CUR) != 0)
            files_die(name);
    }
    fclose(tar);
    return line;
}

/* The missing members of an export as one line. */
static const char *missing(const CRExport *export)
{
    static char line[512];
    char **names = NULL;

    line[0] = '\0';
    CHECK_OK_ONCE(CRExportMissing, export, &names);
    for (char **name = names; name != NULL && *name != NULL; name++) {
        strncat(line, *name, sizeof(line) - strlen(line) - 2);
        strcat(line, " ");
    }
    CRStringArrayFree(names);
    return line;
}

static int same(const char *first, const char *second)
{
    char command[2 * PATH_MAX + 16];

    snprintf(command, sizeof(command), "cmp -s '%s' '%s'", path(first), path(second));
    return system(command) == 0;
}

/* What sha256sum says of a file. */
static const char *digest_of(const char *name)
{
    static char line[128];
    char command[PATH_MAX + 16];
    FILE *out;

    snprintf(command, sizeof(command), "sha256sum '%s'", path(name));
    out = popen(command, "r");
    if (out == NULL || fgets(line, sizeof(line), out) == NULL || pclose(out) != 0)
        files_die(command);
    line[64] = '\0';
    return line;
}

static void a_bundle_is_exported_in_the_order_of_podman(void)
{
    CRExportOptions *options = plain();
    CRExport *export = CRExportNew();

    make_bundle();
    make_file("archive", "an earlier one");
    CHECK_OK_ONCE(CRExportAddBundle, export, path("bundle"), CR_LAYOUT_PODMAN);
    CHECK_OK(CRExportToFile, export, path("archive"), options, NULL);
    CHECK_STRING(names_in("archive", NULL),
                 "config.dump spec.dump network.status checkpoint/ checkpoint/inventory.img "
                 "volumes/data.tar ");
    CHECK_INT(mode_of("archive"), S_IFREG | 0600);
    CHECK_INT(CRExportBytes(export), status_of("archive").st_size);
    CHECK_INT(CRExportMembers(export), 6);
    CHECK(CRExportDigest(export) == NULL);
    CHECK_STRING(missing(export), "artifacts devshm-checkpoint.tar stats-dump ctr.log "
                                  "rootfs-diff.tar deleted.files ");
    make_directory("restored");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("restored"), path("archive"));
    CHECK_STRING(content("restored/checkpoint/inventory.img"), "inventory");
    CHECK_STRING(content("restored/volumes/data.tar"), "a volume");
    CRExportOptionsFree(options);
    CRExportFree(export);
}

static void another_layout_has_another_order(void)
{
    CRExportOptions *options = plain();
    CRExport *export = CRExportNew();

    make_bundle();
    CHECK_OK_ONCE(CRExportAddBundle, export, path("bundle"), CR_LAYOUT_CRIO);
    CHECK_OK(CRExportToFile, export, path("archive"), options, NULL);
    CHECK_STRING(names_in("archive", NULL),
                 "checkpoint/ checkpoint/inventory.img config.dump spec.dump ");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddBundle, export, path("bundle"),
                CR_LAYOUT_PODMAN);
    CRExportOptionsFree(options);
    CRExportFree(export);
}

/* Somebody who reads all that comes out of a descriptor into a file. */
struct reader {
    pthread_t thread;
    int from;
    char into[PATH_MAX];
};

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    FILE *into = fopen(reader->into, "w");
    char buffer[4096];
    ssize_t length;

    if (into == NULL)
        files_die(reader->into);
    while ((length = read(reader->from, buffer, sizeof(buffer))) > 0)
        if (fwrite(buffer, 1, (size_t)length, into) != (size_t)length)
            files_die(reader->into);
    if (length < 0 || fclose(into) != 0)
        files_die(reader->into);
    return NULL;
}

static void a_pipe_gets_what_a_file_gets(void)
{
    static char pages[3 << 20];
    CRExportOptions *options = CRExportOptionsNew();
    CRExport *export = CRExportNew();
    struct reader reader;
    int fds[2];

    make_bundle();
    for (size_t i = 0; i < sizeof(pages); i++)
        pages[i] = (char)(i * i >> 7);
    make_bytes("bundle/checkpoint/pages-1.img", pages, sizeof(pages));
    CHECK_OK_ONCE(CRExportAddBundle, export, path("bundle"), CR_LAYOUT_PODMAN);
    CHECK_OK(CRExportOptionsDigest, options, 1);
    CHECK_OK(CRExportOptionsWorkers, options, 1);
    CHECK_OK_ONCE(CRExportToFile, export, path("file"), options, NULL);
    CHECK_STRING(CRExportDigest(export), digest_of("file"));

    if (pipe2(fds, O_CLOEXEC) != 0)
        files_die("pipe");
    reader.from = fds[0];
    strcpy(reader.into, path("piped"));
    if (pthread_create(&reader.thread, NULL, read_all, &reader) != 0)
        files_die("pthread_create");
    CHECK_OK(CRExportOptionsWorkers, options, 0);
    CHECK_OK_ONCE(CRExportToDescriptor, export, fds[1], options, NULL);
    CHECK_INT(close(fds[1]), 0);
    pthread_join(reader.thread, NULL);
    close(fds[0]);
    CHECK(same("file", "piped"));
    CHECK_INT(CRExportBytes(export), status_of("piped").st_size);
    CHECK_STRING(CRExportDigest(export), digest_of("piped"));
    CRExportOptionsFree(options);
    CRExportFree(export);
}

static void a_reader_that_goes_away_is_an_error_and_no_signal(void)
{
    CRExport *export = CRExportNew();
    sigset_t pending;
    int fds[2];

    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || pipe2(fds, O_CLOEXEC) != 0)
        files_die("pipe");
    close(fds[0]);
    CHECK_OK_ONCE(CRExportAddBytes, export, "note", "text", 4);
    CHECK_FAILS(EPIPE, CR_ERROR_SYSTEM, CRExportToDescriptor, export, fds[1], NULL, NULL);
    CHECK_INT(close(fds[1]), 0);
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
    CHECK(signal(SIGPIPE, SIG_DFL) == SIG_DFL);
    CRExportFree(export);
}

static void members_come_from_anywhere(void)
{
    CRExportOptions *options = plain();
    CRExport *export = CRExportNew();
    struct tar_header last;
    int fd;

    make_bundle();
    make_file("a", "of a path");
    make_file("b", "of a descriptor");
    fd = open(path("b"), O_RDONLY | O_CLOEXEC);
    if (lseek(fd, 3, SEEK_SET) != 3)
        files_die("lseek");
    CHECK_OK_ONCE(CRExportAddFile, export, "path", path("a"));
    CHECK_OK_ONCE(CRExportAddFileDescriptor, export, "descriptor", fd);
    CHECK_OK_ONCE(CRExportAddMember, export, path("bundle"), "checkpoint", CR_PRESENCE_REQUIRED);
    CHECK_OK_ONCE(CRExportAddMember, export, path("bundle"), "dump.log", CR_PRESENCE_OPTIONAL);
    CHECK_OK_ONCE(CRExportAddBytes, export, "empty", NULL, 0);
    CHECK_OK_ONCE(CRExportAddBytes, export, "bytes", "a\0b", 3);
    CHECK_INT(lseek(fd, 0, SEEK_CUR), 3);
    CHECK_INT(close(fd), 0);
    CHECK_OK(CRExportOptionsTime, options, TAR_TIME);
    CHECK_OK(CRExportOptionsSync, options, 1);
    CHECK_OK(CRExportToFile, export, path("archive"), options, NULL);
    CHECK_STRING(names_in("archive", &last),
                 "path descriptor checkpoint/ checkpoint/inventory.img empty bytes ");
    CHECK_INT(strtol(last.mtime, NULL, 8), TAR_TIME);
    CHECK_INT(strtol(last.mode, NULL, 8), 0600);
    CHECK_INT(strtol(last.size, NULL, 8), 3);
    CHECK_STRING(missing(export), "dump.log ");
    make_directory("restored");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("restored"), path("archive"));
    CHECK_STRING(content("restored/path"), "of a path");
    CHECK_STRING(content("restored/descriptor"), "of a descriptor");
    CHECK(memcmp(content("restored/bytes"), "a\0b", 4) == 0);
    CHECK_INT(status_of("restored/empty").st_size, 0);
    CRExportOptionsFree(options);
    CRExportFree(export);
}

static const CRChange changes[] = {
    {"/added", CR_CHANGE_ADD, 0},
    {"/gone", CR_CHANGE_DELETE, 0},
};

/* The same export by paths, or by descriptors. */
static CRExport *export_of(int by_descriptors)
{
    CRExport *export = CRExportNew();
    int bundle, directory, root;

    if (!by_descriptors) {
        CHECK_OK_ONCE(CRExportAddMember, export, path("bundle"), "stats-dump",
                      CR_PRESENCE_OPTIONAL);
        CHECK_OK_ONCE(CRExportAddBundle, export, path("bundle"), CR_LAYOUT_PODMAN);
        CHECK_OK_ONCE(CRExportAddDirectoryTar, export, "volumes/more.tar", path("bundle"));
        CHECK_OK_ONCE(CRExportAddRootFsDiff, export, changes, 2, path("root"));
        return export;
    }
    bundle = open(path("bundle"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    directory = open(path("bundle"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    root = open(path("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_OK_ONCE(CRExportAddMemberAt, export, bundle, "stats-dump", CR_PRESENCE_OPTIONAL);
    CHECK_OK_ONCE(CRExportAddBundleAt, export, bundle, CR_LAYOUT_PODMAN);
    CHECK_OK_ONCE(CRExportAddDirectoryTarAt, export, "volumes/more.tar", directory);
    CHECK_OK_ONCE(CRExportAddRootFsDiffAt, export, changes, 2, root);
    CHECK_INT(close(bundle) | close(directory) | close(root), 0);
    return export;
}

static void descriptors_do_what_paths_do(void)
{
    CRExportOptions *options = plain();
    CRExport *by_path, *by_descriptor;
    int top;

    make_bundle();
    make_directory("root");
    make_file("root/added", "added");
    make_directory("spool");
    by_path = export_of(0);
    by_descriptor = export_of(1);
    top = open(path("."), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_OK(CRExportOptionsSpoolDirectory, options, path("spool"));
    CHECK_OK(CRExportToFile, by_path, path("first"), options, NULL);
    CHECK_OK(CRExportOptionsSpoolDirectoryAt, options, top);
    CHECK_OK(CRExportToFileAt, by_descriptor, top, "second", options, NULL);
    CHECK_INT(close(top), 0);
    CHECK_STRING(names_in("first", NULL),
                 "config.dump spec.dump network.status checkpoint/ checkpoint/inventory.img "
                 "volumes/data.tar volumes/more.tar rootfs-diff.tar deleted.files ");
    CHECK(same("first", "second"));
    CHECK_INT(CRExportMembers(by_descriptor), 9);
    CHECK_INT(mode_of("second"), S_IFREG | 0600);
    CHECK_STRING(missing(by_descriptor), "stats-dump artifacts devshm-checkpoint.tar ctr.log ");
    make_directory("restored");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("restored"), path("second"));
    CHECK_STRING(names_in("restored/rootfs-diff.tar", NULL), "added ");
    CHECK_STRING(content("restored/deleted.files"), "[\n  \"/gone\"\n]");
    CRExportOptionsFree(options);
    CRExportFree(by_path);
    CRExportFree(by_descriptor);
}

static void the_changes_of_an_overlay_are_found_and_added(void)
{
    CRExportOptions *options = plain();
    CRChangesOptions *found = CRChangesOptionsNew();
    CRExport *first = CRExportNew(), *second = CRExportNew();
    const char *lowers[1];
    int lower, upper, root;

    make_directory("lower");
    make_file("lower/kept", "original");
    make_directory("upper");
    make_file("upper/added", "added");
    make_file("upper/excluded", "added");
    make_directory("root");
    make_file("root/kept", "original");
    make_file("root/added", "added");
    make_file("root/excluded", "added");
    CHECK_OK(CRChangesOptionsExclude, found, "/excluded", CR_EXCLUDE_EXACT);
    lowers[0] = path("lower");
    CHECK_OK_ONCE(CRExportAddRootFsDiffFromOverlay, first, lowers, 1, path("upper"), found,
                  path("root"));
    lower = open(path("lower"), O_PATH | O_CLOEXEC);
    upper = open(path("upper"), O_PATH | O_CLOEXEC);
    root = open(path("root"), O_PATH | O_CLOEXEC);
    CHECK_OK_ONCE(CRExportAddRootFsDiffFromOverlayAt, second, &lower, 1, upper, found, root);
    CHECK_INT(close(lower) | close(upper) | close(root), 0);
    CHECK_OK(CRExportToFile, first, path("first"), options, NULL);
    CHECK_OK(CRExportToFile, second, path("second"), options, NULL);
    CHECK(same("first", "second"));
    make_directory("restored");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("restored"), path("first"));
    CHECK_STRING(names_in("restored/rootfs-diff.tar", NULL), "added ");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddRootFsDiff, first, NULL, 0, path("root"));
    CRChangesOptionsFree(found);
    CRExportOptionsFree(options);
    CRExportFree(first);
    CRExportFree(second);
}

static void a_failed_export_leaves_what_was_there(void)
{
    CRExportOptions *options = CRExportOptionsNew();
    CRExport *export = CRExportNew();
    char **names = (char **)(void *)POISON;

    make_bundle();
    make_file("archive", "an earlier one");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportMissing, export, &names);
    CHECK_OK_ONCE(CRExportAddBundle, export, path("bundle"), CR_LAYOUT_PODMAN);
    CHECK_OK(CRExportOptionsDigest, options, 1);
    CHECK_OK_ONCE(CRExportToFile, export, path("good"), options, NULL);
    CHECK(CRExportBytes(export) > 0 && CRExportDigest(export) != NULL);
    if (unlink(path("bundle/spec.dump")) != 0)
        files_die("unlink");
    CHECK_FAILS_AT(ENOENT, CR_ERROR_SYSTEM, "spec.dump", CRExportToFile, export, path("archive"),
                   options, NULL);
    CHECK_STRING(content("archive"), "an earlier one");
    CHECK_INT(CRExportBytes(export), 0);
    CHECK_INT(CRExportMembers(export), 0);
    CHECK(CRExportDigest(export) == NULL);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportMissing, export, &names);
    CHECK(names == (char **)(void *)POISON);
    make_directory("directory");
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRExportToFile, export, path("directory"), NULL, NULL);
    CRExportOptionsFree(options);
    CRExportFree(export);
}

static void count(void *user_data, const CRWarning *warning)
{
    int *counts = user_data;

    counts[warning->kind == CR_WARNING_MISSING]++;
}

static void a_watch_is_told_and_may_end_it(void)
{
    CRExport *export = CRExportNew();
    CRWatch *watch = CRWatchNew();
    CRCancellation *cancellation = CRCancellationNew();
    int counts[2] = {0, 0};

    make_bundle();
    CHECK_OK_ONCE(CRWatchOnWarning, watch, count, counts);
    CHECK_OK_ONCE(CRWatchCancelledBy, watch, cancellation);
    CHECK_OK_ONCE(CRExportAddMember, export, path("bundle"), "gone", CR_PRESENCE_OPTIONAL);
    CHECK_OK_ONCE(CRExportToFile, export, path("archive"), NULL, watch);
    CHECK_INT(counts[1], 1);
    CHECK_INT(counts[0], 0);
    CRCancellationCancel(cancellation);
    CHECK_FAILS(ECANCELED, CR_ERROR_CANCELLED, CRExportToFile, export, path("other"), NULL, watch);
    CHECK(!exists("other"));
    CRCancellationFree(cancellation);
    CRWatchFree(watch);
    CRExportFree(export);
}

static void options_say_how_it_is_compressed(void)
{
    CRExportOptions *options = CRExportOptionsNew();
    CRExport *export = CRExportNew();

    CHECK_OK_ONCE(CRExportAddBytes, export, "note", "text", 4);
    CHECK_OK(CRExportToFile, export, path("default"), NULL, NULL);
    CHECK_OK(CRExportOptionsCompression, options, CR_COMPRESSION_GZIP, 9);
    CHECK_OK(CRExportToFile, export, path("gzip"), options, NULL);
    CHECK_OK(CRExportOptionsCompression, options, CR_COMPRESSION_ZSTD, 3);
    CHECK_OK(CRExportToFile, export, path("zstd"), options, NULL);
    CHECK(memcmp(content("gzip"), "\x1f\x8b", 2) == 0);
    CHECK(memcmp(content("zstd"), "\x28\xb5\x2f\xfd", 4) == 0);
    CHECK(same("default", "zstd"));
    CHECK_OK(CRExportOptionsCompression, options, CR_COMPRESSION_GZIP, 10);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportToFile, export, path("other"), options, NULL);
    CHECK(!exists("other"));
    CHECK_NULL("kind", CRExportOptionsCompression, options, 3, 0);
    CHECK_NULL("level", CRExportOptionsCompression, options, CR_COMPRESSION_NONE, 1);
    CHECK_NULL("yes", CRExportOptionsDigest, options, 2);
    CHECK_NULL("yes", CRExportOptionsSync, options, 2);
    CRExportOptionsFree(options);
    CRExportFree(export);
}

static void a_spool_directory_is_needed_once_it_is_named(void)
{
    CRExportOptions *options = plain();
    CRExport *export = CRExportNew();

    make_bundle();
    CHECK_OK_ONCE(CRExportAddDirectoryTar, export, "volumes/data.tar", path("bundle"));
    CHECK_OK(CRExportOptionsSpoolDirectory, options, path("missing"));
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRExportToFile, export, path("archive"), options, NULL);
    CHECK(!exists("archive"));
    CRExportOptionsFree(options);
    CRExportFree(export);
}

int main(void)
{
    RUN(a_bundle_is_exported_in_the_order_of_podman);
    RUN(another_layout_has_another_order);
    RUN(a_pipe_gets_what_a_file_gets);
    RUN(a_reader_that_goes_away_is_an_error_and_no_signal);
    RUN(members_come_from_anywhere);
    RUN(descriptors_do_what_paths_do);
    RUN(the_changes_of_an_overlay_are_found_and_added);
    RUN(a_failed_export_leaves_what_was_there);
    RUN(a_watch_is_told_and_may_end_it);
    RUN(options_say_how_it_is_compressed);
    RUN(a_spool_directory_is_needed_once_it_is_named);
    return check_finish("export");
}
