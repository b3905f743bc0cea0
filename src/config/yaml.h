/* Reading YAML: structure by libcyaml against a schema made from the table of fields; places by libyaml's parser. */
#ifndef MHC_CONFIG_YAML_H
#define MHC_CONFIG_YAML_H

#include "config/field.h"

/* Where a key stands in the file. */
typedef struct mhc__place {
    char section[32], name[64]; /* name is empty for the section itself; both are cut where longer */
    int line;                   /* 1, 2, … */
} mhc__place;

typedef struct mhc__places {
    mhc__place *at;
    int count, capacity;
} mhc__places;

/* All keys in order. Fails, with "FILE:LINE: …", on what isn't YAML, and on what a configuration has no use for:
 * anchors and aliases, keys or values that aren't scalars, several documents. */
mhc_status mhc__places_scan(const char *text, size_t size, const char *file, mhc__places *places, mhc_error *error);
void mhc__places_free(mhc__places *places);
/* The line of section.name, 0 when it isn't there. name NULL: of the section. */
int mhc__places_line(const mhc__places *places, const char *section, const char *name);

/* Sets the fields that the text names; others stay. places is filled for messages of later checks. Values are not
 * checked beyond their type. */
mhc_status mhc__yaml_read(const char *text, size_t size, const char *file, mhc__config *config, mhc__places *places,
                          mhc_error *error);

#endif
