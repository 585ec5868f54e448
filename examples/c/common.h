/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cr-inspect, cr-import, cr-export and cr-migrate have in common: exit codes, messages, a progress bar, and Ctrl-C.
 */

#ifndef COMMON_H
#define COMMON_H

#include <crutils.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What the programs exit with. */
enum { DONE = 0, FAILED = 1, USAGE = 2, REFUSED = 3, STOPPED = 130 };

#define EXIT_CODES                                                              \
    "Exit codes: 0 done, 1 failed, 2 used wrongly, 3 the archive is refused\n" \
    "(malformed, hostile, incomplete or beyond a limit), 130 stopped.\n"

static const char *program = "";
static bool bar_is_shown;
static CRCancellation *stopped;

/* Takes the progress bar away, so that something else can be printed. */
static inline void bar_clear(void)
{
    if (bar_is_shown)
        fputs("\r\033[K", stderr);
    bar_is_shown = false;
}

/* Says that the program was used wrongly, and how to learn better. */
static inline int usage_error(const char *what)
{
    if (what != NULL)
        fprintf(stderr, "%s: %s\n", program, what);
    fprintf(stderr, "Try '%s --help'.\n", program);
    return USAGE;
}

/* Says why a function failed, frees the error, and answers what to exit with. The message is fit for a terminal. */
static inline int failed(CRError *error)
{
    int code = FAILED;

    bar_clear();
    fprintf(stderr, "%s: %s\n", program, CRErrorMessage(error));
    switch (CRErrorKind(error)) {
    case CR_ERROR_MALFORMED:
    case CR_ERROR_ESCAPE:
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

/* Writes a size as people read it, such as "80.0 KiB". */
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

/*
 * Copies a string that comes from an archive so that it does no harm on a terminal: all but printable ASCII becomes \xNN.
 * What doesn't fit is cut off.
 */
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
            at += (size_t)sprintf(to + at, "\\x%02x", byte);
    }
    to[at] = '\0';
    return to;
}

static inline const char *phase_name(uint32_t phase)
{
    static const char *const names[] = { "reading", "verifying", "extracting", "deleting", "measuring", "writing", "publishing" };

    return phase < sizeof names / sizeof *names ? names[phase] : "working";
}

/* One line that is written over and over: "extracting [#####.....]  52%   1.3 GiB  checkpoint/pages-1.img". */
static inline void bar_show(void *unused, const CRProgress *progress)
{
    enum { CELLS = 24 };
    char cells[CELLS + 1], size[16], member[256], line[512];
    bool known = progress->bytes_total != UINT64_MAX && progress->bytes_total > 0;
    double part = known ? (double)progress->bytes_done / (double)progress->bytes_total : 0;
    struct winsize window = { .ws_col = 0 };
    int length;

    (void)unused;
    if (part > 1)
        part = 1;
    memset(cells, '.', CELLS);
    memset(cells, '#', (size_t)(part * CELLS));
    cells[CELLS] = '\0';
    length = snprintf(line, sizeof line, "%-10s ", phase_name(progress->phase));
    if (known)
        length += snprintf(line + length, sizeof line - (size_t)length, "[%s] %3d%% ", cells, (int)(part * 100));
    if (known || progress->bytes_done > 0)
        length += snprintf(line + length, sizeof line - (size_t)length, "%10s  ", human(progress->bytes_done, size));
    snprintf(line + length, sizeof line - (size_t)length, "%s", safe(progress->member, member, sizeof member));
    /* A line that is longer than the terminal is wide would stay there. */
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0)
        window.ws_col = 80;
    fprintf(stderr, "\r%.*s\033[K", window.ws_col - 1, line);
    bar_is_shown = true;
}

static inline void tell_warning(void *unused, const CRWarning *warning)
{
    char member[512];

    (void)unused;
    /* cr-export names these together. */
    if (warning->kind == CR_WARNING_MISSING)
        return;
    bar_clear();
    fprintf(stderr, "%s: warning: %s: %s\n", program, safe(warning->member, member, sizeof member), warning->message);
}

static inline void stop(int number)
{
    (void)number;
    CRCancellationCancel(stopped);
}

/* Makes a watch that shows a progress bar, if there is a terminal, and that Ctrl-C ends; NULL after an error. Either way
 * watch_free is called. */
static inline CRWatch *watch_new(CRError **error)
{
    CRWatch *watch = CRWatchNew();
    /* Whoever presses Ctrl-C once more doesn't want to wait. */
    struct sigaction action = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND | SA_RESTART };

    stopped = CRCancellationNew();
    if (CRWatchCancelledBy(watch, stopped, error) < 0 || CRWatchOnWarning(watch, tell_warning, NULL, error) < 0 ||
        (isatty(STDERR_FILENO) && CRWatchOnProgress(watch, bar_show, NULL, error) < 0)) {
        CRWatchFree(watch);
        return NULL;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return watch;
}

/* Frees what watch_new made. */
static inline void watch_free(CRWatch *watch)
{
    bar_clear();
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    CRWatchFree(watch);
    CRCancellationFree(stopped);
    stopped = NULL;
}

/* Splits "NAME=DIRECTORY"; false if it isn't that. */
static inline bool split_volume(char *text, CRVolume *volume)
{
    char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || equals[1] == '\0')
        return false;
    *equals = '\0';
    *volume = (CRVolume){ .name = text, .directory = equals + 1 };
    return true;
}

#endif
