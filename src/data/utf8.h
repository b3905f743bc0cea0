/* Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629). */
#ifndef MHC_DATA_UTF8_H
#define MHC_DATA_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The code point at text[0..size), size > 0; *length gets its bytes. -1 for an invalid byte: *length then is the number
 * of bytes that Python's decoder skips with errors="ignore" (the longest prefix of a valid sequence, at least one). */
int32_t mhc__utf8_decode(const unsigned char *text, size_t size, int *length);
/* Writes 1 to 4 bytes, returns how many. */
int mhc__utf8_encode(int32_t code_point, char out[4]);

#endif
