/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what an engine does with a checkpoint archive before it calls the runtime:
 *
 *     restore ARCHIVE BUNDLE ROOTFS
 *
 * It imports ARCHIVE into the directory BUNDLE, and makes of ROOTFS, which holds the container's image, what the
 * container's root file system was when it was checkpointed. Both paths are absolute.
 */

#include <crutils.h>
#include <stdio.h>

static CRError *error;

/* Tells what was done, or why it wasn't. */
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

    /* Which runtime has to restore it? */
    char *runtime;
    int status = CRGetRuntimeFromArchive(archive, &runtime, &error);
    if (done(status, "CRGetRuntimeFromArchive", status < 0 ? "" : runtime) < 0)
        return 1;
    CRStringFree(runtime);

    /* What was it started as? An engine makes the new container from these two. */
    status = CRImportCheckpointConfigOnly(bundle, archive, &error);
    if (done(status, "CRImportCheckpointConfigOnly", "config.dump and spec.dump") < 0)
        return 1;

    /* Its processes, and the changes of its root file system. */
    status = CRImportCheckpointWithoutConfig(bundle, archive, &error);
    if (done(status, "CRImportCheckpointWithoutConfig", "all else, into the bundle") < 0)
        return 1;

    /* Its root file system: first what is new, then what is gone. */
    status = CRApplyRootFsDiffTar(bundle, rootfs, &error);
    if (done(status, "CRApplyRootFsDiffTar", "rootfs-diff.tar, onto the image") < 0)
        return 1;
    status = CRRemoveDeletedFiles("example", bundle, rootfs, &error);
    if (done(status, "CRRemoveDeletedFiles", "deleted.files, from the image") < 0)
        return 1;
    return 0;
}
