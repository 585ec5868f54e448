/* SPDX-License-Identifier: Apache-2.0 */
/* Tells what is in a checkpoint archive. See `cr-inspect --help`. */

#include "common.h"

static const char help[] =
    "Usage: cr-inspect [OPTION]... ARCHIVE\n"
    "Tells what is in a checkpoint archive. ARCHIVE may be compressed; - is standard input.\n"
    "\n"
    "  -l, --list       lists all members\n"
    "  -j, --json       prints one JSON object, with all that the archive says of the container\n"
    "      --spool DIR  where to keep a large archive from a pipe while it is looked at\n"
    "                   (default: $TMPDIR, or /var/tmp); the file has no name and goes by itself\n"
    "  -h, --help       prints this\n"
    "\n" EXIT_CODES;

/* What is known of an archive. */
struct found {
    CRMetadata *metadata;
    CRMemberList *members;
};

static const struct {
    uint32_t number;
    const char *label, *key;
} classes[] = {
    { CR_CLASS_MEMORY_PAGES, "memory pages", "memory_pages" },
    { CR_CLASS_GPU_PAGES, "GPU pages", "gpu_pages" },
    { CR_CLASS_CRIU_IMAGE, "other CRIU images", "criu_images" },
    { CR_CLASS_ROOTFS_DIFF, "root file system changes", "rootfs_diff" },
    { CR_CLASS_VOLUME, "volumes", "volumes" },
    { CR_CLASS_SHM, "/dev/shm", "shm" },
    { CR_CLASS_LOG, "logs", "logs" },
    { CR_CLASS_CONFIGURATION, "configuration", "configuration" },
    { CR_CLASS_OTHER, "other", "other" },
};

#define CLASSES (sizeof classes / sizeof *classes)

/* Prints "label  text" unless there is no text. */
static void print_text(const char *label, const char *text)
{
    char escaped[4096];

    if (text != NULL && *text != '\0')
        printf("%-14s%s\n", label, safe(text, escaped, sizeof escaped));
}

static const char *text_of(const struct found *found, uint32_t which)
{
    return CRMetadataText(found->metadata, which);
}

static const char *engine_name(uint32_t engine)
{
    static const char *const names[] = {
        [CR_ENGINE_UNKNOWN] = "unknown", [CR_ENGINE_PODMAN] = "podman", [CR_ENGINE_CRIO] = "CRI-O",
        [CR_ENGINE_CONTAINERD] = "containerd",
    };

    return names[engine < sizeof names / sizeof *names ? engine : CR_ENGINE_UNKNOWN];
}

static void print_container(const struct found *found)
{
    const char *name = text_of(found, CR_TEXT_CONTAINER_NAME), *full_name = text_of(found, CR_TEXT_NAME);

    print_text("engine", engine_name(CRMetadataEngine(found->metadata)));
    print_text("container", name != NULL ? name : full_name);
    if (name != NULL && full_name != NULL && strcmp(name, full_name) != 0)
        print_text("  full name", full_name);
    print_text("  id", text_of(found, CR_TEXT_ID));
    print_text("image", text_of(found, CR_TEXT_IMAGE_NAME));
    print_text("  ref", text_of(found, CR_TEXT_IMAGE_REF));
    print_text("runtime", text_of(found, CR_TEXT_RUNTIME));
    print_text("created", text_of(found, CR_TEXT_CREATED));
    print_text("checkpointed", text_of(found, CR_TEXT_CHECKPOINTED));
    print_text("restored", text_of(found, CR_TEXT_RESTORED));
    print_text("pod", text_of(found, CR_TEXT_POD_NAME));
    print_text("  namespace", text_of(found, CR_TEXT_POD_NAMESPACE));
    print_text("  id", text_of(found, CR_TEXT_POD_ID));
}

/* Names the volumes, as they are to be named to import them: volumes/NAME.tar. */
static void print_volumes(const CRMemberList *members)
{
    char name[4096];

    for (size_t i = 0; i < CRMemberListLen(members); i++) {
        const CRMember *member = CRMemberListAt(members, i);
        const char *from = strstr(member->name, "volumes/"), *end = strrchr(member->name, '.');
        if (member->member_class == CR_CLASS_VOLUME && from != NULL && end > from + 8) {
            snprintf(name, sizeof name, "%.*s", (int)(end - from - 8), from + 8);
            print_text("volume", name);
        }
    }
}

/* How many members are of a class. Those of classes that this program doesn't know are counted with the last one. */
static size_t count(const CRMemberList *members, size_t which)
{
    size_t counted = 0;

    for (size_t i = 0; i < CRMemberListLen(members); i++) {
        size_t class = 0;
        while (class < CLASSES - 1 && classes[class].number != CRMemberListAt(members, i)->member_class)
            class++;
        counted += class == which;
    }
    return counted;
}

static void print_sizes(const CRMemberList *members)
{
    char size[16];
    uint64_t total = 0;

    printf("\n%-26s%8s%14s\n", "", "members", "size");
    for (size_t i = 0; i < CLASSES; i++) {
        size_t counted = count(members, i);
        uint64_t bytes = CRMemberListBytes(members, classes[i].number);
        total += bytes;
        if (counted > 0)
            printf("%-26s%8zu%14s\n", classes[i].label, counted, human(bytes, size));
    }
    printf("%-26s%8zu%14s\n", "together", CRMemberListLen(members), human(total, size));
}

static void print_list(const CRMemberList *members)
{
    char size[16], name[8192];

    printf("\n");
    for (size_t i = 0; i < CRMemberListLen(members); i++) {
        const CRMember *member = CRMemberListAt(members, i);
        char kind = member->kind <= CR_MEMBER_FIFO ? "-dlhcbp"[member->kind] : '?';
        printf("%c%13s  %s\n", kind, human(member->size, size), safe(member->name, name, sizeof name));
    }
}

/* The JSON of the library has no line breaks within strings, and escapes what doesn't print. */
static int print_json(const struct found *found)
{
    CRError *error;
    char *json;

    if (CRMetadataJson(found->metadata, &json, &error) < 0)
        return failed(error);
    printf("{\n  \"metadata\": ");
    for (const char *at = json; *at != '\0'; at++) {
        putchar(*at);
        if (*at == '\n' && at[1] != '\0')
            printf("  ");
    }
    CRStringFree(json);
    printf(",\n  \"sizes\": {");
    for (size_t i = 0; i < CLASSES; i++)
        printf("%s\n    \"%s\": { \"members\": %zu, \"bytes\": %llu }", i == 0 ? "" : ",", classes[i].key,
               count(found->members, i), (unsigned long long)CRMemberListBytes(found->members, classes[i].number));
    printf("\n  }\n}\n");
    return DONE;
}

static bool has(const struct found *found, uint32_t document)
{
    const void *bytes;
    size_t len;

    return CRMetadataDocument(found->metadata, document, &bytes, &len, NULL) == 0;
}

/* Looks at an archive; what it stores in found is freed by the caller, after a failure too. */
static int look(const char *archive, const char *spool, struct found *found)
{
    CRError *error = NULL;
    CRImport *import = NULL;
    CRImportOptions *options = CRImportOptionsNew();
    CRWatch *watch = watch_new(&error);
    int result = watch == NULL ? -1 : CRImportOptionsSpoolDirectory(options, spool, &error);

    if (result == 0 && strcmp(archive, "-") == 0)
        result = CRImportOpenDescriptor(STDIN_FILENO, options, watch, &import, &error);
    else if (result == 0)
        result = CRImportOpen(archive, options, watch, &import, &error);
    /* The members first: documents behind config.dump and spec.dump are known then, too. */
    if (result == 0)
        result = CRImportMembers(import, &found->members, &error);
    if (result == 0)
        result = CRImportMetadata(import, &found->metadata, &error);
    CRImportFree(import);
    CRImportOptionsFree(options);
    watch_free(watch);
    if (result < 0)
        return failed(error);
    if (has(found, CR_DOCUMENT_CONFIG) || has(found, CR_DOCUMENT_POD_OPTIONS))
        return DONE;
    fprintf(stderr, "%s: there is no config.dump: this is no checkpoint, or an incomplete one\n", program);
    return REFUSED;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "list", no_argument, NULL, 'l' },        { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
        { "spool", required_argument, NULL, 's' }, { NULL, 0, NULL, 0 },
    };
    struct found found = { NULL, NULL };
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
            fputs(help, stdout);
            return DONE;
        default:
            return usage_error(NULL);
        }
    }
    if (argc - optind != 1)
        return usage_error(optind == argc ? "which archive?" : "one archive at a time");

    code = look(argv[optind], spool == NULL || *spool == '\0' ? "/var/tmp" : spool, &found);
    if (code == DONE && json) {
        code = print_json(&found);
    } else if (code == DONE) {
        print_container(&found);
        print_volumes(found.members);
        print_sizes(found.members);
        if (list)
            print_list(found.members);
    }
    CRMemberListFree(found.members);
    CRMetadataFree(found.metadata);
    if (code == DONE && (fflush(stdout) != 0 || ferror(stdout)))
        return FAILED;
    return code;
}
