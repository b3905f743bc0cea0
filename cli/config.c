#include "config/config.h"

#include <stdio.h>

#include "command.h"

int mhc__command_config(const mhc__arguments *arguments) {
    int count;
    const char *const *sets = mhc__option_list(arguments, "set", &count);
    mhc__config config;
    mhc__text text = {0};
    mhc_error error = {0};
    mhc_status status = mhc__config_load(mhc__operand(arguments, 0), sets, count, &config, &error);
    if (status == MHC_OK)
        status = mhc__config_yaml(&config, !mhc__option_given(arguments, "plain"), &text, &error);
    if (status == MHC_OK)
        fputs(text.data, stdout);
    mhc__text_free(&text);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}
