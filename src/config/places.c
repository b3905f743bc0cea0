#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/yaml.h"

typedef struct scanner {
    yaml_parser_t parser;
    const char *text, *file;
    size_t size;
    mhc__places *places;
    mhc_error *error;
    int depth;       /* of open mappings */
    bool want_value; /* a key of this depth was read */
    int documents;
    char section[32];
} scanner;

static mhc_status fail_at(const scanner *scan, size_t line, const char *what) {
    return mhc__fail(scan->error, MHC_INVALID_ARGUMENT, "%s:%zu: %s", scan->file, line + 1, what);
}

static mhc_status add_place(scanner *scan, const char *section, const char *name, size_t line) {
    mhc__places *places = scan->places;
    if (places->count == places->capacity) {
        int capacity = places->capacity ? 2 * places->capacity : 64;
        mhc__place *at = realloc(places->at, (size_t)capacity * sizeof *at);
        if (!at)
            return mhc__fail(scan->error, MHC_OUT_OF_MEMORY, "%s: no memory for its keys", scan->file);
        places->at = at;
        places->capacity = capacity;
    }
    mhc__place *place = &places->at[places->count++];
    memset(place, 0, sizeof *place);
    memcpy(place->section, section, strnlen(section, sizeof place->section - 1));
    memcpy(place->name, name, strnlen(name, sizeof place->name - 1));
    place->line = (int)line + 1;
    return MHC_OK;
}

static mhc_status on_scalar(scanner *scan, const yaml_event_t *event) {
    const char *value = (const char *)event->data.scalar.value;
    size_t line = event->start_mark.line;
    if (event->data.scalar.anchor)
        return fail_at(scan, line, "anchors are not supported");
    if (strlen(value) != event->data.scalar.length)
        return fail_at(scan, line, "a NUL character is not allowed");
    if (scan->depth == 0)
        return fail_at(scan, line, "expected \"model:\", \"train:\" or \"data:\" with fields below");
    if (scan->want_value) {
        scan->want_value = false;
        if (scan->depth == 1 && *value) {
            mhc__fail(scan->error, MHC_INVALID_ARGUMENT, "%s:%zu: %s: expected fields below it, found \"%.60s\"",
                      scan->file, line + 1, scan->section, value);
            return MHC_INVALID_ARGUMENT;
        }
        return MHC_OK;
    }
    scan->want_value = true;
    if (scan->depth == 2)
        return add_place(scan, scan->section, value, line);
    memset(scan->section, 0, sizeof scan->section);
    memcpy(scan->section, value, strnlen(value, sizeof scan->section - 1));
    return add_place(scan, value, "", line);
}

static mhc_status on_event(scanner *scan, const yaml_event_t *event) {
    size_t line = event->start_mark.line;
    const mhc__place *last = scan->places->count ? &scan->places->at[scan->places->count - 1] : NULL;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++scan->documents > 1 ? fail_at(scan, line, "expected one document, found a second") : MHC_OK;
    case YAML_ALIAS_EVENT:
        return fail_at(scan, line, "aliases are not supported");
    case YAML_SCALAR_EVENT:
        return on_scalar(scan, event);
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor)
            return fail_at(scan, line, "anchors are not supported");
        if (scan->depth == 0 || (scan->depth == 1 && scan->want_value)) {
            scan->depth++;
            scan->want_value = false;
            return MHC_OK;
        }
        break;
    case YAML_MAPPING_END_EVENT:
        scan->depth--;
        scan->want_value = false;
        return MHC_OK;
    case YAML_SEQUENCE_START_EVENT:
        break;
    default:
        return MHC_OK;
    }
    if (!scan->want_value || !last)
        return fail_at(scan, line, "expected a field's name, found a list or mapping");
    return mhc__fail(scan->error, MHC_INVALID_ARGUMENT, "%s:%zu: %s%s%s: expected %s, found a %s", scan->file, line + 1,
                     last->section, *last->name ? "." : "", last->name, *last->name ? "one value" : "fields below it",
                     event->type == YAML_SEQUENCE_START_EVENT ? "list" : "mapping");
}

/* Encoding errors have an offset in place of a mark. */
static size_t problem_line(const scanner *scan) {
    if (scan->parser.error != YAML_READER_ERROR)
        return scan->parser.problem_mark.line;
    size_t line = 0;
    for (size_t i = 0; i < scan->parser.problem_offset && i < scan->size; i++)
        line += scan->text[i] == '\n';
    return line;
}

static mhc_status scan_events(scanner *scan) {
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&scan->parser, &event)) {
            const yaml_parser_t *parser = &scan->parser;
            if (parser->error == YAML_MEMORY_ERROR)
                return mhc__fail(scan->error, MHC_OUT_OF_MEMORY, "%s: no memory to parse it", scan->file);
            size_t line = problem_line(scan);
            return mhc__fail(scan->error, MHC_INVALID_ARGUMENT, "%s:%zu: not YAML: %s", scan->file, line + 1,
                             parser->problem ? parser->problem : "unknown problem");
        }
        bool end = event.type == YAML_STREAM_END_EVENT;
        mhc_status status = on_event(scan, &event);
        yaml_event_delete(&event);
        if (status != MHC_OK || end)
            return status;
    }
}

mhc_status mhc__places_scan(const char *text, size_t size, const char *file, mhc__places *places, mhc_error *error) {
    scanner scan = {.text = text, .size = size, .file = file, .places = places, .error = error};
    if (!yaml_parser_initialize(&scan.parser))
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to parse it", file);
    yaml_parser_set_input_string(&scan.parser, (const unsigned char *)text, size);
    mhc_status status = scan_events(&scan);
    yaml_parser_delete(&scan.parser);
    return status;
}

void mhc__places_free(mhc__places *places) {
    free(places->at);
    *places = (mhc__places){0};
}

int mhc__places_line(const mhc__places *places, const char *section, const char *name) {
    for (int i = 0; i < places->count; i++)
        if (strcmp(places->at[i].section, section) == 0 && strcmp(places->at[i].name, name ? name : "") == 0)
            return places->at[i].line;
    return 0;
}
