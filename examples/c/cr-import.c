/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restores the files of a container from a checkpoint archive in one pass: a session with options, destinations, and
 * a watch that shows progress, a deadline, and Ctrl-C. See `cr-import --help`.
 */

#define _POSIX_C_SOURCE 200809L
#include "common.h"

static const char help[] =
    "Usage: cr-import [OPTION]... ARCHIVE\n"
    "Restores the files of a container from a checkpoint archive; - is standard input.\n"
    "\n"
    "  -b, --bundle DIR       all that has no other directory; made if it is missing\n"
    "  -c, --config           config.dump and spec.dump go into the bundle, too\n"
    "  -r, --rootfs DIR       the changes of the root file system are applied to DIR\n"
    "  -v, --volume NAME=DIR  a named volume; may be repeated\n"
    "  -m, --shm DIR          the container's /dev/shm\n"
    "  -e, --expect SHA256    refuses an archive with another digest\n"
    "  -d, --digest           prints the archive's digest\n"
    "  -s, --strict           refuses unknown and unclean names, and an archive without an end marker\n"
    "  -t, --timeout SECONDS  gives up when the time has passed\n"
    "  -h, --help             prints this\n"
    "\n"
    "Missing bundles and root file systems are named by absolute paths. After a failure a bundle that was\n"
    "made is removed; in directories that existed, what was done stays.\n"
    "\n" EXIT_CODES;

struct request {
    CRImportOptions *options;
    struct directory *directories;
    size_t directories_len;
    uint64_t milliseconds;
    bool digest;
};

/* Takes one option. -EINVAL without an error is a usage error. */
static int take_option(int option, struct request *request, CRError **error)
{
    char *end;
    int result = 0;

    switch (option) {
    case 'c':
        return CRImportOptionsSet(request->options, CR_IMPORT_CONFIGURATION, 1, error);
    case 'd':
        request->digest = true;
        return CRImportOptionsSet(request->options, CR_IMPORT_DIGEST, 1, error);
    case 'e':
        return CRImportOptionsExpectedDigest(request->options, optarg, error);
    case 's':
        result = CRImportOptionsSet(request->options, CR_IMPORT_STRICT_NAMES, 1, error);
        if (result == 0)
            result = CRImportOptionsSet(request->options, CR_IMPORT_KNOWN_NAMES, 1, error);
        return result == 0 ? CRImportOptionsSet(request->options, CR_IMPORT_END_MARKER, 1, error) : result;
    case 't':
        request->milliseconds = strtoull(optarg, &end, 10) * 1000;
        return request->milliseconds > 0 && *end == '\0' && *optarg != '-' ? 0 : -EINVAL;
    default:
        return take_directory(option, optarg, &request->directories[request->directories_len++]) ? 0 : -EINVAL;
    }
}

static int set_destination(CRImport *import, const struct directory *to, CRError **error)
{
    switch (to->option) {
    case 'b':
        return CRImportToBundle(import, AT_FDCWD, to->path, error);
    case 'r':
        return CRImportToRoot(import, AT_FDCWD, to->path, error);
    case 'v':
        return CRImportToVolume(import, to->volume, AT_FDCWD, to->path, error);
    default:
        return CRImportToShm(import, AT_FDCWD, to->path, error);
    }
}

static int import_files(const struct request *request, const char *archive)
{
    CRError *error = NULL;
    CRImport *import = NULL;
    int result = watch_new(&error);

    if (result == 0 && request->milliseconds > 0)
        result = CRWatchDeadline(watched, request->milliseconds, &error);
    /* (descriptor, "") is what the descriptor itself refers to. */
    if (result == 0 && strcmp(archive, "-") == 0)
        result = CRImportOpen(STDIN_FILENO, "", request->options, watched, &import, &error);
    else if (result == 0)
        result = CRImportOpen(AT_FDCWD, archive, request->options, watched, &import, &error);
    for (size_t i = 0; result == 0 && i < request->directories_len; i++)
        result = set_destination(import, &request->directories[i], &error);
    if (result == 0)
        result = CRImportExtract(import, &error);
    watch_free();
    if (result == 0 && request->digest)
        printf("%s  %s\n", CRImportResult(import)->digest, archive);
    CRImportFree(import);
    return result < 0 ? failed(error) : DONE;
}

/* Takes the command line, and does what it says. */
static int run(struct request *request, int argc, char **argv)
{
    static const struct option options[] = {
        { "bundle", required_argument, NULL, 'b' }, { "config", no_argument, NULL, 'c' },
        { "rootfs", required_argument, NULL, 'r' }, { "volume", required_argument, NULL, 'v' },
        { "shm", required_argument, NULL, 'm' },    { "expect", required_argument, NULL, 'e' },
        { "digest", no_argument, NULL, 'd' },       { "strict", no_argument, NULL, 's' },
        { "timeout", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "b:cr:v:m:e:dst:h", options, NULL)) != -1) {
        CRError *error = NULL;
        if (option == 'h')
            return fputs(help, stdout) < 0 ? FAILED : DONE;
        if (option == '?')
            return usage_error("unknown option");
        if (take_option(option, request, &error) < 0)
            return error != NULL ? failed(error) : usage_error("an option has an unusable value");
    }
    if (argc - optind != 1)
        return usage_error("one archive is needed");
    return import_files(request, argv[optind]);
}

int main(int argc, char **argv)
{
    /* There are fewer directories than arguments. */
    struct request request = { .directories = calloc((size_t)argc + 1, sizeof(struct directory)) };
    int code = FAILED;

    program = "cr-import";
    request.options = CRImportOptionsNew();
    if (request.directories != NULL)
        code = run(&request, argc, argv);
    CRImportOptionsFree(request.options);
    free(request.directories);
    return code;
}
