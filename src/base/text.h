/* A growing byte string, always NUL-terminated once anything was appended. An allocation failure is remembered in
 * `failed` and later appends do nothing, so that a builder checks once at its end. */
#ifndef MHC_BASE_TEXT_H
#define MHC_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct mhc__text {
    char *data;
    size_t length, capacity;
    bool failed;
} mhc__text;

void mhc__text_append(mhc__text *text, const char *bytes, size_t count);
void mhc__text_format(mhc__text *text, const char *format, ...) MHC__PRINTF(2, 3);
void mhc__text_format_list(mhc__text *text, const char *format, va_list arguments) MHC__PRINTF(2, 0);
/* A space and the word, in quotes where a shell would take it for something else. */
void mhc__shell_word(mhc__text *text, const char *word);
void mhc__text_free(mhc__text *text);

/* A malloc'd formatted string, NULL when memory is out. */
char *mhc__format(const char *format, ...) MHC__PRINTF(1, 2);

#endif
