/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the root file system diff of a container from its mounted overlay, without asking a storage library:
 *
 *     diff MOUNT_POINT DESTINATION UPPER LOWER...
 *
 * UPPER and LOWER (the top one first) are the overlay's directories, as in /proc/mounts. What podman mounts over the root
 * file system is left out.
 */

#include <crutils.h>
#include <stdio.h>

/* Says what failed, and frees the error. */
static int failed(const char *what, CRError *error)
{
    fprintf(stderr, "%s: %s\n", what, CRErrorMessage(error));
    CRErrorFree(error);
    return 1;
}

/* Writes the diff of these changes, and says what was written. */
static int write_diff(const CRChangeList *list, const char *mount_point, const char *destination)
{
    CRError *error;
    char **files;
    const CRChange *changes = CRChangeListChanges(list);
    size_t len = CRChangeListLen(list);

    for (size_t i = 0; i < len; i++)
        printf("%c %s\n", "CAD"[changes[i].kind], changes[i].path);
    if (CRCreateRootFsDiffTar(changes, len, mount_point, destination, &files, &error) < 0)
        return failed("CRCreateRootFsDiffTar", error);
    for (char **file = files; *file != NULL; file++)
        printf("%s/%s\n", destination, *file);
    CRStringArrayFree(files);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: diff MOUNT_POINT DESTINATION UPPER LOWER...\n");
        return 2;
    }

    CRError *error;
    CRChangeList *list;
    CRChangesOptions *options = CRChangesOptionsNew();
    const char *const *lower = (const char *const *)&argv[4];
    int result = CRChangesOptionsExcludeEngine(options, CR_EXCLUDE_PODMAN, &error);
    if (result == 0)
        result = CRChangesOverlay(lower, (size_t)(argc - 4), argv[3], options, &list, &error);
    CRChangesOptionsFree(options);
    if (result < 0)
        return failed("CRChangesOverlay", error);

    result = write_diff(list, argv[1], argv[2]);
    CRChangeListFree(list);
    return result;
}
