/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages MIB: writes that many MiB of what a process's memory may look like to standard output, always the same.
 *
 * Of each MiB, which is 256 pages, a quarter is zeros, a half has low entropy, and a quarter is mixed, in 32 runs of
 * eight pages. Low entropy is a heap: objects of 64 bytes with a pointer to their type, a count of references, pointers
 * to other objects, small numbers and words. Mixed is a heap with every other 512 bytes random, as of compressed or
 * encrypted data among objects.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096
#define RUN 8
#define RUNS 32

static const char words[16][17] = {
    "content-type    ", "application/json", "GET /index.html ", "true            ", "2026-05-04T10:11",
    "localhost:8080  ", "user            ", "id              ", "session_token   ", "Mozilla/5.0 (X11",
    "/usr/lib/x86_64-", "linux-gnu.so.6  ", "warning: unused ", "SELECT * FROM t ", "value           ",
    "error_handler   ",
};

static uint64_t state = 0x9E3779B97F4A7C15;

/* xorshift64*: the same numbers everywhere. */
static uint64_t random_number(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1D;
}

static void fill_object(uint64_t *object, uint64_t address)
{
    uint64_t random = random_number();

    object[0] = 0x00007f3a5c000000 + (random & 31) * 0xa0;             /* its type */
    object[1] = 1 + (random >> 5 & 3);                                 /* references */
    object[2] = 0x000055d0c0000000 + (random >> 7 & 0xfffff) * 64;     /* another object */
    object[3] = (random >> 27 & 3) == 0 ? 0 : address + 64;            /* the next one */
    memcpy(&object[4], words[random >> 29 & 15], 16);
    object[6] = random >> 33 & 0xfff;                                  /* a length */
    object[7] = (random >> 45 & 3) == 0 ? random >> 16 : 0;            /* a hash, or not computed yet */
}

static void fill_heap(unsigned char *page, uint64_t address)
{
    uint64_t object[8];

    for (size_t i = 0; i < PAGE; i += sizeof object) {
        fill_object(object, address + i);
        memcpy(page + i, object, sizeof object);
    }
}

static void fill_mixed(unsigned char *page, uint64_t address)
{
    fill_heap(page, address);
    for (size_t i = 0; i < PAGE; i += 1024)
        for (size_t j = 0; j < 512; j += 8) {
            uint64_t random = random_number();

            memcpy(page + i + j, &random, 8);
        }
}

/* Which runs of a MiB are zeros ('0'), low entropy ('l') and mixed ('m'), in random order. */
static void shuffle(char *kinds)
{
    memset(kinds, '0', RUNS / 4);
    memset(kinds + RUNS / 4, 'l', RUNS / 2);
    memset(kinds + RUNS / 4 * 3, 'm', RUNS / 4);
    for (size_t i = RUNS - 1; i > 0; i--) {
        size_t other = random_number() % (i + 1);
        char kind = kinds[i];

        kinds[i] = kinds[other];
        kinds[other] = kind;
    }
}

int main(int argc, char **argv)
{
    static unsigned char mebibyte[RUNS * RUN * PAGE];
    long size = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    char kinds[RUNS];

    if (size < 1)
        return 2;
    for (long i = 0; i < size; i++) {
        memset(mebibyte, 0, sizeof mebibyte);
        shuffle(kinds);
        for (size_t page = 0; page < RUNS * RUN; page++) {
            uint64_t address = 0x000055d0c0000000 + ((uint64_t)i << 20) + page * PAGE;

            if (kinds[page / RUN] == 'l')
                fill_heap(mebibyte + page * PAGE, address);
            else if (kinds[page / RUN] == 'm')
                fill_mixed(mebibyte + page * PAGE, address);
        }
        if (fwrite(mebibyte, sizeof mebibyte, 1, stdout) != 1)
            return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
