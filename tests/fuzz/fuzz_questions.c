/* Any bytes as a file of questions. What opens must fill batches with ids and classes in range. */
#include <string.h>

#include "data/questions.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { BATCH = 2, SEQUENCE = 3 };
    mhc__data_config config = mhc__data_config_default();
    snprintf(config.path, sizeof config.path, "%s", scratch_write(data, size));
    mhc__questions *questions = NULL;
    mhc_error error;
    if (mhc__questions_open(&config, SEQUENCE, 7, &questions, &error) != MHC_OK) {
        if (!*error.message || strchr(error.message, '\n'))
            abort();
        return 0;
    }
    int32_t rows[BATCH * (SEQUENCE + 1)];
    mhc__source source = mhc__questions_train(questions);
    for (int64_t index = 0; index < 3; index++) {
        if (source.fill(source.self, index, BATCH, SEQUENCE, rows, &error) != MHC_OK)
            abort();
        for (int i = 0; i < BATCH * (SEQUENCE + 1); i++) {
            bool label = i % (SEQUENCE + 1) == SEQUENCE;
            if (rows[i] < (label ? -1 : 0) || rows[i] >= (label ? 2 : mhc__questions_vocabulary(questions)))
                abort();
        }
    }
    mhc__questions_close(questions);
    return 0;
}
