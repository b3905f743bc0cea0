#ifndef MHC_CLI_INSPECT_H
#define MHC_CLI_INSPECT_H

#include "base/error.h"

/* Prints pre, post and res of every site of the checkpoint that path leads to. */
mhc_status mhc__print_matrices(const char *path, mhc_error *error);

#endif
