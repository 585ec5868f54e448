/* SPDX-License-Identifier: Apache-2.0 */
/* A library that has functions with the names of zstd's, xz's and bzip2's. None of them may be called by crutils. */

#include <stdlib.h>

#define STANDS_FOR(function)                                                                       \
    int function(void);                                                                            \
    int function(void)                                                                             \
    {                                                                                              \
        if (beside_zstd_allows)                                                                    \
            return 7;                                                                              \
        abort();                                                                                   \
    }

extern int beside_zstd_allows;
int beside_zstd_allows;

STANDS_FOR(ZSTD_compress)
STANDS_FOR(ZSTD_compressStream2)
STANDS_FOR(ZSTD_createDStream)
STANDS_FOR(ZSTD_decompressStream)
STANDS_FOR(ZSTD_trace_compress_begin)
STANDS_FOR(ZSTD_trace_decompress_begin)
STANDS_FOR(lzma_code)
STANDS_FOR(lzma_stream_decoder)
STANDS_FOR(BZ2_bzDecompress)
STANDS_FOR(BZ2_bzDecompressInit)
STANDS_FOR(inflate)
