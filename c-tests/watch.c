/* SPDX-License-Identifier: Apache-2.0 */
/* CRWatch: what it tells, and how it ends works: from a thread, a signal handler, by time. */

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "checkpoint.h"

/* Who was told what. */
struct told {
    unsigned phases, warnings;
    char warned[64];
};

static void on_progress(void *user_data, const CRProgress *progress)
{
    struct told *told = user_data;

    told->phases |= 1U << progress->phase;
    CHECK(progress->member != NULL && progress->flags == 0);
    CHECK(progress->bytes_total == UINT64_MAX || progress->bytes_done <= progress->bytes_total);
    /* An hour is more than any of these takes. */
    CHECK(progress->milliseconds < 3600 * 1000);
}

static void on_warning(void *user_data, const CRWarning *warning)
{
    struct told *told = user_data;

    told->warnings |= 1U << warning->kind;
    snprintf(told->warned, sizeof(told->warned), "%s", warning->member);
    CHECK(strlen(warning->message) > 0 && warning->flags == 0);
}

static CRWatch *watch_telling(struct told *told)
{
    CRWatch *watch = CRWatchNew();

    CHECK_OK(CRWatchOnProgress, watch, on_progress, told);
    CHECK_OK(CRWatchOnWarning, watch, on_warning, told);
    return watch;
}

static void progress_and_warnings_are_told(void)
{
    struct told told = {0};
    const CRMember *const *members;
    size_t len;
    CRWatch *watch = watch_telling(&told);
    CRImport *import;
    FILE *tar;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, watch);
    CHECK_OK_ONCE(CRImportMembers, import, &members, &len);
    CHECK_INT(told.phases, 1U << CR_PHASE_READING);
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK_INT(told.phases, 1U << CR_PHASE_READING | 1U << CR_PHASE_EXTRACTING | 1U << CR_PHASE_DELETING);
    CHECK_INT(told.warnings, 0);
    CRImportFree(import);

    tar = tar_begin("odd.tar");
    tar_directory(tar, "network.status/");
    tar_end(tar);
    import = open_archive("odd.tar", NULL, watch);
    /* The import keeps what it needs of a watch. */
    CRWatchFree(watch);
    CHECK_OK_ONCE(CRImportMembers, import, &members, &len);
    CHECK_INT(told.warnings, 1U << CR_WARNING_IGNORED);
    CHECK_STRING(told.warned, "network.status");
    CRImportFree(import);
}

/* An import that waits for a pipe into which nothing is ever written: only its watch ends it. */
static CRImport *waiting_import(const CRWatch *watch, int ends[2])
{
    CRImport *import = NULL;

    if (pipe(ends) != 0)
        files_die("pipe");
    CHECK_OK_ONCE(CRImportOpen, ends[0], "", NULL, watch, &import);
    return import;
}

static void ended(CRImport *import, int ends[2], int number, uint32_t kind)
{
    const CRMetadata *metadata = NULL;
    CRError *error = NULL;

    CHECK_INT(CRImportMetadata(import, &metadata, &error), -number);
    CHECK_INT(CRErrorErrno(error), number);
    CHECK_INT(CRErrorKind(error), kind);
    CHECK(metadata == NULL);
    CRErrorFree(error);
    CRImportFree(import);
    close(ends[0]);
    close(ends[1]);
}

static void *cancel(void *watch)
{
    CRWatchCancel(watch);
    return NULL;
}

static void a_thread_may_cancel(void)
{
    CRWatch *watch = CRWatchNew();
    pthread_t thread;
    int ends[2];
    CRImport *import = waiting_import(watch, ends);

    if (pthread_create(&thread, NULL, cancel, watch) != 0)
        files_die("pthread_create");
    ended(import, ends, ECANCELED, CR_ERROR_CANCELLED);
    pthread_join(thread, NULL);
    CRWatchFree(watch);
}

static CRWatch *signalled;

static void on_signal(int number)
{
    (void)number;
    CRWatchCancel(signalled);
}

/* The timer fires while the import waits, or before; either ends it. */
static void a_signal_handler_may_cancel(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    const struct itimerval soon = {.it_value = {.tv_usec = 20000}}, never = {.it_value = {0}};
    int ends[2];
    CRImport *import;

    signalled = CRWatchNew();
    import = waiting_import(signalled, ends);
    if (sigaction(SIGALRM, &action, &before) != 0 || setitimer(ITIMER_REAL, &soon, NULL) != 0)
        files_die("setitimer");
    ended(import, ends, ECANCELED, CR_ERROR_CANCELLED);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    CRWatchFree(signalled);
}

static void a_deadline_is_another_errno_and_kind(void)
{
    CRWatch *watch = CRWatchNew();
    int ends[2];
    CRImport *import = waiting_import(watch, ends);

    CHECK_OK(CRWatchDeadline, watch, 20);
    ended(import, ends, ETIMEDOUT, CR_ERROR_DEADLINE);
    CRWatchFree(watch);
}

int main(void)
{
    RUN(progress_and_warnings_are_told);
    RUN(a_thread_may_cancel);
    RUN(a_signal_handler_may_cancel);
    RUN(a_deadline_is_another_errno_and_kind);
    return check_finish("watch");
}
