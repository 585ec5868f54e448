/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a checkpoint archive of a bundle and of what belongs to its container. See `cr-export --help`. */

#define _POSIX_C_SOURCE 200809L
#include "common.h"

static const char help[] =
    "Usage: cr-export [OPTION]... BUNDLE ARCHIVE\n"
    "Makes a checkpoint archive of a container's bundle, and of what the options name. ARCHIVE appears when\n"
    "it is complete; - is standard output.\n"
    "\n"
    "  -e, --engine NAME      the engine whose members the bundle has: podman (default), cri-o, containerd\n"
    "  -r, --rootfs DIR       adds the changes of the root file system that is mounted there, an overlay\n"
    "  -u, --upper DIR        its upper directory\n"
    "  -l, --lower DIR        a lower directory, the top one first; may be repeated\n"
    "  -v, --volume NAME=DIR  adds a named volume; may be repeated\n"
    "  -m, --shm DIR          adds the container's /dev/shm\n"
    "  -c, --compress HOW     none, gzip or zstd (default)\n"
    "  -d, --digest           prints the archive's SHA-256\n"
    "  -h, --help             prints this\n"
    "\n" EXIT_CODES;

struct request {
    CRExport *export;
    CRExportOptions *options;
    const char *bundle, *archive, *rootfs, *upper;
    CRPlace *lower;
    struct directory *directories;
    size_t lower_len, directories_len;
    uint32_t engine;
    bool digest;
};

/* The engine of this name; 0 if there is none. */
static uint32_t engine_of(const char *name)
{
    for (uint32_t engine = 1; CREngineName(engine) != NULL; engine++) {
        if (strcmp(CREngineName(engine), name) == 0)
            return engine;
    }
    return 0;
}

static uint32_t compression_of(const char *name)
{
    static const char *const names[] = {
        [CR_COMPRESSION_NONE] = "none", [CR_COMPRESSION_GZIP] = "gzip", [CR_COMPRESSION_ZSTD] = "zstd",
    };

    for (uint32_t i = 1; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return 0;
}

/* Takes one option. -EINVAL without an error is a usage error. */
static int take_option(int option, struct request *request, CRError **error)
{
    switch (option) {
    case 'e':
        request->engine = engine_of(optarg);
        return request->engine == 0 ? -EINVAL : 0;
    case 'r':
        request->rootfs = optarg;
        return 0;
    case 'u':
        request->upper = optarg;
        return 0;
    case 'l':
        request->lower[request->lower_len++] = (CRPlace){ AT_FDCWD, optarg };
        return 0;
    case 'c':
        return CRExportOptionsSet(request->options, CR_EXPORT_COMPRESSION, compression_of(optarg), error);
    case 'd':
        request->digest = true;
        return CRExportOptionsSet(request->options, CR_EXPORT_DIGEST, 1, error);
    default:
        return take_directory(option, optarg, &request->directories[request->directories_len++]) ? 0 : -EINVAL;
    }
}

/* Adds the changes of the root file system, except what the engine makes anew at each start. */
static int add_changes(const struct request *request, CRError **error)
{
    CRChangesOptions *options = CRChangesOptionsNew();
    CRChangeList *list = NULL;
    const CRChange *changes;
    size_t changes_len;
    int result = CRChangesOptionsExcludeEngine(options, request->engine, error);

    if (result == 0)
        result = CRChangesOverlay(request->lower, request->lower_len, AT_FDCWD, request->upper, options, watched, &list,
                                  error);
    changes = CRChangeListChanges(list, &changes_len);
    if (result == 0)
        result = CRExportAddRootFsDiff(request->export, changes, changes_len, AT_FDCWD, request->rootfs, error);
    CRChangeListFree(list);
    CRChangesOptionsFree(options);
    return result;
}

static int add_directory(const struct request *request, const struct directory *directory, CRError **error)
{
    /* A longer name is cut to 4096 bytes, which the library refuses: names have 4095 at most. */
    char name[4097];

    if (directory->option == 'v')
        snprintf(name, sizeof name, "volumes/%s.tar", directory->volume);
    else
        snprintf(name, sizeof name, "devshm-checkpoint.tar");
    return CRExportAddDirectoryTar(request->export, name, AT_FDCWD, directory->path, error);
}

static void print_result(const struct request *request)
{
    const CRExported *result = CRExportResult(request->export);
    bool piped = strcmp(request->archive, "-") == 0;
    char size[16];

    for (size_t i = 0; i < result->missing_len; i++)
        fprintf(stderr, "%s%s", i == 0 ? "not in the bundle: " : ", ", result->missing[i]);
    if (result->missing_len > 0)
        fputc('\n', stderr);
    /* Standard output may be the archive. */
    if (request->digest)
        fprintf(piped ? stderr : stdout, "%s  %s\n", result->digest, request->archive);
    else if (!piped)
        printf("%s: %" PRIu64 " members, %s\n", request->archive, result->members, human(result->bytes, size));
}

static int export_files(const struct request *request)
{
    CRError *error = NULL;
    int result = watch_new(&error);

    if (result == 0)
        result = CRExportAddBundle(request->export, AT_FDCWD, request->bundle, request->engine, &error);
    if (result == 0 && request->rootfs != NULL)
        result = add_changes(request, &error);
    for (size_t i = 0; result == 0 && i < request->directories_len; i++)
        result = add_directory(request, &request->directories[i], &error);
    if (result == 0 && strcmp(request->archive, "-") == 0)
        result = CRExportWrite(request->export, STDOUT_FILENO, "", request->options, watched, &error);
    else if (result == 0)
        result = CRExportWrite(request->export, AT_FDCWD, request->archive, request->options, watched, &error);
    watch_free();
    if (result < 0)
        return failed(error);
    print_result(request);
    return DONE;
}

/* Takes the command line, and does what it says. */
static int run(struct request *request, int argc, char **argv)
{
    static const struct option options[] = {
        { "engine", required_argument, NULL, 'e' },   { "rootfs", required_argument, NULL, 'r' },
        { "upper", required_argument, NULL, 'u' },    { "lower", required_argument, NULL, 'l' },
        { "volume", required_argument, NULL, 'v' },   { "shm", required_argument, NULL, 'm' },
        { "compress", required_argument, NULL, 'c' }, { "digest", no_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },           { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "e:r:u:l:v:m:c:dh", options, NULL)) != -1) {
        CRError *error = NULL;
        if (option == 'h')
            return fputs(help, stdout) < 0 ? FAILED : DONE;
        if (option == '?')
            return usage_error("unknown option");
        if (take_option(option, request, &error) < 0)
            return error != NULL ? failed(error) : usage_error("an option has an unusable value");
    }
    if (argc - optind != 2)
        return usage_error("a bundle and an archive are needed");
    if ((request->rootfs == NULL) != (request->upper == NULL) || (request->rootfs == NULL) != (request->lower_len == 0))
        return usage_error("--rootfs, --upper and --lower go together");
    request->bundle = argv[optind];
    request->archive = argv[optind + 1];
    if (strcmp(request->archive, "-") == 0 && isatty(STDOUT_FILENO))
        return usage_error("standard output is a terminal");
    return export_files(request);
}

int main(int argc, char **argv)
{
    /* There are fewer directories than arguments. */
    struct request request = {
        .lower = calloc((size_t)argc + 1, sizeof(CRPlace)),
        .directories = calloc((size_t)argc + 1, sizeof(struct directory)),
        .engine = CR_ENGINE_PODMAN,
    };
    int code = FAILED;

    program = "cr-export";
    request.export = CRExportNew();
    request.options = CRExportOptionsNew();
    if (request.lower != NULL && request.directories != NULL)
        code = run(&request, argc, argv);
    CRExportOptionsFree(request.options);
    CRExportFree(request.export);
    free(request.directories);
    free(request.lower);
    return code;
}
