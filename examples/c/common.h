/* SPDX-License-Identifier: Apache-2.0 */
/* What the tools cr-inspect, cr-import, cr-export and cr-migrate share: exit codes, messages, a progress line, Ctrl-C. */

#ifndef COMMON_H
#define COMMON_H

#include <crutils.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, REFUSED = 3, STOPPED = 130 };

#define EXIT_CODES \
    "Exit codes: 0 success, 1 failure, 2 usage error, 3 archive refused, 130 stopped.\n"

static const char *program = "";
static bool line_is_shown;
static CRWatch *watched;

/* Removes the progress line, so that something else can be printed. */
static inline void line_clear(void)
{
    if (line_is_shown)
        fputs("\r\033[K", stderr);
    line_is_shown = false;
}

static inline int usage_error(const char *what)
{
    fprintf(stderr, "%s: %s\nTry '%s --help'.\n", program, what, program);
    return USAGE;
}

/* Prints why a function failed, frees the error, and returns the exit code. Messages are safe to print: the library
 * escapes the names in them. */
static inline int failed(CRError *error)
{
    int code = FAILED;

    line_clear();
    fprintf(stderr, "%s: %s\n", program, CRErrorMessage(error));
    switch (CRErrorKind(error)) {
    case CR_ERROR_MALFORMED:
    case CR_ERROR_ESCAPE:
    case CR_ERROR_FORBIDDEN:
    case CR_ERROR_LIMIT:
    case CR_ERROR_NOT_IN_ARCHIVE:
        code = REFUSED;
        break;
    case CR_ERROR_ARGUMENT:
        code = USAGE;
        break;
    case CR_ERROR_CANCELLED:
        code = STOPPED;
        break;
    }
    CRErrorFree(error);
    return code;
}

/* Formats a size, such as "80.0 KiB". */
static inline const char *human(uint64_t bytes, char text[16])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double size = (double)bytes;
    unsigned unit = 0;

    /* 1023.95 would be printed as 1024.0. */
    while (size >= (unit == 0 ? 1024 : 1023.95)) {
        size /= 1024;
        unit++;
    }
    snprintf(text, 16, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
    return text;
}

/* Copies a string of an archive with all but printable ASCII as \xNN, and cuts it off where the room ends: raw, it
 * could control a terminal. */
static inline const char *safe(const char *from, char *to, size_t room)
{
    size_t at = 0;

    for (; *from != '\0'; from++) {
        unsigned char byte = (unsigned char)*from;
        bool prints = byte >= ' ' && byte <= '~' && byte != '\\';
        if (at + (prints ? 1 : 4) >= room)
            break;
        if (prints)
            to[at++] = *from;
        else
            at += (size_t)snprintf(to + at, room - at, "\\x%02x", byte);
    }
    to[at] = '\0';
    return to;
}

/* Rewrites one line: "extracting  52%     1.3 GiB  0:07 left  checkpoint/pages-1.img". */
static inline void show_progress(void *unused, const CRProgress *progress)
{
    const char *phase = CRPhaseName(progress->phase);
    char part[8] = "", left[24] = "", size[16], member[40];
    uint64_t seconds = progress->milliseconds_left / 1000;

    (void)unused;
    if (progress->bytes_total != UINT64_MAX && progress->bytes_total > 0)
        snprintf(part, sizeof part, "%3.0f%%", 100 * (double)progress->bytes_done / (double)progress->bytes_total);
    if (progress->milliseconds_left != UINT64_MAX && seconds < 1000000)
        snprintf(left, sizeof left, "%" PRIu64 ":%02" PRIu64 " left", seconds / 60, seconds % 60);
    /* It fits into 80 columns, so that it stays one line. */
    fprintf(stderr, "\r%-10s %4s %10s %12s  %s\033[K", phase == NULL ? "working" : phase, part,
            human(progress->bytes_done, size), left, safe(progress->member, member, sizeof member));
    line_is_shown = true;
}

static inline void show_warning(void *unused, const CRWarning *warning)
{
    char member[512];

    (void)unused;
    line_clear();
    fprintf(stderr, "%s: warning: %s: %s\n", program, safe(warning->member, member, sizeof member), warning->message);
}

static inline void stop(int number)
{
    (void)number;
    CRWatchCancel(watched);
}

/* Makes a watch that shows progress on a terminal, and that Ctrl-C cancels. The second Ctrl-C kills the program. The
 * caller calls watch_free, also after an error. */
static inline int watch_new(CRError **error)
{
    struct sigaction action = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND | SA_RESTART };
    int result;

    watched = CRWatchNew();
    result = CRWatchOnWarning(watched, show_warning, NULL, error);
    if (result == 0 && isatty(STDERR_FILENO))
        result = CRWatchOnProgress(watched, show_progress, NULL, error);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return result;
}

static inline void watch_free(void)
{
    line_clear();
    /* No handler may see a watch that is gone. */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    CRWatchFree(watched);
    watched = NULL;
}

/* A directory that an option names, and what belongs there. */
struct directory {
    int option;
    const char *volume, *path;
};

/* Takes the directory of an option; that of --volume is "NAME=DIR". */
static inline bool take_directory(int option, char *text, struct directory *directory)
{
    char *equals = option == 'v' ? strchr(text, '=') : NULL;

    *directory = (struct directory){ option, text, equals == NULL ? text : equals + 1 };
    if (option != 'v')
        return *text != '\0';
    if (equals == NULL || equals == text || equals[1] == '\0')
        return false;
    *equals = '\0';
    return true;
}

#endif
