#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "report/runs.h"

/* One run: into its own folder; several, or a folder of runs: beside them, so that no study's own report is lost. */
static char *default_out(const mhc__arguments *arguments, const mhc__runs *runs) {
    const char *first = mhc__operand(arguments, 0);
    int length = (int)strlen(first);
    while (length > 1 && first[length - 1] == '/')
        length--;
    if (arguments->operand_count > 1)
        return mhc__format("runs/report");
    bool itself = (int)strlen(runs->run[0].folder) == length && !strncmp(runs->run[0].folder, first, (size_t)length);
    return mhc__format(itself ? "%.*s/report" : "%.*s/report-of-runs", length, first);
}

static char *command_of(const mhc__arguments *arguments, const char *out) {
    mhc__text text = {0};
    mhc__text_format(&text, "mhc report");
    for (int i = 0; i < arguments->operand_count; i++)
        mhc__shell_word(&text, mhc__operand(arguments, i));
    mhc__text_format(&text, " --out");
    mhc__shell_word(&text, out);
    if (text.failed)
        mhc__text_free(&text);
    return text.data;
}

int mhc__command_report(const mhc__arguments *arguments) {
    mhc_error error = {0};
    mhc__runs *runs = malloc(sizeof *runs);
    if (!runs) {
        mhc__fail(&error, MHC_OUT_OF_MEMORY, "report: no memory");
        return mhc__failed(&error);
    }
    mhc_status status = mhc__runs_load(arguments->operands, arguments->operand_count, runs, &error);
    const char *given = mhc__option_text(arguments, "out");
    char *out = NULL, *command = NULL;
    if (status == MHC_OK) {
        out = given ? mhc__format("%s", given) : default_out(arguments, runs);
        command = out ? command_of(arguments, out) : NULL;
        status = command ? mhc__runs_report(runs, out, command, stderr, &error)
                         : mhc__fail(&error, MHC_OUT_OF_MEMORY, "report: no memory");
    }
    if (status == MHC_OK)
        printf("%s/index.html\n", out);
    free(out);
    free(command);
    mhc__runs_free(runs);
    free(runs);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}
