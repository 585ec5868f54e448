/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves containers between hosts, with nothing but an OCI runtime, CRIU and the library. If memory runs out, it aborts,
 * as the library does. See `cr-migrate --help`.
 */

#define _GNU_SOURCE
#include "common.h"
#include <ftw.h>
#include <limits.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char help[] =
    "Usage: cr-migrate [OPTION]... run BUNDLE CONTAINER\n"
    "       cr-migrate [OPTION]... checkpoint BUNDLE CONTAINER ARCHIVE\n"
    "       cr-migrate [OPTION]... restore BUNDLE CONTAINER ARCHIVE\n"
    "Runs a container of a bundle; checkpoints it into an archive; restores it from the archive, on this host or\n"
    "on another. ARCHIVE may be - for standard output or input. Needs root, an OCI runtime, and CRIU.\n"
    "\n"
    "  -i, --image DIR          a layer of the image, which isn't changed; may be repeated, the top one first. Each\n"
    "                           command needs the same image\n"
    "  -r, --runtime NAME       the OCI runtime (runc)\n"
    "  -e, --expect SHA256      refuses to restore from an archive that has another digest\n"
    "  -h, --help               prints this\n"
    "\n"
    "BUNDLE has a config.json with the root \"rootfs\" and without a terminal (see `runc spec`). An overlay of the\n"
    "image is mounted at BUNDLE/rootfs. If an archive can't be written, the container continues where it was.\n"
    "Restore makes BUNDLE; if it fails, only logs are left of it.\n"
    "\n"
    "An archive decides which programs run when it is restored, and as which user: restore with the digest that\n"
    "checkpoint prints. To end a container: runc delete --force CONTAINER && umount BUNDLE/rootfs\n"
    "\n" EXIT_CODES;

/* A container, and where its files are. */
struct container {
    const char *id, *runtime, *archive, *expect;
    CRPlace *layers;
    size_t layers_len;
    char bundle[PATH_MAX], rootfs[PATH_MAX], upper[PATH_MAX], work[PATH_MAX], images[PATH_MAX], config[PATH_MAX],
        log[PATH_MAX];
};

/* Prints what errno means for something, and returns the exit code. */
static int broken(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
    return FAILED;
}

/* Runs the runtime, and waits for it. Its messages are in its log: its descriptors become those of the container, which
 * can be checkpointed only if they are /dev/null. */
static int invoke(const struct container *container, const char *const *words)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    int status = -1, failure;

    posix_spawn_file_actions_init(&actions);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    posix_spawnattr_init(&attributes);
    /* Ctrl-C is for this program, which cleans up before it ends. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    failure = posix_spawnp(&pid, words[0], &actions, &attributes, (char *const *)words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        errno = failure;
        return broken(words[0]);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status == 0)
        return DONE;
    fprintf(stderr, "%s: %s %s failed: see %s\n", program, words[0], words[3], container->log);
    return FAILED;
}

#define INVOKE(container, ...) \
    invoke(container, (const char *const[]){ (container)->runtime, "--log", (container)->log, __VA_ARGS__, NULL })

static int invoke_restore(const struct container *container)
{
    return INVOKE(container, "restore", "--detach", "--image-path", container->images, "--work-path", container->bundle,
                  "--bundle", container->bundle, container->id);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

/* Removes a directory with everything below it on this file system. It may be missing. */
static int remove_tree(const char *directory)
{
    if (nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
        return DONE;
    return broken(directory);
}

/* Mounts the root file system: an overlay of the image. */
static int mount_rootfs(const struct container *container)
{
    const char *const directories[] = { container->upper, container->work, container->rootfs };
    char options[4096];
    size_t used = 0;

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        if (mkdir(directories[i], 0755) != 0 && errno != EEXIST)
            return broken(directories[i]);
    }
    for (size_t i = 0; i < container->layers_len && used < sizeof options; i++)
        used += (size_t)snprintf(options + used, sizeof options - used, "%s%s", i == 0 ? "lowerdir=" : ":",
                                 container->layers[i].path);
    if (used < sizeof options)
        used += (size_t)snprintf(options + used, sizeof options - used, ",upperdir=%s,workdir=%s", container->upper,
                                 container->work);
    errno = E2BIG;
    if (used >= sizeof options || mount("overlay", container->rootfs, "overlay", 0, options) != 0)
        return broken(container->rootfs);
    return DONE;
}

/* Adds what changed in the root file system, and the attributes of its root, which no list of changes has. */
static int add_changes(const struct container *container, CRExport *export, CRError **error)
{
    static const CRChange root = { .path = "/", .kind = CR_CHANGE_MODIFY };
    CRChangesOptions *options = CRChangesOptionsNew();
    CRChangeList *list = NULL;
    const CRChange *found;
    CRChange *changes;
    size_t len;
    int result = CRChangesOptionsWorkDirectory(options, AT_FDCWD, container->work, error);

    if (result == 0)
        result = CRChangesOverlay(container->layers, container->layers_len, AT_FDCWD, container->upper, options, watched,
                                  &list, error);
    CRChangesOptionsFree(options);
    if (result < 0)
        return result;

    found = CRChangeListChanges(list, &len);
    changes = calloc(len + 1, sizeof *changes);
    if (changes == NULL)
        abort();
    changes[0] = root;
    if (len > 0)
        memcpy(changes + 1, found, len * sizeof *changes);
    result = CRExportAddRootFsDiff(export, changes, len + 1, AT_FDCWD, container->rootfs, error);
    free(changes);
    CRChangeListFree(list);
    return result;
}

/* Reads a text file into memory that the caller frees; NULL with errno. */
static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;
    ssize_t length;

    if (file == NULL)
        return NULL;
    /* An empty file is the end of the file, and leaves errno alone. */
    errno = ENODATA;
    length = getdelim(&text, &room, '\0', file);
    if (length < 0) {
        free(text);
        text = NULL;
    }
    *len = (size_t)length;
    fclose(file);
    return text;
}

/* Adds config.dump and spec.dump, which the library makes of the bundle's config.json and what is set here. */
static int add_metadata(const struct container *container, const char *spec, size_t spec_len, CRExport *export,
                        CRError **error)
{
    CRMetadata *metadata = CRMetadataNew();
    int result = CRMetadataAdd(metadata, CR_DOCUMENT_SPEC, spec, spec_len, error);

    if (result == 0)
        result = CRMetadataSetText(metadata, CR_TEXT_ID, container->id, error);
    if (result == 0)
        result = CRMetadataSetText(metadata, CR_TEXT_NAME, container->id, error);
    if (result == 0)
        result = CRMetadataSetText(metadata, CR_TEXT_RUNTIME, container->runtime, error);
    if (result == 0)
        result = CRMetadataBuild(metadata, CR_ENGINE_PODMAN, error);
    if (result == 0)
        result = CRExportAddMetadata(export, metadata, error);
    CRMetadataFree(metadata);
    return result;
}

/* Writes the archive. What a restore reads first comes first, so that it can read from a pipe. */
static int write_archive(const struct container *container)
{
    size_t spec_len;
    char *spec = read_file(container->config, &spec_len);
    if (spec == NULL)
        return broken(container->config);

    CRError *error = NULL;
    CRExport *export = CRExportNew();
    CRExportOptions *options = CRExportOptionsNew();
    bool piped = strcmp(container->archive, "-") == 0;
    int result = CRExportOptionsSet(options, CR_EXPORT_DIGEST, 1, &error);

    if (result == 0)
        result = CRExportOptionsSet(options, CR_EXPORT_SYNC, 1, &error);
    if (result == 0)
        result = add_metadata(container, spec, spec_len, export, &error);
    if (result == 0)
        result = CRExportAddMember(export, AT_FDCWD, container->bundle, "checkpoint", CR_PRESENCE_REQUIRED, &error);
    if (result == 0)
        result = add_changes(container, export, &error);
    if (result == 0)
        result = CRExportWrite(export, piped ? STDOUT_FILENO : AT_FDCWD, piped ? "" : container->archive, options, watched,
                               &error);
    line_clear();
    if (result == 0)
        fprintf(piped ? stderr : stdout, "%s  %s\n", CRExportResult(export)->digest, container->archive);
    CRExportOptionsFree(options);
    CRExportFree(export);
    free(spec);
    return result < 0 ? failed(error) : DONE;
}

static int run(const struct container *container)
{
    int code = mount_rootfs(container);

    if (code != DONE)
        return code;
    code = INVOKE(container, "run", "--detach", "--bundle", container->bundle, container->id);
    if (code != DONE)
        umount2(container->rootfs, UMOUNT_NOFOLLOW);
    return code;
}

static int checkpoint(const struct container *container)
{
    int code = remove_tree(container->images);

    if (code == DONE)
        code = INVOKE(container, "checkpoint", "--image-path", container->images, "--work-path", container->bundle,
                      container->id);
    if (code != DONE)
        return code;
    code = write_archive(container);
    /* It continues here, or from the archive: not both, and not neither. */
    if (code != DONE) {
        if (invoke_restore(container) == DONE)
            remove_tree(container->images);
    } else if (umount2(container->rootfs, UMOUNT_NOFOLLOW) != 0) {
        code = broken(container->rootfs);
    } else {
        code = remove_tree(container->images);
    }
    return code;
}

/* Checks that this is the runtime that made the checkpoint, and writes the specification that it was made with. */
static int take_metadata(const struct container *container, const CRMetadata *metadata)
{
    const char *made_with = CRMetadataText(metadata, CR_TEXT_RUNTIME);
    const void *spec;
    size_t len;
    char text[256];
    CRError *error = NULL;

    if (made_with == NULL || strcmp(made_with, container->runtime) != 0) {
        fprintf(stderr, "%s: the archive was made with '%s', and this is %s\n", program,
                safe(made_with == NULL ? "" : made_with, text, sizeof text), container->runtime);
        return REFUSED;
    }
    if (CRMetadataDocument(metadata, CR_DOCUMENT_SPEC, &spec, &len, &error) < 0)
        return failed(error);
    int fd = open(container->config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool written = file != NULL && fwrite(spec, 1, len, file) == len;
    if (file == NULL || fclose(file) != 0 || !written)
        return broken(container->config);
    return DONE;
}

static int set_options(const struct container *container, CRImportOptions *options, CRError **error)
{
    static const uint32_t wanted[] = { CR_IMPORT_STRICT_NAMES, CR_IMPORT_KNOWN_NAMES, CR_IMPORT_END_MARKER,
                                       CR_IMPORT_ROOT_ATTRIBUTES };
    int result = 0;

    for (size_t i = 0; result == 0 && i < sizeof wanted / sizeof *wanted; i++)
        result = CRImportOptionsSet(options, wanted[i], 1, error);
    if (result == 0 && container->expect != NULL)
        result = CRImportOptionsExpectedDigest(options, container->expect, error);
    return result;
}

/* Extracts the images and the root file system. */
static int extract(const struct container *container, CRImport *import, CRError **error)
{
    static const char *const images = "checkpoint";
    int result = CRImportToBundleOnly(import, AT_FDCWD, container->bundle, &images, 1, error);

    if (result == 0)
        result = CRImportToRoot(import, AT_FDCWD, container->rootfs, error);
    return result == 0 ? CRImportExtract(import, error) : result;
}

static int read_archive(const struct container *container)
{
    bool piped = strcmp(container->archive, "-") == 0;
    CRError *error = NULL;
    CRImport *import = NULL;
    const CRMetadata *metadata;
    CRImportOptions *options = CRImportOptionsNew();
    int result = set_options(container, options, &error), code = DONE;

    if (result == 0)
        result = CRImportOpen(piped ? STDIN_FILENO : AT_FDCWD, piped ? "" : container->archive, options, watched, &import,
                              &error);
    if (result == 0)
        result = CRImportMetadata(import, &metadata, &error);
    if (result == 0)
        code = take_metadata(container, metadata);
    if (result == 0 && code == DONE)
        result = extract(container, import, &error);
    line_clear();
    CRImportFree(import);
    CRImportOptionsFree(options);
    return result < 0 ? failed(error) : code;
}

static int restore(const struct container *container)
{
    int code = mount_rootfs(container);

    if (code == DONE)
        code = read_archive(container);
    if (code == DONE)
        code = invoke_restore(container);
    if (code == DONE)
        return remove_tree(container->images);
    umount2(container->rootfs, UMOUNT_NOFOLLOW);
    rmdir(container->rootfs);
    remove_tree(container->images);
    remove_tree(container->upper);
    remove_tree(container->work);
    unlink(container->config);
    /* It stays if there are logs in it. */
    rmdir(container->bundle);
    return code;
}

static const struct {
    const char *name;
    int (*run)(const struct container *container);
    bool archive, makes_bundle;
} commands[] = {
    { "run", run, false, false },
    { "checkpoint", checkpoint, true, false },
    { "restore", restore, true, true },
};

static const char not_plain[] = "a name may have no control characters, and none of , : \\ \"";

/* Whether a text can be an option of an overlay as it is. */
static bool is_plain(const char *text)
{
    while (*text != '\0' && (unsigned char)*text >= ' ' && strchr(",:\\\"", *text) == NULL)
        text++;
    return *text == '\0';
}

/* Sets the paths of the bundle's files. */
static int find_files(struct container *container, const char *bundle)
{
    const struct {
        char *path;
        const char *name;
    } files[] = {
        { container->rootfs, "rootfs" },     { container->upper, "upper" },        { container->work, "work" },
        { container->images, "checkpoint" }, { container->config, "config.json" }, { container->log, "runtime.log" },
    };

    if (realpath(bundle, container->bundle) == NULL)
        return broken(bundle);
    if (!is_plain(container->bundle))
        return usage_error(not_plain);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (snprintf(files[i].path, PATH_MAX, "%s/%s", container->bundle, files[i].name) >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return broken(bundle);
        }
    }
    return DONE;
}

/* Runs a command under a watch, which Ctrl-C cancels. */
static int under_watch(struct container *container, int (*work)(const struct container *container))
{
    CRError *error = NULL;
    int code = watch_new(&error) < 0 ? failed(error) : work(container);

    watch_free();
    return code;
}

/* Runs the command of these words. */
static int execute(struct container *container, char **words, int len)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (len == 0 || strcmp(words[0], commands[i].name) != 0)
            continue;
        if (len != (commands[i].archive ? 4 : 3))
            return usage_error(commands[i].archive ? "BUNDLE CONTAINER ARCHIVE are needed" : "BUNDLE CONTAINER are needed");
        container->id = words[2];
        container->archive = words[3];
        if (!is_plain(container->id))
            return usage_error(not_plain);
        if (commands[i].makes_bundle && mkdir(words[1], 0711) != 0)
            return broken(words[1]);
        int code = find_files(container, words[1]);
        if (code == DONE)
            return under_watch(container, commands[i].run);
        if (commands[i].makes_bundle)
            rmdir(words[1]);
        return code;
    }
    return usage_error("the command is run, checkpoint or restore");
}

/* Takes the command line, and does what it says. */
static int take(struct container *container, int argc, char **argv)
{
    static const struct option options[] = {
        { "image", required_argument, NULL, 'i' },  { "runtime", required_argument, NULL, 'r' },
        { "expect", required_argument, NULL, 'e' }, { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "i:r:e:h", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(help, stdout) < 0 ? FAILED : DONE;
        if (option == '?')
            return usage_error("unknown option");
        if (option == 'e') {
            container->expect = optarg;
            continue;
        }
        if (!is_plain(optarg))
            return usage_error(not_plain);
        if (option == 'i')
            container->layers[container->layers_len++] = (CRPlace){ AT_FDCWD, optarg };
        else
            container->runtime = optarg;
    }
    if (container->layers_len == 0)
        return usage_error("an --image is needed");
    if (!CRRuntimeSupportsCheckpointRestore(container->runtime)) {
        fprintf(stderr, "%s: %s can't checkpoint and restore\n", program, container->runtime);
        return FAILED;
    }
    return execute(container, argv + optind, argc - optind);
}

int main(int argc, char **argv)
{
    /* There are fewer layers than arguments. */
    struct container container = { .runtime = "runc", .layers = calloc((size_t)argc + 1, sizeof(CRPlace)) };
    int code = FAILED;

    program = "cr-migrate";
    /* The container's users may enter its root, whose mode is that of the upper directory. */
    umask(022);
    if (container.layers != NULL)
        code = take(&container, argc, argv);
    free(container.layers);
    return code;
}
