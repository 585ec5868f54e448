/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same work with nothing but the system calls, which nothing can undercut that uses them:
 *
 *     limits kernel MANIFEST       copies ranges of files with copy_file_range, which clones them where it can, and
 *                                  those of less than 64 KiB with read and write
 *     limits memory MANIFEST       copies them with read and write, of up to 1 MiB at once
 *     limits whole MANIFEST        the same, with all that a file has: a source is held before it is opened, so that
 *                                  nothing but a file ever is, and asked for what it is and for its xattrs; a
 *                                  destination gets a mode and times
 *     limits fsync FILE...         has the disk hold what was written to files
 *     limits look FILE TIMES       opens a file, reads 64 KiB and closes it; prints the median in seconds
 *
 * A line of a manifest is "D path" for a directory to be made, or, separated by tabs, "F", the number of bytes, the
 * offset in the source, that in the destination, the source, the destination. A file that the next line names as well
 * stays open, and so does a directory.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (1 << 20)
/* Below it, asking for a clone costs more than a copy: file systems write out what is next to it first. */
#define SMALL (64 << 10)

static void die(const char *what)
{
    fprintf(stderr, "limits: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A file that stays open until another one is asked for, and the directory that it is in. */
struct kept {
    char name[PATH_MAX];
    size_t directory_len;
    int directory, fd;
};

/* Opens a file by its last name, in a directory that is opened once for all files in a row that are in it. */
static int open_in(struct kept *kept, const char *name, int flags)
{
    const char *slash = strrchr(name, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - name);

    if (kept->directory < 0 || len != kept->directory_len || memcmp(kept->name, name, len) != 0) {
        char directory[PATH_MAX];

        snprintf(directory, sizeof directory, "%.*s", len == 0 ? 1 : (int)len, len == 0 ? "." : name);
        if (kept->directory >= 0)
            close(kept->directory);
        if ((kept->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
            die(directory);
    }
    kept->directory_len = len;
    return openat(kept->directory, slash == NULL ? name : slash + 1, flags | O_CLOEXEC, 0600);
}

/* Whether what a file has besides its data counts. */
static bool whole;

/* Opens a file that is held, and asks what else it has. */
static int open_whole(int held)
{
    static int descriptors = -1;
    char number[16], names[256];
    struct statx status;

    if (descriptors < 0 && (descriptors = open("/proc/thread-self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        die("/proc/thread-self/fd");
    snprintf(number, sizeof number, "%d", held);
    int fd = held < 0 || statx(held, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) < 0
                 ? -1
                 : openat(descriptors, number, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flistxattr(fd, names, sizeof names) < 0)
        die("a source");
    close(held);
    return fd;
}

/* Closes a destination, with a mode and times. */
static void close_whole(int fd)
{
    const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

    if (fchmod(fd, 0644) < 0 || futimens(fd, times) < 0)
        die("a destination");
    close(fd);
}

static bool is_kept(const struct kept *kept, const char *name)
{
    return kept->fd >= 0 && strcmp(kept->name, name) == 0;
}

static int keep(struct kept *kept, const char *name, int flags)
{
    if (!is_kept(kept, name)) {
        if (kept->fd >= 0 && whole && flags != O_RDONLY)
            close_whole(kept->fd);
        else if (kept->fd >= 0)
            close(kept->fd);
        kept->fd = whole && flags == O_RDONLY ? open_whole(open_in(kept, name, O_PATH | O_NOFOLLOW))
                                              : open_in(kept, name, flags);
        if (kept->fd < 0)
            die(name);
        snprintf(kept->name, sizeof kept->name, "%s", name);
    }
    return kept->fd;
}

/* What was read of a file, or is to be written to one, and where it begins there. */
struct window {
    char data[BUFFER];
    off_t start;
    size_t len;
};

static struct kept from = { .directory = -1, .fd = -1 }, to = { .directory = -1, .fd = -1 };
static struct window ahead, behind;

static void flush(void)
{
    if (behind.len > 0 && pwrite(to.fd, behind.data, behind.len, behind.start) != (ssize_t)behind.len)
        die(to.name);
    behind.len = 0;
}

/* The bytes at an offset of a file: what was read ahead, if they are among it. `again` says that the file was read from
 * before, so that reading ahead pays. */
static const char *get(bool again, off_t offset, size_t bytes)
{
    if (!again || offset < ahead.start || offset + (off_t)bytes > ahead.start + (off_t)ahead.len) {
        ssize_t got = pread(from.fd, ahead.data, again ? BUFFER : bytes, offset);

        if (got < (ssize_t)bytes)
            die(from.name);
        ahead.start = offset;
        ahead.len = (size_t)got;
    }
    return ahead.data + (offset - ahead.start);
}

/* Has bytes written to a file; what is next to each other is written together, with zeros between. */
static void put(off_t offset, const char *data, size_t bytes)
{
    off_t end = behind.start + (off_t)behind.len;

    if (behind.len > 0 && (offset < end || offset + (off_t)bytes - behind.start > BUFFER))
        flush();
    if (behind.len == 0)
        behind.start = end = offset;
    memset(behind.data + behind.len, 0, (size_t)(offset - end));
    behind.len += (size_t)(offset - end);
    memcpy(behind.data + behind.len, data, bytes);
    behind.len += bytes;
}

/* One line of a manifest. */
struct range {
    size_t bytes;
    off_t source_offset, destination_offset;
    const char *source, *destination;
};

static void copy_in_memory(const struct range *range)
{
    bool again = is_kept(&from, range->source);

    if (!is_kept(&to, range->destination))
        flush();
    keep(&from, range->source, O_RDONLY);
    keep(&to, range->destination, O_WRONLY | O_CREAT);
    for (size_t done = 0, some; done < range->bytes; done += some) {
        some = range->bytes - done < BUFFER ? range->bytes - done : BUFFER;
        put(range->destination_offset + (off_t)done, get(again, range->source_offset + (off_t)done, some), some);
    }
}

static void copy_in_kernel(const struct range *range)
{
    off_t source_offset = range->source_offset, destination_offset = range->destination_offset;

    if (range->bytes < SMALL) {
        copy_in_memory(range);
        return;
    }
    flush();
    keep(&from, range->source, O_RDONLY);
    keep(&to, range->destination, O_WRONLY | O_CREAT);
    ahead.len = 0;
    for (size_t left = range->bytes; left > 0;) {
        ssize_t copied = copy_file_range(from.fd, &source_offset, to.fd, &destination_offset, left, 0);

        if (copied <= 0)
            die("copy_file_range");
        left -= (size_t)copied;
    }
}

static void follow(const char *manifest, void (*copy)(const struct range *))
{
    FILE *file = fopen(manifest, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    if (file == NULL)
        die(manifest);
    while ((len = getline(&line, &room, file)) > 0) {
        line[len - 1] = '\0';
        if (line[0] == 'D') {
            if (mkdir(line + 2, 0700) < 0)
                die(line + 2);
            continue;
        }
        char *rest = line + 2;
        struct range range;

        range.bytes = strtoull(rest, &rest, 10);
        range.source_offset = (off_t)strtoull(rest, &rest, 10);
        range.destination_offset = (off_t)strtoull(rest, &rest, 10);
        range.source = strtok(rest, "\t");
        range.destination = strtok(NULL, "\t");
        if (range.source == NULL || range.destination == NULL) {
            errno = EINVAL;
            die(manifest);
        }
        copy(&range);
    }
    flush();
    free(line);
    fclose(file);
}

static void sync_files(char **names)
{
    for (; *names != NULL; names++) {
        int fd = open(*names, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
            die(*names);
        close(fd);
    }
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

static void look(const char *name, long times)
{
    double *seconds = times < 1 ? NULL : malloc((size_t)times * sizeof *seconds);

    if (seconds == NULL)
        die("TIMES");
    for (long i = 0; i < times; i++) {
        double begun = now();
        int fd = open(name, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, ahead.data, 65536) < 0)
            die(name);
        close(fd);
        seconds[i] = now() - begun;
    }
    qsort(seconds, (size_t)times, sizeof *seconds, compare);
    printf("inside %.9f\n", seconds[times / 2]);
    free(seconds);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "kernel") == 0)
        follow(argv[2], copy_in_kernel);
    else if (argc == 3 && (strcmp(argv[1], "memory") == 0 || (whole = strcmp(argv[1], "whole") == 0)))
        follow(argv[2], copy_in_memory);
    else if (argc > 2 && strcmp(argv[1], "fsync") == 0)
        sync_files(&argv[2]);
    else if (argc == 4 && strcmp(argv[1], "look") == 0)
        look(argv[2], strtol(argv[3], NULL, 10));
    else
        return 2;
    return 0;
}
