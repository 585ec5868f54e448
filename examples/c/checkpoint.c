/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what an engine puts into a checkpoint archive for the container's root file system:
 *
 *     podman diff CONTAINER | checkpoint MOUNT_POINT DESTINATION
 *
 * The changes come as lines, a letter and a path: "C /etc" changed, "A /etc/new" added, "D /etc/old" deleted.
 */

#define _GNU_SOURCE
#include <crutils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Reads the changes into an array that the caller frees, with its paths; -1 if a line is none. */
static ssize_t read_changes(CRChange **changes)
{
    char *line = NULL;
    size_t line_room = 0, room = 0;
    ssize_t count = 0, length;

    while ((length = getline(&line, &line_room, stdin)) > 0) {
        const char *letters = "CAD", *letter = strchr(letters, line[0]);
        if (length < 3 || letter == NULL || line[1] != ' ')
            return -1;
        if ((size_t)count == room) {
            room = room * 2 + 64;
            *changes = realloc(*changes, room * sizeof **changes);
            if (*changes == NULL)
                return -1;
        }
        line[strcspn(line, "\n")] = '\0';
        const uint32_t kinds[] = { CR_CHANGE_MODIFY, CR_CHANGE_ADD, CR_CHANGE_DELETE };
        (*changes)[count++] = (CRChange){ .path = strdup(line + 2), .kind = kinds[letter - letters] };
    }
    free(line);
    return count;
}

int main(int argc, char **argv)
{
    CRChange *changes = NULL;
    ssize_t count = argc == 3 ? read_changes(&changes) : -1;
    if (count < 0) {
        fprintf(stderr, "usage: podman diff CONTAINER | checkpoint MOUNT_POINT DESTINATION\n");
        return 2;
    }

    char **files;
    CRError *error;
    if (CRCreateRootFsDiffTar(changes, (size_t)count, argv[1], argv[2], &files, &error) < 0) {
        fprintf(stderr, "CRCreateRootFsDiffTar: %s\n", CRErrorMessage(error));
        CRErrorFree(error);
        return 1;
    }
    printf("  %-33s", "CRCreateRootFsDiffTar");
    for (char **file = files; *file != NULL; file++)
        printf(" %s", *file);
    printf("\n");

    CRStringArrayFree(files);
    for (ssize_t i = 0; i < count; i++)
        free((char *)changes[i].path);
    free(changes);
    return 0;
}
