/* SPDX-License-Identifier: Apache-2.0 */
/* Restores the files of a container from a checkpoint archive, in one pass. See `cr-import --help`. */

#include "common.h"
#include <errno.h>
#include <fcntl.h>

static const char help[] =
    "Usage: cr-import [OPTION]... ARCHIVE\n"
    "Restores the files of a container from a checkpoint archive, in one pass over it. ARCHIVE may be\n"
    "compressed; - is standard input. What has no directory of its own goes into the bundle.\n"
    "\n"
    "  -b, --bundle DIR         what the runtime restores from; it is made if it is missing\n"
    "  -c, --config             puts config.dump and spec.dump into the bundle, too\n"
    "  -r, --rootfs DIR         applies the changes of the root file system to DIR, which holds the image's\n"
    "                           files, and removes there what the container had deleted\n"
    "  -v, --volume NAME=DIR    extracts a named volume; may be given for each\n"
    "  -m, --shm DIR            extracts the container's own /dev/shm\n"
    "  -e, --expect SHA256      refuses an archive that has another digest\n"
    "  -d, --digest             prints the archive's SHA-256\n"
    "  -s, --strict             refuses names at the top that no engine writes, names that are absolute or have\n"
    "                           a \"..\", and an archive that ends without its end marker\n"
    "      --max-bytes N        refuses an archive that makes more than N bytes of data\n"
    "      --oci-whiteouts      takes \".wh.\" files in the changes for deletions, as containerd writes them\n"
    "      --ignore-ownership   makes all files the caller's\n"
    "      --spool DIR          where --config keeps what a pipe has before the configuration, if it is much\n"
    "  -h, --help               prints this\n"
    "\n"
    "A missing directory has to be named by an absolute path, and so has the root file system. After a\n"
    "failure a bundle that was made is removed again; in directories that were there, what was done stays.\n"
    "\n" EXIT_CODES;

/* What the arguments ask for. */
struct wish {
    const char *archive, *bundle, *rootfs, *shm, *spool, *expect;
    CRVolume *volumes;
    size_t volumes_len;
    bool config, digest, strict, whiteouts, ignore_ownership;
    uint64_t max_bytes;
};

/* Puts one document into the bundle, unless the archive has none. */
static int write_document(const CRMetadata *metadata, uint32_t document, const char *bundle, const char *name)
{
    const void *bytes;
    size_t len;
    char path[4096];

    if (CRMetadataDocument(metadata, document, &bytes, &len, NULL) < 0)
        return DONE;
    snprintf(path, sizeof path, "%s/%s", bundle, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool written = file != NULL && fwrite(bytes, 1, len, file) == len;
    if (file == NULL || fclose(file) != 0 || !written) {
        fprintf(stderr, "%s: %s: %s\n", program, path, strerror(errno));
        return FAILED;
    }
    return DONE;
}

static int set_options(const struct wish *wish, CRImportOptions *options, CRError **error)
{
    const struct {
        bool wanted;
        uint32_t option;
    } switches[] = {
        { wish->digest, CR_IMPORT_DIGEST },
        { wish->strict, CR_IMPORT_STRICT_NAMES },
        { wish->strict, CR_IMPORT_KNOWN_NAMES },
        { wish->strict, CR_IMPORT_END_MARKER },
        { wish->whiteouts, CR_IMPORT_OCI_WHITEOUTS },
        { wish->ignore_ownership, CR_IMPORT_IGNORE_OWNERSHIP },
    };
    int result = 0;

    for (size_t i = 0; result == 0 && i < sizeof switches / sizeof *switches; i++)
        result = CRImportOptionsSet(options, switches[i].option, switches[i].wanted, error);
    if (result == 0 && wish->max_bytes > 0)
        result = CRImportOptionsLimit(options, CR_LIMIT_TOTAL_BYTES, wish->max_bytes, error);
    if (result == 0 && wish->expect != NULL)
        result = CRImportOptionsExpectedDigest(options, wish->expect, error);
    if (result == 0 && wish->spool != NULL)
        result = CRImportOptionsSpoolDirectory(options, wish->spool, error);
    return result;
}

/* Says where everything goes, and has it brought there. */
static int extract(const struct wish *wish, CRImport *import, CRError **error)
{
    int result = 0;

    if (wish->bundle != NULL)
        result = CRImportToBundle(import, wish->bundle, error);
    if (result == 0 && wish->rootfs != NULL)
        result = CRImportToRoot(import, wish->rootfs, error);
    for (size_t i = 0; result == 0 && i < wish->volumes_len; i++)
        result = CRImportToVolume(import, wish->volumes[i].name, wish->volumes[i].directory, error);
    if (result == 0 && wish->shm != NULL)
        result = CRImportToShm(import, wish->shm, error);
    return result == 0 ? CRImportExtract(import, error) : result;
}

static int import_files(const struct wish *wish)
{
    CRError *error = NULL;
    CRImport *import = NULL;
    CRMetadata *metadata = NULL;
    CRImportOptions *options = CRImportOptionsNew();
    CRWatch *watch = watch_new(&error);
    int result = watch == NULL ? -1 : set_options(wish, options, &error), code;

    if (result == 0 && strcmp(wish->archive, "-") == 0)
        result = CRImportOpenDescriptor(STDIN_FILENO, options, watch, &import, &error);
    else if (result == 0)
        result = CRImportOpen(wish->archive, options, watch, &import, &error);
    if (result == 0 && wish->config)
        result = CRImportMetadata(import, &metadata, &error);
    if (result == 0)
        result = extract(wish, import, &error);
    watch_free(watch);

    code = result < 0 ? failed(error) : DONE;
    if (code == DONE && wish->config)
        code = write_document(metadata, CR_DOCUMENT_CONFIG, wish->bundle, "config.dump");
    if (code == DONE && wish->config)
        code = write_document(metadata, CR_DOCUMENT_SPEC, wish->bundle, "spec.dump");
    if (code == DONE && wish->digest)
        printf("%s  %s\n", CRImportDigest(import), wish->archive);
    CRMetadataFree(metadata);
    CRImportFree(import);
    CRImportOptionsFree(options);
    return code;
}

/* Takes one option into account; false if it is used wrongly. */
static bool take_option(int option, struct wish *wish)
{
    char *end;

    switch (option) {
    case 'b':
        wish->bundle = optarg;
        return true;
    case 'c':
        wish->config = true;
        return true;
    case 'r':
        wish->rootfs = optarg;
        return true;
    case 'v':
        return split_volume(optarg, &wish->volumes[wish->volumes_len++]);
    case 'm':
        wish->shm = optarg;
        return true;
    case 'e':
        wish->expect = optarg;
        return true;
    case 'd':
        wish->digest = true;
        return true;
    case 's':
        wish->strict = true;
        return true;
    case 'M':
        wish->max_bytes = strtoull(optarg, &end, 10);
        return wish->max_bytes > 0 && *end == '\0' && *optarg != '-';
    case 'W':
        wish->whiteouts = true;
        return true;
    case 'I':
        wish->ignore_ownership = true;
        return true;
    case 'S':
        wish->spool = optarg;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "bundle", required_argument, NULL, 'b' },    { "config", no_argument, NULL, 'c' },
        { "rootfs", required_argument, NULL, 'r' },    { "volume", required_argument, NULL, 'v' },
        { "shm", required_argument, NULL, 'm' },       { "expect", required_argument, NULL, 'e' },
        { "digest", no_argument, NULL, 'd' },          { "strict", no_argument, NULL, 's' },
        { "max-bytes", required_argument, NULL, 'M' }, { "oci-whiteouts", no_argument, NULL, 'W' },
        { "spool", required_argument, NULL, 'S' },     { "ignore-ownership", no_argument, NULL, 'I' },
        { "help", no_argument, NULL, 'h' },            { NULL, 0, NULL, 0 },
    };
    /* There are fewer volumes than arguments. */
    struct wish wish = { .volumes = calloc((size_t)argc, sizeof(CRVolume)) };
    int option, code;

    program = "cr-import";
    while ((option = getopt_long(argc, argv, "b:cr:v:m:e:dsh", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return DONE;
        }
        if (option == '?')
            return usage_error(NULL);
        if (wish.volumes == NULL || !take_option(option, &wish)) {
            fprintf(stderr, "%s: '%s' isn't what this option takes\n", program, optarg);
            return usage_error(NULL);
        }
    }
    if (argc - optind != 1)
        return usage_error(optind == argc ? "which archive?" : "one archive at a time");
    if (wish.bundle == NULL && wish.rootfs == NULL && wish.shm == NULL && wish.volumes_len == 0)
        return usage_error("where to? Name a bundle, a root file system, a volume's or a /dev/shm's directory");
    if (wish.config && wish.bundle == NULL)
        return usage_error("--config needs a bundle");
    wish.archive = argv[optind];
    code = import_files(&wish);
    free(wish.volumes);
    return code;
}
