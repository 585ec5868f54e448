/* SPDX-License-Identifier: Apache-2.0 */
/* An archive with everything that has a destination of its own, and ways to get at it. */

#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "check.h"
#include "tar.h"

/* The bytes of a file, for an archive in an archive. */
static inline void tar_nest(FILE *tar, const char *name, const char *file)
{
    static char bytes[65536];
    FILE *from = fopen(path(file), "r");

    if (from == NULL)
        files_die(file);
    tar_bytes(tar, name, bytes, fread(bytes, 1, sizeof(bytes), from));
    fclose(from);
}

/* Writes the archive, which fits into a pipe, and makes what it is extracted into. */
static inline void make_checkpoint(const char *name)
{
    FILE *tar = tar_begin("inner.tar");

    tar_directory(tar, "etc/");
    tar_file(tar, "etc/hosts", "changed");
    tar_end(tar);
    tar = tar_begin(name);
    tar_directory(tar, "checkpoint/");
    tar_file(tar, "checkpoint/inventory.img", "what CRIU begins with");
    tar_file(tar, "checkpoint/pages-1.img", "some memory");
    tar_file(tar, "config.dump", "{\"id\":\"4f1c\",\"name\":\"counter\",\"runtime\":\"crun\"}");
    tar_file(tar, "spec.dump", "{}");
    tar_nest(tar, "rootfs-diff.tar", "inner.tar");
    tar_file(tar, "deleted.files", "[\"/gone\"]");
    tar_nest(tar, "volumes/vol1.tar", "inner.tar");
    tar_nest(tar, "devshm-checkpoint.tar", "inner.tar");
    tar_file(tar, "network.status", "null");
    tar_end(tar);
    make_directory("root");
    make_file("root/gone", "of the image");
    make_directory("volume");
    make_directory("shm");
}

#define CHECKPOINT_MEMBERS 10

static inline CRImport *open_archive(const char *name, const CRImportOptions *options, const CRWatch *watch)
{
    CRImport *import = NULL;

    CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path(name), options, watch, &import);
    return import;
}

static inline void choose_everything(CRImport *import)
{
    CHECK_OK_ONCE(CRImportToBundle, import, AT_FDCWD, path("bundle"));
    CHECK_OK_ONCE(CRImportToRoot, import, AT_FDCWD, path("root"));
    CHECK_OK_ONCE(CRImportToVolume, import, "vol1", AT_FDCWD, path("volume"));
    CHECK_OK_ONCE(CRImportToShm, import, AT_FDCWD, path("shm"));
}

/* Whether everything came where it was to go. */
static inline void check_restored(void)
{
    CHECK_STRING(content("bundle/checkpoint/pages-1.img"), "some memory");
    CHECK_STRING(content("bundle/network.status"), "null");
    CHECK(!exists("bundle/rootfs-diff.tar") && !exists("bundle/deleted.files"));
    CHECK(!exists("bundle/volumes/vol1.tar") && !exists("bundle/devshm-checkpoint.tar"));
    CHECK_STRING(content("root/etc/hosts"), "changed");
    CHECK(!exists("root/gone"));
    CHECK_STRING(content("volume/etc/hosts"), "changed");
    CHECK_STRING(content("shm/etc/hosts"), "changed");
}

/* The end of a pipe that has a whole archive in it. */
static inline int pipe_of(const char *name)
{
    static char bytes[65536];
    FILE *from = fopen(path(name), "r");
    int ends[2];
    size_t length;

    if (from == NULL || pipe(ends) != 0)
        files_die(name);
    length = fread(bytes, 1, sizeof(bytes), from);
    fclose(from);
    if (length == sizeof(bytes) || write(ends[1], bytes, length) != (ssize_t)length)
        files_die(name);
    close(ends[1]);
    return ends[0];
}

#endif
