/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a test: a temp directory, and the few things that tests do in it. What fails here ends
 * the program: it is not what is tested. */

#ifndef FILES_H
#define FILES_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char files_top[256];

static inline void files_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

static inline int files_remove_one(const char *name, const struct stat *status, int type,
                                   struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(name);
}

static inline void files_enter(void)
{
    const char *parent = getenv("TMPDIR");

    snprintf(files_top, sizeof(files_top), "%s/crutils-c-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(files_top) == NULL)
        files_die(files_top);
}

static inline void files_leave(void)
{
    if (nftw(files_top, files_remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0)
        files_die(files_top);
}

/* The path of `name` in the test's directory. It is good until the sixteenth call from now. */
static inline const char *path(const char *name)
{
    static _Thread_local char ring[16][PATH_MAX];
    static _Thread_local unsigned next;
    char *buffer = ring[next++ % 16];

    snprintf(buffer, PATH_MAX, "%s/%s", files_top, name);
    return buffer;
}

static inline void make_directory(const char *name)
{
    if (mkdir(path(name), 0755) != 0)
        files_die(name);
}

static inline void make_bytes(const char *name, const void *bytes, size_t length)
{
    FILE *file = fopen(path(name), "w");

    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        files_die(name);
}

static inline void make_file(const char *name, const char *text)
{
    make_bytes(name, text, strlen(text));
}

static inline void make_link(const char *target, const char *name)
{
    if (symlink(target, path(name)) != 0)
        files_die(name);
}

static inline void make_fifo(const char *name)
{
    if (mkfifo(path(name), 0600) != 0)
        files_die(name);
}

/* Whether there is anything of this name; a link is not followed. */
static inline int exists(const char *name)
{
    struct stat status;

    return lstat(path(name), &status) == 0;
}

/* What there is to know of an object, all zeros if there is none; a link is not followed. */
static inline struct stat status_of(const char *name)
{
    struct stat status;

    if (lstat(path(name), &status) != 0)
        memset(&status, 0, sizeof(status));
    return status;
}

/* Type and mode of an object, or 0 if there is none; a link is not followed. */
static inline mode_t mode_of(const char *name)
{
    return status_of(name).st_mode;
}

/* The beginning of a file as a string, "(missing)" if it can't be read. It is good until the next
 * call. */
static inline const char *content(const char *name)
{
    static char buffer[4096];
    FILE *file = fopen(path(name), "r");
    size_t length;

    if (file == NULL)
        return "(missing)";
    length = fread(buffer, 1, sizeof(buffer) - 1, file);
    buffer[length] = '\0';
    fclose(file);
    return buffer;
}

/* Where a link leads to, "(missing)" if it is none. It is good until the next call. */
static inline const char *target(const char *name)
{
    static char buffer[PATH_MAX];
    ssize_t length = readlink(path(name), buffer, sizeof(buffer) - 1);

    if (length < 0)
        return "(missing)";
    buffer[length] = '\0';
    return buffer;
}

#endif
