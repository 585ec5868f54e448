/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restores the files of a container step by step, as an engine does before it calls the runtime:
 *
 *     restore ARCHIVE BUNDLE ROOTFS
 *
 * ARCHIVE is extracted into the directory BUNDLE. ROOTFS holds the files of the container's image, and gets the changes
 * that the container had made. Both are absolute paths.
 */

#include <crutils.h>
#include <stdio.h>

static CRError *error;

/* Prints what was done, or why it failed. */
static int done(int status, const char *function, const char *what)
{
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", function, CRErrorMessage(error));
        CRErrorFree(error);
    } else {
        printf("  %-33s %s\n", function, what);
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: restore ARCHIVE BUNDLE ROOTFS\n");
        return 2;
    }
    const char *archive = argv[1], *bundle = argv[2], *rootfs = argv[3];

    /* The runtime that made the checkpoint is the one that can restore it. */
    char *runtime;
    int status = CRGetRuntimeFromArchive(archive, &runtime, &error);
    if (done(status, "CRGetRuntimeFromArchive", status < 0 ? "" : runtime) < 0)
        return 1;
    CRStringFree(runtime);

    /* The configuration, of which an engine makes the new container. */
    status = CRImportCheckpointConfigOnly(bundle, archive, &error);
    if (done(status, "CRImportCheckpointConfigOnly", "config.dump and spec.dump") < 0)
        return 1;

    /* The memory of its processes, and the changes of its root file system. */
    status = CRImportCheckpointWithoutConfig(bundle, archive, &error);
    if (done(status, "CRImportCheckpointWithoutConfig", "everything else, into the bundle") < 0)
        return 1;

    /* The root file system: first what is new, then what is gone. */
    status = CRApplyRootFsDiffTar(bundle, rootfs, &error);
    if (done(status, "CRApplyRootFsDiffTar", "rootfs-diff.tar, onto the image") < 0)
        return 1;
    status = CRRemoveDeletedFiles("example", bundle, rootfs, &error);
    if (done(status, "CRRemoveDeletedFiles", "deleted.files, from the image") < 0)
        return 1;
    return 0;
}
