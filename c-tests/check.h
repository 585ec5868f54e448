/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions that say what failed and where, and go on; and a temp directory for every test. */

#ifndef CHECK_H
#define CHECK_H

/* Tests pass NULL where the attributes of the header have compilers warn of it. */
#define CRUTILS_NO_ATTRIBUTES
#include <crutils.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

static int check_failures;

static inline void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    check_failures++;
}

static inline void check_int(const char *file, int line, const char *what, long long actual,
                             long long expected)
{
    if (actual == expected)
        return;
    check_failed(file, line, what);
    fprintf(stderr, "    is %lld, not %lld\n", actual, expected);
}

static inline void check_string(const char *file, int line, const char *what, const char *actual,
                                const char *expected)
{
    if (actual != NULL && strcmp(actual, expected) == 0)
        return;
    check_failed(file, line, what);
    fprintf(stderr, "    is \"%s\", not \"%s\"\n", actual == NULL ? "(null)" : actual, expected);
}

/* What holds for every error: errno, kind, a message. Frees it. */
static inline void check_error(const char *file, int line, const char *what, CRError *error,
                               int number, uint32_t kind, const char *entry)
{
    int before = check_failures;

    if (error == NULL) {
        check_failed(file, line, what);
        fprintf(stderr, "    stored no error\n");
        return;
    }
    check_int(file, line, what, CRErrorErrno(error), number);
    check_int(file, line, what, CRErrorKind(error), kind);
    if (strlen(CRErrorMessage(error)) == 0 || CRErrorOffset(error) < -1)
        check_failed(file, line, what);
    if (entry != NULL)
        check_string(file, line, what, CRErrorEntry(error), entry);
    if (check_failures != before)
        fprintf(stderr, "    %s\n", CRErrorMessage(error));
    CRErrorFree(error);
}

/* What holds for every success: 0, and the place for the error as it was. */
static inline void check_success(const char *file, int line, const char *what, int result,
                                 CRError *error, CRError *before)
{
    if (result == 0 && error == before)
        return;
    check_failed(file, line, what);
    fprintf(stderr, "    returned %d\n", result);
    if (result < 0 && error != before) {
        fprintf(stderr, "    %s\n", CRErrorMessage(error));
        CRErrorFree(error);
    }
}

/* An address that is no error: a success must leave it where it is. */
#define POISON ((CRError *)(void *)&check_failures)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_failed(__FILE__, __LINE__, #condition);                                          \
    } while (0)

#define CHECK_INT(actual, expected) check_int(__FILE__, __LINE__, #actual, (actual), (expected))

#define CHECK_STRING(actual, expected)                                                             \
    check_string(__FILE__, __LINE__, #actual, (actual), (expected))

/* Calls the function with a place for the error and with none. */
#define CHECK_OK(function, ...)                                                                    \
    do {                                                                                           \
        CRError *error_ = POISON;                                                                  \
        int result_ = function(__VA_ARGS__, &error_);                                              \
        check_success(__FILE__, __LINE__, #function "(" #__VA_ARGS__ ")", result_, error_, POISON);\
        CHECK_INT(function(__VA_ARGS__, NULL), 0);                                                 \
    } while (0)

/* As CHECK_OK, where a second call would find another world, or leak a result. */
#define CHECK_OK_ONCE(function, ...)                                                               \
    do {                                                                                           \
        CRError *error_ = POISON;                                                                  \
        int result_ = function(__VA_ARGS__, &error_);                                              \
        check_success(__FILE__, __LINE__, #function "(" #__VA_ARGS__ ")", result_, error_, POISON);\
    } while (0)

/* Calls the function with a place for the error and with none: both fail alike. `entry` is the name
 * that the error must be about, or NULL if that doesn't matter. */
#define CHECK_FAILS_AT(number, kind, entry, function, ...)                                         \
    do {                                                                                           \
        CRError *error_ = NULL;                                                                    \
        const char *what_ = #function "(" #__VA_ARGS__ ")";                                        \
        check_int(__FILE__, __LINE__, what_, function(__VA_ARGS__, &error_), -(number));           \
        check_error(__FILE__, __LINE__, what_, error_, (number), (kind), (entry));                 \
        check_int(__FILE__, __LINE__, what_, function(__VA_ARGS__, NULL), -(number));              \
    } while (0)

#define CHECK_FAILS(number, kind, function, ...)                                                   \
    CHECK_FAILS_AT(number, kind, NULL, function, __VA_ARGS__)

/* An argument that may not be NULL: -EINVAL, and a message that begins with its name. */
#define CHECK_NULL(argument, function, ...)                                                        \
    do {                                                                                           \
        CRError *named_ = NULL;                                                                    \
        CHECK_INT(function(__VA_ARGS__, &named_), -EINVAL);                                        \
        CHECK(strncmp(CRErrorMessage(named_), argument ":", sizeof(argument)) == 0);               \
        CRErrorFree(named_);                                                                       \
        CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, function, __VA_ARGS__);                             \
    } while (0)

/* Runs a test in a temp directory of its own; path() leads into it. */
#define RUN(test)                                                                                  \
    do {                                                                                           \
        int before_ = check_failures;                                                              \
        files_enter();                                                                             \
        test();                                                                                    \
        files_leave();                                                                             \
        if (check_failures != before_)                                                             \
            fprintf(stderr, "FAILED: %s\n", #test);                                                \
    } while (0)

static inline int check_finish(const char *program)
{
    if (check_failures == 0)
        printf("ok: %s\n", program);
    return check_failures == 0 ? 0 : 1;
}

static inline void skip(const char *what, const char *why)
{
    printf("skipped: %s: %s\n", what, why);
}

#endif
