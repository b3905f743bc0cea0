/* Packed token files, written by `mhc data pack`: a 64-byte header, then the tokens, memory-mapped by readers.
 *   bytes 0..7 "MHCTOKEN", u32 version, u32 bytes of a token (1, 2, 4), u32 vocabulary, u32 CRC-32 of the tokens, u64
 * count, zeros all little-endian. The tokenizer lies beside, as FILE.tokenizer.json. */
#ifndef MHC_DATA_PACKED_H
#define MHC_DATA_PACKED_H

#include "data/token_array.h"
#include "data/tokenizer.h"

/* Whether the file starts like a packed one. */
bool mhc__packed_is(const char *path);
/* Writes FILE (whole or not at all) and FILE.tokenizer.json. */
mhc_status mhc__packed_write(const char *path, const mhc__token_array *tokens, const mhc__tokenizer *tokenizer,
                             mhc_error *error);
/* Maps the tokens after checking header, size, checksum and that every token is below the vocabulary. */
mhc_status mhc__packed_open(const char *path, mhc__token_array *tokens, int *vocabulary, mhc_error *error);
/* The same over bytes in memory, which stay the caller's. For fuzzing. */
mhc_status mhc__packed_parse(const void *bytes, size_t size, const char *name, mhc__token_array *tokens,
                             int *vocabulary, mhc_error *error);
/* malloc'd path of the tokenizer of a packed file. */
char *mhc__packed_tokenizer_path(const char *path);

/* `mhc data pack`: tokenizes the text at `input` (file or folder) into a packed file. tokenizer: "byte", "char", "gpt2"
 * (with tokenizer_dir). *count gets the number of tokens. MHC_INVALID_ARGUMENT where that would overwrite the text. */
mhc_status mhc__data_pack(const char *input, const char *tokenizer, const char *tokenizer_dir, bool skip_invalid,
                          const char *output, int64_t *count, int *vocabulary, mhc_error *error);

#endif
