/* One table describes every field of a configuration. Reading YAML and JSON, --set, printing, comments, suggestions and
 * the schema for libcyaml all come from it: a new field is one new line in fields.c. */
#ifndef MHC_CONFIG_FIELD_H
#define MHC_CONFIG_FIELD_H

#include <stddef.h>

#include "base/text.h"
#include "config/config.h"

typedef enum mhc__field_kind {
    MHC__FIELD_INT,
    MHC__FIELD_INT64,
    MHC__FIELD_UINT64,
    MHC__FIELD_FLOAT,
    MHC__FIELD_BOOL,
    MHC__FIELD_ENUM,
    MHC__FIELD_STRING
} mhc__field_kind;

typedef struct mhc__field {
    const char *section, *name;
    mhc__field_kind kind;
    size_t offset, size;      /* in mhc__config */
    const char *const *names; /* enum: by value, NULL at the end */
    const char *comment;
} mhc__field;

#define MHC__MAX_SECTIONS 3

/* Grouped by section. */
extern const mhc__field mhc__fields[];
extern const int mhc__field_count;

typedef struct mhc__section {
    const char *name, *comment;
} mhc__section;
extern const mhc__section mhc__sections[MHC__MAX_SECTIONS];

/* section and name need not end at a NUL: lengths are given. NULL when there is none. */
const mhc__field *mhc__field_find(const char *section, size_t section_length, const char *name, size_t name_length);

/* Sets the field from text. Messages start with "section.name: ". The config is changed on success alone. */
mhc_status mhc__field_parse(const mhc__field *field, mhc__config *config, const char *text, mhc_error *error);
/* Appends the value as mhc__field_parse reads it, unquoted; floats in the fewest digits that read back to the same. */
void mhc__field_print(const mhc__field *field, const mhc__config *config, mhc__text *text);
/* Fails with "section.name: unknown field; did you mean …?" */
mhc_status mhc__field_unknown(const char *section, const char *name, mhc_error *error);

#endif
