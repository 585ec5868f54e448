/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure RESULT COMMAND...: runs the command and writes one line about it into the file RESULT:
 *
 *     wall user system        seconds; the last two with all descendants that were waited for
 *     peak                    KiB of resident memory, of the largest process among them
 *     written                 bytes that they dirtied in the page cache or wrote to a disk, from /proc/PID/io
 *     status                  as wait() has it
 *
 * It is a program of its own since a process's peak includes what was resident in its parent when it was made, which
 * would be an interpreter's.
 */

#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* The process has ended and isn't reaped yet, so that its account is still there. -1 if it can't be read. */
static long long written_by(pid_t pid)
{
    char path[64];
    long long bytes = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    if ((file = fopen(path, "r")) == NULL)
        return -1;
    for (char line[128]; fgets(line, sizeof line, file) != NULL;)
        if (sscanf(line, "write_bytes: %lld", &bytes) == 1)
            break;
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    struct rusage usage;
    siginfo_t info;
    pid_t pid;
    int status;
    FILE *result;

    if (argc < 3 || (result = fopen(argv[1], "we")) == NULL) {
        perror("measure");
        return 2;
    }
    double begun = now();
    int failure = posix_spawnp(&pid, argv[2], NULL, NULL, &argv[2], environ);

    if (failure != 0) {
        fprintf(stderr, "measure: %s: %s\n", argv[2], strerror(failure));
        return 2;
    }
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
        return 2;
    double wall = now() - begun;
    long long written = written_by(pid);

    if (wait4(pid, &status, 0, &usage) < 0)
        return 2;
    fprintf(result, "%.9f %.6f %.6f %ld %lld %d\n", wall, seconds(usage.ru_utime), seconds(usage.ru_stime),
            usage.ru_maxrss, written, status);
    return fclose(result) == 0 ? 0 : 2;
}
