/* Whole files out of their compressed bytes: zip (its first member), gzip, xz (all members). */
#ifndef MHC_DATA_UNPACK_H
#define MHC_DATA_UNPACK_H

#include "base/text.h"

typedef enum mhc__packing { MHC__PACKING_NONE, MHC__PACKING_ZIP, MHC__PACKING_GZIP, MHC__PACKING_XZ } mhc__packing;

/* How a file is packed, by its first bytes. MHC_UNSUPPORTED, with the name, for bzip2, zstd and 7z. */
mhc_status mhc__packing_of(const void *bytes, size_t size, mhc__packing *packing, mhc_error *error);

/* Appends the content to out: MHC_CORRUPT for damaged bytes, or for more than `limit` bytes of content (a small file
 * may claim to hold terabytes). */
mhc_status mhc__unpack(mhc__packing packing, const void *bytes, size_t size, size_t limit, mhc__text *out,
                       mhc_error *error);

#endif
