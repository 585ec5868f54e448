/* SPDX-License-Identifier: Apache-2.0 */
/* Writes small ustar archives, also such as no sane program writes. */

#ifndef TAR_H
#define TAR_H

#include "files.h"

/* Every member has this time, and belongs to the user who runs the test. */
#define TAR_TIME 1500000000

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], padding[12];
};

static inline FILE *tar_begin(const char *name)
{
    FILE *tar = fopen(path(name), "w");

    if (tar == NULL)
        files_die(name);
    return tar;
}

static inline void tar_octal(char *field, size_t length, unsigned long long value)
{
    char text[32];

    snprintf(text, sizeof(text), "%0*llo", (int)length - 1, value);
    memcpy(field, text, length);
}

static inline void tar_header(FILE *tar, const char *name, char type, unsigned mode,
                              const char *link, unsigned long long size)
{
    struct tar_header header;
    unsigned sum = 0;

    memset(&header, 0, sizeof(header));
    memcpy(header.name, name, strlen(name));
    memcpy(header.link, link, strlen(link));
    tar_octal(header.mode, sizeof(header.mode), mode);
    tar_octal(header.uid, sizeof(header.uid), getuid());
    tar_octal(header.gid, sizeof(header.gid), getgid());
    tar_octal(header.size, sizeof(header.size), size);
    tar_octal(header.mtime, sizeof(header.mtime), TAR_TIME);
    header.type = type;
    memcpy(header.magic, "ustar", 6);
    memcpy(header.version, "00", 2);
    tar_octal(header.major, sizeof(header.major), 1);
    tar_octal(header.minor, sizeof(header.minor), 3);
    memset(header.checksum, ' ', sizeof(header.checksum));
    for (size_t i = 0; i < sizeof(header); i++)
        sum += ((const unsigned char *)&header)[i];
    tar_octal(header.checksum, 7, sum);
    if (fwrite(&header, sizeof(header), 1, tar) != 1)
        files_die(name);
}

static inline void tar_bytes(FILE *tar, const char *name, const void *bytes, size_t length)
{
    static const char zeros[512];

    tar_header(tar, name, '0', 0640, "", length);
    fwrite(bytes, 1, length, tar);
    fwrite(zeros, 1, (512 - length % 512) % 512, tar);
}

static inline void tar_file(FILE *tar, const char *name, const char *text)
{
    tar_bytes(tar, name, text, strlen(text));
}

static inline void tar_directory(FILE *tar, const char *name)
{
    tar_header(tar, name, '5', 0750, "", 0);
}

/* A link ('1' hard, '2' symbolic), a device ('3', '4'), a fifo ('6'). */
static inline void tar_special(FILE *tar, const char *name, char type, const char *link)
{
    tar_header(tar, name, type, 0600, link, 0);
}

/* A file of `size` zeros (a multiple of 512), which cost no time. */
static inline void tar_zeros(FILE *tar, const char *name, long size)
{
    tar_header(tar, name, '0', 0640, "", (unsigned long long)size);
    if (fseek(tar, size, SEEK_CUR) != 0)
        files_die(name);
}

static inline void tar_end(FILE *tar)
{
    static const char zeros[1024];

    if (fwrite(zeros, sizeof(zeros), 1, tar) != 1 || fclose(tar) != 0)
        files_die("tar");
}

/* An archive that ends without its end marker. */
static inline void tar_cut(FILE *tar)
{
    if (fclose(tar) != 0)
        files_die("tar");
}

#endif
