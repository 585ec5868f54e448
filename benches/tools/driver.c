/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation of the library in one process:
 *
 *     driver import ARCHIVE BUNDLE
 *     driver export none|gzip|zstd podman|crio BUNDLE ARCHIVE
 *     driver apply BASE ROOT                      BASE/rootfs-diff.tar onto ROOT
 *     driver diff LIST MOUNT DESTINATION          LIST: a letter (C, A or D), a blank and a path a line
 *     driver changes-directories NEW OLD
 *     driver changes-overlay UPPER LOWER...
 *     driver runtime ARCHIVE TIMES                again and again in this process; prints the median in seconds
 *     driver list ARCHIVE TIMES                   the same: all members
 *     driver import-again ARCHIVE BUNDLE TIMES    the same; the bundle is removed in between, which isn't counted
 *     driver member ARCHIVE BUNDLE TIMES NAME     the same, of one member
 *     driver inspect ARCHIVE TIMES                the same: the processes with their arguments
 *     driver image kept|gzip|zstd ARCHIVE LAYOUT  an image of an archive; kept: an archive that can be is the layer
 */

#define _GNU_SOURCE
#include <crutils.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMES_MAX 100000

static CRError *error;

static int import(char **argument)
{
    return CRImportCheckpointWithoutConfig(argument[1], argument[0], &error);
}

static int export(char **argument)
{
    uint32_t compression = strcmp(argument[0], "zstd") == 0   ? CR_COMPRESSION_ZSTD
                           : strcmp(argument[0], "gzip") == 0 ? CR_COMPRESSION_GZIP
                                                              : CR_COMPRESSION_NONE;
    uint32_t engine = strcmp(argument[1], "crio") == 0 ? CR_ENGINE_CRIO : CR_ENGINE_PODMAN;
    CRExport *checkpoint = CRExportNew();
    CRExportOptions *options = CRExportOptionsNew();
    int result = CRExportOptionsSet(options, CR_EXPORT_COMPRESSION, compression, &error);

    if (result == 0)
        result = CRExportAddBundle(checkpoint, AT_FDCWD, argument[2], engine, &error);
    if (result == 0)
        result = CRExportWrite(checkpoint, AT_FDCWD, argument[3], options, NULL, &error);
    CRExportOptionsFree(options);
    CRExportFree(checkpoint);
    return result;
}

static int apply(char **argument)
{
    char root[PATH_MAX];

    if (realpath(argument[1], root) == NULL)
        return -errno;
    return CRApplyRootFsDiffTar(argument[0], root, &error);
}

static int remove_deleted(char **argument)
{
    char root[PATH_MAX];

    if (realpath(argument[1], root) == NULL)
        return -errno;
    return CRRemoveDeletedFiles("id", argument[0], root, &error);
}

/* Reads a list into changes, whose paths stay in the text that it returns. */
static char *read_list(const char *name, CRChange **changes, size_t *len)
{
    FILE *file = fopen(name, "r");
    char *text = NULL;
    size_t size = 0, room = 1024;

    if (file == NULL || getdelim(&text, &size, '\0', file) < 0)
        return NULL;
    fclose(file);
    *len = 0;
    *changes = malloc(room * sizeof **changes);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (*len == room)
            *changes = realloc(*changes, (room *= 2) * sizeof **changes);
        (*changes)[(*len)++] = (CRChange){
            .path = line + 2,
            .kind = *line == 'A'   ? CR_CHANGE_ADD
                    : *line == 'D' ? CR_CHANGE_DELETE
                                   : CR_CHANGE_MODIFY,
        };
    }
    return text;
}

static int diff(char **argument)
{
    char **include = NULL;
    CRChange *changes = NULL;
    size_t len = 0;
    char *text = read_list(argument[0], &changes, &len);
    int result = text == NULL ? -errno
                              : CRCreateRootFsDiffTar(changes, len, argument[1], argument[2], &include, &error);

    CRStringArrayFree(include);
    free(changes);
    free(text);
    return result;
}

static int count(int result, CRChangeList *list)
{
    if (result == 0) {
        size_t len = 0;

        CRChangeListChanges(list, &len);
        printf("changes %zu\n", len);
    }
    CRChangeListFree(list);
    return result;
}

static int changes_directories(char **argument)
{
    CRChangeList *list = NULL;
    int result = CRChangesDirectories(AT_FDCWD, argument[0], AT_FDCWD, argument[1], NULL, NULL, &list, &error);

    return count(result, list);
}

static int changes_overlay(char **argument)
{
    CRChangeList *list = NULL;
    size_t len = 0;

    while (argument[1 + len] != NULL)
        len++;
    CRPlace *lower = calloc(len + 1, sizeof *lower);

    if (lower == NULL)
        return -errno;
    for (size_t i = 0; i < len; i++)
        lower[i] = (CRPlace){ AT_FDCWD, argument[1 + i] };
    int result = CRChangesOverlay(lower, len, AT_FDCWD, argument[0], NULL, NULL, &list, &error);

    free(lower);
    return count(result, list);
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;

    return (difference > 0) - (difference < 0);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Times an operation, with what undoes it outside of the time. */
static int again(int (*operation)(char **), void (*undo)(char **), char **argument, const char *times)
{
    long count = strtol(times, NULL, 10);
    double *seconds;
    int result = 0;

    if (count < 1 || count > TIMES_MAX || (seconds = malloc((size_t)count * sizeof *seconds)) == NULL)
        return -EINVAL;
    for (long i = 0; result == 0 && i < count; i++) {
        double begun = now();

        result = operation(argument);
        seconds[i] = now() - begun;
        if (undo != NULL)
            undo(argument);
    }
    if (result == 0) {
        qsort(seconds, (size_t)count, sizeof *seconds, compare);
        printf("inside %.9f\n", seconds[count / 2]);
    }
    free(seconds);
    return result;
}

static int look_up(char **argument)
{
    char *runtime = NULL;
    int result = CRGetRuntimeFromArchive(argument[0], &runtime, &error);

    CRStringFree(runtime);
    return result;
}

static int runtime(char **argument)
{
    return again(look_up, NULL, argument, argument[1]);
}

static int list_members(char **argument)
{
    const CRMember *const *members;
    CRImport *import = NULL;
    size_t len = 0;
    int result = CRImportOpen(AT_FDCWD, argument[0], NULL, NULL, &import, &error);

    if (result == 0)
        result = CRImportMembers(import, &members, &len, &error);
    CRImportFree(import);
    return result;
}

static int list(char **argument)
{
    return again(list_members, NULL, argument, argument[1]);
}

static int extract_member(char **argument)
{
    const char *name = argument[3];
    CRImport *import = NULL;
    int result = CRImportOpen(AT_FDCWD, argument[0], NULL, NULL, &import, &error);

    if (result == 0)
        result = CRImportToBundleOnly(import, AT_FDCWD, argument[1], &name, 1, &error);
    if (result == 0)
        result = CRImportExtract(import, &error);
    CRImportFree(import);
    return result;
}

static int processes_of(char **argument)
{
    const CRProcess *const *processes;
    CRInspection *inspection = NULL;
    size_t len = 0;
    int result = CRInspectionOpen(AT_FDCWD, argument[0], NULL, NULL, &inspection, &error);

    if (result == 0)
        result = CRInspectionProcesses(inspection, &processes, &len, &error);
    if (result == 0 && len == 0)
        result = -ENODATA;
    CRInspectionFree(inspection);
    return result;
}

static int inspect(char **argument)
{
    return again(processes_of, NULL, argument, argument[1]);
}

static int image(char **argument)
{
    CRImageOptions *options = CRImageOptionsNew();
    CRImage *written = NULL;
    uint32_t compression = strcmp(argument[0], "zstd") == 0 ? CR_COMPRESSION_ZSTD : CR_COMPRESSION_GZIP;
    int result = CRImageOptionsName(options, "latest", &error);

    if (result == 0 && strcmp(argument[0], "kept") != 0)
        result = CRImageOptionsSet(options, CR_IMAGE_COMPRESSION, compression, &error);
    if (result == 0)
        result = CRImageFromArchive(AT_FDCWD, argument[1], AT_FDCWD, argument[2], options, NULL, &written, &error);
    CRImageFree(written);
    CRImageOptionsFree(options);
    return result;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void remove_bundle(char **argument)
{
    nftw(argument[1], remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The bundle has to be absolute, since it is made. */
static int import_again(char **argument)
{
    return again(import, remove_bundle, argument, argument[2]);
}

static int member(char **argument)
{
    return again(extract_member, remove_bundle, argument, argument[2]);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*function)(char **argument);
        int arguments;
    } operations[] = {
        { "import", import, 2 },
        { "export", export, 4 },
        { "apply", apply, 2 },
        { "remove", remove_deleted, 2 },
        { "diff", diff, 3 },
        { "changes-directories", changes_directories, 2 },
        { "changes-overlay", changes_overlay, 2 },
        { "runtime", runtime, 2 },
        { "list", list, 2 },
        { "import-again", import_again, 3 },
        { "member", member, 4 },
        { "inspect", inspect, 2 },
        { "image", image, 3 },
    };

    for (size_t i = 0; argc > 1 && i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(argv[1], operations[i].name) != 0 || argc - 2 < operations[i].arguments)
            continue;
        int result = operations[i].function(&argv[2]);

        if (result < 0)
            fprintf(stderr, "driver %s: %s\n", argv[1], error == NULL ? strerror(-result) : CRErrorMessage(error));
        CRErrorFree(error);
        return result < 0;
    }
    fprintf(stderr, "driver: see the comment at the top of driver.c\n");
    return 2;
}
