#include <string.h>

#include "config/field.h"

void mhc__config_differences(const mhc__config *before, const mhc__config *now, const char *section, mhc__text *lines) {
    for (int i = 0; i < mhc__field_count; i++) {
        const mhc__field *field = &mhc__fields[i];
        mhc__text old = {0}, new = {0};
        mhc__field_print(field, before, &old);
        mhc__field_print(field, now, &new);
        const char *a = old.data ? old.data : "", *b = new.data ? new.data : "";
        if (strcmp(field->section, section) == 0 && strcmp(a, b) != 0)
            mhc__text_format(lines, "%s.%s: %s before, %s now\n", section, field->name, a, b);
        mhc__text_free(&old);
        mhc__text_free(&new);
    }
}
