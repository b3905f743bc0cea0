#include "probe/check.h"

#include <stdio.h>

#include "command.h"
#include "report/table.h"

static void print_report(const mhc__check_report *report, const char *path) {
    mhc__table table = {0};
    mhc__text text = {0};
    mhc__table_start(&table, "Tensor|Compared|Relative|Largest|Allowed|");
    for (int i = 0; i < report->count; i++) {
        const mhc__check_row *row = &report->rows[i];
        mhc__table_cell(&table, "%s", row->name);
        mhc__table_cell(&table, "%s", row->what);
        mhc__table_number(&table, row->relative);
        mhc__table_number(&table, row->absolute);
        mhc__table_cell(&table, "%.3g %s", row->tolerance, row->by_absolute ? "absolute" : "relative");
        mhc__table_cell(&table, "%s", row->ok ? "agrees" : "DISAGREES");
    }
    mhc__table_plain(&table, &text);
    printf("%s: %s: %s\n\n%s\n", path, report->kind, report->summary, text.data ? text.data : "");
    if (report->failed)
        printf("%d of %d disagree.\n", report->failed, report->count);
    else
        printf("All %d agree.\n", report->count);
    mhc__text_free(&text);
    mhc__table_free(&table);
}

int mhc__command_check(const mhc__arguments *arguments) {
    mhc__check_report report = {0};
    mhc_error error = {0};
    const char *path = mhc__operand(arguments, 0);
    mhc_context context = mhc_context_cpu((int)mhc__option_integer(arguments, "threads", 0));
    int code = MHC__EXIT_FINE;
    if (mhc__check_file(path, &context, &report, &error) != MHC_OK)
        code = mhc__failed(&error);
    else {
        print_report(&report, path);
        if (report.failed)
            code = MHC__EXIT_FAILED;
    }
    mhc__check_report_free(&report);
    return code;
}
