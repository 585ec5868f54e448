/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what is in a checkpoint archive: its container, and its members by class. See `cr-inspect --help`. */

#define _POSIX_C_SOURCE 200809L
#include "common.h"

static const char help[] =
    "Usage: cr-inspect [OPTION]... ARCHIVE\n"
    "Prints what is in a checkpoint archive; - is standard input.\n"
    "\n"
    "  -l, --list       lists all members\n"
    "  -j, --json       prints what the archive tells of the container, as one JSON object\n"
    "      --spool DIR  the directory for a large archive from a pipe (default: $TMPDIR, or /var/tmp)\n"
    "  -h, --help       prints this\n"
    "\n" EXIT_CODES;

/* What the import tells. All of it belongs to the import. */
struct found {
    const CRMetadata *metadata;
    const CRMember *const *members;
    size_t members_len;
};

static void print_text(const char *label, const char *text)
{
    char escaped[4096];

    if (text != NULL && *text != '\0')
        printf("%-14s%s\n", label, safe(text, escaped, sizeof escaped));
}

static void print_container(const CRMetadata *metadata)
{
    static const struct {
        const char *label;
        uint32_t which;
    } texts[] = {
        { "  id", CR_TEXT_ID },
        { "image", CR_TEXT_IMAGE_NAME },
        { "  ref", CR_TEXT_IMAGE_REF },
        { "runtime", CR_TEXT_RUNTIME },
        { "created", CR_TEXT_CREATED },
        { "checkpointed", CR_TEXT_CHECKPOINTED },
        { "restored", CR_TEXT_RESTORED },
        { "pod", CR_TEXT_POD_NAME },
        { "  namespace", CR_TEXT_POD_NAMESPACE },
        { "  id", CR_TEXT_POD_ID },
    };
    const char *engine = CREngineName(CRMetadataEngine(metadata));
    const char *name = CRMetadataText(metadata, CR_TEXT_CONTAINER_NAME);

    print_text("engine", engine == NULL ? "unknown" : engine);
    print_text("container", name == NULL ? CRMetadataText(metadata, CR_TEXT_NAME) : name);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        print_text(texts[i].label, CRMetadataText(metadata, texts[i].which));
}

static void print_row(const char *label, size_t count, uint64_t bytes)
{
    char size[16];

    printf("%-26s%8zu%14s\n", label, count, human(bytes, size));
}

/* Prints the members of each class that this version of the library knows. */
static void print_classes(const struct found *found)
{
    const char *name;
    uint64_t all = 0;

    printf("\n%-26s%8s%14s\n", "", "members", "size");
    for (uint32_t class = 1; (name = CRClassName(class)) != NULL; class++) {
        size_t count = 0;
        uint64_t bytes = 0;
        for (size_t i = 0; i < found->members_len; i++) {
            if (found->members[i]->member_class != class)
                continue;
            count++;
            bytes += found->members[i]->size;
        }
        all += bytes;
        if (count > 0)
            print_row(name, count, bytes);
    }
    print_row("together", found->members_len, all);
}

static void print_list(const struct found *found)
{
    char size[16], name[8192];

    printf("\n");
    for (size_t i = 0; i < found->members_len; i++) {
        const CRMember *member = found->members[i];
        printf("%c%13s  %s\n", member->kind <= CR_MEMBER_FIFO ? "?-dlhcbp"[member->kind] : '?',
               human(member->size, size), safe(member->name, name, sizeof name));
    }
}

static int print_json(const CRMetadata *metadata)
{
    CRError *error = NULL;
    char *json;

    if (CRMetadataJson(metadata, &json, &error) < 0)
        return failed(error);
    puts(json);
    CRStringFree(json);
    return DONE;
}

static int open_archive(const char *archive, const char *spool, CRImport **import, CRError **error)
{
    CRImportOptions *options = CRImportOptionsNew();
    int result = CRImportOptionsSpoolDirectory(options, AT_FDCWD, spool, error);

    if (result == 0 && strcmp(archive, "-") == 0)
        result = CRImportOpen(STDIN_FILENO, "", options, watched, import, error);
    else if (result == 0)
        result = CRImportOpen(AT_FDCWD, archive, options, watched, import, error);
    CRImportOptionsFree(options);
    return result;
}

static int inspect(const char *archive, const char *spool, bool list, bool json)
{
    struct found found;
    CRError *error = NULL;
    CRImport *import = NULL;
    int result = watch_new(&error), code = DONE;

    if (result == 0)
        result = open_archive(archive, spool, &import, &error);
    /* The members first: then documents that come after config.dump and spec.dump are known, too. */
    if (result == 0)
        result = CRImportMembers(import, &found.members, &found.members_len, &error);
    if (result == 0)
        result = CRImportMetadata(import, &found.metadata, &error);
    watch_free();
    if (result < 0) {
        code = failed(error);
    } else if (json) {
        code = print_json(found.metadata);
    } else {
        print_container(found.metadata);
        print_classes(&found);
        if (list)
            print_list(&found);
    }
    CRImportFree(import);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "list", no_argument, NULL, 'l' },        { "json", no_argument, NULL, 'j' },
        { "spool", required_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *spool = getenv("TMPDIR");
    bool json = false, list = false;
    int option, code;

    program = "cr-inspect";
    while ((option = getopt_long(argc, argv, "ljh", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            list = true;
            break;
        case 'j':
            json = true;
            break;
        case 's':
            spool = optarg;
            break;
        case 'h':
            return fputs(help, stdout) < 0 ? FAILED : DONE;
        default:
            return usage_error("unknown option");
        }
    }
    if (argc - optind != 1)
        return usage_error("one archive is needed");
    code = inspect(argv[optind], spool == NULL || *spool == '\0' ? "/var/tmp" : spool, list, json);
    if (code == DONE && (fflush(stdout) != 0 || ferror(stdout)))
        return FAILED;
    return code;
}
