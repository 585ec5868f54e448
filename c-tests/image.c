/* SPDX-License-Identifier: Apache-2.0 */
/* CRImage: what is written of an archive and of an export, what is told of it, and what is imported again. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

static void make_bundle(void)
{
    make_directory("bundle");
    make_file("bundle/config.dump", "{\"id\":\"1\",\"name\":\"counter\",\"runtime\":\"crun\"}");
    make_file("bundle/spec.dump", "{}");
    make_directory("bundle/checkpoint");
    make_file("bundle/checkpoint/inventory.img", "inventory");
}

static const char *annotation(const CRImageInfo *info, const char *key)
{
    for (size_t i = 0; i < info->annotations_len; i++) {
        if (strcmp(info->annotation_keys[i], key) == 0)
            return info->annotation_values[i];
    }
    return NULL;
}

/* Makes the archive of the bundle. */
static void exported(const char *archive)
{
    CRExport *export = CRExportNew();

    CHECK_OK_ONCE(CRExportAddBundle, export, AT_FDCWD, path("bundle"), CR_ENGINE_PODMAN);
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path(archive), NULL, NULL);
    CRExportFree(export);
}

static void an_archive_and_its_bundle_become_images(void)
{
    CRImageOptions *options = CRImageOptionsNew();
    CRExport *export = CRExportNew();
    CRImage *image = NULL, *second = NULL;
    const CRImageInfo *info;

    make_bundle();
    exported("archive.tar.zst");
    CHECK_OK_ONCE(CRImageOptionsName, options, "localhost/counter:1");
    CHECK_OK_ONCE(CRImageOptionsAnnotation, options, "com.example.key", "value");
    CHECK_OK_ONCE(CRImageOptionsArchitecture, options, "arm/v7");
    CHECK_OK_ONCE(CRImageOptionsCreated, options, "2026-11-02T03:04:05Z");
    CHECK_OK_ONCE(CRImageFromArchive, AT_FDCWD, path("archive.tar.zst"), AT_FDCWD, path("layout"), options, NULL,
                  &image);
    info = CRImageGetInfo(image);
    CHECK_STRING(info->name, "localhost/counter:1");
    CHECK_STRING(info->architecture, "arm");
    CHECK_STRING(info->variant, "v7");
    CHECK_STRING(info->os, "linux");
    CHECK_STRING(info->created, "2026-11-02T03:04:05Z");
    CHECK_STRING(annotation(info, "com.example.key"), "value");
    CHECK_STRING(annotation(info, "org.criu.checkpoint.container.name"), "counter");
    CHECK_INT(info->kept, 1);
    CHECK_INT(info->members, 4);
    CHECK_INT(info->layers_len, 1);
    CHECK_STRING(info->layers[0]->media_type, "application/vnd.oci.image.layer.v1.tar+zstd");
    CHECK_INT(strlen(info->digest), 64);

    CHECK_OK_ONCE(CRExportAddBundle, export, AT_FDCWD, path("bundle"), CR_ENGINE_PODMAN);
    CHECK_OK_ONCE(CRExportWriteImage, export, AT_FDCWD, path("layout"), NULL, NULL, NULL, &second);
    CHECK_STRING(CRImageGetInfo(second)->layers[0]->media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
    /* The content is the same, whatever compresses it. */
    CHECK_STRING(CRImageGetInfo(second)->layers[0]->diff_id, info->layers[0]->diff_id);
    CHECK_INT(CRImageGetInfo(second)->name == NULL, 1);
    CRImageFree(second);
    CRImageFree(image);
    CRExportFree(export);
    CRImageOptionsFree(options);
}

static void an_image_is_looked_at_and_imported(void)
{
    CRImportOptions *how = CRImportOptionsNew();
    CRImage *image = NULL, *opened = NULL;
    CRImport *import = NULL;

    make_bundle();
    exported("archive.tar.zst");
    CHECK_OK(CRImportOptionsSet, how, CR_IMPORT_IGNORE_OWNERSHIP, 1);
    CHECK_OK_ONCE(CRImageFromArchive, AT_FDCWD, path("archive.tar.zst"), AT_FDCWD, path("layout"), NULL, NULL,
                  &image);
    CHECK_OK_ONCE(CRImageOpen, AT_FDCWD, path("layout"), NULL, NULL, NULL, &opened);
    CHECK_STRING(CRImageGetInfo(opened)->digest, CRImageGetInfo(image)->digest);
    CHECK_OK_ONCE(CRImportOpenImage, AT_FDCWD, path("layout"), "", how, NULL, &import);
    CHECK_STRING(CRImportImageInfo(import)->digest, CRImageGetInfo(image)->digest);
    CHECK_OK_ONCE(CRImportToBundle, import, AT_FDCWD, path("imported"));
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK_INT(access(path("imported/checkpoint/inventory.img"), F_OK), 0);
    CRImportFree(import);
    CRImageFree(opened);
    CRImageFree(image);
    CRImportOptionsFree(how);
}

static void the_images_of_a_layout_are_listed(void)
{
    CRImageOptions *options = CRImageOptionsNew();
    CRImage *named = NULL, *nameless = NULL;
    CRImageList *list = NULL;
    const CRListedImage *const *images;
    struct stat manifest;
    size_t length = 9;
    char digest[100];

    make_bundle();
    exported("archive.tar.zst");
    CHECK_OK_ONCE(CRImageOptionsName, options, "localhost/counter:1");
    CHECK_OK_ONCE(CRImageFromArchive, AT_FDCWD, path("archive.tar.zst"), AT_FDCWD, path("layout"), options, NULL,
                  &named);
    CHECK_OK_ONCE(CRImageFromArchive, AT_FDCWD, path("archive.tar.zst"), AT_FDCWD, path("layout"), NULL, NULL,
                  &nameless);
    CHECK_OK_ONCE(CRImageListOpen, AT_FDCWD, path("layout"), NULL, NULL, &list);
    images = CRImageListImages(list, &length);
    CHECK_INT(length, 2);
    CHECK_STRING(images[0]->name, "localhost/counter:1");
    CHECK_INT(images[1]->name == NULL, 1);
    snprintf(digest, sizeof digest, "sha256:%s", CRImageGetInfo(named)->digest);
    CHECK_STRING(images[0]->digest, digest);
    CHECK_STRING(images[0]->media_type, "application/vnd.oci.image.manifest.v1+json");
    snprintf(digest, sizeof digest, "layout/blobs/sha256/%s", CRImageGetInfo(named)->digest);
    CHECK_INT(stat(path(digest), &manifest), 0);
    CHECK_INT(images[0]->size, manifest.st_size);
    CHECK_INT(CRImageListImages(list, NULL) == images, 1);
    CRImageListFree(list);

    list = NULL;
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImageListOpen, AT_FDCWD, path("missing"), NULL, NULL, &list);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImageListOpen, AT_FDCWD, path("bundle"), NULL, NULL, &list);
    CHECK_INT(list == NULL, 1);
    CHECK_INT(CRImageListImages(NULL, &length) == NULL && length == 0, 1);
    CRImageListFree(NULL);
    CRImageFree(nameless);
    CRImageFree(named);
    CRImageOptionsFree(options);
}

static void what_is_no_image_is_an_error(void)
{
    CRImageOptions *options = CRImageOptionsNew();
    CRImage *image = NULL;
    CRImport *import = NULL;

    make_bundle();
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImageOpen, AT_FDCWD, path("missing"), NULL, NULL, NULL, &image);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportOpenImage, AT_FDCWD, path("bundle"), NULL, NULL, NULL,
                &import);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImageOptionsName, options, "a..b");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImageOptionsSet, options, 0, 0);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImageOptionsSet, options, CR_IMAGE_FORM, 3);
    CHECK_FAILS(EOPNOTSUPP, CR_ERROR_UNSUPPORTED, CRImageOptionsSet, options, 1000, 0);
    CHECK_INT(image == NULL && import == NULL, 1);
    CHECK_INT(CRImageGetInfo(NULL) == NULL && CRImportImageInfo(NULL) == NULL, 1);
    CRImageFree(NULL);
    CRImageOptionsFree(options);
}

int main(void)
{
    RUN(an_archive_and_its_bundle_become_images);
    RUN(an_image_is_looked_at_and_imported);
    RUN(the_images_of_a_layout_are_listed);
    RUN(what_is_no_image_is_an_error);
    return check_finish("image");
}
