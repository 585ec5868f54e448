/* SPDX-License-Identifier: Apache-2.0 */
/* Says which OCI runtime made a checkpoint archive: runtime ARCHIVE */

#include <crutils.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: runtime ARCHIVE\n");
        return 2;
    }

    char *runtime;
    CRError *error;
    if (CRGetRuntimeFromArchive(argv[1], &runtime, &error) < 0) {
        fprintf(stderr, "runtime: %s\n", CRErrorMessage(error));
        CRErrorFree(error);
        return 1;
    }
    printf("%s\n", runtime);
    CRStringFree(runtime);
    return 0;
}
