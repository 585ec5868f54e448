/* SPDX-License-Identifier: Apache-2.0 */
/* Any function from any thread; errors and strings change threads; the process stays as it was. */

#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>

#include "check.h"
#include "tar.h"

#define THREADS 8
#define ROUNDS 20

struct job {
    pthread_t thread;
    char destination[PATH_MAX], archive[PATH_MAX], missing[PATH_MAX];
    int imported, refused;
    CRError *error;
    char *runtime;
};

static void *work(void *argument)
{
    struct job *job = argument;

    for (int round = 0; round < ROUNDS; round++) {
        CRErrorFree(job->error);
        CRStringFree(job->runtime);
        job->error = NULL;
        job->runtime = NULL;
        job->imported += CRImportCheckpointWithoutConfig(job->destination, job->archive, NULL) == 0;
        job->imported += CRGetRuntimeFromArchive(job->archive, &job->runtime, NULL) == 0;
        job->refused += CRImportCheckpointConfigOnly(job->destination, job->missing, &job->error);
    }
    return NULL;
}

static void make_archive(void)
{
    FILE *tar = tar_begin("in.tar");

    tar_directory(tar, "checkpoint/");
    tar_file(tar, "checkpoint/inventory.img", "inventory");
    tar_file(tar, "config.dump", "{\"runtime\":\"crun\"}");
    tar_end(tar);
}

static void threads_do_not_disturb_each_other(void)
{
    static struct job jobs[THREADS];
    char name[64];

    make_archive();
    for (int i = 0; i < THREADS; i++) {
        snprintf(name, sizeof(name), "bundle-%d", i);
        make_directory(name);
        strcpy(jobs[i].destination, path(name));
        snprintf(name, sizeof(name), "missing-%d", i);
        strcpy(jobs[i].missing, path(name));
        strcpy(jobs[i].archive, path("in.tar"));
        if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) != 0)
            files_die("pthread_create");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(jobs[i].thread, NULL);
        CHECK_INT(jobs[i].imported, 2 * ROUNDS);
        CHECK_INT(jobs[i].refused, -ENOENT * ROUNDS);
        CHECK_STRING(jobs[i].runtime, "crun");
        snprintf(name, sizeof(name), "missing-%d", i);
        CHECK(strstr(CRErrorMessage(jobs[i].error), name) != NULL);
        snprintf(name, sizeof(name), "bundle-%d/checkpoint/inventory.img", i);
        CHECK_STRING(content(name), "inventory");
        CRErrorFree(jobs[i].error);
        CRStringFree(jobs[i].runtime);
    }
}

/* How many descriptors are open, and of them those that a program which is executed would get. */
static void count_descriptors(int *all, int *inherited)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    *all = *inherited = 0;
    if (directory == NULL)
        files_die("/proc/self/fd");
    while ((entry = readdir(directory)) != NULL) {
        int flags = fcntl(atoi(entry->d_name), F_GETFD);

        *all += entry->d_name[0] != '.';
        *inherited += entry->d_name[0] != '.' && (flags & FD_CLOEXEC) == 0;
    }
    closedir(directory);
}

/* A session of each kind; what comes of it is looked at elsewhere. */
static void call_sessions(void)
{
    CRExport *export = CRExportNew();
    CRWatch *watch = CRWatchNew();
    CRChangeList *list = NULL;
    CRImport *import = NULL;
    const CRMember *const *members;
    const CRMetadata *metadata;
    const CRChange *changes;
    size_t len;

    CHECK_OK_ONCE(CRChangesDirectories, AT_FDCWD, files_top, AT_FDCWD, path("root"), NULL, watch, &list);
    changes = CRChangeListChanges(list, &len);
    CHECK_OK_ONCE(CRExportAddRootFsDiff, export, changes, len, AT_FDCWD, files_top);
    CHECK_OK_ONCE(CRExportAddDirectoryTar, export, "volumes/vol1.tar", AT_FDCWD, path("root"));
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("exported"), NULL, watch);
    CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path("exported"), NULL, watch, &import);
    CHECK_OK_ONCE(CRImportMembers, import, &members, &len);
    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    CHECK_OK_ONCE(CRImportToRoot, import, AT_FDCWD, path("root"));
    CHECK_OK_ONCE(CRImportToVolume, import, "vol1", AT_FDCWD, path("out"));
    CHECK_OK_ONCE(CRImportExtract, import);
    CRImportFree(import);
    CRChangeListFree(list);
    CRWatchFree(watch);
    CRExportFree(export);
    if (unlink(path("exported")) != 0)
        files_die("exported");
}

/* One call of each of the nine, and the sessions. */
static void call_everything(void)
{
    const CRChange change = {"/in.tar", CR_CHANGE_ADD, 0};
    char *runtime = NULL;
    char **files = NULL;

    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_OK(CRImportCheckpointConfigOnly, path("bundle"), path("in.tar"));
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportCheckpointConfigOnly, path("bundle"), path("missing"));
    CHECK_OK_ONCE(CRGetRuntimeFromArchive, path("in.tar"), &runtime);
    CRStringFree(runtime);
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, &change, 1, files_top, path("out"), &files);
    CRStringArrayFree(files);
    CHECK_OK(CRApplyRootFsDiffTar, path("out"), path("root"));
    CHECK_OK(CRRemoveDeletedFiles, "container", path("out"), path("root"));
    CHECK_OK(CRCreateFileWithLabel, path("out"), "restore.log", "");
    call_sessions();
    CRRuntimeSupportsCheckpointRestore("/bin/true");
    CRRuntimeSupportsPodCheckpointRestore("/bin/true");
}

static void the_process_stays_as_it_was(void)
{
    char directory[PATH_MAX], now[PATH_MAX];
    int all, inherited, all_now, inherited_now;
    mode_t mask = umask(027);
    struct sigaction child, pipe, action;

    make_archive();
    make_directory("bundle");
    make_directory("out");
    make_directory("root");
    if (getcwd(directory, sizeof(directory)) == NULL || sigaction(SIGCHLD, NULL, &child) != 0 ||
        sigaction(SIGPIPE, NULL, &pipe) != 0)
        files_die("getcwd");
    call_everything();
    count_descriptors(&all, &inherited);
    call_everything();
    count_descriptors(&all_now, &inherited_now);
    CHECK_INT(all_now, all);
    CHECK_INT(inherited_now, inherited);
    CHECK_INT(umask(mask), 027);
    CHECK_STRING(getcwd(now, sizeof(now)), directory);
    CHECK(sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == child.sa_handler);
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == pipe.sa_handler);
}

static void a_descriptor_that_is_kept_is_not_inherited(void)
{
    int all, inherited, all_now, inherited_now;

    make_archive();
    make_directory("bundle");
    count_descriptors(&all, &inherited);
    CHECK_OK_ONCE(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    count_descriptors(&all_now, &inherited_now);
    CHECK(all_now <= all + 1);
    CHECK_INT(inherited_now, inherited);
}

int main(void)
{
    RUN(a_descriptor_that_is_kept_is_not_inherited);
    RUN(threads_do_not_disturb_each_other);
    RUN(the_process_stays_as_it_was);
    return check_finish("threads");
}
