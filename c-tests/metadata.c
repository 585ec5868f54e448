/* SPDX-License-Identifier: Apache-2.0 */
/* CRMetadata: what is borrowed from it and until when, what a failure leaves, and documents that are built. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

#define CONFIG "{\"id\":\"4f1c\",\"name\":\"k8s_counter\",\"runtime\":\"crun\",\"rootfsImageName\":\"counter:1\"}"
#define SPEC                                                                                       \
    "{\"annotations\":{\"io.container.manager\":\"cri-o\",\"nul\":\"a\\u0000b\",\"empty\":\"\","   \
    "\"io.kubernetes.pod.name\":\"counters\"}}"
#define MOUNTS                                                                                     \
    "[{\"source\":\"/run/resolv.conf\",\"destination\":\"/etc/resolv.conf\",\"file_type\":\"file\","\
    "\"permissions\":420},{\"source\":\"/srv\",\"destination\":\"/data\",\"file_type\":\"directory\","\
    "\"permissions\":511}]"

static void add(CRMetadata *metadata, uint32_t document, const char *json)
{
    CHECK_OK(CRMetadataAdd, metadata, document, json, strlen(json));
}

static CRMetadata *crio(void)
{
    CRMetadata *metadata = CRMetadataNew();

    add(metadata, CR_DOCUMENT_CONFIG, CONFIG);
    add(metadata, CR_DOCUMENT_SPEC, SPEC);
    add(metadata, CR_DOCUMENT_BIND_MOUNTS, MOUNTS);
    return metadata;
}

static void answers_are_borrowed(void)
{
    CRMetadata *metadata = crio();
    const char *id = CRMetadataText(metadata, CR_TEXT_ID);
    const char *pod = CRMetadataAnnotation(metadata, "io.kubernetes.pod.name");
    const CRBindMount *const *mounts = NULL;
    const void *bytes = NULL;
    size_t mounts_len = 0, len = 0;

    CHECK_OK(CRMetadataBindMounts, metadata, &mounts, &mounts_len);
    CHECK_OK(CRMetadataDocument, metadata, CR_DOCUMENT_SPEC, &bytes, &len);
    /* What only asks changes nothing that was answered before. */
    CHECK(CRMetadataText(metadata, CR_TEXT_ID) == id);
    CHECK_INT(CRMetadataEngine(metadata), CR_ENGINE_CRIO);
    CHECK_STRING(id, "4f1c");
    CHECK_STRING(pod, "counters");
    CHECK(len == strlen(SPEC) && memcmp(bytes, SPEC, len) == 0);
    CHECK_INT(mounts_len, 2);
    CHECK_STRING(mounts[0]->source, "/run/resolv.conf");
    CHECK_STRING(mounts[1]->source, "/srv");
    CHECK_STRING(mounts[1]->destination, "/data");
    CHECK_STRING(mounts[1]->file_type, "directory");
    CHECK_INT(mounts[1]->permissions, 0777);
    CHECK_INT(mounts[1]->flags, 0);
    CRMetadataFree(metadata);
}

static void what_is_not_there_is_null(void)
{
    CRMetadata *metadata = crio();

    CHECK(CRMetadataText(metadata, CR_TEXT_RESTORED) == NULL);
    CHECK(CRMetadataText(metadata, 0) == NULL && CRMetadataText(metadata, UINT32_MAX) == NULL);
    CHECK(CRMetadataAnnotation(metadata, "missing") == NULL);
    CHECK(CRMetadataAnnotation(metadata, "\xff") == NULL);
    CHECK_STRING(CRMetadataAnnotation(metadata, "empty"), "");
    add(metadata, CR_DOCUMENT_CONFIG, "{\"runtime\":\"\"}");
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_RUNTIME), "");
    CHECK(CRMetadataText(metadata, CR_TEXT_ID) == NULL);
    CRMetadataFree(metadata);
}

/* A text with a NUL can't be a C string: cut, it would be another text. */
static void a_nul_hides_one_text_and_no_other(void)
{
    CRMetadata *metadata = crio();
    char *json = NULL;

    add(metadata, CR_DOCUMENT_CONFIG, "{\"id\":\"a\\u0000b\",\"name\":\"counter\"}");
    CHECK(CRMetadataText(metadata, CR_TEXT_ID) == NULL);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_NAME), "counter");
    CHECK(CRMetadataAnnotation(metadata, "nul") == NULL);
    CHECK_OK_ONCE(CRMetadataJson, metadata, &json);
    CHECK(strstr(json, "a\\u0000b") != NULL);
    CRStringFree(json);
    CRMetadataFree(metadata);
}

static void an_archive_with_a_nul_in_a_text_is_read(void)
{
    const CRMetadata *metadata = NULL;
    CRImport *import = NULL;
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "config.dump", "{\"id\":\"a\\u0000b\",\"name\":\"counter\"}");
    tar_file(tar, "spec.dump", "{\"annotations\":{\"a\\u0000\":\"b\",\"c\":\"d\"}}");
    tar_end(tar);
    CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path("in.tar"), NULL, NULL, &import);
    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    CHECK(CRMetadataText(metadata, CR_TEXT_ID) == NULL);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_NAME), "counter");
    CHECK_STRING(CRMetadataAnnotation(metadata, "c"), "d");
    CRImportFree(import);
}

static void a_failed_addition_changes_nothing(void)
{
    const size_t too_long = (16 << 20) + 1;
    CRMetadata *metadata = crio();
    const char *id = CRMetadataText(metadata, CR_TEXT_ID);
    char *large = malloc(too_long), *before = NULL, *after = NULL;

    if (large == NULL)
        files_die("malloc");
    memset(large, ' ', too_long);
    CHECK_OK_ONCE(CRMetadataJson, metadata, &before);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataAdd, metadata, CR_DOCUMENT_CONFIG, "{", 1);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataAdd, metadata, CR_DOCUMENT_CONFIG, "{\"id\": 7}", 9);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataAdd, metadata, CR_DOCUMENT_SPEC, NULL, 0);
    CHECK_FAILS(E2BIG, CR_ERROR_LIMIT, CRMetadataAdd, metadata, CR_DOCUMENT_STATUS, large, too_long);
    CHECK_OK_ONCE(CRMetadataJson, metadata, &after);
    CHECK_STRING(after, before);
    /* What was borrowed before is still the same. */
    CHECK(CRMetadataText(metadata, CR_TEXT_ID) == id);
    CHECK_STRING(id, "4f1c");
    CRStringFree(before);
    CRStringFree(after);
    free(large);
    CRMetadataFree(metadata);
}

static void outputs_are_untouched_on_failure(void)
{
    const CRBindMount *none = NULL, *const *mounts = &none;
    CRMetadata *metadata = CRMetadataNew();
    const void *bytes = MOUNTS;
    size_t len = 5;

    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataBindMounts, metadata, &mounts, &len);
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataDocument, metadata, CR_DOCUMENT_STATUS, &bytes, &len);
    CHECK(mounts == &none && bytes == (const void *)MOUNTS && len == 5);
    /* What isn't needed for a restore is kept even if it is malformed, and fails where it is asked for. */
    add(metadata, CR_DOCUMENT_BIND_MOUNTS, "[{\"source\":7}]");
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRMetadataBindMounts, metadata, &mounts, &len);
    CHECK(mounts == &none && len == 5);
    CHECK_OK(CRMetadataDocument, metadata, CR_DOCUMENT_BIND_MOUNTS, &bytes, &len);
    CHECK_INT(len, 14);
    add(metadata, CR_DOCUMENT_BIND_MOUNTS, "[]");
    CHECK_OK(CRMetadataBindMounts, metadata, &mounts, &len);
    CHECK(mounts != NULL && mounts != &none && len == 0);
    CRMetadataFree(metadata);
}

/* The texts that an engine sets. */
static const struct {
    uint32_t which;
    const char *value;
} texts[] = {
    {CR_TEXT_ID, "0123456789abcdef"},
    {CR_TEXT_NAME, "counter"},
    {CR_TEXT_RUNTIME, "crun"},
    {CR_TEXT_IMAGE_NAME, "registry.example/counter:1.0"},
    {CR_TEXT_IMAGE_REF, "3b25c682ee5f2e9a3b25c682ee5f2e9a3b25c682ee5f2e9a3b25c682ee5f2e9a"},
    {CR_TEXT_CREATED, "2026-05-11T09:08:07Z"},
    {CR_TEXT_CHECKPOINTED, "2026-05-11T09:18:07Z"},
};

static void what_was_built_reads_back(void)
{
    static const uint32_t engines[] = {CR_ENGINE_PODMAN, CR_ENGINE_CRIO, CR_ENGINE_CONTAINERD};

    for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
        CRMetadata *metadata = CRMetadataNew();
        CRExport *export = CRExportNew();
        CRImport *import = NULL;
        const CRMetadata *read = NULL;

        add(metadata, CR_DOCUMENT_SPEC, "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"}}");
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            CHECK_OK(CRMetadataSetText, metadata, texts[i].which, texts[i].value);
        CHECK_OK(CRMetadataSetAnnotation, metadata, "org.example.note", "a \"note\"");
        CHECK_OK_ONCE(CRMetadataBuild, metadata, engines[e]);
        CHECK_OK_ONCE(CRExportAddMetadata, export, metadata);
        /* The export has copies. */
        CRMetadataFree(metadata);
        CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("out.tar"), NULL, NULL);
        CRExportFree(export);

        CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path("out.tar"), NULL, NULL, &import);
        CHECK_OK_ONCE(CRImportMetadata, import, &read);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            CHECK_STRING(CRMetadataText(read, texts[i].which), texts[i].value);
        CHECK_STRING(CRMetadataAnnotation(read, "org.example.note"), "a \"note\"");
        CRImportFree(import);
    }
}

static void nothing_is_built_of_too_little(void)
{
    CRMetadata *metadata = CRMetadataNew();
    const void *bytes;
    size_t len;

    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataBuild, metadata, CR_ENGINE_PODMAN);
    CHECK_OK(CRMetadataSetText, metadata, CR_TEXT_ID, "0123");
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataBuild, metadata, CR_ENGINE_PODMAN);
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataDocument, metadata, CR_DOCUMENT_CONFIG, &bytes, &len);
    add(metadata, CR_DOCUMENT_SPEC, "{}");
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRMetadataBuild, metadata, CR_ENGINE_CRIO);
    CHECK_OK(CRMetadataSetText, metadata, CR_TEXT_IMAGE_REF, "docker.io/library/busybox");
    CHECK_NULL("engine", CRMetadataBuild, metadata, CR_ENGINE_CRIO);
    CHECK_OK(CRMetadataBuild, metadata, CR_ENGINE_PODMAN);
    CHECK_OK(CRMetadataDocument, metadata, CR_DOCUMENT_CONFIG, &bytes, &len);

    CHECK_NULL("which", CRMetadataSetText, metadata, CR_TEXT_POD_NAME, "pod");
    CHECK_NULL("value", CRMetadataSetText, metadata, CR_TEXT_NAME, "\xff");
    CHECK_NULL("value", CRMetadataSetText, metadata, CR_TEXT_CREATED, "yesterday");
    CHECK_NULL("key", CRMetadataSetAnnotation, metadata, "", "x");
    CHECK_NULL("key", CRMetadataSetAnnotation, metadata, "\xff", "x");
    CHECK_NULL("value", CRMetadataSetAnnotation, metadata, "x", "\xff");
    CRMetadataFree(metadata);
}

static void metadata_is_added_to_an_export_whole_or_not_at_all(void)
{
    CRMetadata *metadata = crio();
    CRExport *export = CRExportNew();

    CHECK_OK_ONCE(CRExportAddBytes, export, "spec.dump", "{}", 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddMetadata, export, metadata);
    CHECK_OK_ONCE(CRExportAddBytes, export, "config.dump", "{}", 2);
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("out.tar"), NULL, NULL);
    CHECK_INT(CRExportResult(export)->members, 2);
    CRExportFree(export);
    CRMetadataFree(metadata);
}

int main(void)
{
    RUN(answers_are_borrowed);
    RUN(what_is_not_there_is_null);
    RUN(a_nul_hides_one_text_and_no_other);
    RUN(an_archive_with_a_nul_in_a_text_is_read);
    RUN(a_failed_addition_changes_nothing);
    RUN(outputs_are_untouched_on_failure);
    RUN(what_was_built_reads_back);
    RUN(nothing_is_built_of_too_little);
    RUN(metadata_is_added_to_an_export_whole_or_not_at_all);
    return check_finish("metadata");
}
