#ifndef MHC_CLI_INSPECT_H
#define MHC_CLI_INSPECT_H

#include "base/error.h"
#include "command.h"

/* Prints pre, post and res of every site of the checkpoint that path leads to. */
mhc_status mhc__print_matrices(const char *path, mhc_error *error);
/* Runs one batch through it, forward and backward, and prints what the probes see. */
mhc_status mhc__print_probes(const char *path, const mhc__arguments *arguments, mhc_error *error);

#endif
