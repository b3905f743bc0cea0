#include "study/variant.h"

#include <string.h>

#include "study/settings.h"

static const char *kind_of(const char *preset) {
    static const char *const kinds[][2] = {
        {"residual", "baseline"},   {"hc", "HC"},           {"hc-static", "HC"},
        {"mhc-poc-hc", "HC"},       {"boolq-100-hc", "HC"}, {"paper", "mHC"},
        {"reproducing-mhc", "mHC"}, {"mhc-poc", "mHC"},     {"boolq-100", "mHC"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(kinds[i][0], preset))
            return kinds[i][1];
    return preset;
}

static bool is_preset(const char *name) {
    for (int i = 0; mhc_spec_preset_name(i); i++)
        if (!strcmp(mhc_spec_preset_name(i), name))
            return true;
    return false;
}

static mhc_status choose(const mhc__variant *variants, const char *name, mhc__choice *choice, mhc_error *error) {
    *choice = (mhc__choice){0};
    snprintf(choice->name, sizeof choice->name, "%s", name);
    for (; variants && variants->name; variants++)
        if (!strcmp(variants->name, name)) {
            choice->variant = *variants;
            return MHC_OK;
        }
    return is_preset(name) ? MHC_OK
                           : mhc__fail(error, MHC_INVALID_ARGUMENT,
                                       "study.connections: \"%s\" is neither one of the study's own (`mhc help study` "
                                       "lists them) nor the name of a connection (`mhc help config` does)",
                                       name);
}

int mhc__choice_find(const mhc__choice *choices, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (!strcmp(choices[i].name, name))
            return i;
    return -1;
}

static const char *connection_of(const mhc__choice *choice) {
    return choice->variant.name ? choice->variant.connection : choice->name;
}

static void label(mhc__choice *choices, int count, int index) {
    mhc__choice *choice = &choices[index];
    const char *kind = kind_of(connection_of(choice));
    bool alone = true;
    for (int i = 0; i < count; i++)
        alone &= i == index || choices[i].variant.label || strcmp(kind_of(connection_of(&choices[i])), kind) != 0;
    snprintf(choice->label, sizeof choice->label, "%s",
             choice->variant.label ? choice->variant.label
             : alone               ? kind
                                   : choice->name);
}

/* The style of a kind, for the first choice of it; 0 for the others. */
static int style_of_kind(const mhc__choice *choices, int index) {
    const char *kind = kind_of(connection_of(&choices[index]));
    for (int i = 0; i < index; i++)
        if (!strcmp(kind_of(connection_of(&choices[i])), kind))
            return 0;
    return !strcmp(kind, "baseline") ? 1 : !strcmp(kind, "HC") ? 2 : !strcmp(kind, "mHC") ? 3 : 0;
}

static void dress(mhc__choice *choices, int count) {
    int others = 4;
    for (int i = 0; i < count; i++) {
        label(choices, count, i);
        choices[i].style = style_of_kind(choices, i);
        if (!choices[i].style)
            choices[i].style = others++;
    }
}

mhc_status mhc__study_choose(const mhc__study_options *options, const mhc__variant *variants, const char *otherwise,
                             mhc__choice *choices, int *count, mhc_error *error) {
    const char *list = mhc__study_setting(options, "connections", otherwise);
    char piece[32];
    *count = 0;
    while (mhc__study_next_piece(&list, piece, sizeof piece)) {
        if (mhc__choice_find(choices, *count, piece) >= 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.connections: \"%s\" is there twice", piece);
        if (*count == MHC__STUDY_MAX_CHOICES)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.connections: more than %d", MHC__STUDY_MAX_CHOICES);
        MHC__TRY(choose(variants, piece, &choices[*count], error));
        ++*count;
    }
    dress(choices, *count);
    return MHC_OK;
}

bool mhc__choice_is_residual(const mhc__choice *choice) {
    return !strcmp(connection_of(choice), "residual");
}

mhc_status mhc__choice_apply(const mhc__choice *choice, mhc__config *config, mhc_error *error) {
    snprintf(config->model.connection, sizeof config->model.connection, "%s", connection_of(choice));
    for (int i = 0; i < MHC__VARIANT_SETS && choice->variant.set[i]; i++)
        MHC__TRY(mhc__config_set(config, choice->variant.set[i], error));
    if (mhc__choice_is_residual(choice))
        config->model.streams = 1;
    return MHC_OK;
}
