/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a checkpoint archive of a bundle and of what belongs to its container. See `cr-export --help`. */

#include "common.h"

static const char help[] =
    "Usage: cr-export [OPTION]... BUNDLE OUTPUT\n"
    "Makes a checkpoint archive of a container: of its bundle, where the runtime has put the checkpoint, and\n"
    "of what the options name. OUTPUT appears when it is whole; - is standard output.\n"
    "\n"
    "  -e, --engine NAME        whose members a bundle has: podman (the default) or crio\n"
    "  -r, --rootfs MOUNT       adds the changes of the root file system that is mounted there, an overlay of\n"
    "                           --lower and --upper\n"
    "  -l, --lower DIR          a lower directory of the overlay, the top one first; may be given for each\n"
    "  -u, --upper DIR          the upper directory of the overlay\n"
    "  -w, --work DIR           its work directory, if it is mounted with an index\n"
    "  -v, --volume NAME=DIR    adds a named volume; may be given for each\n"
    "  -m, --shm DIR            adds the container's own /dev/shm\n"
    "  -c, --compress HOW       none, gzip[:LEVEL] or zstd[:LEVEL] (the default)\n"
    "  -d, --digest             prints the archive's SHA-256\n"
    "  -s, --sync               returns when the archive is on the disk\n"
    "  -h, --help               prints this\n"
    "\n"
    "What the engine itself mounts or writes when it starts a container isn't among the changes. Members\n"
    "that a bundle may have and hasn't are named.\n"
    "\n" EXIT_CODES;

/* What the arguments ask for. */
struct wish {
    const char *bundle, *output, *rootfs, *upper, *work, *shm;
    const char **lower;
    CRVolume *volumes;
    size_t lower_len, volumes_len;
    uint32_t layout, compression;
    int level;
    bool digest, sync;
};

/* Adds the changes of the root file system, without what the engine makes anew at each start. */
static int add_changes(const struct wish *wish, CRExport *export, CRError **error)
{
    CRChangesOptions *options = CRChangesOptionsNew();
    uint32_t engine = wish->layout == CR_LAYOUT_CRIO ? CR_EXCLUDE_CRIO : CR_EXCLUDE_PODMAN;
    int result = CRChangesOptionsExcludeEngine(options, engine, error);

    if (result == 0 && wish->work != NULL)
        result = CRChangesOptionsWorkDirectory(options, wish->work, error);
    if (result == 0)
        result = CRExportAddRootFsDiffFromOverlay(export, wish->lower, wish->lower_len, wish->upper, options,
                                                  wish->rootfs, error);
    CRChangesOptionsFree(options);
    return result;
}

static int add_all(const struct wish *wish, CRExport *export, CRError **error)
{
    char name[4096];
    int result = CRExportAddBundle(export, wish->bundle, wish->layout, error);

    if (result == 0 && wish->rootfs != NULL)
        result = add_changes(wish, export, error);
    for (size_t i = 0; result == 0 && i < wish->volumes_len; i++) {
        snprintf(name, sizeof name, "volumes/%s.tar", wish->volumes[i].name);
        result = CRExportAddDirectoryTar(export, name, wish->volumes[i].directory, error);
    }
    if (result == 0 && wish->shm != NULL)
        result = CRExportAddDirectoryTar(export, "devshm-checkpoint.tar", wish->shm, error);
    return result;
}

static int write_archive(const struct wish *wish, CRExport *export, const CRWatch *watch, CRError **error)
{
    CRExportOptions *options = CRExportOptionsNew();
    int result = CRExportOptionsCompression(options, wish->compression, wish->level, error);

    if (result == 0)
        result = CRExportOptionsDigest(options, wish->digest, error);
    if (result == 0)
        result = CRExportOptionsSync(options, wish->sync, error);
    if (result == 0 && strcmp(wish->output, "-") == 0)
        result = CRExportToDescriptor(export, STDOUT_FILENO, options, watch, error);
    else if (result == 0)
        result = CRExportToFile(export, wish->output, options, watch, error);
    CRExportOptionsFree(options);
    return result;
}

/* Says what was made. Standard output may be the archive. */
static void tell(const struct wish *wish, const CRExport *export)
{
    bool piped = strcmp(wish->output, "-") == 0;
    char **missing, size[16];

    if (CRExportMissing(export, &missing, NULL) == 0) {
        for (char **name = missing; *name != NULL; name++)
            fprintf(stderr, "%s%s", name == missing ? "not in the bundle, and left out: " : ", ", *name);
        if (*missing != NULL)
            fputc('\n', stderr);
        CRStringArrayFree(missing);
    }
    if (wish->digest)
        fprintf(piped ? stderr : stdout, "%s  %s\n", CRExportDigest(export), wish->output);
    else if (!piped)
        printf("%s: %llu members, %s\n", wish->output, (unsigned long long)CRExportMembers(export),
               human(CRExportBytes(export), size));
}

static int export_files(const struct wish *wish)
{
    CRError *error = NULL;
    CRExport *export = CRExportNew();
    CRWatch *watch = watch_new(&error);
    int result = watch == NULL ? -1 : add_all(wish, export, &error);

    if (result == 0)
        result = write_archive(wish, export, watch, &error);
    watch_free(watch);
    if (result == 0)
        tell(wish, export);
    CRExportFree(export);
    return result < 0 ? failed(error) : DONE;
}

/* Reads "none", "gzip:9", "zstd" and the like; the library knows which levels there are. */
static bool take_compression(char *text, struct wish *wish)
{
    static const struct {
        const char *name;
        uint32_t compression;
    } known[] = { { "none", CR_COMPRESSION_NONE }, { "gzip", CR_COMPRESSION_GZIP }, { "zstd", CR_COMPRESSION_ZSTD } };
    char *colon = strchr(text, ':'), *end;

    wish->level = 0;
    if (colon != NULL) {
        *colon = '\0';
        wish->level = (int)strtol(colon + 1, &end, 10);
        if (wish->level <= 0 || *end != '\0')
            return false;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(text, known[i].name) == 0) {
            wish->compression = known[i].compression;
            return true;
        }
    }
    return false;
}

/* Takes one option into account; false if it is used wrongly. */
static bool take_option(int option, struct wish *wish)
{
    switch (option) {
    case 'e':
        wish->layout = strcmp(optarg, "crio") == 0 ? CR_LAYOUT_CRIO : CR_LAYOUT_PODMAN;
        return wish->layout == CR_LAYOUT_CRIO || strcmp(optarg, "podman") == 0;
    case 'r':
        wish->rootfs = optarg;
        return true;
    case 'l':
        wish->lower[wish->lower_len++] = optarg;
        return true;
    case 'u':
        wish->upper = optarg;
        return true;
    case 'w':
        wish->work = optarg;
        return true;
    case 'v':
        return split_volume(optarg, &wish->volumes[wish->volumes_len++]);
    case 'm':
        wish->shm = optarg;
        return true;
    case 'c':
        return take_compression(optarg, wish);
    case 'd':
        wish->digest = true;
        return true;
    case 's':
        wish->sync = true;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "engine", required_argument, NULL, 'e' },   { "rootfs", required_argument, NULL, 'r' },
        { "lower", required_argument, NULL, 'l' },    { "upper", required_argument, NULL, 'u' },
        { "work", required_argument, NULL, 'w' },     { "volume", required_argument, NULL, 'v' },
        { "shm", required_argument, NULL, 'm' },      { "compress", required_argument, NULL, 'c' },
        { "digest", no_argument, NULL, 'd' },         { "sync", no_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },           { NULL, 0, NULL, 0 },
    };
    /* There are fewer directories than arguments. */
    struct wish wish = {
        .lower = calloc((size_t)argc, sizeof(char *)),
        .volumes = calloc((size_t)argc, sizeof(CRVolume)),
        .layout = CR_LAYOUT_PODMAN,
        .compression = CR_COMPRESSION_ZSTD,
    };
    int option, code;

    program = "cr-export";
    while ((option = getopt_long(argc, argv, "e:r:l:u:w:v:m:c:dsh", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return DONE;
        }
        if (option == '?')
            return usage_error(NULL);
        if (wish.lower == NULL || wish.volumes == NULL || !take_option(option, &wish)) {
            fprintf(stderr, "%s: '%s' isn't what this option takes\n", program, optarg);
            return usage_error(NULL);
        }
    }
    if (argc - optind != 2)
        return usage_error("which bundle, and where to?");
    if ((wish.rootfs == NULL) != (wish.upper == NULL) || (wish.rootfs == NULL) != (wish.lower_len == 0))
        return usage_error("--rootfs, --lower and --upper go together");
    wish.bundle = argv[optind];
    wish.output = argv[optind + 1];
    if (strcmp(wish.output, "-") == 0 && isatty(STDOUT_FILENO))
        return usage_error("an archive isn't written to a terminal");
    code = export_files(&wish);
    free(wish.lower);
    free(wish.volumes);
    return code;
}
