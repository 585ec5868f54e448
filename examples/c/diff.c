/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the changes of a container's root file system, as an engine adds them to a checkpoint archive:
 *
 *     diff ROOTFS DESTINATION IMAGE             what differs between two directories
 *     diff ROOTFS DESTINATION UPPER LOWER...    what an overlay changes, which is mounted at ROOTFS
 *
 * DESTINATION gets rootfs-diff.tar and deleted.files. UPPER and LOWER (the top one first) are the directories of the
 * overlay, as /proc/mounts has them. What podman mounts or writes itself in a container is left out.
 */

#define _POSIX_C_SOURCE 200809L /* AT_FDCWD */
#include <crutils.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* Finds the changes: directories is IMAGE, or UPPER and LOWER... */
static int find_changes(const char *rootfs, char **directories, int len, CRChangeList **list, CRError **error)
{
    CRPlace *lower = calloc((size_t)len, sizeof *lower);
    CRChangesOptions *options = CRChangesOptionsNew();
    int result = CRChangesOptionsExcludeEngine(options, CR_ENGINE_PODMAN, error);

    if (lower == NULL)
        abort();
    for (int i = 1; i < len; i++)
        lower[i - 1] = (CRPlace){ .at = AT_FDCWD, .path = directories[i] };
    if (result == 0 && len == 1)
        result = CRChangesDirectories(AT_FDCWD, rootfs, AT_FDCWD, directories[0], options, NULL, list, error);
    else if (result == 0)
        result = CRChangesOverlay(lower, (size_t)len - 1, AT_FDCWD, directories[0], options, NULL, list, error);
    CRChangesOptionsFree(options);
    free(lower);
    return result;
}

int main(int argc, char **argv)
{
    CRError *error = NULL;
    CRChangeList *list = NULL;
    char **files = NULL;
    size_t len;

    if (argc < 4) {
        fprintf(stderr, "usage: diff ROOTFS DESTINATION { IMAGE | UPPER LOWER... }\n");
        return 2;
    }
    int result = find_changes(argv[1], argv + 3, argc - 3, &list, &error);
    const CRChange *changes = CRChangeListChanges(list, &len);
    for (size_t i = 0; i < len; i++)
        printf("%c %s\n", "CAD"[changes[i].kind], changes[i].path);
    if (result == 0)
        result = CRCreateRootFsDiffTar(changes, len, argv[1], argv[2], &files, &error);
    for (char **file = files; file != NULL && *file != NULL; file++)
        printf("%s/%s\n", argv[2], *file);
    if (result < 0)
        fprintf(stderr, "diff: %s\n", CRErrorMessage(error));
    CRErrorFree(error);
    CRStringArrayFree(files);
    CRChangeListFree(list);
    return result < 0;
}
