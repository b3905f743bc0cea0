/* A keyed pseudo-random permutation of 0..count-1 without a table: a Feistel network over the next even number of bits,
 * walked until it lands inside (Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). The shuffle of
 * a hundred million offsets costs no memory, and any place of it can be asked for alone. */
#ifndef MHC_DATA_PERMUTATION_H
#define MHC_DATA_PERMUTATION_H

#include <stdint.h>

uint64_t mhc__permute(uint64_t key, uint64_t epoch, uint64_t count, uint64_t index);

#endif
