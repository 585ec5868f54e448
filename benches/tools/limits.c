/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same work with nothing but the system calls, which nothing can undercut that uses them:
 *
 *     limits kernel MANIFEST       copies ranges of files with copy_file_range, which clones them where it can, and
 *                                  those of less than 64 KiB with read and write
 *     limits memory MANIFEST       copies them with read and write
 *     limits fsync FILE...         has the disk hold what was written to files
 *     limits look FILE TIMES       opens a file, reads 64 KiB and closes it; prints the median in seconds
 *
 * A line of a manifest is "D path" for a directory to be made, or, separated by tabs, "F", the number of bytes, the
 * offset in the source, that in the destination, the source, the destination. Files in consecutive lines stay open.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (1 << 20)
/* Below it, asking for a clone costs more than a copy: file systems write out what is next to it first. */
#define SMALL (64 << 10)

static char buffer[BUFFER];

static void die(const char *what)
{
    fprintf(stderr, "limits: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A file that stays open until another one is asked for. */
struct kept {
    char name[4096];
    int fd;
};

static int keep(struct kept *kept, const char *name, int flags)
{
    if (kept->fd < 0 || strcmp(kept->name, name) != 0) {
        if (kept->fd >= 0)
            close(kept->fd);
        snprintf(kept->name, sizeof kept->name, "%s", name);
        if ((kept->fd = open(name, flags | O_CLOEXEC, 0600)) < 0)
            die(name);
    }
    return kept->fd;
}

static void copy_in_memory(int from, off_t source, int to, off_t destination, size_t bytes)
{
    while (bytes > 0) {
        ssize_t some = pread(from, buffer, bytes < BUFFER ? bytes : BUFFER, source);

        if (some <= 0 || pwrite(to, buffer, (size_t)some, destination) != some)
            die("pread or pwrite");
        bytes -= (size_t)some;
        source += some;
        destination += some;
    }
}

static void copy_in_kernel(int from, off_t source, int to, off_t destination, size_t bytes)
{
    if (bytes < SMALL) {
        copy_in_memory(from, source, to, destination, bytes);
        return;
    }
    while (bytes > 0) {
        ssize_t copied = copy_file_range(from, &source, to, &destination, bytes, 0);

        if (copied <= 0)
            die("copy_file_range");
        bytes -= (size_t)copied;
    }
}

static void follow(const char *manifest, void (*copy)(int, off_t, int, off_t, size_t))
{
    struct kept from = { .fd = -1 }, to = { .fd = -1 };
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
        char *rest = line + 2, *source, *destination;
        size_t bytes = strtoull(rest, &rest, 10);
        off_t first = (off_t)strtoull(rest, &rest, 10), second = (off_t)strtoull(rest, &rest, 10);

        if ((source = strtok(rest, "\t")) == NULL || (destination = strtok(NULL, "\t")) == NULL) {
            errno = EINVAL;
            die(manifest);
        }
        int source_fd = keep(&from, source, O_RDONLY);

        copy(source_fd, first, keep(&to, destination, O_WRONLY | O_CREAT), second, bytes);
    }
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

        if (fd < 0 || read(fd, buffer, 65536) < 0)
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
    else if (argc == 3 && strcmp(argv[1], "memory") == 0)
        follow(argv[2], copy_in_memory);
    else if (argc > 2 && strcmp(argv[1], "fsync") == 0)
        sync_files(&argv[2]);
    else if (argc == 4 && strcmp(argv[1], "look") == 0)
        look(argv[2], strtol(argv[3], NULL, 10));
    else
        return 2;
    return 0;
}
