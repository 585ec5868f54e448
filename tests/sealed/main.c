/* SPDX-License-Identifier: Apache-2.0 */
/* Uses crutils beside another Rust library: main RUNTIME ARCHIVE... */

#include <crutils.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int beside_panics(unsigned int number);

static bool clock_is_broken;

/* Both libraries take their time from here. Without a clock, Rust's standard library panics. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock_is_broken) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, time);
}

static int failures;

static void expect(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "not so: %s\n", what);
        failures++;
    }
}

#ifdef WITH_ZSTD
int ZSTD_compress(void);
extern int beside_zstd_allows;
#endif

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    expect(beside_panics(1) == 1, "the library beside catches its panics");
    for (int i = 2; i < argc; i++) {
        char *runtime = NULL;
        CRError *error = NULL;
        int result = CRGetRuntimeFromArchive(argv[i], &runtime, &error);

        expect(result == 0 && strcmp(runtime, "runc") == 0, argv[i]);
        if (result != 0)
            fprintf(stderr, "%s\n", CRErrorMessage(error));
        CRErrorFree(error);
        CRStringFree(runtime);
    }

    expect(CRRuntimeSupportsCheckpointRestore(argv[1]), "the runtime can checkpoint");
    clock_is_broken = true;
    /* Any failure is a no, and so is a panic. */
    expect(!CRRuntimeSupportsCheckpointRestore(argv[1]), "a panic of crutils is caught");
    clock_is_broken = false;
    expect(CRRuntimeSupportsCheckpointRestore(argv[1]), "crutils works on after a panic");
    expect(beside_panics(2) == 2, "the library beside catches panics after one of crutils");

#ifdef WITH_ZSTD
    beside_zstd_allows = 1;
    expect(ZSTD_compress() == 7, "ZSTD_compress is that of the library beside");
#endif
    return failures != 0;
}
