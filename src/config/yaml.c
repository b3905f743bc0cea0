#include "config/yaml.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any section has; checked when the schema is made. */
enum { SECTION_FIELDS = 48 };

/* What libcyaml fills: each value as text, NULL where the file doesn't name the field, so that a file is laid over the
 * defaults field by field, and typed by the same code as --set. */
typedef struct overlay_section {
    char *values[SECTION_FIELDS];
} overlay_section;

typedef struct overlay_root {
    overlay_section *sections[MHC__MAX_SECTIONS];
} overlay_root;

typedef struct file_schema {
    cyaml_schema_field_t fields[MHC__MAX_SECTIONS][SECTION_FIELDS + 1];
    const mhc__field *described[MHC__MAX_SECTIONS][SECTION_FIELDS];
    cyaml_schema_field_t sections[MHC__MAX_SECTIONS + 1];
    cyaml_schema_value_t root;
} file_schema;

static mhc_status schema_make(file_schema *schema, mhc_error *error) {
    memset(schema, 0, sizeof *schema);
    for (int s = 0; s < MHC__MAX_SECTIONS; s++) {
        int count = 0;
        for (int i = 0; i < mhc__field_count; i++) {
            if (strcmp(mhc__fields[i].section, mhc__sections[s].name) != 0)
                continue;
            if (count == SECTION_FIELDS)
                return mhc__fail(error, MHC_UNSUPPORTED, "section %s has more than %d fields", mhc__sections[s].name,
                                 SECTION_FIELDS);
            cyaml_schema_field_t field = {
                .key = mhc__fields[i].name,
                .data_offset = (uint32_t)((size_t)count * sizeof(char *)),
                .value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0, CYAML_UNLIMITED)}};
            schema->described[s][count] = &mhc__fields[i];
            schema->fields[s][count++] = field;
        }
        cyaml_schema_field_t section = {.key = mhc__sections[s].name,
                                        .data_offset = (uint32_t)((size_t)s * sizeof(overlay_section *)),
                                        .value = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL,
                                                                      overlay_section, schema->fields[s])}};
        schema->sections[s] = section;
    }
    schema->root = (cyaml_schema_value_t){CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, overlay_root, schema->sections)};
    return MHC_OK;
}

/* libcyaml explains itself in several log lines; the first says what, the others where (approximately). */
typedef struct first_complaint {
    char first[200];
} first_complaint;

static void on_log(cyaml_log_t level, void *self, const char *format, va_list arguments) {
    first_complaint *complaint = self;
    if (level != CYAML_LOG_ERROR || *complaint->first)
        return;
    vsnprintf(complaint->first, sizeof complaint->first, format, arguments);
    complaint->first[strcspn(complaint->first, "\n")] = '\0';
}

static bool known_section(const char *name) {
    for (int s = 0; s < MHC__MAX_SECTIONS; s++)
        if (strcmp(mhc__sections[s].name, name) == 0)
            return true;
    return false;
}

/* Says in our words, with the exact line, what libcyaml has refused. */
static mhc_status explain(const mhc__places *places, const char *file, const char *complaint, mhc_error *error) {
    for (int i = 0; i < places->count; i++) {
        const mhc__place *place = &places->at[i];
        if (!known_section(place->section))
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s:%d: %s: unknown section; expected model, train or data",
                             file, place->line, place->section);
        if (*place->name &&
            !mhc__field_find(place->section, strlen(place->section), place->name, strlen(place->name))) {
            mhc_status status = mhc__field_unknown(place->section, place->name, error);
            return mhc__fail_in(error, status, "%s:%d", file, place->line);
        }
        int first = mhc__places_line(places, place->section, place->name);
        if (first != place->line)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s:%d: %s%s%s: given twice, first in line %d", file,
                             place->line, place->section, *place->name ? "." : "", place->name, first);
    }
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: %s", file, complaint);
}

static mhc_status apply(const file_schema *schema, const overlay_root *overlay, const mhc__places *places,
                        const char *file, mhc__config *config, mhc_error *error) {
    for (int s = 0; s < MHC__MAX_SECTIONS; s++) {
        const overlay_section *section = overlay->sections[s];
        for (int i = 0; section && i < SECTION_FIELDS; i++) {
            if (!section->values[i])
                continue;
            const mhc__field *field = schema->described[s][i];
            mhc_status status = mhc__field_parse(field, config, section->values[i], error);
            if (status != MHC_OK)
                return mhc__fail_in(error, status, "%s:%d", file,
                                    mhc__places_line(places, field->section, field->name));
        }
    }
    return MHC_OK;
}

mhc_status mhc__yaml_read(const char *text, size_t size, const char *file, mhc__config *config, mhc__places *places,
                          mhc_error *error) {
    MHC__TRY(mhc__places_scan(text, size, file, places, error));
    if (places->count == 0)
        return MHC_OK;
    file_schema schema;
    MHC__TRY(schema_make(&schema, error));
    first_complaint complaint = {""};
    cyaml_config_t how = {.log_fn = on_log,
                          .log_ctx = &complaint,
                          .mem_fn = cyaml_mem,
                          .log_level = CYAML_LOG_ERROR,
                          .flags = CYAML_CFG_NO_ALIAS};
    cyaml_data_t *loaded = NULL;
    cyaml_err_t result = cyaml_load_data((const uint8_t *)text, size, &how, &schema.root, &loaded, NULL);
    if (result == CYAML_ERR_OOM)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to load it", file);
    if (result != CYAML_OK)
        return explain(places, file, *complaint.first ? complaint.first : cyaml_strerror(result), error);
    mhc_status status = loaded ? apply(&schema, loaded, places, file, config, error) : MHC_OK;
    cyaml_free(&how, &schema.root, loaded, 0);
    return status;
}
