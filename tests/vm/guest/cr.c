/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's functions as commands, for the shell scripts of the virtual machine. On failure the errno's name comes
 * first, then the message: "EACCES create "x": ...", and the status is 1.
 */

#define _GNU_SOURCE
#include <crutils.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static CRError *error;

/* The status for what a function answered. */
static int status(int result)
{
    if (result >= 0)
        return 0;
    if (CRErrorErrno(error) != -result || CRErrorKind(error) == CR_ERROR_NONE)
        printf("the answer is %d, the error says %d of kind %u: ", result, CRErrorErrno(error), CRErrorKind(error));
    printf("%s %s\n", strerrorname_np(-result), CRErrorMessage(error));
    CRErrorFree(error);
    return 1;
}

static int label(char **argument)
{
    return status(CRCreateFileWithLabel(argument[0], argument[1], argument[2], &error));
}

static int runtime(char **argument)
{
    char *name;
    int result = CRGetRuntimeFromArchive(argument[0], &name, &error);

    if (result == 0) {
        printf("%s\n", name);
        CRStringFree(name);
    }
    return status(result);
}

static int import_config(char **argument)
{
    return status(CRImportCheckpointConfigOnly(argument[0], argument[1], &error));
}

static int import(char **argument)
{
    return status(CRImportCheckpointWithoutConfig(argument[0], argument[1], &error));
}

static int apply(char **argument)
{
    return status(CRApplyRootFsDiffTar(argument[0], argument[1], &error));
}

static int delete(char **argument)
{
    return status(CRRemoveDeletedFiles("vm", argument[0], argument[1], &error));
}

/* Reads changes as podman writes them, a letter and a path a line; they are kept to the end of the process. */
static ssize_t read_changes(CRChange **changes)
{
    static const char letters[] = "CAD";
    char *line = NULL;
    size_t room = 0;
    ssize_t count = 0;

    while (getline(&line, &room, stdin) > 0) {
        const char *letter = strchr(letters, line[0]);
        if (letter == NULL || line[1] != ' ')
            return -1;
        line[strcspn(line, "\n")] = '\0';
        *changes = reallocarray(*changes, (size_t)count + 1, sizeof **changes);
        if (*changes == NULL)
            return -1;
        (*changes)[count++] = (CRChange){ .path = strdup(line + 2), .kind = (uint32_t)(letter - letters) };
    }
    free(line);
    return count;
}

static int diff(char **argument)
{
    CRChange *changes = NULL;
    char **files;
    ssize_t count = read_changes(&changes);

    if (count < 0) {
        printf("standard input is no list of changes\n");
        return 2;
    }
    int result = CRCreateRootFsDiffTar(changes, (size_t)count, argument[0], argument[1], &files, &error);
    if (result == 0) {
        for (char **file = files; *file != NULL; file++)
            printf("%s\n", *file);
        CRStringArrayFree(files);
    }
    return status(result);
}

/* The changes of an overlay, less what podman leaves out, as diff reads them. */
static int changes(char **argument)
{
    CRChangeList *list;
    CRPlace *lowers = NULL;
    size_t count = 0;

    while (argument[1 + count] != NULL)
        count++;
    lowers = reallocarray(NULL, count, sizeof *lowers);
    if (lowers == NULL)
        return 2;
    for (size_t i = 0; i < count; i++)
        lowers[i] = (CRPlace){ .at = AT_FDCWD, .path = argument[1 + i] };
    CRChangesOptions *options = CRChangesOptionsNew();
    int result = CRChangesOptionsExcludeEngine(options, CR_ENGINE_PODMAN, &error);
    if (result == 0)
        result = CRChangesOverlay(lowers, count, AT_FDCWD, argument[0], options, NULL, &list, &error);
    CRChangesOptionsFree(options);
    free(lowers);
    if (result == 0) {
        size_t len;
        const CRChange *changes = CRChangeListChanges(list, &len);
        for (size_t i = 0; i < len; i++)
            printf("%c %s\n", "CAD"[changes[i].kind], changes[i].path);
        CRChangeListFree(list);
    }
    return status(result);
}

static int answer(bool yes)
{
    printf("%s\n", yes ? "yes" : "no");
    return 0;
}

static int can_checkpoint(char **argument)
{
    return answer(CRRuntimeSupportsCheckpointRestore(argument[0]));
}

static int can_restore_pods(char **argument)
{
    return answer(CRRuntimeSupportsPodCheckpointRestore(argument[0]));
}

static const struct {
    const char *name;
    int arguments;
    const char *usage;
    int (*run)(char **argument);
} commands[] = {
    { "label", 3, "DIRECTORY NAME LABEL", label },
    { "runtime", 1, "ARCHIVE", runtime },
    { "import-config", 2, "BUNDLE ARCHIVE", import_config },
    { "import", 2, "BUNDLE ARCHIVE", import },
    { "apply", 2, "BUNDLE ROOT", apply },
    { "delete", 2, "BUNDLE ROOT", delete },
    { "changes", 2, "UPPER LOWER...", changes },
    { "diff", 2, "MOUNT_POINT DESTINATION <CHANGES", diff },
    { "can-checkpoint", 1, "RUNTIME", can_checkpoint },
    { "can-restore-pods", 1, "RUNTIME", can_restore_pods },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (argc > 1 && strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].arguments)
            return commands[i].run(argv + 2);
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(stderr, "cr %s %s\n", commands[i].name, commands[i].usage);
    return 2;
}
