#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "data/packed.h"

static int pack(const mhc__arguments *arguments, const char *text) {
    const char *out = mhc__option_text(arguments, "out"), *kind = mhc__option_text(arguments, "tokenizer");
    const char *folder = mhc__option_text(arguments, "tokenizer-dir");
    char *path = out ? mhc__format("%s", out) : mhc__format("%s.tokens", text);
    mhc_error error = {0};
    int64_t count = 0;
    int vocabulary = 0;
    mhc_status status = path ? mhc__data_pack(text, kind ? kind : "byte", folder ? folder : "",
                                              mhc__option_given(arguments, "skip-invalid"), path, &count, &vocabulary,
                                              &error)
                             : mhc__fail(&error, MHC_OUT_OF_MEMORY, "no memory for the path");
    if (status == MHC_OK)
        printf("%s: %lld tokens, %d ids; use it with --data %s\n", path, (long long)count, vocabulary, path);
    free(path);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}

int mhc__command_data(const mhc__arguments *arguments) {
    const char *what = mhc__operand(arguments, 0), *name = mhc__operand(arguments, 1);
    if (strcmp(what, "pack") == 0 && name)
        return pack(arguments, name);
    return mhc__misused(arguments->command, "expected %s", arguments->command->operands);
}
