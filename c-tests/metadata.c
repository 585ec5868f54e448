/* SPDX-License-Identifier: Apache-2.0 */
/* CRMetadata: what documents say of a container, without an archive around them. */

#define _GNU_SOURCE
#include "check.h"

#define CONFIG                                                                                     \
    "{\"id\": \"4f1c\", \"name\": \"k8s_counter\", \"runtime\": \"crun\","                         \
    " \"rootfsImageName\": \"registry.example/counter:1.0\", \"rootfsImageRef\": \"3b25\","        \
    " \"createdTime\": \"2026-05-11T09:08:07.5Z\", \"checkpointedTime\": \"2026-05-11T09:18:07Z\"," \
    " \"restoredTime\": \"0001-01-01T00:00:00Z\"}"

#define SPEC                                                                                       \
    "{\"annotations\": {\"io.container.manager\": \"cri-o\", \"nul\": \"a\\u0000b\", \"empty\": \"\"," \
    " \"io.kubernetes.container.name\": \"counter\", \"io.kubernetes.pod.name\": \"counters\","    \
    " \"io.kubernetes.pod.namespace\": \"default\", \"io.kubernetes.cri-o.SandboxID\": \"9a8b\"}}"

#define MOUNTS                                                                                     \
    "[{\"source\": \"/run/resolv.conf\", \"destination\": \"/etc/resolv.conf\", \"file_type\": \"file\"," \
    " \"permissions\": 420}, {\"source\": \"/srv\", \"destination\": \"/data\","                   \
    " \"file_type\": \"directory\", \"permissions\": 511}]"

static void add(CRMetadata *metadata, uint32_t document, const char *json)
{
    CHECK_OK(CRMetadataAdd, metadata, document, json, strlen(json));
}

/* What CRI-O writes, in little. */
static CRMetadata *crio(void)
{
    CRMetadata *metadata = CRMetadataNew();

    add(metadata, CR_DOCUMENT_CONFIG, CONFIG);
    add(metadata, CR_DOCUMENT_SPEC, SPEC);
    add(metadata, CR_DOCUMENT_BIND_MOUNTS, MOUNTS);
    return metadata;
}

static void texts_are_those_of_the_documents(void)
{
    static const char *const expected[] = {
        [CR_TEXT_ID] = "4f1c",
        [CR_TEXT_NAME] = "k8s_counter",
        [CR_TEXT_RUNTIME] = "crun",
        [CR_TEXT_RUNTIME_NAME] = "crun",
        [CR_TEXT_IMAGE_NAME] = "registry.example/counter:1.0",
        [CR_TEXT_IMAGE_REF] = "3b25",
        [CR_TEXT_CREATED] = "2026-05-11T09:08:07.5Z",
        [CR_TEXT_CHECKPOINTED] = "2026-05-11T09:18:07Z",
        [CR_TEXT_CONTAINER_NAME] = "counter",
        [CR_TEXT_POD_ID] = "9a8b",
        [CR_TEXT_POD_NAME] = "counters",
        [CR_TEXT_POD_NAMESPACE] = "default",
    };
    CRMetadata *metadata = crio();

    for (uint32_t which = 0; which < sizeof(expected) / sizeof(expected[0]); which++) {
        if (expected[which] == NULL)
            CHECK(CRMetadataText(metadata, which) == NULL);
        else
            CHECK_STRING(CRMetadataText(metadata, which), expected[which]);
    }
    CHECK_INT(CRMetadataEngine(metadata), CR_ENGINE_CRIO);
    /* It never was restored, which the year 1 stands for. */
    CHECK(CRMetadataText(metadata, CR_TEXT_RESTORED) == NULL);
    CHECK(CRMetadataText(metadata, 99) == NULL && CRMetadataText(metadata, UINT32_MAX) == NULL);
    CRMetadataFree(metadata);
}

static void a_later_document_takes_the_place_of_an_earlier_one(void)
{
    CRMetadata *metadata = crio();

    add(metadata, CR_DOCUMENT_CONFIG, "{\"id\": \"other\", \"lockID\": 7, \"runtime\": \"\"}");
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_ID), "other");
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_RUNTIME), "");
    CHECK(CRMetadataText(metadata, CR_TEXT_NAME) == NULL);
    CHECK_INT(CRMetadataEngine(metadata), CR_ENGINE_PODMAN);
    CRMetadataFree(metadata);
}

/* What an archive claims to be a runtime may be a path, or an option of another program. */
static void a_runtime_that_is_unfit_has_no_name(void)
{
    static const char *const unfit[] = {"/tmp/evil", "../runc", "--help", "a\\nb", "", ".."};

    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
        CRMetadata *metadata = CRMetadataNew();
        char config[128];

        snprintf(config, sizeof(config), "{\"runtime\": \"%s\"}", unfit[i]);
        add(metadata, CR_DOCUMENT_CONFIG, config);
        CHECK(CRMetadataText(metadata, CR_TEXT_RUNTIME) != NULL);
        CHECK(CRMetadataText(metadata, CR_TEXT_RUNTIME_NAME) == NULL);
        CRMetadataFree(metadata);
    }
}

static void documents_are_answered_as_they_came(void)
{
    CRMetadata *metadata = crio();
    const void *bytes = NULL;
    size_t length = 0;

    CHECK_OK(CRMetadataDocument, metadata, CR_DOCUMENT_BIND_MOUNTS, &bytes, &length);
    CHECK_INT(length, strlen(MOUNTS));
    CHECK(length == strlen(MOUNTS) && memcmp(bytes, MOUNTS, length) == 0);
    bytes = MOUNTS;
    length = 5;
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataDocument, metadata, CR_DOCUMENT_STATUS, &bytes, &length);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRMetadataDocument, metadata, 99, &bytes, &length);
    CHECK(bytes == (const void *)MOUNTS && length == 5);

    /* One that isn't needed to restore is kept even if it is malformed. */
    add(metadata, CR_DOCUMENT_STATUS, "no JSON");
    CHECK_OK(CRMetadataDocument, metadata, CR_DOCUMENT_STATUS, &bytes, &length);
    CHECK_INT(length, 7);
    CRMetadataFree(metadata);
}

static void malformed_documents_change_nothing(void)
{
    const size_t too_long = (16 << 20) + 1;
    CRMetadata *metadata = crio();
    char *large = malloc(too_long);

    if (large == NULL)
        files_die("malloc");
    memset(large, ' ', too_long);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataAdd, metadata, CR_DOCUMENT_CONFIG, "{", 1);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataAdd, metadata, CR_DOCUMENT_CONFIG, "{\"id\": 7}", 9);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataAdd, metadata, CR_DOCUMENT_SPEC, "", 0);
    CHECK_FAILS(E2BIG, CR_ERROR_LIMIT, CRMetadataAdd, metadata, CR_DOCUMENT_CONFIG, large, too_long);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRMetadataAdd, metadata, 0, "{}", 2);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_ID), "4f1c");
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_POD_NAME), "counters");
    free(large);
    CRMetadataFree(metadata);
}

static void annotations_are_found_by_their_keys(void)
{
    CRMetadata *metadata = crio();
    char *value = NULL, *before;

    CHECK_OK_ONCE(CRMetadataAnnotation, metadata, "io.kubernetes.cri-o.SandboxID", &value);
    CHECK_STRING(value, "9a8b");
    CRStringFree(value);
    CHECK_OK_ONCE(CRMetadataAnnotation, metadata, "empty", &value);
    CHECK_STRING(value, "");
    before = value;
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataAnnotation, metadata, "missing", &value);
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataAnnotation, metadata, "\xff", &value);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataAnnotation, metadata, "nul", &value);
    CHECK(value == before);
    CRStringFree(value);
    CRMetadataFree(metadata);
}

static void bind_mounts_are_counted_through(void)
{
    CRMetadata *metadata = crio(), *none = CRMetadataNew();
    CRBindMount mount;

    CHECK_OK_ONCE(CRMetadataBindMount, metadata, 1, &mount);
    CHECK_STRING(mount.source, "/srv");
    CHECK_STRING(mount.destination, "/data");
    CHECK_STRING(mount.file_type, "directory");
    CHECK_INT(mount.permissions, 0777);
    CRStringFree(mount.source);
    CRStringFree(mount.destination);
    CRStringFree(mount.file_type);
    mount = (CRBindMount){.permissions = 5};
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataBindMount, metadata, 2, &mount);
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataBindMount, metadata, SIZE_MAX, &mount);
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataBindMount, none, 0, &mount);
    add(metadata, CR_DOCUMENT_BIND_MOUNTS, "[{\"source\": 7}]");
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataBindMount, metadata, 0, &mount);
    CHECK(mount.source == NULL && mount.permissions == 5);
    CRMetadataFree(metadata);
    CRMetadataFree(none);
}

static void the_json_has_all_of_it_and_harms_no_terminal(void)
{
    CRMetadata *metadata = crio(), *none = CRMetadataNew();
    char *json = NULL;

    add(metadata, CR_DOCUMENT_CONFIG, "{\"id\": \"\xc2\x9b[31m\", \"unheard-of\": \"\x7f\"}");
    CHECK_OK_ONCE(CRMetadataJson, metadata, &json);
    CHECK(json[0] == '{' && strchr(json, '\x7f') == NULL && strstr(json, "\xc2\x9b") == NULL);
    CHECK(strstr(json, "\"id\": \"\\u009b[31m\"") != NULL);
    CHECK(strstr(json, "\"engine\": \"cri-o\"") != NULL);
    CHECK(strstr(json, "\"unheard-of\": \"\\u007f\"") != NULL);
    CHECK(strstr(json, "/run/resolv.conf") != NULL);
    CRStringFree(json);
    CHECK_OK_ONCE(CRMetadataJson, none, &json);
    CHECK(strstr(json, "\"engine\": \"unknown\"") != NULL);
    CRStringFree(json);
    CRMetadataFree(metadata);
    CRMetadataFree(none);
}

static void arguments_that_may_not_be_null_are_named(void)
{
    CRMetadata *metadata = CRMetadataNew();
    CRBindMount mount;
    const void *bytes;
    size_t length;
    char *text;

    CHECK_NULL("metadata", CRMetadataAdd, NULL, CR_DOCUMENT_SPEC, "{}", 2);
    CHECK_NULL("bytes", CRMetadataAdd, metadata, CR_DOCUMENT_SPEC, NULL, 2);
    CHECK_NULL("metadata", CRMetadataDocument, NULL, CR_DOCUMENT_SPEC, &bytes, &length);
    CHECK_NULL("bytes", CRMetadataDocument, metadata, CR_DOCUMENT_SPEC, NULL, &length);
    CHECK_NULL("bytes_len", CRMetadataDocument, metadata, CR_DOCUMENT_SPEC, &bytes, NULL);
    CHECK_NULL("metadata", CRMetadataAnnotation, NULL, "key", &text);
    CHECK_NULL("key", CRMetadataAnnotation, metadata, NULL, &text);
    CHECK_NULL("value", CRMetadataAnnotation, metadata, "key", NULL);
    CHECK_NULL("metadata", CRMetadataBindMount, NULL, 0, &mount);
    CHECK_NULL("mount", CRMetadataBindMount, metadata, 0, NULL);
    CHECK_NULL("metadata", CRMetadataJson, NULL, &text);
    CHECK_NULL("json", CRMetadataJson, metadata, NULL);
    CRMetadataFree(metadata);

    CHECK_INT(CRMetadataEngine(NULL), CR_ENGINE_UNKNOWN);
    CHECK(CRMetadataText(NULL, CR_TEXT_ID) == NULL);
    CRMetadataFree(NULL);
}

int main(void)
{
    RUN(texts_are_those_of_the_documents);
    RUN(a_later_document_takes_the_place_of_an_earlier_one);
    RUN(a_runtime_that_is_unfit_has_no_name);
    RUN(documents_are_answered_as_they_came);
    RUN(malformed_documents_change_nothing);
    RUN(annotations_are_found_by_their_keys);
    RUN(bind_mounts_are_counted_through);
    RUN(the_json_has_all_of_it_and_harms_no_terminal);
    RUN(arguments_that_may_not_be_null_are_named);
    return check_finish("metadata");
}
