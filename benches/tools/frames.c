/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a zstd archive of several frames costs at least, with libzstd and system calls alone, by as many threads as the
 * process may use cores; where the frames are is known before the time begins:
 *
 *     frames hop ARCHIVE TIMES     reads the header of every block, each for itself, as whoever has to know where a frame
 *                                  ends without decoding it; prints the median in seconds
 *     frames write ARCHIVE FILE    decodes every frame and writes what comes of it into one file
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define MAX_WORKERS 64
#define MAGIC_SKIPPABLE 0x184d2a50U

/* A frame with content: where it begins in the archive, how long it is there, and the same of what comes of it. */
struct frame {
    off_t at, content_at;
    size_t len, content_len;
};

static struct frame *frames;
static size_t count;
static atomic_size_t next;
static int archive, output;

static void die(const char *what)
{
    fprintf(stderr, "frames: %s: %s\n", what, errno == 0 ? "not of frames that say their size" : strerror(errno));
    exit(1);
}

static uint32_t little_endian(const unsigned char *bytes, int len)
{
    uint32_t number = 0;

    while (len-- > 0)
        number = number << 8 | bytes[len];
    return number;
}

static void find(const char *name)
{
    struct stat status;
    off_t content = 0;

    if ((archive = open(name, O_RDONLY | O_CLOEXEC)) < 0 || fstat(archive, &status) < 0)
        die(name);
    size_t size = (size_t)status.st_size;
    const unsigned char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, archive, 0);
    if (bytes == MAP_FAILED)
        die(name);
    errno = 0;
    for (size_t at = 0, len; at < size; at += len) {
        len = ZSTD_findFrameCompressedSize(bytes + at, size - at);
        if (ZSTD_isError(len))
            die(name);
        if ((little_endian(bytes + at, 4) & ~0xfU) == MAGIC_SKIPPABLE)
            continue;
        unsigned long long content_len = ZSTD_getFrameContentSize(bytes + at, size - at);
        if (content_len == ZSTD_CONTENTSIZE_UNKNOWN || content_len == ZSTD_CONTENTSIZE_ERROR)
            die(name);
        if ((frames = reallocarray(frames, count + 1, sizeof *frames)) == NULL)
            die("memory");
        frames[count++] = (struct frame){ (off_t)at, content, len, (size_t)content_len };
        content += (off_t)content_len;
    }
    munmap((void *)bytes, size);
}

/* RFC 8878, 3.1.1: how long a frame's header is, by its fifth byte. */
static off_t header_len(unsigned char descriptor)
{
    bool single = descriptor >> 5 & 1;
    int content = descriptor >> 6, dictionary = descriptor & 3;

    return 5 + !single + (dictionary == 3 ? 4 : dictionary) + (content == 0 ? single : 1 << content);
}

static void hop(const struct frame *frame)
{
    unsigned char bytes[5];

    if (pread(archive, bytes, 5, frame->at) != 5)
        die("a frame");
    for (off_t at = frame->at + header_len(bytes[4]);;) {
        if (pread(archive, bytes, 3, at) != 3)
            die("a block");
        uint32_t block = little_endian(bytes, 3);
        if (block & 1)
            return;
        /* Of a byte that is repeated there is one. */
        at += 3 + ((block >> 1 & 3) == 1 ? 1 : (off_t)(block >> 3));
    }
}

static void *hop_over(void *unused)
{
    for (size_t i; (i = atomic_fetch_add(&next, 1)) < count;)
        hop(&frames[i]);
    return unused;
}

static void *decode(void *unused)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    char *from = NULL, *to = NULL;

    for (size_t i; (i = atomic_fetch_add(&next, 1)) < count;) {
        const struct frame *frame = &frames[i];

        from = realloc(from, frame->len);
        to = realloc(to, frame->content_len + 1);
        if (context == NULL || from == NULL || to == NULL)
            die("memory");
        if (pread(archive, from, frame->len, frame->at) != (ssize_t)frame->len ||
            ZSTD_decompressDCtx(context, to, frame->content_len, from, frame->len) != frame->content_len ||
            pwrite(output, to, frame->content_len, frame->content_at) != (ssize_t)frame->content_len)
            die("a frame");
    }
    free(from);
    free(to);
    ZSTD_freeDCtx(context);
    return unused;
}

static void by_all(void *(*work)(void *))
{
    pthread_t others[MAX_WORKERS];
    cpu_set_t cores;
    int started = 0;

    if (sched_getaffinity(0, sizeof cores, &cores) < 0)
        die("sched_getaffinity");
    next = 0;
    for (; started < MAX_WORKERS && started < CPU_COUNT(&cores) - 1; started++)
        if ((errno = pthread_create(&others[started], NULL, work, NULL)) != 0)
            die("pthread_create");
    work(NULL);
    while (started > 0)
        pthread_join(others[--started], NULL);
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

static void hop_again(long times)
{
    double *seconds = times < 1 ? NULL : malloc((size_t)times * sizeof *seconds);

    if (seconds == NULL)
        die("TIMES");
    for (long i = 0; i < times; i++) {
        double begun = now();

        by_all(hop_over);
        seconds[i] = now() - begun;
    }
    qsort(seconds, (size_t)times, sizeof *seconds, compare);
    printf("inside %.9f\n", seconds[times / 2]);
    free(seconds);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    find(argv[2]);
    if (strcmp(argv[1], "hop") == 0) {
        hop_again(strtol(argv[3], NULL, 10));
    } else if (strcmp(argv[1], "write") == 0) {
        if ((output = open(argv[3], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
            die(argv[3]);
        by_all(decode);
        if (close(output) < 0)
            die(argv[3]);
    } else {
        return 2;
    }
    free(frames);
    return 0;
}
