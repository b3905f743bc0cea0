/* The whole configuration of a run: model, train, data. From YAML (libcyaml), with overrides, and back. */
#ifndef MHC_CONFIG_CONFIG_H
#define MHC_CONFIG_CONFIG_H

#include "base/text.h"
#include "data/corpus.h"
#include "model/config.h"
#include "train/config.h"

typedef struct mhc__config {
    mhc__model_config model;
    mhc__train_config train;
    mhc__data_config data;
} mhc__config;

mhc__config mhc__config_default(void);
/* Defaults, then the file (NULL: none), then overrides "train.steps=100" in order; checked. Errors name file:line and
 * the field: "run.yaml:12: model.streams: 0 is not in 1..32", "--set train.stepz=1: unknown field; did you mean
 * train.steps?" */
mhc_status mhc__config_load(const char *path, const char *const *overrides, int override_count, mhc__config *out,
                            mhc_error *error);
/* One override into an existing configuration (not checked as a whole: call mhc__config_check after the last). */
mhc_status mhc__config_set(mhc__config *config, const char *assignment, mhc_error *error);
mhc_status mhc__config_check(const mhc__config *config, mhc_error *error);
/* The resolved configuration as YAML that loads to the same, each field with its comment when `comments`. */
mhc_status mhc__config_yaml(const mhc__config *config, bool comments, mhc__text *text, mhc_error *error);
/* The same as JSON, for config.json in checkpoints; and back (unknown fields are an error). */
mhc_status mhc__config_json(const mhc__config *config, mhc__text *text, mhc_error *error);
mhc_status mhc__config_from_json(const char *json, size_t size, const char *name, mhc__config *out, mhc_error *error);
/* Appends "train.lr: 0.001 before, 0.002 now" for each field of the section that differs, each line ended by a line
 * feed. */
void mhc__config_differences(const mhc__config *before, const mhc__config *now, const char *section, mhc__text *lines);

#endif
