/* The table of a library without CUDA. (A program that brings a table of its own, as the tests do with the emulated
 * one, links that instead of this file.) */
#include "stream/cuda.h"

const mhc__cuda_table *const mhc__cuda = NULL;
