/* Any bytes as a configuration: YAML, JSON, or an override. What loads and passes its checks must print as YAML that
 * loads to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(mhc_status status, const mhc_error *error) {
    if (status != MHC_OK && (error->status != status || !*error->message || strchr(error->message, '\n')))
        abort();
}

static mhc_status load(const char *text, size_t size, mhc__config *config, mhc_error *error) {
    mhc__places places = {0};
    *config = mhc__config_default();
    mhc_status status = mhc__yaml_read(text, size, "fuzz.yaml", config, &places, error);
    mhc__places_free(&places);
    return status == MHC_OK ? mhc__config_check(config, error) : status;
}

static void print_again(const mhc__config *config) {
    mhc__text first = {0}, second = {0};
    mhc__config again;
    mhc_error error;
    if (mhc__config_yaml(config, true, &first, &error) != MHC_OK ||
        load(first.data, first.length, &again, &error) != MHC_OK ||
        mhc__config_yaml(&again, true, &second, &error) != MHC_OK || strcmp(first.data, second.data) != 0)
        abort();
    mhc__text_free(&first);
    mhc__text_free(&second);
}

/* The first byte chooses the reader. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    char *text = malloc(size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    mhc__config config = mhc__config_default();
    mhc_error error;
    mhc_status status;
    switch (*data) {
    case '{':
        status = mhc__config_from_json((const char *)data, size, "fuzz.json", &config, &error);
        break;
    case '=':
        status = mhc__config_set(&config, text, &error);
        if (status == MHC_OK)
            status = mhc__config_check(&config, &error);
        break;
    default:
        status = load(text, size - 1, &config, &error);
    }
    one_line(status, &error);
    if (status == MHC_OK)
        print_again(&config);
    free(text);
    return 0;
}
