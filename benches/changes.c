/* SPDX-License-Identifier: Apache-2.0 */
/* Counts changes: "changes directories NEW OLD" or "changes overlay UPPER LOWER...". */

#include <crutils.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    CRChangeList *list = NULL;
    CRError *error;
    int result = -1;

    if (argc == 4 && strcmp(argv[1], "directories") == 0)
        result = CRChangesDirectories(argv[2], argv[3], NULL, &list, &error);
    else if (argc > 3 && strcmp(argv[1], "overlay") == 0)
        result = CRChangesOverlay((const char *const *)&argv[3], (size_t)(argc - 3), argv[2], NULL,
                                  &list, &error);
    else
        return 2;
    if (result < 0) {
        fprintf(stderr, "%s\n", CRErrorMessage(error));
        CRErrorFree(error);
        return 1;
    }
    printf("%zu changes\n", CRChangeListLen(list));
    CRChangeListFree(list);
    return 0;
}
