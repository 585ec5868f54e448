/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses libcrutils where it is installed, for a runtime that has to run without it, too. The program isn't linked to the
 * library; it needs the header to be compiled. It prints the runtime that made a checkpoint archive:
 *
 *     optional ARCHIVE
 */

#include <crutils.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The number is that of the ABI. It changes only if programs have to be compiled again. */
#define LIBRARY "libcrutils.so.1"

/* The functions that are used, and whether the program can't do without them: a library may be older than the header. */
#define FUNCTIONS(item)                 \
    item(CRGetRuntimeFromArchive, true) \
    item(CRErrorMessage, true)          \
    item(CRErrorFree, true)             \
    item(CRStringFree, true)            \
    item(CRVersion, true)               \
    item(CRHasFeature, false)

/* Pointers to them, whose types are those of the header. C23 has typeof; gcc and clang have __typeof__ in any mode. */
#define POINTER(name, needed) __typeof__(&name) name;
static struct {
    FUNCTIONS(POINTER)
} cr;

/* Stores the address of a function, NULL if the library lacks it. The bytes are copied, since ISO C can't convert a
 * pointer to an object into one to a function. */
static bool find(void *library, const char *name, bool needed, void *pointer)
{
    void *address = dlsym(library, name);

    memcpy(pointer, &address, sizeof address);
    if (address == NULL && needed)
        fprintf(stderr, "optional: %s has no %s\n", LIBRARY, name);
    return address != NULL || !needed;
}

/* Opens the library, which the caller closes; NULL if it is missing or lacks something. */
static void *load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool complete = true;

    if (library == NULL) {
        fprintf(stderr, "optional: %s\n", dlerror());
        return NULL;
    }
#define FIND(name, needed) complete = find(library, #name, needed, &cr.name) && complete;
    FUNCTIONS(FIND)
    if (complete)
        return library;
    dlclose(library);
    return NULL;
}

static int print_runtime(const char *archive)
{
    CRError *error = NULL;
    char *runtime;

    if (cr.CRGetRuntimeFromArchive(archive, &runtime, &error) < 0) {
        fprintf(stderr, "optional: %s\n", cr.CRErrorMessage(error));
        cr.CRErrorFree(error);
        return 1;
    }
    printf("%s\n", runtime);
    cr.CRStringFree(runtime);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: optional ARCHIVE\n");
        return 2;
    }
    void *library = load();
    if (library == NULL) {
        printf("checkpoint archives aren't supported here\n");
        return 0;
    }
    const char *paths = cr.CRHasFeature != NULL && cr.CRHasFeature(CR_FEATURE_OPENAT2) ? "openat2" : "other calls";
    fprintf(stderr, "optional: libcrutils %s resolves paths by %s\n", cr.CRVersion(), paths);
    int code = print_runtime(argv[1]);
    dlclose(library);
    return code;
}
